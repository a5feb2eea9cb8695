"""Hostile text through every slot of a heatmap into fallback, SVG, PDF and PNG: it is shown, nothing else happens."""

import re
import xml.etree.ElementTree as ET
from html import escape
from io import BytesIO

import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DictionaryObject, NameObject, TextStringObject

from saewidgets.errors import FigureError
from saewidgets.figures import heatmap
from saewidgets.figures.alt import alt_text
from saewidgets.figures.html import MAX_BYTES, fallback
from saewidgets.figures.text import runs
from saewidgets.payloads.record import clean
from tests.attacks.allowed import read
from tests.attacks.hostile import FIRING, STRINGS, hostile_payload
from tests.payload_factory import make_payload

SAFE_SVG = {"svg", "g", "path", "text", "title", "metadata", "defs", "style", "RDF", "Work"}
INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
FORBIDDEN_PDF = (b"/JS", b"/JavaScript", b"/URI", b"/OpenAction", b"/AA", b"/Launch", b"/EmbeddedFile")


def svg_faults(document: str) -> list[str]:
    faults = []
    for node in ET.fromstring(document).iter():
        name = node.tag.rpartition("}")[2]
        if name not in SAFE_SVG:
            faults.append(f"element {name}")
        for key, value in node.attrib.items():
            key = key.rpartition("}")[2]
            if key.startswith("on") or key in ("href", "src") or re.search(r"url\(|javascript:|expression", value):
                faults.append(f"attribute {key}")
        if name == "style" and (node.text or "") != "*{stroke-linejoin: round; stroke-linecap: butt}":
            faults.append("style sheet")
    return faults


def pdf_faults(data: bytes) -> list[str]:
    return [name.decode() for name in FORBIDDEN_PDF if re.search(re.escape(name) + rb"\b", data)]


def expected_words(text: str) -> str:
    return "".join(run.text for run in runs(clean(text).removeprefix(" ") if len(text) > 1 else clean(text)))


# ------------------------------------------------------------------------------------------------------------- fallback


@pytest.mark.parametrize("edits", [True, False])
def test_fallback(edits: bool) -> None:
    for number in range(len(STRINGS)):
        strings = STRINGS[number:] + STRINGS[:number]
        markup = fallback(hostile_payload(strings[:20], edits))
        reader = read(markup)
        assert reader.faults == [], strings[0][:60]
        assert len(markup.encode()) <= MAX_BYTES
        assert not INVISIBLE.search(reader.text)


def test_fallback_shows_the_text_itself() -> None:
    for text in FIRING:
        assert expected_words(text) in read(fallback(hostile_payload([text]))).text


def test_fallback_control() -> None:
    fine = fallback(make_payload())
    assert read(fine).faults == []
    for text in FIRING:
        assert read(f"<div>{text}</div>").faults, "the reader saw nothing wrong"
    for bad in (
        '<div style="background-color:url(//x)">', '<div style="position:fixed">', '<span class="jp-x">x</span>',
        '<span style="color:red">', "<div>", "</div>", '<div style="width:1e999px"></div>', "<br/>", "<!-- x -->",
        '<div style="width:10px;--x:1"></div>', '<div id="innerWidth"></div>',
    ):  # fmt: skip
        assert read(bad).faults, bad


def test_fallback_with_styles_stripped_still_reads() -> None:
    text = read(fallback(make_payload())).text
    for words in (
        "before",
        "When Mira",
        "tern to",
        "a name already said once",
        "to 6.2, gave 2.3",
        "0.71 → 0.29 (−0.42)",
    ):
        assert words in text, words
    assert "0.84 nats KL · control 0.02–0.07" in text


@pytest.mark.parametrize("limit", [5_000, 5_600, MAX_BYTES])
@pytest.mark.parametrize("n", [17, 400, 10_000, 100_000])
def test_fallback_size(n: int, limit: int) -> None:
    markup = fallback(make_payload(n), limit)
    assert len(markup.encode()) <= limit <= 9_000
    if n > 400:
        assert re.search("… the first \\d+ of 10?0\u202f000 tokens", read(markup).text)
        assert len(markup.encode()) > 0.85 * limit, "room was left unused"
    assert read(markup).faults == []


