"""Patch map -> figure: the map with its sums, the chosen cell with its predictions and heads."""

import numpy as np

from saewidgets.figures import fonts, text
from saewidgets.figures.files import MARGIN, Files
from saewidgets.figures.patch_map_text import (
    alt_text,
    band_words,
    cell_words,
    conditions,
    path_words,
    scale_words,
)
from saewidgets.figures.pen import NOTE, Pen, blank
from saewidgets.figures.plot import AXIS
from saewidgets.figures.scene import Box, Label, Scene
from saewidgets.payloads.patch_map import PatchBlock, PatchDetail, PatchMapPayload

ROW, TEXT, GAP, SUMS = 12.5, 8.0, 12.0, 34.0
WIDE, NARROW, PRINTED = 26.0, 3.0, 16.0

Place = tuple[float, float, float]


def scene(payload: PatchMapPayload, width_mm: float = 170, theme: str = "light", portable: bool = False) -> Scene:
    """Everything the figure shows, placed in points.

    Args:
        payload: Of a patch map.
        width_mm: Width in millimetres, 60 to 400.
        theme: `"light"` or `"dark"`.
        portable: The reader's fonts will draw the text, so no character is missing.

    Returns:
        The finished scene.

    Raises:
        FigureError: Width or theme is out of range.
    """
    sheet, pen = blank(width_mm, theme, portable)
    left, right, y = MARGIN, sheet.width - MARGIN, MARGIN
    for name, words in (("clean", payload.clean), ("corrupt", payload.corrupt)):
        y += ROW
        pen.say(left, y, name)
        pen.say(left + 34, y, fonts.fit(pen.plain(words, 600), right - left - 34, TEXT, "serif"), "ink", size=TEXT,
                face="serif")  # fmt: skip
    for words in (scale_words(payload), band_words(payload)):
        y += ROW - 2
        pen.say(left, y, fonts.fit(words, right - left, NOTE))
    bottom = _map(pen, payload, (left, right, y + 6))
    bottom = _chosen(pen, payload, (left, right, bottom + 4))
    context = payload.context
    parts = [context.model, context.dictionaries, conditions(payload), context.version]
    sheet.height = pen.foot(left, right, bottom + 8, parts) + MARGIN
    return sheet


def _map(pen: Pen, payload: PatchMapPayload, place: Place) -> float:
    """Words, blocks, sums; blocks that have no room beside the others go below."""
    left, right, top = place
    words = min(92.0, (right - left) * 0.3)
    room = right - left - words
    wide = max((len(block.columns) for block in payload.blocks), default=1)
    rows = _lines(payload.blocks, room, wide)
    for line in rows:
        columns = sum(len(block.columns) for block in line)
        step = max(NARROW, min(WIDE, (room - GAP * (len(line) - 1)) / max(1, columns)))
        _words(pen, payload, (left, left + words - 4, top + 22))
        x = left + words
        for block in line:
            _block(pen, payload, block, (x, step, top))
            x += step * len(block.columns) + GAP
        top += 22 + ROW * len(payload.tokens) + SUMS * (1 + len(payload.regions)) + 6
    return top


def _lines(blocks: tuple[PatchBlock, ...], room: float, wide: int) -> list[list[PatchBlock]]:
    """Blocks beside each other, as many as have room for their numbers."""
    step = min(WIDE, max(PRINTED, room / max(wide, 1)))
    lines: list[list[PatchBlock]] = []
    used = room + 1
    for block in blocks:
        width = step * len(block.columns)
        if used + GAP + width > room or not lines:
            lines.append([])
            used = -GAP
        lines[-1].append(block)
        used += GAP + width
    return lines


