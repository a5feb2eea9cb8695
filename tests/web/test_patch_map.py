"""The PatchMap in a browser: what is drawn, clicks and keys as requests, a path, stale, error, a saved page."""

from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from saewidgets.payloads import PatchMapPayload
from tests.view_factory import make_nothing, make_patch_map
from tests.web.conftest import Open
from tests.web.host import live_page, saved_page
from tests.web.test_look import violations

pytestmark = pytest.mark.browser
ROW, TOP, STEP = 26, 44, 38


def sent(page: Page) -> list[Any]:
    found: list[Any] = page.evaluate("host.sent.map(({ at, id, ...rest }) => rest)")
    return found


def click(page: Page, block: int, column: int, row: int) -> None:
    page.locator(".pm svg").nth(block).click(position={"x": column * STEP + 20, "y": TOP + row * ROW + 12})


def traits(payload: PatchMapPayload) -> dict[str, Any]:
    return {"clean": payload.clean, "corrupt": payload.corrupt, "show": payload.show, "cell": payload.cell,
            "corruption": "swap", "propagation": "free", "error_term": "kept"}  # fmt: skip


def test_what_lies_beyond_the_band_is_printed_and_nothing_else(open_page: Open) -> None:
    payload = make_patch_map(regions=())
    page = open_page(live_page(payload, **traits(payload)))
    for number, block in enumerate(payload.blocks):
        cells = page.locator(".pm svg").nth(number).locator("g > text:not(.sum):not(.quiet)").all_text_contents()
        expected = [v for v, ok in zip(block.values.ravel().tolist(), block.beyond().ravel(), strict=True) if ok]
        assert [float(c.replace("−", "-")) for c in cells] == pytest.approx(expected, abs=0.005)
    sums = page.locator(".pm svg").first.locator("text.sum").all_text_contents()
    assert [float(s) for s in sums] == pytest.approx(payload.blocks[0].values.sum(0).tolist(), abs=0.005)
    expect(page.locator(".legend")).to_contain_text("0 = corrupt run (−2.9), 1 = clean run (+3.4)")
    expect(page.locator(".legend")).to_contain_text("8 of each, at most ± 0.04")
    expect(page.locator(".row.changed")).to_have_text("6Tom ← Mira")
    expect(page.locator(".cellside .big").first).to_have_text("0.55 restored · control ± 0.04 · 1 prompt")
    expect(page.get_by_role("region", name="By head")).to_contain_text("2.10.47")
    expect(page.get_by_role("region", name="Path")).to_contain_text("0.31 restored · control −0.02 to 0.04")
    expect(page.locator(".foot")).to_contain_text("1 prompt")
    assert page.get_by_role("combobox", name="Propagation").input_value() == "free"


def test_nothing_beyond_the_band(open_page: Open) -> None:
    payload = make_nothing()
    page = open_page(live_page(payload, **traits(payload)))
    expect(page.locator(".reading b")).to_have_text("Nothing beats the control: none of 120 cells does more than the "
                                                    "controls do.")  # fmt: skip
    assert page.locator(".pm svg g > text:not(.sum):not(.quiet)").count() == 0
    click(page, 0, 0, 6)
    expect(page.locator(".cellside")).to_contain_text("No more than a control does.")


def test_clicks_and_keys_ask_python(open_page: Open) -> None:
    payload = make_patch_map(paths=())
    page = open_page(live_page(payload, **traits(payload)))
    click(page, 0, 1, 6)
    assert sent(page) == [{"type": "run", "state": {"cell": "resid_post.1:6"}}]
    expect(page.locator(".cellside h3").first).to_have_text("residual stream, layer 1, at Tom")
    expect(page.locator(".cellside")).to_contain_text("patching …")
    page.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    said = "residual stream, layer 2, at Tom: 0.00 restored, its control 0.00 to 0.00"
    expect(page.get_by_role("slider")).to_have_attribute("aria-valuetext", said)
    page.keyboard.press("ArrowUp")
    page.keyboard.press("End")
    page.evaluate("host.reply({type: 'ok', id: host.sent[0].id, result: null})")
    page.wait_for_function("host.sent.length > 1")
    assert sent(page)[-1] == {"type": "run", "state": {"cell": "mlp_out.3:5"}}


def test_a_path_between_two_cells(open_page: Open) -> None:
    payload = make_patch_map(paths=())
    page = open_page(live_page(payload, **traits(payload)))
    page.get_by_role("button", name="Patch a path from here").click()
    expect(page.locator(".cellside")).to_contain_text("Choose the cell that takes it, or")
    expect(page.locator(".pm .from")).to_be_visible()
    assert violations(page) == []
    click(page, 2, 3, 9)
    assert sent(page) == [{"type": "run", "state": {"cell": "attn_out.2:9", "path": ["attn_out.2:9", "mlp_out.3:9"]}}]
    page.evaluate("host.reply({type: 'ok', id: host.sent[0].id, result: null})")
    page.get_by_role("slider").focus()
    page.keyboard.press("p")
    page.get_by_role("button", name="the prediction").click()
    assert sent(page)[-1]["state"]["path"] == ["attn_out.2:9", "logits"]
    page.evaluate("host.reply({type: 'ok', id: host.sent[1].id, result: null})")
    page.get_by_role("button", name="Patch a path from here").click()
    page.get_by_role("slider").focus()
    page.keyboard.press("Escape")
    expect(page.locator(".pm .from")).to_have_count(0)
    page.get_by_role("button", name="Open head 2.1").click()
    assert sent(page)[-1]["state"] == {"show": "heads", "cell": "head.2.1:9"}


