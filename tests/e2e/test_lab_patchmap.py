"""A patch map in a real JupyterLab: a cell clicked, a path laid, noise, a prompt typed, refused and undone, a page."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.e2e.harness import Server, Watch, new_page
from tests.e2e.notebook import Notebook, opened_notebook
from tests.e2e.test_accessible import violations

CLEAN = "When Mira and Tom came to the pond, Tom gave the lantern to"
CORRUPT = "When Mira and Tom came to the pond, Mira gave the lantern to"
SETUP = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
import saewidgets as sw
scope = sw.demo()
view = sw.PatchMap(scope, {CLEAN!r}, {CORRUPT!r}, controls=2)
view
"""
RESULT = """
options = {"dictionary": "resid_post.1@small", "top": 3, "controls": 1}
report = sw.causes.shapley(scope, "The queen went home when", " she", **options)
report
"""
ROW, TOP, STEP = 26, 44, 38


@pytest.fixture(scope="module")
def notebook(server: Server, browser: Browser) -> Iterator[Notebook]:
    """A notebook with a patch map and a report; closed with its kernel."""
    with opened_notebook(server, browser, "patchmap.ipynb", SETUP, RESULT) as opened:
        yield opened


def settled(view: Locator) -> None:
    expect(view).to_have_attribute("data-busy", "false")


def click(view: Locator, block: int, column: int, row: int) -> None:
    view.locator(".pm svg").nth(block).click(position={"x": column * STEP + 20, "y": TOP + row * ROW + 12})


def test_click_a_cell_lay_a_path_make_noise_and_type(notebook: Notebook) -> None:
    view = notebook.cell(0).locator(".saewidgets")
    expect(view.locator(".cellside h3").first).to_contain_text("attention, layer 2, at to · patched live")
    assert violations(notebook.page, ".saewidgets") == []

    click(view, 2, 0, 10)
    expect(view.locator(".cellside h3").first).to_contain_text("MLP, layer 0, at Tom · patched live")
    settled(view)
    shown = notebook.python("[round(float(x), 2) for x in view.payload.detail(view.cell).after]")
    assert view.locator(".cellside .prow .num:nth-child(4)").all_text_contents() == [f"{x:.2f}" for x in shown]
    assert notebook.python("view.cell") == "mlp_out.0:10"

    view.get_by_role("button", name="Patch a path from here").click()
    click(view, 1, 2, 14)
    expect(view.get_by_role("region", name="Path")).to_contain_text("MLP, layer 0, at Tom → attention, layer 2, at to")
    settled(view)
    restored = notebook.python("round(view.payload.paths[-1].restored, 2)")
    expect(view.get_by_role("region", name="Path").locator(".big")).to_contain_text(
        f"{restored:.2f} restored · control"
    )
    assert notebook.python("view.path") == ("mlp_out.0:10", "attn_out.2:14")

    view.get_by_role("slider").focus()
    notebook.page.keyboard.press("Control+z")
    expect(view.get_by_role("region", name="Path")).to_have_count(0)
    settled(view)
    notebook.page.keyboard.press("ArrowRight")
    expect(view.locator(".cellside h3").first).to_contain_text("MLP, layer 1, at Tom · patched live")
    settled(view)
    assert notebook.python("view.cell") == "mlp_out.1:10"

    view.get_by_role("radio", name="noise").click()
    expect(view.locator(".row.changed")).to_contain_text("← noise")
    settled(view)
    expect(view.locator(".reading")).to_contain_text("more than every control")
    assert notebook.python("(view.corruption, view.payload.corruption)") == ("noise", "noise")
    view.get_by_role("radio", name="heads").click()
    expect(view.locator(".pm svg")).to_have_count(4)
    settled(view)
    view.get_by_role("button", name="Undo").click()
    settled(view)
    view.get_by_role("button", name="Undo").click()
    expect(view.locator(".row.changed")).to_contain_text("← Mira")
    settled(view)

    box = view.get_by_role("textbox", name="Corrupted prompt")
    box.fill(CORRUPT.replace("lantern", "lanternlike"))
    expect(view.get_by_role("alert")).to_contain_text("stands against")
    expect(view.locator(".drained .pm")).to_be_visible()
    pairs = view.get_by_role("group", name="Both prompts, aligned").locator(":scope > span:not(.sub)")
    assert pairs.count() == notebook.python("len(view.last_error.pairs)") > 15
    framed = view.locator(".aligned .alone").all_text_contents()
    extra = notebook.python("[a or b for a, b in view.last_error.pairs if not (a and b)]")
    assert framed == [token.strip() for token in extra] and len(framed) >= 1
    assert violations(notebook.page, ".saewidgets") == []
    assert notebook.python("view.corrupt[0]") == CORRUPT
    box.fill(CORRUPT.replace("Mira gave", "Nora gave"))
    expect(view.get_by_role("alert")).to_have_count(0)
    expect(view.locator(".row.changed")).to_contain_text("← Nora")
    settled(view)
    assert notebook.python("view.payload.corrupt") == CORRUPT.replace("Mira gave", "Nora gave")


def test_a_result_shows_its_check_and_its_paragraph(notebook: Notebook) -> None:
    notebook.run_cell(1)
    output = notebook.cell(1).locator(".jp-OutputArea-output").last
    expect(output).to_contain_text("efficiency the shares add up to")
    expect(output).to_contain_text(notebook.python("report.paragraph()")[:60])
    expect(output.locator("svg")).to_be_visible()


def test_the_page_keeps_what_was_patched(notebook: Notebook, browser: Browser) -> None:
    page_file = notebook.server.folder / "patchmap.html"
    notebook.python(f"view.to_html({str(page_file)!r}).name")
    [one, *_] = notebook.python("[(d.node, d.position) for d in view.payload.details]")
    watch = Watch()
    with new_page(browser, watch) as page:
        page.goto(page_file.as_uri())
        view = page.locator(".saewidgets")
        block = ("resid_post", "attn_out", "mlp_out").index(one[0].split(".")[0])
        click(view, block, int(one[0].split(".")[1]), one[1])
        expect(view.locator(".cellside .prow")).to_have_count(5)
        view.locator(".pm svg").first.hover(position={"x": 20, "y": TOP + 12})
        expect(view.locator(".reading")).to_contain_text("residual stream, layer 0, at ‹bos›: 0.00 restored")
        assert violations(page, ".saewidgets") == []
    assert (watch.errors, watch.outside()) == ([], [])
