"""A dashboard in a real JupyterLab: typed into, ablated, named, another feature opened, and back."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.e2e.harness import Server, Watch, new_page
from tests.e2e.heatmap import Heatmap
from tests.e2e.notebook import Notebook, opened_notebook
from tests.e2e.test_accessible import violations

SETUP = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
import saewidgets as sw
scope = sw.demo()
names, things = ["Mira", "Tom", "Ada", "Ivo"], ["boat", "key", "kite", "lantern"]
texts = [f"{{a}} gave {{b}} the red {{t}} and went home." for a in names for b in names for t in things]
atlas = scope.sweep(texts, ["resid_post.1", "resid_post.2"], "atlas-of-dashboard", length=32, progress=False)
top = scope.run("Tom gave the lantern").top(position=-1, n=1, dictionary="resid_post.2")["feature"].iloc[0]
view = sw.FeatureDashboard(scope, top, atlas=atlas, text="Tom saw")
view
"""
ALONE = "alone = sw.FeatureDashboard(atlas, top)\nalone"
HEATMAP = """
heatmap = sw.TokenHeatmap(scope, "Tom gave the lantern", site="resid_post.2")
view.follow(heatmap)
heatmap
"""


@pytest.fixture(scope="module")
def notebook(server: Server, browser: Browser) -> Iterator[Notebook]:
    """A notebook with a dashboard of a scope and one of an atlas alone; closed with its kernel."""
    with opened_notebook(server, browser, "dashboard.ipynb", SETUP, ALONE, HEATMAP) as opened:
        yield opened


def settled(view: Locator) -> None:
    expect(view).to_have_attribute("data-busy", "false")


def test_type_ablate_name_open_and_go_back(notebook: Notebook) -> None:
    view = notebook.cell(0).locator(".saewidgets")
    top = notebook.python("top")
    expect(view.locator(".under-label")).to_contain_text(top)
    assert violations(notebook.page, ".saewidgets") == []

    box = view.get_by_role("textbox", name="Your own text")
    expect(box).to_have_value("Tom saw")
    box.click()
    notebook.page.keyboard.press("Control+a")
    notebook.page.keyboard.type("Tom gave the lantern")
    expect(view.locator(".mirror .lt.filled").last).to_be_visible()
    settled(view)
    expect(view.locator(".mirror")).to_have_text("Tom gave the lantern")
    assert notebook.python("view.text") == "Tom gave the lantern"
    # The mirror lies under the text, letter by letter.
    sizes = "(e) => [e.scrollWidth, e.scrollHeight].map(Math.round)"
    assert view.locator(".mirror").evaluate(sizes) == box.evaluate(sizes)

    view.get_by_role("button", name="ablate", exact=True).click()
    expect(view.locator(".under-text")).to_contain_text("→ 0")
    settled(view)
    expect(view.locator(".mirror .lt.gone").last).to_be_visible()
    expect(view.locator(".kl")).to_contain_text("control: features")
    assert notebook.python("(view.scale, float(view.payload.live.features[0].after.max()))") == (0.0, 0.0)

    notebook.page.keyboard.press("Control+z")
    expect(view.get_by_role("slider", name="Factor of the feature")).to_have_value("1")
    settled(view)
    assert notebook.python("view.scale") == 1.0

    view.get_by_role("button", name="steer", exact=True).click()
    slider = view.get_by_role("slider", name="Added to the feature")
    slider.focus()
    notebook.page.keyboard.press("End")
    settled(view)
    expect(view.locator(".kl")).to_contain_text("control: features")
    steer, maximum = notebook.python("(view.steer, view.payload.maximum)")
    assert abs(steer - 2 * maximum) < 1e-3
    slider.dblclick()
    settled(view)
    assert notebook.python("(view.steer, view.payload.live.n_edits)") == (0.0, 0)

    view.get_by_role("button", name="Write a label").click()
    field = view.get_by_role("textbox", name="Label")
    field.fill("<b>giving</b>")
    field.press("Enter")
    expect(view.locator("h2")).to_have_text("<b>giving</b>")
    assert notebook.python("scope.labels[top]") == "<b>giving</b>"

    near = view.get_by_role("region", name="Near it in the decoder").get_by_role("button").first
    near.click()
    expect(view.locator(".under-label")).not_to_contain_text(top)
    settled(view)
    other = notebook.python("view.feature")
    assert other == notebook.python("view.payload.id") != top
    expect(box).to_have_value("Tom gave the lantern")
    view.get_by_role("button", name="Undo").click()
    expect(view.locator("h2")).to_have_text("<b>giving</b>")
    settled(view)
    assert notebook.python("view.feature") == top

    view.get_by_role("radio", name="top").click()
    expect(view.locator(".examples")).to_have_count(1)
    assert notebook.python("view.shown") == "top"

    box.fill("boat " * 2000)
    expect(view.get_by_role("alert")).to_contain_text(re.compile(r"tokens; this model reads"))
    expect(view.locator(".examples")).to_have_count(1)
    box.fill("A boat.")
    expect(view.get_by_role("alert")).to_have_count(0)
    settled(view)
    assert notebook.python("view.payload.live.prompt") == "A boat."


def test_an_atlas_alone(notebook: Notebook) -> None:
    notebook.run_cell(1)
    view = notebook.cell(1).locator(".saewidgets")
    expect(view.locator(".box")).to_contain_text("No model: make the dashboard from a scope")
    expect(view.get_by_role("textbox")).to_have_count(0)
    expect(view.locator(".passage").first).to_be_visible()
    together = view.get_by_role("region", name="Fires together with").get_by_role("button").first
    together.click()
    expect(view.locator(".under-label")).not_to_contain_text(notebook.python("top"))
    settled(view)
    assert notebook.python("alone.feature != top and alone.payload.id == alone.feature") is True
    assert violations(notebook.page, ".saewidgets") == []


def test_a_click_in_a_heatmap_opens_its_feature(notebook: Notebook) -> None:
    notebook.run_cell(2)
    view = notebook.cell(0).locator(".saewidgets")
    heatmap = Heatmap(notebook.cell(2)).drawn()
    name = notebook.python("heatmap.features[1]")
    assert notebook.python("heatmap.fill != heatmap.features[1] != view.feature") is True
    heatmap.features.get_by_role("button", name="Fill with b").click()
    expect(view.locator(".under-label")).to_contain_text(name)
    settled(view)
    assert notebook.python("(view.feature, view.error)") == (name, None)


def test_a_page_of_an_atlas_alone(notebook: Notebook, browser: Browser) -> None:
    """One file with its examples inside; it asks nobody for anything."""
    page_file = notebook.server.folder / "alone.html"
    notebook.python(f"alone.to_html({str(page_file)!r}).name")
    words = notebook.python("next(g for g in alone.payload.groups if g.kind == 'top').passages[0].text")
    watch = Watch()
    with new_page(browser, watch) as page:
        page.goto(page_file.as_uri())
        view = page.locator(".saewidgets")
        expect(view.locator(".passage").first).to_be_visible()
        view.get_by_role("radio", name="top").click()
        expect(view.locator(".examples")).to_have_count(1)
        for word in words:
            expect(view.locator(".passage").first).to_contain_text(word.strip())
        expect(view.get_by_role("region", name="Fires together with").get_by_role("button").first).to_be_disabled()
    assert (watch.errors, watch.outside()) == ([], [])
    assert len([url for url in watch.requests if not url.startswith(("data:", "blob:"))]) == 1
