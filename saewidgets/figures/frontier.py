"""Frontier payload -> figure: the scatter with its whiskers, the frontier, baselines, and the numbers in rows."""

from saewidgets.figures import axes, fonts, text
from saewidgets.figures.axes import Axis
from saewidgets.figures.dictionary_report_text import interval
from saewidgets.figures.files import MARGIN, Files
from saewidgets.figures.frontier_text import alt_text
from saewidgets.figures.pen import NOTE, Pen, blank
from saewidgets.figures.plot import AXIS, Plot, mark
from saewidgets.figures.scene import Box, Scene
from saewidgets.payloads.dictionary_report import Estimate
from saewidgets.payloads.frontier import FrontierPayload, FrontierPoint, height

DASHES: dict[str, tuple[float, ...]] = {"pca": (4, 2), "random": (1.4, 1.8), "frozen decoder": (5, 2, 1.4, 2)}
NAMES = {"pca": "PCA"}
MAX_ROWS = 24


def scene(payload: FrontierPayload, width_mm: float = 170, theme: str = "light", portable: bool = False) -> Scene:
    """Everything the figure shows, placed in points.

    Args:
        payload: Of a frontier.
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
    y = MARGIN + NOTE
    end = pen.say(left, y, f"{pen.plain(payload.name_of_y, 40)} against L0", "ink", bold=True)
    pen.say(end, y, f" · {'top' if payload.y == 'CE' else 'bottom'} left is better")
    y = _scatter(pen, payload, left, right, y + 8)
    y = _legend(pen, payload, left, right, y + 2)
    y = _rows(pen, payload, left, right, y + 8)
    sources = [payload.context.model, payload.context.dictionaries, payload.context.version]
    sheet.height = pen.foot(left, right, y + 6, sources) + MARGIN
    return sheet


def placed(payload: FrontierPayload) -> list[tuple[FrontierPoint, Estimate]]:
    """What is drawn, by rising L0, with what it has upwards; 0 has no place on a logarithmic axis."""
    found = [
        (point, estimate)
        for point in payload.points
        if (estimate := height(point, payload.y)) is not None and (payload.x != "log" or point.l0.value > 0)
    ]
    return sorted(found, key=lambda pair: pair[0].l0.value)


def architectures(payload: FrontierPayload) -> list[str]:
    """Architectures of the dictionaries in order of appearance: which has which mark."""
    return list(dict.fromkeys(point.architecture for point in payload.points if point.kind == "dictionary"))


def _ends(estimate: Estimate) -> list[float]:
    return [value for value in (estimate.value, estimate.low, estimate.high) if value is not None]


def _axes(payload: FrontierPayload, shown: list[tuple[FrontierPoint, Estimate]]) -> tuple[Axis, Axis]:
    log = payload.x == "log"
    left, right = axes.span((v for point, _ in shown for v in _ends(point.l0)), positive=log) or (1.0, 100.0)
    low, high = axes.span(v for _, estimate in shown for v in _ends(estimate)) or (0.0, 1.0)
    x = axes.logarithmic(left / 1.25, right * 1.25, 6) if log else axes.linear(0, right * 1.05, 6)
    return x, axes.linear(low if payload.y == "CE" else min(0.0, low), high)


def _scatter(pen: Pen, payload: FrontierPayload, left: float, right: float, top: float) -> float:
    shown = placed(payload)
    x, y = _axes(payload, shown)
    plot = Plot(pen, x, y, left + 26, top, right - left - 30, 170)
    plot.frame()
    name = f"L0, active features a token{' (log)' if x.log else ''}"
    pen.say(right, plot.bottom + 17, name, anchor="right", size=AXIS)
    for kind in DASHES:
        _baseline(plot, kind, [(point.l0.value, e.value) for point, e in shown if point.kind == kind])
    front = {point.name for point in payload.front}
    plot.polyline([(p.l0.value, e.value) for p, e in shown if p.name in front], "control", (), "frontier")
    kinds = architectures(payload)
    for point, estimate in shown:
        if point.kind == "dictionary":
            _whiskers(plot, point.l0, estimate)
    for point, estimate in shown:
        if point.kind == "dictionary":
            plot.mark(point.l0.value, estimate.value, kinds.index(point.architecture), point.name in front)
    return plot.bottom + 20


def _baseline(plot: Plot, kind: str, points: list[tuple[float, float]]) -> None:
    """A broken line through small marks."""
    if not points:
        return
    plot.polyline(points, "ink3", DASHES[kind], "baseline")
    for point in points:
        x, y = plot.at(*point)
        plot.pen.scene.boxes.append(Box(x - 1.4, y - 1.4, 2.8, 2.8, plot.pen.palette["ink3"], radius=1.4))


def _whiskers(plot: Plot, l0: Estimate, estimate: Estimate) -> None:
    grey = plot.pen.palette["control"]
    if estimate.low is not None and estimate.high is not None:
        plot.pen.line([plot.at(l0.value, estimate.low), plot.at(l0.value, estimate.high)], grey, 0.9, part="whisker")
    if l0.low is not None and l0.high is not None and (l0.low > 0 or not plot.x.log):
        plot.pen.line([plot.at(l0.low, estimate.value), plot.at(l0.high, estimate.value)], grey, 0.9, part="whisker")


def _legend(pen: Pen, payload: FrontierPayload, left: float, right: float, top: float) -> float:
    x, y = left, top + NOTE
    own: list[tuple[str, int | str]] = [(pen.plain(name, 30), i) for i, name in enumerate(architectures(payload))]
    there = {point.kind for point in payload.points}
    baselines = [(NAMES.get(kind, kind), kind) for kind in DASHES if kind in there]
    for name, sign in [
        *own,
        *baselines,
        ("full: on the frontier, hollow: behind it", ""),
        ("cross: 95 % interval", ""),
    ]:
        before = 9 if isinstance(sign, int) else 22 if sign else 0
        if x > left and x + before + fonts.width(name, NOTE) > right:
            x, y = left, y + 10
        if isinstance(sign, int):
            mark(pen, x + 3, y - 2.4, sign)
        elif sign:
            pen.line([(x, y - 2.4), (x + 18, y - 2.4)], pen.palette["ink3"], 1.0, DASHES[sign], part="baseline")
        x = pen.say(x + before, y, name) + 12
    return y


def _rows(pen: Pen, payload: FrontierPayload, left: float, right: float, top: float) -> float:
    """Dictionaries on the frontier and then the others, by L0, until there are enough."""
    front = {point.name for point in payload.front}
    order = sorted(payload.points, key=lambda point: (point.name not in front, point.l0.value))
    if not order:
        return top
    wide = right - left > 330
    columns = [right - 174, right - 136, right - 70, right] if wide else [right - 70, right - 36, 0.0, right]
    y = top + NOTE
    for x, name in zip(
        columns, ("L0", "FVU", "95 %", pen.plain(payload.ce_name, 24) if wide else "CE rec."), strict=True
    ):
        if x:
            pen.say(x, y, name, anchor="right", size=AXIS)
    pen.box(left, y + 3, right - left, 0.5, pen.palette["control"], "rule")
    y += 3
    for point in order[:MAX_ROWS]:
        y += 10
        x = pen.say(
            left, y, fonts.fit(pen.plain(point.name, 80), columns[0] - 26 - left, NOTE), "ink", point.name in front
        )
        kind = point.architecture if point.kind == "dictionary" else NAMES.get(point.kind, point.kind)
        if columns[0] - 26 - x > 40:
            pen.say(x + 6, y, fonts.fit(pen.plain(kind, 40), columns[0] - 30 - x, NOTE))
        pen.say(columns[0], y, text.significant(point.l0.value), "ink", anchor="right")
        pen.say(columns[1], y, text.significant(point.fvu.value), "ink", anchor="right")
        if wide:
            pen.say(columns[2], y, interval(point.fvu), anchor="right", size=AXIS)
        pen.say(columns[3], y, text.significant(point.ce.value) if point.ce else "–", "ink", anchor="right")
    if len(order) > MAX_ROWS:
        y += 10
        pen.say(left, y, f"and {len(order) - MAX_ROWS} more")
    return y + 2


FILES = Files(scene, alt_text)
