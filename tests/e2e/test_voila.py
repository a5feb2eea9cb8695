"""Voila: a page without a notebook around it, with a kernel behind."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, expect

import saewidgets as sw
from saewidgets.runs.heatmap import default_features
from tests.e2e.harness import Watch, new_page, voila
from tests.e2e.heatmap import Heatmap
from tests.e2e.notebook import write_notebook
from tests.e2e.oracle import PROMPT, Expected, assert_shows, predicted
from tests.e2e.static import CELLS


def test_voila_edits_live(browser: Browser, tmp_path: Path, scope: Any, truth: Expected) -> None:
    folder = tmp_path / "notebooks"
    folder.mkdir()
    write_notebook(folder / "views.ipynb", *CELLS)
    write_notebook(folder / "bare.ipynb", "import ipywidgets\n\nipywidgets.IntSlider()")
    watch, host = Watch(), Watch()
    with voila(folder, tmp_path) as server:
        with new_page(browser, watch) as page:
            page.goto(f"{server.url}/voila/render/views.ipynb", timeout=60_000)
            view = Heatmap(page.locator("body")).drawn(60_000)
            expect(page.locator(".saewidgets")).to_have_count(2)
            assert_shows(view.predictions(), truth)
            view.edit()
            view.type(" Mira because the")
            view.settled()
            prompt = PROMPT + " Mira because the"
            assert_shows(view.predictions(), Expected(*predicted(scope, prompt)))
            view.ablate("a")
            view.settled()
            expect(view.after).to_be_visible()
            feature = default_features(scope, PROMPT)[0]
            assert_shows(view.predictions(), Expected(*predicted(scope, prompt, [sw.ablate(feature)])))
        with new_page(browser, host) as page:
            page.goto(f"{server.url}/voila/render/bare.ipynb", timeout=60_000)
            page.locator(".widget-slider").wait_for()
    # Voila's own template asks for the icons of its toolbar, whatever stands in the notebook.
    assert set(watch.outside()) <= set(host.outside())
    assert set(watch.errors) <= set(host.errors)
    assert watch.ours() == []
