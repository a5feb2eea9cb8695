"""Causal report -> words: alt text, and the page that a notebook shows: script-free HTML."""

from __future__ import annotations

from html import escape

from saewidgets.figures import text
from saewidgets.figures.markup import grey, heading, note, row, sheet, span
from saewidgets.figures.palette import Palette, palette
from saewidgets.payloads.causal_report import CausalBar, CausalReport

_BAR = 120


def alt_text(payload: CausalReport) -> str:
    """What the picture shows, in one sentence.

    Args:
        payload: Of a causal result.
    """
    best = [f"{text.plain(bar.name, 40)} {text.signed(bar.value, 2)}" for bar in payload.bars if bar.beyond][:5]
    parts = [text.plain(payload.title, 120), *([", ".join(best)] if best else []), text.plain(payload.verdict, 300)]
    return f"{'; '.join(part.rstrip('.') for part in parts if part)}; {text.plain(payload.conditions, 200)}."


def fallback(payload: CausalReport, max_bytes: int = 30_000) -> str:
    """The report as script-free HTML of at most `max_bytes` bytes.

    Raises:
        FigureError: Less than 5000 bytes were allowed.
    """
    look = palette("light")
    top = [heading(text.plain(payload.title, 200))]
    top.append(f"<div>{span(text.plain(payload.verdict, 400), 'font-weight:600')}</div>")
    if payload.paragraph:
        top.append(f'<div style="padding:4px 0px 4px 0px">{escape(text.plain(payload.paragraph, 4_000))}</div>')
    checks = [_check(one.name, one.text, one.holds, look) for one in payload.checks]
    foot = [payload.conditions, payload.context.model, payload.context.dictionaries, payload.context.version]
    end = [note(" · ".join(text.plain(part, 200) for part in foot if part), look)]
    return sheet([top, checks, _bars(payload, look), _curves(payload), end], look, max_bytes)


def _check(name: str, words: str, holds: bool, look: Palette) -> str:
    said = ("" if holds else "look out: ") + text.plain(words, 400)
    shown = escape(said) if holds else span(said, "font-weight:600")
    return f"<div>{span(text.plain(name, 60), grey(look))} {shown}</div>"


def _bars(payload: CausalReport, look: Palette) -> list[str]:
    if not payload.bars:
        return []
    most = max(max(abs(bar.value - payload.zero) for bar in payload.bars), 1e-9)
    rows = [heading(text.plain(payload.measure, 200))]
    for bar in payload.bars:
        width = round(_BAR * abs(bar.value - payload.zero) / most)
        color = look["raises" if bar.value >= payload.zero else "lowers"] if bar.beyond else look["band"]
        cells = [
            span(text.plain(bar.name, 60), "display:inline-block;min-width:190px"),
            span(text.signed(bar.value, 2), f"display:inline-block;min-width:50px{';font-weight:600' * bar.beyond}"),
            f'<span style="display:inline-block;min-width:{_BAR}px">'
            f"{span('', f'display:inline-block;height:8px;width:{width}px;background-color:{color}')}</span>",
            span(_beside(bar), f"display:inline-block;min-width:230px;{grey(look)}"),
            span(text.plain(bar.note, 100), grey(look)),
        ]
        rows.append(f"<div>{' '.join(cells)}</div>")
    return rows


def _beside(bar: CausalBar) -> str:
    parts = []
    if bar.low is not None and bar.high is not None:
        parts.append(f"95 % {text.interval(bar.low, bar.high)}")
    if bar.control_low is not None and bar.control_high is not None:
        parts.append(f"control {text.signed(bar.control_low, 2)} to {text.signed(bar.control_high, 2)}")
    return ", ".join(parts)


def _curves(payload: CausalReport) -> list[str]:
    if not payload.curves or payload.xs is None:
        return []
    names = [(f"{payload.axes[0]} {x:g}", 110) for x in payload.xs.tolist()]
    rows = [heading(text.plain(payload.axes[1], 200)), row([("", 190), *names])]
    for curve in payload.curves:
        cells = [(text.plain(curve.name, 60) + (" (control)" if curve.control else ""), 190)]
        for i, value in enumerate(curve.values.tolist()):
            shown = text.signed(value, 2)
            if curve.low is not None and curve.high is not None:
                shown += f" [{text.signed(float(curve.low[i]), 2)}, {text.signed(float(curve.high[i]), 2)}]"
            cells.append((shown, 110))
        rows.append(row(cells))
    return rows
