"""The feature table as it is seen: rows of a million that are asked for, brushes, keys, an opened feature, the page."""

import base64
import re
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from saewidgets.payloads import FeatureTablePayload, encode
from tests.attacks.hostile import STRINGS, hostile_views
from tests.view_factory import make_dashboard, make_rows, make_table
from tests.web.conftest import Open
from tests.web.host import FRAMES, darken, live_page, saved_page, show
from tests.web.test_hostile import ELEMENTS
from tests.web.test_look import violations
from tests.web.test_views import OURS, sent

pytestmark = pytest.mark.browser

VIEWS: dict[str, FeatureTablePayload] = {
    "table": make_table(),
    "without scores": make_table(points=(), filters=(), selection=(), dashboards=()),
    "nothing fits": make_table(0, points=(), note="No feature fits. What removes most: input, which 3 of 1024 fit."),
    "searched": make_table(query="Mira", here="", filters=()),
    "contrast": make_table(here="a red lantern", there="went home", filters=()),
}
MILLION = 1_000_000
# Left, top, right and bottom of all dots of a plot, in px of the plot.
ENDS = """(plot) => {
  const all = [...plot.querySelectorAll("path.dots")].map((e) => e.getBBox()).filter((b) => b.width > 0);
  return [Math.min(...all.map((b) => b.x)), Math.min(...all.map((b) => b.y)),
          Math.max(...all.map((b) => b.x + b.width)), Math.max(...all.map((b) => b.y + b.height))];
}"""
# Elements of the table, besides those of the other views.
OWN = {"form", "option", "select"}


def answer(page: Page, order: int = 1) -> list[int]:
    """Answer every request for rows that has none yet; the places they began at."""
    begun = []
    for message in page.evaluate("host.sent.splice(0).filter((m) => m.type === 'rows')"):
        start, n = message["start"], message["count"]
        raw = base64.b64encode(encode(make_rows(n, start, order))).decode()
        reply = {"type": "ok", "id": message["id"], "result": None}
        page.evaluate("([reply, raw]) => host.reply(reply, [raw])", [reply, raw])
        begun.append(start)
    page.evaluate(FRAMES)
    return begun


def shown(page: Page) -> dict[int, str]:
    """Feature by place of the rows that are drawn and filled."""
    rows = page.locator(".trow:not(.waiting)").evaluate_all(
        "(all) => all.map((e) => [Number(e.dataset.place), e.querySelector('.id').textContent])"
    )
    return dict(rows)


def in_view(page: Page) -> list[int]:
    """Places whose rows lie in the window that is seen."""
    found: list[int] = page.locator(".ftable").evaluate(
        """(grid) => {
          const box = grid.getBoundingClientRect();
          return [...grid.querySelectorAll(".trow")]
            .map((e) => [Number(e.dataset.place), e.getBoundingClientRect()])
            .filter(([, row]) => row.top >= box.top + 27 && row.bottom <= box.bottom + 1)
            .map(([place]) => place);
        }"""
    )
    return found


@pytest.mark.parametrize("payload", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("width", [1000, 640, 360])
def test_axe_and_overflow(open_page: Open, payload: FeatureTablePayload, width: int) -> None:
    page = open_page(live_page(payload), viewport={"width": width, "height": 900}, reduced_motion="reduce")
    assert violations(page) == []
    darken(page)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="+ statistic").click()
    expect(page.get_by_role("form")).to_be_visible()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_rows_of_a_million_stand_at_their_places(open_page: Open) -> None:
    """Wheel steps and jumps of the scroll bar: after each answer every row in view is filled, and with its own."""
    page = open_page(live_page(make_table(MILLION, filters=())))
    grid = page.locator(".ftable")
    assert shown(page) == {place: str(place) for place in range(24)}
    highest = grid.evaluate("(e) => e.scrollHeight")
    assert highest < 4_100_000, "browsers round beyond some 17 million px"
    steps = [40, 400, 90_000, 90_031, 2_000_000, 2_000_100, 3_999_000, highest, highest - 300, 0]
    seen = set()
    for top in steps:
        grid.evaluate("(e, top) => { e.scrollTop = top; }", top)
        page.evaluate(FRAMES)
        for _ in range(4):
            answer(page)
        places = in_view(page)
        assert len(places) >= 13, top
        assert places == list(range(places[0], places[0] + len(places)))
        assert {place: shown(page).get(place) for place in places} == {place: str(place) for place in places}
        seen.add(places[0])
    assert (
        MILLION - 14 in {place for place in range(MILLION - 20, MILLION) if place in seen} or max(seen) >= MILLION - 16
    )
    assert 0 in seen
    # One row is one step of the wheel's length, wherever one is: a jump to the middle, then 31 px.
    grid.evaluate("(e) => { e.scrollTop = 2000000; }")
    page.evaluate(FRAMES)
    before = in_view(page)[0]
    grid.evaluate("(e) => { e.scrollTop += 31; }")
    page.evaluate(FRAMES)
    assert in_view(page)[0] == before + 1


