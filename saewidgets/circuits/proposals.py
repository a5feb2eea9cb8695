"""Which nodes might be one: features that write alike, or that are alike in their edges; with how stable that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.cluster import hierarchy

from saewidgets.circuits.grouping import Grouping
from saewidgets.circuits.nodes import FEATURE
from saewidgets.errors import CircuitError, shorten
from saewidgets.payloads.arrays import Array

if TYPE_CHECKING:
    from saewidgets.circuits.graph import AttributionGraph
    from saewidgets.dictionaries import Dictionary
    from saewidgets.scope import Scope

RESAMPLES, MOST = 20, 4000


def propose_groups(
    graph: AttributionGraph,
    by: str = "profile",
    *,
    scope: Scope | None = None,
    nodes: Sequence[str] | None = None,
    similarity: float = 0.5,
    resamples: int = RESAMPLES,
    seed: int = 0,
    dictionaries: Dictionary | Sequence[Dictionary] | Mapping[str, Dictionary] | None = None,
) -> Grouping:
    """Groups of features, by average-linkage clustering of cosine similarities.

    Args:
        graph: Any graph; a pruned one as a rule.
        by: `"profile"`: alike in the edges that come in and those that go out (the mean of both cosines).
            `"decoder"`: alike in what they write, summed over layers; this needs the dictionaries.
        scope: Whose dictionaries are used, for `"decoder"`.
        nodes: Features to group; `None` for all of the graph.
        similarity: Groups are merged down to this mean cosine.
        resamples: Random halves of the evidence (edges, or dimensions) from which groups are found again.
        seed: Of the halves.
        dictionaries: Those of the graph, where they are not the scope's.

    Returns:
        Groups of two and more, by falling size, with their stability. They are named by the most frequent label of
        their features; where there is none, by the feature if it is one at several tokens.

    Raises:
        CircuitError: An argument is out of range, there are too many features, or no dictionaries.

    Example:
        >>> import saewidgets as sw
        >>> graph = sw.demo().attribute("Mira saw a red boat.").prune()
        >>> grouping = propose_groups(graph, similarity=0.4)
        >>> grouping.accept(graph).marks.groups == grouping.groups
        True
    """
    c = graph.columns
    chosen = np.flatnonzero(c.kind == FEATURE) if nodes is None else np.unique(c.numbers(list(nodes)))
    if (c.kind[chosen] != FEATURE).any():
        raise CircuitError("Only features are grouped automatically.", "Group other nodes by hand: grouping.put(...).")
    if len(chosen) > MOST:
        raise CircuitError(f"{len(chosen)} features to group.", f"At most {MOST}: prune the graph, or give nodes=.")
    if type(similarity) not in (int, float) or not 0 < similarity < 1:
        raise CircuitError(f"similarity={shorten(similarity)}.", "Give a cosine between 0 and 1.")
    if type(resamples) is not int or resamples < 1:
        raise CircuitError(f"resamples={shorten(resamples)}.", "Give a whole number from 1.")
    if by == "decoder":
        evidence = [_written(graph, chosen, scope, dictionaries)]
    elif by == "profile":
        whole = graph.adjacency.tocsr()
        evidence = [whole[chosen].toarray(), whole[:, chosen].toarray().T]
    else:
        raise CircuitError(f"Groups by {shorten(by)}.", "Use 'profile' or 'decoder'.")
    found = cluster(evidence, similarity)
    rng = np.random.default_rng(seed)
    again = [cluster([_half(part, rng) for part in evidence], similarity) for _ in range(resamples)]
    members = [np.flatnonzero(found == n) for n in np.unique(found)]
    members = sorted((m for m in members if len(m) > 1), key=lambda m: (-len(m), m[0]))
    names = _names([[(c.labels[chosen[n]], c.ids[chosen[n]]) for n in group] for group in members])
    return Grouping(
        tuple((name, tuple(c.ids[chosen[n]] for n in group)) for name, group in zip(names, members, strict=True)),
        by,
        float(np.mean([adjusted_rand(found, one) for one in again])) if members else None,
        tuple(float(np.mean([_overlap(group, one) for one in again])) for group in members),
        resamples,
        seed,
    )


def cluster(evidence: Sequence[Array], similarity: float) -> Array:
    """`[n]` number of each row's group, by the mean of the cosines of rows in every `[n, d]` piece of evidence."""
    n = len(evidence[0])
    if n < 2:
        return np.zeros(n, dtype=np.int64)
    cosine = np.zeros((n, n))
    for part in evidence:
        rows = part.astype(np.float64)
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        cosine += rows @ rows.T / len(evidence)
    distance = np.maximum(1 - cosine[np.triu_indices(n, 1)], 0)
    tree = hierarchy.linkage(distance, "average")
    numbers: Array = hierarchy.fcluster(tree, 1 - similarity, "distance")
    return numbers


