"""Feature dashboard -> words: title, alt text, static HTML, table. No matplotlib."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from saewidgets.figures import text
from saewidgets.figures.axes import tick_label
from saewidgets.figures.markup import SERIF, grey, heading, note, row, sheet, span
from saewidgets.figures.palette import Palette, palette, step
from saewidgets.payloads.feature_dashboard import (
    ExampleGroup,
    FeatureDashboardPayload,
    LabelMeter,
    RelatedFeature,
    Word,
)
from saewidgets.payloads.training import Passage

if TYPE_CHECKING:
    import pandas as pd

# Tokens around the peak, and examples of a group, of a picture that cannot grow.
_BEFORE, _AFTER, _EXAMPLES = 10, 6, 4
RELATED = (
    ("near", "Near it in the decoder", "cosine"),
    ("together", "Fires together with", "Jaccard"),
    ("alike", "Look-alikes in other dictionaries", "Jaccard"),
)


def title(payload: FeatureDashboardPayload) -> str:
    """Of a page."""
    return f"Feature · {text.plain(payload.label or payload.id, 80)}"


def counted(payload: FeatureDashboardPayload) -> str:
    """How often it fires, in words."""
    if payload.n_tokens == 0:
        return "no atlas"
    if payload.dead:
        return f"never fired on {text.count(payload.n_tokens)} tokens"
    density = text.share(payload.density)
    return f"fires at {text.count(payload.n_active)} of {text.count(payload.n_tokens)} tokens, {density}"


def bounds(group: ExampleGroup) -> str:
    """What a group of examples is: "2 – 4", "top", "random"."""
    if group.kind != "interval":
        return group.kind
    sign = text.MINUS if group.negative else ""
    return f"{sign}{tick_label(group.low)} – {sign}{tick_label(group.high)}"


def meter_words(meter: LabelMeter) -> str:
    """A score with its interval: "0.93 [0.90, 0.95]"."""
    score = meter.score
    if score.low is None or score.high is None:
        return text.probability(score.value)
    ends = f"[{text.probability(score.low)}, {text.probability(score.high)}]"
    return f"{text.probability(score.value)} {ends}"


def shape(payload: FeatureDashboardPayload) -> str:
    """Skew and kurtosis of what it writes, "" where nobody knows."""
    if payload.skew is None or payload.kurtosis is None:
        return ""
    return f"skew {text.signed(payload.skew, 1)}, kurtosis {text.signed(payload.kurtosis, 1)}"


def alt_text(payload: FeatureDashboardPayload) -> str:
    """What the picture shows, in one sentence.

    Args:
        payload: Of a feature dashboard.

    Returns:
        Which feature, its label, how often it fires and on what, what it promotes.
    """
    label = f', labelled "{text.plain(payload.label, 80)}"' if payload.label else ""
    parts = [f"Feature {text.plain(payload.id, 60)}{label}; {counted(payload)}"]
    if payload.fires_on:
        parts.append(f"mostly on {_listed(payload.fires_on[:3])}")
    if payload.promoted:
        parts.append(f"it promotes {_listed(payload.promoted[:3])}")
    parts += [f"{text.plain(meter.name, 20)} {meter_words(meter)}" for meter in payload.meters]
    return "; ".join(parts) + "."


def _listed(words: tuple[Word, ...]) -> str:
    return ", ".join(f'"{text.plain(word.text.strip() or word.text, 24)}"' for word in words)


def fallback(payload: FeatureDashboardPayload, max_bytes: int = 9_000) -> str:
    """The dashboard as script-free HTML of at most `max_bytes` bytes.

    Raises:
        FigureError: Less than 5000 bytes were allowed.
    """
    look = palette("light")
    notes = [payload.id, payload.label_note]
    top = [heading(text.plain(payload.label or "no label yet", 120))]
    top.append(note(" · ".join(text.plain(part, 80) for part in notes if part), look))
    top.append(note(counted(payload), look))
    meters = [row([(text.plain(m.name, 20), 110), (meter_words(m), 150)]) for m in payload.meters]
    parts = [top, [heading("Does the label hold?"), *meters] if meters else [], _written(payload)]
    parts += [_related(name, unit, getattr(payload, field)) for field, name, unit in RELATED]
    parts += [_typed(payload, look), *(_group(payload, group, look) for group in payload.in_view())]
    sources = [payload.context.model, payload.context.dictionaries]
    foot = [note(" · ".join(text.plain(part, 60) for part in sources if part), look)]
    return sheet([*parts, foot], look, max_bytes)


def _written(payload: FeatureDashboardPayload) -> list[str]:
    if not payload.promoted and not payload.suppressed:
        return []
    both = ((f"Promotes {shape(payload)}".strip(), payload.promoted), ("Suppresses", payload.suppressed))
    rows = []
    for name, words in both:
        rows.append(heading(name))
        rows += [row([(text.plain(w.text, 24).strip(), 110), (text.signed(w.value, 1, True), 60)]) for w in words]
    return rows


def _related(name: str, unit: str, features: tuple[RelatedFeature, ...]) -> list[str]:
    if not features:
        return []
    rows = [
        row([(text.plain(f.label, 40) or text.plain(f.id, 40), 180), (text.probability(f.value), 60)]) for f in features
    ]
    return [heading(f"{name} ({unit})"), *rows]


def typed(payload: FeatureDashboardPayload) -> Passage:
    """The text of one's own as an example: under the edit, its peak where the feature is greatest without."""
    assert payload.live is not None
    feature = payload.live.features[0]
    values = feature.values if feature.after is None else feature.after
    # Position 0 attends to nothing and is often huge: it never counts.
    peak = max(range(len(values)), key=lambda t: float(feature.values[t]) if t else -math.inf)
    return Passage(tuple(map(_words, text.drawn(payload.live.tokens))), values, peak)


