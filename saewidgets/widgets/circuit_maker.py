"""What makes the pictures of a circuit graph: graphs as they grow, those before an edit, a layout that stays."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from saewidgets.circuits.graph import AttributionGraph
from saewidgets.circuits.layout import Layout
from saewidgets.circuits.picture import SHARE, circuit_payload
from saewidgets.errors import FeatureError, SaewidgetsError
from saewidgets.payloads.circuit import CircuitPayload, CircuitWords
from saewidgets.payloads.context import Context
from saewidgets.widgets.circuit_request import CircuitRequest, code
from saewidgets.widgets.jobs import Token

if TYPE_CHECKING:
    from saewidgets.circuits.attribution import Attribution
    from saewidgets.scope import Scope

# Seconds that a new widget waits for its whole graph, and between two pictures of one that grows.
PATIENCE, PACE = 1.5, 0.35
# Graphs that are kept: undo and going back cost nothing.
KEPT = 6


@dataclass(frozen=True, eq=False)
class Picture:
    """A payload with the graph it is of."""

    payload: CircuitPayload
    graph: AttributionGraph


def still(graph: AttributionGraph) -> CircuitPayload:
    """A payload of a finished graph, without a model; what was pruned once is not pruned again."""
    from saewidgets import __version__
    from saewidgets.widgets.circuit_request import marks_of

    marks = graph.marks
    own: dict[str, Any] = {
        "pinned": list(dict.fromkeys([*marks.pinned, *(node for _, nodes in marks.groups for node in nodes)])),
        "groups": _once(marks.groups),
        "places": {name: list(place) for name, place in marks.positions.items()},
        "names": {},
    }
    pruned = "pruning_settings" in graph.info or graph.whole is not None or len(graph.columns) < 400
    keep: dict[str, Any] = {"keep_nodes": 1.0, "keep_edges": 1.0} if pruned else {}
    call = "sw.CircuitGraph(sw.AttributionGraph.from_json('graph.json'))"
    context = Context(graph.model, graph.method, version=__version__, code=call)
    words = _targets(graph)
    payload, _ = circuit_payload(
        graph,
        context,
        share=1.0,
        pinned=own["pinned"],
        marks=marks_of(own),
        selection=marks.clicked,
        words=words,
        **keep,
    )
    return payload


def _once(groups: Any) -> list[dict[str, Any]]:
    """Groups in which a node stands once: the first that has it keeps it."""
    seen: set[str] = set()
    found = []
    for label, nodes in groups:
        own = [node for node in dict.fromkeys(nodes) if node not in seen]
        seen.update(own)
        if own:
            found.append({"label": label, "nodes": own})
    return found


def _targets(graph: AttributionGraph) -> CircuitWords:
    """Probabilities of the targets of a graph without a model."""
    from saewidgets.circuits.nodes import LOGIT

    columns = graph.columns
    logits = [n for n in range(len(columns)) if columns.kind[n] == LOGIT and columns.probability[n] > 0]
    logits.sort(key=lambda n: -float(columns.probability[n]))
    return CircuitWords(tuple(columns.labels[n] for n in logits), columns.probability[logits])


def shown_soon(pictures: Iterator[Picture]) -> tuple[Picture, bool]:
    """The last picture there is when patience ends, and whether it is the whole."""
    started = time.monotonic()
    picture = next(pictures)
    for picture in pictures:
        if time.monotonic() - started > PATIENCE:
            return picture, False
    return picture, True


class Maker:
    """Makes pictures of one scope.

    Args:
        scope: The model and its dictionaries.
    """

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.layout: Layout | None = None
        self.pinned: tuple[str, ...] = ()
        self.groups: dict[str, str] = {}
        self.share = SHARE
        self._answered: tuple[Any, dict[str, Any]] = (None, {})
        self._graphs: OrderedDict[Any, AttributionGraph] = OrderedDict()
        self._unfinished: tuple[Any, Attribution | None] = (None, None)

    def check(self, request: CircuitRequest) -> None:
        """Refuse features that the scope does not have before a job is made of them.

        Raises:
            FeatureError: There is one.
        """
        from saewidgets.interventions.references import keys_of

        for edit in request.edits:
            keys_of(edit, self.scope.dictionaries)
        for feature in (feature for edit in request.edits for feature in edit.features):
            dictionary = self.scope.dictionaries.get(feature.dictionary)
            if dictionary is None or feature.index >= dictionary.d_dict:
                raise FeatureError(f"There is no feature {feature}.", self.scope.loaded)

    def pictures(
        self, request: CircuitRequest, token: Token, progress: Callable[[int, int, str], None] | None
    ) -> Iterator[Picture]:
        """The graph as it grows, then beside what was before, then with what was measured."""
        from saewidgets.circuits.measured import effect_of, words_of, worth_of

        started = time.monotonic()
        before = None
        if request.edits or (request.base and request.base != request.prompt):
            before = self._whole(replace(request, prompt=request.base or request.prompt, edits=()), token, progress)
        graph = None
        asked = request, self.pinned
        known = self._answered[1] if self._answered[0] == asked else {}
        for graph in self._growing(request, token, progress):
            yield self._picture(request, graph, before, started, **known)
        assert graph is not None
        if known:
            return
        token.check()
        words = words_of(self.scope, request.prompt, request.edits, request.seed, token.check)
        fields: dict[str, Any] = {"words": words}
        yield self._picture(request, graph, before, started, **fields)
        if request.edits:
            plain = self._whole(replace(request, edits=()), token, progress)
            fields["effect"] = effect_of(
                self.scope, plain, request.edits, request.targets, request.seed, self.pinned, self.groups, token.check
            )
            yield self._picture(request, graph, before, started, **fields)
        if request.measure:
            fields["worth"] = worth_of(self.scope, graph, request.measure, request.targets, request.seed)
            yield self._picture(request, graph, before, started, **fields)
        self._answered = (asked, fields)

    def _key(self, request: CircuitRequest) -> Any:
        return request.prompt, request.targets, request.edits, request.method, request.max_features

    def positions(self, before: str, now: str) -> dict[int, int]:
        """Where each token of a text is in another one; those that are gone are missing."""
        try:
            one, two = (self.scope.model.tokenize(text) for text in (before, now))
        except SaewidgetsError:
            return {}
        found: dict[int, int] = {}
        for tag, i1, i2, j1, j2 in SequenceMatcher(None, one, two, autojunk=False).get_opcodes():
            if tag == "equal" or (tag == "replace" and i2 - i1 == j2 - j1):
                found |= dict(zip(range(i1, i2), range(j1, j2), strict=True))
        return found

    def look(self, marks: Mapping[str, Any], keep_nodes: float) -> None:
        """What a person pinned and grouped is looked at first; all nodes are held when most are looked at."""
        self.share = SHARE if keep_nodes <= SHARE else 1.0
        self.pinned = tuple(marks["pinned"])
        self.groups = {node: group["label"] for group in marks["groups"] for node in group["nodes"]}

    def _known(self, request: CircuitRequest) -> AttributionGraph | None:
        found = self._graphs.get(self._key(request))
        if found is not None:
            self._graphs.move_to_end(self._key(request))
        return found

    def _whole(
        self, request: CircuitRequest, token: Token, progress: Callable[[int, int, str], None] | None
    ) -> AttributionGraph:
        """The last of the growing graphs."""
        *_, graph = self._growing(request, token, progress)
        return graph

    def _growing(
        self, request: CircuitRequest, token: Token, progress: Callable[[int, int, str], None] | None
    ) -> Iterator[AttributionGraph]:
        """Graphs of more and more rows; the last one is kept."""
        graph = self._known(request)
        if graph is None:
            for graph in self._computed(request, token, progress):
                yield graph
            assert graph is not None
            self._graphs[self._key(request)] = graph
            while len(self._graphs) > KEPT:
                self._graphs.popitem(last=False)
        else:
            yield graph

    def _computed(
        self, request: CircuitRequest, token: Token, progress: Callable[[int, int, str], None] | None
    ) -> Iterator[AttributionGraph]:
        targets = list(request.targets) or None
        if request.method != "transcoder":
            yield self.scope.attribute(request.prompt, targets, method=request.method, **_edited(request))
            return
        from saewidgets.circuits.attribution import Attribution

        key, making = self._unfinished
        if key != self._key(request) or making is None:
            making = Attribution(
                self.scope,
                request.prompt,
                targets,
                max_features=request.max_features,
                first=self.pinned,
                **_edited(request),
            )
        # What was stopped goes on where it was.
        self._unfinished = (self._key(request), making)
        drawn = time.monotonic()
        for step in making:
            token.check()
            if progress is not None:
                progress(step.done, step.estimate.rows, "rows")
            if not step.finished and time.monotonic() - drawn > PACE and step.done > len(step.targets.labels):
                yield step.graph()
                drawn = time.monotonic()
        self._unfinished = (None, None)
        yield making.graph()

    def _picture(
        self,
        request: CircuitRequest,
        graph: AttributionGraph,
        before: AttributionGraph | None,
        started: float,
        **fields: Any,
    ) -> Picture:
        payload, self.layout = circuit_payload(
            graph,
            self._context(request, graph, 1000 * (time.monotonic() - started)),
            before,
            layout=self.layout,
            share=self.share,
            pinned=self.pinned,
            edits=_said(request),
            **fields,
        )
        return Picture(payload, graph)

    def _context(self, request: CircuitRequest, graph: AttributionGraph, milliseconds: float) -> Context:
        from saewidgets import __version__

        keys = graph.columns.dictionaries
        used = self.scope.dictionaries.get(keys[0]) if keys else None
        words = f"{used.describe()}, {len(keys)} dictionaries" if used is not None else graph.method
        errors = {edit.error for edit in request.edits}
        return Context(
            model=f"{self.scope.name} · {self.scope.model.n_layers} layers",
            dictionaries=words,
            error="dropped" if "drop" in errors else "kept",
            propagation="free",
            seed=request.seed,
            milliseconds=milliseconds,
            version=__version__,
            code=code(request, {}),
        )


def _edited(request: CircuitRequest) -> dict[str, Any]:
    return {"edits": request.edits} if request.edits else {}


def _said(request: CircuitRequest) -> str:
    """Edits in words."""
    return ", ".join(f"{edit.kind} {', '.join(map(str, edit.features)) or edit.target}" for edit in request.edits)
