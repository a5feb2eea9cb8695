"""Words by mutual information (Wu et al. 2502.15576): those that tell this feature from all others."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from saewidgets.errors import FeatureError
from saewidgets.explain.chosen import Chosen, Features, choose, words
from saewidgets.explain.vocabulary import projections

if TYPE_CHECKING:
    from saewidgets.scope import Scope

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class MutualInformation:
    """The most telling words of features. n features, k words.

    Args:
        features: `n` feature ids.
        ids: `[n, k]` token ids, most telling first.
        score: `[n, k]` share of the mutual information, in nats.
        given_feature: `[n, k]` p(w | c).
        given_word: `[n, k]` p(c | w).
        strings: Token id -> text, of the tokens above.
    """

    features: tuple[str, ...]
    ids: Array
    score: Array
    given_feature: Array
    given_word: Array
    strings: dict[int, str]

    def to_frame(self) -> pd.DataFrame:
        """Columns feature, token, id, score, given_feature, given_word; most telling first."""
        k = self.ids.shape[1]
        return pd.DataFrame(
            {
                "feature": np.repeat(np.array(self.features, dtype=object), k),
                "token": [self.strings[i] for i in self.ids.ravel().tolist()],
                "id": self.ids.ravel(), "score": self.score.ravel(),
                "given_feature": self.given_feature.ravel(), "given_word": self.given_word.ravel(),
            }
        )  # fmt: skip


def mutual_information(
    scope: Scope, features: Features, k: int = 10, vocabulary: Sequence[int] | None = None
) -> MutualInformation:
    """Words w with the greatest share of the mutual information between features and words.

    With `z[c, w]` the vocabulary projection, `p(w|c) = softmax_w z` and `p(c|w) = softmax_c z`. The score of a word is
    its term `p(w|c) (log p(c|w) + log m)` for m equally likely features. A frequent word that fits many features has a
    low `p(c|w)` and falls behind. (Without `log m`, a constant where all words are summed, every term is negative, and
    choosing words by it would take the least likely ones.)

    Args:
        scope: A model with its dictionaries.
        features: One, several of one dictionary, or a dictionary's key. All features of the dictionary are compared,
            however many are asked for.
        k: Words for each feature.
        vocabulary: Token ids to choose from; None for all.

    Returns:
        Words with their scores and both probabilities.

    Raises:
        FeatureError: An unknown feature, no word to choose from, or a dictionary that does not write to the residual
            stream.

    Example:
        >>> import saewidgets as sw
        >>> mutual_information(sw.demo(), "resid_post.3/5", k=2).ids.shape
        (1, 2)
    """
    chosen = choose(scope, features)
    every = Chosen(chosen.key, chosen.dictionary, torch.arange(chosen.dictionary.d_dict))
    taken = None if vocabulary is None else torch.as_tensor(list(vocabulary), dtype=torch.long)
    if taken is not None and not len(taken):
        raise FeatureError("The vocabulary is empty.", "Give at least one token id, or None for all.")

    def parts(of: Chosen) -> Iterator[Tensor]:
        for z in projections(scope, of):
            yield (z if taken is None else z[:, taken.to(z.device)]).double()

    over_features = None
    for z in parts(every):
        here = z.logsumexp(0)
        over_features = here if over_features is None else torch.logaddexp(over_features, here)
    assert over_features is not None
    rows: list[tuple[Tensor, ...]] = []
    for z in parts(chosen):
        word = z.log_softmax(1).exp()
        feature = z - over_features
        score = word * (feature + math.log(chosen.dictionary.d_dict))
        best = score.topk(min(k, score.shape[1]), dim=1)
        rows.append((best.indices, best.values, word.gather(1, best.indices), feature.gather(1, best.indices).exp()))
    index, score, word, feature = (torch.cat(p).cpu() for p in zip(*rows, strict=True))
    ids = (index if taken is None else taken[index]).numpy()
    known = np.unique(ids).tolist()
    strings = dict(zip(known, words(scope, known), strict=True))
    return MutualInformation(chosen.names, ids, score.numpy(), word.numpy(), feature.numpy(), strings)
