"""Heatmap payload -> figure: the strip with its lanes, the chosen features, the next token, where it all comes from.

The measures are for paper: 7 pt sans, 8 pt model text, lines of at least 0.5 pt, one column of 85 mm or a page of
170 mm. Signs, letters and lightness carry the meaning when it is printed in grey.
"""

from functools import partial

import numpy as np
from matplotlib.figure import Figure

from saewidgets.errors import FigureError, shorten
from saewidgets.figures import draw, fonts, panels, text
from saewidgets.figures.alt import alt_text
from saewidgets.figures.palette import palette
from saewidgets.figures.reading import changed, chosen, fills
from saewidgets.figures.scene import Label, Scene
from saewidgets.figures.strip import BAND, NOTE, Strip, Values, line_height, lines
from saewidgets.payloads.heatmap import HeatmapPayload

__all__ = ["alt_text", "scene", "to_figure", "to_pdf", "to_png", "to_svg"]

MM = 72 / 25.4
MAX_TOKENS = 400
MAX_LANES = 16
MARGIN = 6.0


def to_figure(payload: HeatmapPayload, width_mm: float = 170, theme: str = "light") -> Figure:
    """A matplotlib figure for a paper; nothing of pyplot is touched, so it may be made in any thread.

    Args:
        payload: Of a heatmap.
        width_mm: Width in millimetres, 60 to 400: 85 for one column, 170 for a page.
        theme: `"light"` or `"dark"`.

    Returns:
        The figure; `figure.savefig` writes it, `figure.text` adds to it.

    Raises:
        FigureError: Width or theme is out of range.

    Example:
        >>> import saewidgets as sw
        >>> with sw.TokenHeatmap(sw.demo(), "Mira saw a red boat.") as view:
        ...     round(to_figure(view.payload, width_mm=85).get_figwidth() * 25.4)
        85
    """
    return draw.figure(scene(payload, width_mm, theme), dpi=144)


def to_svg(payload: HeatmapPayload, width_mm: float = 170, theme: str = "light") -> str:
    """The figure as SVG: real text, no script, no link, no date. Arguments as for `to_figure`."""
    return draw.svg(scene(payload, width_mm, theme, portable=True), alt_text(payload))


def to_pdf(payload: HeatmapPayload, width_mm: float = 170, theme: str = "light") -> bytes:
    """The figure as one PDF page with embedded, searchable text and no date. Arguments as for `to_figure`."""
    return draw.pdf(scene(payload, width_mm, theme), alt_text(payload))


def to_png(payload: HeatmapPayload, dpi: float = 144, width_mm: float = 170, theme: str = "light") -> bytes:
    """The figure as PNG with `dpi` (36 to 1200) pixels an inch. Other arguments as for `to_figure`."""
    if not 36 <= dpi <= 1200:
        raise FigureError(f"A resolution of {shorten(dpi)} dpi.", "Use 36 to 1200.")
    return draw.png(scene(payload, width_mm, theme), dpi)


def scene(payload: HeatmapPayload, width_mm: float = 170, theme: str = "light", portable: bool = False) -> Scene:
    """Everything the figure shows, placed in points.

    Args:
        payload: Of a heatmap.
        width_mm: Width in millimetres.
        theme: `"light"` or `"dark"`.
        portable: The reader's fonts will draw the text, so no character is missing.

    Returns:
        The finished scene.

    Raises:
        FigureError: Width or theme is out of range.
    """
    if not 60 <= width_mm <= 400:
        raise FigureError(f"A width of {shorten(width_mm)} mm.", "Use 60 to 400: 85 for a column, 170 for a page.")
    sheet = Scene(width_mm * MM, palette(theme)["paper"])
    covers = text.everything if portable else partial(fonts.covers, "serif")
    view = panels.Panel(sheet, palette(theme), payload, text.everything if portable else partial(fonts.covers, "sans"))
    left, right = MARGIN, sheet.width - MARGIN
    y = _strip(sheet, payload, theme, covers, left, right, MARGIN)
    y = view.legend(left, right, y + 8)
    if right - left > 330:
        split = left + (right - left) * 0.56
        y = max(view.features(left, split - 18, y + 10), view.predictions(split, right, y + 10, covers))
    else:
        y = view.features(left, right, y + 10)
        y = view.predictions(left, right, y + 6, covers)
    sheet.height = view.foot(left, right, y + 6) + MARGIN
    return sheet


def _strip(
    sheet: Scene, payload: HeatmapPayload, theme: str, covers: text.Covers, left: float, right: float, y: float
) -> float:
    """The lines of tokens, before above after; returns where they end."""
    features = payload.features[:MAX_LANES]
    feature = chosen(payload)
    before, maximum = fills(payload, after=False)
    edited = any(f.after is not None for f in payload.features) or payload.n_edits > 0
    still = np.zeros(len(payload.tokens), bool)
    zeros = np.zeros(len(payload.tokens), np.float32)
    rows = [("before" if edited else "", Values(before, tuple(f.values for f in features), (zeros,) * len(features), still))]
    if edited:
        after = tuple(f.values if f.after is None else f.after for f in features)
        gone = tuple(np.where((a <= 0) & (f.values > 0), f.values, 0) for f, a in zip(features, after, strict=True))
        rows.append(("after", Values(fills(payload, after=True)[0], after, gone, changed(payload))))
    strip = Strip(
        sheet, palette(theme), features, feature.slot if feature else None, maximum, payload.selection
    )
    margin = 34.0 if edited else 10.0 if features else 0.0
    height = line_height(len(features))
    for line in lines(text.drawn(payload.tokens, covers, MAX_TOKENS), right - left - margin):
        for name, values in rows:
            if name:
                base = y + 4.0 + BAND - 3.3
                sheet.labels.append(Label(left, base, name, NOTE, palette(theme)["ink3"]))
            strip.line(line, values, left + margin, y)
            strip.letters(left + margin - 3.0, y)
            y += height
        y += 3.0 if edited else 0.0
    if len(payload.tokens) > MAX_TOKENS:
        note = f"… the first {MAX_TOKENS} of {text.count(len(payload.tokens))} tokens"
        sheet.labels.append(Label(left + margin, y + NOTE, note, NOTE, palette(theme)["ink3"]))
        y += NOTE + 4
    return y
