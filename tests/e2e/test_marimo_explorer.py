"""The explorer in `marimo run`: its panels come, follow the same edits, and go back with them."""

import re
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.e2e.harness import Watch, marimo, new_page
from tests.e2e.heatmap import Heatmap

PROMPT = "When Mira and Tom came to the pond, Tom gave the lantern to"
APP = f"""
import marimo

app = marimo.App(width="full")


@app.cell
def _():
    import saewidgets as sw

    scope = sw.demo()
    sw.Explorer(scope, {PROMPT!r}, max_new_tokens=6, temperature=0.0)
    return


if __name__ == "__main__":
    app.run()
"""


def test_marimo_links_the_panels(browser: Browser, tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text(APP, encoding="utf-8")
    watch = Watch()
    with marimo(app, tmp_path) as server, new_page(browser, watch, viewport={"width": 1400, "height": 1300}) as page:
        page.goto(server.url)
        view = page.locator(".saewidgets").first
        heatmap = Heatmap(page.locator("body"))
        heatmap.token(3).wait_for(timeout=150_000)  # marimo itself starts slowly
        stage = view.locator("[data-graph]")
        expect(stage).to_be_visible(timeout=60_000)
        base, after = (view.get_by_role("group", name=name) for name in ("Base", "After the edits"))
        expect(base).to_contain_text(re.compile(r"\w"), timeout=60_000)

        heatmap.token(4).click()
        page.keyboard.press("Escape")
        expect(view.locator(".p3").get_by_role("heading")).to_contain_text("Tom")
        expect(view.get_by_role("region", name="Diary")).to_contain_text("ex.select(token=4)")
        view.locator(".chip").nth(1).click()
        panel = view.get_by_role("region", name="Focused feature")
        expect(panel).to_contain_text(view.locator(".chip").nth(1).inner_text().split("\n")[-1])
        panel.get_by_role("button", name="Open the dashboard").click()
        expect(panel.get_by_role("region", name="Try your own text")).to_be_visible(timeout=30_000)
        panel.get_by_role("button", name="Close the dashboard").click()

        nodes = stage.get_attribute("data-nodes")
        view.get_by_role("button", name=re.compile("Ablate b$")).click()
        expect(after).to_be_visible(timeout=60_000)
        expect(view.locator(".legend", has_text="gone")).to_be_visible(timeout=60_000)
        view.get_by_role("button", name="Undo").first.click()
        expect(after).to_have_count(0, timeout=60_000)
        expect(stage).to_have_attribute("data-nodes", nodes or "", timeout=60_000)

        heatmap.edit()
        heatmap.type(" Mira")
        page.keyboard.press("Escape")
        expect(stage).to_have_attribute("aria-label", re.compile("to Mira"), timeout=60_000)
    assert watch.outside() == []
    assert watch.ours() == []
