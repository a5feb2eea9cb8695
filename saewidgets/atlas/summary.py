"""`Summary`: everything an atlas keeps of one dictionary over some shards; summaries of shards merge into one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from saewidgets.atlas import keys, octaves
from saewidgets.atlas.counts import Counts
from saewidgets.atlas.examples import Examples
from saewidgets.atlas.limits import Limits
from saewidgets.atlas.moments import Moments
from saewidgets.atlas.shared import Shared
from saewidgets.atlas.sparse import Activations, Tokens

# Summaries merged at a time, and so held at a time. Sums of floats depend on how they are grouped, so every run groups
# alike.
FAN_IN = 8


@dataclass(frozen=True, eq=False)
class Summary:
    """What is kept of one dictionary.

    Args:
        moments: A row a feature.
        histogram: Half octaves of its activations.
        tokens: Token ids it fires on.
        examples: Its examples.
        shared: The features at the sampled tokens.
    """

    moments: Moments
    histogram: Counts
    tokens: Counts
    examples: Examples
    shared: Shared

    @classmethod
    def of(cls, active: Activations, tokens: Tokens, limits: Limits) -> Summary:
        """Of one shard; it does not depend on how the shard was cut into batches."""
        by_feature = keys.order(active.feature.astype("uint32"))
        feature, value = active.feature[by_feature], active.value[by_feature]
        half = octaves.half_octave(value)
        return cls(
            Moments.of(feature, value),
            Counts.of(feature, half),
            Counts.of(feature, tokens.id[active.token[by_feature]]),
            Examples.of(active, by_feature, tokens, half, limits),
            Shared.of(active, tokens, limits.shared),
        )

    @classmethod
    def merge(cls, parts: Iterable[Summary], limits: Limits) -> Summary:
        """Of consecutive shards, at least one; grouped by `FAN_IN`, so the sums are those of any other run over them.

        They are taken one at a time, and fewer than `FAN_IN` of each level of the tree are held.
        """
        levels: list[list[Summary]] = []
        for part in parts:
            cls._climb(levels, 0, part, limits)
        for level in range(len(levels) - 1):
            if levels[level]:
                levels[level + 1].append(cls._merge(levels[level], limits))
        return levels[-1][0] if len(levels[-1]) == 1 else cls._merge(levels[-1], limits)

    @classmethod
    def _climb(cls, levels: list[list[Summary]], level: int, part: Summary, limits: Limits) -> None:
        """Put a part on a level, and a level that is full, merged, on the next."""
        if level == len(levels):
            levels.append([])
        levels[level].append(part)
        if len(levels[level]) == FAN_IN:
            merged = cls._merge(levels[level], limits)
            levels[level].clear()
            cls._climb(levels, level + 1, merged, limits)

    @classmethod
    def _merge(cls, parts: Sequence[Summary], limits: Limits) -> Summary:
        return cls(
            Moments.merge([part.moments for part in parts]),
            Counts.merge([part.histogram for part in parts]),
            Counts.merge([part.tokens for part in parts]),
            Examples.merge([part.examples for part in parts], limits),
            Shared.merge([part.shared for part in parts], limits.shared),
        )
