"""The offline page: what is in it, byte by byte, without a browser (`tests/attacks` opens it in one)."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from saewidgets.errors import FigureError
from saewidgets.export import layered, page, to_iframe, to_page
from saewidgets.figures.html import fallback
from saewidgets.payloads import decode, encode
from tests.attacks.hostile import STRINGS, hostile_payload
from tests.payload_factory import make_payload


class Elements(HTMLParser):
    """Every start tag with its attributes, and the text inside scripts, styles and the title."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, list[str]] = {}
        self._open = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag
        if tag in ("script", "style", "title"):
            self.inside.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open in self.inside:
            self.inside[self._open][-1] += data


def links(markup: str) -> list[str]:
    """Attributes that fetch, navigate or run."""
    return [
        f"{tag} {name}"
        for tag, attributes in Elements(markup).tags
        for name in attributes
        if name in ("src", "href", "action", "ping", "data", "background", "poster") or name.startswith("on")
    ]


def test_what_is_in_it() -> None:
    payload = make_payload()
    found = Elements(to_page(payload, theme="dark", text_face="mono", lanes="compact"))
    scripts = [attributes for tag, attributes in found.tags if tag == "script"]
    assert scripts == [
        {"type": "application/x-saewidgets", "id": "saewidgets-payload"},
        {"type": "application/json", "id": "saewidgets-options"},
        {"type": "module"},
    ]
    data, options, code = found.inside["script"]
    assert base64.b64decode(data) == encode(payload)
    assert json.loads(options) == {"theme": "dark", "text_face": "mono", "lanes": "compact"}
    assert found.inside["title"] == ["Token heatmap · When Mira and Tom came to the pond, Tom gave the red lantern to"]
    policy = next(a["content"] for tag, a in found.tags if tag == "meta" and "http-equiv" in a)
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    assert policy.split("; ") == [
        "default-src 'none'", f"script-src 'sha256-{digest}'", "style-src 'unsafe-inline'", "img-src data: blob:",
        "base-uri 'none'", "form-action 'none'",
    ]  # fmt: skip
    assert fallback(payload) in to_page(payload)


def test_sizes() -> None:
    assert len(to_page(make_payload()).encode()) <= 250_000
    bundle = len(page.bundle("heatmap").encode())
    large = make_payload(10_000)
    assert len(to_page(large).encode()) <= bundle + 1.34 * len(encode(large)) + 12_000


def test_same_bytes_twice() -> None:
    assert to_page(make_payload()) == to_page(make_payload())


def test_hostile_text_adds_no_element_and_no_link() -> None:
    shape = None
    for number in range(len(STRINGS)):
        strings = STRINGS[number:] + STRINGS[:number]
        markup = to_page(hostile_payload(strings[:10]))
        found = Elements(markup)
        skeleton = [tag for tag, _ in found.tags if tag not in ("div", "span")]
        shape = shape or skeleton
        assert skeleton == shape == ["html", "head", *["meta"] * 4, "title", "style", "body", *["script"] * 3]
        assert links(markup) == []
        assert markup.count("</script") == 3
        assert decode(base64.b64decode(found.inside["script"][0])).prompt == hostile_payload(strings[:10]).prompt


def test_links_control() -> None:
    assert links("<img src=x onerror=y><a href=z>") == ["img src", "img onerror", "a href"]


@pytest.fixture
def bundle(monkeypatch: pytest.MonkeyPatch, tmp_path):  # type: ignore[no-untyped-def]
    """Lets a test lay out its own bundle."""
    static = tmp_path / "static"
    static.mkdir()
    monkeypatch.setattr(page, "files", lambda package: tmp_path)
    page.bundle.cache_clear()
    yield static / page.BUNDLE.format("heatmap")
    page.bundle.cache_clear()


def test_a_bundle_cannot_end_its_element(bundle) -> None:  # type: ignore[no-untyped-def]
    bundle.write_text("const a = '</script>', b = /<\\/SCRIPT/, c = `<!--`, d = '</ScRiPt x', e = 1 </script/.y;")
    found = Elements(to_page(make_payload()))
    code = found.inside["script"][2]
    assert not re.search("</script|<!--", code, re.IGNORECASE)
    assert code.startswith("const a = '\\x3c/script>'")
    assert len(found.inside["script"]) == 3


def test_an_unbuilt_bundle_says_what_to_do(bundle) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(FigureError, match="Run `make js`"):
        to_page(make_payload())


@pytest.mark.parametrize("wrong", [{"theme": "x"}, {"theme": "</style>"}, {"text_face": "comic"}, {"lanes": ""}])
def test_unknown_options(wrong: dict[str, str]) -> None:
    with pytest.raises(FigureError, match="Use one of"):
        to_page(make_payload(), **wrong)


def test_iframe_and_layers() -> None:
    payload = make_payload()
    for markup in (to_iframe(payload, 300), layered(payload, 300)):
        frames = [attributes for tag, attributes in Elements(markup).tags if tag == "iframe"]
        assert len(frames) == 1
        assert frames[0]["sandbox"] == "allow-scripts"
        assert frames[0]["srcdoc"] == to_page(payload)
    assert layered(payload).startswith(f'<div style="position:relative;min-height:780px">{fallback(payload)}<iframe')
    assert to_iframe(payload, 300).startswith("<iframe")
    for height in (0, 10**6, 3.5, "100%", True, float("nan")):
        with pytest.raises(FigureError, match="50 to 4000"):
            to_iframe(payload, height)  # type: ignore[arg-type]
