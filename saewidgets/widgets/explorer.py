"""`Explorer`: strip, features, circuit, predictions, a feature's dashboard and texts as one instrument."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import traitlets

from saewidgets.errors import SaewidgetsError, WidgetError
from saewidgets.payloads import CircuitPayload, Context, ExplorerPanel, ExplorerPayload, OpenedFeature, encode
from saewidgets.payloads.explorer import MAX_OPENED, MAX_STEPS, PANELS, WIDTHS
from saewidgets.sites import FeatureId
from saewidgets.widgets import asked, checks, feature_request
from saewidgets.widgets.asked import comment
from saewidgets.widgets.base import ONE_STEP, BaseWidget
from saewidgets.widgets.checks import Checked, refuse_unknown
from saewidgets.widgets.circuit_request import node_ids
from saewidgets.widgets.explorer_panels import CircuitPanel, TextPanel
from saewidgets.widgets.explorer_request import VIEW, Shared, edit_call, is_drag, same_kind, steps
from saewidgets.widgets.feature_dashboard import FeatureDashboard
from saewidgets.widgets.heatmap import TokenHeatmap
from saewidgets.widgets.history import History
from saewidgets.widgets.jobs import GUARD
from saewidgets.widgets.link import Link, link
from saewidgets.widgets.output import Code

if TYPE_CHECKING:
    from saewidgets.atlas.atlas import Atlas
    from saewidgets.interventions import Edit
    from saewidgets.scope import Scope

NOTHING = np.zeros(0, np.uint8)
# Seconds that an export waits for panels that have no picture yet.
PATIENCE = 60.0
_SHARED = ["prompt", "features", "edits"]


class Explorer(BaseWidget):
    """One prompt in linked panels: strip, features, circuit, predictions, a feature's dashboard, texts, a diary.

    One token, one set of edits, one letter a feature and one history hold in all panels. The strip is there at once;
    circuit and texts follow in the background, and an error in one panel is that panel's. The panels are widgets of
    their own: `heatmap`, `circuit`, `text`, `dashboard`. `prompt`, `features`, `edits` and `selection` can be set.

    Args:
        source: A scope, or an `ExplorerPayload` for a view without a model.
        prompt: The text; needed with a scope.
        atlas: Where features find their examples.
        features: Feature ids by letter; `None` for the three strongest at the last token.
        site: Key of the dictionary in view.
        edits: What is done to features: `sw.ablate(...)`, `sw.scale(...)`.
        pinned: Ids of nodes of the circuit.
        selection: Selected token position; `None` for the last.
        feature: The focused feature; `None` for the first lettered one.
        opened: Whether its whole dashboard is in view.
        preset: `"researcher"`, or `"lecture"`: large type, one panel at a time.
        side: What the strip shows of an edit: `"before"`, `"after"`, `"both"`.
        widths: Shares of the width: features, predictions, focused feature.
        seed: Of the texts and the controls.
        temperature: Of the texts.
        max_new_tokens: Of a text.
        theme: `"auto"` follows the host; `"light"`, `"dark"`.
        height: Reserved height in px before the first picture.
        bundle: How the code gets to the front end; leave it.
        unknown: None are accepted.

    Raises:
        SaewidgetsError: The strip cannot be made; the message says why.
        TypeError: Unknown argument.

    Example:
        >>> import saewidgets as sw
        >>> with sw.Explorer(sw.demo(), "Mira saw a red boat.", max_new_tokens=4) as ex:
        ...     ex.select(token=3)
        ...     ex.edit(sw.ablate(ex.features[0]))
        ...     ex.wait(120), ex.diary
        (True, ['ex.select(token=3)', "ex.edit(sw.ablate('resid_post.2/71'))"])
    """

    _view = traitlets.Unicode("explorer", read_only=True).tag(sync=True)
    prompt = Checked("", asked.CHECKS["prompt"])
    features = Checked((), asked.CHECKS["features"])
    edits = Checked((), asked.CHECKS["edits"])
    selection = Checked(0, asked.CHECKS["selection"])
    feature = Checked("", VIEW["feature"]).tag(sync=True)
    opened = Checked(False, VIEW["opened"]).tag(sync=True)
    preset = Checked("researcher", VIEW["preset"]).tag(sync=True)
    side = Checked("after", VIEW["side"]).tag(sync=True)
    widths = Checked(list(WIDTHS), VIEW["widths"]).tag(sync=True)
    # Name of a panel -> the model of its widget.
    _panels = traitlets.Dict({}).tag(sync=True)

    _front_traits: ClassVar[tuple[str, ...]] = tuple(VIEW)
    _messages: ClassVar[dict[str, str]] = {
        "begin": "_on_begin", "undo": "_on_undo", "redo": "_on_redo", "cancel": "_on_cancel", "save": "_on_save",
        "payload": "_on_payload", "bundle": "_on_bundle",
    }  # fmt: skip

    heatmap: TokenHeatmap
    circuit: CircuitPanel | None = None
    text: TextPanel | None = None
    dashboard: FeatureDashboard | None = None

    def __init__(
        self,
        source: Scope | ExplorerPayload,
        prompt: str | None = None,
        *,
        atlas: Atlas | None = None,
        features: Sequence[str] | None = None,
        site: str | None = None,
        edits: Sequence[Edit] = (),
        pinned: Sequence[str] = (),
        selection: int | None = None,
        feature: str | FeatureId | None = None,
        opened: bool | None = None,
        preset: str | None = None,
        side: str | None = None,
        widths: Sequence[float] | None = None,
        seed: int = 0,
        temperature: float = 1.0,
        max_new_tokens: int = 24,
        theme: str = "auto",
        height: int = 900,
        bundle: str = "auto",
        **unknown: object,
    ) -> None:
        refuse_unknown(Explorer, unknown)
        self._links: list[Link] = []
        self._notes: dict[str, str] = {}
        self._scope: Scope | None = None
        self._stepping = self._begun = False
        given = {"feature": feature and str(feature), "opened": opened, "preset": preset, "side": side,
                 "widths": widths and list(widths)}  # fmt: skip
        view: dict[str, Any] = {name: VIEW[name](name, value) for name, value in given.items() if value is not None}
        look: dict[str, Any] = {"theme": theme, "height": height, "bundle": bundle}
        if isinstance(source, ExplorerPayload):
            if prompt is not None or features is not None or edits:
                raise WidgetError("A payload has its prompt and features already.", "Give a scope to choose them.")
            payload = self._viewed(source, view)
            self.diary = list(payload.diary)
            super().__init__(payload, None, traits=_traits(payload), **look)
            return
        self.diary = []
        self._scope, self._atlas = source, atlas
        self._texts = {"seed": seed, "temperature": temperature, "max_new_tokens": max_new_tokens}
        self._pinned = node_ids("pinned", list(pinned))
        self.heatmap = TokenHeatmap(source, prompt, features, site=site, edits=edits, selection=selection, theme=theme,
                                    bundle=bundle)  # fmt: skip
        shown = self.heatmap
        focus = view.setdefault("feature", next(filter(None, shown.features), ""))
        shared = Shared(shown.prompt, shown.features, shown.edits, self._pinned)
        self.history = History((shared,))
        self._recorded_at = float("-inf")
        context = shown.payload.context
        payload = self._viewed(ExplorerPayload(shown.prompt, (), replace(context, code=self._call(shared))), view)
        super().__init__(payload, None, traits={"live": True, **_traits(payload)}, **look)
        with self._setting():
            self.prompt, self.features, self.edits = shown.prompt, shown.features, shown.edits
            self.selection = shown.selection
            if focus in shown.features:
                shown.fill = focus
        shown._leader = self
        self._panels = {"heatmap": f"anywidget:{shown.model_id}"}
        self._links.append(link(self, shown, share=[*_SHARED, "token"]))
        self._follow()

    def _follow(self) -> None:
        """Notice what panels and people change."""
        self.observe(self._on_shared, _SHARED)
        self.observe(self._on_token, "selection")
        self.observe(self._on_focus, "feature")
        self.observe(self._on_theme, "theme")
        self.heatmap.observe(self._on_fill, "fill")

    # -- panels --------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Make the panels that take their time; once, when the strip is on its way to the reader."""
        with GUARD:
            if self._begun or self._scope is None or self.closed:
                return
            self._begun = True
            scope, theme = self._scope, self.theme
            options: dict[str, Any] = {"theme": theme, "atlas": self._atlas}
            prompt, edits = self.prompt, self.edits
            marks = {"pinned": list(self._pinned)}
            self.circuit = self._panel("circuit", lambda: CircuitPanel(
                self, scope, prompt, edits=edits, marks=marks, seed=self._texts["seed"], **options))  # fmt: skip
            self.text = self._panel("text", lambda: TextPanel(self, scope, prompt, **self._texts, **options))
            self._open_dashboard()
            if self.circuit is not None:
                self._links.append(link(self, self.circuit, share=["prompt", "edits"]))
                self.circuit.observe(self._on_marks, "marks")
                self.circuit.begin()
            if self.text is not None:
                self.text.begin()
                self._links.append(link(self, self.text, share=["prompt", "edits"]))
            self._tell()

    def _panel(self, name: str, make: Any) -> Any:
        """A panel, or a note why there is none."""
        try:
            made = make()
        except SaewidgetsError as error:
            self._notes[name] = f"{error.what} {error.todo}"
            return None
        self._panels = {**self._panels, name: f"anywidget:{made.model_id}"}
        self._notes.pop(name, None)
        return made

    def _open_dashboard(self) -> None:
        """Show the focused feature in its panel."""
        if not self._begun or not self.feature:
            return
        if self.dashboard is None:
            self.dashboard = self._panel("dashboard", lambda: FeatureDashboard(
                self._scope, self.feature, atlas=self._atlas, text=self.prompt, theme=self.theme))  # type: ignore[arg-type]  # fmt: skip
            if self.dashboard is not None:
                self.dashboard._leader = self
                self.dashboard.observe(self._on_dashboard, "feature")
        elif self.dashboard.feature != self.feature:
            try:
                self.dashboard.feature = self.feature
            except SaewidgetsError as error:
                self.dashboard.error = checks.describe(error)

    def _on_dashboard(self, change: Any) -> None:
        self.feature = change.new

    def _on_begin(self, request_id: Any, content: dict[str, Any]) -> None:
        self._begin()
        self._post({"type": "ok", "id": request_id, "result": None})

    def _on_theme(self, change: Any) -> None:
        for panel in self._all():
            panel.theme = change.new

    def _all(self) -> list[Any]:
        if self._scope is None:
            return []
        return [panel for panel in (self.heatmap, self.circuit, self.text, self.dashboard) if panel is not None]

    # -- what is shared ------------------------------------------------------------------------------------------------

    def _state(self) -> Shared:
        """What is wanted now: of the strip all at once, not one trait after the other."""
        request = self.heatmap._need_model().request
        pinned = self._pinned if self.circuit is None else tuple(self.circuit.marks["pinned"])
        return Shared(request.prompt, request.features, request.edits, pinned)

    def _on_shared(self, _: Any) -> None:
        with GUARD:
            if not self._stepping and not self.closed:
                self._record(self._state())

    def _record(self, state: Shared) -> None:
        before, now = self.history.state, time.monotonic()
        if state == before:
            return
        assert isinstance(before, Shared)
        merge = now - self._recorded_at < ONE_STEP and is_drag(before, state)
        self._recorded_at = now
        self.history = self.history.record(state, merge=merge)
        self._depths()
        for line in steps(before, state):
            self._noted(line, merge)

    def _on_marks(self, change: Any) -> None:
        """What is pinned has a letter."""
        with GUARD:
            if self._stepping or change.new["pinned"] == change.old["pinned"]:
                return
            have = {node for node in change.old["pinned"]}
            new = [node.rpartition("@")[0] for node in change.new["pinned"] if node not in have]
            known = self._scope.dictionaries if self._scope else {}
            self._letter([name for name in new if name.rpartition("/")[0] in known])
            self._record(self._state())

    def _letter(self, names: Sequence[str]) -> None:
        fresh = [name for name in dict.fromkeys(names) if name not in self.features]
        if fresh:
            features = list(self.features)
            for name in fresh:
                slot = features.index("") if "" in features and len(features) >= 8 else len(features)
                features[slot : slot + 1] = [name]
            self.features = tuple(features)

    def _on_token(self, change: Any) -> None:
        if not self._is_setting and not self._stepping:
            self._noted(f"ex.select(token={change.new})")

    def _on_fill(self, change: Any) -> None:
        if "/" in change.new:
            self.feature = change.new

    def _on_focus(self, change: Any) -> None:
        with GUARD:
            name = change.new
            if not self._stepping and self.diary[-1:] != [f"ex.add({name!r})"]:
                self._noted(f"ex.select(feature={name!r})")
            if name in self.features and self.heatmap.fill != name:
                self.heatmap.fill = name
            self._open_dashboard()

    def _step(self, direction: str, request_id: Any) -> None:
        with GUARD:
            self._need_model()
            history: History = getattr(self.history, direction)()
            if history.place != self.history.place:
                self.history = history
                self._recorded_at = float("-inf")
                self._restore(history.state)
                self._depths()
                self._noted("ex.undo()" if direction == "back" else "ex.redo()")
        if request_id is not None:
            self._post({"type": "ok", "id": request_id, "result": None})

    def _restore(self, state: Any) -> None:
        self._stepping = True
        try:
            self.prompt, self.features, self.edits = state.prompt, state.features, state.edits
            self._put_pinned(state.pinned)
        finally:
            self._stepping = False

    def _put_pinned(self, pinned: Sequence[str]) -> None:
        self._pinned = tuple(pinned)
        if self.circuit is not None:
            groups = [
                {**group, "nodes": [node for node in group["nodes"] if node in pinned]}
                for group in self.circuit.marks["groups"]
            ]
            kept = [group for group in groups if group["nodes"]]
            self.circuit.marks = {**self.circuit.marks, "pinned": list(pinned), "groups": kept}

    def _depths(self) -> None:
        for view in (self, *self._all()):
            view.undo_depth, view.redo_depth = self.history.undo_depth, self.history.redo_depth

    def _noted(self, code: str, again: bool = False) -> None:
        """Write a line of the diary. The one place that does; `again` where it makes the last line void."""
        if self.diary and (again or same_kind(self.diary[-1], code)):
            self.diary.pop()
        if self.diary[-1:] != [code] or code.endswith("do()"):
            self.diary = [*self.diary, code][-MAX_STEPS:]
        self._tell()

    def _tell(self) -> None:
        """Show diary, notes and code as they are now."""
        state = self.history.state
        assert isinstance(state, Shared)
        context = replace(self._picture.context, code=str(self.code()))
        shell = replace(self._shell(), prompt=state.prompt, context=context)
        with self._setting():
            self._put(shell, encode(shell))

    def _shell(self) -> ExplorerPayload:
        notes = tuple(ExplorerPanel(name, NOTHING, note) for name, note in self._notes.items() if name in PANELS)
        return replace(self._viewed(self._picture, self._view_now()), panels=notes, diary=tuple(self.diary))

    def _need_model(self) -> Any:
        if self._scope is None:
            why = "This widget is closed" if self.closed else "This view was opened from a file"
            raise WidgetError(f"{why} and has no model.", "Make a new one from a scope.")
        return None

    # -- for people ----------------------------------------------------------------------------------------------------

    def select(self, token: int | None = None, feature: str | FeatureId | None = None) -> None:
        """Select a token, or focus a feature, in all panels.

        Args:
            token: Its position.
            feature: `"resid_post.2/903"`.

        Raises:
            WidgetError: There is no such token, or no model.
            FeatureError: There is no such feature.
        """
        self._need_model()
        if token is not None:
            asked.with_view(self.heatmap.payload, "selection", asked.CHECKS["selection"]("token", token))
            self.selection = token
        if feature is not None:
            self.feature = self._known(feature)

    def add(self, feature: str | FeatureId) -> None:
        """Give a feature the next letter and focus it.

        Raises:
            FeatureError: There is none such.
        """
        name = self._known(feature)
        with GUARD:
            self._letter([name])
            self.feature = name

    def remove(self, feature: str | FeatureId) -> None:
        """Take a feature's letter away, and what is done to it."""
        name = self._known(feature)
        with GUARD:
            self.edits = tuple(edit for edit in self.edits if name not in map(str, edit.features))
            self.features = tuple("" if one == name else one for one in self.features)

    def pin(self, *nodes: str) -> None:
        """Pin nodes of the circuit, or all nodes of a feature: `"mlp_in.2/17@5"`, `"mlp_in.2/17"`.

        Raises:
            WidgetError: Something else.
        """
        self._need_model()
        with GUARD:
            wanted = [one for node in node_ids("nodes", list(nodes)) for one in self._nodes_of(node)]
            self._pin([*self._state().pinned, *wanted])

    def unpin(self, *nodes: str) -> None:
        """Unpin nodes."""
        self._need_model()
        with GUARD:
            gone = {one for node in node_ids("nodes", list(nodes)) for one in self._nodes_of(node)}
            self._pin([node for node in self._state().pinned if node not in gone])

    def _nodes_of(self, name: str) -> list[str]:
        """Ids of the nodes that a name stands for."""
        if "@" in name or self.circuit is None:
            return [name]
        return [node for node in self.circuit._picture.nodes.id if node.rpartition("@")[0] == name] or [name]

    def _pin(self, nodes: Sequence[str]) -> None:
        self._put_pinned(tuple(dict.fromkeys(nodes)))
        if self.circuit is None:
            self._record(self._state())

    def edit(self, *edits: Edit) -> None:
        """Make these the edits, in all panels; none takes all away.

        Args:
            edits: `sw.ablate(...)`, `sw.scale(...)`, ...

        Raises:
            EditError, FeatureError: One does not fit.
        """
        self._need_model()
        with GUARD:
            self.heatmap._request({"edits": edits})
            self.edits = edits

    def open(self, feature: str | FeatureId | None = None) -> None:
        """Focus a feature and show its whole dashboard.

        Args:
            feature: `"resid_post.2/903"`. Without one the widget's comm is opened, as ipywidgets asks for.

        Raises:
            FeatureError: There is no such feature.
        """
        if feature is None:
            super().open()
            return
        self.select(feature=feature)
        self.opened = True

    def _known(self, feature: str | FeatureId) -> str:
        self._need_model()
        name = feature_request.feature_id("feature", feature)
        self.heatmap._request({"features": (name,)})
        return name

    def wait(self, timeout: float | None = None) -> bool:
        """Block until all panels are up to date; `False` when `timeout` seconds were not enough."""
        self._begin()
        end = None if timeout is None else time.monotonic() + timeout
        for _ in range(3):  # what one panel finds moves the others
            for panel in (super(), *self._all()):
                if not panel.wait(None if end is None else max(0.0, end - time.monotonic())):
                    return False
        return True

    @property
    def payload(self) -> ExplorerPayload:
        """All panels as data. Waits for those that have no picture yet."""
        self._begin()
        end = time.monotonic() + PATIENCE
        for panel in (self.circuit, self.text):
            if panel is not None and not panel.known:
                panel.wait(max(0.0, end - time.monotonic()))
        return self._now(True)

    def _now(self, whole: bool) -> ExplorerPayload:
        """The panels as they are, with the dashboards if the payload is to stand for itself."""
        with GUARD:
            if self._scope is None:
                return self._viewed(self._picture, self._view_now())
            views = {"heatmap": self.heatmap, "circuit": self.circuit, "text": self.text}
            panels = tuple(self._encoded(name, view) for name, view in views.items())
            payload = replace(self._shell(), panels=panels)
        return replace(payload, dashboards=self._dashboards()) if whole else payload

    def _encoded(self, name: str, view: Any) -> ExplorerPanel:
        picture = None if view is None else view.payload
        if picture is None or (isinstance(picture, CircuitPayload) and not len(picture.nodes)):
            said = None if view is None else view.error
            note = f"{said['what']} {said['todo']}" if said else self._notes.get(name, "Not there yet.")
            return ExplorerPanel(name, NOTHING, note)
        return ExplorerPanel(name, np.frombuffer(encode(picture), np.uint8))

    def _dashboards(self) -> tuple[OpenedFeature, ...]:
        """Of the focused and the lettered features."""
        names = [name for name in dict.fromkeys([self.feature, *self.features]) if name][:MAX_OPENED]
        made = []
        for name in names:
            try:
                with FeatureDashboard(self._scope, name, atlas=self._atlas, text=self.prompt) as view:  # type: ignore[arg-type]
                    made.append(OpenedFeature(name, np.frombuffer(encode(view.payload), np.uint8)))
            except SaewidgetsError:
                continue  # its panel says so
        return tuple(made)

    def _on_payload(self, request_id: Any, content: dict[str, Any]) -> None:
        reply = {"type": "payload", "id": request_id, "revision": self._revision}
        self._post(reply, [encode(self._picture)])

    def static_bundle(self) -> dict[str, str]:
        """The picture as it is now for places that run no code; it waits for no panel."""
        return self._static(self._now(False))

    def _ipython_display_(self) -> None:
        super()._ipython_display_()
        self._begin()

    def _viewed(self, payload: ExplorerPayload, view: dict[str, Any]) -> ExplorerPayload:
        return replace(payload, **{k: tuple(v) if k == "widths" else v for k, v in view.items()})

    def _traits_of(self, payload: ExplorerPayload, request: Any) -> dict[str, Any]:
        return _traits(payload)

    def _front_value(self, name: str, value: Any) -> Any:
        value = VIEW[name](name, value)
        return self._known(value) if name == "feature" and value and self._scope is not None else value

    def _release(self) -> None:
        for one in self._links:
            one.unlink()
        for panel in self._all():
            panel._leader = None
            panel.close()
        self._links, self._scope, self._atlas = [], None, None

    def code(self) -> Code:
        """Python that makes this view again: version, scope, prompt, features, edits, pins, selection.

        Returns:
            The text; at the end of a cell it prints as it is.
        """
        context = self._picture.context
        if self._scope is None:
            return Code(context.code)
        head = f"import saewidgets as sw  # {context.version}\n"
        where = f"# scope: {comment(context.model)}, {comment(context.dictionaries)}; seed {self._texts['seed']}\n"
        return Code(f"{head}{where}ex = {self._call(self._state())}")

    def _call(self, state: Shared) -> str:
        parts = ["scope", repr(state.prompt)]
        parts += ["atlas=atlas"] if self._atlas is not None else []
        parts.append(f"features={[name for name in state.features if name]!r}")
        if state.edits:
            parts.append(f"edits=[{edit_call(state.edits).removeprefix('ex.edit(').removesuffix(')')}]")
        parts += [f"pinned={list(state.pinned)!r}"] if state.pinned else []
        parts.append(f"site={self.heatmap.site!r}")
        parts.append(f"selection={self.heatmap.selection}")
        for name, default in (("feature", ""), ("opened", False), ("preset", "researcher"), ("side", "after")):
            value = getattr(self, name)
            parts += [f"{name}={value!r}"] if value != default else []
        defaults = {"seed": 0, "temperature": 1.0, "max_new_tokens": 24}
        parts += [f"{name}={value!r}" for name, value in self._texts.items() if value != defaults[name]]
        return f"sw.Explorer({', '.join(parts)})"

    def __repr__(self) -> str:
        """One short line, for places that show text."""
        text = self._picture.prompt
        shown = text if len(text) <= 40 else text[:39] + "…"
        return f"Explorer({shown!r})"


def _traits(payload: ExplorerPayload) -> dict[str, Any]:
    values = {name: getattr(payload, name) for name in VIEW}
    return {**values, "widths": list(payload.widths)}
