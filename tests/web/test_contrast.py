"""The Contrast in a browser: rows and flags as drawn, sorting, choosing, tools, sliders and typing as requests."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.view_factory import make_contrast
from tests.web.conftest import Open
from tests.web.host import live_page, saved_page
from tests.web.test_look import violations

pytestmark = pytest.mark.browser


def sent(page: Page) -> list[Any]:
    found: list[Any] = page.evaluate("host.sent.map(({ at, id, ...rest }) => rest)")
    return found


def answer(page: Page) -> None:
    page.evaluate("host.reply({type: 'ok', id: host.sent.at(-1).id, result: null})")


def rows(page: Page) -> list[str]:
    return page.locator(".apart tbody .id").all_text_contents()


def test_the_numbers_the_control_and_the_confounds_are_there(open_page: Open) -> None:
    payload = make_contrast()
    page = open_page(live_page(payload))
    assert rows(page) == [f.id for f in payload.features[:12]]
    cells = page.locator(".apart tbody tr").first.locator("td.num").all_text_contents()
    assert cells == ["0.97 [0.81, 0.99]", "100 %", "10 %", "3.20", "0.08"]
    zone = page.locator(".zone").first.evaluate("(e) => [e.style.left, e.style.right]")
    assert zone == ["14%", "14%"]
    flags = page.get_by_role("list", name="Confounds").get_by_role("listitem")
    expect(flags.nth(0)).to_have_text(
        "Look out, token count: alone it tells the sets apart, AUROC 1.00 [0.75, 1.00], mean 10.00 against 6.00"
    )
    expect(flags.nth(1)).not_to_contain_text("Look out")
    expect(flags.nth(2)).to_have_text("Look out, position: 1 feature of 17 fires at other positions in the two sets")
    expect(page.locator(".apart b.flag")).to_have_text(["follows token count, position"])
    expect(page.locator(".said")).to_contain_text("2 of 17 features do more than every control.")
    assert page.locator(".said b").count() == 0
    page.get_by_role("button", name="show 5 more").click()
    assert len(rows(page)) == 17


def test_nothing_beats_the_control_is_said_loudly(open_page: Open) -> None:
    page = open_page(live_page(make_contrast(False)))
    expect(page.locator(".said b")).to_contain_text("Nothing beats the control")
    assert page.locator(".apart tbody tr:not(.q)").count() == 0


def test_sorting_looking_and_choosing(open_page: Open) -> None:
    page = open_page(live_page(make_contrast()))
    page.get_by_role("button", name="mean in negative").click()
    assert rows(page)[0] == "resid_post.1/42"
    expect(page.get_by_role("columnheader", name="mean in negative")).to_have_attribute("aria-sort", "descending")
    page.get_by_role("button", name="resid_post.1/42 boats").click()
    assert page.evaluate("host.value('feature')") == "resid_post.1/42"
    page.get_by_role("button", name="mean in negative").click()
    assert rows(page)[0] == "resid_post.1/40"
    page.get_by_role("button", name="AUROC").click()
    page.get_by_role("checkbox", name="choose resid_post.1/41").uncheck()
    page.get_by_role("checkbox", name="choose resid_post.1/42").check()
    page.get_by_role("button", name="Probe").click()
    answer(page)
    assert sent(page)[0]["state"] == {"chosen": ["resid_post.1/40"]}
    assert sent(page)[-1]["state"] == {"chosen": ["resid_post.1/40", "resid_post.1/42"], "tool": "probe"}
    assert violations(page) == []


def test_the_edit_its_kind_and_undo(open_page: Open) -> None:
    page = open_page(live_page(make_contrast(tool="edit"), undo_depth=1))
    expect(page.locator(".card")).to_have_text("[sw.clamp('resid_post.1/40', 3.2)]")
    expect(page.get_by_role("button", name="Edit")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("radio", name="ablate").click()
    answer(page)
    page.get_by_role("button", name="Undo").click()
    assert [(m["type"], m.get("state")) for m in sent(page)] == [("run", {"kind": "ablate"}), ("undo", None)]


def test_probes_stand_beside_their_controls(open_page: Open) -> None:
    page = open_page(live_page(make_contrast(tool="probe")))
    table = page.locator(".probes tbody tr")
    expect(table.nth(0)).to_have_text("chosen features20.97")
    expect(table.nth(1)).to_have_text("shuffled labels (control)20.500.25 to 0.75")
    expect(table.nth(2)).to_have_text("random features (control)20.600.40 to 0.80")


def test_a_concept_is_set_by_a_slider_and_its_effect_stands_beside_controls(open_page: Open) -> None:
    payload = make_contrast()
    page = open_page(live_page(payload))
    scores = page.get_by_role("region", name="Concept scores").locator("tbody tr")
    expect(scores.nth(5)).to_have_class("on")
    assert scores.nth(0).locator("td").all_text_contents() == ["0.95", "0.89", "positive held out"]
    effect = page.get_by_role("region", name="Intervention")
    expect(effect).to_contain_text("answer: negative → positive")
    expect(effect.locator(".prow").first).to_contain_text("0.31")
    expect(effect.locator(".prow").first).to_contain_text("0.48")
    expect(effect).to_contain_text("KL 0.31, random features and directions up to 0.04: more than every control.")
    expect(effect).to_contain_text("1 prompt, error kept, free propagation")
    expect(page.get_by_role("slider", name="Accuracy by corrected concepts")).to_have_attribute(
        "aria-valuetext", "concept 2: corrected 1.00, control 0.50"
    )
    slider = page.get_by_role("slider", name="Concept black")
    assert float(slider.input_value()) == pytest.approx(float(payload.bottleneck.scores[5, 1]), abs=0.03)
    slider.press("Home")
    page.wait_for_timeout(150)
    answer(page)
    state = sent(page)[-1]["state"]
    assert state["example"] == 5 and state["corrected"] == pytest.approx({"cat": 0.9, "black": 0}, abs=1e-6)
    page.get_by_role("button", name="Ida saw a red boat.").click()
    answer(page)
    assert sent(page)[-1]["state"] == {"example": 6, "corrected": {}}


def test_prompts_are_typed_a_line_each_and_stay_where_they_are_refused(open_page: Open) -> None:
    page = open_page(live_page(make_contrast()))
    box = page.get_by_role("textbox", name="positive prompts, one a line")
    box.press("Control+End")
    box.press_sequentially("\nAda fed a cat.", delay=1)
    page.wait_for_timeout(200)
    refuse = "host.reply({type: 'error', id: host.sent.at(-1).id, what: 'Too few.', todo: 'Add some.'})"
    page.evaluate(refuse)
    page.wait_for_function("host.sent.at(-1).state.positive.at(-1) === 'Ada fed a cat.'")
    page.evaluate(refuse)
    expect(page.get_by_role("alert")).to_contain_text("Too few.")
    last = sent(page)[-1]["state"]["positive"]
    assert len(last) == 5 and "" not in last
    assert box.input_value().endswith("mill.\nAda fed a cat.") and box.input_value().count("\n") == 4
    expect(page.locator(".drained .apart")).to_be_visible()


def test_a_saved_page_sorts_and_asks_nothing(open_page: Open) -> None:
    page = open_page(saved_page(make_contrast()))
    page.get_by_role("button", name="mean in negative").click()
    assert rows(page)[0] == "resid_post.1/42"
    expect(page.get_by_role("checkbox").first).to_be_disabled()
    expect(page.get_by_role("button", name="Concept bottleneck")).to_be_disabled()
    expect(page.get_by_role("slider", name="Concept cat")).to_be_disabled()
    assert page.get_by_role("textbox").count() == 0
    assert violations(page) == []
