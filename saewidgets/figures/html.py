"""Heatmap payload -> HTML that runs nothing, for places that show no widget: nbviewer, mail, a reopened notebook.

Only `div` and `span`; inline styles made of numbers, `#RRGGBB` and fixed words; no class, id, link, image or button. So
every sanitiser lets it through unchanged, and with all styles stripped it still reads as text. It brings its own paper
and stays readable on a dark page.
"""

import unicodedata
from html import escape

from saewidgets.errors import FigureError
from saewidgets.figures import text
from saewidgets.figures.markup import SANS, SERIF, grey, head, note, span, within
from saewidgets.figures.palette import Ink, Palette, letter, palette, step
from saewidgets.figures.reading import chosen, copies, fill_name, peaks, prediction_row
from saewidgets.payloads.heatmap import ChosenFeature, HeatmapPayload

MAX_BYTES = 9_000
STRIP = f"font-family:{SERIF};font-size:18px;line-height:1.6;white-space:pre-wrap"
# Where styles are stripped (GitHub), a plain letter would become part of its token: "Tom" and "b" would read as "Tomb".
RAISED = str.maketrans("abcdefghijklmnoprstuvwxyz0123456789", "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ⁰¹²³⁴⁵⁶⁷⁸⁹")


def fallback(payload: HeatmapPayload, max_bytes: int = MAX_BYTES) -> str:
    """The picture as script-free HTML.

    Args:
        payload: Of a heatmap.
        max_bytes: What it takes at most, 5000 or more; a prompt that takes more is cut with a note.

    Returns:
        One `div`: tokens with fills and letters, the chosen features, the next token in numbers, and where it comes
        from.

    Raises:
        FigureError: Less than 5000 bytes were allowed.

    Example:
        >>> import saewidgets as sw
        >>> with sw.TokenHeatmap(sw.demo(), "<script>alert(1)</script>") as view:
        ...     "<script" in fallback(view.payload)
        False
    """
    if max_bytes < 5_000:
        raise FigureError(f"A static picture of {max_bytes} bytes.", "Allow 5000 or more.")
    look, features = palette("light"), payload.features
    rest = [note(f"fill: {fill_name(payload)}; letters: the other chosen features that are active", look)]
    rest += within(max_bytes // 4, [_feature(feature, payload, look) for feature in features], "features", look)
    rest += [*_predictions(payload, look, max_bytes // 4), _foot(payload, look)]
    start, end = head(look), f"{''.join(rest)}</div>"
    return start + _strips(payload, look, max_bytes - len((start + end).encode())) + end


def _strips(payload: HeatmapPayload, look: Palette, budget: int) -> str:
    """The copies of the strip, all cut after the same token where they would take more than the budget."""
    rows, feature = copies(payload), chosen(payload)
    ramp = look.ramp(feature.slot if feature else None)
    heads = [_copy_head(row.name, look) for row in rows]
    # Also what stands around the rows, and each row's note of a cut with its closing tag.
    budget -= len(STRIP) + 20 + sum(len(head.encode()) for head in heads) + len(rows) * 100
    pieces: list[list[str]] = [[] for _ in rows]
    # No token takes fewer than one byte, so no more than `budget` of them can be shown.
    for position, token in enumerate(text.drawn(payload.tokens, limit=max(0, budget))):
        new = []
        for row in rows:
            level = step(float(row.fill[position]), row.maximum) if position else 0
            piece = _token(token, ramp[level - 1] if level else None, position == payload.selection, look)
            pairs = zip(payload.features, row.lanes, strict=True)
            new.append(
                piece + "".join(_letter(f, look) for f, lane in pairs if f is not feature and lane[position] > 0)
            )
        budget -= sum(len(piece.encode()) for piece in new)
        if budget < 0:
            break
        for sequence, piece in zip(pieces, new, strict=True):
            sequence.append(piece)
    shown, total = len(pieces[0]), len(payload.tokens)
    cut = span(f" … the first {text.count(shown)} of {text.count(total)} tokens", grey(look)) if shown < total else ""
    strips = (f"{head}{''.join(sequence)}{cut}</div>" for head, sequence in zip(heads, pieces, strict=True))
    return f'<div style="{STRIP}">{"".join(strips)}</div>'


def _copy_head(name: str, look: Palette) -> str:
    return "<div>" + (f"{span(name, f'{grey(look)};font-family:{SANS}')} " if name else "")


def _token(token: text.Drawn, ink: Ink | None, selected: bool, look: Palette) -> str:
    words = "".join(_escaped(run, look if ink is None else None) for run in token.runs)
    styles = [f"background-color:{ink.fill};color:{ink.text}"] if ink else []
    styles += [f"border:1px solid {look['ink']}"] if selected else []
    body = f'<span style="{";".join(styles)}">{words}</span>' if styles else words
    return (" " if token.gap else "") + body + ("\n" if token.breaks else "")


def _escaped(run: text.Run, look: Palette | None) -> str:
    if run.kind == "text":
        return _isolated(run.text)
    shown = f"‹{run.text}›" if run.kind == "mark" else f" {run.text}" if run.kind == "hex" else run.text
    return span(shown, grey(look)) if look else escape(shown)


def _isolated(words: str) -> str:
    """Text that runs from right to left must not pull its neighbours over."""
    if any(unicodedata.bidirectional(character) in ("R", "AL") for character in words):
        return span(words, "display:inline-block")
    return escape(words)


def _letter(feature: ChosenFeature, look: Palette) -> str:
    chip = look.chip(feature.slot)
    return span(letter(feature.slot).translate(RAISED), f"background-color:{chip.fill};color:{chip.text}")


def _feature(feature: ChosenFeature, payload: HeatmapPayload, look: Palette) -> str:
    chip = look.chip(feature.slot)
    key = span(letter(feature.slot), f"background-color:{chip.fill};color:{chip.text};padding:0px 4px")
    label, name = text.plain(feature.label, 60), text.plain(feature.id, 40)
    words = f" {label} {name}" if label else f" {name}"
    if feature.edit:
        words += f" · {text.plain(feature.edit, 30)}"
    tops = [
        f"{_isolated(text.name(payload.tokens, p))} {text.activation(float(feature.values[p]))}"
        for p in peaks(feature, 3)
    ]
    strongest = f'<span style="{grey(look)}"> · {", ".join(tops)}</span>' if tops else ""
    return f"<div>{key}{escape(words)}{strongest}</div>"


def _predictions(payload: HeatmapPayload, look: Palette, budget: int) -> list[str]:
    row, shown = prediction_row(payload), payload.predictions
    if row is None:
        return []
    after = shown.after
    head = f"Next token after {text.name(payload.tokens, int(shown.positions[row]))}"
    title = f'<div style="padding:8px 0px 0px 0px;font-weight:600">{escape(head)}</div>'
    lines = []
    for column, word in enumerate(shown.token[row].tolist()):
        before = float(shown.before[row, column])
        now = float(after[row, column]) if after is not None else before
        numbers = text.probability(before)
        if after is not None:
            numbers += f" {text.ARROW} {text.probability(now)} ({text.change(now - before)})"
        name = text.plain(shown.vocabulary[word], 30).strip()
        cells = [
            span(name, "display:inline-block;min-width:90px"),
            span(numbers, "display:inline-block;min-width:140px"),
        ]
        if width := round(120 * min(1.0, max(0.0, now))):
            cells.append(span("", f"display:inline-block;height:8px;width:{width}px;background-color:{look['ink2']}"))
        lines.append(f"<div>{' '.join(cells)}</div>")
    lines = [title, *within(budget, lines, "predictions", look)]
    if shown.kl is not None:
        control = payload.control
        kl = f"{text.probability(float(shown.kl[row]))} nats KL"
        if control is not None:
            kl += f" · control {text.interval(*map(float, control.kl_features[row]))}"
        lines.append(note(kl, look))
    return lines


def _foot(payload: HeatmapPayload, look: Palette) -> str:
    context = payload.context
    parts = [text.plain(part, 72) for part in (context.model, context.dictionaries) if part]
    return f'<div style="{grey(look)};padding:8px 0px 0px 0px">{escape(" · ".join(parts))}</div>'
