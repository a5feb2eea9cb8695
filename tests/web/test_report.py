"""A report as it is read: every view in it works without a kernel and without a network."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

import saewidgets as sw
from saewidgets.payloads import RelatedFeature
from tests.circuit_factory import make_circuit
from tests.payload_factory import make_payload
from tests.view_factory import (
    make_compare,
    make_contrast,
    make_dashboard,
    make_explorer,
    make_frontier,
    make_patch_map,
    make_table,
)
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


def strip(view: Locator, position: int) -> Locator:
    return view.locator("[data-strip] .t").nth(position)


def fill(view: Locator, letter: str) -> None:
    """Press a feature's letter in a strip."""
    view.locator("[data-strip]").first.press(letter)


def filled(view: Locator, letter: str) -> None:
    expect(view.locator(".legend").first).to_contain_text(f"fill: {letter},")


def place(view: Locator) -> tuple[float, float]:
    """Where a circuit marks the column of a token."""
    box = view.locator(".moved .here").bounding_box()
    assert box is not None
    return box["x"], box["width"]


def linked_page(open_page: Open, other: Any, heat: Any = None) -> tuple[Page, Locator, Locator]:
    """A heatmap and another view in one page, linked."""
    report = sw.report([heat or make_payload(), other], link=True)
    page = open_page(str(report), viewport={"width": 1300, "height": 900})
    first, second = (page.locator("[data-saewidgets]").nth(i).locator(".saewidgets").first for i in range(2))
    expect(strip(first, 3)).to_be_visible()
    return page, first, second


def test_a_circuit_follows_and_is_followed(open_page: Open) -> None:
    heat = make_payload()
    circuit = make_circuit(prompt=heat.prompt)
    features = [f.id for f in heat.features]
    position = {n.rpartition("@")[0]: int(n.rpartition("@")[2]) for n in circuit.nodes.id}
    both = next(name for name in position if "/" in name)
    # One of the heatmap's features is a node, so that it can be looked at in both.
    chosen = (replace(heat.features[0], id=both), *heat.features[1:])
    page, one, two = linked_page(open_page, circuit, replace(heat, features=chosen, fill=features[1]))
    stage = two.locator("[data-graph]")
    expect(stage).to_have_attribute("data-painted", "true")
    expect(two.locator(".moved .here")).to_have_count(0)
    strip(one, 3).click()
    was = place(two)
    strip(one, 1).click()
    assert place(two)[0] < was[0]
    # A feature of the strip is taken into the hand.
    fill(one, "a")
    expect(two.locator(".side")).to_contain_text(both)
    assert place(two)[0] < was[0], "the token stays"
    # And back: a node in hand brings its token.
    stage.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    marked = one.locator("[data-strip] .t.sel").first
    expect(marked).to_have_count(1)
    column = one.locator("[data-strip] .t").evaluate_all("all => all.findIndex((t) => t.classList.contains('sel'))")
    told = two.get_by_role("status").first.inner_text()
    assert f"{column} " in told


def test_a_table_follows_and_is_followed(open_page: Open) -> None:
    heat, table = make_payload(), make_table(60, filters=(), query="", n_fit=60)
    rows = (heat.features[0], *(replace(heat.features[i], id=f"{table.site}/{row}") for i, row in ((1, 44), (2, 47))))
    _, one, two = linked_page(open_page, table, replace(heat, features=rows, fill=heat.features[0].id))
    grid = two.get_by_role("grid")
    fill(one, "c")
    expect(grid.locator(".trow.on .id")).to_have_text("47")  # scrolled to and marked
    grid.scroll_into_view_if_needed()
    expect(grid.locator(".trow.on")).to_be_in_viewport()
    grid.focus()
    for _ in range(3):  # a row that is touched fills the strip, where it is one of its features
        grid.press("ArrowUp")
    expect(grid.locator(".trow.on .id")).to_have_text("44")
    filled(one, "b")


def test_a_dashboard_is_followed_in_features(open_page: Open) -> None:
    heat = make_payload()
    near = heat.features[1].id
    board = make_dashboard(near=(RelatedFeature(near, 0.6, "female name"),))
    _, one, two = linked_page(open_page, board, heat)
    link = two.get_by_role("button", name=re.compile("female name"))
    expect(link).to_be_enabled()
    link.click()
    filled(one, "b")
    alone = open_page(str(sw.report([board]))).locator(".saewidgets").first
    expect(alone.get_by_role("button", name=re.compile("female name"))).to_be_disabled()


