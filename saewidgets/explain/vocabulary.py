"""Vocabulary projection (logit lens on directions; Gur-Arieh et al. 2501.08319): what a feature says by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from saewidgets.errors import FeatureError, shorten
from saewidgets.explain.chosen import Chosen, Features, choose, words
from saewidgets.explain.head import Head, head_of
from saewidgets.sites import FeatureId

if TYPE_CHECKING:
    from saewidgets.scope import Scope

Array = np.ndarray[Any, Any]

# Logits in flight: 32 MiB.
_BLOCK = 1 << 23


@dataclass(frozen=True, eq=False)
class VocabularyProjection:
    """The tokens that features promote and suppress. n features, k tokens on each side.

    Args:
        features: `n` feature ids.
        promoted: `[n, k]` token ids, strongest first.
        promoted_logits: `[n, k]`.
        suppressed: `[n, k]` token ids, the most negative first.
        suppressed_logits: `[n, k]`.
        skew: `[n]` third standardised moment over the vocabulary; NaN where all logits are equal.
        kurtosis: `[n]` fourth standardised moment, less the 3 of a normal distribution.
        strings: Token id -> text, of the tokens above.
    """

    features: tuple[str, ...]
    promoted: Array
    promoted_logits: Array
    suppressed: Array
    suppressed_logits: Array
    skew: Array
    kurtosis: Array
    strings: dict[int, str]

    def row(self, feature: str | FeatureId) -> int:
        """Where a feature stands.

        Raises:
            FeatureError: It is not here.
        """
        name = str(FeatureId.parse(feature))
        if name not in self.features:
            raise FeatureError(f"No projection of {shorten(name)}.", "Ask for it with vocabulary_projection.")
        return self.features.index(name)

    def tokens(self, feature: str | FeatureId) -> pd.DataFrame:
        """Of one feature: columns side, token, id, logit; promoted tokens first."""
        row, parts = self.row(feature), []
        sides = (("promoted", self.promoted, self.promoted_logits),
                 ("suppressed", self.suppressed, self.suppressed_logits))  # fmt: skip
        for side, ids, logits in sides:
            parts += [
                (side, self.strings[i], i, z) for i, z in zip(ids[row].tolist(), logits[row].tolist(), strict=True)
            ]
        return pd.DataFrame(parts, columns=["side", "token", "id", "logit"])

    def to_frame(self) -> pd.DataFrame:
        """One row a feature: promoted and suppressed (tuples of tokens), skew, kurtosis."""

        def texts(ids: Array) -> list[tuple[str, ...]]:
            return [tuple(self.strings[i] for i in line) for line in ids.tolist()]

        columns = {
            "feature": self.features, "promoted": texts(self.promoted), "suppressed": texts(self.suppressed),
            "skew": self.skew, "kurtosis": self.kurtosis,
        }  # fmt: skip
        return pd.DataFrame(columns).set_index("feature")


def vocabulary_projection(scope: Scope, features: Features, k: int = 10) -> VocabularyProjection:
    """Directions through the final norm and the unembedding: `z = LN(d) @ W_U`.

    The direction is divided by its size and multiplied by the norm's gain; the norm's bias, which is the same for all,
    and its epsilon are left out. Attention dictionaries over heads go through the output projection first. No corpus
    and no forward pass; the dictionary is only read. High skew and kurtosis mean that few tokens stand out; a flat
    `z` tells no story.

    Args:
        scope: A model with its dictionaries.
        features: One, several of one dictionary, or a dictionary's key for all of it.
        k: Tokens on each side.

    Returns:
        Top and bottom tokens, skew and kurtosis.

    Raises:
        FeatureError: Unknown, or a dictionary that does not write to the residual stream.
        ModelError: The model's norm or unembedding cannot be read.

    Example:
        >>> import saewidgets as sw
        >>> found = vocabulary_projection(sw.demo(), "resid_post.3", k=3)
        >>> found.promoted.shape, found.to_frame().columns.tolist()
        ((1024, 3), ['promoted', 'suppressed', 'skew', 'kurtosis'])
    """
    chosen = choose(scope, features)
    head = head_of(scope, chosen.dictionary)
    k = min(k, len(head.unembed))
    parts: list[tuple[Tensor, ...]] = []
    for z in _blocks(chosen, head):
        top, bottom = z.topk(k, dim=1), z.topk(k, dim=1, largest=False)
        parts.append((top.indices, top.values, bottom.indices, bottom.values, *_shape(z)))
    promoted, high, suppressed, low, skew, kurtosis = (torch.cat(p).cpu().numpy() for p in zip(*parts, strict=True))
    ids = np.unique(np.concatenate([promoted.ravel(), suppressed.ravel()])).tolist()
    strings = dict(zip(ids, words(scope, ids), strict=True))
    return VocabularyProjection(chosen.names, promoted, high, suppressed, low, skew, kurtosis, strings)


def projections(scope: Scope, chosen: Chosen) -> Iterator[Tensor]:
    """`[block, vocab]` projections of features, a block after the other."""
    return _blocks(chosen, head_of(scope, chosen.dictionary))


def _blocks(chosen: Chosen, head: Head) -> Iterator[Tensor]:
    for part in chosen.index.split(max(1, _BLOCK // len(head.unembed))):
        yield head.logits(chosen.dictionary.rows(part))


def _shape(z: Tensor) -> tuple[Tensor, Tensor]:
    """Skew and excess kurtosis of each row, summed in float64."""
    centred = z - z.mean(1, dtype=torch.float64, keepdim=True)
    second, third, fourth = (centred.pow(power).mean(1) for power in (2, 3, 4))
    # A row of equal logits (a direction of 0) has no shape.
    second = torch.where(second > 0, second, torch.nan)
    return third / second.pow(1.5), fourth / second.pow(2) - 3
