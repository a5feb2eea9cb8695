"""Training payload -> figure: the curves, the density, and a few features with where they fire."""

from functools import partial

import numpy as np

from saewidgets.figures import axes, fonts, text
from saewidgets.figures.axes import Axis, share_label, tick_label
from saewidgets.figures.files import MARGIN, Files
from saewidgets.figures.palette import letter, step
from saewidgets.figures.pen import NOTE, Pen, blank
from saewidgets.figures.plot import AXIS, CURVES, Plot, histogram
from saewidgets.figures.scene import Box, Label, Scene
from saewidgets.figures.training_text import alt_text, standing
from saewidgets.payloads.training import Curve, FormingFeature, Passage, TrainingPayload

TEXT = 8.0
MAX_FEATURES = 6


def scene(payload: TrainingPayload, width_mm: float = 170, theme: str = "light", portable: bool = False) -> Scene:
    """Everything the figure shows, placed in points.

    Args:
        payload: Of a training monitor.
        width_mm: Width in millimetres, 60 to 400.
        theme: `"light"` or `"dark"`.
        portable: The reader's fonts will draw the text, so no character is missing.

    Returns:
        The finished scene.

    Raises:
        FigureError: Width or theme is out of range.
    """
    sheet, pen = blank(width_mm, theme, portable)
    covers = text.everything if portable else partial(fonts.covers, "serif")
    left, right = MARGIN, sheet.width - MARGIN
    y = MARGIN + 9
    pen.say(left, y, fonts.fit(pen.plain(payload.name, 120), right - left, 9, bold=True), "ink", bold=True, size=9)
    pen.say(left, y + 11, fonts.fit(standing(payload), right - left, NOTE))
    y = _charts(pen, payload, left, right, y + 20)
    wide = right - left > 330
    split = left + (right - left) * 0.46 if wide else right
    note = f"share of tokens; {text.count(payload.density.outside)} silent"
    bottom = histogram(pen, payload.density, "Density", note, (left, split, y), odd_from=-1.0)
    if wide:
        bottom = max(bottom, _features(pen, payload, split + 18, right, y, covers))
    else:
        bottom = _features(pen, payload, left, right, bottom + 4, covers)
    sources = [payload.context.model, payload.context.dictionaries, payload.context.version]
    sheet.height = pen.foot(left, right, bottom + 6, sources) + MARGIN
    return sheet


def _charts(pen: Pen, payload: TrainingPayload, left: float, right: float, top: float) -> float:
    """Curves, two charts a row where there is room; returns their bottom."""
    columns = 2 if right - left > 330 else 1
    width = (right - left + 14) / columns
    y = top
    for number, (name, curves) in enumerate(payload.charts.items()):
        x = left + (number % columns) * width
        _chart(pen, payload, pen.plain(name, 30), curves, (x, x + width - 14, y))
        if number % columns == columns - 1:
            y += 86
    if len(payload.charts) % columns:
        y += 86
    return y


def _chart(
    pen: Pen, payload: TrainingPayload, name: str, curves: tuple[Curve, ...], place: tuple[float, float, float]
) -> None:
    left, right, top = place
    # The first of several curves is named like its chart.
    x = pen.say(left, top + NOTE, name, "ink", bold=True) + 6 if len(curves) == 1 else left
    write = text.share if name == "dead" else text.significant
    for number, curve in enumerate(curves):
        last = write(float(curve.values[-1])) if len(curve.values) else "–"
        words = f"{pen.plain(curve.name, 20)} " if len(curves) > 1 else ""
        if x + 17 + fonts.width(words, NOTE) + fonts.width(last, NOTE, bold=True) > right:
            break
        if words:
            width, dash, color = CURVES[min(number, len(CURVES) - 1)]
            pen.line([(x, top + 4.5), (x + 14, top + 4.5)], pen.palette[color], width, dash, "key")
            x = pen.say(x + 17, top + NOTE, words)
        x = pen.say(x, top + NOTE, last, "ink", bold=number == 0) + 8
    log = name == "loss" and payload.scale == "log"
    steps = axes.linear(0, max(1, payload.n_steps, payload.step), 4, tight=True)
    plot = Plot(pen, steps, _values(curves, log), left + 26, top + 14, right - left - 28, 54)
    plot.frame(tick_label, share_label if name == "dead" else tick_label)
    for at in payload.changed_at.tolist():
        plot.upright(at)
    for number in reversed(range(len(curves))):
        plot.curve(payload.steps, curves[number].values, number)