def adjusted_rand(one: Array, other: Array) -> float:
    """Agreement of two partitions of the same things: 1 the same, 0 as much as by chance (Hubert and Arabie 1985)."""
    _, a = np.unique(one, return_inverse=True)
    _, b = np.unique(other, return_inverse=True)
    table = np.zeros((a.max(initial=0) + 1, b.max(initial=0) + 1))
    np.add.at(table, (a, b), 1)

    def pairs(counts: Array) -> float:
        return float((counts * (counts - 1) / 2).sum())

    both, rows, columns, every = pairs(table), pairs(table.sum(1)), pairs(table.sum(0)), len(a) * (len(a) - 1) / 2
    expected = rows * columns / every if every else 0.0
    most = (rows + columns) / 2
    return (both - expected) / (most - expected) if most > expected else 1.0


def _half(rows: Array, rng: np.random.Generator) -> Array:
    """A random half of the columns that are not empty."""
    used = np.flatnonzero(rows.any(axis=0))
    return rows[:, rng.permutation(used)[: (len(used) + 1) // 2]]


def _overlap(group: Array, numbers: Array) -> float:
    """Jaccard overlap of a group with the nearest group of another partition."""
    best = 0.0
    for number in np.unique(numbers[group]):
        there = np.flatnonzero(numbers == number)
        shared = len(np.intersect1d(group, there))
        best = max(best, shared / (len(group) + len(there) - shared))
    return best


def _names(groups: Sequence[Sequence[tuple[str, str]]]) -> list[str]:
    """Distinct names of groups of `(label, id)`."""
    names: list[str] = []
    for number, members in enumerate(groups, 1):
        known = Counter(label for label, _ in members if label)
        features = {name.rpartition("@")[0] for _, name in members}
        name = known.most_common(1)[0][0] if known else features.pop() if len(features) == 1 else f"group {number}"
        count = 1
        while (name if count == 1 else f"{name} {count}") in names:
            count += 1
        names.append(name if count == 1 else f"{name} {count}")
    return names


def _written(graph: AttributionGraph, chosen: Array, scope: Scope | None, given: Any) -> Array:
    """`[n, d]` what one unit of each feature writes, summed over layers."""
    from saewidgets.circuits.parts import parts_of
    from saewidgets.circuits.transcoders import as_mapping, dictionaries_of

    if scope is None and given is None:
        raise CircuitError("What features write is not in the graph.", "Pass scope= or dictionaries=, or by='profile'.")
    parts = parts_of(graph, dictionaries_of(scope, None) if scope is not None and given is None else as_mapping(given))
    c = graph.columns
    rows: dict[int, Array] = {}
    for place in np.unique(c.dictionary[chosen]):
        mine = np.flatnonzero(c.dictionary[chosen] == place)
        index = torch.from_numpy(c.index[chosen[mine]])
        found = parts[c.dictionaries[place]].rows(index)
        total = torch.stack(list(found.values())).sum(0).float().cpu().numpy()
        rows |= dict(zip(mine.tolist(), total, strict=True))
    return np.array([rows[n] for n in range(len(chosen))]).reshape(len(chosen), -1)
