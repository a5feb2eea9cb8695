"""Fingers on an explorer's page: a tap selects and explains, a drag moves a divider, two fingers zoom the graph."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, CDPSession, Locator, Page, expect

from saewidgets.export.page import to_page
from tests.view_factory import make_explorer

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """A tablet's page of an explorer."""
    path = tmp_path / "explorer.html"
    path.write_text(to_page(make_explorer()), encoding="utf-8")
    context = browser.new_context(viewport={"width": 1180, "height": 1000}, has_touch=True, is_mobile=True)
    made = context.new_page()
    made.goto(path.as_uri())
    expect(made.locator("[data-graph]")).to_have_attribute("data-painted", "true")
    yield made
    context.close()


@pytest.fixture
def fingers(page: Page) -> CDPSession:
    return page.context.new_cdp_session(page)


def touch(fingers: CDPSession, *ways: tuple[tuple[float, float], tuple[float, float]], steps: int = 8) -> None:
    """Put fingers down, move each along its way, and lift them."""

    def points(share: float) -> list[dict[str, Any]]:
        return [
            {"x": a[0] + share * (b[0] - a[0]), "y": a[1] + share * (b[1] - a[1]), "id": i}
            for i, (a, b) in enumerate(ways)
        ]

    for n in range(1, len(ways) + 1):
        fingers.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points(0)[:n]})
    for step in range(1, steps + 1):
        fingers.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": points(step / steps)})
    fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def middle(place: Locator) -> tuple[float, float]:
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_a_tap_selects_a_token_and_says_what_it_is(page: Page) -> None:
    token = page.locator("[data-strip] .t").nth(4)
    token.tap()
    expect(token).to_have_class(re.compile("sel"))
    expect(page.get_by_role("region", name="Strongest features").get_by_role("heading")).to_contain_text("token 4")
    tip = page.locator(".tip").filter(has_text="token 4")
    expect(tip).to_be_visible()
    page.locator("[data-strip] .t").nth(6).tap()
    expect(tip).to_have_count(0)
    expect(page.locator(".tip").filter(has_text="token 6")).to_be_visible()
    page.get_by_role("radio", name="both").tap()
    expect(page.locator(".tip")).to_have_count(0)
    page.locator(".chip").nth(1).tap()
    expect(page.locator(".chip").nth(1)).to_have_attribute("aria-pressed", "true")


def test_a_finger_moves_a_divider(page: Page, fingers: CDPSession) -> None:
    panel = page.get_by_role("region", name="Strongest features")
    wide = panel.bounding_box()
    x, y = middle(page.get_by_role("separator", name="Width of the features"))
    touch(fingers, ((x, y), (x + 90, y)))
    wider = panel.bounding_box()
    assert wide and wider and wider["width"] > wide["width"] + 60


def scale(page: Page) -> float:
    """How far the graph is zoomed: columns lie so much further apart."""
    x = page.locator(".words text.small").evaluate_all("all => all.map((text) => text.getBoundingClientRect().x)")
    return max(x) - min(x)


def test_two_fingers_zoom_the_graph_and_one_moves_it(page: Page, fingers: CDPSession) -> None:
    stage = page.locator("[data-graph]")
    x, y = middle(stage)
    before = scale(page)
    touch(fingers, ((x - 40, y), (x - 120, y)), ((x + 40, y), (x + 120, y)))
    expect(page.locator(".moved")).not_to_have_attribute("style", re.compile("transform"))  # drawn anew, at rest
    assert scale(page) == pytest.approx(3 * before, rel=0.1)
    first = page.locator(".words text.small").first
    was, top = first.bounding_box(), page.evaluate("scrollY")
    touch(fingers, ((x, y), (x + 60, y + 10)))
    expect(page.locator(".moved")).not_to_have_attribute("style", re.compile("transform"))
    now = first.bounding_box()
    assert was and now and now["x"] - was["x"] == pytest.approx(60, abs=8)
    assert page.evaluate("scrollY") == top, "the graph moves, not the page"


def test_one_finger_scrolls_the_page_over_a_graph_that_is_all_in_view(page: Page, fingers: CDPSession) -> None:
    page.set_viewport_size({"width": 1180, "height": 500})
    x, y = middle(page.locator("[data-graph]"))
    before = page.evaluate("scrollY")
    touch(fingers, ((x, y), (x, y - 150)), steps=15)
    page.wait_for_function("(before) => scrollY !== before", arg=before)


def test_a_tap_takes_a_node_into_the_hand(page: Page) -> None:
    stage = page.locator("[data-graph]")
    stage.focus()
    page.keyboard.press("ArrowRight")
    name = page.locator(".name")
    expect(name).to_be_visible()
    box = name.bounding_box()
    assert box is not None
    beside = name.evaluate("(e) => e.style.left !== ''")
    page.keyboard.press("ArrowRight")
    other = name.bounding_box()
    assert other and (other["x"], other["y"]) != (box["x"], box["y"])
    # The node stands beside its name, to the left or the right of it, a little below.
    x = box["x"] - 12 if beside else box["x"] + box["width"] + 12
    page.touchscreen.tap(x, box["y"] + 26)
    again = name.bounding_box()
    assert again and (again["x"], again["y"]) == (box["x"], box["y"])
