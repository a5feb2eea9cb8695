"""The explorer in `marimo run`: its panels come, follow the same edits, and go back with them."""

import re
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.e2e.explorer import PROMPT, check_linked_page, here, save_page, word_after
from tests.e2e.harness import Watch, marimo, new_page
from tests.e2e.heatmap import Heatmap

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


def test_the_whole_way_in_marimo(browser: Browser, tmp_path: Path) -> None:
    """Type, click a token, open a feature, ablate, see graph and text change, undo, export, read the export offline."""
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
        undo = view.get_by_role("button", name="Undo").first

        # Type; then back, so that what follows is of the text that is known.
        known = heatmap.tokens.text_content()
        heatmap.edit()
        heatmap.type(" Mira")
        page.keyboard.press("Escape")
        expect(stage).to_have_attribute("aria-label", re.compile("to Mira"), timeout=60_000)
        while (typed := heatmap.tokens.text_content() or "") != known:  # a burst is one step, or two on a slow machine
            undo.click()
            # Its text, and not whether it can be clicked: it can until the kernel has answered.
            expect(heatmap.tokens).not_to_have_text(typed, timeout=60_000)
        expect(stage).not_to_have_attribute("aria-label", re.compile("to Mira"), timeout=60_000)

        # A token, in all panels.
        was = here(view)
        heatmap.token(4).click()
        page.keyboard.press("Escape")
        expect(view.locator(".p3").get_by_role("heading")).to_contain_text("Tom")
        assert word_after(view) == "Tom"
        expect(heatmap.strongest.get_by_role("heading")).to_contain_text("token 4")
        assert here(view) < was
        expect(view.get_by_role("region", name="Diary")).to_contain_text("ex.select(token=4)")

        # A feature, and its dashboard.
        view.locator(".chip").nth(1).click()
        panel = view.get_by_role("region", name="Focused feature")
        expect(panel).to_contain_text(view.locator(".chip").nth(1).inner_text().split("\n")[-1])
        panel.get_by_role("button", name="Open the dashboard").click()
        expect(panel.get_by_role("region", name="Try your own text")).to_be_visible(timeout=30_000)
        panel.get_by_role("button", name="Close the dashboard").click()

        # Ablated: graph and text change; undone: they are as they were.
        nodes, said = stage.get_attribute("data-nodes"), base.locator(".gen").inner_text()
        view.get_by_role("button", name=re.compile("Ablate b$")).click()
        expect(after).to_be_visible(timeout=60_000)
        expect(view.locator(".legend", has_text="gone")).to_be_visible(timeout=60_000)
        undo.click()
        expect(after).to_have_count(0, timeout=60_000)
        expect(stage).to_have_attribute("data-nodes", nodes or "", timeout=60_000)
        expect(base.locator(".gen")).to_have_text(said)

        # Exported with an edit, from the last token.
        heatmap.token(14).click()
        page.keyboard.press("Escape")
        view.locator(".chip").first.click()
        view.get_by_role("button", name=re.compile("Ablate a$")).click()
        expect(after).to_be_visible(timeout=60_000)
        expect(view.locator(".legend", has_text="gone")).to_be_visible(timeout=60_000)
        path = save_page(page, view, tmp_path / "explorer.html")
        # Without labels a chip has the feature's id.
        features = [text.split("\n")[1] for text in view.locator(".chip").all_inner_texts()]
    check_linked_page(browser, path, features)
    assert watch.outside() == []
    assert watch.ours() == []
