"""What is seen: accessible in light and dark, no overflow at 360 px, equal line breaks, marks for what is invisible."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from saewidgets.payloads import HeatmapPayload, Tokens
from saewidgets.payloads.heatmap import CONTINUATION, PLAIN, SPECIAL, SPLIT
from tests.e2e.heatmap import Heatmap
from tests.payload_factory import make_payload
from tests.web.conftest import Open
from tests.web.host import darken, live_page, saved_page

pytestmark = pytest.mark.browser

AXE = Path(__file__).parents[2] / "js" / "node_modules" / "axe-core" / "axe.min.js"


def violations(page: Page) -> list[str]:
    """What axe finds inside the widget, one line each."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text("utf-8"))
    found: Any = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{rule['id']}: {node['html'][:120]} {node['failureSummary'][:200]}"
        for rule in found["violations"]
        for node in rule["nodes"]
        if rule["id"] not in ("landmark-one-main", "page-has-heading-one", "region", "heading-order")
    ]


def tricky() -> HeatmapPayload:
    """Spaces, newlines, bytes, marks and other scripts."""
    pile = "e" + "\u0301" * 7
    texts = [
        "<bos>",
        "one",
        "  ",
        "\t",
        "end.\n",
        "🦊",
        "",
        "",
        "Ж",
        "",
        " \u202eRLO",
        "\x07",
        "שלום",
        "東京",
        "都",
        pile,
    ]
    kinds = [SPECIAL, PLAIN, PLAIN, PLAIN, PLAIN, SPLIT, CONTINUATION, CONTINUATION, SPLIT, CONTINUATION] + [PLAIN] * 6
    payload = make_payload(texts=texts)
    tokens = Tokens(tuple(texts), np.arange(16), np.array(kinds), ("F0 9F", "A6", "8A", "D0", "96"))
    return replace(payload, tokens=tokens, prompt="".join(texts[1:]), fill="surprise")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1000, 360])
def test_axe(open_page: Open, dark: bool, width: int) -> None:
    edit = {"kind": "ablate", "feature": "resid_post.1/417", "value": 0.0, "positions": None, "error": "keep"}
    page = open_page(
        live_page(make_payload(), dark, edits=[edit], undo_depth=1), viewport={"width": width, "height": 900}
    )
    assert violations(page) == []
    page.get_by_role("button", name="Menu").click()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("combobox", name="Add a feature").fill("4")
    assert violations(page) == []


@pytest.mark.parametrize("fill", ["resid_post.1/417", "resid_post.2/251", "error", "surprise"])
def test_axe_fills(open_page: Open, fill: str) -> None:
    page = open_page(live_page(replace(tricky(), fill=fill)), reduced_motion="reduce")
    assert violations(page) == []
    darken(page)
    assert violations(page) == []


def test_axe_states(open_page: Open) -> None:
    error = {"what": "Prompt is too long.", "todo": "Shorten it."}
    assert violations(open_page(live_page(make_payload(), error=error))) == []
    assert violations(open_page(live_page(make_payload(n_features=0, edits=False)))) == []
    assert violations(open_page(live_page(make_payload(n_tokens=1000), live=False))) == []


def test_axe_control(open_page: Open) -> None:
    page = open_page(live_page(make_payload()))
    page.evaluate(
        "document.querySelector('.saewidgets').shadowRoot.querySelector('.search input').removeAttribute('aria-label')"
    )
    page.evaluate(
        "document.querySelector('.saewidgets').shadowRoot.querySelector('.search input').removeAttribute('placeholder')"
    )
    assert any(line.startswith("label") for line in violations(page))


