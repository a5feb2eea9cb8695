"""Circuit payload -> figure: layers by tokens, what is pinned with its letters, predicted beside measured, scores."""

from __future__ import annotations

import math

import numpy as np

from saewidgets.figures import fonts, text
from saewidgets.figures.axes import linear, tick_label
from saewidgets.figures.circuit_reading import Unit, Visible, counted, label_of, share_of, units, visible
from saewidgets.figures.circuit_text import alt_text, place_of
from saewidgets.figures.files import MARGIN, Files
from saewidgets.figures.palette import letter
from saewidgets.figures.pen import NOTE, Pen, blank
from saewidgets.figures.plot import AXIS
from saewidgets.figures.scene import Box, Label, Line, Scene
from saewidgets.payloads.circuit import ERROR, FEATURE, GONE, LOGIT, NEW, TOKEN, CircuitMode, CircuitPayload

# Edges drawn at most, and the greyest and darkest of them.
MOST_EDGES = 600
_CIRCLE = tuple((math.cos(math.tau * i / 20), math.sin(math.tau * i / 20)) for i in range(20))
Point = tuple[float, float]


def scene(payload: CircuitPayload, width_mm: float = 170, theme: str = "light", portable: bool = False) -> Scene:
    """Everything the figure shows, placed in points.

    Args:
        payload: Of a circuit graph.
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
    shown = visible(payload)
    y = _graph(pen, payload, shown, (left, right, MARGIN))
    y = _legend(pen, payload, left, right, y)
    y = _pinned(pen, payload, left, right, y + 4)
    y = _effect(pen, payload, left, right, y + 6)
    parts = [
        counted(payload, shown),
        f"replacement {text.probability(payload.replacement)}",
        f"completeness {text.probability(payload.completeness)}",
        f"error share {text.probability(1 - payload.completeness)}",
        payload.edits,
    ]
    sources = [payload.context.model, payload.context.dictionaries, payload.context.version]
    sheet.height = pen.foot(left, right, y + 4, [*parts, *sources]) + MARGIN
    return sheet


def _mixed(pen: Pen, name: str, strength: float) -> str:
    """A colour, thinned with paper: figures have no transparency."""
    both = [[int(color[i : i + 2], 16) for i in (1, 3, 5)] for color in (pen.palette[name], pen.palette["paper"])]
    mixed = [round(a * strength + b * (1 - strength)) for a, b in zip(*both, strict=True)]
    return "#{:02X}{:02X}{:02X}".format(*mixed)


def _columns(pen: Pen, payload: CircuitPayload, left: float, right: float) -> list[tuple[float, float]]:
    """Left end and width of each token's column: its word, and a part of the rest by its nodes."""
    words = [min(44.0, fonts.width(_word(pen, payload, t), 8, "serif") + 4) for t in range(len(payload.columns))]
    room = right - left
    scale = min(1.0, room / max(sum(words), 1.0))
    free, total = max(0.0, room - sum(words)), max(1, int(payload.widths.sum()))
    found, at = [], left
    for word, width in zip(words, payload.widths.tolist(), strict=True):
        own = word * scale + free * width / total
        found.append((at, own))
        at += own
    return found


def _word(pen: Pen, payload: CircuitPayload, t: int) -> str:
    words = payload.tokens if payload.side != "before" or not payload.tokens_before else payload.tokens_before
    word = words[t] if t < len(words) else ""
    return pen.plain(text.special(word) if word.startswith("<") and word.endswith(">") else word.strip() or word, 20)


def _graph(pen: Pen, payload: CircuitPayload, shown: Visible, place: tuple[float, float, float]) -> float:
    left, right, top = place
    narrow = right - left < 300
    rows = len(payload.rows)
    gap = min(40.0 if narrow else 52.0, 420 / max(1, rows - 1))
    axis = left + (6 if narrow else 36)
    columns = _columns(pen, payload, axis + 4, right - 6)
    heights = [top + 16 + (rows - 1 - row) * gap for row in range(rows)]
    for row, y in enumerate(heights):
        ends = row in (0, rows - 1)
        pen.line([(axis, y), (right, y)], pen.palette["rule"], 0.5, () if ends else (0.6, 2.4), "row")
        if not narrow:
            name = fonts.fit(pen.plain(payload.rows[row], 20), axis - 4 - left, AXIS)
            pen.say(axis - 4, y + 2, name, anchor="right", size=AXIS)
        elif not ends:
            pen.say(left, y - 2, str(row - 1), size=AXIS)
    points = _points(payload, columns, heights, axis, right)
    _edges(pen, payload, shown, points)
    _nodes(pen, payload, shown, points)
    bottom = heights[0]
    for t, (start, width) in enumerate(columns):
        word = fonts.fit(_word(pen, payload, t), max(width - 1, 6), 8, "serif")
        x = start + width / 2
        pen.scene.labels.append(Label(x, bottom + 11, word, 8, pen.palette["ink"], "serif", anchor="center"))
        if not narrow:
            pen.say(x, bottom + 19, str(t), anchor="center", size=AXIS)
    _targets(pen, payload, points, heights[-1] - 6)
    return bottom + (16 if narrow else 24)