def test_rows_of_another_order_are_not_shown(open_page: Open) -> None:
    page = open_page(live_page(make_table(MILLION, filters=())))
    grid = page.locator(".ftable")
    grid.evaluate("(e) => { e.scrollTop = 9000; }")
    expect(page.locator(".trow.waiting").first).to_be_visible()
    late = page.evaluate("host.sent.find((m) => m.type === 'rows')")
    newer = make_table(MILLION, filters=(), descending=False, rows=make_rows(60, 0, order=2, texts=["new"]))
    page.evaluate("(p) => host.set({ _payload: p, _revision: 2 })", base64.b64encode(encode(newer)).decode())
    expect(page.locator(".trow").first).to_contain_text("new")
    assert in_view(page)[0] == 0, "another question begins at the top"
    raw = base64.b64encode(encode(make_rows(80, late["start"], order=1, texts=["old"]))).decode()
    page.evaluate("([id, raw]) => host.reply({ type: 'ok', id, result: null }, [raw])", [late["id"], raw])
    grid.evaluate("(e) => { e.scrollTop = 9000; }")
    expect(page.locator(".trow.waiting").first).to_be_visible()
    expect(page.get_by_text("old", exact=True)).to_have_count(0)
    page.evaluate(FRAMES)
    for _ in range(3):
        answer(page, order=2)
    expect(page.locator(".trow.waiting")).to_have_count(0)
    assert all(text == str(place) for place, text in shown(page).items())


def test_search_sort_and_filters_ask_python(open_page: Open) -> None:
    page = open_page(live_page(make_table()))
    page.keyboard.press("/")
    search = page.get_by_role("textbox", name=re.compile("^Words of labels"))
    search.fill("Mira")
    page.get_by_role("button", name="max", exact=True).click()
    page.get_by_role("button", name=re.compile("^density 0")).click()
    page.get_by_role("button", name="+ statistic").click()
    form = page.get_by_role("form")
    form.get_by_role("combobox", name="Statistic").select_option("n_active")
    form.get_by_role("textbox", name="from").fill("100")
    form.get_by_role("button", name="Filter").click()
    page.get_by_role("radio", name="fires here, not there").click()
    page.get_by_role("textbox", name="A text where it fires").fill("lantern")
    states = [m["state"] for m in sent(page) if m["type"] == "run"]
    page.evaluate("host.reply({ type: 'ok', id: host.sent.find((m) => m.type === 'run').id, result: null })")
    page.wait_for_timeout(300)
    states = [m["state"] for m in sent(page) if m["type"] == "run"]
    assert states[0] == {"query": "Mira"}
    # The newest wish wins: what was asked while one was in flight goes with it.
    assert states[-1]["here"] == "lantern"


def test_a_brush_and_a_corner(open_page: Open) -> None:
    page = open_page(live_page(make_table(filters=())))
    plots = page.locator(".brushed .plot")
    box = plots.first.bounding_box()
    assert box is not None
    y = box["y"] + 60
    page.mouse.move(box["x"] + box["width"] * 0.35, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, y, steps=4)
    page.mouse.up()
    asked = next(m["state"] for m in sent(page) if m["type"] == "run")["filters"]
    edges = (10 ** make_table().charts[0].all.edges.astype(float)).tolist()
    name, low, high = asked[0]
    assert name == "density"
    for bound in (low, high):
        assert min(abs(bound / edge - 1) for edge in edges) < 1e-5, "bounds lie between bars"
    assert low < high
    expect(page.get_by_role("button", name=re.compile("^density"))).to_have_count(2)
    page = open_page(live_page(make_table(filters=())))
    corner = page.locator(".brushed .plot").nth(1).bounding_box()
    assert corner is not None
    page.mouse.click(corner["x"] + corner["width"] * 0.85, corner["y"] + 50)
    assert [m["state"] for m in sent(page) if m["type"] == "run"] == [
        {"filters": [["input", 0.5, None], ["output", 0.5, None]]}
    ]
    chart = page.get_by_role("slider").first
    chart.focus()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.evaluate("host.reply({ type: 'ok', id: host.sent.find((m) => m.type === 'run').id, result: null })")
    filters = [m["state"] for m in sent(page) if m["type"] == "run"][-1]["filters"]
    name, low, high = filters[-1]
    assert (name, low, high) == ("density", pytest.approx(edges[0], rel=1e-5), pytest.approx(edges[4], rel=1e-5))


