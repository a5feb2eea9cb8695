"""A lecture's circuit: its text is half as large again, and what is pressed is what is drawn there."""

import pytest
from playwright.sync_api import Locator, expect

from saewidgets.export.page import to_page
from tests.view_factory import make_explorer
from tests.web.conftest import Open

pytestmark = pytest.mark.browser


def height(words: Locator) -> float:
    return float(words.first.evaluate("(e) => e.getBoundingClientRect().height"))


def test_the_graph_is_as_large_as_the_lecture(open_page: Open) -> None:
    page = open_page(to_page(make_explorer()), viewport={"width": 1300, "height": 1200})
    stage = page.locator("[data-graph]")
    expect(stage).to_have_attribute("data-painted", "true")
    circuit = page.get_by_role("region", name="Circuit")
    words, legend = circuit.locator(".words .tx"), circuit.locator(".legend")
    plain, small = height(words), height(legend.locator("span"))
    page.get_by_role("radio", name="lecture").click()
    for _ in range(2):
        page.get_by_role("button", name="Next panel").click()
    expect(stage).to_be_visible()
    # A font's lines are whole pixels high.
    assert height(words) == pytest.approx(1.5 * plain, rel=0.1)
    assert height(legend.locator("span")) == pytest.approx(1.5 * small, rel=0.1)

    # The node in hand is ringed where a click takes it: beside its name.
    name = page.locator(".name")
    stage.focus()
    page.keyboard.press("ArrowRight")
    expect(name).to_be_visible()
    box, beside = name.bounding_box(), name.evaluate("(e) => e.style.left !== ''")
    page.keyboard.press("ArrowRight")
    assert box is not None
    x = box["x"] - 18 if beside else box["x"] + box["width"] + 18
    page.mouse.click(x, box["y"] + 39)
    assert name.bounding_box() == box

    page.get_by_role("radio", name="researcher").click()
    expect(stage).to_be_visible()
    assert height(words) == pytest.approx(plain, rel=0.02)
