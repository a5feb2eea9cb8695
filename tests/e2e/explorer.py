"""An `Explorer` on a page, in a notebook or exported: what a person sees in all of its panels at once."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.harness import Watch
from tests.e2e.heatmap import Heatmap
from tests.e2e.test_accessible import violations

PROMPT = "When Mira and Tom came to the pond, Tom gave the lantern to"


def here(view: Locator) -> float:
    """Where the circuit marks the column of the selected token."""
    box = view.locator(".moved .here").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2


def word_after(view: Locator) -> str:
    """The token that "Next token" follows."""
    heading = view.locator(".p3").get_by_role("heading").inner_text()
    return re.sub(r"^Next token after (\S+).*", r"\1", heading.replace("\n", " "))


def save_page(page: Page, view: Locator, path: Path) -> Path:
    """Save the explorer as HTML by its menu."""
    view.get_by_role("button", name="Menu").first.click()
    with page.expect_download(timeout=120_000) as download:
        view.get_by_role("menuitem", name="Save as HTML").click()
    download.value.save_as(path)
    return path


def offline(browser: Browser, path: Path, watch: Watch) -> Page:
    """A page from a file, without a network."""
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    watch.attach(page)
    page.context.set_offline(True)
    page.goto(path.as_uri())
    return page


def check_linked_page(browser: Browser, path: Path, features: list[str]) -> None:
    """Open a saved explorer of `PROMPT`, its first feature ablated, offline: one token and one feature in all panels.

    Args:
        browser: A browser.
        path: The page.
        features: Ids of its lettered features.
    """
    watch = Watch()
    page = offline(browser, path, watch)
    try:
        alone = page.locator(".saewidgets").first
        heatmap = Heatmap(page.locator("body"))
        heatmap.token(3).wait_for()
        expect(alone.locator("[data-graph]")).to_be_visible()
        was = here(alone)
        heatmap.token(4).click()
        assert word_after(alone) == "Tom"
        expect(heatmap.strongest.get_by_role("heading")).to_contain_text("token 4")
        assert here(alone) < was
        # And back from the circuit: a node brings its token.
        alone.locator("[data-graph]").focus()
        heading = heatmap.strongest.get_by_role("heading")
        for key in ["ArrowDown", "ArrowLeft", "ArrowRight", "ArrowRight"]:  # the node in hand may be of this very token
            if "token 4 " not in heading.inner_text():
                break
            page.keyboard.press(key)
        expect(heading).not_to_contain_text("token 4 ")
        panel = alone.get_by_role("region", name="Focused feature")
        alone.locator(".chip").nth(2).click()
        expect(panel).to_contain_text(features[2])
        panel.get_by_role("button", name="Open the dashboard").click()
        expect(panel.get_by_role("button", name="Close the dashboard")).to_be_visible()
        expect(alone.locator(".chip").first).to_contain_text("ablated")
        expect(alone.get_by_role("group", name="After the edits")).to_be_visible()
        expect(alone.get_by_role("region", name="Diary")).to_contain_text("ex.edit(sw.ablate(")
        expect(alone.get_by_role("group", name="Control")).to_contain_text("KL")
        compare = alone.get_by_role("radio", name="compare")
        expect(compare).to_have_attribute("title", "A page has no model: save it while it compares.")
        expect(compare).to_be_disabled()
        compare.dispatch_event("click")
        expect(alone.get_by_role("radio", name="researcher")).to_have_attribute("aria-checked", "true")
        assert violations(page, ".saewidgets") == []
        page.set_viewport_size({"width": 360, "height": 900})
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    finally:
        page.close()
    assert watch.ours() == []
    assert watch.outside() == []
