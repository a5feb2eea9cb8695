"""`Summary`: everything an atlas keeps of one dictionary over some shards; summaries of shards merge into one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from saewidgets.atlas import keys, octaves
from saewidgets.atlas.counts import Counts
from saewidgets.atlas.examples import Examples
from saewidgets.atlas.limits import Limits
from saewidgets.atlas.moments import Moments
from saewidgets.atlas.shared import Shared
from saewidgets.atlas.sparse import Activations, Tokens

# Summaries merged at a time. Sums of floats depend on how they are grouped, so every run groups alike.
FAN_IN = 32


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
    def merge(cls, parts: Sequence[Summary], limits: Limits) -> Summary:
        """Of consecutive shards; grouped by `FAN_IN`, so the sums are those of any other run over these shards."""
        while len(parts) > 1:
            parts = [cls._merge(parts[i : i + FAN_IN], limits) for i in range(0, len(parts), FAN_IN)]
        return parts[0]

    @classmethod
    def _merge(cls, parts: Sequence[Summary], limits: Limits) -> Summary:
        return cls(
            Moments.merge([part.moments for part in parts]),
            Counts.merge([part.histogram for part in parts]),
            Counts.merge([part.tokens for part in parts]),
            Examples.merge([part.examples for part in parts], limits),
            Shared.merge([part.shared for part in parts], limits.shared),
        )
