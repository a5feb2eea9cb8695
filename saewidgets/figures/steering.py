"""Steering payload -> figure: the texts beside each other, the curves with their control bands, kept runs."""

from __future__ import annotations

import numpy as np

from saewidgets.figures import axes, fonts, text
from saewidgets.figures.axes import Axis, tick_label
from saewidgets.figures.files import MARGIN, Files
from saewidgets.figures.palette import letter
from saewidgets.figures.pen import NOTE, Pen, blank
from saewidgets.figures.plot import AXIS, Plot
from saewidgets.figures.scene import Box, Label, Line, Scene
from saewidgets.figures.steering_text import NAMES, alt_text, in_view, measured_over, numbers, settings, strongest
from saewidgets.payloads.arrays import Array
from saewidgets.payloads.heatmap import SPECIAL
from saewidgets.payloads.steering import Doses, SteeringPayload, WrittenText

TEXT, LINE, ROW = 8.0, 13.0, 12.5
# Lines of a text, and kept runs, that are drawn.
MAX_LINES, MAX_ROWS = 16, 10
CHARTS = (("effect", "Effect", "probability"), ("kl", "KL from base", "nats a token"),
          ("perplexity", "Perplexity", "unedited, log"))  # fmt: skip

Place = tuple[float, float, float]


def scene(payload: SteeringPayload, width_mm: float = 170, theme: str = "light", portable: bool = False) -> Scene:
    """Everything the figure shows, placed in points.

    Args:
        payload: Of a steering view.
        width_mm: Width in millimetres, 60 to 400.
        theme: `"light"` or `"dark"`.
        portable: The reader's fonts will draw the text, so no character is missing.

    Returns:
        The finished scene.

    Raises:
        FigureError: Width or theme is out of range.
    """
    sheet, pen = blank(width_mm, theme, portable)
    left, right = MARGIN, sheet.width - MARGIN
    wide = right - left > 330
    y = MARGIN + 9
    pen.say(left, y, fonts.fit(pen.plain(payload.prompt, 160), right - left, 9, "serif"), "ink", size=9, face="serif")
    for slider in payload.sliders:
        y += ROW
        _key(pen, slider.slot, left, y)
        words = f"{pen.plain(slider.label or slider.id, 80)}  {text.signed(slider.value, 1, plus=True)}"
        pen.say(left + 14, y, fonts.fit(words, right - left - 14, NOTE), "ink2")
    y = _columns(pen, payload, (left, right, y + 6), wide)
    if payload.verdict:
        y += NOTE + 2
        pen.say(left, y, fonts.fit(pen.plain(payload.verdict, 200), right - left, NOTE), "ink2")
    if payload.doses is not None:
        y = _charts(pen, payload, payload.doses, (left, right, y + 8), 4 if wide else 1)
    y = _kept(pen, payload, (left, right, y))
    context = payload.context
    sources = [*settings(payload).split(", "), context.model, context.dictionaries, context.version]
    sheet.height = pen.foot(left, right, y + 6, sources) + MARGIN
    return sheet


def _key(pen: Pen, slot: int, x: float, y: float) -> None:
    chip = pen.palette.chip(slot)
    pen.scene.boxes.append(Box(x, y - 7.6, 10, 10, chip.fill, radius=1.5, part="chip"))
    pen.scene.labels.append(Label(x + 5, y - 0.3, letter(slot), NOTE, chip.text, bold=True, anchor="center"))


def _columns(pen: Pen, payload: SteeringPayload, place: Place, wide: bool) -> float:
    left, right, top = place
    shown = in_view(payload)
    if not wide:
        for column in shown:
            top = _column(pen, payload, column, (left, right, top)) + 4
        return top
    width = (right - left + 14) / max(1, len(shown))
    bottoms = [top]
    for i, column in enumerate(shown):
        x = left + i * width
        bottoms.append(_column(pen, payload, column, (x, x + width - 14, top)))
    return max(bottoms)


