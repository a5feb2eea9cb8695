"""Steering in a real JupyterLab: a slider moved, a feature added, stopped in the middle, kept, undone, a page."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.e2e.harness import Server, Watch, new_page
from tests.e2e.notebook import Notebook, opened_notebook
from tests.e2e.test_accessible import violations

SETUP = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
import saewidgets as sw
scope = sw.demo()
edits = [sw.steer("resid_post.2/131", 6.0)]
view = sw.Steering(scope, "In the morning Tom", edits, n_seeds=1, n_controls=2, max_new_tokens=12)
view
"""
# Six steps of the writer are let through, three tokens of each of two texts; the next waits for a stop.
HOLD = """
import threading
from saewidgets.runs.writer import Stream
step, left = Stream.__next__, [6]
def slow(stream):
    if left[0] == 0:
        assert stopped.wait(60)
        view._runner._running[1].token.check()
    left[0] -= 1
    return step(stream)
stopped = threading.Event()
stop = view._runner.cancel
def cancel(key):
    done = stop(key)
    stopped.set()
    return done
view._runner.cancel = cancel
Stream.__next__ = slow
"""


@pytest.fixture(scope="module")
def notebook(server: Server, browser: Browser) -> Iterator[Notebook]:
    """A notebook with a steering view; closed with its kernel."""
    with opened_notebook(server, browser, "steering.ipynb", SETUP) as opened:
        yield opened


def settled(view: Locator) -> None:
    expect(view).to_have_attribute("data-busy", "false")
    expect(view.get_by_role("button", name="Stop")).to_have_count(0)


def test_move_add_stop_keep_and_undo(notebook: Notebook) -> None:
    view = notebook.cell(0).locator(".saewidgets")
    steered = view.get_by_role("group", name="Steered")
    expect(view.locator(".verdict b")).to_be_visible()
    settled(view)
    assert violations(notebook.page, ".saewidgets") == []
    expect(steered.locator("h3")).to_contain_text("a +6.0")

    slider = view.get_by_role("slider", name="Strength of a")
    slider.focus()
    notebook.page.keyboard.press("End")
    settled(view)
    value = notebook.python("view.edits[0].value")
    assert value == notebook.python("view.payload.sliders[0].half") and value > 6
    expect(steered.locator("h3")).to_contain_text(f"a +{value:.1f}")
    text = notebook.python("view.payload.column('steered').text")
    for word in text.split()[:5]:
        expect(steered.locator(".gen")).to_contain_text(word)
    plain = "scope.generate('In the morning Tom', view.edits, max_new_tokens=12, seed=0).text"
    assert notebook.python(f"{plain}.startswith(view.payload.column('steered').text)") is True

    view.get_by_role("radio", name="feature").click()
    expect(view.get_by_role("group", name="Control")).to_contain_text("random feature of like density")
    settled(view)
    assert notebook.python("view.control") == "feature"

    view.get_by_role("button", name="Keep this one").click()
    expect(view.locator("tbody tr")).to_have_count(1)
    assert notebook.python("view.payload.kept[0].text") == text

    box = view.get_by_role("combobox", name="Add a feature")
    box.fill("containers")
    view.get_by_role("listbox").get_by_role("option").first.click()
    expect(view.get_by_role("slider", name="Strength of b")).to_be_visible()
    settled(view)
    label = "scope.label(view.payload.sliders[1].id)"
    assert notebook.python(f"(len(view.edits), {label}, view.edits[1].value)") == (2, "containers", 0.0)

    view.get_by_role("radio", name="clamp").click()
    settled(view)
    expect(steered.locator("h3")).to_contain_text("a = ")
    assert notebook.python("(view.mode, view.edits[0].kind)") == ("clamp", "clamp")
    view.get_by_role("button", name="Undo").click()
    settled(view)
    view.get_by_role("button", name="Undo").click()
    settled(view)
    assert notebook.python("(view.mode, len(view.edits), view.edits[0].value)") == ("additive", 1, value)
    view.get_by_role("button", name="Back to run 1").click()
    settled(view)
    view.get_by_role("button", name="Drop run 1").click()
    expect(view.locator("tbody tr")).to_have_count(0)


def test_stop_in_the_middle_of_a_text(notebook: Notebook) -> None:
    view = notebook.cell(0).locator(".saewidgets")
    settled(view)
    notebook.python("view.payload.phase", HOLD)
    view.get_by_role("button", name="New seed").click()
    stop = view.get_by_role("button", name="Stop")
    expect(stop).to_be_visible()
    steered = view.get_by_role("group", name="Steered")
    expect(steered.locator(".caret")).to_be_visible()
    expect(steered.locator(".gen .pt:not(.q)").first).to_be_visible()
    stop.click()
    settled(view)
    expect(steered.locator(".gen")).to_contain_text("stopped")
    expect(view.locator(".status")).to_have_text("stopped")
    assert notebook.python("(view.payload.phase, view.error)") == ("stopped", None)
    # It took effect before the next token: of three that could be written, those shown stay.
    new = "len(view.payload.texts[1].tokens) - view.payload.texts[1].n_prompt"
    assert 1 <= notebook.python(new) <= 3

    notebook.python("True", "Stream.__next__, view._runner.cancel = step, stop")
    view.get_by_role("button", name="New seed").click()
    settled(view)
    assert notebook.python("view.payload.phase") == "finished"


def test_an_error_and_a_prompt(notebook: Notebook) -> None:
    view = notebook.cell(0).locator(".saewidgets")
    words = view.get_by_role("textbox", name="Words that count as the effect")
    words.fill("extraordinary words")
    words.press("Enter")
    expect(view.get_by_role("alert")).to_contain_text("Name one token")
    words.fill("May, June")
    words.press("Enter")
    expect(view.get_by_role("alert")).to_have_count(0)
    settled(view)
    assert notebook.python("view.payload.target") == (" May", " June")
    box = view.get_by_role("textbox", name="Prompt")
    box.fill("They met in")
    expect(view.get_by_role("group", name="Base").locator(".gen")).to_contain_text("They met in")
    settled(view)
    assert notebook.python("(view.prompt, view.payload.prompt)") == ("They met in",) * 2


def test_a_page(notebook: Notebook, browser: Browser) -> None:
    """One file: the control is switched, charts are read, nothing is asked of anybody."""
    file = notebook.server.folder / "steering.html"
    notebook.python(f"view.to_html({str(file)!r}).name")
    watch = Watch()
    with new_page(browser, watch) as page:
        page.goto(file.as_uri())
        view = page.locator(".saewidgets")
        view.get_by_role("radio", name="direction").click()
        expect(view.get_by_role("group", name="Control")).to_contain_text("random direction, same norm")
        chart = view.get_by_role("slider", name=re.compile("Effect against strength"))
        chart.focus()
        page.keyboard.press("Home")
        assert chart.get_attribute("aria-valuenow") == "0"
        expect(view.get_by_role("slider", name="Strength of a")).to_be_disabled()
        expect(view.locator(".foot")).to_contain_text("A saved picture")
    assert (watch.errors, watch.outside()) == ([], [])
