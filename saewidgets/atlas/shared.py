"""`Shared`: the features active at a fair sample of tokens, the same tokens for every dictionary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from saewidgets.atlas import keys
from saewidgets.atlas.keys import Array
from saewidgets.atlas.sparse import Activations, Tokens


@dataclass(frozen=True, eq=False)
class Shared:
    """Rows of a sparse matrix tokens x features: what is active together, within and across dictionaries.

    Args:
        context: `[S]` int64 of the tokens, in the order of the corpus.
        position: `[S]` int32.
        begin: `[S + 1]` int64.
        feature: `[...]` int32, rising in a row.
        value: `[...]` float32.
    """

    context: Array
    position: Array
    begin: Array
    feature: Array
    value: Array

    @classmethod
    def of(cls, active: Activations, tokens: Tokens, n: int) -> Shared:
        """Of one shard: the `n` tokens of least hash."""
        chosen = np.sort(keys.order(tokens.hash)[:n])
        size = np.bincount(active.token, minlength=len(tokens))
        begin = np.cumsum(size) - size
        entries = keys.spread(begin[chosen], size[chosen])
        return cls(
            tokens.context[chosen],
            tokens.position[chosen].astype(np.int32),
            np.append(0, np.cumsum(size[chosen])),
            active.feature[entries].astype(np.int32),
            active.value[entries],
        )

    @classmethod
    def merge(cls, parts: Sequence[Shared], n: int) -> Shared:
        """Of several shards: the `n` tokens of least hash among theirs."""
        context, position = (np.concatenate([getattr(p, name) for p in parts]) for name in ("context", "position"))
        feature, value = (np.concatenate([getattr(p, name) for p in parts]) for name in ("feature", "value"))
        size = np.concatenate([np.diff(part.begin) for part in parts])
        rows = np.lexsort((position, context, keys.mixed(context, position)))[:n]
        rows = rows[np.lexsort((position[rows], context[rows]))]
        entries = keys.spread((np.cumsum(size) - size)[rows], size[rows])
        return cls(context[rows], position[rows], np.append(0, np.cumsum(size[rows])), feature[entries], value[entries])
