"""Heatmap payload -> HTML that runs nothing, for places that show no widget: nbviewer, GitHub, mail, a reopened notebook.

Only `div` and `span`; inline styles made of numbers, `#RRGGBB` and fixed words; no class, id, link, image or button. So
every sanitiser lets it through unchanged, and with all styles stripped it still reads as text. It brings its own paper
and stays readable on a dark page.
"""

from html import escape

from saewidgets.figures import text
from saewidgets.figures.alt import token_name
from saewidgets.figures.palette import Ink, Palette, letter, palette, step
from saewidgets.figures.reading import chosen, fill_name, fills, prediction_row
from saewidgets.payloads.arrays import Array
from saewidgets.payloads.heatmap import ChosenFeature, HeatmapPayload

MAX_BYTES = 9_000
MAX_FEATURES = 8
# What one copy of the strip may take; a prompt with edits has two copies.
_STRIP_BYTES = 4_400
_SANS = "Arial,sans-serif"
_SERIF = "Georgia,serif"


def fallback(payload: HeatmapPayload) -> str:
    """The picture as script-free HTML of at most `MAX_BYTES` bytes.

    Args:
        payload: Of a heatmap.

    Returns:
        One `div`: tokens with fills and letters (cut with a note when the prompt is long), the chosen features, the
        next token in numbers, and where it comes from.

    Example:
        >>> import saewidgets as sw
        >>> with sw.TokenHeatmap(sw.demo(), "<script>alert(1)</script>") as view:
        ...     "<script" in fallback(view.payload)
        False
    """
    look = palette("light")
    edited = payload.n_edits > 0 or any(f.after is not None for f in payload.features)
    budget = _STRIP_BYTES // 2 if edited else _STRIP_BYTES
    parts = [_strip(payload, look, "before" if edited else "", False, budget)]
    if edited:
        parts.append(_strip(payload, look, "after", True, budget))
    parts.append(_note(f"fill: {fill_name(payload)}; letters: the other chosen features that are active", look))
    parts += [_feature(feature, payload, look) for feature in payload.features[:MAX_FEATURES]]
    if len(payload.features) > MAX_FEATURES:
        parts.append(_note(f"and {len(payload.features) - MAX_FEATURES} more features", look))
    parts += [_predictions(payload, look), _foot(payload, look)]
    style = f"background-color:{look['paper']};color:{look['ink']};padding:12px;font-family:{_SANS};font-size:13px"
    return f'<div style="{style};line-height:1.5">{"".join(parts)}</div>'


def _span(content: str, style: str) -> str:
    return f'<span style="{style}">{escape(content)}</span>'


def _note(content: str, look: Palette) -> str:
    return f'<div style="color:{look["ink3"]}">{escape(content)}</div>'


def _strip(payload: HeatmapPayload, look: Palette, name: str, after: bool, budget: int) -> str:
    """One copy of the strip, cut where it would take more than its budget."""
    values, maximum = fills(payload, after)
    feature = chosen(payload)
    ramp = look.ramp(feature.slot if feature else None)
    others = [f for f in payload.features[:MAX_FEATURES] if f is not feature]
    pieces: list[str] = []
    total = len(payload.tokens)
    # No token takes fewer than one byte, so no more than `budget` of them can be shown.
    for position, token in enumerate(text.drawn(payload.tokens, limit=budget)):
        level = step(float(values[position]), maximum) if position else 0
        piece = _token(token, ramp[level - 1] if level else None, position == payload.selection, look)
        piece += "".join(_letter(f, look) for f in others if _active(f, position, after))
        budget -= len(piece.encode())
        if budget < 0:
            break
        pieces.append(piece)
    if len(pieces) < total:
        cut = f" … the first {text.count(len(pieces))} of {text.count(total)} tokens"
        pieces.append(_span(cut, f"color:{look['ink3']};font-size:12px"))
    head = f"{_span(name, f'color:{look["ink3"]};font-family:{_SANS};font-size:12px')} " if name else ""
    style = f"font-family:{_SERIF};font-size:18px;line-height:1.6;white-space:pre-wrap"
    return f'<div style="{style}">{head}{"".join(pieces)}</div>'


