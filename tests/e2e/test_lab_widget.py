"""The widget base in a real JupyterLab, without a model: one carrier, bursts, freeze."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.harness import Server, Watch, new_page
from tests.e2e.heatmap import Heatmap
from tests.e2e.notebook import Notebook, write_notebook

SETUP = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
import saewidgets.runs.heatmap as runs
from saewidgets.widgets import TokenHeatmap
from tests.widgets.fakes import FakeScope, build, default_features
runs.heatmap_payload, runs.default_features = build, default_features
scope = FakeScope(delay=0.01)
view = TokenHeatmap(scope, "one two three")
view
"""


@pytest.fixture
def notebook(server: Server, browser: Browser) -> Iterator[Notebook]:
    """A notebook with two widgets on one scope."""
    path = write_notebook(server.folder / "base.ipynb", SETUP, "other = TokenHeatmap(scope, 'alone')\nother")
    with new_page(browser, Watch()) as page:
        opened = Notebook(page, server, path.name).open()
        opened.run_all()
        yield opened


def test_frozen_output_is_a_picture_in_place(notebook: Notebook) -> None:
    page = notebook.page
    view = Heatmap(page.locator("body")).drawn()
    expect(page.locator(".saewidgets")).to_have_count(2)
    view.edit()
    view.type("fold four")
    expect(view.tokens.locator(".t")).to_have_text(["one", "two", "threefold", "four"])
    assert notebook.python("other.prompt") == "alone"
    assert notebook.python("view._carrier == other._carrier") is True
    notebook.python("view.freeze()")
    expect(page.locator(".saewidgets")).to_have_count(1)
    expect(page.locator(".jp-OutputArea-output").first).to_contain_text("threefold")
    saved = notebook.save()
    first, second = (cell.outputs[0].data for cell in saved.cells)
    view_mime = "application/vnd.jupyter.widget-view+json"
    assert {"text/html", "image/png", "text/plain"} == set(first)
    assert {"text/html", "image/png", "text/plain", view_mime} == set(second)
    assert notebook.python("[t.name for t in __import__('threading').enumerate() if 'saewidgets' in t.name]") == []


def test_a_burst_of_200_key_strokes_costs_few_forwards(notebook: Notebook) -> None:
    """One at once, one a second, one after each pause; on an idle machine 12 for 200 keys in ten seconds."""
    page = notebook.page
    view = Heatmap(page.locator("body")).drawn()
    page.evaluate("window.keys = []; window.addEventListener('keydown', (e) => window.keys.push(e.timeStamp), true)")
    before = notebook.python("scope.forwards")
    view.edit()
    text = " word" * 40
    page.keyboard.type(text, delay=50)
    expect(view.tokens.locator(".t")).to_have_count(43)
    view.settled()
    assert notebook.python("view.prompt") == "one two three" + text
    times = page.evaluate("window.keys")[-200:]
    pauses = sum(later - earlier > 80 for earlier, later in pairwise(times))
    assert notebook.python("scope.forwards") - before <= 2 + pauses + (times[-1] - times[0]) / 1000
