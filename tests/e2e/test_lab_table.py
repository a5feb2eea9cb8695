"""A feature table in a real JupyterLab: searched, sorted, brushed, scrolled; a feature opened, named, and back."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.e2e.harness import Server
from tests.e2e.notebook import Notebook, opened_notebook
from tests.e2e.test_accessible import violations

SETUP = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
import saewidgets as sw
scope = sw.demo()
names, things = ["Mira", "Tom", "Ada", "Ivo"], ["boat", "key", "kite", "lantern"]
texts = [f"{{a}} gave {{b}} the red {{t}} and went home." for a in names for b in names for t in things]
atlas = scope.sweep(texts, ["resid_post.1", "resid_post.2"], "atlas-of-table", length=32, progress=False)
heard = []
view = sw.FeatureTable(scope, "resid_post.2", atlas=atlas, on_select=heard.append)
view
"""
ALONE = "alone = sw.FeatureTable(atlas)\nalone"


@pytest.fixture(scope="module")
def notebook(server: Server, browser: Browser) -> Iterator[Notebook]:
    """A notebook with a table of a scope and one of an atlas alone; closed with its kernel."""
    with opened_notebook(server, browser, "table.ipynb", SETUP, ALONE) as opened:
        yield opened


def settled(view: Locator) -> None:
    expect(view).to_have_attribute("data-busy", "false")


def rows_in_view(view: Locator) -> list[tuple[int, str]]:
    """Place and feature of every row that is drawn."""
    expect(view.locator(".trow.waiting")).to_have_count(0)
    found: list[tuple[int, str]] = view.locator(".trow").evaluate_all(
        "(all) => all.map((e) => [Number(e.dataset.place), e.querySelector('.id').textContent])"
    )
    return [(place, text) for place, text in found]


def test_search_sort_open_name_and_go_back(notebook: Notebook) -> None:
    view = notebook.cell(0).locator(".saewidgets")
    expect(view.locator(".trow").first).to_be_visible()
    assert violations(notebook.page, ".saewidgets") == []

    search = view.get_by_role("textbox", name=re.compile("^Words of labels"))
    search.click()
    notebook.page.keyboard.type("lantern")
    settled(view)
    expect(view.locator(".fits")).not_to_contain_text("features")
    assert notebook.python("(view.query, view.payload.sort)") == ("lantern", "match")
    fits = notebook.python("list(view.to_frame().index)")
    assert [f"resid_post.2/{name}" for _, name in rows_in_view(view)] == fits[: len(rows_in_view(view))]

    view.get_by_role("button", name=re.compile("^max")).click()
    settled(view)
    frame = notebook.python("view.to_frame()['maximum'].tolist()")
    assert frame == sorted(frame, reverse=True)
    assert notebook.python("view.sort") == "maximum"
    view.get_by_role("button", name=re.compile("^max")).click()
    settled(view)
    assert notebook.python("(view.descending, view.to_frame()['maximum'].is_monotonic_increasing)") == (False, True)

    view.get_by_role("button", name=re.compile("^Choose")).first.click()
    first = notebook.python("view.to_frame().index[0]")
    expect(view.locator(".chosen")).to_contain_text("1 chosen")
    assert notebook.python("(view.selection, heard[-1])") == ((first,), (first,))

    view.locator(".trow").first.locator(".lab, .q").first.click()
    expect(view.locator(".under-label")).to_contain_text(first)
    settled(view)
    assert notebook.python("(view.feature, view.dashboard.payload.id)") == (first, first)
    assert violations(notebook.page, ".saewidgets") == []
    view.get_by_role("button", name="Write a label").click()
    field = view.get_by_role("textbox", name="Label")
    field.fill("<b>first</b>")
    field.press("Enter")
    expect(view.locator("h2")).to_have_text("<b>first</b>")
    view.get_by_role("button", name=re.compile("back to the table")).click()
    expect(view.locator(".trow").first).to_contain_text("<b>first</b>")
    settled(view)
    assert notebook.python("(view.feature, view.dashboard)") == ("", None)

    view.locator(".ftable").focus()
    notebook.page.keyboard.press("Control+z")
    settled(view)
    assert notebook.python("view.descending") is True


def test_scroll_and_brush(notebook: Notebook) -> None:
    view = notebook.cell(0).locator(".saewidgets")
    notebook.python("view.wait(60)", "view.query, view.sort, view.descending = '', 'mean', True")
    expect(view.locator(".fits")).to_have_text(re.compile("1.024 features"))
    settled(view)
    grid = view.locator(".ftable")
    # IPython prints a thousand items of a list and no more.
    order = notebook.python("' '.join(name.split('/')[1] for name in view.to_frame().index)").split()
    for top in (3_000, 17_000, 31_000, 500):
        grid.evaluate("(e, top) => { e.scrollTop = top; }", top)
        expect(view.locator(f"#row-{top // 31}")).to_be_visible()
        shown = rows_in_view(view)
        assert len(shown) >= 14
        assert shown == [(place, order[place]) for place, _ in shown]
    box = view.locator(".brushed .plot").first.bounding_box()
    assert box is not None
    mouse, y = notebook.page.mouse, box["y"] + 80
    mouse.move(box["x"] + box["width"] * 0.4, y)
    mouse.down()
    mouse.move(box["x"] + box["width"] * 0.6, y, steps=8)
    mouse.up()
    settled(view)
    expect(view.get_by_role("button", name=re.compile("^density"), exact=False).first).to_be_visible()
    low, high = notebook.python("[tuple(f[1:]) for f in view.filters][0]")
    every = "[float(d) for d in atlas.stats('resid_post.2')['density']]"
    fits = f"sorted(d for d in {every} if {low!r} <= d <= {high!r})"
    assert notebook.python(f"sorted(view.to_frame()['density'].tolist()) == {fits}") is True
    assert 0 < notebook.python("len(view.to_frame())") < 1024
    view.get_by_role("button", name="clear", exact=True).click()
    settled(view)
    assert notebook.python("view.filters") == ()


def test_an_atlas_alone(notebook: Notebook) -> None:
    notebook.run_cell(1)
    view = notebook.cell(1).locator(".saewidgets")
    expect(view.locator(".trow").first).to_be_visible()
    view.get_by_role("radio", name="fires here, not there").click()
    view.get_by_role("textbox", name="A text where it fires").fill("red lantern")
    view.get_by_role("textbox", name="A text where it does not").fill("went home")
    settled(view)
    expect(view.locator(".conditions")).to_contain_text("not in “went home”")
    frame = notebook.python("alone.to_frame()[['here', 'there']].values.tolist()")
    assert frame
    assert all(here > 0 and there == 0 for here, there in frame)
    view.locator(".ftable").focus()
    notebook.page.keyboard.press("ArrowDown")
    notebook.page.keyboard.press("Enter")
    expect(view.locator(".passage").first).to_be_visible()
    settled(view)
    notebook.page.keyboard.press("Escape")
    expect(view.locator(".trow").first).to_be_visible()
    assert notebook.python("alone.feature") == ""
    assert violations(notebook.page, ".saewidgets") == []
