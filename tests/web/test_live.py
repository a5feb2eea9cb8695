"""A live widget without a kernel: what it asks, what it shows meanwhile, and what it does with the answers."""

import base64
import re
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from saewidgets.payloads import encode
from tests.e2e.heatmap import Heatmap
from tests.payload_factory import SENTENCE, make_payload
from tests.web.conftest import Open
from tests.web.host import live_page

pytestmark = pytest.mark.browser


def sent(page: Page, kind: str = "run") -> list[dict[str, Any]]:
    return [message for message in page.evaluate("host.sent") if message["type"] == kind]


def answer(page: Page, **changes: Any) -> None:
    """Publish a picture as Python does, then say that the newest run is done."""
    payload = make_payload(**changes)
    traits = {"_payload": base64.b64encode(encode(payload)).decode(), "prompt": payload.prompt}
    revision = page.evaluate("host.value('_revision')") + 1
    page.evaluate("(traits) => host.set(traits)", {**traits, "_revision": revision})
    page.evaluate("(id) => host.reply({type: 'ok', id, result: null})", sent(page)[-1]["id"])


def texts(prompt: str) -> list[str]:
    return [" " + word if n else word for n, word in enumerate(prompt.split(" "))]


@pytest.fixture
def page(open_page: Open) -> Page:
    return open_page(live_page(make_payload()))


@pytest.fixture
def heatmap(page: Page) -> Heatmap:
    return Heatmap(page.locator("body")).drawn()


def test_every_token_is_drawn(heatmap: Heatmap) -> None:
    assert heatmap.words() == ["‹bos›"] + [word.strip() for word in SENTENCE[1:]]
    assert heatmap.letters() == ["a", "b", "c", "d"]


def test_typing_asks_for_the_newest_text_and_keeps_the_colours(page: Page, heatmap: Heatmap) -> None:
    filled = heatmap.colours()
    heatmap.edit()
    heatmap.type("day they saw")
    page.wait_for_timeout(200)
    runs = sent(page)
    assert len(runs) == 1, "one in flight, the rest pending"
    assert heatmap.words()[:16] == ["‹bos›"] + [word.strip() for word in SENTENCE[1:16]]
    assert "".join(heatmap.words()[16:]) == "todaytheysaw"
    assert heatmap.colours()[:16] == filled[:16]
    page.evaluate("(id) => host.reply({type: 'ok', id, result: null})", runs[0]["id"])
    page.wait_for_timeout(100)
    runs = sent(page)
    assert len(runs) == 2
    assert runs[1]["state"]["prompt"].endswith(" today they saw")
    answer(page, texts=texts(runs[1]["state"]["prompt"].strip()))
    heatmap.settled()
    expect(heatmap.editor).to_be_focused()
    assert heatmap.words()[-1] == "saw"


def test_the_caret_stays_when_a_picture_arrives(page: Page, heatmap: Heatmap) -> None:
    heatmap.edit()
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    heatmap.type("xy")
    before = heatmap.editor.evaluate("(area) => [area.value, area.selectionStart]")
    page.wait_for_timeout(200)  # the pause that ends a burst
    answer(page, texts=texts(before[0].strip()))
    heatmap.settled()
    assert heatmap.editor.evaluate("(area) => [area.value, area.selectionStart]") == before
    expect(heatmap.host.locator(".caret")).to_be_visible()


def test_lines_come_and_go_with_edits_and_features(page: Page, heatmap: Heatmap) -> None:
    """Every token once in every line, whatever the picture before it was."""
    for edits, n in [(True, 3), (True, 4), (False, 4), (False, 2), (True, 2), (True, 3)]:
        heatmap.chip("a").get_by_role("slider").fill("1.5" if edits else "1")
        answer(page, edits=edits, n_features=n)
        lines = [heatmap.tokens, heatmap.after] if edits else [heatmap.tokens]
        for line in lines:
            expect(line.locator(".t")).to_have_count(len(SENTENCE))
        expect(heatmap.after).to_have_count(len(lines) - 1)
        assert heatmap.letters() == list("abcd"[:n])


def test_tokens_are_drawn_before_the_panels(page: Page, heatmap: Heatmap) -> None:
    heatmap.edit()
    heatmap.type("x")
    page.evaluate(
        """() => {
          window.order = [];
          const root = document.querySelector(".saewidgets").shadowRoot;
          const watch = (name, place) => new MutationObserver(() => window.order.push(name))
            .observe(root.querySelector(place), { subtree: true, childList: true, characterData: true });
          watch("panel", ".cols");
          watch("tokens", "[data-strip]");
        }"""
    )
    answer(page, edits=False, texts=texts("They saw a boat"))
    expect(heatmap.next_token).not_to_contain_text("KL")
    order = page.evaluate("window.order")
    assert order.index("tokens") < order.index("panel")


