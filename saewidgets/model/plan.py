"""What one pass visits, where it stops, and how much of the model's memory it needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from saewidgets.model.points import Point
from saewidgets.model.trace import Write
from saewidgets.sites import Site


@dataclass(frozen=True)
class Plan:
    """One pass, decided before it runs.

    Args:
        points: What to visit, in execution order.
        patterns: Attention patterns to visit besides; they come by when their attention runs.
        read: Sites whose values are kept.
        writes: Site -> write, without those that come after everything asked for.
        logits: Whether logits are wanted.
        depth: How many blocks run their attention.
    """

    points: tuple[Point, ...]
    patterns: tuple[Point, ...]
    read: frozenset[Site]
    writes: Mapping[Site, Write]
    logits: bool
    depth: int

    @property
    def whole(self) -> bool:
        """Whether the pass runs to its end. A pattern is no point at which it could stop."""
        return self.logits or bool(self.patterns)


def make_plan(
    every: Mapping[Site, Point], read: Iterable[Site], writes: Mapping[Site, Write], *, logits: bool, grad: bool
) -> Plan:
    """Decide what a pass visits.

    Args:
        every: The model's points in execution order.
        read: Sites wanted.
        writes: Site -> write.
        logits: Whether logits are wanted.
        grad: The pass builds a graph, which begins at the embedding.

    Returns:
        The plan.
    """
    wanted = frozenset(read)
    visited = wanted | set(writes) | ({Site("embed")} & set(every) if grad else set())
    if not logits and wanted:
        # What happens after the last site read changes nothing that is returned.
        last = max(site.order for site in wanted)
        visited = frozenset(site for site in visited if site.order <= last)
    found = tuple(point for site, point in every.items() if site in visited)
    points = tuple(point for point in found if point.site.stream != "attn_pattern")
    patterns = tuple(point for point in found if point.site.stream == "attn_pattern")
    kept = MappingProxyType({site: write for site, write in writes.items() if site in visited})
    return Plan(points, patterns, wanted, kept, logits, _depth(every, points, logits or bool(patterns)))


def _depth(every: Mapping[Site, Point], points: tuple[Point, ...], logits: bool) -> int:
    layers = 1 + max((site.layer for site in every if site.layer is not None), default=-1)
    if logits or not points:
        return layers
    last = points[-1].site
    if last.layer is None:
        return 0 if last.stream == "embed" else layers
    return last.layer + (last.stream != "resid_pre")