def test_fallback_size_when_every_slot_is_full() -> None:
    for text in ("'\"&<>" * 200, "🦊" * 1000, "\u202e" * 1000):
        for limit in (5_000, 5_600, MAX_BYTES):
            assert len(fallback(hostile_payload([text] * 300), limit).encode()) <= limit


def test_fallback_refuses_too_little_room() -> None:
    with pytest.raises(FigureError, match="5000"):
        fallback(make_payload(), 100)


# ------------------------------------------------------------------------------------------------------------------ SVG


def test_svg() -> None:
    for number in range(0, len(STRINGS), 2):
        strings = STRINGS[number:] + STRINGS[:number]
        document = heatmap.to_svg(hostile_payload(strings[:24]), width_mm=85 if number % 4 else 170)
        assert svg_faults(document) == []
        assert "<!DOCTYPE" not in document
        assert "<!ENTITY" not in document
        assert not INVISIBLE.search(document)


def test_svg_shows_the_text_itself() -> None:
    for text in [*FIRING, "$\\frac$", "'saewidgets serif'", "%s %n {0} {} ${7*7} {{7*7}}"]:
        document = heatmap.to_svg(hostile_payload([text]), width_mm=400)
        texts = ["".join(node.itertext()) for node in ET.fromstring(document).iter("{http://www.w3.org/2000/svg}text")]
        joined = "".join(texts)
        assert expected_words(text) in joined, text


def test_svg_control() -> None:
    fine = heatmap.to_svg(make_payload())
    assert svg_faults(fine) == []
    for bad in (
        "<script>1</script>", '<a href="x"/>', '<image href="x"/>', '<g onload="x"/>', "<style>@import 'x'</style>",
        '<path style="fill:url(//x)"/>', "<foreignObject/>",
    ):  # fmt: skip
        assert svg_faults(fine.replace("</svg>", f"{bad}</svg>")), bad


# ------------------------------------------------------------------------------------------------------------ PDF, PNG


def test_pdf_and_png() -> None:
    for start in range(0, len(STRINGS), 13):
        payload = hostile_payload(STRINGS[start : start + 13])
        data = heatmap.to_pdf(payload)
        assert pdf_faults(data) == []
        reader = PdfReader(BytesIO(data))
        assert len(reader.pages) == 1
        assert not reader.pages[0].annotations
        assert set(reader.trailer["/Root"]) <= {"/Type", "/Pages"}
        assert heatmap.to_png(payload).startswith(b"\x89PNG")


def test_pdf_shows_the_text_itself() -> None:
    for text in ["<script>x</script>", "$\\frac$", "'saewidgets", "javascript:fired()", "{{7*7}}", "__proto__"]:
        found = PdfReader(BytesIO(heatmap.to_pdf(hostile_payload([text])))).pages[0].extract_text()
        assert text in found


def test_pdf_control() -> None:
    writer = PdfWriter(BytesIO(heatmap.to_pdf(make_payload())))
    action = {NameObject("/S"): NameObject("/JavaScript"), NameObject("/JS"): TextStringObject("app.alert(1)")}
    writer.root_object[NameObject("/OpenAction")] = writer._add_object(DictionaryObject(action))
    out = BytesIO()
    writer.write(out)
    assert set(pdf_faults(out.getvalue())) == {"/JS", "/JavaScript", "/OpenAction"}


def test_mathtext_control() -> None:
    """The same text drawn carelessly is parsed as mathematics and fails."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure()
    figure.text(0.5, 0.5, "$\\frac$")
    with pytest.raises(ValueError, match="frac"):
        FigureCanvasAgg(figure).draw()


def test_alt_text_is_one_harmless_line() -> None:
    for text in STRINGS:
        line = alt_text(hostile_payload([text]))
        assert len(line) < 700
        assert "\n" not in line
        assert not INVISIBLE.search(line)
        assert escape(line) == line or "<" not in escape(line)