def _column(pen: Pen, payload: SteeringPayload, column: WrittenText, place: Place) -> float:
    """One text with its fills and marks; returns its bottom."""
    left, right, y = place
    y += NOTE
    x = pen.say(left, y, NAMES[column.role], "ink", bold=True)
    if right - x > 20:
        pen.say(x, y, fonts.fit(f"  {pen.plain(column.note, 80)}", right - x, NOTE))
    y, x, lines = y + LINE, left, 1
    for place_of, drawn in enumerate(text.drawn(column.tokens, pen.covers)):
        if place_of == 0 and column.tokens.kind[0] == SPECIAL:
            continue
        gap = fonts.width(" ", TEXT, "serif") if drawn.gap and x > left else 0.0
        word = "".join(f"‹{run.text}›" if run.kind in ("mark", "hex") else run.text for run in drawn.runs)
        word = fonts.fit(word, right - left, TEXT, "serif")
        width = fonts.width(word, TEXT, "serif")
        if x + gap + width > right:
            y, x, gap, lines = y + LINE, left, 0.0, lines + 1
        if lines > MAX_LINES:
            pen.say(left, y, f"and {len(column.tokens) - place_of} more tokens")
            break
        _token(pen, payload, column, place_of, (x + gap, y, width), word)
        x += gap + width
    y += LINE
    x = left
    for part in filter(None, numbers(column).split(" · ")):
        if x > left and x + fonts.width(f" · {part}", NOTE) > right:
            x, y = left, y + NOTE + 2
        x = pen.say(x, y, part if x == left else f" · {part}", "ink2")
    return y + 3


def _token(pen: Pen, payload: SteeringPayload, column: WrittenText, at: int, place: Place, word: str) -> None:
    x, y, width = place
    slot, level = strongest(payload, column, at) if at >= column.n_prompt else (0, 0)
    color = pen.palette["ink3" if at < column.n_prompt else "ink"]
    if level:
        ink = pen.palette.ramp(slot)[level - 1]
        pen.box(x - 0.4, y - 7.4, width + 0.8, 9.8, ink.fill, "fill")
        color = ink.text
    if column.differs[at]:
        pen.line([(x, y + 3), (x + width, y + 3)], pen.palette["ink"], 0.9, part="differs")
    pen.scene.labels.append(Label(x, y, word, TEXT, color, "serif"))


def _charts(pen: Pen, payload: SteeringPayload, doses: Doses, place: Place, columns: int) -> float:
    left, right, y = place
    width = (right - left + 12) / columns
    color = pen.palette.chip(payload.moved.slot if payload.moved else 0).fill
    for number, (name, head, note) in enumerate((*CHARTS, ("", "Bought with", "effect against KL"))):
        x = left + (number % columns) * width
        box = (x, x + width - 12, y)
        end = pen.say(x, y + NOTE, head, "ink", bold=True)
        if name == "perplexity" and payload.propagation == "direct":
            note = "base text, log"
        pen.say(end, y + NOTE, fonts.fit(f"  {note}", x + width - 12 - end, NOTE))
        if name:
            _against_strength(pen, payload, doses, getattr(doses, name), color, box)
        else:
            _against_kl(pen, doses, color, box, payload.now)
        if number % columns == columns - 1:
            y += 82
    pen.say(left, y + 2, fonts.fit(measured_over(doses, payload.propagation), right - left, NOTE))
    return y + 8


def value_axis(values: Array, most: int = 4) -> Axis:
    """The axis of some values, from 0 when they are not below it."""
    found = axes.span(values.ravel().tolist()) or (0.0, 1.0)
    return axes.linear(min(0.0, found[0]), found[1] if found[1] > 0 else 1.0, most)


