"""Explorer payload -> words: title, alt text, static HTML, table. No matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saewidgets.figures import alt, circuit_text, compare_text, frame, html, text
from saewidgets.figures.markup import heading, note, sheet
from saewidgets.figures.palette import palette
from saewidgets.payloads.explorer import ExplorerPayload

if TYPE_CHECKING:
    import pandas as pd


def title(payload: ExplorerPayload) -> str:
    """Of a page."""
    return f"Explorer · {text.plain(payload.prompt, 80)}"


def alt_text(payload: ExplorerPayload) -> str:
    """What the panels show, a sentence each.

    Args:
        payload: Of an explorer.
    """
    strip, circuit = payload.picture("heatmap"), payload.picture("circuit")
    beside = payload.picture("compare") if payload.preset == "compare" else None
    if beside is not None:
        return compare_text.alt_text(beside)
    parts = [f"Explorer of “{text.plain(payload.prompt, 120)}”."]
    if strip is not None:
        parts.append(alt.alt_text(strip))
    if circuit is not None and len(circuit.nodes):
        parts.append(circuit_text.alt_text(circuit))
    parts += [f"{text.plain(payload.feature, 80)} is in hand."] if payload.feature else []
    return " ".join(parts)


def fallback(payload: ExplorerPayload, max_bytes: int = 9_000) -> str:
    """The strip with its features and predictions as script-free HTML of at most `max_bytes` bytes.

    Raises:
        FigureError: Less than 5000 bytes were allowed.
    """
    strip = payload.picture("heatmap")
    if strip is not None:
        return html.fallback(strip, max_bytes)
    look = palette("light")
    head = heading(f"“{text.plain(payload.prompt, 80)}”")
    return sheet([[head], [note("Nothing is shown yet.", look)]], look, max_bytes)


def to_frame(payload: ExplorerPayload) -> pd.DataFrame:
    """The numbers of the strip, one row a token; columns as of a heatmap. Other panels have tables of their own.

    Args:
        payload: Of an explorer.
    """
    strip = payload.picture("heatmap")
    if strip is None:
        import pandas as pd

        return pd.DataFrame(columns=["position", "token", "id", "surprise"])
    return frame.to_frame(strip)
