"""The token strip on paper: words, fills, lanes, before above after with equal line breaks."""

from dataclasses import dataclass, replace
from itertools import pairwise

from saewidgets.figures import fonts
from saewidgets.figures.palette import Palette, letter, step
from saewidgets.figures.reading import Copy
from saewidgets.figures.scene import Box, Label, Scene
from saewidgets.figures.text import ELLIPSIS, Drawn, Run
from saewidgets.payloads.heatmap import ChosenFeature

TEXT, NOTE, HEX = 8.0, 7.0, 5.5
GAP, SEAM, PAD = 2.0, 0.5, 0.5
BAND = 11.5  # height of a fill
RULE = 0.5  # least line that prints


@dataclass(frozen=True, slots=True)
class Placed:
    """A token on its line.

    Args:
        position: Of the token in the prompt.
        x, width: Of its fill, in points from the strip's left edge.
        drawn: What is drawn.
    """

    position: int
    x: float
    width: float
    drawn: Drawn


def run_width(run: Run) -> float:
    """Width of a run in points, its frame included."""
    if run.kind == "mark":
        return fonts.width(f"‹{run.text}›", HEX, "sans") + 3.0
    if run.kind == "hex":
        return fonts.width(run.text, HEX, "mono") + 1.6
    return fonts.width(run.text, TEXT, "serif")


def token_width(token: Drawn) -> float:
    """Width of a token's fill in points."""
    return sum(map(run_width, token.runs)) + 2 * PAD


def _cut(token: Drawn, room: float) -> Drawn:
    """The token, shortened when it alone is wider than a line."""
    if token_width(token) <= room:
        return token
    kept: list[Run] = []
    free = room - 2 * PAD - fonts.width(ELLIPSIS, TEXT, "serif")
    for run in token.runs:
        if run_width(run) > free:
            if run.kind == "text":
                kept.append(Run(fonts.fit(run.text, free, TEXT, "serif").rstrip(ELLIPSIS)))
            break
        kept.append(run)
        free -= run_width(run)
    return replace(token, runs=(*kept, Run(ELLIPSIS, "sign")))


def _words(drawn: list[Drawn]) -> list[list[int]]:
    """Positions in groups that a line break may not part."""
    words: list[list[int]] = []
    for position, token in enumerate(drawn):
        fresh = not words or token.gap or drawn[position - 1].breaks
        alone = token.runs[0].kind == "mark" or (bool(words) and drawn[position - 1].runs[0].kind == "mark")
        if (fresh or alone) and not token.joined:
            words.append([])
        words[-1].append(position)
    return words


def lines(drawn: list[Drawn], room: float) -> list[list[Placed]]:
    """Break a prompt into lines.

    Args:
        drawn: Its tokens.
        room: Width of a line in points.

    Returns:
        Tokens of each line. A word's pieces stay together unless the word alone is wider than a line.
    """
    drawn = [_cut(token, room) for token in drawn]
    widths = [token_width(token) for token in drawn]
    result: list[list[Placed]] = [[]]
    x = 0.0
    for word in _words(drawn):
        needed = sum(widths[p] for p in word) + SEAM * (len(word) - 1)
        if result[-1] and x + GAP + needed > room:
            result.append([])
        for position in word:
            token = drawn[position]
            line = result[-1]
            start = x + (GAP if token.gap else SEAM) if line else 0.0
            if line and start + widths[position] > room:
                result.append([])
                start = 0.0
            result[-1].append(Placed(position, start, widths[position], token))
            x = start + widths[position]
        if drawn[word[-1]].breaks:
            result.append([])
    return [line for line in result if line]


def lane_height(n: int) -> float:
    """Full height of a lane's bar: lower beyond four lanes."""
    return 4.0 if n <= 4 else 2.8


def lane_pitch(n: int) -> float:
    """From one lane's base to the next."""
    return lane_height(n) + 1.4


def line_height(n: int) -> float:
    """Height of one line of the strip with `n` lanes."""
    return 4.0 + BAND + n * lane_pitch(n) + 1.0


def bar_height(value: float, maximum: float, full: float) -> float:
    """Height of a lane's bar: the share of the feature's maximum, and visible wherever the feature is active."""
    if value <= 0 or maximum <= 0:
        return 0.0
    return max(full / 3, min(1.0, value / maximum) * full)


