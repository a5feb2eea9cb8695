"""Training payload -> words: title, alt text, static HTML, table. No matplotlib."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from saewidgets.figures import text
from saewidgets.figures.axes import tick_label
from saewidgets.figures.markup import SERIF, grey, heading, note, row, sheet, span
from saewidgets.figures.palette import Palette, letter, palette, step
from saewidgets.payloads.training import Curve, FormingFeature, Passage, TrainingPayload

if TYPE_CHECKING:
    import pandas as pd


def title(payload: TrainingPayload) -> str:
    """Of a page."""
    return f"Training · {text.plain(payload.name, 80)}"


def standing(payload: TrainingPayload) -> str:
    """Where the run stands, in one line."""
    parts = [f"{payload.phase} · step {text.count(payload.step)} of {text.count(payload.n_steps)}"]
    parts.append(f"{text.count(payload.tokens)} tokens")
    if payload.tokens_per_second > 0:
        parts.append(f"{text.count(round(payload.tokens_per_second))} tokens/s")
    if payload.phase == "running" and payload.seconds_left:
        parts.append(f"{text.duration(payload.seconds_left)} left")
    parts.append(f"{'k' if payload.counted else 'sparsity'} {tick_label(payload.sparsity)}")
    return " · ".join(parts)


def _number(curve: Curve, index: int) -> str:
    write = text.share if curve.chart == "dead" else text.significant
    return write(float(curve.values[index]))


def alt_text(payload: TrainingPayload) -> str:
    """What the picture shows, in one sentence.

    Args:
        payload: Of a training monitor.

    Returns:
        What is trained, how far it is, and the first and last value of the main curves.
    """
    parts = [f"Training of {text.plain(payload.name, 100)}", standing(payload)]
    if len(payload.steps):
        for name, curves in list(payload.charts.items())[:6]:
            parts.append(f"{text.plain(name, 30)} from {_number(curves[0], 0)} to {_number(curves[0], -1)}")
    return "; ".join(parts) + "."


def fallback(payload: TrainingPayload, max_bytes: int = 9_000) -> str:
    """The picture as script-free HTML of at most `max_bytes` bytes.

    Raises:
        FigureError: Less than 5000 bytes were allowed.
    """
    look = palette("light")
    top = [heading(text.plain(payload.name, 120)), note(standing(payload), look)]
    curves = [row([("", 120), ("first", 70), ("now", 70)])] if len(payload.steps) else []
    for curve in payload.curves if curves else ():
        name = curve.name if curve.name == curve.chart else f"{curve.chart}, {curve.name}"
        curves.append(row([(text.plain(name, 40), 120), (_number(curve, 0), 70), (_number(curve, -1), 70)]))
    if len(payload.changed_at):
        changes = zip(payload.changed_at.tolist(), payload.changed_to.tolist(), strict=True)
        words = ", ".join(f"{tick_label(to)} at step {text.count(at)}" for at, to in list(changes)[-6:])
        curves.append(note(f"{'k' if payload.counted else 'sparsity'} changed to {words}", look))
    silent = f"{text.count(payload.density.outside)} of {text.count(payload.density.total)} features silent"
    features = [heading("Features as they form")] if payload.features else []
    for feature in payload.features:
        features += _feature(feature, look)
    sources = [text.plain(part, 48) for part in (payload.context.model, payload.context.dictionaries) if part]
    return sheet([top, curves, [note(silent, look)], features, [note(" · ".join(sources), look)]], look, max_bytes)


def _feature(feature: FormingFeature, look: Palette) -> list[str]:
    chip = look.chip(feature.slot)
    key = span(letter(feature.slot), f"background-color:{chip.fill};color:{chip.text};padding:0px 4px")
    rows = [f"<div>{key}{escape(f' {text.plain(feature.id, 60)}')}</div>"]
    return [*rows, *(_passage(feature, passage, look) for passage in feature.passages[:3])]


def _passage(feature: FormingFeature, passage: Passage, look: Palette) -> str:
    ramp = look.ramp(feature.slot)
    words = []
    for token, value in zip(passage.text, passage.values.tolist(), strict=True):
        level = step(value, feature.maximum)
        gap, word = (" ", token[1:]) if token.startswith(" ") and len(token) > 1 else ("", token)
        shown = "".join(f"‹{r.text}›" if r.kind == "mark" else r.text for r in text.runs(word, limit=24))
        style = f"background-color:{ramp[level - 1].fill};color:{ramp[level - 1].text}" if level else ""
        words.append(gap + (span(shown, style) if style else escape(shown)))
    value = span(f" {text.activation(float(passage.values[passage.peak]))}", grey(look)) if passage.text else ""
    return f'<div style="font-family:{SERIF};white-space:pre-wrap">{"".join(words)}{value}</div>'


def to_frame(payload: TrainingPayload) -> pd.DataFrame:
    """The curves as a table: one row a point, `step` and one column a curve (`chart` or `chart name`)."""
    import pandas as pd  # late: it takes longer to import than the figure to draw

    columns: dict[str, object] = {"step": payload.steps}
    for curve in payload.curves:
        columns[curve.name if curve.name == curve.chart else f"{curve.chart} {curve.name}"] = curve.values
    return pd.DataFrame(columns)
