"""Places that take apart what they do not trust: the picture still says what it said."""

import html
import re
from pathlib import Path
from typing import Any

import bleach
import nbformat
import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import Browser

from saewidgets.figures.views import view_of
from tests.attacks.allowed import read
from tests.e2e.harness import Watch
from tests.e2e.oracle import Expected
from tests.e2e.static import assert_text, opened, publish
from tests.e2e.test_nbconvert import OFFLINE
from tests.payload_factory import make_payload
from tests.web.test_views import VIEWS

# What the published filter of GitHub (html-pipeline) keeps: no style, no class, no script, no `data:` image.
GITHUB_TAGS = set(
    "h1 h2 h3 h4 h5 h6 br b i strong em a pre code img tt div ins del sup sub p ol ul table thead tbody tfoot"
    " blockquote dl dt dd kbd q samp var hr ruby rt rp li tr td th s strike summary details caption figure figcaption"
    " abbr bdo cite dfn mark small span time wbr".split()
)
GITHUB_ATTRIBUTES = ["align", "alt", "border", "color", "colspan", "dir", "height", "id", "lang", "name", "role",
                     "rowspan", "span", "summary", "tabindex", "title", "valign", "width"]  # fmt: skip


def on_github(markup: str) -> str:
    """Markup after the filter."""
    return bleach.clean(markup, tags=GITHUB_TAGS, attributes=GITHUB_ATTRIBUTES, protocols=["http", "https"], strip=True)


@pytest.mark.parametrize("payload", [make_payload(), *VIEWS.values()], ids=["heatmap", *VIEWS])
def test_github_keeps_every_word(payload: Any) -> None:
    markup = view_of(payload).fallback(payload, 12_000)
    kept = on_github(markup)
    assert html.unescape(re.sub("<[^>]*>", "", kept)) == read(markup).text
    assert set(re.findall(r"<(\w+)", kept)) <= {"div", "span"}
    assert "style" not in kept


def test_github_control() -> None:
    assert on_github('<p style="color:red"><iframe src="x"></iframe><button>a</button></p>') == "<p>a</p>"


def test_letters_do_not_become_part_of_words(executed: nbformat.NotebookNode, truth: Expected) -> None:
    kept = on_github(executed.cells[1].outputs[0].data["text/html"])
    assert_text(html.unescape(re.sub(r"<div>|</div>", "\n", re.sub("</?span>", "", kept))), truth)


def test_nbconvert_s_sanitiser(
    executed: nbformat.NotebookNode, browser: Browser, truth: Expected, tmp_path: Path
) -> None:
    source, path = publish(executed, tmp_path, "without state"), tmp_path / "index.html"
    exporter = HTMLExporter(sanitize_html=True, **OFFLINE)
    path.write_text(exporter.from_filename(str(source))[0], encoding="utf-8")
    watch = Watch()
    with opened(browser, path, watch) as page:
        output = page.locator(".jp-RenderedHTML.jp-OutputArea-output").first
        assert_text(output.inner_text(), truth)
        assert output.locator("[style], script, iframe, img").count() == 0
    assert watch.outside() == []
    assert watch.errors == []
