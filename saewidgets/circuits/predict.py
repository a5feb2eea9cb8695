"""What a graph says will happen when some of its nodes are scaled. No model is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from saewidgets.circuits.nodes import FEATURE, KINDS, LOGIT
from saewidgets.errors import CircuitError, shorten
from saewidgets.payloads.arrays import Array

if TYPE_CHECKING:
    from saewidgets.circuits.graph import AttributionGraph


def predict(graph: AttributionGraph, nodes: str | Sequence[str], factor: float = 0.0) -> pd.DataFrame:
    """The effect on every feature and target of scaling some nodes.

    Args:
        graph: Any graph.
        nodes: Ids, or the label of a group.
        factor: What the nodes are multiplied by; 0 ablates them.

    Returns:
        One row a feature or target that is not among the nodes: id, kind, label, `direct` (past no other feature) and
        `total` (through features as well: a feature moves as its pre-activation does, and can go off but not below 0).
        In units of pre-activation; of the target's value for logits.

    Raises:
        CircuitError: No such node, or a factor that is none.

    Example:
        >>> import saewidgets as sw
        >>> graph = sw.demo().attribute("Mira saw a red boat.", max_features=64)
        >>> list(predict(graph, graph.nodes["id"][0]).columns)
        ['id', 'kind', 'label', 'direct', 'total']
    """
    c = graph.columns
    members = members_of(graph, nodes)
    direct, total = effects(graph, members, factor)
    others = (c.kind == FEATURE) | (c.kind == LOGIT)
    others[members] = False
    at = np.flatnonzero(others)
    return pd.DataFrame(
        {
            "id": [c.ids[n] for n in at],
            "kind": [KINDS[c.kind[n]] for n in at],
            "label": [c.labels[n] for n in at],
            "direct": direct[at],
            "total": total[at],
        }
    )


def members_of(graph: AttributionGraph, nodes: str | Sequence[str]) -> Array:
    """Numbers of some nodes, each once: ids, or the label of a group.

    Raises:
        CircuitError: No such node, none at all, or a target.
    """
    groups = dict(graph.marks.groups)
    named = groups.get(nodes) if isinstance(nodes, str) else None
    found = np.unique(graph.columns.numbers(nodes if named is None else named))
    if not len(found):
        raise CircuitError("There is nothing to intervene on.", "Name at least one node; see graph.nodes.")
    if (graph.columns.kind[found] == LOGIT).any():
        raise CircuitError("A target has no effect on anything.", "Name features, errors or tokens.")
    return found


def effects(graph: AttributionGraph, members: Array, factor: float) -> tuple[Array, Array]:
    """`[N]` direct and total effect of scaling some nodes, float64."""
    if not isinstance(factor, int | float) or isinstance(factor, bool) or not abs(factor) < 1e6:
        raise CircuitError(f"factor={shorten(factor)}.", "Give a finite number; 0 ablates.")
    c, matrix = graph.columns, graph.adjacency.astype(np.float64)
    share = np.zeros(len(c))
    share[members] = factor - 1
    direct = matrix @ share
    free = (c.kind == FEATURE) & (c.activation != 0)
    free[members] = False
    inverse = np.divide(1.0, c.activation, out=np.zeros(len(c)), where=free, dtype=np.float64)
    total = direct
    # Effects go from layer to layer: after as many rounds as the graph is deep nothing changes.
    for _ in range(len(c) + 1):
        moved = np.where(free, np.maximum(total * inverse, -1.0), share)
        again = matrix @ moved
        if np.array_equal(again, total):
            break
        total = again
    return direct, total