def _words(pen: Pen, payload: PatchMapPayload, place: Place) -> None:
    left, right, top = place
    changed = set(payload.changed())
    for t in range(len(payload.tokens)):
        y = top + t * ROW
        if t in changed:
            pen.box(left, y, right - left, ROW, pen.palette["wash"], "changed")
        pen.say(left + 12, y + 9, str(t), size=AXIS, anchor="right")
        words = text.name(payload.tokens, t, pen.covers).strip()
        if t in changed:
            other = (
                "noise" if payload.corruption == "noise" else text.name(payload.corrupt_tokens, t, pen.covers).strip()
            )
            words = f"{words} ← {other}"
        pen.say(left + 17, y + 9, fonts.fit(words, right - left - 18, TEXT, "serif"), "ink", size=TEXT, face="serif")
    y = top + len(payload.tokens) * ROW
    for name in ("sum", *(region.name for region in payload.regions)):
        pen.say(left + 17, y + SUMS - 10, fonts.fit(pen.plain(name, 40), right - left - 18, NOTE))
        y += SUMS


def _block(pen: Pen, payload: PatchMapPayload, block: PatchBlock, place: Place) -> None:
    x, step, top = place
    name = fonts.fit(pen.plain(block.name, 40), step * len(block.columns) + GAP, NOTE, bold=True)
    pen.say(x, top + NOTE, name, "ink", bold=True)
    beyond, grid = block.beyond(), top + 22
    none = pen.palette["wash"]
    for c, name in enumerate(block.columns):
        label = pen.plain(name, 8)
        if fonts.width(label, AXIS) <= step:
            pen.scene.labels.append(
                Label(x + (c + 0.5) * step, top + 18, label, AXIS, pen.palette["ink3"], anchor="center")
            )
        for t in range(len(payload.tokens)):
            ink = pen.palette.effect(float(block.values[t, c])) if beyond[t, c] else None
            pen.box(x + c * step, grid + t * ROW, step - 0.6, ROW - 0.6, ink.fill if ink else none, "cell")
            shown = text.signed(float(block.values[t, c]), 2)
            if ink and fonts.width(shown, AXIS) <= step - 1:
                place_x = x + (c + 0.5) * step
                pen.scene.labels.append(Label(place_x, grid + t * ROW + 8.4, shown, AXIS, ink.text, anchor="center"))
    where = payload.where(payload.cell)
    if where is not None and where[0] is block:
        _, c, t = where
        edge, y = pen.palette["ink"], grid + t * ROW
        pen.scene.boxes.append(Box(x + c * step, y, step - 0.6, ROW - 0.6, edge=edge, line=1.2, part="chosen"))
    _sums(pen, payload, block, (x, step, grid + len(payload.tokens) * ROW))


def _sums(pen: Pen, payload: PatchMapPayload, block: PatchBlock, place: Place) -> None:
    """Columns added up over the prompt and over each region, with the sums of their controls."""
    x, step, top = place
    every = [np.arange(len(payload.tokens)), *(region.positions for region in payload.regions)]
    most = max((float(np.abs(b.values[p].sum(0)).max(initial=0)) for b in payload.blocks for p in every), default=0.0)
    for n, positions in enumerate(every):
        zero = top + n * SUMS + SUMS - 10
        sums = block.values[positions].astype(float).sum(0)
        ends = np.abs([table[positions].astype(float).sum(0) for table in (block.low, block.high)]).max(0)
        pen.box(x, zero, step * len(block.columns) - 0.6, 0.5, pen.palette["rule"], "base")
        for c, (value, control) in enumerate(zip(sums.tolist(), ends.tolist(), strict=True)):
            tall, band = ((SUMS - 18) * min(1.0, abs(v) / max(most, 1e-9)) for v in (value, control))
            if band > 0.3:
                pen.box(x + c * step + 1, zero - band, step - 2.6, band + min(band, 8), pen.palette["band"], "band")
            color = pen.palette["raises" if value >= 0 else "lowers"]
            height = min(tall, 8.0) if value < 0 else tall
            pen.box(x + (c + 0.25) * step, zero if value < 0 else zero - tall, step * 0.5, height, color, "bar")
            shown = text.signed(value, 2)
            if abs(value) >= text.UNSEEN and fonts.width(shown, AXIS) <= step + 2:
                quiet = block.band is None or abs(value) <= control
                at = zero - (1.5 if value < 0 else tall + 1.5)
                ink = pen.palette["ink3" if quiet else "ink2"]
                pen.scene.labels.append(Label(x + (c + 0.5) * step, at, shown, AXIS, ink, anchor="center"))


