"""A histogram as views draw it: edges, counts, and what lies outside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saewidgets.errors import PayloadError
from saewidgets.payloads.arrays import F32, U32, Array
from saewidgets.payloads.record import check, same_length

# Densities are counted in quarters of a decade, from one in ten million tokens to all of them.
LOWEST_DENSITY, STEPS_PER_DECADE = -7, 4


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """Counts between edges.

    Args:
        edges: `[B + 1]` rising; logarithms to base 10 when `log`.
        counts: `[B]` how many lie between an edge and the next.
        outside: How many have no place on the axis: dead features on a logarithmic one.
        log: Whether the axis is logarithmic.
    """

    edges: F32
    counts: U32
    outside: int = 0
    log: bool = False

    def __post_init__(self) -> None:
        check(self)
        if len(self.edges) or len(self.counts):
            same_length(self, len(self.counts) + 1, "edges")
        if (np.diff(self.edges) <= 0).any():
            raise PayloadError("Histogram.edges do not rise.", "Sort them and drop repeats.")
        if self.outside < 0:
            raise PayloadError(f"Histogram.outside is {self.outside}.", "It must be 0 or more.")

    @property
    def total(self) -> int:
        """All that were counted, those outside included."""
        return int(self.counts.sum(dtype=np.int64)) + self.outside


def density_histogram(density: Array) -> Histogram:
    """Histogram of the share of tokens on which each feature is active, on a logarithmic axis.

    Args:
        density: `[d_dict]` shares from 0 to 1.

    Returns:
        The histogram, cut to the densities that occur; dead features are `outside`.

    Raises:
        PayloadError: A share is not finite, or is not between 0 and 1.

    Example:
        >>> found = density_histogram(np.array([0.0, 0.01, 0.02, 0.5]))
        >>> int(found.counts.sum()), found.outside
        (3, 1)
    """
    shares = np.asarray(density, np.float64)
    if not (np.isfinite(shares).all() and (shares >= 0).all() and (shares <= 1).all()):
        raise PayloadError("A density is not between 0 and 1.", "Give the share of tokens on which a feature fires.")
    alive = np.log10(shares[shares > 0])
    edges = np.arange(LOWEST_DENSITY * STEPS_PER_DECADE, 1) / STEPS_PER_DECADE
    counts, _ = np.histogram(np.clip(alive, LOWEST_DENSITY, 0), edges)
    used = np.flatnonzero(counts)
    first, last = (used[0], used[-1] + 1) if len(used) else (0, len(counts))
    return Histogram(edges[first : last + 1], counts[first:last], len(shares) - len(alive), log=True)


def cosine_histogram(cosine: Array, bins: int = 40) -> Histogram:
    """Histogram of cosines, from -1 or 0 to 1.

    Args:
        cosine: `[n]` of each decoder row with its nearest other row, say; rounding beyond 1 is cut.
        bins: Number of bins from -1 to 1.

    Returns:
        The histogram, cut at 0 when nothing is below.

    Raises:
        PayloadError: A cosine is not finite.
    """
    values = np.clip(np.asarray(cosine, np.float64), -1.0, 1.0)
    if not np.isfinite(values).all():
        raise PayloadError("A cosine is not finite.", "Leave out decoder rows of norm 0.")
    edges = np.linspace(-1.0, 1.0, bins + 1)
    counts, _ = np.histogram(values, edges)
    first = bins // 2 if not counts[: bins // 2].any() else 0
    return Histogram(edges[first:], counts[first:])