def test_prompts_are_typed_in_place_and_a_refusal_keeps_them(open_page: Open) -> None:
    payload = make_patch_map()
    page = open_page(live_page(payload, **traits(payload)))
    box = page.get_by_role("textbox", name="Corrupted prompt")
    box.fill(payload.clean.replace("it", "them all"))
    page.wait_for_function("host.sent.length > 0")
    state = sent(page)[-1]["state"]
    assert state["clean"] == payload.clean and "them all" in state["corrupt"]
    expect(page.locator(".edge.dash")).to_be_attached()
    page.evaluate("""host.reply({type: 'error', id: host.sent.at(-1).id,
                     what: 'Prompts of 10 and 11 tokens.', todo: 'Give prompts of one length.'})""")
    expect(page.get_by_role("alert")).to_contain_text("Prompts of 10 and 11 tokens. Give prompts of one length.")
    expect(box).to_have_value(payload.clean.replace("it", "them all"))
    expect(page.locator(".drained .pm")).to_be_visible()
    assert violations(page) == []


def test_choices_undo_progress_and_stop(open_page: Open) -> None:
    payload = make_patch_map(False, show="features")
    page = open_page(live_page(payload, **{**traits(payload), "undo_depth": 1, "show": "features"}))
    expect(page.locator(".legend")).to_contain_text("control: reading …")
    page.get_by_role("radio", name="noise").click()
    page.evaluate("""host.reply({type: 'progress', id: host.sent.at(-1).id, done: 40, total: 96,
                     note: 'control of attention'})""")
    expect(page.locator(".status")).to_have_text("control of attention 40 of 96 · stop")
    page.get_by_role("button", name="stop").click()
    page.evaluate("host.reply({type: 'cancelled', id: host.sent[0].id})")
    page.get_by_role("combobox", name="Propagation").select_option("direct")
    page.evaluate("host.reply({type: 'ok', id: host.sent.at(-1).id, result: null})")
    page.get_by_role("combobox", name="Error term").select_option("dropped")
    page.evaluate("host.reply({type: 'ok', id: host.sent.at(-1).id, result: null})")
    page.get_by_role("slider").focus()
    page.keyboard.press("Control+z")
    assert [(m["type"], m.get("state")) for m in sent(page)] == [
        ("run", {"corruption": "noise"}), ("cancel", None), ("run", {"propagation": "direct"}),
        ("run", {"error_term": "dropped"}), ("undo", None),
    ]  # fmt: skip


def test_a_saved_page_keeps_hover_and_cells(open_page: Open) -> None:
    payload = make_patch_map()
    page = open_page(saved_page(payload, "light"))
    page.locator(".pm svg").nth(2).hover(position={"x": 20, "y": TOP + 6 * ROW + 12})
    expect(page.locator(".reading")).to_have_text("MLP, layer 0, at Tom: 0.34 restored, its control −0.03 to 0.03")
    click(page, 2, 0, 6)
    expect(page.locator(".cellside")).to_contain_text("This picture has no predictions of this cell.")
    click(page, 1, 2, 9)
    expect(page.locator(".cellside .prow").first).to_contain_text("+0.35")
    expect(page.get_by_role("button", name="Patch a path from here")).to_be_disabled()
    assert page.get_by_role("textbox").count() == 0
    assert violations(page) == []


def test_a_long_prompt_scrolls_sideways_with_its_words(open_page: Open) -> None:
    payload = make_patch_map(texts=[f" word{i}" for i in range(40)], regions=(), details=(), paths=(), cell="")
    many = tuple(replace(b, name=f"{b.name} {i}") for i in range(4) for b in payload.blocks)
    page = open_page(live_page(replace(payload, blocks=many)), viewport={"width": 360, "height": 700})
    page.locator(".pm").evaluate("(e) => e.scrollTo(400, 0)")
    words = page.locator(".pm .words").bounding_box()
    assert words is not None and words["x"] >= 0 and words["x"] < 40
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_prompts_of_unequal_length_are_shown_aligned_with_the_extra_token_framed(open_page: Open) -> None:
    payload = make_patch_map()
    page = open_page(live_page(payload, **traits(payload)))
    page.get_by_role("textbox", name="Corrupted prompt").fill("When Mira ran")
    pairs = [["When", "When"], [" Mira", " Tom"], [" and", ""], [" Tom", " Tom"]]
    page.evaluate(
        """(pairs) => host.reply({type: 'error', id: host.sent.at(-1).id, what: 'Prompts of 4 and 3 tokens.',
        todo: 'Give prompts of one length.', pairs})""", pairs,
    )  # fmt: skip
    shown = page.get_by_role("group", name="Both prompts, aligned")
    expect(shown).to_be_visible()
    texts = shown.locator(":scope > span:not(.sub)").evaluate_all(
        "(all) => all.map((e) => [...e.children].map((c) => [c.textContent.trim(), c.className]))"
    )
    assert [[one[0] for one in pair] for pair in texts] == [
        ["When", "When"],
        ["Mira", "Tom"],
        ["and", ""],
        ["Tom", "Tom"],
    ]
    assert [("alone" in a[1], "alone" in b[1]) for a, b in texts] == [(False, False)] * 2 + [
        (True, False),
        (False, False),
    ]
    assert "differs" in texts[1][0][1] and "differs" not in texts[3][0][1]
    expect(page.locator(".drained .pm")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("Prompts of 4 and 3 tokens.")
    assert violations(page) == []
    page.get_by_role("textbox", name="Corrupted prompt").fill("When Mira ran off")
    expect(shown).to_have_count(0)