def _values(curves: tuple[Curve, ...], log: bool) -> Axis:
    """The axis of some curves: from 0 when linear, over the values above 0 when logarithmic."""
    every = np.concatenate([curve.values for curve in curves]).tolist() if curves else []
    found = axes.span(every, positive=log)
    if log:
        return axes.logarithmic(found[0] / 1.05, found[1] * 1.05, 4) if found else axes.logarithmic(0.1, 1)
    return axes.linear(min(0.0, found[0]), found[1] if found[1] > 0 else 1.0, 4) if found else axes.linear(0, 1, 4)


def _features(pen: Pen, payload: TrainingPayload, left: float, right: float, top: float, covers: text.Covers) -> float:
    y = top + NOTE
    if not payload.features:
        return top
    x = pen.say(left, y, "Features as they form", "ink", bold=True)
    pen.say(x, y, " · where they fire most")
    for feature in payload.features[:MAX_FEATURES]:
        y += 13
        chip = pen.palette.chip(feature.slot)
        pen.scene.boxes.append(Box(left, y - 7.2, 9, 9, chip.fill, radius=1.5, part="chip"))
        pen.scene.labels.append(
            Label(left + 4.5, y - 0.4, letter(feature.slot), NOTE, chip.text, bold=True, anchor="center")
        )
        pen.say(left + 13, y, pen.plain(feature.id, 60), size=AXIS, face="mono")
        for passage in feature.passages[:3]:
            y += 12
            _passage(pen, feature, passage, (left, right, y), covers)
    return y + 4


def _passage(
    pen: Pen, feature: FormingFeature, passage: Passage, place: tuple[float, float, float], covers: text.Covers
) -> None:
    """A line of tokens with its peak in the middle; what has no room is left out on either side."""
    left, right, y = place
    words = ["".join(f"‹{r.text}›" if r.kind == "mark" else r.text for r in _runs(t, covers)) for t in passage.text]
    if not words:
        return
    pen.say(right, y, text.activation(float(passage.values[passage.peak])), anchor="right")
    room, peak = right - 24 - left, passage.peak
    # Only a token that begins with a space stands apart from the one before.
    gaps = [fonts.width(" ", TEXT, "serif") if token.startswith(" ") else 0.0 for token in passage.text]
    widths = [gap + fonts.width(word, TEXT, "serif") + 0.8 for gap, word in zip(gaps, words, strict=True)]
    first, last, used = peak, peak + 1, widths[peak]
    for step_out in range(1, len(words)):
        for index in (peak - step_out, peak + step_out):
            if 0 <= index < len(words) and used + widths[index] <= room and index in (first - 1, last):
                first, last, used = min(first, index), max(last, index + 1), used + widths[index]
    x = left
    ramp = pen.palette.ramp(feature.slot)
    for index in range(first, last):
        level = step(float(passage.values[index]), feature.maximum)
        color = pen.palette["ink"]
        gap, width = gaps[index] if index > first else 0.0, widths[index] - gaps[index]
        if level:
            pen.box(x + gap - 0.6, y - 7.4, width + 0.4, 9.6, ramp[level - 1].fill, "fill")
            color = ramp[level - 1].text
        pen.scene.labels.append(Label(x + gap, y, words[index], TEXT, color, "serif"))
        x += gap + width


def _runs(token: str, covers: text.Covers) -> tuple[text.Run, ...]:
    return text.runs(token[1:] if token.startswith(" ") and len(token) > 1 else token, covers, 24)


FILES = Files(scene, alt_text)
