"""A dashboard that a message makes, in `marimo run`: a widget born in a handler, after its cell has ended."""

import re
from pathlib import Path

from playwright.sync_api import Browser, Locator, expect

from tests.e2e.harness import Watch, marimo, new_page

APP = """
import marimo

app = marimo.App(width="full")


@app.cell
def _():
    import saewidgets as sw

    scope = sw.demo()
    texts = [f"{a} gave {b} the red {t}." for a in ("Mira", "Tom") for b in ("Ada", "Ivo") for t in ("boat", "key")]
    atlas = scope.sweep(texts, ["resid_post.2"], "atlas", length=32, progress=False)
    sw.FeatureTable(scope, "resid_post.2", atlas=atlas)
    return scope, sw


@app.cell
def _(scope, sw):
    sw.CircuitGraph(scope, "Mira saw a red boat.")
    return


if __name__ == "__main__":
    app.run()
"""


def opened(view: Locator) -> None:
    """The dashboard inside is there, alive, and closes."""
    text = view.get_by_role("region", name="Try your own text")
    expect(text).to_be_visible(timeout=60_000)
    expect(view.get_by_role("alert")).to_have_count(0)


def test_marimo_shows_dashboards_that_messages_made(browser: Browser, tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text(APP, encoding="utf-8")
    watch = Watch()
    with marimo(app, tmp_path) as server, new_page(browser, watch, viewport={"width": 1400, "height": 1300}) as page:
        page.goto(server.url)
        table = page.locator(".saewidgets").first
        row = table.locator(".trow").first
        row.wait_for(timeout=150_000)
        for _ in range(2):  # the second is another widget
            row.locator(".lab, .q").first.click()
            opened(table)
            table.get_by_role("button", name=re.compile("back to the table")).click()
            expect(row).to_be_visible()

        graph = page.locator(".saewidgets").nth(1)
        field = graph.get_by_role("combobox", name="Find a node")
        field.wait_for(timeout=60_000)
        field.fill("/")
        expect(graph.get_by_role("option").first).to_be_visible()
        field.press("Enter")
        graph.get_by_role("button", name="Dashboard", exact=True).click()
        opened(graph.get_by_role("region", name="Dashboard"))
        graph.get_by_role("button", name="Close the dashboard").click()
        expect(graph.get_by_role("region", name="Dashboard")).to_have_count(0)
    assert watch.outside() == []
    assert watch.ours() == []
