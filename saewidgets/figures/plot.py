"""Charts on a sheet: a frame with ticks, curves told apart by their dash, bars, marks of several shapes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from saewidgets.figures import fonts
from saewidgets.figures.axes import Axis, linear, nice_step, share_label, tick_label
from saewidgets.figures.pen import NOTE, Pen
from saewidgets.figures.scene import Line
from saewidgets.payloads.arrays import Array
from saewidgets.payloads.histogram import Histogram

AXIS = 6.0
# Of the first curve, the second, ...: width, dash, colour.
CURVES: tuple[tuple[float, tuple[float, ...], str], ...] = (
    (1.3, (), "ink"),
    (0.9, (4, 2), "ink2"),
    (0.9, (1.4, 1.4), "ink2"),
    (0.9, (5, 2, 1.4, 2), "ink3"),
)
# Corners of each mark around its middle; the first is round.
SHAPES: tuple[tuple[tuple[float, float], ...], ...] = (
    tuple((math.cos(math.tau * i / 24), math.sin(math.tau * i / 24)) for i in range(24)),
    ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
    ((0, -1.2), (1.1, 0.8), (-1.1, 0.8)),
    ((0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)),
    ((0, 1.2), (1.1, -0.8), (-1.1, -0.8)),
    ((-0.4, -1.2), (0.4, -1.2), (0.4, -0.4), (1.2, -0.4), (1.2, 0.4), (0.4, 0.4), (0.4, 1.2), (-0.4, 1.2),
     (-0.4, 0.4), (-1.2, 0.4), (-1.2, -0.4), (-0.4, -0.4)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plot:
    """A frame on a sheet.

    Args:
        pen: Of the sheet.
        x, y: The axes.
        left, top, width, height: Of the area inside, in points.
    """

    pen: Pen
    x: Axis
    y: Axis
    left: float
    top: float
    width: float
    height: float

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point lies; what is far outside stays near the frame."""
        across = min(1.5, max(-0.5, self.x.place(x)))
        up = min(1.5, max(-0.5, self.y.place(y)))
        return self.left + across * self.width, self.top + (1 - up) * self.height

    @property
    def bottom(self) -> float:
        """The x axis."""
        return self.top + self.height

    def frame(self, label_x: Callable[[float], str] = tick_label, label_y: Callable[[float], str] = tick_label) -> None:
        """Rules, ticks and their labels."""
        pen = self.pen
        for tick in self.y.ticks:
            y = self.at(self.x.low, tick)[1]
            pen.box(self.left, y - 0.25, self.width, 0.5, pen.palette["rule"], "grid")
            pen.say(self.left - 3, y + 2, label_y(tick), anchor="right", size=AXIS)
        pen.box(self.left, self.bottom - 0.25, self.width, 0.5, pen.palette["control"], "axis")
        end = -math.inf
        for tick in self.x.ticks:
            x, words = self.at(tick, self.y.low)[0], label_x(tick)
            half = fonts.width(words, AXIS) / 2
            middle = min(max(x, self.left + half - 4), self.left + self.width - half + 4)
            if middle - half > end + 5:
                pen.say(middle, self.bottom + 8, words, anchor="center", size=AXIS)
                end = middle + half

    def curve(self, xs: Array, ys: Array, style: int = 0) -> None:
        """A curve; where a logarithm has no place for a value it breaks."""
        width, dash, color = CURVES[min(style, len(CURVES) - 1)]
        stroke: list[tuple[float, float]] = []
        for x, y in [*zip(xs.tolist(), ys.tolist(), strict=True), (0.0, None)]:
            if y is not None and (y > 0 or not self.y.log):
                stroke.append(self.at(x, y))
                continue
            if len(stroke) > 1:
                self.pen.line(stroke, self.pen.palette[color], width, dash, "curve")
            stroke = []

    def polyline(self, points: Sequence[tuple[float, float]], color: str, dash: tuple[float, ...], part: str) -> None:
        """A line through points."""
        self.pen.line([self.at(*point) for point in points], self.pen.palette[color], 0.9, dash, part)

    def upright(self, x: float, dash: tuple[float, ...] = (1.2, 1.8)) -> None:
        """A line across the frame at `x`."""
        place = self.at(x, self.y.low)[0]
        self.pen.line([(place, self.top), (place, self.bottom)], self.pen.palette["ink3"], 0.6, dash, "mark")

    def mark(self, x: float, y: float, shape: int = 0, full: bool = True, size: float = 2.6) -> None:
        """A mark of a shape."""
        mark(self.pen, *self.at(x, y), shape, full, size)


def mark(pen: Pen, x: float, y: float, shape: int = 0, full: bool = True, size: float = 2.6) -> None:
    """A mark at a place of the sheet."""
    corners = SHAPES[min(shape, len(SHAPES) - 1)]
    points = tuple((x + dx * size, y + dy * size) for dx, dy in corners)
    ink, paper = pen.palette["ink"], pen.palette["paper"]
    pen.scene.lines.append(Line(points, ink, 0.8, fill=ink if full else paper, part="point"))


def histogram(
    pen: Pen, counts: Histogram, title: str, note: str, place: tuple[float, float, float], odd_from: float = math.inf
) -> float:
    """Title and bars.

    Args:
        pen: Of the sheet.
        counts: What is drawn.
        title: Above it.
        note: Beside the title, in grey.
        place: Left, right and top.
        odd_from: Bars from this edge on are lighter.

    Returns:
        The bottom.
    """
    left, right, top = place
    end = pen.say(left, top + NOTE, title, "ink", bold=True)
    pen.say(end, top + NOTE, f" · {note}")
    edges, n = counts.edges.tolist(), len(counts.counts)
    low, high = (edges[0], edges[-1]) if n else (0.0, 1.0)
    ticks = linear(low, high, 5, tight=True).ticks
    if counts.log:
        step = max(1, round(nice_step(max(high - low, 1e-9), 5)))
        ticks = tuple(float(t) for t in range(math.ceil(low), math.floor(high) + 1) if t % step == 0)
    tallest = int(counts.counts.max(initial=0))
    y_axis = linear(0, max(1, tallest), 3)
    plot = Plot(pen, Axis(low, high, ticks), y_axis, left + 22, top + 13, right - left - 24, 52)
    plot.frame(lambda value: share_label(10**value) if counts.log else tick_label(value))
    for i, count in enumerate(counts.counts.tolist()):
        (x, y), x_end = plot.at(edges[i], count), plot.at(edges[i + 1], 0)[0]
        color = pen.palette["control" if edges[i] >= odd_from - 1e-6 else "ink2"]
        if count:
            y = min(y, plot.bottom - 0.8)
            pen.box(x + 0.25, y, max(0.4, x_end - x - 0.5), plot.bottom - y, color, "bar")
    return plot.bottom + 12
