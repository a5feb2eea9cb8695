"""Influence (gradient times activation; Shu et al. 2025): the features behind one prediction, not the loudest ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from saewidgets.errors import PromptError, shorten
from saewidgets.explain.chosen import words
from saewidgets.explain.contexts import as_rows

if TYPE_CHECKING:
    from saewidgets.scope import Scope

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Influence:
    """Every active feature with its influence on one logit. T tokens, n activations.

    Args:
        tokens: `T` strings of the prompt.
        target: The token whose logit is explained.
        target_id: Its id.
        position: After which token it is predicted.
        dictionary: `n` keys.
        index: `[n]` feature indices.
        token: `[n]` positions.
        activation: `[n]`.
        influence: `[n]` activation times the gradient of the logit with respect to it: a first-order estimate of what
            the logit would lose without it.
    """

    tokens: tuple[str, ...]
    target: str
    target_id: int
    position: int
    dictionary: Array
    index: Array
    token: Array
    activation: Array
    influence: Array

    def to_frame(self) -> pd.DataFrame:
        """One row a feature, by falling influence.

        Returns:
            Columns feature, influence and activation (means over all tokens), rank_influence and rank_activation (from
            1, within its dictionary).
        """
        columns = {"influence": self.influence, "activation": self.activation}
        flat = pd.DataFrame({"dictionary": self.dictionary, "index": self.index, **columns})
        frame = flat.groupby(["dictionary", "index"], sort=True)[["influence", "activation"]].sum() / len(self.tokens)
        frame = frame.reset_index()
        for column in ("influence", "activation"):
            ranks = frame.groupby("dictionary")[column].rank(ascending=False, method="first")
            frame[f"rank_{column}"] = ranks.astype(int)
        frame.insert(0, "feature", [f"{k}/{i}" for k, i in zip(frame["dictionary"], frame["index"], strict=True)])
        frame = frame.drop(columns=["dictionary", "index"]).sort_values("influence", ascending=False, kind="stable")
        return frame.reset_index(drop=True)

    def by_token(self) -> pd.DataFrame:
        """One row an activation, by falling influence: feature, position, token, activation, influence."""
        frame = pd.DataFrame(
            {
                "feature": [f"{k}/{i}" for k, i in zip(self.dictionary, self.index, strict=True)],
                "position": self.token, "token": [self.tokens[t] for t in self.token],
                "activation": self.activation, "influence": self.influence,
            }
        )  # fmt: skip
        return frame.sort_values("influence", ascending=False, kind="stable").reset_index(drop=True)


def influence(
    scope: Scope, prompt: str | Sequence[int], target: str | int | None = None, position: int = -1,
    dictionaries: Sequence[str] | str | None = None,
) -> Influence:  # fmt: skip
    """Gradient times activation of every active feature, one forward and one backward pass for all.

    Each dictionary is seen by itself, its error term kept: moving activation H to H' moves what the dictionary writes
    by `(H' - H) d`.

    Args:
        scope: A model with its dictionaries.
        prompt: A text, or token ids.
        target: The next token, as text (one token) or id; by default the likeliest.
        position: After which token it is predicted.
        dictionaries: Keys; None for all.

    Returns:
        Influence of every activation.

    Raises:
        PromptError: The position is outside the prompt, or the target is not one token.
        SiteError: No such dictionary.

    Example:
        >>> import saewidgets as sw
        >>> found = influence(sw.demo(), "Mira saw a red", dictionaries="resid_post.2")
        >>> found.to_frame().columns.tolist()
        ['feature', 'influence', 'activation', 'rank_influence', 'rank_activation']
    """
    [ids] = as_rows(scope, [prompt])
    if not -len(ids) <= position < len(ids):
        raise PromptError(f"Token {shorten(position)} is outside the prompt.", f"It has {len(ids)} tokens.")
    position %= len(ids)
    asked = list(scope.dictionaries) if dictionaries is None else dictionaries
    keys = [scope.key(key) for key in ([asked] if isinstance(asked, str) else asked)]
    used = [scope.dictionaries[key] for key in keys]
    sites = list(dict.fromkeys(site for d in used for site in (d.site_in, d.site_out)))
    trace = scope.model.trace(list(ids), sites, grad=True)
    assert trace.logits is not None
    logits = trace.logits[0, position]
    chosen = int(logits.argmax()) if target is None else _target(scope, target, len(logits))
    written = list(dict.fromkeys(d.site_out for d in used))
    found = torch.autograd.grad(logits[chosen], [trace.values[site] for site in written], allow_unused=True)
    gradient = dict(zip(written, found, strict=True))
    parts: list[tuple[Array, ...]] = []
    with torch.no_grad():
        for key, dictionary in zip(keys, used, strict=True):
            x = trace.values[dictionary.site_in][0].detach().to(dictionary.device)
            sparse, slope = dictionary.encode_sparse(x), gradient[dictionary.site_out]
            rows, value = sparse.rows.to(dictionary.device), sparse.value.to(dictionary.device)
            direction = dictionary.rows(sparse.index)
            # What is written after the last thing that reaches the logit has no gradient.
            reach = torch.zeros_like(x[:, :1]) if slope is None else slope[0].to(direction.device, direction.dtype)
            along = (direction * reach[rows]).sum(1)
            scale = dictionary.scale(x)
            along = along if scale is None else along * scale[rows, 0]
            parts.append(
                (
                    np.full(len(rows), key, dtype=object), sparse.index.numpy(), sparse.rows.numpy(),
                    sparse.value.numpy(), (along * value).cpu().numpy(),
                )
            )  # fmt: skip
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Influence(words(scope, ids), words(scope, [chosen])[0], chosen, position, *joined)


def _target(scope: Scope, target: str | int, vocabulary: int) -> int:
    if isinstance(target, str) and scope.model.tokenizer is not None:
        ids = scope.model.tokenizer(target, add_special_tokens=False)["input_ids"]
        if len(ids) == 1:
            return int(ids[0])
        raise PromptError(f"{shorten(target)} is {len(ids)} tokens.", "Name one token, with the space before it.")
    if isinstance(target, bool) or not isinstance(target, int) or not 0 <= target < vocabulary:
        raise PromptError(f"{shorten(target)} is no token.", f"Give its text, or an id below {vocabulary}.")
    return target
