"""Shapley values of a game given by a function of coalitions (Shapley 1953): exact, or from random orders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import comb
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Game = Callable[[Sequence[int]], Array]
"""Coalitions as bit masks (bit i: player i is in) -> their values, `[masks]`."""


def exact_values(game: Game, players: int) -> Array:
    """`[players]`: the mean of `v(S + i) - v(S)` over the places of i in all orders, from all `2^players` coalitions.

    Example:
        >>> exact_values(lambda masks: np.array([float(m == 3) for m in masks]), 2)  # worth 1, only together
        array([0.5, 0.5])
    """
    masks = np.arange(1 << players)
    value = np.asarray(game(masks.tolist()), np.float64)
    size = np.array([int(m).bit_count() for m in masks])
    found = np.zeros(players)
    for i in range(players):
        without = masks[(masks >> i) & 1 == 0]
        weight = np.array([1 / (players * comb(players - 1, int(s))) for s in size[without]])
        found[i] = (weight * (value[without | (1 << i)] - value[without])).sum()
    return found


def estimated_values(game: Game, players: int, orders: int, seed: int) -> tuple[Array, Array]:
    """Shapley values from random orders, each of which adds up to `v(all) - v(none)` (Castro et al. 2009).

    Args:
        game: The value of coalitions; each is asked for once.
        players: Number of players.
        orders: Number of random orders, at least 2.
        seed: Of the orders.

    Returns:
        `[players]` means and `[players]` standard errors.
    """
    draw = np.random.default_rng(seed)
    rows = np.stack([draw.permutation(players) for _ in range(orders)])
    prefixes = [[sum(1 << int(p) for p in row[:k]) for k in range(players + 1)] for row in rows]
    asked = sorted({mask for row in prefixes for mask in row})
    value = dict(zip(asked, np.asarray(game(asked), np.float64).tolist(), strict=True))
    gains = np.zeros((orders, players))
    for o, (row, masks) in enumerate(zip(rows, prefixes, strict=True)):
        gains[o, row] = np.diff([value[mask] for mask in masks])
    return gains.mean(0), gains.std(0, ddof=1) / np.sqrt(orders)