@dataclass(frozen=True, slots=True)
class Strip:
    """How the strip of a payload is drawn.

    Args:
        scene: The sheet.
        palette: Colours.
        features: Chosen features, a lane each.
        slot: Slot of the feature that fills; `None` for a fill that belongs to no feature.
        selection: Position of the token that is framed.
    """

    scene: Scene
    palette: Palette
    features: tuple[ChosenFeature, ...]
    slot: int | None
    selection: int

    def line(self, line: list[Placed], values: Copy, left: float, top: float) -> None:
        """Draw one line with its lanes, from `top` downwards."""
        for placed in line:
            self._token(placed, values, left, top + 4.0)
        for order, feature in enumerate(self.features):
            self._lane(line, values, order, feature, left, top + 4.0 + BAND)
        for placed in line:
            if placed.position == self.selection:
                x, edge = left + placed.x - 1, self.palette["ink"]
                box = Box(x, top + 3.0, placed.width + 2, BAND + 2, "", edge, 0.9, 1.6, part="selection")
                self.scene.boxes.append(box)
        for first, last in _brackets(line):
            self._box(left + first.x, top + 3.0, last.x + last.width - first.x, RULE, self.palette["ink2"], "bracket")

    def letters(self, right: float, top: float) -> None:
        """Letters of the lanes in the margin."""
        n = len(self.features)
        for order, feature in enumerate(self.features):
            base = top + 4.0 + BAND + (order + 1) * lane_pitch(n)
            size = 5.0 if n <= 4 else 4.2
            self.scene.labels.append(
                Label(right, base + 0.9, letter(feature.slot), size, self.palette["ink2"], bold=True, anchor="right")
            )

    def _box(self, x: float, y: float, width: float, height: float, fill: str, part: str) -> None:
        self.scene.boxes.append(Box(x, y, width, height, fill, part=part))

    def _token(self, placed: Placed, values: Copy, left: float, top: float) -> None:
        position, x = placed.position, left + placed.x
        level = step(float(values.fill[position]), values.maximum) if position else 0
        ink = self.palette.ramp(self.slot)[level - 1] if level else None
        if ink:
            self.scene.boxes.append(Box(x, top, placed.width, BAND, ink.fill, radius=1.0, part="fill"))
        if values.changed[position]:
            dot = Box(x + placed.width / 2 - 0.9, top - 3.6, 1.8, 1.8, self.palette["ink"], radius=0.9, part="changed")
            self.scene.boxes.append(dot)
        x += PAD
        for run in placed.drawn.runs:
            self._run(run, x, top, ink.text if ink else "")
            x += run_width(run)

    def _run(self, run: Run, x: float, top: float, on_fill: str) -> None:
        base = top + BAND - 3.3
        palette = self.palette
        if run.kind == "mark":
            size = run_width(run)
            edge = on_fill or palette["control"]
            self.scene.boxes.append(Box(x + 0.4, top + 1.3, size - 0.8, BAND - 2.6, "", edge, RULE, part="mark"))
            self.scene.labels.append(
                Label(x + 1.5, base - 0.4, f"‹{run.text}›", HEX, on_fill or palette["ink3"], "sans")
            )
        elif run.kind == "hex":
            self.scene.labels.append(Label(x + 0.8, base, run.text, HEX, on_fill or palette["ink2"], "mono"))
        else:
            color = on_fill or palette["ink3" if run.kind == "sign" else "ink"]
            self.scene.labels.append(Label(x, base, run.text, TEXT, color, "serif"))

    def _lane(
        self, line: list[Placed], values: Copy, order: int, feature: ChosenFeature, left: float, top: float
    ) -> None:
        n = len(self.features)
        base = top + (order + 1) * lane_pitch(n)
        color, part = self.palette.chip(feature.slot).fill, f"lane-{letter(feature.slot)}"
        drawn = [placed for placed in line if placed.drawn.runs[0].kind != "mark" or placed.position]
        for placed in drawn:
            self._box(left + placed.x, base, placed.width, RULE, self.palette["rule"], "base")
        for hollow, row in ((False, values.lanes[order]), (True, values.removed[order])):
            for placed in drawn:
                height = bar_height(float(row[placed.position]), feature.maximum, lane_height(n))
                if not height:
                    continue
                box = Box(left + placed.x, base + RULE - height, placed.width, height, color, part=part)
                if hollow:
                    box = Box(
                        box.x, box.y, box.width, height, self.palette["paper"], color, RULE, part=f"{part}-removed"
                    )
                self.scene.boxes.append(box)


def _brackets(line: list[Placed]) -> list[tuple[Placed, Placed]]:
    """First and last token of each character that is cut into several tokens."""
    result: list[tuple[Placed, Placed]] = []
    for before, placed in pairwise(line):
        if placed.drawn.joined:
            first = result.pop()[0] if result and result[-1][1] is before else before
            result.append((first, placed))
    return result
