"""100,000 tokens: drawn at once, every character there to select, copy and read aloud. Times are in benchmarks/."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.payload_factory import make_payload
from tests.web.conftest import Open
from tests.web.host import live_page

pytestmark = [pytest.mark.browser, pytest.mark.slow]

N = 100_000
BOX = "document.querySelector('.saewidgets').shadowRoot.querySelector('.longbox')"


@pytest.fixture
def payload() -> object:
    return make_payload(N, 3, edits=False)


@pytest.fixture
def page(open_page: Open, payload: object) -> Page:
    page = open_page(live_page(payload, selection=5))  # type: ignore[arg-type]
    page.wait_for_function(f"{BOX}.querySelectorAll('.cv').length === 0", timeout=60_000)
    return page


def test_the_whole_text_is_there(page: Page, payload: object) -> None:
    prompt = payload.prompt  # type: ignore[attr-defined]
    assert page.evaluate(f"{BOX}.textContent") == "‹bos›" + prompt
    assert page.evaluate(f"{BOX}.querySelectorAll('.k').length") < 5_000, "most of it is plain text"
    # Select all and copy give the prompt itself.
    page.evaluate("addEventListener('copy', (e) => { window.copied = e.clipboardData.getData('text/plain') })")
    page.locator(".longbox").focus()
    page.keyboard.press("Control+a")
    page.keyboard.press("Control+c")
    assert page.evaluate("window.copied") == prompt
    # All of it is in the accessibility tree.
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")
    read = sum(
        len(node["name"]["value"])
        for node in tree["nodes"]
        if node.get("role", {}).get("value") == "StaticText" and "name" in node
    )
    assert read >= 0.98 * len(prompt)


def test_a_dragged_selection_copies_an_exact_substring(page: Page, payload: object) -> None:
    page.evaluate("addEventListener('copy', (e) => { window.copied = e.clipboardData.getData('text/plain') })")
    box = page.locator(".longbox").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 200, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 400, box["y"] + 100)
    page.mouse.wheel(0, 20_000)
    page.wait_for_timeout(400)
    page.mouse.move(box["x"] + 500, box["y"] + 300)
    page.mouse.up()
    page.keyboard.press("Control+c")
    copied = page.evaluate("window.copied")
    assert len(copied) > 20_000
    assert copied in payload.prompt  # type: ignore[attr-defined]


def test_hover_selection_and_rail(page: Page) -> None:
    page.locator(".longbox .k").nth(40).hover()
    expect(page.locator(".tip")).to_contain_text("token 40")
    page.locator(".longbox .k").nth(40).click()
    assert page.evaluate("host.value('selection')") == 40
    page.keyboard.press("End")
    assert page.evaluate("host.value('selection')") == N - 1
    expect(page.locator(".longbox .k.sel")).to_be_in_viewport()
    rail = page.locator(".rail svg").bounding_box()
    assert rail is not None
    page.mouse.click(rail["x"] + rail["width"] / 2, rail["y"] + 10)
    expect(page.locator(".ends")).to_contain_text(re.compile("(49|50)\u202f\\d{3}–(49|50)\u202f"))
