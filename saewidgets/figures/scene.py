"""What a figure is made of: boxes, lines and labels on a sheet, in points, y downwards from the top edge.

A scene knows nothing of payloads nor of matplotlib, so that every view's figure is laid out by plain arithmetic and
can be tested without rendering.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle.

    Args:
        x, y, width, height: Left, top and size in points.
        fill: `#RRGGBB`, "" for none.
        edge: Colour of the outline, "" for none; it lies inside the rectangle.
        line: Width of the outline.
        radius: Of the corners.
        part: What it is, e.g. `"fill"`; all boxes of one part and look are drawn together, where the first one was.
    """

    x: float
    y: float
    width: float
    height: float
    fill: str = ""
    edge: str = ""
    line: float = 0.5
    radius: float = 0.0
    part: str = "box"


@dataclass(frozen=True, slots=True)
class Label:
    """A text on one line.

    Args:
        x, y: Anchor and baseline in points.
        text: Harmless text (see `figures.text`).
        size: Font size in points.
        color: `#RRGGBB`.
        face: `"sans"`, `"serif"` or `"mono"`.
        bold: Bold weight.
        anchor: `"left"`, `"center"` or `"right"`.
    """

    x: float
    y: float
    text: str
    size: float
    color: str
    face: str = "sans"
    bold: bool = False
    anchor: str = "left"


@dataclass(frozen=True, slots=True)
class Line:
    """A broken line, or the polygon it closes.

    Args:
        points: `(x, y)` of each corner.
        color: `#RRGGBB`, "" for none.
        width: Of the line.
        dash: Lengths of dash and gap in points, in turn; `()` for a solid line.
        fill: `#RRGGBB` of the polygon, which is then closed; "" for none.
        part: What it is, e.g. `"curve"`.
    """

    points: tuple[tuple[float, float], ...]
    color: str
    width: float = 1.0
    dash: tuple[float, ...] = ()
    fill: str = ""
    part: str = "line"


@dataclass(slots=True)
class Scene:
    """A sheet that is being filled: labels lie over lines, lines over boxes, later over earlier ones of another look.

    Args:
        width: In points.
        paper: Colour of the sheet.
        height: In points; set when everything is placed.
    """

    width: float
    paper: str
    height: float = 0.0
    boxes: list[Box] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
