"""The table of kept runs of a `Steering`."""

from __future__ import annotations

from typing import Any

import numpy as np

from saewidgets.errors import WidgetError
from saewidgets.payloads import KeptRun, encode
from saewidgets.payloads.steering import MAX_KEPT
from saewidgets.widgets import checks
from saewidgets.widgets.jobs import GUARD
from saewidgets.widgets.steering_request import SteeringRequest


class Kept:
    """Mixed into `Steering`, before `BaseWidget`."""

    _kept: tuple[KeptRun, ...] = ()

    def keep(self: Any) -> None:
        """Add the steered text in view to the table of kept runs.

        Raises:
            WidgetError: There is none, or it is not finished.
        """
        with GUARD:
            request: SteeringRequest = self._need_model().request
            shown = self._picture
            text = shown.column("steered")
            if text is None or not text.finished or text.kl is None:
                raise WidgetError("There is no finished steered text.", "Move a slider, and wait for the text.")
            run = KeptRun(
                text.note, shown.prompt, shown.mode, shown.place, tuple(s.id for s in shown.sliders),
                np.array([s.value for s in shown.sliders]), shown.seed, shown.temperature, text.text, text.effect,
                text.kl, text.perplexity, len(text.tokens) - text.n_prompt,
            )  # fmt: skip
            self._learn(request)
            self._set_kept((*self._kept, run)[-MAX_KEPT:])

    def drop(self: Any, index: int) -> None:
        """Take a run out of the table.

        Raises:
            WidgetError: There is no such run.
        """
        with GUARD:
            place = checks.whole(0, max(len(self._kept) - 1, 0))("index", index)
            self._set_kept(self._kept[:place] + self._kept[place + 1 :])

    def _set_kept(self: Any, kept: tuple[KeptRun, ...]) -> None:
        self._kept = kept
        payload = self._viewed(self._picture, {})
        with self._setting():
            error = self.error
            self._put(payload, encode(payload))
            self.error = error

    def _on_keep(self: Any, request_id: Any, content: dict[str, Any]) -> None:
        self.keep()
        self._post({"type": "ok", "id": request_id, "result": None})

    def _on_drop(self: Any, request_id: Any, content: dict[str, Any]) -> None:
        self._need_model()
        self.drop(content.get("index"))
        self._post({"type": "ok", "id": request_id, "result": None})
