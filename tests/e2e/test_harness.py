"""What the other tests rely on: the watch sees requests and errors, and nothing is left running."""

from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, Error

from tests.e2e.harness import Watch, end_family, is_inside, jupyter, new_page


def test_a_request_to_another_machine_is_seen_and_fails(browser: Browser) -> None:
    watch = Watch()
    with new_page(browser, watch) as page, pytest.raises(Error, match="ERR_NAME_NOT_RESOLVED"):
        page.goto("http://saewidgets.invalid/")
    with new_page(browser, watch) as page:
        page.evaluate("() => fetch('https://93.184.215.14/beacon').catch(() => 0)")
    assert watch.outside() == ["http://saewidgets.invalid/", "https://93.184.215.14/beacon"]


@pytest.mark.parametrize("url", ["http://127.0.0.1.example.org/", "ws://10.0.0.1/", "https://localhost.example/"])
def test_look_alikes_of_loopback_are_outside(url: str) -> None:
    assert not is_inside(url)


def test_errors_of_a_widget_are_seen(browser: Browser, tmp_path: Path) -> None:
    watch = Watch()
    code = """() => import(URL.createObjectURL(new Blob(
        ["setTimeout(() => { console.error('said'); throw new Error('thrown'); })"], {type: "text/javascript"})))"""
    file = tmp_path / "page.html"
    file.write_text("<title>x</title>", encoding="utf-8")
    with new_page(browser, watch) as page:
        page.goto(file.as_uri())
        with page.expect_event("pageerror"):
            page.evaluate(code)
        page.evaluate("() => console.error('of the page')")
    assert [error.split(" ")[0] for error in watch.ours()] == ["said", "Error:"]
    assert len(watch.errors) == 3


def test_a_server_leaves_no_process(tmp_path: Path) -> None:
    with jupyter(tmp_path) as server:
        family = [psutil.Process(server.process.pid), *psutil.Process(server.process.pid).children(recursive=True)]
        assert len(family) >= 1
    assert [process for process in family if process.is_running()] == []
    end_family(server.process)  # ending what has ended is no error
