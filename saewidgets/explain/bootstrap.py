"""A mean with its bootstrap interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Interval:
    """A number with the interval that holds a share of the resamples.

    Args:
        value: The number; NaN without items.
        low, high: Ends. Of few items that all agree the interval is a point: look at `n` as well.
        n: Items.
    """

    value: float
    low: float
    high: float
    n: int


def interval(groups: Sequence[Sequence[float]], draws: int = 1000, seed: int = 0, level: float = 0.95) -> Interval:
    """The mean of the means of groups, and its interval over resamples within each group.

    Args:
        groups: Numbers by group; balanced accuracy has two groups, a share has one.
        draws: Resamples.
        seed: Of the resamples.
        level: Share of the resamples inside.

    Example:
        >>> interval([[1, 1, 0, 1], [0, 1]])
        Interval(value=0.625, low=0.25, high=1.0, n=6)
    """
    arrays = [np.asarray(group, np.float64) for group in groups]
    n = sum(len(array) for array in arrays)
    if not arrays or not all(len(array) for array in arrays):
        return Interval(float("nan"), float("nan"), float("nan"), n)
    draw = np.random.default_rng(seed)
    means = [array[draw.integers(0, len(array), (draws, len(array)))].mean(1) for array in arrays]
    low, high = np.quantile(np.mean(means, axis=0), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(np.mean([array.mean() for array in arrays])), float(low), float(high), n)
