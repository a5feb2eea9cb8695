"""What a notebook keeps of a view: a picture that needs neither kernel nor trust, and not the code."""

import shutil

import nbformat
from playwright.sync_api import Browser, expect

from saewidgets.export.notebook import clean
from saewidgets.widgets.output import WHOLE_BUDGET
from tests.e2e.harness import Watch, new_page
from tests.e2e.heatmap import Heatmap
from tests.e2e.notebook import Notebook, Tour
from tests.e2e.oracle import PROMPT

WIDGET = "application/vnd.jupyter.widget-view+json"


def test_saved_outputs_carry_pictures_and_no_bundle(tour: Tour, view: Heatmap) -> None:
    saved = tour.notebook.save()
    outputs = [out.data for cell in saved.cells for out in cell.get("outputs", ()) if WIDGET in out.get("data", {})]
    assert len(outputs) == 2
    for data in outputs:
        assert {"text/html", "image/png", "text/plain"} <= data.keys()
        assert "<script" not in data["text/html"]
        picture = "".join(data[mime] for mime in ("text/html", "image/png"))
        assert len(picture.encode()) - picture.count("\n") <= WHOLE_BUDGET
    assert "widgets" not in saved.metadata
    assert "adoptedStyleSheets" not in nbformat.writes(saved), "the front end's code"


def test_a_stranger_s_notebook_shows_the_picture_untrusted(tour: Tour, view: Heatmap, browser: Browser) -> None:
    saved = tour.notebook.save()
    saved.cells[0].source += "\n\nFrom a stranger."  # its signature is now wrong
    nbformat.write(saved, tour.notebook.server.folder / "stranger.ipynb")
    watch = Watch()
    with new_page(browser, watch) as page:
        stranger = Notebook(page, tour.notebook.server, "stranger.ipynb").open()
        output = stranger.cell(tour.view_cell).locator(".jp-RenderedHTML")
        expect(output).to_contain_text("lantern")
        assert page.locator(".saewidgets").count() == 0
        text = iter(output.inner_text())  # letters of features stand between the tokens
        assert all(letter in text for letter in PROMPT if letter.isalpha())
        filled = output.locator("span").evaluate_all(
            "(all) => new Set(all.map((e) => getComputedStyle(e).backgroundColor)).size"
        )
        assert filled > 2, "the colours survived the sanitiser"
        assert output.locator("script, iframe, img, button, a").count() == 0
        assert watch.outside() == []
        assert watch.errors == []


def test_a_cleaned_notebook_shows_its_pictures(tour: Tour, view: Heatmap, browser: Browser) -> None:
    path = tour.notebook.server.folder / "cleaned.ipynb"
    nbformat.write(tour.notebook.save(), path)
    clean(path)
    watch = Watch()
    with new_page(browser, watch) as page:
        notebook = Notebook(page, tour.notebook.server, path.name).open()
        output = notebook.cell(tour.view_cell).locator(".jp-RenderedHTML")
        expect(output).to_contain_text("lantern")
        expect(page.locator(".jp-RenderedHTML").filter(has_text="Next token")).to_have_count(2)
        assert page.locator(".saewidgets").count() == 0
    assert watch.outside() == []
    assert watch.errors == []


def test_a_trusted_notebook_of_a_kernel_that_ended_says_so(tour: Tour, view: Heatmap, browser: Browser) -> None:
    tour.notebook.save()
    path = tour.notebook.server.folder / "again.ipynb"
    shutil.copy(tour.notebook.path, path)  # trusted, for a signature is of the content
    watch = Watch()
    with new_page(browser, watch) as page:
        notebook = Notebook(page, tour.notebook.server, path.name).open()
        output = notebook.cell(tour.view_cell).locator(".jp-OutputArea-output").first
        expect(output).to_contain_text("model not found")
        notebook.run_all()
        Heatmap(notebook.cell(tour.view_cell)).drawn()
    assert watch.outside() == []
    assert watch.ours() == []