def test_a_key_is_sent_before_it_is_drawn(page: Page, heatmap: Heatmap) -> None:
    """Python works while the browser draws."""
    heatmap.edit()
    page.evaluate(
        """() => {
          const strip = document.querySelector(".saewidgets").shadowRoot.querySelector("[data-strip]");
          const push = host.sent.push.bind(host.sent);
          host.sent.push = (message) => push({ ...message, drawn: strip.textContent });
        }"""
    )
    heatmap.type("q")
    (run,) = sent(page)
    assert run["state"]["prompt"].endswith("q")
    assert not run["drawn"].endswith("q")
    assert heatmap.words()[-1].endswith("q")


def test_the_selection_stays_until_what_is_typed_is_read(page: Page, heatmap: Heatmap) -> None:
    """Else predictions would be those after the word before, for the moment between a key and its picture."""
    heatmap.edit()
    last = page.evaluate("host.value('selection')")
    head = heatmap.next_token.get_by_role("heading").inner_text()
    page.keyboard.press("Backspace")  # half a word, that no token stands for
    page.wait_for_timeout(200)
    assert page.evaluate("host.value('selection')") == last
    assert heatmap.next_token.get_by_role("heading").inner_text() == head
    answer(page, texts=texts(sent(page)[-1]["state"]["prompt"] + " x"))
    heatmap.settled()
    page.keyboard.press("Home")
    expect(heatmap.next_token.get_by_role("heading")).not_to_have_text(head)
    assert page.evaluate("host.value('selection')") < last


def test_an_event_that_moves_no_caret_asks_for_no_frame(page: Page, heatmap: Heatmap) -> None:
    """The picture that answers a key would have to wait for it."""
    heatmap.edit()
    expect(heatmap.host.locator(".caret")).to_be_visible()
    page.evaluate(
        """() => {
          window.frames_asked = 0;
          const ask = window.requestAnimationFrame.bind(window);
          window.requestAnimationFrame = (draw) => (window.frames_asked++, ask(draw));
        }"""
    )
    heatmap.editor.dispatch_event("keyup")
    assert page.evaluate("window.frames_asked") == 0
    heatmap.editor.evaluate("(area) => area.setSelectionRange(3, 3)")
    heatmap.editor.dispatch_event("keyup")
    assert page.evaluate("window.frames_asked") > 0


def test_a_paste_is_plain_text_and_escape_ends(page: Page, heatmap: Heatmap) -> None:
    heatmap.edit()
    page.evaluate("document.querySelector('.saewidgets').shadowRoot.activeElement.setRangeText('<b>x</b>', 0, 0)")
    heatmap.type("!")
    expect(heatmap.tokens).to_contain_text("<b>x</b>")
    page.keyboard.press("Escape")
    expect(heatmap.tokens).to_be_focused()


def test_an_input_method_is_not_interrupted(page: Page, heatmap: Heatmap) -> None:
    heatmap.edit()
    client = page.context.new_cdp_session(page)
    client.send("Input.imeSetComposition", {"text": "に", "selectionStart": 1, "selectionEnd": 1})
    client.send("Input.imeSetComposition", {"text": "にほん", "selectionStart": 3, "selectionEnd": 3})
    page.wait_for_timeout(150)
    assert sent(page) == []
    expect(heatmap.tokens).to_contain_text("にほん")
    client.send("Input.insertText", {"text": "日本"})
    page.wait_for_timeout(150)
    assert sent(page)[-1]["state"]["prompt"].endswith("日本")


def test_a_click_sets_caret_and_selection(page: Page, heatmap: Heatmap) -> None:
    heatmap.token(11).click()
    assert page.evaluate("host.value('selection')") == 11
    expect(heatmap.editor).to_be_focused()
    expect(heatmap.next_token).to_contain_text("Next token after gave")
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("host.value('selection')") == 12
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Home")
    assert page.evaluate("host.value('selection')") == 0


