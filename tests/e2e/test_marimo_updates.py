"""marimo sets the traits of one update one after the other, buffers last: the view must not draw the picture before."""

from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.e2e.harness import Watch, marimo, new_page
from tests.e2e.heatmap import Heatmap

# A scope without a model: what is tested is the way between marimo and the view.
APP = f"""
import marimo

app = marimo.App()


@app.cell
def _():
    import sys
    sys.path.insert(0, {str(Path(__file__).parents[2])!r})
    import saewidgets.runs.heatmap as runs
    from saewidgets.widgets import TokenHeatmap
    from tests.widgets.fakes import FakeScope, build, default_features
    runs.heatmap_payload, runs.default_features = build, default_features
    view = TokenHeatmap(FakeScope(), "one two three")
    view
    return (view,)


@app.cell
def _(view):
    import marimo as mo
    mo.md(f"bundle inline: {{view._carrier is None}}; threads: {{sorted(view._scope.threads)}}")
    return


if __name__ == "__main__":
    app.run()
"""


def test_the_last_picture_is_the_one_shown(browser: Browser, tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text(APP, encoding="utf-8")
    with marimo(app, tmp_path) as server, new_page(browser, Watch()) as page:
        page.goto(server.url)
        view = Heatmap(page.locator("body")).drawn(60_000)
        said = page.get_by_text("bundle inline: True; threads: ")
        expect(said).to_be_visible()
        expect(said).not_to_contain_text("saewidgets-job")
        view.edit()
        view.type("fold four")
        expect(view.tokens.locator(".t")).to_have_text(["one", "two", "threefold", "four"])