def _points(
    payload: CircuitPayload, columns: list[tuple[float, float]], heights: list[float], left: float, right: float
) -> list[Point]:
    nodes, found = payload.nodes, []
    targets = np.flatnonzero(nodes.kind == LOGIT).tolist()
    room = min(44.0, (right - left) / max(1, len(targets)))
    for n in range(len(nodes)):
        t = int(nodes.position[n])
        start, width = columns[t]
        part = (int(nodes.slot[n]) + 0.5) / max(1, int(payload.columns[t]))
        x = start + (0.5 if nodes.kind[n] == TOKEN else part) * width
        if nodes.kind[n] == LOGIT:
            # Targets are words side by side that end where the sheet ends.
            middle = start + width / 2
            first = max(left, min(middle - room * len(targets) / 2, right - room * len(targets)))
            x = first + (targets.index(n) + 0.5) * room
        found.append((x, heights[int(nodes.row[n])]))
    return found


def _edges(pen: Pen, payload: CircuitPayload, shown: Visible, points: list[Point]) -> None:
    """Grey ones first, then those of the node in hand and among what is pinned in effect colours."""
    place = {name: n for n, name in enumerate(payload.nodes.id)}
    hand = place.get(payload.selection, -1)
    lettered = {n for unit in units(payload) if unit.slot >= 0 for n in unit.nodes}
    side = payload.before if payload.side == "before" and payload.before is not None else payload.now
    own: list[tuple[float, int]] = []
    for e in shown.edges[:MOST_EDGES].tolist()[::-1]:
        ends = int(payload.source[e]), int(payload.target[e])
        share = share_of(side, payload, e)
        if hand in ends or set(ends) <= lettered:
            own.append((share, e))
        else:
            strength = min(0.55, 0.14 + 1.2 * abs(share))
            pen.line(_curve(points[ends[0]], points[ends[1]]), _mixed(pen, "control", strength), 0.4, part="edge")
    for share, e in sorted(own, key=lambda pair: abs(pair[0])):
        ends = int(payload.source[e]), int(payload.target[e])
        name, dash = ("raises", ()) if share >= 0 else ("lowers", (3.0, 1.8))
        strength = 1.0 if abs(share) > 0.03 else 0.45
        width = min(2.4, 0.5 + 6 * abs(share))
        pen.line(_curve(points[ends[0]], points[ends[1]]), _mixed(pen, name, strength), width, dash, "effect")


def _curve(start: Point, end: Point, steps: int = 12) -> list[Point]:
    """From one row to another, leaving and arriving upright."""
    (x1, y1), (x2, y2) = start, end
    bends = (y1 + 0.45 * (y2 - y1), y2 - 0.55 * (y2 - y1))
    found = []
    for i in range(steps + 1):
        t, u = i / steps, 1 - i / steps
        y = u**3 * y1 + 3 * u * u * t * bends[0] + 3 * u * t * t * bends[1] + t**3 * y2
        found.append(((u**3 + 3 * u * u * t) * x1 + (3 * u * t * t + t**3) * x2, y))
    return found


