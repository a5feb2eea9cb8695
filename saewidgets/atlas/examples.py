"""`Examples`: where each feature is strongest, and fair samples of where it is active."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from saewidgets.atlas import keys, octaves
from saewidgets.atlas.keys import Array
from saewidgets.atlas.limits import Limits
from saewidgets.atlas.sparse import Activations, Tokens

# Groups of examples; those of octave i have number FIRST_OCTAVE + i.
TOP, RANDOM, FIRST_OCTAVE = 0, 1, 2
_COLUMNS = ("feature", "group", "document", "context", "position", "value")


@dataclass(frozen=True, eq=False)
class Examples:
    """Kept tokens, by feature, group and rank in it, each with the feature's activations in the whole context.

    Which tokens are kept depends on nothing but the tokens: the top by (|value|, earlier first), one a document; the
    samples by the least hash of their place. So what is kept of two shards is what is kept of both together.

    Args:
        feature: `[n]` int32.
        group: `[n]` uint8: `TOP`, `RANDOM`, or `FIRST_OCTAVE` + octave.
        document: `[n]` int64.
        context: `[n]` int64.
        position: `[n]` int32.
        value: `[n]` float32 activation there.
        begin: `[n + 1]` int64: where each example's entries of `where` and `around` begin.
        where: Positions in its context at which the feature is active.
        around: `[...]` float32 activations there.
    """

    feature: Array
    group: Array
    document: Array
    context: Array
    position: Array
    value: Array
    begin: Array
    where: Array
    around: Array

    def __len__(self) -> int:
        return len(self.feature)

    @classmethod
    def of(cls, active: Activations, by_feature: Array, tokens: Tokens, half: Array, limits: Limits) -> Examples:
        """Of one shard.

        Args:
            active: Its activations.
            by_feature: Their order by feature, then place.
            tokens: Its tokens.
            half: `[n]` half octave of each activation, in that order.
            limits: How many are kept.
        """
        token, feature, value = active.token[by_feature], active.feature[by_feature], active.value[by_feature]
        hashes = tokens.hash[token]
        groups = octaves.octave(half) + np.uint16(FIRST_OCTAVE)
        tops = _tops(feature, tokens.document[token], value, limits.top)
        randoms = _least(hashes, limits.random, feature)
        sampled = _least(hashes, limits.interval, feature, groups)
        rows = np.concatenate([tops, randoms, sampled])
        group = np.concatenate([np.full(len(tops), TOP), np.full(len(randoms), RANDOM), groups[sampled]])
        context = tokens.context[token]
        first = keys.starts(feature, context)
        size = keys.lengths(first, len(feature))
        run = np.searchsorted(first, rows, side="right") - 1
        entries = keys.spread(first[run], size[run])
        made = cls(
            feature[rows].astype(np.int32),
            group.astype(np.uint8),
            tokens.document[token[rows]],
            context[rows],
            tokens.position[token[rows]].astype(np.int32),
            value[rows],
            np.append(0, np.cumsum(size[run])),
            tokens.position[token[entries]].astype(np.int32),
            value[entries],
        )
        return made.take(keys.order(made.feature.astype(np.uint32), made.group.astype(np.uint16)))

    @classmethod
    def merge(cls, parts: Sequence[Examples], limits: Limits) -> Examples:
        """What is kept of several shards together."""
        joined = cls._join(parts)
        first_of = joined._first_of_documents()
        joined = joined.take(np.flatnonzero(first_of | (joined.group != TOP)))
        rows = joined._ranked()
        feature, group = joined.feature[rows], joined.group[rows]
        place = keys.rank(keys.starts(feature, group), len(rows))
        most = np.full(256, limits.interval)
        most[TOP], most[RANDOM] = limits.top, limits.random
        return joined.take(rows[place < most[group]])

    def take(self, rows: Array) -> Examples:
        """Some of them, in the order of `rows`."""
        size = np.diff(self.begin)[rows]
        entries = keys.spread(self.begin[:-1][rows], size)
        columns = {name: getattr(self, name)[rows] for name in _COLUMNS}
        return Examples(
            **columns, begin=np.append(0, np.cumsum(size)), where=self.where[entries], around=self.around[entries]
        )

    @classmethod
    def _join(cls, parts: Sequence[Examples]) -> Examples:
        sizes = np.concatenate([np.diff(part.begin) for part in parts])
        columns = {
            name: np.concatenate([getattr(part, name) for part in parts]) for name in (*_COLUMNS, "where", "around")
        }
        return cls(**columns, begin=np.append(0, np.cumsum(sizes)))

    def _ranked(self) -> Array:
        """Order by feature, group, and rank in the group."""
        key = np.where(self.group == TOP, _falling(self.value), keys.mixed(self.context, self.position))
        feature, group = self.feature.astype(np.uint32), self.group.astype(np.uint16)
        return keys.order(feature, group, key, self.context.astype(np.uint32), self.position.astype(np.uint32))

    def _first_of_documents(self) -> Array:
        """Which examples are the best of their feature, group and document."""
        rows = self._ranked()
        feature, group, document = self.feature[rows], self.group[rows], self.document[rows]
        rows = rows[keys.order(feature.astype(np.uint32), group.astype(np.uint16), document.astype(np.uint32))]
        best = np.zeros(len(rows), bool)
        best[rows[keys.starts(self.feature[rows], self.group[rows], self.document[rows])]] = True
        return best


def _falling(value: Array) -> Array:
    """uint32 that sort from the greatest magnitude to the least."""
    return ~np.abs(value.astype(np.float32)).view(np.uint32)


def _tops(feature: Array, document: Array, value: Array, n: int) -> Array:
    """Of each feature the `n` documents of greatest |value|, each by the first token that has it."""
    first = keys.starts(feature, document)
    if not len(first):
        return first
    size = keys.lengths(first, len(feature))
    magnitude = np.abs(value)
    best = np.flatnonzero(magnitude == np.repeat(np.maximum.reduceat(magnitude, first), size))
    best = best[keys.starts(feature[best], document[best])]
    rows = best[keys.order(feature[best].astype(np.uint32), _falling(value[best]))]
    return rows[keys.rank(keys.starts(feature[rows]), len(rows)) < n]


def _least(hashes: Array, n: int, *by: Array) -> Array:
    """Of each run of equal keys the `n` entries of least hash."""
    rows = keys.order(*(key.astype(np.uint32) for key in by), hashes)
    return rows[keys.rank(keys.starts(*(key[rows] for key in by)), len(rows)) < n]
