"""Scene -> matplotlib figure -> SVG, PNG, PDF. Never pyplot, and no setting of the user's is changed for good.

Text stays text in SVG and PDF, nothing in it is read as mathematics, and no date is written: the same scene gives the
same bytes. `_SETTINGS` are matplotlib's global ones that have no argument; a lock guards the moment they are set.
"""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import pairwise
from math import dist
from threading import RLock
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.transforms import Affine2D
from PIL import Image, ImageColor

from saewidgets.errors import FigureError
from saewidgets.figures import fonts
from saewidgets.figures.scene import Box, Label, Line, Scene

_SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "saewidgets",
    "pdf.fonttype": 42,
    "pdf.compression": 6,
    "pdf.use14corefonts": False,
    "text.hinting": "no_hinting",
    "path.simplify": False,
}
_LOCK = RLock()
# `figure.autolayout` would move nothing, but warn.
_FREE: dict[str, Any] = {"layout": "none"}
# Artists take these from the user's settings when they are made.
_BARE: dict[str, Any] = {"sketch_params": None, "path_effects": []}
# From the middle of an arc's chord to its control point, for a circle made of Bezier curves.
_ROUND = 0.5523


class _PlainText(Text):
    """Text at a fixed place on its baseline: no layout, no mathematics, no wrapping, so nothing in it has a meaning."""

    def draw(self, renderer: Any) -> None:
        """Hand the string to the renderer as it is."""
        gc = renderer.new_gc()
        gc.set_foreground(self.get_color())
        x, y = self.get_transform().transform(self.get_unitless_position())
        if renderer.flipy():
            y = renderer.get_canvas_width_height()[1] - y
        renderer.draw_text(gc, x, y, self.get_text(), self.get_fontproperties(), 0, ismath=False, mtext=self)
        gc.restore()


def _text(label: Label, portable: bool) -> Text:
    """A label; in a portable file the reader's own fonts decide its width, so there it keeps its anchor."""
    x, face = label.x, fonts.properties(label.face, label.size, label.bold)
    if portable:
        face.set_family([f"saewidgets {label.face}"])  # `_name_fonts` puts the real names
    elif label.anchor != "left":
        share = 1.0 if label.anchor == "right" else 0.5
        x -= share * fonts.width(label.text, label.size, label.face, label.bold)
    return _PlainText(
        x,
        label.y,
        label.text,
        color=label.color,
        fontproperties=face,
        ha=label.anchor if portable else "left",
        va="baseline",
        parse_math=False,
        usetex=False,
    )


def _outline(box: Box) -> tuple[list[tuple[float, float]], list[Any]]:
    inset = box.line / 2 if box.edge else 0.0
    x, y = box.x + inset, box.y + inset
    right, bottom = box.x + box.width - inset, box.y + box.height - inset
    r = min(box.radius, (right - x) / 2, (bottom - y) / 2)
    if r <= 0:
        points = [(x, y), (right, y), (right, bottom), (x, bottom), (x, y)]
        return points, [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
    k = r * (1 - _ROUND)
    points = [
        (x + r, y), (right - r, y), (right - k, y), (right, y + k), (right, y + r),
        (right, bottom - r), (right, bottom - k), (right - k, bottom), (right - r, bottom),
        (x + r, bottom), (x + k, bottom), (x, bottom - k), (x, bottom - r),
        (x, y + r), (x, y + k), (x + k, y), (x + r, y), (x + r, y),
    ]  # fmt: skip
    corner = [Path.LINETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
    return points, [Path.MOVETO, *corner * 4, Path.CLOSEPOLY]


def _patches(boxes: list[Box]) -> Iterator[PathPatch]:
    """One patch for all boxes of one look: few objects, and groups with names in the SVG."""
    looks: dict[tuple[str, str, str, float], list[Box]] = {}
    for box in boxes:
        looks.setdefault((box.part, box.fill, box.edge, box.line), []).append(box)
    for number, ((part, fill, edge, line), group) in enumerate(looks.items()):
        points: list[tuple[float, float]] = []
        codes: list[Any] = []
        for box in group:
            more, kinds = _outline(box)
            points += more
            codes += kinds
        yield PathPatch(
            Path(points, codes),
            facecolor=fill or "none",
            edgecolor=edge or "none",
            linewidth=line if edge else 0,
            joinstyle="miter",
            gid=f"{part}.{number}",
        )


def dashes(line: Line) -> list[tuple[tuple[float, float], ...]]:
    """The strokes of a line; cut here, for matplotlib stretches dashes as the user's settings say."""
    if not line.dash or len(line.points) < 2:
        return [line.points] if line.points else []
    strokes: list[tuple[tuple[float, float], ...]] = []
    number, left, stroke = 0, line.dash[0], [line.points[0]]
    for start, end in pairwise(line.points):
        length, done = dist(start, end), 0.0
        while length - done >= left:
            done += left
            share = done / length
            at = (start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1]))
            if number % 2 == 0:
                strokes.append((*stroke, at))
            number += 1
            left, stroke = line.dash[number % len(line.dash)], [at]
        left -= length - done
        if length > done:
            stroke.append(end)
    return [*strokes, tuple(stroke)] if number % 2 == 0 and len(stroke) > 1 else strokes


