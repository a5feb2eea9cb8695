"""Writes and draws on a sheet: notes, boxes, lines, the foot of every figure."""

from dataclasses import dataclass
from functools import partial

from saewidgets.figures import fonts, text
from saewidgets.figures.files import MM, check_width
from saewidgets.figures.palette import Palette, palette
from saewidgets.figures.scene import Box, Label, Line, Scene

NOTE = 7.0


@dataclass(frozen=True, slots=True)
class Pen:
    """A sheet with its colours.

    Args:
        scene: The sheet.
        palette: Colours.
        covers: Which characters the sans face has.
    """

    scene: Scene
    palette: Palette
    covers: text.Covers

    def say(
        self, x: float, y: float, words: str, color: str = "ink3", bold: bool = False, anchor: str = "left",
        size: float = NOTE, face: str = "sans",
    ) -> float:  # fmt: skip
        """Write on a baseline; returns where the text ends (its left end when anchored right)."""
        # SVG drops a space at the beginning of a text.
        x += fonts.width(" ", size, face, bold) * (len(words) - len(words.lstrip(" ")))
        words = words.lstrip(" ")
        self.scene.labels.append(Label(x, y, words, size, self.palette[color], face, bold, anchor))
        length = fonts.width(words, size, face, bold)
        return x - length if anchor == "right" else x + length

    def box(self, x: float, y: float, width: float, height: float, color: str, part: str) -> None:
        """A filled rectangle; `color` is `#RRGGBB`."""
        self.scene.boxes.append(Box(x, y, width, height, color, part=part))

    def line(
        self, points: list[tuple[float, float]], color: str, width: float = 1.0, dash: tuple[float, ...] = (),
        part: str = "line",
    ) -> None:  # fmt: skip
        """A broken line; `color` is `#RRGGBB`."""
        self.scene.lines.append(Line(tuple(points), color, width, dash, part=part))

    def plain(self, words: str, limit: int = 80) -> str:
        """One harmless line of what a stranger wrote."""
        return text.plain(words, limit, self.covers)

    def foot(self, left: float, right: float, top: float, parts: list[str]) -> float:
        """Where it all comes from: one grey line under a rule; returns its bottom."""
        self.box(left, top, right - left, 0.5, self.palette["rule"], "rule")
        x, y = left, top + 10
        for part in filter(None, parts):
            words = fonts.fit(self.plain(part), right - left, 6.0)
            if x > left and x + fonts.width(f" · {words}", 6.0) > right:
                x, y = left, y + 8
            x = self.say(x, y, words if x == left else f" · {words}", size=6.0)
        return y + 2


def blank(width_mm: float, theme: str, portable: bool) -> tuple[Scene, Pen]:
    """An empty sheet with a pen for it; `portable`: no character is missing, the reader's fonts draw the text.

    Raises:
        FigureError: Width or theme is out of range.
    """
    check_width(width_mm)
    colours = palette(theme)
    sheet = Scene(width_mm * MM, colours["paper"])
    return sheet, Pen(sheet, colours, text.everything if portable else partial(fonts.covers, "sans"))
