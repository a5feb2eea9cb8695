"""Area under the ROC curve of many features at once, with intervals that hold at 1 as well."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def ranks(values: Array) -> Array:
    """Ranks from 1 down each column of `[n, d]`, ties by their mean."""
    order = values.argsort(0, kind="stable")
    ordered = np.take_along_axis(values, order, 0)
    n = len(values)
    places = np.arange(1, n + 1, dtype=np.float64)[:, None]
    new = np.vstack([np.ones((1, values.shape[1]), bool), ordered[1:] != ordered[:-1]])
    first = np.maximum.accumulate(np.where(new, places, 0), 0)
    ends = np.vstack([new[1:], np.ones((1, values.shape[1]), bool)])
    last = np.minimum.accumulate(np.where(ends, places, n)[::-1], 0)[::-1]
    found = np.empty_like(first)
    np.put_along_axis(found, order, (first + last) / 2, 0)
    return found


def auroc(values: Array, positive: Array) -> Array:
    """`[d]`: chance that a positive row is above a negative one, ties counting half (Mann and Whitney 1947).

    Args:
        values: `[n, d]`.
        positive: `[n]` or `[draws, n]` booleans; with draws the result is `[draws, d]`.

    Example:
        >>> auroc(np.array([[0.0], [1.0], [1.0], [2.0]]), np.array([False, False, True, True]))
        array([0.875])
    """
    yes = positive.astype(np.float64)
    n_yes = yes.sum(-1, keepdims=True)
    n_no = yes.shape[-1] - n_yes
    return (yes @ ranks(np.asarray(values, np.float64)) - n_yes * (n_yes + 1) / 2) / (n_yes * n_no)


def auroc_interval(value: Array, n_yes: int, n_no: int, level: float = 0.95) -> tuple[Array, Array]:
    """Score interval of an AUROC: all θ with `|value - θ| <= z sqrt(V(θ))`, V of Hanley and McNeil (1982).

    Solved as Newcombe (2006) proposes: unlike a Wald interval it is no point at 0 and 1.

    Args:
        value: Any shape.
        n_yes: Positive rows.
        n_no: Negative rows.
        level: Of confidence.

    Returns:
        Low and high ends.

    Example:
        >>> low, high = auroc_interval(np.array([1.0]), 20, 20)
        >>> bool(0.8 < low[0] < 0.95), high
        (True, array([1.]))
    """
    z = NormalDist().inv_cdf((1 + level) / 2)

    def outside(theta: Array) -> Array:
        return np.abs(value - theta) > z * np.sqrt(hanley_variance(theta, n_yes, n_no))

    ends = []
    for far in (np.zeros_like(value), np.ones_like(value)):
        inner, outer = np.array(value, np.float64), np.array(far, np.float64)
        for _ in range(60):  # bisection between the value, which is inside, and the far end
            middle = (inner + outer) / 2
            out = outside(middle)
            outer, inner = np.where(out, middle, outer), np.where(out, inner, middle)
        ends.append(np.where(value == far, far, inner))
    return ends[0], ends[1]


def hanley_variance(theta: Array, n_yes: int, n_no: int) -> Array:
    """Variance of an AUROC (Hanley and McNeil 1982)."""
    both_yes, both_no = theta / (2 - theta), 2 * theta**2 / (1 + theta)
    sums = theta * (1 - theta) + (n_yes - 1) * (both_yes - theta**2) + (n_no - 1) * (both_no - theta**2)
    return np.maximum(sums, 0) / (n_yes * n_no)
