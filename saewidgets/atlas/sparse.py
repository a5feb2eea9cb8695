"""What a sweep has seen of one dictionary in one shard: every activation that is not zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from saewidgets.atlas.keys import Array, mixed


@dataclass(frozen=True, eq=False)
class Tokens:
    """The tokens of a shard that count, in the order of the corpus.

    Args:
        id: `[T]` token ids.
        context: `[T]` context each lies in, counted from the start of the corpus.
        position: `[T]` place in the context.
        document: `[T]` document, never falling; -1 for tokens of none.
    """

    id: Array
    context: Array
    position: Array
    document: Array

    def __len__(self) -> int:
        return len(self.id)

    @property
    def hash(self) -> Array:
        """`[T]` uint32 by which samples are drawn."""
        return mixed(self.context, self.position)

    @staticmethod
    def join(parts: Sequence[Tokens]) -> Tokens:
        """The tokens of consecutive passes."""
        names = ("id", "context", "position", "document")
        return Tokens(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


@dataclass(frozen=True, eq=False)
class Activations:
    """The activations of one dictionary on the tokens of a shard that are not zero.

    Args:
        token: `[n]` index into the shard's tokens, never falling.
        feature: `[n]` feature.
        value: `[n]` float32.
    """

    token: Array
    feature: Array
    value: Array

    def __len__(self) -> int:
        return len(self.token)

    @staticmethod
    def join(parts: Sequence[Activations]) -> Activations:
        """Those of consecutive passes; `token` already counts from the start of the shard."""
        return Activations(
            *(np.concatenate([getattr(part, name) for part in parts]) for name in ("token", "feature", "value"))
        )
