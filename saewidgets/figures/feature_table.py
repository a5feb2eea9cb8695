"""Feature table -> figure: how densities and scores are spread, what was asked, and the rows in view."""

import math
from functools import partial

from saewidgets.figures import fonts, text
from saewidgets.figures.axes import Axis, linear, logarithmic, share_label, tick_label
from saewidgets.figures.feature_table_text import DRAWN, above, alt_text, counted, number, slots, words_of
from saewidgets.figures.files import MARGIN, Files
from saewidgets.figures.palette import letter
from saewidgets.figures.pen import NOTE, Pen, blank
from saewidgets.figures.plot import AXIS, Plot
from saewidgets.figures.scene import Box, Label, Scene
from saewidgets.payloads.feature_table import FeatureTablePayload, Statistic, TableChart, TablePoints

ROW, BARS, CELL = 13.0, 34.0, 46.0
Place = tuple[float, float, float]


def scene(payload: FeatureTablePayload, width_mm: float = 170, theme: str = "light", portable: bool = False) -> Scene:
    """Everything the figure shows, placed in points.

    Args:
        payload: Of a feature table.
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
    x = pen.say(left, y, fonts.fit(pen.plain(payload.site, 60), right - left, 9, bold=True), "ink", bold=True, size=9)
    pen.say(x + 6, y, fonts.fit(counted(payload), right - x - 6, NOTE))
    asked = [pen.plain(words, 90) for words in words_of(payload)]
    if asked:
        y += 11
        pen.say(left, y, fonts.fit(" · ".join(asked), right - left, NOTE), "ink2")
    y = _spread(pen, payload, (left, right, y + 6)) + 4
    y = _rows(pen, payload, (left, right, y))
    if payload.note:
        y += ROW
        pen.say(left, y, fonts.fit(pen.plain(payload.note, 200), right - left, NOTE), "ink2")
    sources = [payload.context.model, payload.context.dictionaries, payload.source, payload.context.version]
    sheet.height = pen.foot(left, right, y + 6, sources) + MARGIN
    return sheet


def _spread(pen: Pen, payload: FeatureTablePayload, place: Place) -> float:
    """The charts, beside each other where there is room."""
    left, right, top = place
    drawn = [partial(_chart, pen, payload, chart) for chart in payload.charts if len(chart.all.counts)]
    drawn += [partial(_scatter, pen, payload, points) for points in payload.points]
    wide, middle = right - left > 330 and len(drawn) > 1, (left + right) / 2
    columns = [(left, middle - 10), (middle + 10, right)] if wide else [(left, right)]
    bottoms = [top] * len(columns)
    for n, draw in enumerate(drawn):
        start, end = columns[n % len(columns)]
        bottoms[n % len(columns)] = draw((start, end, bottoms[n % len(columns)]))
    return max(bottoms)


def _chart(pen: Pen, payload: FeatureTablePayload, chart: TableChart, place: Place) -> float:
    """All features in grey, those that fit over them."""
    left, right, top = place
    statistic = payload.statistic(chart.name)
    is_share = statistic.unit == "share"
    end = pen.say(left, top + NOTE, text.plain(statistic.title, 24).capitalize(), "ink", bold=True)
    words = ["share of tokens" if is_share else "", "log" if chart.all.log else ""]
    words += [f"{text.count(chart.all.outside)} dead not shown"] if chart.all.outside else []
    pen.say(end, top + NOTE, fonts.fit(f" · {', '.join(filter(None, words))}", right - end, NOTE))
    edges, log = chart.all.edges.tolist(), chart.all.log
    low, high = edges[0], edges[-1]
    ticks = linear(low, high, 5, tight=True).ticks
    if log:
        ticks = tuple(math.log10(tick) for tick in logarithmic(10**low, 10**high, 5).ticks)
    tallest = max(1, int(chart.all.counts.max(initial=0)))
    plot = Plot(pen, Axis(low, high, ticks), linear(0, tallest, 3), left + 22, top + 13, right - left - 24, 52)

    def label(value: float) -> str:
        value = 10**value if log else value
        return share_label(value) if is_share else tick_label(value)

    plot.frame(label)
    for counts, color, part in ((chart.all.counts, "band", "all"), (chart.fit, "ink2", "fit")):
        for i, n in enumerate(counts.tolist()):
            (x, y), x_end = plot.at(edges[i], n), plot.at(edges[i + 1], 0)[0]
            if n:
                y = min(y, plot.bottom - 0.8)
                pen.box(x + 0.25, y, max(0.4, x_end - x - 0.5), plot.bottom - y, pen.palette[color], part)
    return plot.bottom + 12


def _scatter(pen: Pen, payload: FeatureTablePayload, points: TablePoints, place: Place) -> float:
    """A dot a feature; those that fit are dark, the chosen ones have their letters."""
    left, right, top = place
    x, y = (payload.statistic(name) for name in (points.name_x, points.name_y))
    is_map = x.unit == "place"
    names = [text.plain(statistic.title, 24) for statistic in (y, x)]
    heading = "Decoder map" if is_map else "What it reads, what it says"
    about = " · near each other: directions alike" if is_map else f" · {names[0]} score over {names[1]} score"
    end = pen.say(left, top + NOTE, heading, "ink", bold=True)
    pen.say(end, top + NOTE, fonts.fit(about, right - end, NOTE))
    unit = Axis(0.0, 1.0, (0.0, 0.5, 1.0))
    # A map has no scale: distances across it mean nothing.
    axes = (Axis(x.low, x.high, ()), Axis(y.low, y.high, ())) if is_map else (unit, unit)
    plot = Plot(pen, *axes, left + 22, top + 13, right - left - 24, 52)
    if not is_map:
        plot.frame()
    chosen = slots(payload)
    dots = list(zip(points.index.tolist(), points.x.tolist(), points.y.tolist(), points.fit.tolist(), strict=True))
    for index, x, y, fit in sorted(dots, key=lambda dot: dot[3]):
        if f"{payload.site}/{index}" not in chosen:
            (px, py), size = plot.at(x, y), 1.8 if fit else 1.4
            color = pen.palette["ink" if fit else "control"]
            pen.scene.boxes.append(
                Box(px - size / 2, py - size / 2, size, size, color, radius=size / 2, part="fit" if fit else "dot")
            )
    for index, x, y, _ in dots:
        slot = chosen.get(f"{payload.site}/{index}")
        if slot is not None:
            _key(pen, slot, plot.at(x, y)[0] - 3.5, plot.at(x, y)[1] - 3.5, 7.0)
    return plot.bottom + 12


def _key(pen: Pen, slot: int, x: float, y: float, size: float) -> None:
    chip = pen.palette.chip(slot)
    pen.scene.boxes.append(Box(x, y, size, size, chip.fill, radius=1.5, part="chip"))
    place = (x + size / 2, y + size * 0.76)
    pen.scene.labels.append(Label(*place, letter(slot), size * 0.78, chip.text, bold=True, anchor="center"))


def _rows(pen: Pen, payload: FeatureTablePayload, place: Place) -> float:
    """Number, label, histogram, statistics, words: as many columns as there is room for."""
    left, right, top = place
    rows, room = payload.rows, right - left
    wide = room > 330
    columns = [payload.statistic(name) for name in payload.columns]
    columns = columns[: 5 if wide else 2]
    if payload.sort not in [c.name for c in columns]:
        columns[-1] = payload.statistic(payload.sort)
    words_at = right - (110 if wide else 58)
    ends = [words_at - 8 - CELL * (len(columns) - 1 - i) for i in range(len(columns))]
    first = ends[0] - CELL if ends else words_at
    bars_at = first - BARS if wide else first
    y = top + NOTE
    pen.say(left + 12, y, "feature", size=AXIS)
    pen.say(left + 44, y, "label", size=AXIS)
    if wide:
        pen.say(bars_at, y, "activations", size=AXIS)
    for x, column in zip(ends, columns, strict=True):
        sign = (" ↓" if payload.descending else " ↑") if column.name == payload.sort else ""
        pen.say(
            x, y, fonts.fit(above(column) + sign, CELL - 4, AXIS), "ink" if sign else "ink3", anchor="right", size=AXIS
        )
    pen.say(words_at, y, text.plain(payload.words, 20), size=AXIS)
    pen.box(left, y + 3, room, 0.5, pen.palette["control"], "rule")
    y += 3
    chosen, places = slots(payload), {s.name: i for i, s in enumerate(payload.statistics)}
    for row in range(min(DRAWN, len(rows.index))):
        y += ROW
        index = int(rows.index[row])
        slot = chosen.get(f"{payload.site}/{index}")
        if slot is not None:
            _key(pen, slot, left, y - 7.2, 9.0)
        pen.say(left + 12, y, str(index), "ink2", size=AXIS, face="mono")
        label = pen.plain(rows.label[row], 80)
        room_for = bars_at - left - 50
        pen.say(left + 44, y, fonts.fit(label or "no label yet", room_for, NOTE), "ink" if label else "ink3")
        if wide:
            _bars(pen, rows.bars[row].tolist(), bars_at, y)
        for x, column in zip(ends, columns, strict=True):
            _cell(pen, rows.value(row, places[column.name]), column, x, y)
        words = " ".join(word for token in rows.words_of(row) if (word := pen.plain(token, 16).strip()))
        pen.say(words_at, y, fonts.fit(words, right - words_at, 8.0, "serif"), "ink", size=8.0, face="serif")
        pen.box(left, y + 3.6, room, 0.4, pen.palette["rule"], "rule")
    return y + 4


def _cell(pen: Pen, value: float | None, statistic: Statistic, right: float, y: float) -> None:
    """A number, with a bar where it is a score."""
    pen.say(right, y, number(value, statistic), "ink" if value is not None else "ink3", anchor="right")
    if statistic.unit == "score" and value is not None:
        start, length = right - CELL + 6, CELL - 26
        pen.box(start, y + 0.6, length, 0.4, pen.palette["rule"], "track")
        pen.box(start, y - 4, length * min(1.0, max(0.0, value)), 4.6, pen.palette["control"], "score")


def _bars(pen: Pen, heights: list[float], left: float, y: float) -> None:
    for i, height in enumerate(heights):
        tall = max(0.5, 8.0 * min(1.0, height))
        pen.box(left + i * 1.9, y + 1 - tall, 1.4, tall, pen.palette["control"], "bars")


FILES = Files(scene, alt_text)