def test_the_decoder_map(open_page: Open) -> None:
    """A drag takes the features of a region, a click on a dot opens its feature, one beside it lets the region go."""
    payload = make_table(filters=())
    page = open_page(live_page(payload))
    area = page.locator(".brushed .plot").nth(2)
    box = area.bounding_box()
    assert box is not None

    def at(x: float, y: float) -> tuple[float, float]:
        left, top, right, bottom = area.evaluate(ENDS)
        (x0, x1), (y0, y1) = ((float(v.min()), float(v.max())) for v in (points.x, points.y))
        place = box["x"] + left + (x - x0) / (x1 - x0) * (right - left)
        return place, box["y"] + bottom - (y - y0) / (y1 - y0) * (bottom - top)

    points = payload.points[1]
    page.mouse.move(*at(0, 0.6))
    page.mouse.down()
    page.mouse.move(*at(0.5, 1), steps=4)
    page.mouse.up()
    page.evaluate("host.reply({ type: 'ok', id: host.sent.find((m) => m.type === 'run').id, result: null })")
    filters = [m["state"]["filters"] for m in sent(page) if m["type"] == "run"][-1]
    assert [name for name, _, _ in filters] == ["map_x", "map_y"]
    np.testing.assert_allclose([bound for _, *both in filters for bound in both], [0, 0.5, 0.6, 1], atol=0.03)
    expect(page.get_by_role("button", name="region of the map")).to_be_visible()

    page = open_page(live_page(payload))
    far = int(np.hypot(points.x, points.y).argmax())
    page.mouse.click(*at(float(points.x[far]), float(points.y[far])))
    assert sent(page)[-1] == {"type": "open", "feature": f"resid_post.2/{points.index[far]}"}
    page.mouse.move(*at(float(points.x[far]), float(points.y[far])))
    expect(page.locator(".charthead").nth(2)).to_contain_text(f"feature {points.index[far]}")
    before = len(sent(page))
    page.mouse.click(*at(0, 0))
    assert [m["type"] for m in sent(page)[before:]] == ["run"], "an empty place opens nothing"
    assert page.locator("option", has_text="map").count() == 0, "a place is not a statistic to sort by"


def test_keys_choose_and_open(open_page: Open) -> None:
    page = open_page(live_page(make_table(filters=(), selection=())))
    grid = page.locator(".ftable")
    grid.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert grid.get_attribute("aria-activedescendant") == "row-2"
    page.keyboard.press("Space")
    assert page.evaluate("host.value('chosen')") == ["resid_post.2/2"]
    page.keyboard.press("End")
    page.evaluate(FRAMES)
    for _ in range(3):
        answer(page)
    page.keyboard.press("Space")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    assert page.evaluate("host.value('chosen')") == ["", "resid_post.2/1023"], "a letter stays with its feature"
    page.keyboard.press("Enter")
    assert sent(page)[-1] == {"type": "open", "feature": "resid_post.2/2"}
    page.locator("#row-4 .lab, #row-4 .q").first.click()
    assert sent(page)[-1] == {"type": "open", "feature": "resid_post.2/4"}
    page.locator("#row-4 button").click()
    assert sent(page)[-1]["type"] == "open", "choosing opens nothing"


