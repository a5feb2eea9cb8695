"""Dictionary report -> figure: measures beside their baselines, two histograms, odd features, where it comes from."""

import math

from saewidgets.figures import fonts, text
from saewidgets.figures.dictionary_report_text import alt_text, beside, interval, subtitle
from saewidgets.figures.files import MARGIN, Files
from saewidgets.figures.pen import NOTE, Pen, blank
from saewidgets.figures.plot import AXIS, histogram
from saewidgets.figures.scene import Box, Scene
from saewidgets.payloads.dictionary_report import DictionaryReportPayload, ListedFeature, Measure

ROW = 12.0
MAX_LISTED, MAX_BASELINES = 8, 4


def scene(
    payload: DictionaryReportPayload, width_mm: float = 170, theme: str = "light", portable: bool = False
) -> Scene:
    """Everything the figure shows, placed in points.

    Args:
        payload: Of a dictionary report.
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
    y = MARGIN + 9
    pen.say(left, y, fonts.fit(pen.plain(payload.name, 120), right - left, 9, bold=True), "ink", bold=True, size=9)
    pen.say(left, y + 11, fonts.fit(subtitle(payload), right - left, NOTE))
    y = _measures(pen, payload, left, right, y + 18) + 6
    wide = right - left > 330
    middle = (left + right) / 2
    ends = [(left, middle - 8), (middle + 8, right)] if wide else [(left, right), (left, right)]
    note = f"share of tokens, log; {text.count(payload.density.outside)} dead"
    dense = math.log10(max(payload.dense_from, 1e-9))
    first = histogram(pen, payload.density, "Density", note, (*ends[0], y), odd_from=dense)
    second_top = y if wide else first + 4
    second = histogram(pen, payload.neighbours, "Nearest decoder row", "greatest cosine", (*ends[1], second_top))
    y = max(first, second) + 4
    bottom = _listed(pen, f"{text.count(payload.n_dead)} dead", payload.dead, (*ends[0], y))
    name = f"{text.count(payload.n_dense)} dense, over {text.share(payload.dense_from)}"
    bottom = max(bottom, _listed(pen, name, payload.dense, (*ends[1], y if wide else bottom + 4)))
    sources = [payload.context.model, payload.context.dictionaries, payload.context.version]
    sheet.height = pen.foot(left, right, bottom + 6, sources) + MARGIN
    return sheet


def _measures(pen: Pen, payload: DictionaryReportPayload, left: float, right: float, top: float) -> float:
    """Name, track, value, interval, baselines: one row a measure; returns the bottom."""
    wide = right - left > 330
    baselines = payload.baselines[:MAX_BASELINES]
    column = 48.0 if wide else 34.0
    columns = [right - column * (len(baselines) - 1 - i) for i in range(len(baselines))]
    interval_at = columns[0] - column if columns else right
    value_at = interval_at - (62 if wide else 0)
    y = top + NOTE
    if payload.measures:
        for x, name in zip(columns, baselines, strict=True):
            pen.say(x, y, fonts.fit(pen.plain(name, 24), column - 4, AXIS), anchor="right", size=AXIS)
        pen.say(value_at, y, "this", anchor="right", size=AXIS)
        if wide:
            pen.say(interval_at, y, "95 %", anchor="right", size=AXIS)
        pen.box(left, y + 3, right - left, 0.5, pen.palette["control"], "rule")
        y += 3
    names = left + (110 if wide else 78)
    for group, measures in payload.groups.items():
        y += ROW + 2
        pen.say(left, y, pen.plain(group, 60), "ink", bold=True)
        for measure in measures:
            y += ROW
            pen.say(left, y, fonts.fit(pen.plain(measure.name, 60), names - left - 4, NOTE), "ink")
            own = measure.estimate
            pen.say(value_at, y, text.quantity(own.value, measure.unit), "ink", bold=True, anchor="right")
            if wide:
                pen.say(interval_at, y, interval(own, measure.unit), anchor="right", size=AXIS)
            if value_at - 40 - names > 30:
                _track(pen, measure, names, value_at - 40, y - 2.4)
            for x, name in zip(columns, baselines, strict=True):
                other = beside(measure, name)
                pen.say(x, y, text.quantity(other.value, measure.unit) if other else "–", "ink2", anchor="right")
    return y + 4


def _track(pen: Pen, measure: Measure, left: float, right: float, y: float) -> None:
    """Dot for the dictionary, line for its interval, hollow marks for the baselines."""
    estimates = [measure.estimate, *(b.estimate for b in measure.baselines)]
    values = [v for e in estimates for v in (e.value, e.low, e.high) if v is not None]
    low, high = min(0.0, *values), max(values)
    high = high if high > low else low + 1
    look = pen.palette

    def at(value: float) -> float:
        return left + (value - low) / (high - low) * (right - left)

    pen.box(left, y - 0.25, right - left, 0.5, look["rule"], "track")
    for other in measure.baselines:
        x = at(other.estimate.value)
        pen.scene.boxes.append(Box(x - 1.5, y - 3.5, 3, 7, look["paper"], look["control"], 0.6, part="baseline"))
    own = measure.estimate
    if own.low is not None and own.high is not None:
        pen.box(at(own.low), y - 1.1, max(0.6, at(own.high) - at(own.low)), 2.2, look["control"], "interval")
    pen.scene.boxes.append(Box(at(own.value) - 2.2, y - 2.2, 4.4, 4.4, look["ink"], radius=2.2, part="own"))


def _listed(pen: Pen, name: str, features: tuple[ListedFeature, ...], place: tuple[float, float, float]) -> float:
    left, right, top = place
    y = top + NOTE
    pen.say(left, y, name, "ink", bold=True)
    for feature in features[:MAX_LISTED]:
        y += 10
        end = right
        if feature.density > 0:
            end = pen.say(right, y, text.share(feature.density), "ink2", anchor="right") - 6
        x = pen.say(left, y, fonts.fit(pen.plain(feature.id, 40), end - left, AXIS, "mono"), size=AXIS, face="mono") + 6
        words = " · ".join(pen.plain(part, 60) for part in (feature.label, feature.note) if part)
        if words and end - x > 20:
            pen.say(x, y, fonts.fit(words, end - x, NOTE), "ink")
    if len(features) > MAX_LISTED:
        y += 10
        pen.say(left, y, f"and {len(features) - MAX_LISTED} more")
    return y + 4


FILES = Files(scene, alt_text)
