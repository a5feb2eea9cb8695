"""Payload of the `Explorer`: the payloads of its panels, what is in hand in all of them, and the diary."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from saewidgets.errors import PayloadError, shorten
from saewidgets.payloads.arrays import U8
from saewidgets.payloads.context import Context
from saewidgets.payloads.feature_table import OpenedFeature
from saewidgets.payloads.record import check

# A comparison is among the panels where it was in view.
PANELS = ("heatmap", "circuit", "text", "compare")
PRESETS, SIDES = ("researcher", "lecture", "compare"), ("before", "after", "both")
MAX_STEPS, MAX_OPENED = 2_000, 64
# Shares of the width: the features, the predictions, and below them the focused feature.
WIDTHS = (0.22, 0.26, 0.57)
NARROWEST, WIDEST = 0.12, 0.76


@dataclass(frozen=True, slots=True, eq=False)
class ExplorerPanel:
    """One panel.

    Args:
        kind: One of `PANELS`.
        data: Its encoded payload; empty in a notebook, where the panel is a widget of its own.
        note: Why there is no picture, "" where there is one.
    """

    kind: str
    data: U8
    note: str = ""

    def __post_init__(self) -> None:
        check(self)
        if self.kind not in PANELS:
            raise PayloadError(f"A panel is called {shorten(self.kind)}.", f"Known: {', '.join(PANELS)}.")

    @property
    def payload(self) -> Any:
        """The picture, `None` where there is none.

        Raises:
            PayloadError: Damaged.
        """
        from saewidgets.payloads.codec import decode

        return decode(self.data.tobytes()) if self.data.size else None


@dataclass(frozen=True, slots=True, eq=False)
class ExplorerPayload:
    """Everything an `Explorer` draws.

    Args:
        prompt: The text.
        panels: Each at most once.
        context: The foot.
        feature: Id of the focused feature, "" for none.
        opened: Whether its whole dashboard is in view.
        dashboards: Of the focused and the lettered features, in a page or a file.
        diary: What was done, a line of Python each.
        preset: One of `PRESETS`.
        side: What the strip shows of an edit, one of `SIDES`.
        widths: Shares of the width: features, predictions, focused feature.
    """

    prompt: str
    panels: tuple[ExplorerPanel, ...]
    context: Context
    feature: str = ""
    opened: bool = False
    dashboards: tuple[OpenedFeature, ...] = ()
    diary: tuple[str, ...] = ()
    preset: str = "researcher"
    side: str = "after"
    widths: tuple[float, ...] = WIDTHS

    def __post_init__(self) -> None:
        check(self)
        names = [panel.kind for panel in self.panels]
        if len(set(names)) < len(names):
            raise PayloadError(f"The panels are {', '.join(names)}.", "Give each once.")
        if len(self.diary) > MAX_STEPS or len(self.dashboards) > MAX_OPENED:
            raise PayloadError("Too many steps or dashboards.", f"At most {MAX_STEPS} and {MAX_OPENED}.")
        for name, known in (("preset", PRESETS), ("side", SIDES)):
            if getattr(self, name) not in known:
                raise PayloadError(f"{name} is {shorten(getattr(self, name))}.", f"Use one of {', '.join(known)}.")
        inside = all(math.isfinite(w) and NARROWEST - 1e-6 <= w <= WIDEST + 1e-6 for w in self.widths)
        if len(self.widths) != len(WIDTHS) or not inside:
            raise PayloadError(f"The widths are {list(self.widths)}.", f"Three from {NARROWEST} to {WIDEST}.")

    def picture(self, kind: str) -> Any:
        """The payload of a panel, `None` where there is none."""
        return next((panel.payload for panel in self.panels if panel.kind == kind), None)
