"""Which words and which drawing belong to which payload: the one table that outputs and pages ask. No matplotlib."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from saewidgets.errors import PayloadError, shorten
from saewidgets.figures import (
    alt,
    circuit_text,
    compare_text,
    contrast_text,
    dictionary_report_text,
    explorer_text,
    feature_dashboard_text,
    feature_table_text,
    frame,
    frontier_text,
    html,
    patch_map_text,
    steering_text,
    text,
    training_text,
)
from saewidgets.payloads.codec import kind_of
from saewidgets.payloads.heatmap import HeatmapPayload


@dataclass(frozen=True, slots=True)
class View:
    """What stands for a payload where it is not drawn live.

    Args:
        title: Of a page.
        alt_text: One sentence.
        fallback: Script-free HTML of at most so many bytes.
        to_frame: A table.
        drawing: Name of the module in `figures` that lays it out, and of what in it makes the files.
    """

    title: Callable[[Any], str]
    alt_text: Callable[[Any], str]
    fallback: Callable[[Any, int], str]
    to_frame: Callable[[Any], Any]
    drawing: tuple[str, str]

    @property
    def figures(self) -> Any:
        """What has `to_figure`, `to_svg`, `to_png`, `to_pdf` and `preview`; imports matplotlib."""
        module, name = self.drawing
        found = import_module(f"saewidgets.figures.{module}")
        return getattr(found, name) if name else found


def _heatmap_title(payload: HeatmapPayload) -> str:
    return f"Token heatmap · {text.plain(payload.prompt, 80)}"


_VIEWS = {
    "heatmap": View(_heatmap_title, alt.alt_text, html.fallback, frame.to_frame, ("heatmap", "")),
    **{
        name: View(words.title, words.alt_text, words.fallback, words.to_frame, (name, "FILES"))
        for name, words in (
            ("training", training_text),
            ("frontier", frontier_text),
            ("dictionary_report", dictionary_report_text),
            ("feature_dashboard", feature_dashboard_text),
            ("feature_table", feature_table_text),
            ("circuit", circuit_text),
            ("steering", steering_text),
            ("patch_map", patch_map_text),
            ("compare", compare_text),
            ("contrast", contrast_text),
            ("explorer", explorer_text),
        )
    },
}


def view_of(payload: Any) -> View:
    """What stands for a payload.

    Raises:
        PayloadError: It is none.
    """
    kind = kind_of(payload)
    if kind not in _VIEWS:
        raise PayloadError(f"No view draws {shorten(kind)}.", "Upgrade.")
    return _VIEWS[kind]