def _nodes(pen: Pen, payload: CircuitPayload, shown: Visible, points: list[Point]) -> None:
    nodes, grey = payload.nodes, pen.palette["control"]
    slots = {n: unit.slot for unit in units(payload) if unit.slot >= 0 for n in unit.nodes}
    influence = payload.now.influence
    if payload.before is not None:
        influence = np.maximum(influence, payload.before.influence)
    own = shown.nodes & (nodes.kind <= ERROR)
    most = float(influence[nodes.kind <= ERROR].max(initial=0.0)) or 1.0
    order = sorted(np.flatnonzero(own).tolist(), key=lambda n: (n in slots, float(influence[n])))
    for n in order:
        x, y = points[n]
        size = max(0.9, 4.6 * math.sqrt(float(influence[n]) / most))
        size = max(size, 4.4) if n in slots else size
        chip = pen.palette.chip(slots[n]) if n in slots else None
        marked = payload.before is not None and payload.side != "before"
        gone = marked and nodes.status[n] == GONE
        fill = (
            pen.palette["paper"] if gone or (nodes.kind[n] == ERROR and chip is None) else chip.fill if chip else grey
        )
        edge = chip.fill if chip else grey
        shape: tuple[Point, ...] = _CIRCLE if nodes.kind[n] == FEATURE else ((-1, -1), (1, -1), (1, 1), (-1, 1))
        size = max(size, 1.8) if nodes.kind[n] == ERROR else size
        corners = tuple((x + dx * size, y + dy * size) for dx, dy in shape)
        pen.scene.lines.append(Line(corners, edge, 0.7, (1.4, 1.2) if gone else (), fill=fill, part="node"))
        if marked and nodes.status[n] == NEW:
            ring = tuple((x + dx * (size + 1.6), y + dy * (size + 1.6)) for dx, dy in (*_CIRCLE, _CIRCLE[0]))
            pen.line(list(ring), pen.palette["ink2"], 0.5, part="new")
        if payload.nodes.id[n] == payload.selection:
            ring = tuple((x + dx * (size + 2.2), y + dy * (size + 2.2)) for dx, dy in (*_CIRCLE, _CIRCLE[0]))
            pen.line(list(ring), pen.palette["ink"], 1.2, part="selected")
        if chip is not None:
            color = pen.palette["ink"] if gone else chip.text
            name = letter(slots[n])
            pen.scene.labels.append(Label(x, y + 2.2, name, 6, color, bold=True, anchor="center"))


def _targets(pen: Pen, payload: CircuitPayload, points: list[Point], y: float) -> None:
    side = payload.before if payload.side == "before" and payload.before is not None else payload.now
    nodes = payload.nodes
    targets = [n for n in np.flatnonzero(nodes.kind == LOGIT).tolist() if side.weight[n] > 0]
    targets.sort(key=lambda n: -float(side.weight[n]))
    # The likeliest are named, as far as they do not run into each other.
    taken: list[tuple[float, float]] = []
    for n in targets:
        word = pen.plain(nodes.label[n].strip() or nodes.label[n], 20)
        value = text.probability(float(side.probability[n] or side.weight[n]))
        wide = fonts.width(word, 8, "serif") + fonts.width(f" {value}", 6)
        x = min(points[n][0] - wide / 2, pen.scene.width - MARGIN - wide)
        if any(x < end + 3 and x + wide > start - 3 for start, end in taken):
            continue
        taken.append((x, x + wide))
        after = pen.say(x, y, word, "ink", size=8, face="serif")
        pen.say(after + 2, y, value, size=AXIS)


def _legend(pen: Pen, payload: CircuitPayload, left: float, right: float, top: float) -> float:
    y = top + 9
    x = left
    for name, dash, words in (("raises", (), "raises"), ("lowers", (3.0, 1.8), "lowers")):
        pen.line([(x, y - 2.2), (x + 14, y - 2.2)], pen.palette[name], 1.4, dash, "sign")
        x = pen.say(x + 17, y, words) + 10
    for size, words in ((3.0, "feature, area = influence"), (0.0, "error")):
        if x + fonts.width(words, NOTE) + 12 > right:
            x, y = left, y + 10
        if size:
            corners = tuple((x + 3 + dx * size, y - 2.2 + dy * size) for dx, dy in _CIRCLE)
            pen.scene.lines.append(Line(corners, "", 0.0, fill=pen.palette["control"], part="sign"))
        else:
            pen.scene.boxes.append(Box(x, y - 5, 5, 5, edge=pen.palette["control"], line=0.7))
        x = pen.say(x + 9, y, words) + 10
    if payload.before is not None and payload.side != "before":
        words = "ringed: new · dashed: gone"
        if x + fonts.width(words, NOTE) > right:
            x, y = left, y + 10
        pen.say(x, y, words)
    return y + 2