def _against_strength(
    pen: Pen, payload: SteeringPayload, doses: Doses, values: Array, color: str, place: Place
) -> None:  # fmt: skip
    left, right, top = place
    strengths = doses.strengths
    x = axes.linear(float(strengths.min()), float(strengths.max()), 4, tight=True)
    log = values is doses.perplexity
    y = axes.logarithmic(float(values.min()) / 1.05, float(values.max()) * 1.05, 3) if log else value_axis(values)
    plot = Plot(pen, x, y, left + 22, top + 13, right - left - 24, 50)
    plot.frame(tick_label, tick_label)
    xs = strengths.tolist()
    if doses.n_controls and len(xs) > 1:
        low, high = values[1:].min(0).tolist(), values[1:].max(0).tolist()
        corners = [plot.at(*p) for p in (*zip(xs, high, strict=True), *zip(xs[::-1], low[::-1], strict=True))]
        pen.scene.lines.insert(0, Line(tuple(corners), "", 0, fill=pen.palette["band"], part="band"))
    moved = payload.moved
    middle = moved.middle if moved else 0.0
    if x.low <= middle <= x.high:
        plot.upright(middle)
    pen.line([plot.at(s, v) for s, v in zip(xs, values[0].tolist(), strict=True)], color, 1.3, part="curve")
    here = int(np.abs(strengths - payload.now).argmin())
    for k, (s, v) in enumerate(zip(xs, values[0].tolist(), strict=True)):
        if k == here:
            plot.mark(s, v, full=False)
        else:
            px, py = plot.at(s, v)
            pen.scene.boxes.append(Box(px - 1.4, py - 1.4, 2.8, 2.8, color, radius=1.4, part="dot"))


def _against_kl(pen: Pen, doses: Doses, color: str, place: Place, now: float) -> None:
    """Effect against KL of strengths on the side of the slider: the edit, and the mean of each kind of control."""
    left, right, top = place
    kl_axis = value_axis(doses.kl)
    plot = Plot(pen, kl_axis, value_axis(doses.effect), left + 22, top + 13, right - left - 24, 50)
    plot.frame(tick_label, tick_label)
    for kl, effect, dash, style in bought(doses, now):
        points = list(zip(kl.tolist(), effect.tolist(), strict=True))
        pen.line([plot.at(*p) for p in points], pen.palette["ink2"] if dash else color, 1.1, dash, style)


def bought(doses: Doses, now: float) -> list[tuple[Array, Array, tuple[float, ...], str]]:
    """KL, effect, dash and name of each line: from the base outwards, on the side where the slider stands."""
    n = 1 + doses.n_directions
    middle = 0.0 if doses.strengths.min() < 0 else float(doses.strengths.min())
    side = np.flatnonzero(doses.strengths >= middle) if now >= middle else np.flatnonzero(doses.strengths <= middle)
    if now < middle:
        side = side[::-1]
    kinds = ((slice(0, 1), (), "edit"), (slice(1, n), (1.4, 1.4), "random direction"),
             (slice(n, None), (4.0, 2.0), "random feature"))  # fmt: skip
    found: list[tuple[Array, Array, tuple[float, ...], str]] = []
    for rows, dash, name in kinds:
        if len(doses.effect[rows]):
            kl = np.concatenate([[0.0], doses.kl[rows][:, side].mean(0)])
            effect = np.concatenate([[doses.base_effect], doses.effect[rows][:, side].mean(0)])
            found.append((kl, effect, dash, name))
    return found


def _kept(pen: Pen, payload: SteeringPayload, place: Place) -> float:
    left, right, y = place
    if not payload.kept:
        return y
    y += NOTE + 8
    pen.say(left, y, "Kept runs", "ink", bold=True)
    for run in payload.kept[-MAX_ROWS:]:
        y += ROW
        x = left
        values = [pen.plain(run.note, 30), f"seed {run.seed}"]
        values += ["–" if v is None else text.significant(v) for v in (run.effect, run.kl, run.perplexity)]
        for words, width in zip(values, (70, 36, 34, 30, 36), strict=True):
            if x + width > right:
                break
            pen.say(x, y, fonts.fit(words, width - 4, AXIS), "ink2", size=AXIS)
            x += width
        if right - x > 40:
            words = fonts.fit(pen.plain(run.text, 120), right - x, NOTE, "serif")
            pen.say(x, y, words, "ink", face="serif")
    return y + 4


FILES = Files(scene, alt_text)
