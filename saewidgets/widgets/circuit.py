"""`CircuitGraph`: an attribution graph that grows, is pruned, pinned and grouped, and follows edits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import traitlets

from saewidgets.circuits.graph import AttributionGraph
from saewidgets.errors import Cancelled, PromptError, WidgetError
from saewidgets.payloads.circuit import CircuitPayload
from saewidgets.widgets import checks
from saewidgets.widgets.asked import comment, dragged
from saewidgets.widgets.base import BaseWidget, Step
from saewidgets.widgets.checks import Checked, refuse_unknown
from saewidgets.widgets.circuit_files import GraphFiles
from saewidgets.widgets.circuit_maker import Maker, shown_soon, still
from saewidgets.widgets.circuit_request import (
    CHECKS,
    VIEW,
    CircuitRequest,
    code,
    edits_at,
    marks_at,
    marks_json,
    marks_of,
    node_ids,
    same_marks,
)
from saewidgets.widgets.history import History
from saewidgets.widgets.inside import Inside, dashboard_in
from saewidgets.widgets.jobs import Token
from saewidgets.widgets.output import Code

if TYPE_CHECKING:
    from saewidgets.atlas.atlas import Atlas
    from saewidgets.interventions import Edit
    from saewidgets.scope import Scope

NOTHING: dict[str, Any] = {"pinned": [], "groups": [], "places": {}, "names": {}}
_WANTS = ("prompt", "targets", "edits")


class CircuitGraph(GraphFiles, Inside, BaseWidget):
    """An attribution graph by layer and token: prune, pin, group, name, ablate; edit the text and it follows.

    `prompt`, `targets` and `edits` can be set from Python too: the graph follows in the background (`wait()` waits for
    it). `keep_nodes`, `keep_edges`, `side`, `selection` and `marks` are what the view shows of it. A large graph is
    shown while it grows; `payload.covered` says how much is there.

    Args:
        source: A scope; an `AttributionGraph`, also one read from another program's file, or a `CircuitPayload`, for a
            view without a model.
        prompt: The text; needed with a scope.
        targets: What is explained: tokens, ids, `sw.circuits.Target`s; `None` for the likeliest next tokens.
        edits: What is done to features: `sw.ablate(...)`, `sw.scale(...)`. Old and new graph are laid over each other.
        base: A text to compare with.
        pinned: Ids of nodes.
        groups: Supernodes: label -> ids of nodes.
        names: Id of a node, or of a feature, -> its name.
        measure: Ids of nodes whose worth (faithfulness and completeness) is measured by ablation.
        keep_nodes: Share of the influence on nodes that is shown.
        keep_edges: Share of the influence through edges that is shown.
        side: `"now"`, `"before"` or `"both"`, where there are two graphs.
        selection: Id of the node in hand.
        marks: All marks at once, as `view.marks` has them.
        method: As in `Scope.attribute`.
        max_features: Most features in the graph, by influence.
        seed: Of the controls.
        atlas: Where dashboards of features find their examples.
        theme: `"auto"` follows the host; `"light"`, `"dark"`.
        height: Reserved height in px before the first picture.
        bundle: How the code gets to the front end; leave it.
        unknown: None are accepted.

    Raises:
        SaewidgetsError: The first picture cannot be made; the message says why.
        TypeError: Unknown argument.

    Example:
        >>> import saewidgets as sw
        >>> with sw.CircuitGraph(sw.demo(), "Mira saw a red boat.", max_features=64) as view:
        ...     done = view.wait()
        ...     view.to_frame().columns[:3].tolist()
        ['id', 'kind', 'label']
    """

    _view = traitlets.Unicode("circuit", read_only=True).tag(sync=True)
    prompt = Checked("", CHECKS["prompt"]).tag(sync=True)
    targets = Checked((), CHECKS["targets"]).tag(sync=True, to_json=lambda value, _: _plain(value))
    edits = Checked((), CHECKS["edits"]).tag(sync=True, to_json=lambda value, _: _edits_json(value))
    base = Checked("", CHECKS["base"]).tag(sync=True)
    keep_nodes = Checked(0.8, VIEW["keep_nodes"]).tag(sync=True)
    keep_edges = Checked(0.98, VIEW["keep_edges"]).tag(sync=True)
    side = Checked("now", VIEW["side"]).tag(sync=True)
    selection = Checked("", VIEW["selection"]).tag(sync=True)
    marks = Checked(NOTHING, VIEW["marks"]).tag(sync=True)

    _front_traits: ClassVar[tuple[str, ...]] = tuple(VIEW)
    _messages: ClassVar[dict[str, str]] = {
        "run": "_on_run", "undo": "_on_undo", "redo": "_on_redo", "cancel": "_on_cancel", "open": "_on_open",
        "group": "_on_group", "import": "_on_import", "save": "_on_save", "payload": "_on_payload",
        "bundle": "_on_bundle",
    }  # fmt: skip

    def __init__(
        self,
        source: Scope | AttributionGraph | CircuitPayload,
        prompt: str | None = None,
        targets: Any = None,
        *,
        edits: Sequence[Edit] = (),
        base: str = "",
        pinned: Sequence[str] = (),
        groups: Mapping[str, Sequence[str]] | None = None,
        names: Mapping[str, str] | None = None,
        measure: Sequence[str] = (),
        keep_nodes: float | None = None,
        keep_edges: float | None = None,
        side: str | None = None,
        selection: str | None = None,
        marks: Mapping[str, Any] | None = None,
        method: str = "transcoder",
        max_features: int | None = None,
        seed: int = 0,
        atlas: Atlas | None = None,
        theme: str = "auto",
        height: int = 560,
        bundle: str = "auto",
        **unknown: object,
    ) -> None:
        refuse_unknown(CircuitGraph, unknown)
        self._maker: Maker | None = None
        self._atlas = atlas
        self._graph: AttributionGraph | None = None
        self._anchor: tuple[str, Any, Any] = ("", (), NOTHING)
        self._held: tuple[str, Any, Any] | None = None
        step: Step | None = None
        given = {"keep_nodes": keep_nodes, "keep_edges": keep_edges, "side": side, "selection": selection}
        if pinned or groups or names:
            own = [*dict.fromkeys([*pinned, *(node for nodes in (groups or {}).values() for node in nodes)])]
            listed = [{"label": label, "nodes": list(nodes)} for label, nodes in (groups or {}).items()]
            marks = {"pinned": own, "groups": listed, "names": dict(names or {}), **(marks or {})}
        view = {name: VIEW[name](name, value) for name, value in given.items() if value is not None}
        if marks is not None:
            view["marks"] = VIEW["marks"]("marks", marks)
        whole = True
        if isinstance(source, CircuitPayload | AttributionGraph):
            if prompt is not None or targets is not None or edits:
                raise WidgetError(
                    "A finished graph has its prompt and targets already.", "Give a scope to choose them."
                )
            payload = source if isinstance(source, CircuitPayload) else still(source)
            self._graph = source if isinstance(source, AttributionGraph) else None
            payload = self._viewed(payload, view)
        else:
            request = _asked(source, prompt, targets, edits, base, measure, method, max_features, seed)
            self._maker = Maker(source)
            self._maker.check(request)
            self._maker.look(view.get("marks", NOTHING), view.get("keep_nodes", 0.8))
            payload, whole = self._first(request)
            if payload.now.influence.size and not (pinned or groups or marks):
                view.setdefault("selection", chief(payload))
            payload = self._viewed(payload, view)
            step = Step(request, History((self._undoable(request),)), {})
        traits = {
            "marks": marks_json(payload.marks),
            **self._traits_of(payload, step.request if step else None),
            **view,
        }
        super().__init__(payload, step, theme=theme, height=height, bundle=bundle, traits=traits)
        if not whole:
            self._begin()

    def _first(self, request: CircuitRequest) -> tuple[CircuitPayload, bool]:
        """What there is after a moment, and whether it is all."""
        assert self._maker is not None
        picture, whole = shown_soon(self._maker.pictures(request, Token(), None))
        self._graph = picture.graph
        return picture.payload, whole

    # -- requests ------------------------------------------------------------------------------------------------------

    def _request(self, state: dict[str, Any]) -> CircuitRequest:
        before: CircuitRequest = self._need_model().request
        changed = {name: CHECKS[name](name, state[name]) for name in CHECKS if name in state}
        request = replace(before, **changed)
        if request.prompt != before.prompt:
            request = self._followed(before, request, "edits" in changed)
            request = request if "base" in changed else replace(request, base=before.prompt)
        if (request.prompt, request.targets, request.edits) != (before.prompt, before.targets, before.edits):
            request = replace(request, measure=changed.get("measure", ()))
        assert self._maker is not None
        self._maker.check(request)
        return request

    def _followed(self, before: CircuitRequest, request: CircuitRequest, own: bool) -> CircuitRequest:
        """Marks and edits go where their tokens go, as long as a text is being typed from where it began."""
        assert self._maker is not None
        if self._held is None or self._held[1:] != (before.edits, self.marks):
            self._anchor = (before.prompt, before.edits, self.marks)
        text, edits, marks = self._anchor
        places = self._maker.positions(text, request.prompt)
        if not own:
            request = replace(request, edits=edits_at(edits, places))
        with self._setting():
            self.marks = marks_at(marks, places)
        self._held = (request.prompt, request.edits, self.marks)
        return request

    @traitlets.observe(*_WANTS)  # type: ignore[untyped-decorator]
    def _on_set(self, change: Any) -> None:
        self._want_set(change)

    @traitlets.observe("keep_nodes")  # type: ignore[untyped-decorator]
    def _on_kept(self, change: Any) -> None:
        # The picture holds the nodes of most of the influence; the rest comes when it is asked for.
        if not self._is_setting and self._wanted is not None and change.new > self._picture.most_nodes:
            self._want(self._wanted.request, None)

    def _pictures(self, request: CircuitRequest, token: Token, progress: Any) -> Iterator[CircuitPayload]:
        maker = self._maker
        if maker is None:
            return
        maker.look(self.marks, self.keep_nodes)
        for picture in maker.pictures(request, token, progress):
            if self._aside is not None:
                raise Cancelled("A file is in view.")
            self._graph = picture.graph
            yield self._viewed(picture.payload, self._view_now())

    def _is_urgent(self, request: CircuitRequest) -> bool:
        return request.prompt == self._need_model().request.prompt

    def _undoable(self, request: CircuitRequest) -> Any:
        return request.prompt, request.targets, request.edits, request.base

    def _restored(self, request: CircuitRequest, state: Any) -> CircuitRequest:
        prompt, targets, edits, base = state
        if prompt != request.prompt:
            self._followed(request, replace(request, prompt=prompt, edits=edits), True)
        return replace(request, prompt=prompt, targets=targets, edits=edits, base=base, measure=())

    def _is_drag(self, before: Any, after: Any) -> bool:
        # Key strokes of one burst are one step, as are places of one slider.
        return before[1:3] == after[1:3] or [*map(dragged, before[2])] == [*map(dragged, after[2])]

    def _on_group(self, request_id: Any, content: dict[str, Any]) -> None:
        """Answer with proposals of supernodes for the pinned nodes."""
        self._need_model()
        from saewidgets.circuits.measured import proposals

        found = proposals(self.graph, node_ids("nodes", content.get("nodes")))
        self._post({"type": "ok", "id": request_id, "result": {"groups": found}})

    def _dashboard_of(self, name: str) -> Any:
        assert self._maker is not None
        return dashboard_in(self._maker.scope, name, self._atlas, self.theme)

    # -- what is shown -------------------------------------------------------------------------------------------------

    def _viewed(self, payload: CircuitPayload, view: dict[str, Any]) -> CircuitPayload:
        fields: dict[str, Any] = {name: marks_of(value) if name == "marks" else value for name, value in view.items()}
        if fields.get("side", "now") != "now" and payload.before is None:
            fields["side"] = "now"
        return replace(payload, **fields)

    def _traits_of(self, payload: CircuitPayload, request: CircuitRequest | None) -> dict[str, Any]:
        names = [name for name in self._front_traits if name != "marks"]
        values = {"prompt": payload.prompt, **{name: getattr(payload, name) for name in names}}
        if self._ready and not same_marks(self.marks, marks_json(payload.marks)):
            values["marks"] = marks_json(payload.marks)
        if request is None:
            return values
        own = {"targets": request.targets, "edits": request.edits, "base": request.base}
        return {**values, "prompt": request.prompt, **own}

    def _front_value(self, name: str, value: Any) -> Any:
        return VIEW[name](name, value)

    @property
    def graph(self) -> AttributionGraph:
        """The whole graph in view, with the marks made on it.

        Raises:
            WidgetError: This view was opened from a payload, which holds a part.
        """
        if self._graph is None:
            raise WidgetError("A saved picture holds a part of its graph.", "Save graphs with graph.save or to_json.")
        place = self._graph.columns.place
        made = marks_of(self.marks)
        groups = tuple((g.label, tuple(n for n in g.nodes if n in place)) for g in made.groups)
        known = {one.id: one.label for one in made.names if one.id in place}
        return self._graph.label(known).mark(
            pinned=tuple(node for node in made.pinned if node in place),
            groups=tuple((label, nodes) for label, nodes in groups if nodes),
            positions={one.id: (one.x, one.y) for one in made.places if one.id in place},
            clicked=self.selection if self.selection in place else "",
        )

    def _release(self) -> None:
        self._close_dashboard()
        self._maker, self._graph, self._shown, self._wanted, self._aside = None, None, None, None, None

    def code(self) -> Code:
        """Python that makes this view again: version, scope, prompt, targets, edits, marks.

        Returns:
            The text; at the end of a cell it prints as it is.
        """
        shown = self.payload
        context, call = shown.context, shown.context.code
        if self._shown is not None:
            view: dict[str, Any] = {}
            for name, default in (("keep_nodes", 0.8), ("keep_edges", 0.98), ("side", "now"), ("selection", "")):
                if getattr(self, name) != default:
                    view[name] = getattr(self, name)
            if not same_marks(self.marks, NOTHING):
                view["marks"] = {key: value for key, value in self.marks.items() if value}
            call = code(self._shown.request, view)
        return Code(
            f"import saewidgets as sw  # {context.version}\n"
            f"# scope: {comment(context.model)}, {comment(context.dictionaries)}; seed {context.seed}\n{call}"
        )

    def __repr__(self) -> str:
        """One short line, for places that show text."""
        text = self._picture.prompt
        shown = text if len(text) <= 40 else text[:39] + "…"
        return f"CircuitGraph({shown!r}, {len(self._picture.nodes)} nodes, {len(self._picture.source)} edges)"


def _edits_json(value: tuple[Edit, ...]) -> list[dict[str, Any]]:
    if not value:
        return []
    from saewidgets.interventions import to_json

    return to_json(value)


def _plain(value: tuple[Any, ...]) -> list[Any]:
    """Targets for the front end: those that are no token by their name."""
    return [one if isinstance(one, (str, int)) else one.label or "target" for one in value]


def chief(payload: CircuitPayload) -> str:
    """The feature through which most passes: something to look at."""
    kind = payload.nodes.kind
    if not (kind == 0).any():
        return ""
    best = max((n for n in range(len(kind)) if kind[n] == 0), key=lambda n: float(payload.now.influence[n]))
    return payload.nodes.id[best]


def _asked(
    scope: Scope, prompt: str | None, targets: Any, edits: Any, base: Any, measure: Any, method: str,
    max_features: int | None, seed: int,
) -> CircuitRequest:  # fmt: skip
    if not hasattr(scope, "attribute"):
        raise WidgetError(
            f"A circuit graph of a {type(scope).__name__}.",
            "Give a scope (sw.Scope, sw.demo()), an AttributionGraph or a CircuitPayload.",
        )
    if prompt is None:
        raise PromptError("A live circuit graph needs a prompt.", "Write sw.CircuitGraph(scope, 'Some text').")
    given = {"prompt": prompt, "targets": targets, "edits": edits, "base": base, "measure": measure}
    checked = {name: CHECKS[name](name, value) for name, value in given.items()}
    if max_features is not None:
        max_features = checks.whole(1, 10**9)("max_features", max_features)
    return CircuitRequest(**checked, method=checks.word("method", method), max_features=max_features, seed=seed)
