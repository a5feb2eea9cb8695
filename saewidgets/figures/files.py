"""The files of a view's figure, all made from its scene: SVG, PNG, PDF, a matplotlib figure, a small preview."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from matplotlib.figure import Figure

from saewidgets.errors import FigureError, shorten
from saewidgets.figures import draw
from saewidgets.figures.scene import Scene

MM = 72 / 25.4
MARGIN = 6.0
# (dpi, colours, width in mm), the better first.
_PREVIEWS = ((72, 32, 170), (72, 24, 110), (72, 16, 85))


class MakeScene(Protocol):
    """What lays a payload out on a sheet."""

    def __call__(self, payload: Any, width_mm: float = 170, theme: str = "light", portable: bool = False) -> Scene:
        """The finished scene."""


class SayAlt(Protocol):
    """What says a payload in one sentence."""

    def __call__(self, payload: Any) -> str:
        """The sentence."""


def check_width(width_mm: float) -> None:
    """Refuse a width that is no paper's.

    Raises:
        FigureError: It is below 60 or above 400 mm.
    """
    if not 60 <= width_mm <= 400:
        raise FigureError(f"A width of {shorten(width_mm)} mm.", "Use 60 to 400: 85 for a column, 170 for a page.")


def check_dpi(dpi: float) -> None:
    """Refuse a resolution that is no printer's.

    Raises:
        FigureError: It is below 36 or above 1200 dpi.
    """
    if not 36 <= dpi <= 1200:
        raise FigureError(f"A resolution of {shorten(dpi)} dpi.", "Use 36 to 1200.")


@dataclass(frozen=True, slots=True)
class Files:
    """Every file of one kind of figure.

    Args:
        scene: Lays out.
        alt_text: Titles.
    """

    scene: MakeScene
    alt_text: SayAlt

    def to_figure(self, payload: Any, width_mm: float = 170, theme: str = "light") -> Figure:
        """A matplotlib figure; nothing of pyplot is touched.

        Args:
            payload: What is drawn.
            width_mm: Width in millimetres, 60 to 400.
            theme: `"light"` or `"dark"`.

        Raises:
            FigureError: Width or theme is out of range.
        """
        return draw.figure(self.scene(payload, width_mm, theme), dpi=144)

    def to_svg(self, payload: Any, width_mm: float = 170, theme: str = "light") -> str:
        """SVG with real text: no script, no link, no date. Arguments and errors as for `to_figure`."""
        return draw.svg(self.scene(payload, width_mm, theme, portable=True), self.alt_text(payload))

    def to_pdf(self, payload: Any, width_mm: float = 170, theme: str = "light") -> bytes:
        """One PDF page with embedded, searchable text. Arguments and errors as for `to_figure`."""
        return draw.pdf(self.scene(payload, width_mm, theme), self.alt_text(payload))

    def to_png(self, payload: Any, dpi: float = 144, width_mm: float = 170, theme: str = "light") -> bytes:
        """PNG with `dpi` (36 to 1200) pixels an inch. Other arguments and errors as for `to_figure`."""
        check_dpi(dpi)
        return draw.png(self.scene(payload, width_mm, theme), dpi)

    def preview(self, payload: Any, max_bytes: int = 30_000) -> bytes | None:
        """A small PNG to lie beside a live widget: the best that fits in `max_bytes`, `None` when none does."""
        for dpi, colors, width_mm in _PREVIEWS:
            data = draw.png(self.scene(payload, width_mm), dpi, colors)
            if len(data) <= max_bytes:
                return data
        return None
