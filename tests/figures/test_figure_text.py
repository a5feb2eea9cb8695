"""Token text as it may be drawn, names, numbers."""

import unicodedata
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saewidgets.figures import text
from saewidgets.payloads.heatmap import CONTINUATION, PLAIN, SPECIAL, SPLIT, Tokens
from saewidgets.payloads.marks import MAX_COMBINING
from saewidgets.payloads.record import clean


def shape(value: str) -> list[tuple[str, str]]:
    return [(run.text, run.kind) for run in text.runs(value)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a  b", [("a", "text"), ("··", "sign"), ("b", "text")]),
        ("\t\n", [("→↵", "sign")]),
        ("\r\n", [("0D", "mark"), ("↵", "sign")]),
        ("a\u00a0b", [("a", "text"), ("·", "sign"), ("b", "text")]),
        ("\u202ertl", [("RLO", "mark"), ("rtl", "text")]),
        ("\x00\x1b[31m", [("00", "mark"), ("1B", "mark"), ("[31m", "text")]),
        ("\ufffe", [("U+FFFE", "mark")]),
        ("\U000e0041", [("U+E0041", "mark")]),
        ("", [("empty", "mark")]),
        ("<b>&amp;", [("<b>&amp;", "text")]),
    ],
)
def test_runs(value: str, expected: list[tuple[str, str]]) -> None:
    assert shape(value) == expected


def test_what_no_font_has_is_named() -> None:
    found = text.runs("a東🦊", covers=lambda c: c < "\u3000")
    assert [(r.text, r.kind) for r in found] == [("a", "text"), ("U+6771", "mark"), ("U+1F98A", "mark")]
    assert text.plain("a東", covers=lambda c: c < "\u3000") == "a‹U+6771›"


@given(st.text(max_size=300))
def test_runs_are_always_harmless(value: str) -> None:
    found = text.runs(clean(value))
    joined = "".join(run.text for run in found)
    assert all(run.text for run in found)
    assert not {unicodedata.category(c) for c in joined} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    ET.fromstring(f"<t>{joined.replace('&', '').replace('<', '')}</t>")


def test_long_and_piled_text_is_cut() -> None:
    piled = text.runs("a" + "\u0301" * 100_000)
    assert [run.text for run in piled] == ["a" + "\u0301" * MAX_COMBINING]
    cut = text.runs("x" * 1_000_000)
    assert "".join(run.text for run in cut) == "x" * text.MAX_TOKEN + "…"
    assert len(text.plain("y" * 5000, 40)) == 40


def tokens(*rows: tuple[str, int, str]) -> Tokens:
    return Tokens(
        tuple(t for t, _, _ in rows),
        np.arange(len(rows)),
        np.array([k for _, k, _ in rows]),
        tuple(p for _, k, p in rows if k >= SPLIT),
    )


def test_tokens() -> None:
    sample = tokens(
        ("<|bos|>", SPECIAL, ""), (" two", PLAIN, ""), (" ", PLAIN, ""), ("   x", PLAIN, ""), (".\n", PLAIN, ""),
        (" 🦊", SPLIT, "F0 9F"), ("", CONTINUATION, "A6"), ("", CONTINUATION, "8A"), ("z", PLAIN, ""),
    )  # fmt: skip
    drawn = text.drawn(sample)
    assert [t.text for t in drawn] == ["‹bos›", "two", "·", "··x", ".↵", "🦊F0 9F", "A6", "8A", "z"]
    assert [t.gap for t in drawn] == [False, True, False, True, False, True, False, False, False]
    assert [t.breaks for t in drawn] == [False] * 4 + [True] + [False] * 4
    assert [t.joined for t in drawn] == [False] * 6 + [True, True, False]
    assert [text.name(sample, p) for p in (0, 5, 7, 8)] == ["‹bos›", "🦊F0 9F", "8A", "z"]
    assert [t.text for t in text.drawn(sample, limit=2)] == ["‹bos›", "two"]


def test_numbers() -> None:
    assert [text.activation(v) for v in (0.0, 6.24, 13.5, -0.04, -2.0)] == ["0", "6.2", "13.5", "0.0", "\u22122.0"]
    assert [text.change(v) for v in (0.34, -0.42, 0.0, 0.001)] == ["+0.34", "\u22120.42", "0.00", "0.00"]
    assert text.count(2_100_000) == "2\u202f100\u202f000"
    assert text.interval(0.02, 0.07) == "0.02–0.07"
    assert text.interval(0.021, 0.019) == "0.02"
