"""The circuit graph under a pointer and a keyboard: pruned as Python prunes, hovered, clicked, pinned, moved."""

import re
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from saewidgets.figures.circuit_reading import units, visible
from saewidgets.figures.palette import letter
from saewidgets.payloads import CircuitMarks, CircuitPayload
from tests.circuit_factory import make_circuit
from tests.web.conftest import Open
from tests.web.host import live_page, saved_page

pytestmark = pytest.mark.browser


def stage(page: Page) -> Locator:
    return page.locator("[data-graph]")


def value(page: Page, name: str) -> Any:
    return page.evaluate("(name) => host.value(name)", name)


@pytest.mark.parametrize("side", ["now", "before", "both"])
@pytest.mark.parametrize("shares", [(0.5, 0.7), (0.8, 0.98), (1.0, 1.0)])
def test_in_view_is_what_the_figure_draws(open_page: Open, side: str, shares: tuple[float, float]) -> None:
    for seed in range(3):
        payload = make_circuit(150, 900, side=side, keep_nodes=shares[0], keep_edges=shares[1], seed=seed)
        page = open_page(live_page(payload))
        expect(stage(page)).to_have_attribute("data-painted", "true")
        shown = visible(payload)
        assert stage(page).get_attribute("data-nodes") == str(int(shown.nodes.sum()))
        assert stage(page).get_attribute("data-edges") == str(len(shown.edges))
        page.context.close()


def found(page: Page, payload: CircuitPayload) -> tuple[float, float]:
    """A place in the graph with a node under it, by moving the pointer along a row."""
    box = stage(page).bounding_box()
    assert box is not None
    for row in range(1, len(payload.rows) - 1):
        y = box["y"] + box["height"] - 42 - row * (box["height"] - 76) / (len(payload.rows) - 1)
        for x in np.arange(box["x"] + 66, box["x"] + box["width"] - 10, 7.0):
            page.mouse.move(float(x), y)
            if page.locator(".stage .tip").count():
                return float(x), y
    raise AssertionError("no node under the pointer")


def test_pointer(open_page: Open) -> None:
    payload = make_circuit(selection="", before=False, marks=CircuitMarks())
    page = open_page(live_page(payload))
    expect(stage(page)).to_have_attribute("data-painted", "true")
    expect(page.get_by_role("region", name="Connections")).to_contain_text("Click a node")
    x, y = found(page, payload)
    expect(page.locator(".stage .tip")).to_contain_text("influence")
    page.mouse.click(x, y)
    chosen = value(page, "selection")
    assert chosen in payload.nodes.id
    expect(page.get_by_role("region", name="Connections")).to_contain_text(re.compile("Into it|Out of it"))
    page.keyboard.down("Control")
    page.mouse.click(x, y)
    page.keyboard.up("Control")
    assert value(page, "marks")["pinned"] == [chosen]
    # A drag where nothing can move selects nothing; after a zoom it moves the picture and draws it anew.
    stage(page).focus()
    page.keyboard.press("+")
    moved = page.locator(".moved")
    expect(moved).not_to_have_attribute("style", re.compile("scale"), timeout=3_000)
    before = page.locator(".words text").first.get_attribute("y")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y + 40, steps=4)
    assert "translate" in (moved.get_attribute("style") or "")
    page.mouse.up()
    expect(moved).not_to_have_attribute("style", re.compile("translate"), timeout=3_000)
    assert page.locator(".words text").first.get_attribute("y") != before
    assert value(page, "selection") == chosen


_DISCS = """() => {
  const root = document.querySelector(".saewidgets").shadowRoot;
  const canvas = root.querySelectorAll("canvas")[1];
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let area = 0;
  for (let i = 3; i < data.length; i += 4) area += data[i] / 255;
  return area / (canvas.width / root.querySelector("[data-graph]").clientWidth) ** 2;
}"""


