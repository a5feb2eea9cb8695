"""Frontier payload -> words: title, alt text, static HTML, table. No matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saewidgets.figures import text
from saewidgets.figures.dictionary_report_text import interval
from saewidgets.figures.markup import heading, note, row, sheet
from saewidgets.figures.palette import palette
from saewidgets.payloads.frontier import FrontierPayload, FrontierPoint, height

if TYPE_CHECKING:
    import pandas as pd


def title(payload: FrontierPayload) -> str:
    """Of a page."""
    return f"Frontier · {_many(payload)}"


def _many(payload: FrontierPayload) -> str:
    n = sum(point.kind == "dictionary" for point in payload.points)
    return f"{text.count(n)} dictionar{'y' if n == 1 else 'ies'}"


def alt_text(payload: FrontierPayload) -> str:
    """What the picture shows, in one sentence.

    Args:
        payload: Of a frontier.

    Returns:
        How many dictionaries, which are on the frontier with their numbers, and which baselines are there.
    """
    front = payload.front
    parts = [f"{text.plain(payload.name_of_y, 40)} against L0 of {_many(payload)}"]
    if front:
        shown = [f"{text.plain(point.name, 40)} ({_numbers(point, payload)})" for point in front[:5]]
        more = f" and {len(front) - 5} more" if len(front) > 5 else ""
        parts.append(f"on the frontier {', '.join(shown)}{more}")
    baselines = dict.fromkeys(point.kind for point in payload.points if point.kind != "dictionary")
    if baselines:
        parts.append(f"baselines {', '.join(baselines)}")
    return "; ".join(parts) + "."


def _numbers(point: FrontierPoint, payload: FrontierPayload) -> str:
    estimate = height(point, payload.y)
    value = text.significant(estimate.value) if estimate else "–"
    return f"L0 {text.significant(point.l0.value)}, {text.plain(payload.name_of_y, 40)} {value}"


def fallback(payload: FrontierPayload, max_bytes: int = 9_000) -> str:
    """The dictionaries as script-free HTML of at most `max_bytes` bytes, those on the frontier first.

    Raises:
        FigureError: Less than 5000 bytes were allowed.
    """
    look = palette("light")
    on = {point.name for point in payload.front}
    order = sorted(payload.points, key=lambda point: (point.name not in on, point.l0.value))
    columns = [
        ("dictionary", 180),
        ("L0", 60),
        ("FVU", 60),
        ("95 %", 120),
        (text.plain(payload.ce_name, 30), 140),
        ("", 90),
    ]
    rows = [row(columns)] if order else []
    for point in order:
        role = "frontier" if point.name in on else "" if point.kind == "dictionary" else point.kind
        ce = text.significant(point.ce.value) if point.ce else "–"
        numbers = [(text.significant(point.l0.value), 60), (text.significant(point.fvu.value), 60)]
        cells = [(text.plain(point.name, 40), 180), *numbers, (interval(point.fvu), 120), (ce, 140), (role, 90)]
        rows.append(row(cells))
    top = [heading(f"{text.plain(payload.name_of_y, 40)} against L0"), note(_many(payload), look)]
    sources = [text.plain(part, 48) for part in (payload.context.model, payload.context.dictionaries) if part]
    return sheet([top, rows, [note(" · ".join(sources), look)]], look, max_bytes)


def to_frame(payload: FrontierPayload) -> pd.DataFrame:
    """The points as a table, one row each.

    Columns: `name`, `kind`, `architecture`, `width`, then `l0`, `fvu`, `ce` each with `_low` and `_high`, and
    `frontier`: whether no other dictionary beats it on the axis in view.
    """
    import pandas as pd  # late: it takes longer to import than the figure to draw

    on = {point.name for point in payload.front}
    rows = []
    for point in payload.points:
        one: dict[str, object] = {"name": point.name, "kind": point.kind, "architecture": point.architecture}
        one["width"] = point.width
        for name, e in (("l0", point.l0), ("fvu", point.fvu), ("ce", point.ce)):
            one |= {name: e and e.value, f"{name}_low": e and e.low, f"{name}_high": e and e.high}
        rows.append({**one, "frontier": point.name in on})
    numbers = [f"{name}{end}" for name in ("l0", "fvu", "ce") for end in ("", "_low", "_high")]
    frame = pd.DataFrame(rows, columns=["name", "kind", "architecture", "width", *numbers, "frontier"])
    return frame.astype(dict.fromkeys(numbers, float))
