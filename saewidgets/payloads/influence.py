"""How much of the targets passes through each node and edge, what may be left out, and how good the whole is.

The measures of Ameisen et al. 2025 and circuit-tracer, on a sparse adjacency (row = target, column = source), float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from saewidgets.errors import CircuitError, shorten
from saewidgets.payloads.arrays import Array
from saewidgets.payloads.circuit import ERROR, FEATURE, LOGIT, TOKEN

Matrix = Any  # scipy.sparse.csr_array, whose types scipy does not ship
_FLOOR = 1e-10


@dataclass(frozen=True)
class GraphScores:
    """How much of a graph its features explain, each from 0 to 1 and the greater the better.

    Args:
        replacement: Share of the influence on the targets that comes from tokens, not from errors.
        completeness: Share of the input of the nodes, weighted by influence, that is not error.

    Example:
        >>> import saewidgets as sw
        >>> scores = sw.demo().attribute("Mira saw a red boat.", max_features=32).scores()
        >>> 0 <= scores.replacement <= 1 and 0 <= scores.completeness <= 1
        True
    """

    replacement: float
    completeness: float


def normalise(adjacency: Matrix) -> Matrix:
    """Absolute weights, each row divided by its sum."""
    matrix = abs(sparse.csr_array(adjacency, dtype=np.float64))
    sums = np.maximum(matrix.sum(axis=1), _FLOOR)
    matrix.data = matrix.data / np.repeat(sums, np.diff(matrix.indptr))
    return matrix


def influence(normalised: Matrix, weights: Array) -> Array:
    """`[N]`: `w A + w A^2 + ...`, how much of the weights reaches each node against the direction of the edges.

    Args:
        normalised: `[N, N]` with rows that sum to 1 or 0.
        weights: `[N]` of the targets.

    Raises:
        CircuitError: The graph has a cycle, so that the sum has no end.
    """
    transposed = normalised.T.tocsr()
    total = np.zeros(len(weights))
    current = transposed @ weights
    for _ in range(len(weights) + 1):
        if not current.any():
            return total
        total += current
        current = transposed @ current
    raise CircuitError("The graph has a cycle.", "Edges go from earlier to later layers only.")


def scores(adjacency: Matrix, kind: Array, weights: Array, outside: Array | None = None) -> GraphScores:
    """Replacement and completeness.

    Args:
        adjacency: `[N, N]`.
        kind: `[N]`.
        weights: `[N]` of the targets.
        outside: `[N]` bool: features that count as error, because they are not in the part that is judged.
    """
    normalised = normalise(adjacency)
    bad = kind == ERROR
    if outside is not None:
        bad = bad | (outside & (kind == FEATURE))
        inside = sparse.diags_array(np.where(bad, 0.0, 1.0))
        reached = influence(sparse.csr_array(inside @ normalised), weights)
    else:
        reached = influence(normalised, weights)
    tokens, errors = reached[kind == TOKEN].sum(), reached[bad].sum()
    weight = reached + weights
    weight = np.where(bad, 0.0, weight) if outside is not None else weight
    left = 1 - np.asarray(normalised[:, bad].sum(axis=1)).ravel()
    total = weight.sum()
    return GraphScores(
        float(tokens / (tokens + errors)) if tokens + errors > 0 else 0.0,
        float((weight * left).sum() / total) if total > 0 else 0.0,
    )


def cumulative(values: Array) -> Array:
    """`[N]` for each entry: the share of the sum held by it and all greater ones."""
    order = np.argsort(-values, kind="stable")
    result = np.empty(len(values))
    total = values.sum()
    result[order] = np.cumsum(values[order]) / total if total > 0 else 1.0
    return result


def threshold(values: Array, share: float) -> float:
    """The value at which the sum of the greatest first reaches a share of all."""
    ordered = np.sort(values)[::-1]
    total = ordered.sum()
    if not len(ordered) or total <= 0:
        return 0.0
    place = int(np.searchsorted(np.cumsum(ordered) / total, share))
    return float(ordered[min(place, len(ordered) - 1)])


def prune(adjacency: Matrix, kind: Array, weights: Array, nodes: float, edges: float) -> tuple[Array, Matrix]:
    """Leave out what carries little.

    Args:
        adjacency: `[N, N]`.
        kind: `[N]`.
        weights: `[N]` of the targets.
        nodes: Share of the influence on nodes that is kept.
        edges: Share of the influence through edges that is kept.

    Returns:
        `[N]` bool: the nodes kept; and the adjacency `[N, N]` of the edges kept.
    """
    for name, share in (("nodes", nodes), ("edges", edges)):
        if not isinstance(share, int | float) or not 0 < share <= 1:
            raise CircuitError(f"{name}={shorten(share)} is no share.", "Give a number above 0 and up to 1.")
    reached = influence(normalise(adjacency), weights)
    keep = reached >= threshold(reached, nodes)
    return prune_edges(adjacency, keep, kind, weights, edges)


def prune_edges(adjacency: Matrix, keep: Array, kind: Array, weights: Array, edges: float) -> tuple[Array, Matrix]:
    """The second half of pruning: leave out edges among the nodes that are kept, and nodes that lead nowhere.

    Args:
        adjacency: `[N, N]`.
        keep: `[N]` bool: nodes that are kept; tokens and targets always are.
        kind: `[N]`.
        weights: `[N]` of the targets.
        edges: Share of the influence through edges that is kept.

    Returns:
        As `prune`.
    """
    always = (kind == TOKEN) | (kind == LOGIT)
    keep = keep | always
    left = _among(adjacency, keep)
    normalised = normalise(left)
    through = influence(normalised, weights) + weights
    score = normalised.data * np.repeat(through, np.diff(normalised.indptr))
    left.data = np.where((score >= threshold(score, edges)) & (score > 0), left.data, 0)
    left.eliminate_zeros()
    feature = kind == FEATURE
    while True:
        sends, receives = np.diff(left.tocsc().indptr) > 0, np.diff(left.indptr) > 0
        alive = keep & (always | sends) & (~feature | receives)
        if (alive == keep).all():
            return keep, left
        keep, left = alive, _among(left, alive)


def _among(adjacency: Matrix, keep: Array) -> Matrix:
    """The edges between nodes that are kept; same shape, zeros gone."""
    found = sparse.csr_array(adjacency, copy=True)
    rows = np.repeat(np.arange(found.shape[0]), np.diff(found.indptr))
    found.data = np.where(keep[rows] & keep[found.indices], found.data, 0)
    found.eliminate_zeros()
    return found
