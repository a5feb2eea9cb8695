"""How a figure has to look for a journal: width, theme, shades of grey."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from saewidgets.errors import FigureError, shorten
from saewidgets.figures.scene import Scene

# Width of one column and of the whole text, in mm, as the author kits of late 2026 set them.
JOURNALS = {
    "acl": (77.0, 160.0),
    "acm": (84.0, 178.0),
    "iclr": (140.0, 140.0),
    "icml": (83.0, 171.0),
    "ieee": (88.0, 181.0),
    "nature": (89.0, 183.0),
    "neurips": (140.0, 140.0),
    "pnas": (87.0, 178.0),
}
# Rec. 709, on linear light.
_LUMINANCE = (0.2126, 0.7152, 0.0722)


@dataclass(frozen=True)
class FigureStyle:
    """What `to_svg`, `to_pdf` and `to_png` of a view take as `style`.

    Args:
        width_mm: Width, 60 to 400.
        theme: `"light"` or `"dark"`.
        greyscale: Every colour becomes the grey that is as light. Nothing is told by hue alone: signs are written,
            features have letters, steps of a scale differ in lightness.
    """

    width_mm: float = 170.0
    theme: str = "light"
    greyscale: bool = False

    def scene(self, figures: Any, payload: Any, portable: bool = False) -> Scene:
        """The scene of a payload in this style.

        Args:
            figures: What lays it out, `view_of(payload).figures`.
            payload: Of a view.
            portable: For a file whose text other machines draw with their own fonts.

        Raises:
            FigureError: Width or theme is out of range.
        """
        made: Scene = figures.scene(payload, self.width_mm, self.theme, portable=portable)
        return grey(made) if self.greyscale else made


def figure_style(
    journal: str | None = None, *, columns: int = 1, width_mm: float | None = None, theme: str = "light",
    greyscale: bool = False,
) -> FigureStyle:  # fmt: skip
    """The style of a figure.

    Args:
        journal: `"acl"`, `"acm"`, `"iclr"`, `"icml"`, `"ieee"`, `"nature"`, `"neurips"` or `"pnas"`: its widths.
        columns: 1 for one column, 2 for the whole text.
        width_mm: A width of your own instead.
        theme: `"light"` or `"dark"`.
        greyscale: For print without colour.

    Returns:
        The style, for `view.to_pdf("figure.pdf", style=...)`.

    Raises:
        FigureError: Unknown journal or theme, or a width out of range.

    Example:
        >>> import saewidgets as sw
        >>> style = sw.figure_style("acl", greyscale=True)
        >>> with sw.TokenHeatmap(sw.demo(), "Mira saw a red boat.") as view:
        ...     svg = view.to_svg(style=style)
        >>> style.width_mm, svg.startswith("<?xml")
        (77.0, True)
    """
    if journal is not None and (not isinstance(journal, str) or journal.lower() not in JOURNALS):
        raise FigureError(f"Unknown journal {shorten(journal)}.", f"Use one of {', '.join(JOURNALS)}, or width_mm=.")
    if columns not in (1, 2):
        raise FigureError(f"{shorten(columns)} columns.", "Use 1 or 2.")
    if theme not in ("light", "dark"):
        raise FigureError(f"Unknown theme {shorten(theme)}.", "Use 'light' or 'dark'.")
    if width_mm is None:
        width_mm = 170.0 if journal is None else JOURNALS[journal.lower()][columns - 1]
    if not isinstance(width_mm, (int, float)) or isinstance(width_mm, bool) or not 60 <= width_mm <= 400:
        raise FigureError(f"A width of {shorten(width_mm)} mm.", "Use 60 to 400.")
    return FigureStyle(float(width_mm), theme, bool(greyscale))


def grey(scene: Scene) -> Scene:
    """The same scene in shades of grey, each as light as the colour was."""
    return replace(
        scene,
        paper=_grey(scene.paper),
        boxes=[replace(box, fill=_grey(box.fill), edge=_grey(box.edge)) for box in scene.boxes],
        lines=[replace(line, color=_grey(line.color), fill=_grey(line.fill)) for line in scene.lines],
        labels=[replace(label, color=_grey(label.color)) for label in scene.labels],
    )


def _grey(color: str) -> str:
    """`#RRGGBB` -> the grey of the same luminance; "" stays."""
    if not color:
        return ""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    light = sum(weight * c for weight, c in zip(_LUMINANCE, linear, strict=True))
    back = 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055
    level = round(255 * min(1.0, max(0.0, back)))
    return f"#{level:02X}{level:02X}{level:02X}"