def test_a_comparison_follows_and_is_followed(open_page: Open) -> None:
    heat = make_payload()
    other = make_payload(prompt=heat.prompt + " now")
    compared = make_compare(sides=(heat, other))
    _, one, two = linked_page(open_page, compared, heat)
    a, b = (two.get_by_role("region", name=f"Side {side}") for side in "AB")
    before = chosen(one)
    strip(one, 3).click()
    assert chosen(one) != before
    for side in (a, b):  # the second side has another text: its own comparison brings it along
        expect(side.locator("[data-strip] .t").nth(3)).to_have_class(re.compile("sel"))
    strip(a, 5).click()
    expect(strip(one, 5)).to_have_class(re.compile("sel"))
    fill(one, "c")
    filled(a, "c")


def test_a_patch_map_follows_and_is_followed(open_page: Open) -> None:
    patched = make_patch_map()
    heat = make_payload(texts=list(patched.tokens.text), prompt=patched.clean)
    _, one, two = linked_page(open_page, replace(patched, cell=f"{patched.blocks[0].nodes[1]}:1"), heat)
    cells = two.locator("[aria-valuetext]").first
    strip(one, 2).click()
    expect(cells).to_have_attribute("aria-valuenow", "2")
    expect(cells).to_have_attribute("aria-valuetext", re.compile(patched.tokens.text[2].strip()))
    cells.press("ArrowDown")
    expect(strip(one, 3)).to_have_class(re.compile("sel"))


def test_a_contrast_follows_and_is_followed(open_page: Open) -> None:
    contrast, heat = make_contrast(), make_payload()
    ids = [f.id for f in contrast.features[:2]]
    fields = [replace(own, id=name) for own, name in zip(heat.features[1:3], ids, strict=True)]
    features = (heat.features[0], *fields)
    _, one, two = linked_page(open_page, contrast, replace(heat, features=features, fill=features[0].id))
    fill(one, "c")
    pressed = two.get_by_role("button", pressed=True).filter(has_text=ids[1].partition("/")[2])
    expect(pressed).to_have_count(1)
    two.locator("button[aria-pressed=false]").filter(has_text="cats").first.click()
    filled(one, "b")


def test_a_frontier_follows_and_is_followed_in_its_open_report(open_page: Open) -> None:
    frontier, heat = make_frontier(selected="topk, L0 24"), make_payload()
    (report,) = (point.report for point in frontier.points if point.name == frontier.selected)
    ids = [found.id for found in report.dense[:2]]
    fields = [replace(own, id=name) for own, name in zip(heat.features[1:3], ids, strict=True)]
    features = (heat.features[0], *fields)
    _, one, two = linked_page(open_page, frontier, replace(heat, features=features, fill=features[0].id))
    fill(one, "c")
    expect(two.get_by_role("button", pressed=True).filter(has_text=ids[1].partition("/")[2])).to_have_count(1)
    two.locator("button[aria-pressed=false]").filter(has_text=ids[0].partition("/")[2]).first.click()
    filled(one, "b")


def test_an_explorer_follows_and_is_followed(open_page: Open) -> None:
    heat, explorer = make_payload(), make_explorer()
    _, one, two = linked_page(open_page, explorer, heat)
    strip(one, 3).click()
    expect(strip(two, 3)).to_have_class(re.compile("sel"))
    strip(two, 5).click()
    expect(strip(one, 5)).to_have_class(re.compile("sel"))
    two.locator(".chip").nth(1).click()
    filled(one, "b")
    fill(one, "a")
    expect(two.locator(".chip").first).to_have_attribute("aria-pressed", "true")


def test_a_page_of_an_explorer_that_compares(open_page: Open) -> None:
    heat = make_payload()
    explorer = make_explorer(preset="compare")
    _, one, two = linked_page(open_page, explorer, heat)
    b = two.get_by_role("region", name="Side B")
    expect(strip(b, 3)).to_be_visible()
    strip(one, 3).click()
    expect(strip(b, 3)).to_have_class(re.compile("sel"))
    strip(b, 5).click()
    expect(strip(one, 5)).to_have_class(re.compile("sel"))
    two.get_by_role("radio", name="researcher").click()
    expect(strip(two, 5)).to_have_class(re.compile("sel"))
    two.get_by_role("radio", name="compare").click()
    expect(strip(two.get_by_role("region", name="Side B"), 5)).to_be_visible()
