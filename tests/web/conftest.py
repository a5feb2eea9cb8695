"""A browser, and pages in it that watch for what must not happen."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser import WITHOUT_GPU

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", *WITHOUT_GPU])
        yield found
        found.close()


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens markup from a file; fails the test for errors in the page and requests to a network."""
    faults: list[str] = []
    contexts = []

    def open_markup(markup: str, wait: str = ".saewidgets .foot", **options: Any) -> Page:
        path = tmp_path / f"{len(contexts)}.html"
        path.write_text(markup, "utf-8")
        context = browser.new_context(**{"viewport": {"width": 1000, "height": 800}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
        page.on("request", lambda asked: faults.append(asked.url) if asked.url.startswith("http") else None)
        page.add_init_script("window.firings = 0; window.fired = () => { window.firings += 1 }")
        page.goto(path.as_uri())
        page.wait_for_selector(wait)
        return page

    yield open_markup
    for context in contexts:
        context.close()
    assert faults == []
