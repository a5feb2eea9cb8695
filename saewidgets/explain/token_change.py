"""Token change (Gur-Arieh et al. 2501.08319): which logits move when a feature is held at a value everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from saewidgets.errors import FeatureError
from saewidgets.explain.chosen import choose_one, words
from saewidgets.explain.contexts import Texts, as_rows, batches
from saewidgets.explain.examples import examples_of
from saewidgets.interventions import clamp
from saewidgets.interventions.writes import make_writes
from saewidgets.sites import FeatureId

if TYPE_CHECKING:
    from saewidgets.scope import Scope

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class TokenChange:
    """How the logits of all tokens change. V tokens in the vocabulary.

    Args:
        feature: Its id.
        value: What it was clamped to.
        contexts: Over how many contexts.
        mean: `[V]` change of the logit, averaged over the tokens of a context, then over contexts.
        error: `[V]` standard error of that mean over contexts; NaN for one context.
        strings: `V` texts of the tokens.
    """

    feature: str
    value: float
    contexts: int
    mean: Array
    error: Array
    strings: tuple[str, ...]

    def to_frame(self, k: int | None = 10) -> pd.DataFrame:
        """Columns token, id, change, error: the k that rise most, then the k that fall most; None for all."""
        order = np.argsort(-self.mean, kind="stable")
        if k is not None and 2 * k < len(order):
            order = np.concatenate([order[:k], order[::-1][:k]])
        return pd.DataFrame(
            {
                "token": [self.strings[i] for i in order], "id": order,
                "change": self.mean[order], "error": self.error[order],
            }
        )  # fmt: skip


@torch.no_grad()
def token_change(scope: Scope, feature: str | FeatureId, contexts: Texts, value: float | None = None) -> TokenChange:
    """Clamp a feature at every position and see which logits move, error term kept.

    Catches what later layers make of a feature, which the vocabulary projection does not see.

    Args:
        scope: A model with its dictionaries.
        feature: `"resid_post.2/17"`.
        contexts: Texts, or rows of token ids; a few dozen give a useful standard error.
        value: What to clamp to; by default its greatest activation on these contexts.

    Returns:
        Mean change and standard error for every token.

    Raises:
        FeatureError: It is active nowhere on these contexts, and no value is given.

    Example:
        >>> import saewidgets as sw
        >>> found = token_change(sw.demo(), "resid_post.2/17", ["Mira saw a boat.", "Tom had a red lamp."], value=4)
        >>> found.to_frame(1).columns.tolist()
        ['token', 'id', 'change', 'error']
    """
    rows = as_rows(scope, contexts)
    chosen = choose_one(scope, feature)
    if value is None:
        value = max(example.value for example in examples_of(scope, chosen, rows)[0])
        if value <= 0:
            raise FeatureError(f"{chosen.names[0]} is active nowhere on these contexts.", "Pass value=.")
    writes = make_writes([clamp(chosen.names[0], value)], scope.dictionaries)
    read = [chosen.dictionary.site_in]
    changes = []
    for _, ids, real in batches(rows, scope.model.vocab_size):
        before = _mean_logits(scope.model.trace(ids).logits, real)
        after = _mean_logits(scope.model.trace(ids, read, writes).logits, real)
        changes.append(after - before)
    change = torch.cat(changes)[:, : _vocabulary(scope)]
    error = change.std(0) / len(change) ** 0.5 if len(change) > 1 else torch.full_like(change[0], torch.nan)
    strings = words(scope, range(change.shape[1]))
    return TokenChange(chosen.names[0], float(value), len(rows), change.mean(0).numpy(), error.numpy(), strings)


def _mean_logits(logits: Tensor | None, real: Tensor) -> Tensor:
    """`[batch, vocab]` mean over the real tokens, float64."""
    assert logits is not None
    weight = (real / real.sum(1, keepdim=True)).to(logits.device, torch.float64)
    return torch.stack([w @ row.double() for w, row in zip(weight, logits, strict=True)]).cpu()


def _vocabulary(scope: Scope) -> int | None:
    return None if scope.model.tokenizer is None else len(scope.model.tokenizer)
