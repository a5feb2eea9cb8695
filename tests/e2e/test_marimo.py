"""The same widget in `marimo run`: several sessions in one process, so each widget carries its code."""

from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.e2e.harness import Watch, marimo, new_page
from tests.e2e.heatmap import Heatmap
from tests.e2e.oracle import PROMPT

APP = f"""
import marimo

app = marimo.App()


@app.cell
def _():
    import saewidgets as sw

    scope = sw.demo()
    sw.TokenHeatmap(scope, {PROMPT!r})
    return


if __name__ == "__main__":
    app.run()
"""


def test_marimo_edits_live_and_serves_a_second_session(browser: Browser, tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text(APP, encoding="utf-8")
    watch = Watch()
    with marimo(app, tmp_path) as server, new_page(browser, watch) as page:
        for _ in range(2):  # a reload is a second session
            page.goto(server.url)
            view = Heatmap(page.locator("body")).drawn(60_000)
            words, rows = view.words(), view.predictions()
            view.edit()
            view.type(" Mira because")
            view.settled()
            assert "".join(view.words()[len(words) :]).replace("·", "").replace(" ", "") == "Mirabecause"
            rows_typed = view.predictions()
            assert rows_typed != rows
            view.ablate("a")
            view.settled()
            expect(view.after).to_be_visible()
            assert view.predictions()[0].before == rows_typed[0].probability
    assert watch.outside() == []
    assert watch.ours() == []
