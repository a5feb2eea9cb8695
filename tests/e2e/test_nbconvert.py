"""`jupyter nbconvert --to html` of a saved notebook: the picture stands there without network and without our code."""

import subprocess
import sys
from pathlib import Path

import nbformat
from playwright.sync_api import Browser, expect

from tests.e2e.harness import Watch, new_page
from tests.e2e.heatmap import Heatmap
from tests.e2e.notebook import Tour


def test_an_export_shows_the_picture(tour: Tour, view: Heatmap, browser: Browser, tmp_path: Path) -> None:
    source = tmp_path / "tour.ipynb"
    nbformat.write(tour.notebook.save(), source)
    command = [sys.executable, "-m", "nbconvert", "--to", "html", str(source)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    watch = Watch()
    with new_page(browser, watch) as page:
        page.goto(source.with_suffix(".html").as_uri(), wait_until="domcontentloaded")
        pictures = page.locator(".jp-RenderedHTMLCommon.jp-OutputArea-output").filter(has_text="next token")
        expect(pictures).to_have_count(2)
        expect(pictures.first).to_contain_text("lantern")
        assert pictures.first.locator("[src], [href], script, iframe").count() == 0
        colours = pictures.first.locator("span").evaluate_all(
            "(all) => new Set(all.map((e) => getComputedStyle(e).backgroundColor)).size"
        )
        assert colours > 2
    # What is asked for is nbconvert's own (MathJax, require.js): a notebook without our outputs asks for the same.
    bare = nbformat.read(source, as_version=4)
    for cell in bare.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    nbformat.write(bare, tmp_path / "bare.ipynb")
    subprocess.run([*command[:-1], str(tmp_path / "bare.ipynb")], check=True, capture_output=True, timeout=120)
    host = Watch()
    with new_page(browser, host) as page:
        page.goto((tmp_path / "bare.html").as_uri(), wait_until="domcontentloaded")
    assert set(watch.outside()) <= set(host.outside())