def _chosen(pen: Pen, payload: PatchMapPayload, place: Place) -> float:
    """The verdict, the chosen cell, its predictions and heads, the path."""
    left, right, y = place
    if payload.verdict:
        y += NOTE + 2
        words = fonts.fit(pen.plain(payload.verdict, 300), right - left, NOTE, bold=True)
        pen.say(left, y, words, "ink", bold=True)
    detail, where = payload.detail(payload.cell), payload.where(payload.cell)
    if detail is not None and where is not None:
        y += ROW + 2
        control = f"its control {text.signed(detail.low, 2)} to {text.signed(detail.high, 2)}"
        words = f"{cell_words(payload, *where)}: {text.signed(detail.restored, 2)} restored, {control}"
        pen.say(left, y, fonts.fit(pen.plain(words, 200), right - left, NOTE), "ink")
        y = max(_predictions(pen, detail, (left, left + (right - left) * 0.58, y)), _heads(pen, detail, (
            left + (right - left) * 0.64, right, y)))  # fmt: skip
    for path in payload.paths[-1:]:
        y += ROW
        pen.say(left, y, fonts.fit(pen.plain(path_words(payload, path), 300), right - left, NOTE), "ink2")
    return y + 4


def _predictions(pen: Pen, detail: PatchDetail, place: Place) -> float:
    left, right, y = place
    start, end = left + 60, right - 80
    most = max(
        1e-9, float(max(detail.before.max(initial=0), detail.after.max(initial=0), detail.before_high.max(initial=0)))
    )
    for k, word in enumerate(detail.words):
        y += ROW
        before, after = float(detail.before[k]), float(detail.after[k])
        low, high = float(detail.before_low[k]), float(detail.before_high[k])
        pen.say(
            left, y, fonts.fit(pen.plain(word, 24).strip() or "·", 56, TEXT, "serif"), "ink", size=TEXT, face="serif"
        )
        a, b, tick, bar = (start + (end - start) * min(1.0, v / most) for v in (low, high, before, after))
        pen.box(a, y - 7.6, max(1.2, b - a), 10.4, pen.palette["band"], "band")
        pen.box(start, y - 4.6, max(0.3, bar - start), 4.4, pen.palette["ink2"], "bar")
        pen.box(tick - 0.5, y - 7.2, 1.0, 9.6, pen.palette["ink"], "tick")
        inside = low <= after <= high
        delta = after - before
        color = "ink3" if inside or abs(delta) < text.UNSEEN else "raises" if delta > 0 else "lowers"
        pen.say(right, y, text.change(delta), color, anchor="right")
        pen.say(right - 26, y, text.probability(after), "ink3" if inside else "ink", not inside, "right")
        pen.say(right - 50, y, text.probability(before), anchor="right")
    return y


def _heads(pen: Pen, detail: PatchDetail, place: Place) -> float:
    left, right, y = place
    if detail.part_values is None or not detail.parts:
        return y
    values = detail.part_values.astype(float)
    low, high = min(0.0, -detail.part_band, values.min()), max(1e-9, detail.part_band, values.max())
    start, end = left + 36, right - 26

    def at(value: float) -> float:
        return start + (end - start) * (value - low) / (high - low)

    for name, value in zip(detail.parts, values.tolist(), strict=True):
        y += ROW
        inside = abs(value) <= detail.part_band
        pen.say(
            left, y, fonts.fit(pen.plain(name, 16).replace("head.", "head "), 36, NOTE), "ink3" if inside else "ink"
        )
        pen.box(
            at(-detail.part_band),
            y - 7.6,
            at(detail.part_band) - at(-detail.part_band),
            10.4,
            pen.palette["band"],
            "band",
        )
        color = pen.palette["raises" if value >= 0 else "lowers"]
        pen.box(min(at(0), at(value)), y - 4.6, max(0.4, abs(at(value) - at(0))), 4.4, color, "bar")
        pen.box(at(0) - 0.25, y - 7.6, 0.5, 10.4, pen.palette["ink3"], "zero")
        pen.say(right, y, text.signed(value, 2), "ink3" if inside else "ink", not inside, "right")
    return y


FILES = Files(scene, alt_text)
