"""Causal report -> figure: bars beside their control, curves with their intervals, checks."""

import numpy as np

from saewidgets.figures import fonts, text
from saewidgets.figures.axes import linear
from saewidgets.figures.causal_report_text import alt_text
from saewidgets.figures.files import MARGIN, Files
from saewidgets.figures.pen import NOTE, Pen, blank
from saewidgets.figures.plot import AXIS, Plot, mark
from saewidgets.figures.scene import Scene
from saewidgets.payloads.causal_report import CausalBar, CausalReport

ROW, MOST = 13.0, 40

Place = tuple[float, float, float]


def scene(payload: CausalReport, width_mm: float = 170, theme: str = "light", portable: bool = False) -> Scene:
    """Everything the figure shows, placed in points.

    Args:
        payload: Of a causal result.
        width_mm: Width in millimetres, 60 to 400.
        theme: `"light"` or `"dark"`.
        portable: The reader's fonts will draw the text, so no character is missing.

    Returns:
        The finished scene.

    Raises:
        FigureError: Width or theme is out of range.
    """
    sheet, pen = blank(width_mm, theme, portable)
    left, right, y = MARGIN, sheet.width - MARGIN, MARGIN + 9
    pen.say(left, y, fonts.fit(pen.plain(payload.title, 200), right - left, 9, bold=True), "ink", bold=True, size=9)
    y += 11
    pen.say(left, y, fonts.fit(pen.plain(payload.verdict, 300), right - left, NOTE), "ink2")
    if payload.bars:
        y = _bars(pen, payload, (left, right, y + 4))
    if payload.curves:
        y = _curves(pen, payload, (left, right, y + 8))
    for one in payload.checks:
        y += ROW
        mark(pen, left + 4, y - 2.4, 0, full=not one.holds, size=2.6)
        words = f"{pen.plain(one.name, 60)}: {pen.plain(one.text, 200)}"
        pen.say(left + 11, y, fonts.fit(words, right - left - 11, NOTE, bold=not one.holds), "ink2", not one.holds)
    context = payload.context
    parts = [context.model, context.dictionaries, payload.conditions, context.version]
    sheet.height = pen.foot(left, right, y + 8, parts) + MARGIN
    return sheet


def _bars(pen: Pen, payload: CausalReport, place: Place) -> float:
    left, right, y = place
    y += NOTE
    pen.say(left, y, fonts.fit(f"{pen.plain(payload.measure, 120)}; grey: control", right - left, NOTE))
    bars = payload.bars[:MOST]
    start, end = left + (right - left) * 0.42, right - 34
    reach = [v for b in bars for v in (b.value, b.low, b.high, b.control_low, b.control_high) if v is not None]
    low, high = min([payload.zero, *reach]), max([payload.zero, *reach])
    high = high if high > low else low + 1

    def at(value: float) -> float:
        return start + (end - start) * (value - low) / (high - low)

    for bar in bars:
        y += ROW
        _bar(pen, bar, (left, start - 6, y), at, payload.zero)
        color = "ink" if bar.beyond else "ink3"
        pen.say(right, y, text.signed(bar.value, 2), color, bar.beyond, "right")
    if len(payload.bars) > MOST:
        y += ROW
        pen.say(left, y, f"and {len(payload.bars) - MOST} more")
    return y


def _bar(pen: Pen, bar: CausalBar, place: Place, at: "object", zero: float) -> None:
    left, right, y = place
    assert callable(at)
    x = pen.say(left, y, fonts.fit(pen.plain(bar.name, 60), (right - left) * 0.62, NOTE, "mono"),
                "ink" if bar.beyond else "ink3", face="mono")  # fmt: skip
    note = pen.plain(bar.note, 80)
    if note:
        pen.say(x + 5, y, fonts.fit(note, right - x - 5, NOTE))
    if bar.control_low is not None and bar.control_high is not None:
        band = at(bar.control_low), at(bar.control_high)
        pen.box(band[0], y - 7.6, max(1.0, band[1] - band[0]), 10.4, pen.palette["band"], "band")
    color = pen.palette["raises" if bar.value >= zero else "lowers"]
    pen.box(min(at(zero), at(bar.value)), y - 4.6, max(0.4, abs(at(bar.value) - at(zero))), 4.4, color, "bar")
    pen.box(at(zero) - 0.25, y - 8, 0.5, 11.2, pen.palette["ink3"], "zero")
    if bar.low is not None and bar.high is not None:
        pen.box(at(bar.low), y - 2.8, max(0.8, at(bar.high) - at(bar.low)), 0.8, pen.palette["ink"], "interval")


def _curves(pen: Pen, payload: CausalReport, place: Place) -> float:
    left, right, top = place
    assert payload.xs is not None
    reach = [v for c in payload.curves for v in (c.values, c.low, c.high) if v is not None and len(v)]
    low, high = (float(np.min([v.min() for v in reach])), float(np.max([v.max() for v in reach]))) if reach else (0, 1)
    xs = payload.xs.astype(float)
    x_axis = linear(float(xs.min(initial=0)), float(xs.max(initial=1)), 6)
    y_axis = linear(min(0.0, low), high, 5)
    names = 110.0 if right - left > 300 else 0.0
    pen.say(left, top + NOTE, fonts.fit(f"{pen.plain(payload.axes[1], 80)}", right - left, NOTE), "ink", bold=True)
    plot = Plot(pen, x_axis, y_axis, left + 24, top + 14, right - left - 28 - names, 120)
    plot.frame(lambda v: f"{v:g}")
    placed: list[float] = []
    for i, curve in enumerate(payload.curves):
        style = 3 if curve.control else min(i, 2)
        if curve.low is not None and curve.high is not None:
            for x, a, b in zip(xs.tolist(), curve.low.tolist(), curve.high.tolist(), strict=True):
                (px, ya), yb = plot.at(x, a), plot.at(x, b)[1]
                pen.box(px - 0.4, min(ya, yb), 0.8, max(0.5, abs(ya - yb)), pen.palette["control"], "interval")
        plot.curve(xs, curve.values.astype(float), style)
        for x, v in zip(xs.tolist(), curve.values.tolist(), strict=True):
            plot.mark(x, v, i, full=not curve.control, size=2.0)
        if names:
            y = plot.at(float(xs[-1]), float(curve.values[-1]))[1] + 2
            while any(abs(y - other) < 8 for other in placed):
                y += 8
            placed.append(y)
            words = f"{pen.plain(curve.name, 40)}{' (control)' if curve.control else ''}"
            color = "ink3" if curve.control else "ink"
            pen.say(right - names + 6, y, fonts.fit(words, names - 6, NOTE), color)
    pen.say(plot.left + plot.width, plot.bottom + 17, pen.plain(payload.axes[0], 60), anchor="right", size=AXIS)
    return max([plot.bottom + 20, *(y + 4 for y in placed)])


FILES = Files(scene, alt_text)
