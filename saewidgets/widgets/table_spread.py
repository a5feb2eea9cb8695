"""How statistics are spread: histograms that a filter is seen in, and a scatter of two. numpy only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from saewidgets.payloads.arrays import Array
from saewidgets.payloads.feature_table import TableChart, TablePoints
from saewidgets.payloads.histogram import Histogram

# Bars of a decade: the first with enough bars in all, so that every edge is a whole number of 32nds; of a linear axis.
PER_DECADE, ENOUGH, LINEAR = (8, 16, 32), 24, 40
MAX_DECADES = 8
# Points drawn: those that fit come first, up to half.
POINTS = 2_400
# Letters of a label beside a point.
MAX_LABEL = 60


@dataclass(frozen=True, eq=False)
class Bins:
    """The bar of every feature.

    Args:
        edges: `[B + 1]`; logarithms to base 10 when `log`.
        bar: `[d_dict]` the bar of each feature, `B` for one without a place.
        log: Whether the axis is logarithmic.
    """

    edges: Array
    bar: Array
    log: bool

    @classmethod
    def of(cls, values: Array, log: bool) -> Bins:
        """Of a statistic; on a logarithmic axis what is not above 0 has no place."""
        placed = np.isfinite(values) & (values > 0 if log else True)
        n = int(placed.sum())
        if not n:
            return cls(np.zeros(0), np.zeros(len(values), np.int64), log)
        known = np.log10(values[placed]) if log else values[placed]
        low, high = float(known.min()), float(known.max())
        if log:
            per = next((per for per in PER_DECADE if (high - low) * per >= ENOUGH), PER_DECADE[-1])
            last = int(np.floor(high * per)) + 1
            first = max(int(np.floor(low * per)), last - MAX_DECADES * per)
            edges = np.arange(first, last + 1) / per
        else:
            wide = high - low if high > low else max(abs(low), 1.0)
            edges = low + wide * np.arange(LINEAR + 1) / LINEAR
        bar = np.full(len(values), len(edges) - 1, np.int64)
        # What lies below the first edge, or on the last one, is counted in the bar beside it.
        bar[placed] = np.clip(np.searchsorted(edges, known, "right") - 1, 0, len(edges) - 2)
        return cls(edges, bar, log)

    def chart(self, name: str, fit: Array) -> TableChart:
        """Counts of all features and of those that fit."""
        n = max(len(self.edges) - 1, 0)
        every, fitting = np.bincount(self.bar, minlength=n + 1), np.bincount(self.bar[fit], minlength=n + 1)
        outside = int(every[n]) if n else len(self.bar)
        return TableChart(name, Histogram(self.edges, every[:n], outside, log=self.log), fitting[:n])


def points(
    name_x: str, name_y: str, x: Array, y: Array, fit: Array, chosen: list[int], labels: Mapping[int, str]
) -> TablePoints:  # fmt: skip
    """Two statistics against each other: the chosen features, then a fair sample of those that fit and of the others.

    Args:
        name_x: Name of one.
        name_y: Name of the other.
        x: `[d_dict]`, NaN where unknown.
        y: The same of the other.
        fit: `[d_dict]` which features fit.
        chosen: Features that are drawn in any case.
        labels: Feature -> label.
    """
    both = np.isfinite(x) & np.isfinite(y)
    fitting, others = np.flatnonzero(both & fit), np.flatnonzero(both & ~fit)
    n_fitting = min(len(fitting), max(POINTS // 2, POINTS - len(others)))
    drawn = [
        np.array([f for f in chosen if both[f]], np.int64),
        _sample(fitting, n_fitting),
        _sample(others, POINTS - n_fitting),
    ]
    index = np.unique(np.concatenate(drawn))
    names = tuple(labels.get(feature, "")[:MAX_LABEL] for feature in index.tolist()) if labels else ()
    marks = fit[index].astype(np.uint8)
    return TablePoints(name_x, name_y, index, x[index], y[index], marks, int(both.sum()), names)


def _sample(features: Array, n: int) -> Array:
    """The same ones each time."""
    return features if len(features) <= n else np.random.default_rng(0).choice(features, n, replace=False)
