"""Groups of nodes as a value: proposed or made by hand, edited, put on a graph. Undo is the value before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from saewidgets.errors import CircuitError, shorten

if TYPE_CHECKING:
    from saewidgets.circuits.graph import AttributionGraph


@dataclass(frozen=True)
class Grouping:
    """Groups of nodes that do not overlap.

    Args:
        groups: `(label, ids)` each, labels distinct.
        method: `"decoder"`, `"profile"`, or `"by hand"` once a person has made or changed it.
        stability: Adjusted Rand index between these groups and those found from random halves of the evidence, on
            average: 1 the same, 0 no more alike than by chance. `None` by hand, or without groups.
        agreement: For each group the mean overlap (Jaccard) with the group that is nearest to it in each half.
        resamples: Halves drawn.
        seed: Of the draws.

    Raises:
        CircuitError: Two groups have one label or share a node, or one is empty.

    Example:
        >>> grouping = Grouping((("a", ("token@1", "token@2")), ("b", ("token@3",))))
        >>> grouping.merge(["a", "b"], "both").groups
        (('both', ('token@1', 'token@2', 'token@3')),)
    """

    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    method: str = "by hand"
    stability: float | None = None
    agreement: tuple[float, ...] = ()
    resamples: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        labels = [label for label, _ in self.groups]
        members = [name for _, names in self.groups for name in names]
        if len(set(labels)) != len(labels):
            raise CircuitError("Two groups have one label.", "Give each a label of its own.")
        if len(set(members)) != len(members):
            raise CircuitError("A node is in two groups.", "Take it out of one of them.")
        if not all(names for _, names in self.groups):
            raise CircuitError("A group is empty.", "Leave it out.")

    @classmethod
    def of(cls, graph: AttributionGraph) -> Grouping:
        """The groups that a graph has."""
        return cls(graph.marks.groups)

    def accept(self, graph: AttributionGraph, labels: Sequence[str] | None = None) -> AttributionGraph:
        """The graph with these groups, or some of them, instead of its own.

        Raises:
            CircuitError: No such group, or a node is not in the graph.
        """
        chosen = self.groups if labels is None else [(label, self[label]) for label in labels]
        return graph.mark(groups=tuple(chosen))

    def rename(self, label: str, new: str) -> Grouping:
        """One group under another label."""
        names = self[label]
        return self._by_hand([(new, names) if one == label else (one, m) for one, m in self.groups])

    def merge(self, labels: Sequence[str], label: str) -> Grouping:
        """Several groups as one, in the place of the first."""
        together = tuple(name for one in labels for name in self[one])
        first = next((n for n, (one, _) in enumerate(self.groups) if one in labels), 0)
        left = [pair for pair in self.groups if pair[0] not in labels]
        return self._by_hand([*left[:first], (label, together), *left[first:]])

    def put(self, names: Sequence[str], label: str) -> Grouping:
        """Some nodes in a group, which is made if it is not there; they leave the groups they were in."""
        left = self.remove(names).groups
        if not any(one == label for one, _ in left):
            return self._by_hand([*left, (label, tuple(names))])
        return self._by_hand([(one, (*m, *names) if one == label else m) for one, m in left])

    def remove(self, names: Sequence[str]) -> Grouping:
        """Without some nodes; a group that loses all is gone."""
        gone = set(names)
        kept = [(label, tuple(n for n in members if n not in gone)) for label, members in self.groups]
        return self._by_hand([(label, members) for label, members in kept if members])

    def dissolve(self, label: str) -> Grouping:
        """Without one group."""
        return self.remove(self[label])

    def __getitem__(self, label: str) -> tuple[str, ...]:
        """The nodes of a group.

        Raises:
            CircuitError: No such group.
        """
        found = dict(self.groups).get(label)
        if found is None:
            raise CircuitError(f"No group {shorten(label)}.", f"There are {len(self.groups)}; see .groups.")
        return found

    def _by_hand(self, groups: Sequence[tuple[str, tuple[str, ...]]]) -> Grouping:
        return replace(self, groups=tuple(groups), method="by hand", stability=None, agreement=())
