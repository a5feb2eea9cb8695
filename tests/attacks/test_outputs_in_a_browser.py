"""The static outputs opened in a real browser from `file://`: nothing fires, nothing is asked of the network.

Each page is tried as it is and without its content security policy, so that the escaping is seen to hold alone.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from saewidgets.export import layered, to_iframe, to_page
from saewidgets.figures import heatmap
from saewidgets.figures.html import fallback
from tests.attacks.hostile import FIRING, STRINGS, hostile_payload
from tests.browser import WITHOUT_GPU
from tests.payload_factory import make_payload

pytestmark = pytest.mark.browser

COUNT = "window.firings = 0; window.fired = () => { window.firings += 1 };"


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", *WITHOUT_GPU])
        yield found
        found.close()


class Visit:
    """One page opened from a file, with what it did."""

    def __init__(self, browser: Browser, path: Path, markup: str, wait: str, **options: Any) -> None:
        path.write_text(markup, "utf-8")
        self.page = browser.new_page(**options)
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda line: self.errors.append(line.text) if line.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.errors.append("dialog"), dialog.dismiss()))
        self.page.add_init_script(COUNT)
        self.page.goto(path.as_uri())
        self.page.wait_for_selector(wait, state="attached")
        self.page.wait_for_timeout(300)  # handlers of images that are not there fire after the load
        self.firings = self.page.evaluate("window.firings")
        self.requests = [url for url in self.requests if url != path.as_uri()]


def without_policy(markup: str) -> str:
    found, count = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", markup)
    assert count == 1
    return found


def test_control_fires(browser: Browser, tmp_path: Path) -> None:
    careless = "<!doctype html><body>" + "".join(f"<div>{text}</div>" for text in FIRING)
    visit = Visit(browser, tmp_path / "a.html", careless, "body")
    assert visit.firings >= 10
    assert visit.requests


def test_policy_control(browser: Browser, tmp_path: Path) -> None:
    """The page's own policy stops what a fault of ours would let through."""
    hole = '<script>fired()</script><img src="https://example.invalid/x.png" onerror="fired()">'
    markup = to_page(make_payload()).replace("</body>", hole + "</body>")
    visit = Visit(browser, tmp_path / "a.html", markup, "#saewidgets")
    assert visit.firings == 0
    assert len(visit.errors) >= 2
    visit = Visit(browser, tmp_path / "b.html", without_policy(markup), "#saewidgets")
    assert visit.firings >= 1
    assert visit.requests


@pytest.mark.parametrize("policy", [True, False])
def test_page(policy: bool, browser: Browser, tmp_path: Path) -> None:
    for number, start in enumerate(range(0, len(STRINGS), 26)):
        strings = STRINGS[start : start + 26]
        markup = to_page(hostile_payload(strings))
        markup = markup if policy else without_policy(markup)
        visit = Visit(browser, tmp_path / f"{number}.html", markup, "#saewidgets")
        assert (visit.firings, visit.requests, visit.errors) == (0, [], [])
        assert visit.page.evaluate("Object.keys(Object.prototype).length") == 0
        visit.page.close()


def test_page_is_live(browser: Browser, tmp_path: Path) -> None:
    """The bundle replaced the static picture, and it shows the payload."""
    payload = make_payload()
    visit = Visit(browser, tmp_path / "a.html", to_page(payload), "#saewidgets > .saewidgets")
    assert visit.page.evaluate("document.querySelector('#saewidgets').children.length") == 1
    shown = visit.page.locator("#saewidgets .sw").inner_text()
    for word in [*(text.strip() for text in payload.tokens.text[1:]), "a name already said once", "0.84"]:
        assert word in shown, word
    assert (visit.requests, visit.errors) == ([], [])


def test_page_without_scripts_shows_the_static_picture(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text(to_page(make_payload()), "utf-8")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    assert "0.71 → 0.29 (−0.42)" in page.locator("#saewidgets").inner_text()
    context.close()


def test_fallback_svg_and_frames(browser: Browser, tmp_path: Path) -> None:
    for number, start in enumerate(range(0, len(STRINGS), 26)):
        payload = hostile_payload(STRINGS[start : start + 26])
        for name, part in {
            "fallback": fallback(payload),
            "svg": heatmap.to_svg(payload).partition("?>")[2],
            "iframe": to_iframe(payload),
            "layered": layered(payload),
        }.items():
            markup = f"<!doctype html><meta charset=utf-8><body>{part}"
            visit = Visit(browser, tmp_path / f"{name}{number}.html", markup, "body")
            frames = [url for url in visit.requests if url != "about:srcdoc"]
            assert (visit.firings, frames, visit.errors) == (0, [], []), name
            visit.page.close()


def test_a_frame_sees_nothing_of_the_notebook(browser: Browser, tmp_path: Path) -> None:
    markup = "<!doctype html><body>" + to_iframe(make_payload())
    visit = Visit(browser, tmp_path / "a.html", markup, "iframe")
    frame = visit.page.frames[1]
    assert (
        frame.evaluate("(() => { try { return parent.document.title } catch (e) { return e.name } })()")
        == "SecurityError"
    )
    assert frame.evaluate("origin") == "null"
