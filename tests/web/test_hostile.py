"""Hostile text in every slot of the live view: it is shown, and nothing in it happens."""

import base64

import pytest
from playwright.sync_api import expect

from saewidgets.payloads import encode
from saewidgets.payloads.packed import pack
from tests.attacks.hostile import FIRING, STRINGS, hostile_payload
from tests.payload_factory import make_payload
from tests.web.conftest import Open
from tests.web.host import FRAMES, live_page

pytestmark = pytest.mark.browser

# Elements that our views make: anything else in the shadow root came out of a text.
OURS = {
    "b", "br", "button", "dd", "div", "dl", "dt", "fieldset", "h3", "i", "input", "kbd", "option", "p", "path", "rect",
    "s", "section", "select", "span", "svg", "textarea", "u",
}  # fmt: skip
ELEMENTS = "[...document.querySelector('.saewidgets').shadowRoot.querySelectorAll('*')].map((e) => e.localName)"


def test_control_fires(browser: object, open_page: Open) -> None:
    page = open_page("<!doctype html><b id=x>" + FIRING[0].replace("nowhere:x", "data:,x") + "</b>", wait="#x")
    page.wait_for_function("window.firings > 0")


@pytest.mark.parametrize("live", [True, False])
def test_nothing_fires(open_page: Open, live: bool) -> None:
    for start in range(0, len(STRINGS), 12):
        strings = STRINGS[start : start + 12]
        page = open_page(live_page(hostile_payload(strings), live=live, undo_depth=1))
        page.locator(".saewidgets .t").nth(1).hover()
        page.keyboard.press("Tab")
        page.evaluate(FRAMES)
        assert page.evaluate("window.firings") == 0
        assert set(page.evaluate(ELEMENTS)) <= OURS
        expect(page.locator(".saewidgets .tokens .t")).to_have_count(len(strings))


def test_typed_and_answered(open_page: Open) -> None:
    """The same texts typed by the user, asked of a search, and said in an error and in a progress note."""
    page = open_page(live_page(make_payload()))
    said = """(text) => {
        host.set({error: {what: text, todo: text}, prompt: text});
        host.reply({type: 'progress', id: null, done: 1, total: 2, note: text});
    }"""
    for text in STRINGS:
        known = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        page.evaluate(said, known)
        page.locator(".tokens").focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(known)
        page.locator(".search input").focus()
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(known)
        assert page.evaluate("window.firings") == 0
        assert set(page.evaluate(ELEMENTS)) <= OURS


@pytest.mark.parametrize("raw", [encode(make_payload()), pack(encode(make_payload()))], ids=["whole", "packed"])
def test_damaged_payloads_give_a_sentence(open_page: Open, raw: bytes) -> None:
    page = open_page(live_page(make_payload()))
    for revision, cut in enumerate(range(0, len(raw), max(1, len(raw) // 40)), 2):
        flipped = raw[:cut] + bytes([raw[cut] ^ 0x55]) + raw[cut + 1 :]
        damaged = base64.b64encode(raw[:cut] if cut % 2 else flipped).decode()
        page.evaluate("([p, r]) => host.set({_payload: p, _revision: r})", [damaged, revision])
        expect(page.get_by_role("alert")).to_be_visible()
        expect(page.locator(".saewidgets .tokens .t")).to_have_count(17)