def _active(feature: ChosenFeature, position: int, after: bool) -> bool:
    row: Array = feature.after if after and feature.after is not None else feature.values
    return bool(row[position] > 0)


def _token(token: text.Drawn, ink: Ink | None, selected: bool, look: Palette) -> str:
    words = "".join(_escaped(run, look if ink is None else None) for run in token.runs)
    styles = [f"background-color:{ink.fill};color:{ink.text}"] if ink else []
    styles += [f"border:1px solid {look['ink']}"] if selected else []
    body = f'<span style="{";".join(styles)}">{words}</span>' if styles else words
    return (" " if token.gap else "") + body + ("\n" if token.breaks else "")


def _escaped(run: text.Run, look: Palette | None) -> str:
    if run.kind == "text":
        return escape(run.text)
    shown = f"‹{run.text}›" if run.kind == "mark" else f" {run.text}" if run.kind == "hex" else run.text
    return _span(shown, f"color:{look['ink3']};font-size:12px") if look else escape(shown)


def _letter(feature: ChosenFeature, look: Palette) -> str:
    chip = look.chip(feature.slot)
    return _span(letter(feature.slot), f"background-color:{chip.fill};color:{chip.text};font-size:9px")


def _feature(feature: ChosenFeature, payload: HeatmapPayload, look: Palette) -> str:
    chip = look.chip(feature.slot)
    key = _span(letter(feature.slot), f"background-color:{chip.fill};color:{chip.text};padding:0px 4px")
    label, name = text.plain(feature.label, 60), text.plain(feature.id, 40)
    words = f" {label} {name}" if label else f" {name}"
    if feature.edit:
        words += f" · {text.plain(feature.edit, 30)}"
    best = sorted(range(len(payload.tokens)), key=lambda p: -float(feature.values[p]))[:3]
    tops = [
        f"{token_name(payload, p)} {text.activation(float(feature.values[p]))}" for p in best if feature.values[p] > 0
    ]
    return f"<div>{key}{escape(words)}{_span(' · ' + ', '.join(tops), f'color:{look["ink3"]}') if tops else ''}</div>"


def _predictions(payload: HeatmapPayload, look: Palette) -> str:
    row, shown = prediction_row(payload), payload.predictions
    if row is None:
        return ""
    after = shown.after
    head = f"Next token after {token_name(payload, int(shown.positions[row]))}"
    lines = [f'<div style="padding:8px 0px 0px 0px;font-weight:600">{escape(head)}</div>']
    for column, word in enumerate(shown.token[row].tolist()[:10]):
        before = float(shown.before[row, column])
        now = float(after[row, column]) if after is not None else before
        numbers = text.probability(before)
        if after is not None:
            numbers += f" {text.ARROW} {text.probability(now)} ({text.change(now - before)})"
        bar = _span("", f"display:inline-block;height:8px;width:{max(0, round(120 * now))}px;background-color:{look['ink2']}")
        lines.append(f"<div>{bar} {escape(text.plain(shown.vocabulary[word], 30).strip())} {escape(numbers)}</div>")
    if shown.kl is not None:
        control = payload.control
        kl = f"{text.probability(float(shown.kl[row]))} nats KL"
        if control is not None:
            kl += f" · control {text.interval(*map(float, control.kl_features[row]))}"
        lines.append(_note(kl, look))
    return "".join(lines)


def _foot(payload: HeatmapPayload, look: Palette) -> str:
    context = payload.context
    parts = [text.plain(part, 60) for part in (context.model, context.dictionaries, payload.site) if part]
    return f'<div style="color:{look["ink3"]};font-size:12px;padding:8px 0px 0px 0px">{escape(" · ".join(parts))}</div>'
