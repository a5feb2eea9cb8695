"""Hostile text through every slot of training, frontier and report: fallback, SVG, PDF, page. It is shown, no more."""

from io import BytesIO
from typing import Any

import pytest
from pypdf import PdfReader

from saewidgets.export import to_page
from saewidgets.figures import views
from saewidgets.figures.text import plain
from saewidgets.payloads import decode, encode
from tests.attacks.allowed import read
from tests.attacks.hostile import FIRING, STRINGS, hostile_views
from tests.attacks.test_static_outputs import INVISIBLE, pdf_faults, svg_faults
from tests.export.test_page import Elements, links

KINDS = (
    "training", "frontier", "dictionary_report", "feature_dashboard", "feature_table", "steering", "patch_map",
    "circuit", "contrast", "explorer", "compare",
)  # fmt: skip


def texts_of(value: Any) -> int:
    """Number of strings in a payload: the check that no slot was forgotten."""
    if isinstance(value, str):
        return 1
    if isinstance(value, tuple):
        return sum(map(texts_of, value))
    if hasattr(value, "__dataclass_fields__"):
        return sum(texts_of(getattr(value, name)) for name in value.__dataclass_fields__)
    return 0


# Fields that hold one of a few words: anything else is refused.
WORDS = {
    "phase", "mode", "place", "control", "role", "finished", "scale_of_losses", "unit", "better", "kind", "shown",
    "show", "corruption", "x", "y", "side", "tool", "preset", "match",
}  # fmt: skip


def untouched(value: Any, text: str, name: str = "") -> list[str]:
    """Names of the text fields that do not hold the text."""
    if isinstance(value, str):
        return [] if text in value or name in WORDS or value == "" else [name]
    if isinstance(value, tuple):
        return [found for item in value for found in untouched(item, text, name)]
    if hasattr(value, "__dataclass_fields__"):
        return [
            found for field in value.__dataclass_fields__ for found in untouched(getattr(value, field), text, field)
        ]
    return []


def test_every_slot_is_hostile() -> None:
    for payload in hostile_views("<b>x</b>"):
        left = set(untouched(payload, "<b>x</b>"))
        assert left <= {"scale"}, f"{type(payload).__name__} keeps {left}"
        assert texts_of(payload) > 10


@pytest.mark.parametrize("number", range(len(KINDS)), ids=KINDS)
def test_static(number: int) -> None:
    for text in STRINGS:
        payload = hostile_views(text)[number]
        view = views.view_of(payload)
        reader = read(view.fallback(payload, 9_000))
        assert reader.faults == [], text[:60]
        assert not INVISIBLE.search(reader.text)
        for line in (view.alt_text(payload), view.title(payload)):
            assert len(line) < 1_500
            assert not INVISIBLE.search(line)
            assert "\n" not in line


@pytest.mark.parametrize("number", range(len(KINDS)), ids=KINDS)
def test_static_shows_the_text_itself(number: int) -> None:
    for text in FIRING:
        payload = hostile_views(text)[number]
        assert plain(text)[:17] in read(views.view_of(payload).fallback(payload, 9_000)).text


@pytest.mark.parametrize("number", range(len(KINDS)), ids=KINDS)
def test_svg_and_pdf(number: int) -> None:
    for text in STRINGS[number::3]:
        payload = hostile_views(text)[number]
        figures = views.view_of(payload).figures
        document = figures.to_svg(payload)
        assert svg_faults(document) == [], text[:60]
        assert not INVISIBLE.search(document)
    for text in ("$\\frac$", "<script>x</script>", FIRING[0]):
        payload = hostile_views(text)[number]
        data = views.view_of(payload).figures.to_pdf(payload)
        assert pdf_faults(data) == []
        assert text[:12] in PdfReader(BytesIO(data)).pages[0].extract_text()


@pytest.mark.parametrize("number", range(len(KINDS)), ids=KINDS)
def test_page(number: int) -> None:
    for text in STRINGS:
        payload = hostile_views(text)[number]
        markup = to_page(payload)
        found = Elements(markup)
        assert [tag for tag, _ in found.tags if tag not in ("div", "span")] == [
            "html", "head", *["meta"] * 4, "title", "style", "body", *["script"] * 3,
        ]  # fmt: skip
        assert links(markup) == []
        assert encode(decode(encode(payload))) == encode(payload)