def _pinned(pen: Pen, payload: CircuitPayload, left: float, right: float, top: float) -> float:
    """Letters with their names, in two columns where there is room."""
    named = [unit for unit in units(payload) if unit.slot >= 0]
    if not named:
        return top
    each = 2 if right - left > 300 else 1
    room, y = (right - left) / each, top
    for i, unit in enumerate(named):
        x, y = left + (i % each) * room, top + 10 + (i // each) * 11
        _chip(pen, unit, x, y)
        places = ", ".join(place_of(payload, n) for n in unit.nodes[:3])
        name = fonts.fit(pen.plain(unit.label, 60), room - 50, NOTE)
        end = pen.say(x + 12, y, name, "ink")
        pen.say(end + 5, y, fonts.fit(pen.plain(places, 40), max(10.0, x + room - end - 12), AXIS), size=AXIS)
    if payload.worth is not None:
        worth = payload.worth
        y += 11
        words = (
            f"carries {text.probability(worth.faithfulness)} of the effect, what is left out "
            f"{text.probability(worth.completeness)}; {worth.n} random circuits "
            f"{text.probability(worth.low)} to {text.probability(worth.high)}"
        )
        pen.say(left, y, fonts.fit(words, right - left, NOTE), "ink2")
    return y + 2


def _chip(pen: Pen, unit: Unit, x: float, y: float) -> None:
    chip = pen.palette.chip(unit.slot)
    pen.scene.boxes.append(Box(x, y - 7, 9, 9, chip.fill, radius=1.5))
    pen.scene.labels.append(Label(x + 4.5, y - 0.3, letter(unit.slot), 6.5, chip.text, bold=True, anchor="center"))


def _effect(pen: Pen, payload: CircuitPayload, left: float, right: float, top: float) -> float:
    """Predicted and measured, in the freest mode; then next tokens before and after."""
    effect = payload.effect
    if effect is None or not effect.modes:
        return top
    mode = effect.modes[-1]
    y = top + NOTE + 2
    end = pen.say(left, y, fonts.fit(f"Ablated: {pen.plain(effect.label, 60)}", (right - left) / 2, NOTE), "ink", True)
    pen.say(end, y, fonts.fit(f" · {mode.mode}, 1 prompt, error term {pen.plain(effect.error, 20)}", right - end, NOTE))
    y = _dots(pen, payload, mode, left, right, y + 4)
    words = f"○ predicted  ● measured  grey: {effect.n} random circuits of like size, seed {effect.seed}"
    pen.say(left, y + 8, fonts.fit(words, right - left, NOTE))
    y += 10
    said = payload.words
    if said.after is not None and len(said.word):
        shown = [
            f"{pen.plain(word.strip() or word, 16)} {text.probability(float(b))} → {text.probability(float(a))}"
            for word, b, a in list(zip(said.word, said.before, said.after, strict=True))[:4]
        ]
        y += 9
        pen.say(left, y, fonts.fit(f"next token: {' · '.join(shown)}", right - left, NOTE), "ink2")
    return y + 2


def _dots(pen: Pen, payload: CircuitPayload, mode: CircuitMode, left: float, right: float, top: float) -> float:
    effect = payload.effect
    assert effect is not None
    values = np.concatenate([mode.predicted, mode.measured, mode.low, mode.high, [0.0]])
    axis = linear(float(values.min()), float(values.max()), 5)
    start = left + min(130.0, 0.42 * (right - left))
    place = {name: n for n, name in enumerate(payload.nodes.id)}

    def x(value: float) -> float:
        return start + axis.place(float(value)) * (right - start - 6)

    ink, paper, y = pen.palette["ink"], pen.palette["paper"], top
    for i, name in enumerate(effect.rows):
        y = top + 7 + i * 11
        pen.box(x(mode.low[i]), y - 4, max(0.6, x(mode.high[i]) - x(mode.low[i])), 8, pen.palette["band"], "band")
        label = label_of(payload, place[name]) if name in place else effect.names[i]
        pen.say(left, y + 2.2, fonts.fit(pen.plain(label, 50), start - left - 6, NOTE), "ink")
        pen.line([(x(mode.predicted[i]), y), (x(mode.measured[i]), y)], pen.palette["control"], 0.8)
        for value, fill in ((mode.predicted[i], paper), (mode.measured[i], ink)):
            corners = tuple((x(value) + dx * 2.4, y + dy * 2.4) for dx, dy in _CIRCLE)
            pen.scene.lines.append(Line(corners, ink, 0.8, fill=fill, part="dot"))
    bottom = y + 7
    pen.line([(x(0.0), top), (x(0.0), bottom)], pen.palette["control"], 0.6, part="axis")
    pen.box(start, bottom, right - start, 0.5, pen.palette["control"], "axis")
    for tick in axis.ticks:
        pen.say(x(tick), bottom + 8, f"{'+' if tick > 0 else ''}{tick_label(tick)}", anchor="center", size=AXIS)
    pen.say(left, bottom + 8, "change", size=AXIS)
    return bottom + 10


FILES = Files(scene, alt_text)
