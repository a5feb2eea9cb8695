"""Sorted keys and runs of equal ones: the few array operations that all statistics are made of."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"


def order(*keys: Array) -> Array:
    """Indices that sort by the first key, ties by the second, and so on; equal entries stay in their order.

    Args:
        keys: `[n]` arrays of uint16 or uint32, which a radix sort orders in a few passes, or of any other type.
    """
    result: Array | None = None
    for key in reversed(keys):
        for part in _digits(key):
            ranked = np.argsort(part if result is None else part[result], kind="stable")
            result = ranked if result is None else result[ranked]
    return np.empty(0, np.int64) if result is None else result


def _digits(key: Array) -> list[Array]:
    """Least significant first, in pieces that numpy sorts by radix."""
    if key.dtype != np.uint32:
        return [key]
    high = (key >> np.uint32(16)).astype(np.uint16)
    return [key.astype(np.uint16), *([high] if high.any() else [])]


def starts(*keys: Array) -> Array:
    """Where runs of equal entries begin, in arrays that are sorted together."""
    n = len(keys[0])
    new = np.zeros(n, bool)
    new[:1] = True
    for key in keys:
        new[1:] |= key[1:] != key[:-1]
    return np.flatnonzero(new)


def lengths(first: Array, n: int) -> Array:
    """Lengths of runs from where they begin, `n` entries in all."""
    return np.diff(np.append(first, n))


def rank(first: Array, n: int) -> Array:
    """Place of each of `n` entries in its run, from 0."""
    return np.arange(n) - np.repeat(first, lengths(first, n))


def spread(first: Array, count: Array) -> Array:
    """`first[0], first[0] + 1, ..., first[1], ...`: `count[i]` indices from `first[i]` on."""
    ends = np.cumsum(count)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(first - (ends - count), count)


def mixed(context: Array, position: Array) -> Array:
    """A uint32 for each token that looks random and depends on nothing but its place (the mixer of SplitMix64)."""
    x = context.astype(np.uint64) * np.uint64(1 << 20) + position.astype(np.uint64)
    x += np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(32)).astype(np.uint32)