@pytest.mark.parametrize("width", [360, 520, 760, 1000])
@pytest.mark.parametrize("n_tokens", [17, 1000])
def test_nothing_overflows(open_page: Open, width: int, n_tokens: int) -> None:
    page = open_page(live_page(make_payload(n_tokens)), viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page = open_page(live_page(tricky()), viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_before_and_after_break_lines_alike(open_page: Open) -> None:
    page = open_page(live_page(make_payload()), viewport={"width": 420, "height": 800})
    tops = page.evaluate(
        "[...document.querySelector('.saewidgets').shadowRoot.querySelectorAll('.strip')].map((strip) =>"
        " [...strip.querySelectorAll('.t')].map((t) => Math.round(t.getBoundingClientRect().left * 10)))"
    )
    assert len(tops) == 2
    assert tops[0] == tops[1]


def test_nothing_invisible_stays(open_page: Open) -> None:
    heatmap = Heatmap(open_page(live_page(tricky())).locator("body")).drawn()
    assert heatmap.words() == [
        "‹bos›", "one", "·", "→", "end.↵", "🦊F0 9F", "A6", "8A", "ЖD0", "96", "‹RLO›RLO", "‹07›", "שלום", "東京", "都",
        "e\u0301\u0301\u0301\u0301",
    ]  # fmt: skip
    assert heatmap.colours()[0] == "rgba(0, 0, 0, 0)", "position 0 is never filled"
    expect(heatmap.tokens.locator(".by")).to_have_count(2)
    assert heatmap.token(12).evaluate("(t) => getComputedStyle(t).unicodeBidi") == "isolate"


def test_hover_says_value_position_id_and_moves_nothing(open_page: Open) -> None:
    page = open_page(live_page(make_payload()))
    heatmap = Heatmap(page.locator("body")).drawn()
    boxes = "[...document.querySelector('.saewidgets').shadowRoot.querySelectorAll('.w *')].filter((e) => !e.closest('.tip')).map((e) => JSON.stringify(e.getBoundingClientRect())).join()"  # noqa: E501
    before = page.evaluate(boxes)
    heatmap.token(16).hover()
    tip = heatmap.host.locator(".tip")
    expect(tip).to_contain_text("c 6.2 → 2.3")
    expect(tip).to_contain_text("to · token 16 · id 21")
    assert page.evaluate(boxes) == before


def test_follows_the_theme_of_the_host(open_page: Open) -> None:
    page = open_page(live_page(make_payload()))
    paper = "getComputedStyle(document.querySelector('.saewidgets').shadowRoot.querySelector('.sw')).backgroundColor"
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    page.evaluate("document.body.setAttribute('data-jp-theme-light', 'false')")
    page.wait_for_function(f"{paper} === 'rgb(22, 24, 27)'")
    page.evaluate("host.set({theme: 'light'})")
    page.wait_for_function(f"{paper} === 'rgb(255, 255, 255)'")


def test_the_saved_page_works_without_a_kernel(open_page: Open) -> None:
    page = open_page(saved_page(make_payload()))
    heatmap = Heatmap(page.locator("body")).drawn()
    green = heatmap.colours()
    heatmap.token(11).click()
    expect(heatmap.next_token).to_contain_text("Next token after gave")
    heatmap.chip("d").get_by_role("button", name="Fill with d").click()
    page.wait_for_timeout(300)
    assert heatmap.colours() != green
    heatmap.host.get_by_role("radio", name="surprise").click()
    heatmap.search.fill("name")
    expect(heatmap.host.get_by_role("listbox", name="Features found").get_by_role("option")).to_have_count(2)
    assert violations(page) == []


def test_lanes_compact(open_page: Open) -> None:
    page = open_page(live_page(make_payload(40), lanes="compact"), viewport={"width": 600, "height": 800})
    heatmap = Heatmap(page.locator("body")).drawn()
    expect(heatmap.host.locator(".strip")).to_have_count(1)
    assert heatmap.tokens.locator(".t.on").count() in range(3, 20)
    assert heatmap.tokens.locator(".dots").count() > 3


def test_reduced_motion(open_page: Open) -> None:
    page = open_page(live_page(make_payload()), reduced_motion="reduce")
    token = Heatmap(page.locator("body")).token(3)
    assert token.evaluate("(t) => getComputedStyle(t).transitionDuration") == "0s"
