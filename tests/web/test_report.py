"""A report as it is read: every view in it works without a kernel and without a network."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from playwright.sync_api import Browser, Locator, expect

import saewidgets as sw
from tests.payload_factory import make_payload
from tests.view_factory import make_dashboard, make_table
from tests.web.conftest import Open
from tests.web.test_look import violations

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_views_of_a_report_are_live(open_page: Open, theme: str) -> None:
    frame = pd.DataFrame({"x": range(3)})
    parts = ["# One\n\ntext", make_payload(), "## Two", make_dashboard(), make_table(60), (frame, "Numbers")]
    page = open_page(str(sw.report(parts, title="Several", theme=theme)))
    views = page.locator("[data-saewidgets] .saewidgets")
    expect(views).to_have_count(3)
    # Two views have parts of the same name, as two widgets in a notebook do: no rule of WCAG, but of good practice.
    assert [fault for fault in violations(page) if not fault.startswith("landmark-unique")] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    heat = views.first
    expect(heat.locator("[data-strip]")).to_be_visible()
    choice = heat.get_by_role("radio", name="error", exact=True).first
    choice.click()
    expect(choice).to_have_attribute("aria-checked", "true")
    table = views.nth(2)
    table.get_by_role("textbox").fill("German")
    expect(table.locator(".fits")).to_contain_text("of 60 rows")
    expect(views.nth(1).locator("h2")).to_contain_text("someone is about to receive")


def test_a_narrow_report(open_page: Open) -> None:
    page = open_page(str(sw.report(["text", make_payload(), make_dashboard()])), viewport={"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(page.locator("figcaption").first).to_contain_text(re.compile("seed 0"))


TEXT = "Mira gave the red lantern to Tom."


@pytest.fixture(scope="module")
def linked() -> Iterator[tuple[Any, ...]]:
    """Two heatmaps and a dashboard of one text, linked; the second has another feature first. One more stands apart."""
    scope = sw.demo()
    with sw.TokenHeatmap(scope, TEXT) as one, sw.TokenHeatmap(scope, TEXT) as two:
        with sw.FeatureDashboard(scope, one.features[0], text=TEXT) as three, sw.TokenHeatmap(scope, TEXT) as apart:
            link = sw.link(one, two, three)
            assert all(view.wait(60) for view in (one, two, three))
            yield one, two, three, apart, link


def chosen(view: Locator) -> str:
    return view.locator(".strip .t.sel").first.inner_text()


def test_linked_views_follow_each_other_without_a_kernel(linked: Any, tmp_path: Path, browser: Browser) -> None:
    one, two, three, apart, _ = linked
    path = sw.report([one, (two, "The second."), "text", three, apart], tmp_path / "linked.html")
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(Path(path).as_uri())
    a, b, c, d = (page.locator("[data-saewidgets] .saewidgets").nth(i) for i in range(4))
    token = a.locator(".strip .t").filter(has_text="lantern").first
    token.click()
    for view in (a, b):
        expect(view.locator(".strip .t.sel").first).to_contain_text("lantern")
    expect(c.get_by_role("region", name="Next token")).to_contain_text("lantern")
    assert "lantern" not in chosen(d), "what is not linked stays where it is"
    # The other way round, and with the keys.
    b.locator(".strip .t").filter(has_text="gave").first.click()
    page.keyboard.press("ArrowRight")
    expect(a.locator(".strip .t.sel").first).to_have_text("the")
    # A feature: its letter is pressed in one, and it fills in the other.
    page.keyboard.press("b")
    for view in (a, b):
        expect(view.locator(".fillbar").get_by_role("radio", name="b", exact=True)).to_be_checked()
    expect(d.locator(".fillbar").get_by_role("radio", name="a", exact=True)).to_be_checked()
    # The pointer: the same token is framed in the other, and in none when it leaves.
    a.locator(".strip .t").filter(has_text="red").first.hover()
    expect(b.locator(".strip .t.pt")).to_have_text("red")
    expect(a.locator(".strip .t.pt")).to_have_count(0)
    page.mouse.move(0, 0)
    expect(b.locator(".strip .t.pt")).to_have_count(0)
    assert asked == [Path(path).as_uri()]
    page.close()


def test_any_views_can_be_linked_or_none(linked: Any, open_page: Open) -> None:
    one, two, _, apart, _ = linked
    page = open_page(str(sw.report([one, apart], link=True)))
    a, b = (page.locator("[data-saewidgets] .saewidgets").nth(i) for i in range(2))
    a.locator(".strip .t").filter(has_text="lantern").first.click()
    expect(b.locator(".strip .t.sel").first).to_contain_text("lantern")
    page = open_page(str(sw.report([one, two], link=False)))
    a, b = (page.locator("[data-saewidgets] .saewidgets").nth(i) for i in range(2))
    a.locator(".strip .t").filter(has_text="lantern").first.click()
    expect(a.locator(".strip .t.sel").first).to_contain_text("lantern")
    assert "lantern" not in chosen(b)


def test_another_text_is_not_followed_by_position(open_page: Open) -> None:
    texts = [" a", " b", " c"]
    page = open_page(str(sw.report([make_payload(), make_payload(3, texts=texts)], link=True)))
    a, b = (page.locator("[data-saewidgets] .saewidgets").nth(i) for i in range(2))
    before = chosen(b)
    a.locator(".strip .t").nth(1).click()
    assert chosen(b) == before


def test_what_a_page_says_of_its_links(linked: Any) -> None:
    one, two, _, apart, link = linked
    page = str(sw.report([one, two, apart]))
    assert re.findall(r'data-link="([^"]*)"', page) == ["token-0 feature-0"] * 2
    narrow = sw.link(two, apart, share=["feature"])
    page = str(sw.report([one, two, apart]))
    assert re.findall(r'data-link="([^"]*)"', page) == ["token-0 feature-0", "token-0 feature-0 feature-1", "feature-1"]
    narrow.unlink()
    assert link in one.links and narrow not in two.links
    assert "data-link" not in str(sw.report([one, two], link=False)).split("<script", 1)[0]
