"""`jupyter nbconvert` of a saved notebook: the picture stands there without network and without our code."""

import io
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbconvert import HTMLExporter, LatexExporter
from PIL import Image
from playwright.sync_api import Browser, expect
from pypdf import PdfReader
from traitlets.config import Config

from tests.e2e.harness import Watch, new_page
from tests.e2e.heatmap import Heatmap
from tests.e2e.notebook import Tour
from tests.e2e.oracle import Expected
from tests.e2e.static import KINDS, assert_picture, assert_text, opened, publish

# nbconvert's own scripts, which it would fetch from a CDN for any notebook.
OFFLINE = dict.fromkeys(
    ("mathjax_url", "require_js_url", "jquery_url", "mermaid_js_url", "mermaid_layout_elk_js_url"), ""
)
PICTURE_FIRST = ["text/html", "image/svg+xml", "image/png", "text/markdown", "text/plain"]


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


@pytest.mark.parametrize("kind", KINDS)
def test_html_shows_the_picture_and_asks_for_nothing(
    kind: str, executed: nbformat.NotebookNode, browser: Browser, truth: Expected, tmp_path: Path
) -> None:
    source = publish(executed, tmp_path, kind)
    # With stored state nbconvert prefers the live view, unless it is told otherwise.
    choice = {"NbConvertBase": {"display_data_priority": PICTURE_FIRST}} if kind == "with state" else {}
    page_file = tmp_path / "index.html"
    exporter = HTMLExporter(config=Config(choice), **OFFLINE)
    page_file.write_text(exporter.from_filename(str(source))[0], encoding="utf-8")
    watch = Watch()
    with opened(browser, page_file, watch) as page:
        outputs = page.locator(".jp-RenderedHTML.jp-OutputArea-output")
        expect(outputs).to_have_count(2)
        assert_picture(outputs.first, truth)
    widgets = [url for url in watch.outside() if "html-manager" in url]
    assert widgets == watch.outside()
    assert bool(widgets) == (kind == "with state")  # asked for by nbconvert wherever state is stored
    assert [error for error in watch.errors if "html-manager" not in error] == []


def test_with_stored_state_nbconvert_prefers_the_view_and_a_cdn(
    executed: nbformat.NotebookNode, browser: Browser, tmp_path: Path
) -> None:
    source = publish(executed, tmp_path, "with state")
    (tmp_path / "index.html").write_text(HTMLExporter(**OFFLINE).from_filename(str(source))[0], encoding="utf-8")
    watch = Watch()
    with opened(browser, tmp_path / "index.html", watch) as page:
        expect(page.locator(".jp-OutputArea-output").filter(has_text="Next token")).to_have_count(0)
    assert any("html-manager" in url for url in watch.outside())


@pytest.mark.parametrize("kind", KINDS)
def test_pdf_by_latex_takes_the_image(kind: str, executed: nbformat.NotebookNode, tmp_path: Path) -> None:
    source, resources = LatexExporter().from_filename(str(publish(executed, tmp_path, kind)))
    images = {name: data for name, data in resources["outputs"].items() if name.endswith(".png")}
    assert len(images) == 2
    for name, data in images.items():
        assert name in source
        assert Image.open(io.BytesIO(data)).size[0] >= 400


# `--to webpdf` as it is, but with the Chromium of the tests, and no network.
WEBPDF = """
import os, sys
from nbconvert import nbconvertapp
from playwright.async_api import BrowserType
launch = BrowserType.launch
BrowserType.launch = lambda self, **options: launch(self, executable_path=os.environ["BROWSER_OF_TESTS"], **options)
nbconvertapp.main(sys.argv[1:])
"""


def test_pdf_by_the_browser_shows_the_picture(
    executed: nbformat.NotebookNode, chromium: str, truth: Expected, tmp_path: Path
) -> None:
    source = publish(executed, tmp_path, "without state")
    offline = "--WebPDFExporter.browser_args=--host-resolver-rules=MAP * ~NOTFOUND"
    command = [sys.executable, "-c", WEBPDF, "--to", "webpdf", "--disable-chromium-sandbox", offline, str(source)]
    environment = {**os.environ, "BROWSER_OF_TESTS": chromium}
    subprocess.run(command, check=True, capture_output=True, timeout=120, env=environment)
    text = "\n".join(page.extract_text() for page in PdfReader(tmp_path / "index.pdf").pages)
    assert_text(text[text.index("‹bos›") :], truth)
