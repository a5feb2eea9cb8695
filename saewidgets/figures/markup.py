"""Pieces of HTML that runs nothing: `div`, `span` and a few fixed styles (see `figures.html`)."""

from html import escape

import numpy as np

from saewidgets.errors import FigureError
from saewidgets.figures.palette import Palette

SANS = "Arial,sans-serif"
SERIF = "Georgia,serif"


def head(look: Palette) -> str:
    """Opens the sheet: its own paper, so that it stays readable on a dark page."""
    style = f"background-color:{look['paper']};color:{look['ink']};padding:12px;font-family:{SANS};font-size:13px"
    return f'<div style="{style};line-height:1.5">'


def span(content: str, style: str) -> str:
    """A text in a style."""
    return f'<span style="{style}">{escape(content)}</span>'


def grey(look: Palette) -> str:
    """Style of a note."""
    return f"color:{look['ink3']};font-size:12px"


def note(content: str, look: Palette) -> str:
    """A line of grey text."""
    return f'<div style="{grey(look)}">{escape(content)}</div>'


def heading(content: str) -> str:
    """A line that begins a part."""
    return f'<div style="padding:8px 0px 0px 0px;font-weight:600">{escape(content)}</div>'


def row(cells: list[tuple[str, int]]) -> str:
    """Texts beside each other, each with its least width in px."""
    return f"<div>{' '.join(span(words, f'display:inline-block;min-width:{width}px') for words, width in cells)}</div>"


def within(budget: int, rows: list[str], name: str, look: Palette) -> list[str]:
    """The first rows that take no more bytes than the budget, and a word about the others."""
    sizes = np.cumsum([len(row.encode()) for row in rows])
    fit = int((sizes <= budget).sum())
    return rows if fit == len(rows) else [*rows[:fit], note(f"and {len(rows) - fit} more {name}", look)]


def sheet(parts: list[list[str]], look: Palette, max_bytes: int) -> str:
    """Parts on a sheet of a bounded size: what takes more is cut row by row, the last parts first.

    Args:
        parts: Rows of each part.
        look: Colours.
        max_bytes: What it takes at most, 5000 or more.

    Raises:
        FigureError: Less than 5000 bytes were allowed.
    """
    if max_bytes < 5_000:
        raise FigureError(f"A static picture of {max_bytes} bytes.", "Allow 5000 or more.")
    left, kept = max_bytes - len(head(look)) - 6 - 120 * len(parts), []
    for rows in parts:
        shown = within(left, rows, "rows", look)
        left = max(0, left - sum(len(line.encode()) for line in shown))
        kept += shown
    return f"{head(look)}{''.join(kept)}</div>"
