"""axe-core on the widget in JupyterLab: nothing serious or critical, light and dark, in every state."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.e2e.heatmap import Heatmap
from tests.e2e.notebook import Tour

AXE = Path(__file__).parents[2] / "js" / "node_modules" / "axe-core" / "axe.min.js"
_RUN = """async (selector) => {
  const found = await axe.run(document.querySelector(selector), {resultTypes: ["violations"]});
  return found.violations.filter((v) => v.impact === "serious" || v.impact === "critical")
    .map((v) => [v.id, v.nodes.slice(0, 5).map((n) => [n.target.flat().join(" "), n.any[0]?.message ?? ""])]);
}"""


def violations(page: Page, selector: str = ".saewidgets") -> list[Any]:
    """Rules that the first element of a selector breaks, with where."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    return page.evaluate(_RUN, selector)


@pytest.fixture(params=["Light", "Dark"])
def themed(request: pytest.FixtureRequest, tour: Tour) -> Any:
    """A fresh view under a theme of JupyterLab."""
    view = tour.fresh()
    tour.notebook.theme(request.param)
    view.page.locator(".sw.dark" if request.param == "Dark" else ".sw:not(.dark)").first.wait_for()
    yield view
    tour.notebook.theme("Light")


def test_axe_finds_what_is_wrong(tour: Tour) -> None:
    page = tour.notebook.page
    page.evaluate("""() => {
      const bad = document.createElement("div");
      bad.id = "bad";
      bad.attachShadow({mode: "open"}).append(document.createElement("button"));
      document.body.append(bad);
    }""")
    try:
        assert [rule for rule, _ in violations(page, "#bad")] == ["button-name"]
    finally:
        page.evaluate("() => document.getElementById('bad').remove()")


def test_nothing_serious(themed: Heatmap) -> None:
    assert violations(themed.page) == []


def test_nothing_serious_under_an_edit(themed: Heatmap) -> None:
    themed.ablate("a")
    themed.settled()
    assert violations(themed.page) == []


def test_nothing_serious_while_searching(themed: Heatmap) -> None:
    themed.search.fill("17")
    themed.hits.first.wait_for()
    assert violations(themed.page) == []


def test_nothing_serious_in_an_error(themed: Heatmap) -> None:
    themed.edit()
    themed.page.keyboard.insert_text(" the red lantern" * 2000)
    themed.alert.wait_for()
    themed.settled()
    assert violations(themed.page) == []