def test_an_opened_feature_is_its_own_model(open_page: Open) -> None:
    """The dashboard's model comes from the host; back asks Python, and the rows stand where they were."""
    page = open_page(live_page(make_table(filters=())))
    page.locator(".ftable").evaluate("(e) => { e.scrollTop = 620; }")
    page.evaluate(FRAMES)
    raw = base64.b64encode(encode(make_dashboard(False))).decode()
    page.evaluate("(raw) => host.model('anywidget:abc', { _payload: raw, _revision: 1, live: true, text: '' })", raw)
    page.evaluate("host.set({ feature: 'resid_post.2/903', _dashboard: 'anywidget:abc' })")
    expect(page.locator("h2")).to_have_text("someone is about to receive")
    assert violations(page) == []
    page.get_by_role("button", name=re.compile("back to the table")).click()
    assert sent(page)[-1] == {"type": "open", "feature": ""}
    page.evaluate("host.set({ feature: '', _dashboard: '' })")
    page.evaluate(FRAMES)
    assert in_view(page)[0] == 20
    page.evaluate("host.set({ feature: 'resid_post.2/1', _dashboard: 'anywidget:gone' })")
    expect(page.get_by_role("alert")).to_contain_text("The dashboard of this feature did not arrive.")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_saved_page_works_without_a_kernel(open_page: Open, theme: str) -> None:
    payload = make_table(60, n_features=1_024, filters=())
    markup = saved_page(payload, theme)
    assert len(markup.encode()) <= 300_000
    page = open_page(markup)
    assert violations(page) == []
    expect(page.locator(".fits")).to_contain_text("60 of 60 rows in this page, 1\u202f024 features in all")
    page.get_by_role("button", name="max", exact=True).click()
    page.get_by_role("button", name=re.compile("^max")).click()
    expect(page.locator(".trow").first.locator(".id")).to_have_text("59")
    page.get_by_role("textbox").fill("German")
    rows = make_rows(60)
    german = [str(i) for i in range(60) if "German" in rows.label[i]]
    expect(page.locator(".fits")).to_contain_text(f"{len(german)} of 60")
    assert sorted(shown(page).values()) == sorted(german[-len(shown(page)) :])
    page.get_by_role("textbox").fill("")
    page.get_by_role("button", name="+ statistic").click()
    form = page.get_by_role("form")
    form.get_by_role("combobox", name="Statistic").select_option("input")
    form.get_by_role("textbox", name="from").fill("0.5")
    form.get_by_role("button", name="Filter").click()
    fits = [i for i in range(60) if (value := rows.value(i, 3)) is not None and value >= 0.5]
    expect(page.locator(".fits")).to_contain_text(f"{len(fits)} of 60")
    page.get_by_role("button", name="clear", exact=True).click()
    page.get_by_role("button", name=re.compile("^Open a")).click()
    expect(page.locator("h2")).to_have_text("someone is about to receive")
    expect(page.locator(".passage").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".ftable")).to_be_visible()
    assert page.get_by_role("button", name=re.compile("^Open c")).is_disabled()


def test_hostile_text_is_shown_and_nothing_happens(open_page: Open) -> None:
    page = open_page(live_page(hostile_views("said")[4]))
    for text in STRINGS[::2]:
        show(page, hostile_views(text)[4], error={"what": text[:500], "todo": text[:500]})
        page.get_by_role("button", name="+ statistic").click()
        page.keyboard.press("Escape")
        assert page.evaluate("window.firings") == 0
        assert set(page.evaluate(ELEMENTS)) <= OURS | OWN
    show(page, hostile_views("told")[4])  # control: each of them was drawn
    expect(page.locator(".ftable")).to_contain_text("told")


def test_the_view_lets_go_of_its_model(open_page: Open) -> None:
    page = open_page(live_page(make_table()))
    assert page.evaluate("host.listeners()") > 0
    page.evaluate("host.end()")
    expect(page.locator(".saewidgets")).to_have_count(0)
    assert page.evaluate("host.listeners()") == 0


def test_random_scrolling_never_shows_a_wrong_row(open_page: Open) -> None:
    page = open_page(live_page(make_table(MILLION, filters=())))
    source, grid = np.random.default_rng(0), page.locator(".ftable")
    filled = 0
    for _ in range(40):
        step: dict[str, Any] = {
            "jump": bool(source.random() < 0.3),
            "to": float(source.random()),
            "by": int(source.integers(-900, 900)),
        }
        grid.evaluate("(e, s) => { e.scrollTop = s.jump ? s.to * e.scrollHeight : e.scrollTop + s.by; }", step)
        page.evaluate(FRAMES)
        if source.random() < 0.7:
            answer(page)
        rows = shown(page)
        assert rows == {place: str(place) for place in rows}
        filled += len(rows)
    assert filled > 500
