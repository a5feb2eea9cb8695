"""`Counts`: how often each feature goes with each key: an interval of its histogram, or a token it fires on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from saewidgets.atlas import keys
from saewidgets.atlas.keys import Array


@dataclass(frozen=True, eq=False)
class Counts:
    """One row a pair that occurs, by feature, then key.

    Args:
        feature: `[n]` int32.
        key: `[n]` int32.
        count: `[n]` int64.
    """

    feature: Array
    key: Array
    count: Array

    @classmethod
    def of(cls, feature: Array, key: Array) -> Counts:
        """Of pairs in any order.

        Args:
            feature: `[n]` features.
            key: `[n]` keys, not negative.
        """
        return cls._sum(feature, key, np.ones(len(feature), np.int64))

    @classmethod
    def merge(cls, parts: Sequence[Counts]) -> Counts:
        """The sum of several."""
        return cls._sum(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("feature", "key", "count")))

    @classmethod
    def _sum(cls, feature: Array, key: Array, count: Array) -> Counts:
        rows = keys.order(feature.astype(np.uint32), key.astype(np.uint32))
        feature, key, count = feature[rows].astype(np.int32), key[rows].astype(np.int32), count[rows]
        first = keys.starts(feature, key)
        return cls(feature[first], key[first], np.add.reduceat(count, first) if len(first) else count)

    def most(self, n: int) -> Counts:
        """Of each feature the `n` keys of greatest count; ties go to the lower key."""
        rows = np.lexsort((self.key, -self.count, self.feature))
        first = keys.starts(self.feature[rows])
        rows = np.sort(rows[keys.rank(first, len(rows)) < n])
        return Counts(self.feature[rows], self.key[rows], self.count[rows])
