"""What of a circuit payload is in view: the nodes and edges that the sliders leave, letters, shares. No matplotlib."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from saewidgets.figures import text
from saewidgets.payloads import influence
from saewidgets.payloads.arrays import Array
from saewidgets.payloads.circuit import ERROR, FEATURE, LOGIT, TOKEN, CircuitPayload, CircuitSide


@dataclass(frozen=True, slots=True)
class Visible:
    """What is in view.

    Args:
        nodes: `[N]` bool.
        edges: Numbers of edges, the one that carries most first.
    """

    nodes: Array
    edges: Array

    def of_kind(self, payload: CircuitPayload, kind: int) -> int:
        """How many nodes of a kind are in view."""
        return int((self.nodes & (payload.nodes.kind == kind)).sum())


def visible(payload: CircuitPayload) -> Visible:
    """The nodes and edges in view, as `AttributionGraph.prune` leaves them; what is pinned stays."""
    sides = [payload.now] if payload.side != "before" or payload.before is None else [payload.before]
    if payload.side == "both" and payload.before is not None:
        sides = [payload.now, payload.before]
    found = [_of_side(payload, side) for side in sides]
    nodes = np.logical_or.reduce([nodes for nodes, _ in found])
    edges = np.flatnonzero(np.logical_or.reduce([edges for _, edges in found]))
    return Visible(nodes, edges)


def _of_side(payload: CircuitPayload, side: CircuitSide) -> tuple[Array, Array]:
    nodes, n = payload.nodes, len(payload.nodes)
    there = _there(payload, side)
    pinned = np.isin(np.array(nodes.id, dtype=object), list(payload.marks.pinned))
    keep = (kept(side, payload.keep_nodes) | pinned) & there
    codes = payload.target.astype(np.int64) * n + payload.source
    order = np.argsort(codes)
    edge = side.edge[order].astype(np.float64)
    adjacency = sparse.csr_array((edge, (payload.target[order], payload.source[order])), shape=(n, n))
    alive, left = influence.prune_edges(adjacency, keep, nodes.kind, side.weight, payload.keep_edges)
    found = sparse.coo_array(left)
    used = np.isin(codes, found.row.astype(np.int64) * n + found.col)
    # A pin is no accident, even where no edge is strong enough.
    return (alive | (pinned & there)) & there, used


def _there(payload: CircuitPayload, side: CircuitSide) -> Array:
    """Nodes that are in this graph at all."""
    gone = 3 if side is payload.now else 2
    missing: Array = payload.nodes.status == gone
    return ~missing


def kept(side: CircuitSide, share: float) -> Array:
    """`[N]` bool: the nodes that hold this share of the influence."""
    reaching = side.cumulative >= np.float32(share)
    least = side.influence[reaching].max(initial=0.0) if reaching.any() else 0.0
    found: Array = side.influence >= least
    return found & (side.influence > 0)


@dataclass(frozen=True, slots=True)
class Unit:
    """Something pinned: a supernode, or a node of its own.

    Args:
        key: Name of the group, or id of the node.
        label: What it is called.
        nodes: Numbers of its nodes.
        slot: Its letter, -1 for tokens and targets.
    """

    key: str
    label: str
    nodes: tuple[int, ...]
    slot: int


def units(payload: CircuitPayload) -> list[Unit]:
    """What is pinned, in the order of the letters; members of a group stand together."""
    place = {name: n for n, name in enumerate(payload.nodes.id)}
    group = {node: g for g in payload.marks.groups for node in g.nodes}
    found: dict[str, Unit] = {}
    letters = 0
    for node in payload.marks.pinned:
        own = group.get(node)
        key = f"group {own.label}" if own else node
        if key in found or (own is None and node not in place):
            continue
        numbers = tuple(place[n] for n in (own.nodes if own else (node,)) if n in place)
        if not numbers:
            continue
        lettered = payload.nodes.kind[numbers[0]] in (FEATURE, ERROR)
        label = own.label if own else label_of(payload, numbers[0])
        found[key] = Unit(key, label, numbers, letters if lettered else -1)
        letters += lettered
    return list(found.values())


def label_of(payload: CircuitPayload, n: int) -> str:
    """What a node is called: by a person, by its dictionary, or by where it is."""
    nodes = payload.nodes
    name = nodes.id[n]
    given = {one.id: one.label for one in payload.marks.names}
    own = given.get(name) or given.get(name.rpartition("@")[0])
    if own:
        return own
    kind, position = int(nodes.kind[n]), int(nodes.position[n])
    word = (payload.tokens or payload.tokens_before)[position] if position < len(payload.tokens) else ""
    if kind == TOKEN:
        return word.strip() or word
    if kind == LOGIT:
        return f"logit {nodes.label[n].strip() or nodes.label[n]}"
    if kind == ERROR:
        return f"error, {payload.rows[int(nodes.row[n])]}"
    return nodes.label[n] or name.rpartition("@")[0]


def share_of(side: CircuitSide, payload: CircuitPayload, edge: int) -> float:
    """Signed share of the target's input that an edge brings."""
    return float(side.edge[edge]) / max(float(side.inputs[payload.target[edge]]), 1e-10)


def counted(payload: CircuitPayload, shown: Visible) -> str:
    """How much is in view, in words."""
    features, errors = shown.of_kind(payload, FEATURE), shown.of_kind(payload, ERROR)
    parts = [
        f"{text.count(features)} feature{'s' * (features != 1)}",
        f"{text.count(errors)} error{'s' * (errors != 1)}",
        f"{text.count(len(shown.edges))} edge{'s' * (len(shown.edges) != 1)}",
    ]
    return " · ".join(parts)
