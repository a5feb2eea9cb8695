"""`AttributionGraph`: features, errors, tokens and logits of one prompt with their direct effects on each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from saewidgets.circuits.marks import Marks
from saewidgets.circuits.nodes import FEATURE, KINDS, LOGIT, TOKEN, Nodes
from saewidgets.errors import CircuitError, shorten
from saewidgets.payloads import influence
from saewidgets.payloads.arrays import Array
from saewidgets.payloads.influence import GraphScores, Matrix

if TYPE_CHECKING:
    from saewidgets.circuits.difference import GraphDifference


@dataclass(frozen=True, eq=False)
class AttributionGraph:
    """The attribution graph of a prompt (Ameisen et al. 2025). N nodes.

    Args:
        model: Name of the model.
        prompt: The text.
        tokens: Its tokens as strings.
        token_ids: Their ids.
        columns: The nodes; `nodes` shows them as a table.
        adjacency: `[N, N]` sparse, row = target, column = source: how much of the target's pre-activation (the
            target's value for a logit) is the source's direct effect.
        residual: How far row sum + bias is from the pre-activation, at worst, relative to the largest one.
        covered: Share of the influence of all active features that the nodes here hold.
        complete: Whether every active feature is here.
        method: How it was computed, in words.
        marks: What a person pinned, grouped and placed.
        info: JSON values kept with it: settings, and what an imported file held besides.
        whole: Scores of the graph that this one was pruned from.

    Raises:
        CircuitError: Columns, adjacency or marks do not fit each other.

    Example:
        >>> import saewidgets as sw
        >>> graph = sw.demo().attribute("Mira saw a red boat.", max_features=64).prune()
        >>> graph.adjacency.shape == (len(graph.nodes), len(graph.nodes))
        True
        >>> list(graph.edges.columns)
        ['source', 'target', 'weight']
    """

    model: str
    prompt: str
    tokens: tuple[str, ...]
    token_ids: tuple[int, ...]
    columns: Nodes
    adjacency: Matrix
    residual: float = 0.0
    covered: float = 1.0
    complete: bool = True
    method: str = ""
    marks: Marks = field(default_factory=Marks)
    info: Mapping[str, Any] = field(default_factory=dict)
    whole: GraphScores | None = None

    def __post_init__(self) -> None:
        n = len(self.columns)
        if self.adjacency.shape != (n, n):
            raise CircuitError(f"The adjacency is {self.adjacency.shape}.", f"There are {n} nodes.")
        if not np.isfinite(self.adjacency.data).all():
            raise CircuitError("The adjacency holds values that are not finite.", "Compute the graph again.")
        if len(self.tokens) != len(self.token_ids):
            raise CircuitError(f"{len(self.tokens)} tokens, {len(self.token_ids)} ids.", "Give one id a token.")
        unknown = self.marks.ids() - self.columns.place.keys()
        if unknown:
            raise CircuitError(f"A mark names {shorten(min(unknown))}.", "Mark nodes of this graph; see graph.nodes.")

    @property
    def nodes(self) -> pd.DataFrame:
        """One row a node.

        Columns: id, kind, dictionary, layer, position, token, index, activation, influence (how much of the targets
        passes through it), cumulative (share of all influence held by it and those above it), weight and probability
        (of targets), label, group.
        """
        c = self.columns
        known = (*c.dictionaries, "")  # -1 is no dictionary
        group = {name: label for label, members in self.marks.groups for name in members}
        tokens = np.array([*self.tokens, ""], dtype=object)
        return pd.DataFrame(
            {
                "id": c.ids,
                "kind": [KINDS[k] for k in c.kind],
                "dictionary": [known[d] for d in c.dictionary],
                "layer": c.layer,
                "position": c.position,
                "token": tokens[np.minimum(c.position, len(self.tokens))],
                "index": c.index,
                "activation": c.activation,
                "influence": self.influence,
                "cumulative": c.cumulative,
                "weight": c.weight,
                "probability": c.probability,
                "label": c.labels,
                "group": [group.get(name, "") for name in c.ids],
            }
        )

    @property
    def edges(self) -> pd.DataFrame:
        """One row an edge, by descending absolute weight: source, target, weight."""
        found = self.adjacency.tocoo()
        order = np.argsort(-np.abs(found.data), kind="stable")
        ids = np.array(self.columns.ids, dtype=object)
        return pd.DataFrame(
            {"source": ids[found.col[order]], "target": ids[found.row[order]], "weight": found.data[order]}
        )

    @cached_property
    def influence(self) -> Array:
        """`[N]` how much of the targets passes through each node, float64."""
        return influence.influence(influence.normalise(self.adjacency), self.columns.weight)

    def scores(self, pinned: Sequence[str] | None = None) -> GraphScores:
        """Replacement and completeness.

        Args:
            pinned: Ids of the features of a part; all others then count as error. `None`: of the whole graph, which for
                a pruned graph means the one that it was pruned from.

        Returns:
            The scores, each from 0 to 1.
        """
        c = self.columns
        if pinned is None:
            return self.whole or influence.scores(self.adjacency, c.kind, c.weight)
        inside = np.zeros(len(c), dtype=bool)
        inside[c.numbers(pinned)] = True
        return influence.scores(self.adjacency, c.kind, c.weight, ~inside)

    def prune(self, nodes: float = 0.8, edges: float = 0.98) -> AttributionGraph:
        """Leave out nodes and edges that carry little influence; tokens and targets stay.

        Args:
            nodes: Share of the influence on nodes that is kept.
            edges: Share of the influence through edges that is kept.

        Returns:
            The pruned graph. Its cumulative influence and scores are those of this one.
        """
        c = self.columns
        keep, left = influence.prune(self.adjacency, c.kind, c.weight, nodes, edges)
        # What a person marked stays: a pin is no accident.
        marked = np.zeros(len(c), dtype=bool)
        marked[[c.place[name] for name in self.marks.ids()]] = True
        settings = {"node_threshold": nodes, "edge_threshold": edges}
        return self._only(keep | marked, left, self.scores(), {**self.info, "pruning_settings": settings})

    def keep(self, ids: Sequence[str]) -> AttributionGraph:
        """The graph of some nodes, its tokens and its targets."""
        c = self.columns
        chosen = (c.kind == TOKEN) | (c.kind == LOGIT)
        chosen[c.numbers(ids)] = True
        return self._only(chosen, self.adjacency, self.scores(), self.info)

    def _only(self, keep: Array, adjacency: Matrix, whole: GraphScores, info: Mapping[str, Any]) -> AttributionGraph:
        columns = self.columns.take(keep)
        numbers = np.flatnonzero(keep)
        features = self.columns.kind == FEATURE
        held, all_of = self.influence[features & keep].sum(), self.influence[features].sum()
        return replace(
            self,
            columns=columns,
            adjacency=sparse.csr_array(adjacency[numbers][:, numbers]),
            covered=self.covered * float(held / all_of) if all_of > 0 else self.covered,
            complete=self.complete and bool(keep[features].all()),
            marks=self.marks.only(columns.place),
            info=info,
            whole=whole,
        )

    def mark(self, **changes: Any) -> AttributionGraph:
        """The same graph with other marks: `pinned`, `groups`, `positions`, `clicked`, `links`.

        Raises:
            CircuitError: A mark on a node that is not here.
        """
        return replace(self, marks=replace(self.marks, **changes))

    def label(self, labels: Mapping[str, str]) -> AttributionGraph:
        """The same graph with other labels, by node id (or feature id, for all its positions)."""
        texts = list(self.columns.labels)
        for name, text in labels.items():
            for n in self.columns.numbers(name):
                texts[n] = str(text)
        return replace(self, columns=replace(self.columns, labels=tuple(texts)))

    def difference(self, other: AttributionGraph) -> GraphDifference:
        """What changes from this graph to another: of an edited prompt, under an edit, of another checkpoint."""
        from saewidgets.circuits.difference import GraphDifference

        return GraphDifference(self, other)

    def predict(self, nodes: str | Sequence[str], factor: float = 0.0) -> pd.DataFrame:
        """The effect of scaling some nodes as the graph has it; see `saewidgets.circuits.predict.predict`."""
        from saewidgets.circuits.predict import predict

        return predict(self, nodes, factor)

    def to_networkx(self) -> Any:
        """A `networkx.DiGraph` with the columns of `nodes` as attributes and `weight` on its edges.

        Raises:
            CircuitError: networkx is not installed.
        """
        try:
            import networkx  # type: ignore[import-untyped]  # it is not among what we need
        except ImportError:
            raise CircuitError("networkx is not installed.", "Install it with `pip install networkx`.") from None
        graph = networkx.DiGraph(model=self.model, prompt=self.prompt)
        table = self.nodes.set_index("id")
        graph.add_nodes_from((name, row) for name, row in table.to_dict("index").items())
        graph.add_weighted_edges_from(self.edges.itertuples(index=False, name=None))
        return graph

    def to_json(self, dialect: str = "neuronpedia", path: str | Path | None = None, **options: Any) -> str:
        """The graph as JSON that other viewers open; see `saewidgets.circuits.write.to_json`."""
        from saewidgets.circuits.write import to_json

        return to_json(self, dialect, path, **options)

    @classmethod
    def from_json(cls, source: str | Path | Mapping[str, Any]) -> AttributionGraph:
        """Read a graph of Neuronpedia, circuit-tracer or Anthropic's front end; see `saewidgets.circuits.read`."""
        from saewidgets.circuits.read import from_json

        return from_json(source)

    def save(self, path: str | Path) -> Path:
        """Write it to one file, lossless, without pickle; see `saewidgets.circuits.store`."""
        from saewidgets.circuits.store import save

        return save(self, path)

    @classmethod
    def load(cls, path: str | Path) -> AttributionGraph:
        """Read what `save` wrote.

        Raises:
            CircuitError: Not such a file, or damaged.
        """
        from saewidgets.circuits.store import load

        return load(path)

    def __repr__(self) -> str:
        counts = ", ".join(f"{int((self.columns.kind == k).sum())} {KINDS[k]}s" for k in range(4))
        part = "" if self.complete else f", {self.covered:.0%} of the influence covered"
        return f"AttributionGraph({shorten(self.prompt)}, {counts}, {self.adjacency.nnz} edges{part})"
