"""Attribution graph -> payload: what is worth showing of one graph, or of two that are compared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from saewidgets.circuits.graph import AttributionGraph
from saewidgets.circuits.layout import Layout, place
from saewidgets.circuits.nodes import ERROR, FEATURE, LOGIT, TOKEN
from saewidgets.payloads import influence
from saewidgets.payloads.arrays import Array
from saewidgets.payloads.circuit import CHANGED, GONE, NEW, SAME, CircuitNodes, CircuitPayload, CircuitSide
from saewidgets.payloads.context import Context

MOST_NODES, MOST_EDGES = 5_000, 50_000
# Share of the influence on nodes that is held until more is asked for: the slider has room above its default.
SHARE = 0.95
# Nodes up to this share are in view at first: they get the best places.
CHIEF = 0.8
# Sites of a layer, in the order in which they are written.
_STREAMS = ("resid_pre", "attn_z", "attn_out", "resid_mid", "mlp_in", "mlp_out", "resid_post")
# Influence that moves by less than this share of itself counts as the same.
MOVED = 0.1


@dataclass(frozen=True, eq=False)
class _Part:
    """One of the graphs: its nodes by name, the column each stands in, and which are worth showing."""

    graph: AttributionGraph
    place: dict[str, int]
    position: Array
    cumulative: Array
    keep: Array
    inputs: Array
    held: float


def circuit_payload(
    graph: AttributionGraph,
    context: Context,
    before: AttributionGraph | None = None,
    *,
    layout: Layout | None = None,
    share: float = SHARE,
    pinned: Iterable[str] = (),
    most_nodes: int = MOST_NODES,
    most_edges: int = MOST_EDGES,
    **fields: Any,
) -> tuple[CircuitPayload, Layout]:
    """What a `CircuitGraph` draws of a graph.

    Args:
        graph: What is in view.
        context: The foot.
        before: The graph before an edit, or of another text.
        layout: Where nodes stand now; they stay there.
        share: Share of the influence on nodes that is held at most.
        pinned: Ids of nodes that are held whatever their influence.
        most_nodes: The least influential ones beyond this number are left out.
        most_edges: The same of edges.
        **fields: Other fields of the payload.

    Returns:
        The payload, and where its nodes stand.
    """
    pins = frozenset(pinned)
    parts = [_part(graph, None, share, most_nodes, pins)]
    parts += [] if before is None else [_part(before, graph, share, most_nodes, pins)]
    names = _names(parts)
    numbers = [np.array([part.place.get(name, -1) for name in names], np.int64) for part in parts]
    source, target, weights, n_edges = _edges(parts, numbers, most_edges)
    sides = [_side(part, where, edge) for part, where, edge in zip(parts, numbers, weights, strict=True)]
    tokens_before = () if before is None else _words(before, graph)
    rows, cells = _cells(parts, numbers, names)
    chief = {cell for cell, name in zip(cells, names, strict=True) if _chief(parts, name)}
    layout = place(_sorted(cells, parts), len(graph.tokens), layout, chief)
    nodes = _nodes(parts, numbers, names, cells, layout)
    scores = graph.scores()
    payload = CircuitPayload(
        prompt=graph.prompt,
        tokens=graph.tokens,
        tokens_before=tokens_before,
        rows=rows,
        columns=layout.columns,
        widths=layout.widths,
        nodes=nodes,
        source=source,
        target=target,
        now=sides[0],
        before=sides[1] if len(sides) > 1 else None,
        most_nodes=min(part.held for part in parts),
        n_edges=n_edges,
        replacement=scores.replacement,
        completeness=scores.completeness,
        residual=graph.residual,
        covered=graph.covered,
        method=graph.method,
        context=context,
        **fields,
    )
    return payload, layout


def _columns(before: AttributionGraph, now: AttributionGraph) -> list[tuple[int, bool]]:
    """Where each token of the text before stands among those of now, and whether one there answers to it."""
    same = {then: here for here, then in before.difference(now).positions.items()}
    last, found = -1, []
    for then in range(len(before.tokens)):
        last = same.get(then, last)
        found.append((max(0, last), then in same))
    return found


def _words(before: AttributionGraph, now: AttributionGraph) -> tuple[str, ...]:
    """Tokens of the text before, by the column they stand in."""
    texts = [""] * len(now.tokens)
    for token, (column, _) in zip(before.tokens, _columns(before, now), strict=True):
        texts[column] += token
    return tuple(texts)


def _part(
    graph: AttributionGraph, now: AttributionGraph | None, share: float, most: int, pinned: frozenset[str]
) -> _Part:
    reached = graph.influence
    kind = graph.columns.kind
    keep = (reached >= influence.threshold(reached, share)) & (reached > 0)
    cumulative, held = influence.cumulative(reached), share
    if keep.sum() > most:
        keep &= reached >= np.sort(reached)[-most]
        held = min(share, float(cumulative[keep].max()))
    keep |= (kind == TOKEN) | (kind == LOGIT)
    keep |= np.array([name in pinned for name in graph.columns.ids], dtype=bool)
    inputs = np.asarray(abs(graph.adjacency).sum(axis=1)).ravel()
    columns = [(p, True) for p in range(len(graph.tokens))] if now is None else _columns(graph, now)
    named = {name: n for n, name in enumerate(_named(graph, columns))}
    position = np.array([columns[p][0] for p in graph.columns.position.tolist()], np.int64)
    return _Part(graph, named, position, cumulative, keep, inputs, held)


def _named(graph: AttributionGraph, columns: list[tuple[int, bool]]) -> list[str]:
    """Names that mean the same in two graphs: by aligned token; a target goes by its label."""
    c, seen, names = graph.columns, dict[str, int](), []
    for n, own in enumerate(c.ids):
        then = int(c.position[n])
        column, answers = columns[then]
        name = f"logit {c.labels[n]}" if c.kind[n] == LOGIT else own.rpartition("@")[0]
        name = f"{name}@{column if answers else f'gone {then}'}"
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return names


def _names(parts: list[_Part]) -> list[str]:
    """Names of what is worth showing in either graph, the graph in view first."""
    found: dict[str, None] = {}
    for part in parts:
        found |= {name: None for name, n in part.place.items() if part.keep[n]}
    return list(found)


def _edges(
    parts: list[_Part], numbers: list[Array], most: int
) -> tuple[Array, Array, list[Array], int]:  # fmt: skip
    """Edges among the nodes in either graph, the one that carries most first."""
    size = len(numbers[0])
    entries, scores = [], []
    for part, where in zip(parts, numbers, strict=True):
        there = np.flatnonzero(where >= 0)
        inside = sparse.coo_array(part.graph.adjacency[where[there]][:, where[there]])
        used = inside.data != 0
        code = there[inside.row[used]].astype(np.int64) * size + there[inside.col[used]]
        through = (part.graph.influence + part.graph.columns.weight)[where[there]][inside.row[used]]
        entries.append((code, inside.data[used]))
        scores.append(
            np.abs(inside.data[used]) / np.maximum(part.inputs[where[there]][inside.row[used]], 1e-10) * through
        )
    codes = np.unique(np.concatenate([code for code, _ in entries]))
    best, weights = np.zeros(len(codes)), []
    for (code, value), score in zip(entries, scores, strict=True):
        at = np.searchsorted(codes, code)
        best[at] = np.maximum(best[at], score)
        weight = np.zeros(len(codes), np.float32)
        weight[at] = value
        weights.append(weight)
    order = np.argsort(-best, kind="stable")[:most]
    codes = codes[order]
    return codes % max(size, 1), codes // max(size, 1), [weight[order] for weight in weights], len(best)


def _side(part: _Part, where: Array, edge: Array) -> CircuitSide:
    columns = part.graph.columns

    def taken(values: Array, missing: float = 0.0) -> Array:
        return np.where(where >= 0, values[where], missing)

    return CircuitSide(
        influence=taken(part.graph.influence),
        cumulative=taken(part.cumulative, 1.0),
        activation=taken(columns.activation),
        inputs=taken(part.inputs),
        weight=taken(columns.weight),
        probability=taken(columns.probability),
        edge=edge,
    )


def _cells(
    parts: list[_Part], numbers: list[Array], names: list[str]
) -> tuple[tuple[str, ...], list[tuple[int, int, str]]]:  # fmt: skip
    """Names of the rows; row, position and name of each node. A layer is a row, or each site of it is."""
    homes = [_home(parts, numbers, n) for n in range(len(names))]
    depths = [_depth(part.graph, number) for part, number in homes]
    inner = {depth for depth, (part, n) in zip(depths, homes, strict=True) if part.graph.columns.kind[n] <= ERROR}
    several = len({layer for layer, _, _ in inner if layer >= 0}) < len({d for d in inner if d[2]})
    layers = max(int(part.graph.columns.layer.max(initial=0)) for part in parts)
    if several:
        known = sorted(inner)
        named = [name or f"layer {layer}" for layer, _, name in known]
    else:
        known = [(layer, 0, "") for layer in range(layers)]
        named = [f"layer {layer}" for layer in range(layers)]
        depths = [(layer, 0, "") for layer, _, _ in depths]
    place = {depth: row for row, depth in enumerate(known, 1)}
    cells = []
    for (part, number), depth, name in zip(homes, depths, names, strict=True):
        kind = part.graph.columns.kind[number]
        row = 0 if kind == TOKEN else len(known) + 1 if kind == LOGIT else place[depth]
        cells.append((row, int(part.position[number]), name))
    return ("embed", *named, "logits"), cells


def _depth(graph: AttributionGraph, n: int) -> tuple[int, int, str]:
    """Layer, place in the layer and site of a node; errors of transcoders lie behind all of their layer."""
    columns = graph.columns
    if columns.kind[n] > ERROR or columns.dictionary[n] < 0:
        return int(columns.layer[n]), len(_STREAMS), ""
    site = columns.dictionaries[int(columns.dictionary[n])].partition("@")[0]
    stream = site.partition(".")[0]
    return int(columns.layer[n]), _STREAMS.index(stream) if stream in _STREAMS else len(_STREAMS) - 1, site


def _home(parts: list[_Part], numbers: list[Array], n: int) -> tuple[_Part, int]:
    """The graph in which a node is, and its number there; the one in view goes first."""
    return next((part, int(where[n])) for part, where in zip(parts, numbers, strict=True) if where[n] >= 0)


def _chief(parts: list[_Part], name: str) -> bool:
    """Whether a node is in view when the sliders stand where they stand at first."""
    return any(part.cumulative[part.place[name]] <= CHIEF for part in parts if name in part.place)


def _sorted(cells: list[tuple[int, int, str]], parts: list[_Part]) -> list[tuple[int, int, str]]:
    """Cells in an order that no influence changes: features by dictionary and index, then errors, targets."""

    def key(cell: tuple[int, int, str]) -> tuple[int, ...]:
        part = next(part for part in parts if cell[2] in part.place)
        columns, n = part.graph.columns, part.place[cell[2]]
        own = (int(columns.kind[n]), int(columns.dictionary[n]), int(columns.index[n]))
        return (*cell[:2], *own) if own[0] != LOGIT else (*cell[:2], LOGIT, 0, n)

    return sorted(cells, key=key)


def _nodes(
    parts: list[_Part], numbers: list[Array], names: list[str], cells: list[tuple[int, int, str]], layout: Layout
) -> CircuitNodes:  # fmt: skip
    homes = [_home(parts, numbers, n) for n in range(len(names))]
    ids = [part.graph.columns.ids[number] for part, number in homes]
    taken = {ids[n] for n in range(len(names)) if homes[n][0] is parts[0]}
    # A target of the text before may have the id of another one now.
    ids = [
        f"{name} before" if part is not parts[0] and name in taken else name
        for name, (part, _) in zip(ids, homes, strict=True)
    ]
    columns = [part.graph.columns for part, _ in homes]
    return CircuitNodes(
        id=tuple(ids),
        kind=np.array([c.kind[i] for c, (_, i) in zip(columns, homes, strict=True)], np.uint8),
        row=np.array([row for row, _, _ in cells], np.uint32),
        position=np.array([column for _, column, _ in cells], np.uint32),
        slot=np.array([layout.slots[cell] for cell in cells], np.uint32),
        label=tuple(c.labels[i] for c, (_, i) in zip(columns, homes, strict=True)),
        density=_density(homes),
        status=_status(parts, numbers),
    )


def _density(homes: list[tuple[_Part, int]]) -> Array:
    counted: dict[tuple[int, int, int], int] = {}
    for part in {id(part): part for part, _ in homes}.values():
        columns = part.graph.columns
        features = columns.kind == FEATURE
        for pair in zip(columns.dictionary[features].tolist(), columns.index[features].tolist(), strict=True):
            counted[id(part), *pair] = counted.get((id(part), *pair), 0) + 1
    found = np.zeros(len(homes), np.float32)
    for n, (part, number) in enumerate(homes):
        columns = part.graph.columns
        if columns.kind[number] == FEATURE:
            pair = int(columns.dictionary[number]), int(columns.index[number])
            found[n] = min(1.0, counted[id(part), *pair] / max(len(part.graph.tokens), 1))
    return found


def _status(parts: list[_Part], numbers: list[Array]) -> Array:
    if len(parts) < 2:
        return np.zeros(len(numbers[0]), np.uint8)
    now, before = (
        np.where(where >= 0, part.graph.influence[where], 0.0) for part, where in zip(parts, numbers, strict=True)
    )
    moved = np.abs(now - before) > MOVED * np.maximum(now, before)
    return np.select([numbers[1] < 0, numbers[0] < 0, moved], [NEW, GONE, CHANGED], SAME).astype(np.uint8)
