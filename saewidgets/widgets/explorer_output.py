"""What leaves an `Explorer`: the payloads of its panels in one, with the dashboards a page opens."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from saewidgets.errors import SaewidgetsError
from saewidgets.payloads import CircuitPayload, ComparePayload, ExplorerPanel, ExplorerPayload, OpenedFeature, encode
from saewidgets.payloads.explorer import MAX_OPENED
from saewidgets.widgets.explorer_shared import NOTHING
from saewidgets.widgets.feature_dashboard import FeatureDashboard
from saewidgets.widgets.jobs import GUARD

# Seconds that an export waits for panels that have no picture yet.
PATIENCE = 60.0


class Leaving:
    """Mixed into `Explorer`, before `BaseWidget`."""

    @property
    def payload(self: Any) -> ExplorerPayload:
        """All panels as data. Waits for those that have no picture yet."""
        self._begin()
        end = time.monotonic() + PATIENCE
        for panel in self._slow():
            if not panel.known:
                panel.wait(max(0.0, end - time.monotonic()))
        return self._now(True)

    def _slow(self: Any) -> list[Any]:
        """Panels in view that take their time."""
        panels = self.circuit, self.text, self.comparison if self.preset == "compare" else None
        return [panel for panel in panels if panel is not None]

    def _now(self: Any, whole: bool) -> ExplorerPayload:
        """The panels as they are, with the dashboards if the payload is to stand for itself."""
        with GUARD:
            if self._scope is None:
                return self._viewed(self._picture, self._view_now())
            views = {"heatmap": self.heatmap, "circuit": self.circuit, "text": self.text}
            if self.preset == "compare":
                views["compare"] = self.comparison
            panels = tuple(self._encoded(name, view) for name, view in views.items())
            payload = replace(self._shell(), panels=panels)
        return replace(payload, dashboards=self._dashboards()) if whole else payload

    def _save_formats(self: Any) -> tuple[str, ...]:
        return (*super()._save_formats(), "ipynb")  # type: ignore[misc]

    def _file(self: Any, format: str) -> bytes:
        made: bytes = self.diary.notebook() if format == "ipynb" else super()._file(format)  # type: ignore[misc]
        return made

    def _encoded(self: Any, name: str, view: Any) -> ExplorerPanel:
        picture = None if view is None else view.payload
        if picture is None or _is_empty(picture):
            said = None if view is None else view.error
            note = f"{said['what']} {said['todo']}" if said else self._notes.get(name, "Not there yet.")
            return ExplorerPanel(name, NOTHING, note)
        return ExplorerPanel(name, np.frombuffer(encode(picture), np.uint8))

    def _dashboards(self: Any) -> tuple[OpenedFeature, ...]:
        """Of the focused and the lettered features."""
        names = [name for name in dict.fromkeys([self.feature, *self.features]) if name][:MAX_OPENED]
        made = []
        for name in names:
            try:
                with FeatureDashboard(self._scope, name, atlas=self._atlas, text=self.prompt) as view:
                    made.append(OpenedFeature(name, np.frombuffer(encode(view.payload), np.uint8)))
            except SaewidgetsError:
                continue  # its panel says so
        return tuple(made)

    def _on_payload(self: Any, request_id: Any, content: dict[str, Any]) -> None:
        reply = {"type": "payload", "id": request_id, "revision": self._revision}
        self._post(reply, [encode(self._picture)])

    def static_bundle(self: Any) -> dict[str, str]:
        """The picture as it is now for places that run no code; it waits for no panel."""
        return self._static(self._now(False))


def _is_empty(picture: Any) -> bool:
    """Whether a panel has not been drawn yet."""
    if isinstance(picture, ComparePayload):
        return not picture.name_a
    return isinstance(picture, CircuitPayload) and not len(picture.nodes)