def test_every_feature_is_painted_as_large_as_its_influence(open_page: Open) -> None:
    """The area of the ink, of discs and squares; some lie over each other."""
    payload = make_circuit(150, 900, selection="", before=False, marks=CircuitMarks(), keep_nodes=1.0, keep_edges=1.0)
    page = open_page(live_page(payload))
    expect(stage(page)).to_have_attribute("data-painted", "true")
    shown = visible(payload).nodes & (payload.nodes.kind <= 1)
    most = payload.now.influence[payload.nodes.kind <= 1].max()
    r = np.maximum(1.6, 9 * np.sqrt(payload.now.influence / most))
    discs = np.pi * r[(shown > 0) & (payload.nodes.kind == 0)] ** 2
    squares = (2 * np.maximum(3, r[(shown > 0) & (payload.nodes.kind == 1)]) + 1.2) ** 2
    assert discs.sum() > squares.sum(), "the test sees discs"
    area = page.evaluate(_DISCS)
    assert squares.sum() + 0.6 * discs.sum() < area < 1.1 * (squares.sum() + discs.sum())


def test_connections_are_the_edges_of_the_payload(open_page: Open) -> None:
    payload = make_circuit(before=False)
    page = open_page(live_page(payload))
    here = payload.nodes.id.index(payload.selection)
    into = np.flatnonzero(payload.target == here)
    shares = payload.now.edge[into] / payload.now.inputs[here]
    wanted = [f"{abs(s):.2f}" for s in sorted(shares, key=abs, reverse=True)[:5]]
    shown = page.locator(".side .cn").first.locator(".num").all_inner_texts()
    assert [text.lstrip("+\u2212") for text in shown] == wanted
    assert [text[0] == "\u2212" for text in shown if text[0] in "+\u2212"] == [
        s < 0 for s in sorted(shares, key=abs, reverse=True)[:5] if abs(s) >= 0.005
    ]
    first = payload.nodes.id[payload.source[into[np.argmax(np.abs(shares))]]]
    page.locator(".cnrow").first.click()
    assert value(page, "selection") == first


def test_keyboard_walks_pins_and_asks(open_page: Open) -> None:
    payload = make_circuit(before=False, marks=CircuitMarks())
    page = open_page(live_page(payload))
    stage(page).focus()
    here = payload.nodes.id.index(payload.selection)
    page.keyboard.press("ArrowLeft")
    there = payload.nodes.id.index(value(page, "selection"))
    assert payload.nodes.row[there] == payload.nodes.row[here]
    page.keyboard.press("Space")
    assert value(page, "marks")["pinned"] == [payload.nodes.id[there]]
    page.keyboard.press("Control+z")
    assert value(page, "marks")["pinned"] == []
    page.keyboard.press("x")
    kind = payload.nodes.kind[there]
    sent = page.evaluate("host.sent.filter((m) => m.type === 'run').map((m) => m.state.edits)")
    name, _, position = payload.nodes.id[there].rpartition("@")
    assert kind <= 1
    wanted = {"kind": "ablate", "value": None, "positions": [int(position)], "error": "keep"}
    assert sent[0] == [{**wanted, ("feature", "target")[kind]: name}]
    page.keyboard.press("/")
    expect(page.get_by_role("combobox", name="Find a node")).to_be_focused()


def test_letters_are_those_of_the_figure(open_page: Open) -> None:
    payload = make_circuit(before=False)
    page = open_page(live_page(payload))
    lettered = [unit for unit in units(payload) if unit.slot >= 0]
    expect(page.locator(".unit .stripe")).to_have_count(len(lettered))
    own = next(unit for unit in lettered if payload.nodes.id.index(payload.selection) in unit.nodes)
    expect(page.locator(".handhead .key")).to_have_text(letter(own.slot))


def test_a_saved_page_keeps_everything_but_the_model(open_page: Open) -> None:
    payload = make_circuit(marks=CircuitMarks())
    page = open_page(saved_page(payload))
    stage(page).focus()
    page.keyboard.press("Space")
    expect(page.locator(".unit .stripe")).to_have_count(1)
    page.keyboard.press("g")
    page.keyboard.type("a group")
    page.keyboard.press("Enter")
    expect(page.locator(".unit").filter(has_text="a group")).to_have_count(1)
    page.get_by_role("radio", name="both").click()
    expect(page.locator(".legend.main")).to_contain_text("gone")
    page.get_by_role("radio", name="direct").click()
    expect(page.locator(".dots-plot")).to_have_attribute("aria-label", re.compile("direct"))
    expect(page.get_by_role("button", name=re.compile("^(Ablate|Bring back)$"))).to_be_disabled()
    expect(page.locator(".prompt")).to_have_count(0)