def test_keys_of_the_strip(page: Page, heatmap: Heatmap) -> None:
    heatmap.tokens.focus()
    page.keyboard.press("b")
    assert page.evaluate("host.value('fill')") == "resid_post.2/88"
    page.keyboard.press("Space")
    assert sent(page)[-1]["state"]["features"][-1].startswith("resid_post.2/")
    page.keyboard.press("?")
    expect(heatmap.host.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    expect(heatmap.host.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("/")
    expect(heatmap.search).to_be_focused()
    page.keyboard.press("Escape")
    expect(heatmap.tokens).to_be_focused()


def test_a_screen_reader_hears_token_and_value(page: Page, heatmap: Heatmap) -> None:
    heatmap.tokens.focus()
    page.keyboard.press("ArrowLeft")
    expect(heatmap.token(15)).to_have_attribute("aria-label", re.compile("^tern · token 15 · id .* c 0.9"))
    name = heatmap.token(15).get_attribute("id")
    assert name is not None
    expect(heatmap.tokens).to_have_attribute("aria-activedescendant", name)


def test_slider_and_chips_ask_for_edits(page: Page, heatmap: Heatmap) -> None:
    row = heatmap.chip("b")
    row.get_by_role("slider").fill("1.5")
    edit = {"kind": "scale", "feature": "resid_post.2/88", "value": 1.5, "positions": None, "error": "keep"}
    assert sent(page)[-1]["state"]["edits"] == [edit]
    answer(page)
    heatmap.ablate("c")
    ablate = {"kind": "ablate", "feature": "resid_post.2/903", "value": None, "positions": None, "error": "keep"}
    assert ablate in sent(page)[-1]["state"]["edits"]
    expect(heatmap.chip("c").locator(".key")).to_have_class("key f2 hollow")
    answer(page)
    row.get_by_role("button", name="Remove b").click()
    assert sent(page)[-1]["state"]["features"] == ["resid_post.1/417", "", "resid_post.2/903", "resid_post.2/251"]


def test_double_click_resets_the_slider(page: Page, open_page: Open) -> None:
    edit = {"kind": "ablate", "feature": "resid_post.2/88", "value": 0.0, "positions": None, "error": "keep"}
    page = open_page(live_page(make_payload(), edits=[edit]))
    heatmap = Heatmap(page.locator("body"))
    heatmap.chip("b").get_by_role("slider").dblclick(position={"x": 20, "y": 12})
    page.evaluate("(id) => host.reply({type: 'ok', id, result: null})", sent(page)[0]["id"])
    page.wait_for_timeout(200)
    assert sent(page)[-1]["state"]["edits"] == []


def test_an_edit_that_is_no_multiple_shows_its_words(open_page: Open) -> None:
    edit = {"kind": "clamp", "feature": "resid_post.2/88", "value": 8.0, "positions": [3], "error": "keep"}
    payload = make_payload()
    features = tuple(
        replace(f, edit="clamp 8 at 1 token", scale=None) if n == 1 else f for n, f in enumerate(payload.features)
    )
    page = open_page(live_page(replace(payload, features=features), edits=[edit]))
    row = Heatmap(page.locator("body")).chip("b")
    expect(row).to_contain_text("clamp 8 at 1 token")
    row.get_by_role("button", name="Reset b").click()
    assert sent(page)[-1]["state"]["edits"] == []


def test_error_term(page: Page, heatmap: Heatmap) -> None:
    heatmap.ablate("a")
    heatmap.features.get_by_role("radio", name="dropped").click()
    page.wait_for_timeout(100)
    page.evaluate("(id) => host.reply({type: 'ok', id, result: null})", sent(page)[0]["id"])
    page.wait_for_timeout(100)
    state = sent(page)[-1]["state"]
    assert state["error_term"] == "dropped"
    assert [edit["error"] for edit in state["edits"]] == ["drop"]


def test_stale_after_150_ms_and_stop(page: Page, heatmap: Heatmap) -> None:
    heatmap.edit()
    heatmap.type("x")
    expect(heatmap.status).to_contain_text("showing the text before your last edit")
    expect(heatmap.host.locator(".edge.dash")).to_be_attached()
    heatmap.host.get_by_role("button", name="stop").click()
    assert sent(page, "cancel")[0]["id"] == sent(page)[0]["id"]
    page.evaluate("(id) => host.reply({type: 'cancelled', id})", sent(page)[0]["id"])
    heatmap.settled()
    expect(heatmap.status).to_contain_text("17 tokens · 38 ms")


def test_progress(page: Page, heatmap: Heatmap) -> None:
    heatmap.ablate("a")
    script = "(id) => host.reply({type: 'progress', id, done: 5, total: 20, note: 'control'})"
    page.evaluate(script, sent(page)[0]["id"])
    expect(heatmap.status).to_contain_text("control 5 of 20")
    expect(heatmap.host.locator(".edge.pg i")).to_have_attribute("style", "width: 25%;")


def test_an_error_is_a_sentence_and_the_picture_stays(page: Page, heatmap: Heatmap) -> None:
    words = heatmap.words()
    heatmap.edit()
    heatmap.type("x")
    message = {"type": "error", "id": sent(page)[0]["id"], "what": "Prompt is too long.", "todo": "Shorten it."}
    page.evaluate("(message) => host.reply(message)", message)
    expect(heatmap.alert).to_have_text("Prompt is too long. Shorten it.")
    expect(heatmap.host.locator(".picture")).to_have_class("picture drained")
    expect(heatmap.editor).to_be_focused()
    assert heatmap.editor.input_value().endswith("x")
    page.keyboard.press("Escape")
    assert heatmap.words() == words
    heatmap.edit()
    heatmap.type("y")
    answer(page, texts=texts(sent(page)[-1]["state"]["prompt"].strip()))
    expect(heatmap.alert).to_have_count(0)


def test_search_asks_and_adds(page: Page, heatmap: Heatmap) -> None:
    heatmap.search.fill("pond")
    page.wait_for_function("host.sent.some((m) => m.type === 'search')")
    asked = sent(page, "search")[0]
    assert (asked["query"], asked["site"]) == ("pond", "resid_post.2")
    result = {"features": [{"id": "resid_post.2/7", "label": "water"}]}
    page.evaluate("(message) => host.reply(message)", {"type": "ok", "id": asked["id"], "result": result})
    expect(heatmap.host.get_by_role("option", name="water")).to_be_visible()
    page.keyboard.press("Enter")
    assert sent(page)[-1]["state"]["features"][-1] == "resid_post.2/7"


def test_undo_and_redo(page: Page, heatmap: Heatmap) -> None:
    undo = heatmap.host.get_by_role("button", name="Undo")
    expect(undo).to_be_disabled()
    page.evaluate("host.set({undo_depth: 1, redo_depth: 1})")
    undo.click()
    assert len(sent(page, "undo")) == 1
    page.evaluate("(id) => host.reply({type: 'ok', id, result: null})", sent(page, "undo")[0]["id"])
    heatmap.tokens.focus()
    page.keyboard.press("Control+Shift+Z")
    assert len(sent(page, "redo")) == 1


def test_a_file_is_downloaded(page: Page, heatmap: Heatmap) -> None:
    heatmap.host.get_by_role("button", name="Menu").click()
    heatmap.host.get_by_role("menuitem", name="Save as SVG").click()
    asked = sent(page, "save")[0]
    assert asked["format"] == "svg"
    reply = {"type": "ok", "id": asked["id"], "result": {"format": "svg", "name": "heatmap.svg"}}
    with page.expect_download() as waiting:
        page.evaluate("([message, data]) => host.reply(message, [data])", [reply, base64.b64encode(b"<svg/>").decode()])
    assert waiting.value.suggested_filename == "heatmap.svg"
    assert waiting.value.path().read_bytes() == b"<svg/>"


def test_a_payload_that_is_not_in_the_state_is_asked_for(open_page: Open) -> None:
    page = open_page(live_page(make_payload(), _revision=0))
    raw = base64.b64encode(encode(make_payload(5))).decode()
    page.evaluate("host.set({_payload: '', _revision: 2})")
    asked = sent(page, "payload")[0]
    page.evaluate("([id, raw]) => host.reply({type: 'payload', id, revision: 2}, [raw])", [asked["id"], raw])
    assert len(Heatmap(page.locator("body")).drawn().words()) == 5


def test_without_a_model_editing_is_off_and_says_why(open_page: Open) -> None:
    page = open_page(live_page(make_payload(), live=False))
    heatmap = Heatmap(page.locator("body")).drawn()
    expect(heatmap.host).to_contain_text("editing needs a live model")
    expect(heatmap.chip("a").get_by_role("slider")).to_be_disabled()
    heatmap.token(3).click()
    page.keyboard.press("Enter")
    page.keyboard.type("x")
    assert sent(page) == []
    heatmap.strongest.get_by_role("button", name="Add").first.click()
    assert heatmap.letters() == ["a", "b", "c", "d", "e"]


def test_the_end_of_a_view_frees_everything(page: Page, heatmap: Heatmap) -> None:
    assert page.evaluate("host.listeners()") > 5
    page.evaluate("host.end()")
    expect(page.locator(".saewidgets")).to_have_count(0)
    assert page.evaluate("host.listeners()") == 0
