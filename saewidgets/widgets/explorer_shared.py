"""What the panels of an `Explorer` share: they are made, linked, told of each change, and stepped back together."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import traitlets

from saewidgets.errors import SaewidgetsError, WidgetError
from saewidgets.payloads import ExplorerPanel, ExplorerPayload, encode
from saewidgets.payloads.explorer import MAX_STEPS, PANELS
from saewidgets.widgets import checks
from saewidgets.widgets.base import ONE_STEP
from saewidgets.widgets.explorer_compare import ComparePanel
from saewidgets.widgets.explorer_diary import ExplorerDiary, go
from saewidgets.widgets.explorer_panels import CircuitPanel, TextPanel
from saewidgets.widgets.explorer_request import Shared, drag, steps
from saewidgets.widgets.feature_dashboard import FeatureDashboard
from saewidgets.widgets.heatmap import TokenHeatmap
from saewidgets.widgets.history import History
from saewidgets.widgets.jobs import GUARD, Job, Token
from saewidgets.widgets.link import link

NOTHING = np.zeros(0, np.uint8)
SHARED = ["prompt", "features", "edits"]
LETTERS = 8


class Sharing(traitlets.HasTraits):
    """Mixed into `Explorer`, before `BaseWidget`."""

    heatmap: TokenHeatmap
    circuit: CircuitPanel | None = None
    text: TextPanel | None = None
    dashboard: FeatureDashboard | None = None
    #: Of the preset "compare".
    comparison: ComparePanel | None = None
    history: History
    diary: ExplorerDiary

    def _follow(self: Any) -> None:
        """Notice what panels and people change."""
        self.observe(self._on_shared, SHARED)
        self.observe(self._on_token, "selection")
        self.observe(self._on_focus, "feature")
        self.observe(self._on_theme, "theme")
        self.observe(self._on_preset, "preset")
        self.heatmap.observe(self._on_fill, "fill")
        self.heatmap.observe(self._on_site, "site")

    # -- panels --------------------------------------------------------------------------------------------------------

    def _make(self: Any) -> None:
        """Make and link the panels, those that take their time without a picture. In the cell: marimo lets no other."""
        scope, prompt, edits = self._scope, self.prompt, self.edits
        options: dict[str, Any] = {"theme": self.theme, "atlas": self._atlas}
        marks = {"pinned": list(self._pinned)}
        self.circuit = self._panel(
            "circuit",
            lambda: CircuitPanel(self, scope, prompt, edits=edits, marks=marks, seed=self._texts["seed"], **options),
        )
        self.text = self._panel("text", lambda: TextPanel(self, scope, prompt, **self._texts, **options))
        self._open_dashboard()
        strip = self.heatmap
        self.comparison = self._panel("compare", lambda: ComparePanel(
            self, scope, prompt, features=strip.features, site=strip.site, error_term=strip.error_term,
            selection=strip.selection, seed=self._texts["seed"], theme=self.theme))  # fmt: skip
        if self.circuit is not None:
            self._links.append(link(self, self.circuit, share=["prompt", "edits"]))
            self.circuit.observe(self._on_marks, "marks")
        if self.text is not None:
            self.text.adopt()
            self._links.append(link(self, self.text, share=["prompt", "edits"]))

    def _begin(self: Any) -> None:
        """Start the panels that take their time; once, when the strip is on its way to the reader."""
        with GUARD:
            if self._begun or self._scope is None or self.closed:
                return
            self._begun = True
            for panel in (self.circuit, self.text):
                if panel is not None:
                    panel.begin()
            self._on_preset()
            self._tell()

    def _panel(self: Any, name: str, make: Any) -> Any:
        """A panel, or a note why there is none."""
        try:
            made = make()
        except SaewidgetsError as error:
            self._notes[name] = f"{error.what} {error.todo}"
            return None
        self._panels = {**self._panels, name: f"anywidget:{made.model_id}"}
        self._notes.pop(name, None)
        return made

    def _open_dashboard(self: Any) -> None:
        """Show the focused feature in its panel."""
        if not self.feature:
            return
        if self.dashboard is None:
            self.dashboard = self._panel("dashboard", lambda: FeatureDashboard(
                self._scope, self.feature, atlas=self._atlas, text=self.prompt, theme=self.theme))  # fmt: skip
            if self.dashboard is not None:
                self.dashboard._leader = self
                self.dashboard.observe(self._on_dashboard, "feature")
        elif self.dashboard.feature != self.feature:
            try:
                self.dashboard.feature = self.feature
            except SaewidgetsError as error:
                self.dashboard.error = checks.describe(error)

    def _on_dashboard(self: Any, change: Any) -> None:
        self.feature = change.new

    def _on_begin(self: Any, request_id: Any, content: dict[str, Any]) -> None:
        self._begin()
        self._post({"type": "ok", "id": request_id, "result": None})

    def _on_preset(self: Any, _: Any = None) -> None:
        """Compare while that is in view."""
        if self.comparison is not None and self._begun:
            (self.comparison.enter if self.preset == "compare" else self.comparison.leave)()

    def _on_theme(self: Any, change: Any) -> None:
        for panel in self._all():
            panel.theme = change.new

    def _all(self: Any) -> list[Any]:
        if self._scope is None:
            return []
        panels = self.heatmap, self.circuit, self.text, self.dashboard, self.comparison
        return [panel for panel in panels if panel is not None]

    # -- what is shared ------------------------------------------------------------------------------------------------

    def _state(self: Any) -> Shared:
        """What is wanted now: of the strip all at once, not one trait after the other."""
        request = self.heatmap._need_model().request
        pinned = self._pinned if self.circuit is None else tuple(self.circuit.marks["pinned"])
        return Shared(request.prompt, request.features, request.edits, pinned)

    def _on_shared(self: Any, _: Any) -> None:
        with GUARD:
            if not self._stepping and not self.closed:
                self._record(self._state())

    def _record(self: Any, state: Shared) -> None:
        before, now = self.history.state, time.monotonic()
        if state == before:
            return
        assert isinstance(before, Shared)
        kind = drag(before, state)
        merge = kind != "" and kind == self._drag and now - self._recorded_at < ONE_STEP
        self._recorded_at, self._drag = now, kind
        self.history = self.history.record(state, merge=merge)
        self._depths()
        self._noted("; ".join(steps(before, state)), merge or None)

    def _on_marks(self: Any, change: Any) -> None:
        """What is pinned has a letter."""
        with GUARD:
            if self._stepping or change.new["pinned"] == change.old["pinned"]:
                return
            have = {node for node in change.old["pinned"]}
            new = [node.rpartition("@")[0] for node in change.new["pinned"] if node not in have]
            known = self._scope.dictionaries if self._scope else {}
            self._letter([name for name in new if name.rpartition("/")[0] in known])
            self._record(self._state())

    def _letter(self: Any, names: Sequence[str]) -> None:
        fresh = [name for name in dict.fromkeys(names) if name not in self.features]
        if fresh:
            features = list(self.features)
            for name in fresh:
                slot = features.index("") if "" in features and len(features) >= LETTERS else len(features)
                features[slot : slot + 1] = [name]
            self.features = tuple(features)

    def _on_token(self: Any, change: Any) -> None:
        if self._stepping:
            return
        if self._is_setting or self.heatmap._is_setting:
            self.diary.refresh()
        else:
            self._noted(f"ex.select(token={change.new})")

    def _on_site(self: Any, change: Any) -> None:
        with GUARD:
            if not self._stepping and not self.closed:
                self._noted(f"ex.heatmap.site = {change.new!r}")

    def _on_fill(self: Any, change: Any) -> None:
        if "/" in change.new:
            # What a picture brings with it, nobody has chosen.
            self._following = self.heatmap._is_setting
            self.feature = change.new
            self._following = False

    def _on_focus(self: Any, change: Any) -> None:
        with GUARD:
            name = change.new
            added = len(self.diary) and self.diary[-1].endswith(f"ex.add({name!r})")
            if self._following or (added and not self._stepping):
                self.diary.refresh()
            elif not self._stepping:
                self._noted(f"ex.select(feature={name!r})")
            if name in self.features and self.heatmap.fill != name:
                self.heatmap.fill = name
            self._open_dashboard()

    def _step(self: Any, direction: str, request_id: Any) -> None:
        with GUARD:
            self._need_model()
            history: History = getattr(self.history, direction)()
            if history.place != self.history.place:
                self.history = history
                self._recorded_at = float("-inf")
                before = self._state()
                self._restore(history.state)
                self._depths()
                self._noted("; ".join(steps(before, self._state(), exact=True)), again=False)
        if request_id is not None:
            self._post({"type": "ok", "id": request_id, "result": None})

    def _restore(self: Any, state: Any) -> None:
        with self._quietly():
            self.prompt, self.features, self.edits = state.prompt, state.features, state.edits
            self._put_pinned(state.pinned)

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Change what is shared, and note none of it."""
        self._stepping = True
        try:
            yield
        finally:
            self._stepping = False

    def _on_back(self: Any, request_id: Any, content: dict[str, Any]) -> None:
        """Go back to a step of the diary, by its place among the lines in view."""
        self._need_model()
        line = checks.whole(0, MAX_STEPS)("line", content.get("line"))
        state = self.diary.state(max(0, len(self.diary) - MAX_STEPS) + line + 1)

        def back(token: Token) -> None:
            go(self, state.views["ex"])
            self._post({"type": "ok", "id": request_id, "result": None})

        self._runner.submit("back", Job(back, partial(self._save_failed, request_id), request_id, True))

    def _put_pinned(self: Any, pinned: Sequence[str]) -> None:
        self._pinned = tuple(pinned)
        if self.circuit is not None:
            groups = [
                {**group, "nodes": [node for node in group["nodes"] if node in pinned]}
                for group in self.circuit.marks["groups"]
            ]
            kept = [group for group in groups if group["nodes"]]
            self.circuit.marks = {**self.circuit.marks, "pinned": list(pinned), "groups": kept}

    def _depths(self: Any) -> None:
        for view in (self, *self._all()):
            view.undo_depth, view.redo_depth = self.history.undo_depth, self.history.redo_depth

    def _noted(self: Any, code: str, again: bool | None = None) -> None:
        """Write a line of the diary. The one place that does; `again` as of `ExplorerDiary.note`."""
        self.diary.note(code, again)
        self._tell()

    def _tell(self: Any) -> None:
        """Show diary, notes and code as they are now."""
        state = self.history.state
        assert isinstance(state, Shared)
        context = replace(self._picture.context, code=str(self.code()))
        shell = replace(self._shell(), prompt=state.prompt, context=context)
        with self._setting():
            self._put(shell, encode(shell))

    def _shell(self: Any) -> ExplorerPayload:
        notes = tuple(ExplorerPanel(name, NOTHING, note) for name, note in self._notes.items() if name in PANELS)
        lines = tuple(self.diary)[-MAX_STEPS:]
        return replace(self._viewed(self._picture, self._view_now()), panels=notes, diary=lines)

    def _need_model(self: Any) -> Any:
        if self._scope is None:
            why = "This widget is closed" if self.closed else "This view was opened from a file"
            raise WidgetError(f"{why} and has no model.", "Make a new one from a scope.")
        return None
