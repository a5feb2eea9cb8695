"""`Moments`: how often each feature is active, and the first four powers of its activations, added up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from saewidgets.atlas import keys
from saewidgets.atlas.keys import Array

_POWERS = ("total", "squares", "cubes", "fourths")


@dataclass(frozen=True, eq=False)
class Moments:
    """One row a feature that was active.

    Sums are of float64 and depend on their order: rows of several shards are added in the order of the shards.

    Args:
        feature: `[n]` int32, rising.
        n_active: `[n]` int64, tokens it is active at.
        total: `[n]` float64, sum of its activations.
        squares: The same of their squares.
        cubes: Of their third powers.
        fourths: Of their fourth powers.
        maximum: `[n]` float32, greatest activation.
        minimum: `[n]` float32, least activation that is not zero.
    """

    feature: Array
    n_active: Array
    total: Array
    squares: Array
    cubes: Array
    fourths: Array
    maximum: Array
    minimum: Array

    @classmethod
    def of(cls, feature: Array, value: Array) -> Moments:
        """Of activations sorted by feature."""
        first = keys.starts(feature)
        if not len(first):
            kinds = ("i4", "i8", "f8", "f8", "f8", "f8", "f4", "f4")
            return cls(**{f.name: np.empty(0, kind) for f, kind in zip(fields(cls), kinds, strict=True)})
        power = value.astype(np.float64)
        sums = {}
        for name in _POWERS:
            sums[name] = np.add.reduceat(power, first)
            power *= value
        return cls(
            feature[first].astype(np.int32),
            keys.lengths(first, len(feature)),
            **sums,
            maximum=np.maximum.reduceat(value, first),
            minimum=np.minimum.reduceat(value, first),
        )

    @classmethod
    def merge(cls, parts: Sequence[Moments]) -> Moments:
        """One row a feature from those of several shards, in their order."""
        columns = {f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)}
        by_feature = keys.order(columns["feature"].astype(np.uint32))
        columns = {name: column[by_feature] for name, column in columns.items()}
        first = keys.starts(columns["feature"])
        if not len(first):
            return parts[0]
        for name in ("n_active", *_POWERS):
            columns[name] = np.add.reduceat(columns[name], first)
        columns["maximum"] = np.maximum.reduceat(columns["maximum"], first)
        columns["minimum"] = np.minimum.reduceat(columns["minimum"], first)
        columns["feature"] = columns["feature"][first]
        return cls(**columns)