def _words(token: text.Drawn) -> str:
    """A token as text again, names in their frames."""
    return " " * token.gap + "".join(f"‹{run.text}›" if run.kind == "mark" else run.text for run in token.runs)


def _typed(payload: FeatureDashboardPayload, look: Palette) -> list[str]:
    live = payload.live
    if live is None or not live.features:
        return []
    feature = live.features[0]
    passage = typed(payload)
    edit = f" · {text.plain(feature.edit, 30)}" if feature.edit else ""
    # Position 0 is drawn without a fill, as everywhere.
    return [heading(f"A text of one's own{edit}"), _line(payload, passage, look, (1, min(len(passage.text), 64)), "")]


def _group(payload: FeatureDashboardPayload, group: ExampleGroup, look: Palette) -> list[str]:
    share = f" · {text.share(group.share)}" if group.kind == "interval" else ""
    rows = [heading(f"{bounds(group)}{share}")]
    for passage in group.passages[:_EXAMPLES]:
        ends = max(0, passage.peak - _BEFORE), passage.peak + _AFTER + 1
        value = text.activation(float(passage.values[passage.peak])) if len(passage.values) else ""
        rows.append(_line(payload, passage, look, ends, value))
    return rows


def _line(payload: FeatureDashboardPayload, passage: Passage, look: Palette, ends: tuple[int, int], value: str) -> str:
    """Tokens of a context with their fills, and the value at the peak."""
    ramp = look.ramp(payload.slot)
    pieces = []
    for token, number in zip(passage.text[slice(*ends)], passage.values[slice(*ends)].tolist(), strict=True):
        level = step(number, payload.maximum)
        words = text.plain(token, 24) or "‹empty›"
        gap = " " if words.startswith(" ") else ""
        ink = ramp[level - 1] if level else None
        style = f"background-color:{ink.fill};color:{ink.text}" if ink else ""
        pieces.append(gap + (span(words.strip() or "·", style) if ink else escape(words.strip() or "·")))
    end = f" {span(value, grey(look))}" if value else ""
    return f'<div style="font-family:{SERIF};font-size:15px">{"".join(pieces)}{end}</div>'


def to_frame(payload: FeatureDashboardPayload) -> pd.DataFrame:
    """The examples as a table, one row an example.

    Columns: `group` (`"top"`, `"random"` or the bounds of the interval), `share` of the tokens in that interval,
    `context`, `position`, `token`, `activation`, `text` around it. Texts are data and stay as they are: a cell may
    begin with `=` or `+`, so quote it before a spreadsheet opens it.
    """
    import pandas as pd  # late: it takes longer to import than the figure to draw

    columns = ["group", "share", "context", "position", "token", "activation", "text"]
    rows = []
    for group in payload.groups:
        places = zip(group.passages, group.contexts.tolist(), group.positions.tolist(), strict=True)
        for passage, context, position in places:
            token = passage.text[passage.peak] if passage.text else ""
            value = float(passage.values[passage.peak]) if len(passage.values) else float("nan")
            rows.append((bounds(group), group.share, context, position, token, value, "".join(passage.text)))
    return pd.DataFrame(rows, columns=columns)
