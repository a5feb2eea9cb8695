"""Heatmap payload -> figure: the strip with its lanes, the chosen features, the next token, where it all comes from.

The measures are for paper: 7 pt sans, 8 pt model text, lines of at least 0.5 pt, one column of 85 mm or a page of
170 mm. Signs, letters and lightness carry the meaning when it is printed in grey.
"""

from functools import partial

from matplotlib.figure import Figure

from saewidgets.errors import FigureError, shorten
from saewidgets.figures import draw, fonts, panels, text
from saewidgets.figures.alt import alt_text
from saewidgets.figures.files import MARGIN, MM, check_width
from saewidgets.figures.palette import palette
from saewidgets.figures.reading import chosen, copies
from saewidgets.figures.scene import Label, Scene
from saewidgets.figures.strip import BAND, NOTE, Strip, line_height, lines
from saewidgets.payloads.heatmap import HeatmapPayload

__all__ = ["alt_text", "preview", "scene", "to_figure", "to_pdf", "to_png", "to_svg"]

MAX_TOKENS = 400
# (dpi, tokens, colours, strip alone), the better first.
_PREVIEWS = ((72, 80, 24, False), (72, 40, 24, True), (72, 20, 16, True))
MAX_LANES = 16


def to_figure(
    payload: HeatmapPayload, width_mm: float = 170, theme: str = "light", max_tokens: int = MAX_TOKENS
) -> Figure:
    """A matplotlib figure for a paper; nothing of pyplot is touched, so it may be made in any thread.

    Args:
        payload: Of a heatmap.
        width_mm: Width in millimetres, 60 to 400: 85 for one column, 170 for a page.
        theme: `"light"` or `"dark"`.
        max_tokens: Of a longer prompt this many tokens are drawn, and a line says so; up to 2000.

    Returns:
        The figure; `figure.savefig` writes it, `figure.text` adds to it.

    Raises:
        FigureError: Width, theme or `max_tokens` is out of range.

    Example:
        >>> import saewidgets as sw
        >>> with sw.TokenHeatmap(sw.demo(), "Mira saw a red boat.") as view:
        ...     round(to_figure(view.payload, width_mm=85).get_figwidth() * 25.4)
        85
    """
    return draw.figure(scene(payload, width_mm, theme, max_tokens), dpi=144)


def to_svg(payload: HeatmapPayload, width_mm: float = 170, theme: str = "light", max_tokens: int = MAX_TOKENS) -> str:
    """The figure as SVG: real text, no script, no link, no date. Arguments as for `to_figure`."""
    return draw.svg(scene(payload, width_mm, theme, max_tokens, portable=True), alt_text(payload))


def to_pdf(payload: HeatmapPayload, width_mm: float = 170, theme: str = "light", max_tokens: int = MAX_TOKENS) -> bytes:
    """The figure as one PDF page with embedded, searchable text and no date. Arguments as for `to_figure`."""
    return draw.pdf(scene(payload, width_mm, theme, max_tokens), alt_text(payload))


def to_png(
    payload: HeatmapPayload,
    dpi: float = 144,
    width_mm: float = 170,
    theme: str = "light",
    max_tokens: int = MAX_TOKENS,
) -> bytes:
    """The figure as PNG with `dpi` (36 to 1200) pixels an inch. Other arguments as for `to_figure`."""
    if not 36 <= dpi <= 1200:
        raise FigureError(f"A resolution of {shorten(dpi)} dpi.", "Use 36 to 1200.")
    return draw.png(scene(payload, width_mm, theme, max_tokens), dpi)


def preview(payload: HeatmapPayload, max_bytes: int = 30_000) -> bytes | None:
    """A small PNG to lie beside a live widget in a notebook.

    Args:
        payload: Of a heatmap.
        max_bytes: What it may take; from some 16 kB on it is the whole figure, below that the strip alone.

    Returns:
        The first tokens in few colours, the best that fits; `None` when nothing does.
    """
    for dpi, tokens, colors, strip_only in _PREVIEWS:
        data = draw.png(scene(payload, max_tokens=tokens, strip_only=strip_only), dpi, colors)
        if len(data) <= max_bytes:
            return data
    return None


def scene(
    payload: HeatmapPayload,
    width_mm: float = 170,
    theme: str = "light",
    max_tokens: int = MAX_TOKENS,
    portable: bool = False,
    strip_only: bool = False,
) -> Scene:
    """Everything the figure shows, placed in points.

    Args:
        payload: Of a heatmap.
        width_mm: Width in millimetres.
        theme: `"light"` or `"dark"`.
        max_tokens: How many tokens are drawn.
        portable: The reader's fonts will draw the text, so no character is missing.
        strip_only: Leave out what is below the legend.

    Returns:
        The finished scene.

    Raises:
        FigureError: Width, theme or `max_tokens` is out of range.
    """
    if not 1 <= max_tokens <= 2000:
        raise FigureError(
            f"A figure of {shorten(max_tokens)} tokens.", "Use 1 to 2000; the page and the widget show all."
        )
    check_width(width_mm)
    sheet = Scene(width_mm * MM, palette(theme)["paper"])
    covers = text.everything if portable else partial(fonts.covers, "serif")
    view = panels.Panel(sheet, palette(theme), text.everything if portable else partial(fonts.covers, "sans"), payload)
    left, right = MARGIN, sheet.width - MARGIN
    drawn = text.drawn(payload.tokens, covers, max_tokens)
    y = place_strip(sheet, payload, theme, drawn, left, right, MARGIN)
    y = view.legend(left, right, y + 8)
    if strip_only:
        sheet.height = y + MARGIN
        return sheet
    if right - left > 330:
        split = left + (right - left) * 0.56
        y = max(view.features(left, split - 18, y + 10), view.predictions(split, right, y + 10, covers))
    else:
        y = view.features(left, right, y + 10)
        y = view.predictions(left, right, y + 6, covers)
    sheet.height = view.sources(left, right, y + 6) + MARGIN
    return sheet


def place_strip(
    sheet: Scene, payload: HeatmapPayload, theme: str, drawn: list[text.Drawn], left: float, right: float, top: float
) -> float:
    """The lines of tokens, before above after; returns where they end."""
    y = top
    features, feature, rows = payload.features[:MAX_LANES], chosen(payload), copies(payload)
    look = palette(theme)
    strip = Strip(sheet, look, features, feature.slot if feature else None, payload.selection)
    margin = 34.0 if len(rows) > 1 else 10.0 if features else 0.0
    for line in lines(drawn, right - left - margin):
        for row in rows:
            if row.name:
                sheet.labels.append(Label(left, y + 4.0 + BAND - 3.3, row.name, NOTE, look["ink3"]))
            strip.line(line, row, left + margin, y)
            strip.letters(left + margin - 3.0, y)
            y += line_height(len(features))
        y += 3.0 * (len(rows) > 1)
    if len(payload.tokens) > len(drawn):
        note = f"… the first {text.count(len(drawn))} of {text.count(len(payload.tokens))} tokens"
        sheet.labels.append(Label(left + margin, y + NOTE, note, NOTE, look["ink3"]))
        y += NOTE + 4
    return y
