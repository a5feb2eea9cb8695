"""From rows to a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import sparse

from saewidgets.circuits.graph import AttributionGraph
from saewidgets.circuits.nodes import ERROR, FEATURE, LOGIT, TOKEN, Nodes
from saewidgets.circuits.rows import Rows
from saewidgets.payloads import influence
from saewidgets.payloads.arrays import Array
from saewidgets.runs.run import vocabulary_of

if TYPE_CHECKING:
    from saewidgets.circuits.attribution import Attribution

# Rows made sparse at a time.
_BLOCK = 256


def assemble(making: Attribution, rows: Rows, covered: float, *, complete: bool) -> AttributionGraph:
    """The graph of some rows.

    Args:
        making: What they were computed with.
        rows: Of all targets, and of some features.
        covered: Share of the influence of all features that these hold.
        complete: Whether they are all.
    """
    sources, targets = making.sources, making.targets
    features, k = sources.n_features, len(targets.labels)
    numbers, order = rows.numbers.sort()
    kept = numbers[numbers < features]
    columns = torch.cat([kept, torch.arange(features, sources.n_sources)])
    known = order[: len(kept)]
    nodes = _nodes(making, kept, rows, order)
    n = len(columns) + k
    parts = [_sparse(rows.effects, known, columns, k), sparse.csr_array((len(columns) - len(kept), n), dtype="float32")]
    parts.append(_sparse(rows.effects, order[len(kept) :], columns, k))
    adjacency = sparse.csr_array(sparse.vstack(parts, format="csr"))
    reached = influence.influence(influence.normalise(adjacency), nodes.weight)
    shares = {**vars(nodes), "cumulative": influence.cumulative(reached).astype("float32")}
    columns_of = Nodes(**{name: shares[name] for name in Nodes.__dataclass_fields__})
    vocabulary = None if making.scope.model.tokenizer is None else vocabulary_of(making.scope.model.tokenizer)
    ids = tuple(int(i) for i in making.ids)
    return AttributionGraph(
        making.scope.name,
        making.prompt,
        tuple(vocabulary.strings(list(ids)) if vocabulary else (f"‹{i}›" for i in ids)),
        ids,
        columns_of,
        adjacency,
        making.residual,
        covered,
        complete,
        f"frozen attention and norms, transcoders in place of MLPs, by {making.how}",
        info=making.settings.as_info(),
    )


def _sparse(effects: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, k: int) -> sparse.csr_array:
    """Some rows and columns, with `k` empty columns for the targets, which have no effect on anything."""
    whole = len(columns) == effects.shape[1]
    blocks = []
    for part in rows.split(_BLOCK):
        dense = effects[part] if whole else effects[part][:, columns]
        blocks.append(sparse.csr_array(dense.numpy()))
    found = sparse.vstack(blocks, format="csr") if blocks else sparse.csr_array((0, len(columns)), dtype="float32")
    return sparse.csr_array((found.data, found.indices, found.indptr), shape=(len(rows), len(columns) + k))


def _nodes(making: Attribution, kept: torch.Tensor, rows: Rows, order: torch.Tensor) -> Nodes:
    sources, targets = making.sources, making.targets
    layers, tokens, _ = sources.errors.shape
    s, k = len(kept), len(targets.labels)
    sizes = (s, layers * tokens, tokens, k)
    keys = list(making.keys.values())
    place = {layer: n for n, layer in enumerate(making.keys)}
    grid = np.arange(tokens)

    def column(dtype: str, feature: object, error: object, token: object, target: object) -> Array:
        parts = [
            np.broadcast_to(np.asarray(v, dtype), (n,))
            for v, n in zip((feature, error, token, target), sizes, strict=True)
        ]
        return np.concatenate(parts)

    layer = sources.layer[kept].numpy()
    scope = making.scope
    names = [
        scope.label(f"{making.keys[int(one)]}/{int(i)}") for one, i in zip(layer, sources.index[kept], strict=True)
    ]
    values, bias = rows.values[order].numpy(), rows.bias[order].numpy()
    return Nodes(
        kind=column("uint8", FEATURE, ERROR, TOKEN, LOGIT),
        layer=column("int32", layer, np.repeat(np.arange(layers), tokens), -1, layers),
        position=column(
            "int32", sources.position[kept].numpy(), np.tile(grid, layers), grid, targets.positions.numpy()
        ),
        index=column("int64", sources.index[kept].numpy(), -1, np.array(making.ids), targets.tokens.numpy()),
        dictionary=column("int32", [place[int(one)] for one in layer], -1, -1, -1),
        activation=column("float32", sources.activation[kept].numpy(), 0, 0, 0),
        value=column("float32", values[:s], 0, 0, values[s:]),
        bias=column("float32", bias[:s], 0, 0, bias[s:]),
        weight=column("float64", 0, 0, 0, targets.weights.numpy()),
        probability=column("float32", 0, 0, 0, targets.probabilities.numpy()),
        cumulative=column("float32", 1, 1, 1, 1),
        dictionaries=tuple(keys),
        labels=(*names, *[""] * (layers * tokens + tokens), *targets.labels),
    )
