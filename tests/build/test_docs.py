"""The built documentation loads nothing from elsewhere. `make docs` builds it strictly, then runs this."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

SITE = Path(__file__).parents[2] / "docs" / "_build" / "html"
# What a browser fetches by itself; a plain link (<a href>) is the reader's own choice.
LOADING = {"script", "link", "img", "iframe", "source", "audio", "video", "object", "embed", "use", "image", "input"}
FARAWAY = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
CSS_LOADS = re.compile(r"""(?:url\(\s*|@import\s+)["']?\s*((?:[a-z]+:)?//[^"')\s]+)""", re.IGNORECASE)


class Loads(HTMLParser):
    """Collects the addresses that a page makes a browser fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            value = value or ""
            if tag in LOADING and name in ("src", "href", "xlink:href", "data", "poster") and FARAWAY.match(value):
                self.found.append(value)
            elif name == "srcset":
                self.found += [part for part in value.split() if FARAWAY.match(part)]
            elif name == "style":
                self.found += CSS_LOADS.findall(value)
            elif name == "srcdoc":
                self.found += loads(value)


def loads(page: str) -> list[str]:
    parser = Loads()
    parser.feed(page)
    return parser.found + CSS_LOADS.findall("".join(re.findall(r"<style.*?</style>", page, re.DOTALL)))


@pytest.fixture(scope="module")
def pages() -> list[Path]:
    assert (SITE / "index.html").exists(), "No site: run `make docs`."
    return sorted(SITE.rglob("*.html"))


def test_pages_load_nothing_from_elsewhere(pages: list[Path]) -> None:
    assert len(pages) >= 6
    assert {path.name: found for path in pages if (found := loads(path.read_text(encoding="utf-8")))} == {}


def test_styles_load_nothing_from_elsewhere(pages: list[Path]) -> None:
    sheets = sorted(SITE.rglob("*.css"))
    assert sheets
    assert {path.name: found for path in sheets if (found := CSS_LOADS.findall(path.read_text(encoding="utf-8")))} == {}


@pytest.mark.parametrize(
    "page",
    [
        '<script src="https://cdn.example/x.js"></script>',
        '<link rel="stylesheet" href="//fonts.example/css">',
        '<img srcset="https://example.org/a.png 2x">',
        "<style>@import 'https://example.org/a.css';</style>",
        '<p style="background: url(https://example.org/a.png)">',
        "<iframe srcdoc=\"<img src='http://example.org/a.png'>\"></iframe>",
    ],
)
def test_loads_control(page: str) -> None:
    assert loads(page)


def test_loads_lets_links_pass() -> None:
    assert loads('<a href="https://example.org">a</a><script src="_static/a.js"></script><img src="data:,">') == []


@pytest.mark.parametrize(
    "page",
    ["index", "api", "errors", "errors/PromptError", "how-it-is-built", "heatmap", "judging", "live-page", "tour",
     "gallery", "how-to/own-sae", "how-to/class", "cli", "other-tools", "contributing", "changelog"],
)  # fmt: skip
def test_page_exists(page: str, pages: list[Path]) -> None:
    assert SITE / f"{page}.html" in pages


def test_reference_has_every_public_name(pages: list[Path]) -> None:
    import saewidgets

    reference = (SITE / "api.html").read_text(encoding="utf-8")
    for name in set(saewidgets.__all__) - {"__version__", "errors", "SaewidgetsError"}:
        found = rf'id="saewidgets\.(\w+\.)+{name}"|id="(module-)?saewidgets\.{name}\b'
        assert re.search(found, reference), f"{name} is not in docs/api.md"


def test_every_widget_is_live_in_the_gallery_and_on_its_page(pages: list[Path]) -> None:
    from saewidgets.widgets.files import _WIDGETS

    gallery = (SITE / "gallery.html").read_text(encoding="utf-8")
    shown = re.findall(
        r'<a href="(_static/live/([\w-]+)\.html)"><img src="(_static/live/\2\.svg)" alt="([^"]{20,})"></a>'
        r'<figcaption><a href="([\w-]+\.html)">', gallery
    )  # fmt: skip
    assert len(shown) == len(_WIDGETS), "a view has no live page: see docs/live.py"
    for live, _, picture, _, page in shown:
        assert (SITE / live).stat().st_size > 10_000
        assert (SITE / picture).read_text(encoding="utf-8").startswith("<?xml")
        assert f'<iframe src="{live}"' in (SITE / page).read_text(encoding="utf-8")
