"""A comparison in a real JupyterLab: select, ablate, type, look at a feature, and the exported page offline."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.e2e.harness import Server, Watch, new_page
from tests.e2e.notebook import Notebook, opened_notebook
from tests.e2e.test_accessible import violations

TEXT = "Mira gave the red lantern to Tom."
SETUP = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
import saewidgets as sw
scope = sw.demo()
view = sw.Compare(scope, {TEXT!r})
diary = sw.Diary(view.left, view.right)
view
"""


@pytest.fixture(scope="module")
def notebook(server: Server, browser: Browser) -> Iterator[Notebook]:
    """A notebook with a comparison; closed with its kernel."""
    with opened_notebook(server, browser, "compare.ipynb", SETUP) as opened:
        yield opened


def side(view: Locator, letter: str) -> Locator:
    return view.get_by_role("region", name=f"Side {letter}")


def test_ablate_type_and_select_in_one_side(notebook: Notebook) -> None:
    view = notebook.cell(0).locator(".saewidgets")
    a, b = side(view, "A"), side(view, "B")
    expect(b.locator(".strip .t.sel").first).to_be_visible()
    assert violations(notebook.page, ".saewidgets") == []

    b.get_by_role("slider").first.focus()
    notebook.page.keyboard.press("Home")
    expect(b.locator("h2")).to_contain_text("ablate")
    expect(view).to_contain_text("control: the edits of B on 8 random features")
    expect(view).to_have_attribute("data-busy", "false")
    shown = notebook.python("[float(view.payload.predictions.kl[view.payload.pair]), view.payload.name_b]")
    expect(view.locator(".kl b").first).to_have_text(f"{shown[0]:.2f}")
    expect(b.locator("h2")).to_contain_text(shown[1])

    b.locator(".strip .t").filter(has_text="lantern").first.click()
    expect(a.locator(".strip .t.sel").first).to_contain_text("lantern")
    assert notebook.python("(view.left.selection, view.right.selection)")[0] == notebook.python("view.right.selection")

    area = a.locator("textarea").first
    a.locator(".strip .t").filter(has_text="red").first.click()
    area.fill(TEXT.replace("red", "blue"))
    expect(a.locator(".strip .t.differs")).to_have_text("blue")
    expect(b.locator(".strip .t.differs").first).to_have_text("red")
    notebook.page.keyboard.press("Escape")
    expect(view).to_contain_text("no difference here is the effect of an edit")
    said = notebook.python("[step.code for step in diary.steps]")
    assert any(code.startswith("heatmap_2.edits = [sw.ablate(") for code in said)
    assert any(code == f"heatmap.prompt = {TEXT.replace('red', 'blue')!r}" for code in said)


def test_the_page_works_offline(notebook: Notebook, browser: Browser) -> None:
    page_file = notebook.server.folder / "compare.html"
    notebook.python(f"(view.wait(60), view.to_html({str(page_file)!r}).name)[1]")
    watch = Watch()
    with new_page(browser, watch) as page:
        page.goto(page_file.as_uri())
        view = page.locator(".saewidgets")
        side(view, "B").locator(".strip .t").filter(has_text="lantern").first.click()
        expect(side(view, "A").locator(".strip .t.sel").first).to_contain_text("lantern")
        expect(view.get_by_role("region", name="Next token").locator("h3")).to_contain_text("lantern")
        expect(view.get_by_role("region", name="Features that differ").locator(".tfr").first).to_be_visible()
        page.keyboard.press("b")
        expect(side(view, "A").locator(".fillbar").get_by_role("radio", name="b", exact=True)).to_be_checked()
    assert watch.ours() == []
    assert watch.outside() == []
