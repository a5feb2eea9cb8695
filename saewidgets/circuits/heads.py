"""Edges split by attention head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from saewidgets.circuits.attribution import Attribution
from saewidgets.circuits.experiment import targets_of
from saewidgets.circuits.features import METHODS
from saewidgets.circuits.nodes import ERROR, FEATURE, LOGIT, TOKEN
from saewidgets.circuits.settings import settings_of
from saewidgets.dictionaries import Dictionary
from saewidgets.errors import CircuitError
from saewidgets.payloads.arrays import Array

if TYPE_CHECKING:
    from saewidgets.circuits.graph import AttributionGraph
    from saewidgets.scope import Scope


@torch.no_grad()
def head_edges(
    scope: Scope,
    graph: AttributionGraph,
    targets: str | Sequence[str],
    sources: str | Sequence[str] | None = None,
    *,
    dictionaries: Dictionary | Sequence[Dictionary] | Mapping[str, Dictionary] | None = None,
    explained: object = None,
) -> pd.DataFrame:
    """Through which attention heads the edges into some nodes run.

    An edge is split by the last head on the way, the one that writes at the target's token; what comes before it,
    further heads too, belongs to it. What never passes attention has layer and head -1. The parts of an edge add up to
    it.

    Args:
        scope: The model.
        graph: Of transcoders, whole or pruned.
        targets: Ids of features or targets whose incoming edges are split.
        sources: Ids; `None` for all of the graph.
        dictionaries: Those of the graph, where they are not the scope's.
        explained: The targets of the graph as given to `attribute`, where they are vectors.

    Returns:
        One row a part that is not 0, by falling absolute weight within each target: target, source, layer, head,
        weight.

    Raises:
        CircuitError: No such node, or a graph of autoencoders.

    Example:
        >>> import saewidgets as sw
        >>> scope = sw.demo()
        >>> graph = scope.attribute("Mira saw a red boat.", " The", max_features=64)
        >>> parts = head_edges(scope, graph, graph.columns.ids[-1])
        >>> whole = graph.adjacency.tocsr()[[-1]].sum()
        >>> bool(abs(parts["weight"].sum() - whole) < 1e-3)
        True
    """
    c = graph.columns
    if graph.method in METHODS:
        raise CircuitError("The edges of autoencoders are not linear in attention.", "Use method='transcoder'.")
    wanted = c.numbers(targets)
    if not np.isin(c.kind[wanted], (FEATURE, LOGIT)).all():
        raise CircuitError("Errors and tokens have no incoming edges.", "Name features or targets.")
    settings = settings_of(graph)
    making = Attribution(
        scope,
        graph.token_ids,
        explained or targets_of(graph, settings),
        dictionaries=dictionaries,
        ignored=settings.ignored,
        max_features=1,
        edits=settings.edits,  # type: ignore[arg-type]  # as JSON
    )
    from_ = np.flatnonzero(c.kind != LOGIT) if sources is None else c.numbers(sources)
    from_ = from_[c.kind[from_] != LOGIT]
    columns = torch.from_numpy(_numbers(graph, making, from_))
    tables = []
    for layer in np.unique(c.layer[wanted]):
        mine = wanted[c.layer[wanted] == layer]
        edges = torch.from_numpy(graph.adjacency.tocsr()[mine][:, from_].toarray() != 0)
        for through, parts in _parts(making, graph, mine):
            there = (parts[..., columns] != 0) & edges[:, None]
            at, head, source = there.nonzero(as_tuple=True)
            table = {
                "target": [c.ids[n] for n in mine[at.numpy()]],
                "source": [c.ids[n] for n in from_[source.numpy()]],
                "layer": through,
                "head": head.numpy() if through >= 0 else -1,
                "weight": parts[at, head, columns[source]].numpy(),
            }
            tables.append(pd.DataFrame(table))
    found = pd.concat(tables, ignore_index=True)
    order = np.lexsort((-found["weight"].abs().to_numpy(), found["target"].map(c.place).to_numpy()))
    return found.iloc[order].reset_index(drop=True)


def _parts(making: Attribution, graph: AttributionGraph, nodes: Array) -> list[tuple[int, Tensor]]:
    """Layer and `[n, heads, sources]` for some nodes of one layer."""
    c, s, device = graph.columns, making.sources, making.scope.model.device
    positions = torch.from_numpy(c.position[nodes].astype(np.int64)).to(device)
    layer = int(c.layer[nodes[0]])
    if c.kind[nodes[0]] == LOGIT:
        first = int(np.flatnonzero(c.kind == LOGIT)[0])
        vectors, behind = making.targets.vectors.to(device)[nodes - first], True
    else:
        vectors, behind = s.transcoders[layer].readers(torch.from_numpy(c.index[nodes]).to(device))[0], None
    behind = making.maker.behind_norm(layer) if behind is None else behind
    return [(through, part.cpu()) for through, part in s.effects_by_head(layer, vectors, positions, behind_norm=behind)]


def _numbers(graph: AttributionGraph, making: Attribution, nodes: Array) -> Array:
    """Numbers of nodes among the sources of an attribution.

    Raises:
        CircuitError: The model does not have one of them.
    """
    c, s = graph.columns, making.sources
    layers, tokens, _ = s.errors.shape
    keys = [making.keys[int(layer)] for layer in s.layer]
    places = zip(keys, s.position.tolist(), s.index.tolist(), strict=True)
    known = {place: n for n, place in enumerate(places)}
    found = []
    for n in nodes:
        at, layer = int(c.position[n]), int(c.layer[n])
        if c.kind[n] == FEATURE:
            number = known.get((c.dictionaries[c.dictionary[n]], at, int(c.index[n])))
        elif c.kind[n] == ERROR:
            number = s.n_features + layer * tokens + at
        else:
            assert c.kind[n] == TOKEN
            number = s.n_features + layers * tokens + at
        if number is None:
            raise CircuitError(f"{c.ids[n]} is not active in this model.", "Use the model the graph was computed on.")
        found.append(number)
    return np.array(found, dtype=np.int64)