def _line(line: Line, number: int) -> PathPatch:
    closed = bool(line.fill)
    points: list[tuple[float, float]] = []
    codes: list[Any] = []
    for stroke in [(*line.points, line.points[0])] if closed else dashes(line):
        points += stroke
        codes += [Path.MOVETO, *[Path.LINETO] * (len(stroke) - 2), Path.CLOSEPOLY if closed else Path.LINETO]
    return PathPatch(
        Path(points, codes),
        facecolor=line.fill or "none",
        edgecolor=line.color or "none",
        linewidth=line.width if line.color else 0,
        joinstyle="round",
        capstyle="butt",
        gid=f"{line.part}.{number}",
    )


def figure(scene: Scene, dpi: float = 72, portable: bool = False) -> Figure:
    """A matplotlib figure of a scene.

    Args:
        scene: What to draw.
        dpi: Resolution of raster output.
        portable: For a file whose text other machines draw with their own fonts.

    Returns:
        The figure, which the caller may add to and save.
    """
    size = (scene.width / 72, scene.height / 72)
    result = Figure(size, dpi, facecolor=scene.paper, edgecolor="none", linewidth=0, frameon=True, **_FREE)
    result.patch.set(**_BARE)
    place = Affine2D().scale(1 / 72, -1 / 72).translate(0, scene.height / 72) + result.dpi_scale_trans
    lines = [_line(line, number) for number, line in enumerate(scene.lines) if len(line.points) > 1]
    artists = [*_patches(scene.boxes), *lines, *(_text(label, portable) for label in scene.labels)]
    for order, artist in enumerate(artists):
        artist.set(transform=place, clip_on=False, zorder=order, **_BARE)
        result.add_artist(artist)
    return result


@contextmanager
def _settings() -> Iterator[None]:
    """Set only what has no argument, and put only that back: `rc_context` would undo other threads' changes."""
    with _LOCK:
        before = {name: mpl.rcParams[name] for name in _SETTINGS}
        mpl.rcParams.update(_SETTINGS)
        try:
            yield
        finally:
            mpl.rcParams.update(before)


def _file(scene: Scene, kind: str, dpi: float, title: str) -> bytes:
    sheet = figure(scene, dpi, portable=kind == "svg")
    out = BytesIO()
    try:
        with _settings():
            # Each backend when it is needed: the first picture of a notebook waits for a PNG alone.
            if kind == "svg":
                from matplotlib.backends.backend_svg import FigureCanvasSVG

                nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
                FigureCanvasSVG(sheet).print_svg(out, metadata={**nothing, "Title": title})
            elif kind == "pdf":
                from matplotlib.backends.backend_pdf import FigureCanvasPdf

                FigureCanvasPdf(sheet).print_pdf(
                    out, metadata={"CreationDate": None, "Creator": "saewidgets", "Producer": None, "Title": title}
                )
            else:
                FigureCanvasAgg(sheet).print_png(out, metadata={"Software": None})
    except (MemoryError, OverflowError, ValueError) as error:
        size = f"{scene.width:.0f} x {scene.height:.0f} points at {dpi:.0f} dpi"
        raise FigureError(f"The figure cannot be drawn ({size}).", "Use a smaller width or a lower dpi.") from error
    return out.getvalue()


def svg(scene: Scene, title: str = "") -> str:
    """The scene as an SVG document with real text."""
    return _name_fonts(_file(scene, "svg", 72, title).decode("utf-8"))


def _name_fonts(document: str) -> str:
    """Short lists of families in place of the marks that `_text` left; a text cannot hold the `<` looked for."""
    document = re.sub(r"<!DOCTYPE[^>]*>\s*", "", document, count=1)
    pattern = re.compile(r"(<text style=\"[^\"]*?font-family: )'saewidgets (\w+)'")
    return pattern.sub(lambda found: found[1] + fonts.CSS[found[2]], document)


def pdf(scene: Scene, title: str = "") -> bytes:
    """The scene as a one-page PDF with embedded, searchable text."""
    return _file(scene, "pdf", 72, title)


def png(scene: Scene, dpi: float = 144, colors: int | None = None) -> bytes:
    """The scene as a PNG; with a number of `colors` a small one, in its own colours and shades of its text."""
    data = _file(scene, "png", dpi, "")
    if colors is None:
        return data
    out = BytesIO()
    with Image.open(BytesIO(data)) as picture:
        few = picture.convert("RGB").quantize(palette=_own_colors(scene, colors), dither=Image.Dither.NONE)
        few.save(out, "PNG", optimize=True)
    return out.getvalue()


def _own_colors(scene: Scene, n: int) -> Image.Image:
    """A palette of the scene's colours, those of most pieces first: colours are data, so none may turn into another.

    What is left of `n` are the shades between paper and darkest text, for the edges of letters.
    """
    used = Counter(color for box in scene.boxes for color in (box.fill, box.edge))
    used.update(color for line in scene.lines for color in (line.color, line.fill))
    used.update(label.color for label in scene.labels)
    names = dict.fromkeys([scene.paper, *(color for color, _ in used.most_common() if color)])
    own = [ImageColor.getrgb(name)[:3] for name in names][:n]
    darkest, left = min(own, key=sum), n - len(own)
    shares = [(step + 1) / (left + 1) for step in range(left)]
    shades = [tuple(round(a + (b - a) * share) for a, b in zip(own[0], darkest, strict=True)) for share in shares]
    result = Image.new("P", (1, 1))
    result.putpalette([part for color in (*own, *shades, *[own[0]] * (256 - n)) for part in color])
    return result
