"""Explorer payload -> figure: the strip with features and predictions, the circuit, what it says, down the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from saewidgets.figures import circuit, compare, heatmap, steering
from saewidgets.figures.explorer_text import alt_text
from saewidgets.figures.files import MARGIN, Files
from saewidgets.figures.pen import NOTE, blank
from saewidgets.figures.scene import Scene
from saewidgets.payloads.explorer import ExplorerPayload


def scene(payload: ExplorerPayload, width_mm: float = 170, theme: str = "light", portable: bool = False) -> Scene:
    """Everything the figure shows, placed in points.

    Args:
        payload: Of an explorer.
        width_mm: Width in millimetres, 60 to 400.
        theme: `"light"` or `"dark"`.
        portable: The reader's fonts will draw the text, so no character is missing.

    Returns:
        The finished scene.

    Raises:
        FigureError: Width or theme is out of range.
    """
    beside = payload.picture("compare") if payload.preset == "compare" else None
    if beside is not None:
        return compare.scene(beside, width_mm, theme, portable)
    strip, graph, said = (payload.picture(name) for name in ("heatmap", "circuit", "text"))
    parts = [heatmap.scene(strip, width_mm, theme, portable=portable)] if strip is not None else []
    parts += [circuit.scene(graph, width_mm, theme, portable)] if graph is not None and len(graph.nodes) else []
    parts += [steering.scene(said, width_mm, theme, portable)] if said is not None and said.texts else []
    if parts:
        return stacked(parts)
    sheet, pen = blank(width_mm, theme, portable)
    pen.say(MARGIN, MARGIN + NOTE, pen.plain(payload.prompt, 32), "ink", bold=True)
    sheet.height = 2 * MARGIN + NOTE
    return sheet


def stacked(parts: Sequence[Scene]) -> Scene:
    """Sheets of one width, one below the other."""
    whole = Scene(parts[0].width, parts[0].paper)
    for part in parts:
        dy = whole.height
        whole.boxes += [replace(box, y=box.y + dy) for box in part.boxes]
        whole.lines += [replace(line, points=tuple((x, y + dy) for x, y in line.points)) for line in part.lines]
        whole.labels += [replace(label, y=label.y + dy) for label in part.labels]
        whole.height += part.height
    return whole


class _Files(Files):
    """Beside a live view lies the strip alone where the whole is too large."""

    __slots__ = ()

    def preview(self, payload: Any, max_bytes: int = 30_000) -> bytes | None:
        """A small PNG of at most `max_bytes` bytes, `None` when none fits."""
        strip = payload.picture("heatmap")
        return super().preview(payload, max_bytes) if strip is None else heatmap.preview(strip, max_bytes=max_bytes)


FILES = _Files(scene, alt_text)
