"""Influence: the features behind one prediction, not the loudest ones.

Gradient times activation (GradSAE, Shu et al. 2025) and integrated gradients (Sundararajan et al. 1703.01365, on
features as in Marks et al. 2403.19647).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from saewidgets.explain.chosen import words
from saewidgets.explain.contexts import as_rows, per_forward
from saewidgets.explain.encoded import Encoded, encode_prompt
from saewidgets.explain.targets import Asked, Target, read_target
from saewidgets.interventions.propagation import Held
from saewidgets.sites import Site

if TYPE_CHECKING:
    from saewidgets.scope import Scope

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Influence:
    """Every active feature with its influence on one target. T tokens, n activations.

    Args:
        tokens: `T` strings of the prompt.
        target: What is explained, in words.
        target_id: The token's id when the target is one logit, else None.
        position: After which token it is predicted.
        dictionary: `n` keys.
        index: `[n]` feature indices.
        token: `[n]` positions.
        activation: `[n]`.
        influence: `[n]` activation times the gradient of the target with respect to it: a first-order estimate of what
            the target would lose without it.
        integrated: `[n]` activation times the mean gradient on the way from no feature to all of them; those of one
            dictionary add up to what the target loses without all of it. `None` unless asked for.
    """

    tokens: tuple[str, ...]
    target: str
    target_id: int | None
    position: int
    dictionary: Array
    index: Array
    token: Array
    activation: Array
    influence: Array
    integrated: Array | None = None

    def to_frame(self) -> pd.DataFrame:
        """One row a feature, by falling influence.

        Returns:
            Columns feature, influence and activation (means over all tokens), rank_influence and rank_activation (from
            1, within its dictionary); integrated too if asked for.
        """
        flat = pd.DataFrame({"dictionary": self.dictionary, "index": self.index, **self._columns()})
        names = list(self._columns())
        frame = flat.groupby(["dictionary", "index"], sort=True)[names].sum() / len(self.tokens)
        frame = frame.reset_index()
        for column in ("influence", "activation"):
            ranks = frame.groupby("dictionary")[column].rank(ascending=False, method="first")
            frame[f"rank_{column}"] = ranks.astype(int)
        frame.insert(0, "feature", [f"{k}/{i}" for k, i in zip(frame["dictionary"], frame["index"], strict=True)])
        frame = frame.drop(columns=["dictionary", "index"]).sort_values("influence", ascending=False, kind="stable")
        return frame.reset_index(drop=True)

    def by_token(self) -> pd.DataFrame:
        """One row an activation, by falling influence: feature, position, token, influence, activation, integrated."""
        frame = pd.DataFrame(
            {
                "feature": [f"{k}/{i}" for k, i in zip(self.dictionary, self.index, strict=True)],
                "position": self.token, "token": [self.tokens[t] for t in self.token],
                "activation": self.activation, **self._columns(),
            }
        )  # fmt: skip
        return frame.sort_values("influence", ascending=False, kind="stable").reset_index(drop=True)

    def _columns(self) -> dict[str, Array]:
        columns = {"influence": self.influence, "activation": self.activation}
        return columns if self.integrated is None else columns | {"integrated": self.integrated}


def influence(
    scope: Scope, prompt: str | Sequence[int], target: Asked = None, position: int = -1,
    dictionaries: Sequence[str] | str | None = None, steps: int = 0,
) -> Influence:  # fmt: skip
    """Gradient times activation of every active feature, one forward and one backward pass for all.

    Each dictionary is seen by itself, its error term kept: moving activation H to H' moves what the dictionary writes
    by `(H' - H) d`. With `steps`, integrated gradients as well: one more forward and backward pass for each dictionary,
    whose rows are the steps (midpoints) on the way from none of its features to all of them.

    Args:
        scope: A model with its dictionaries.
        prompt: A text, or token ids.
        target: The next token, as text (one token) or id, for its logit; two of them for a difference; a
            `Probability`; or a function of logits `[batch, tokens, vocab]`. By default the likeliest token.
        position: After which token it is predicted.
        dictionaries: Keys; None for all.
        steps: Steps of integrated gradients; 0 for none.

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
    asked = list(scope.dictionaries) if dictionaries is None else dictionaries
    keys = [scope.key(key) for key in ([asked] if isinstance(asked, str) else asked)]
    used = {key: scope.dictionaries[key] for key in keys}
    sites = list(dict.fromkeys(site for d in used.values() for site in (d.site_in, d.site_out)))
    trace = scope.model.trace(list(ids), sites, grad=True)
    assert trace.logits is not None
    chosen = read_target(scope, target, position, trace.logits[0].detach())
    written = list(dict.fromkeys(d.site_out for d in used.values()))
    slopes = torch.autograd.grad(
        chosen.measure(trace.logits).sum(), [trace.values[site] for site in written], allow_unused=True
    )  # fmt: skip
    gradient = dict(zip(written, slopes, strict=True))
    parts: list[tuple[Array, ...]] = []
    for key, dictionary in used.items():
        encoded, slope = encode_prompt(key, dictionary, trace), gradient[dictionary.site_out]
        # What is written after the last thing that reaches the target has no gradient.
        slope = torch.zeros(len(ids), dictionary.d_out) if slope is None else slope[0]
        sparse = encoded.sparse
        part = [np.full(len(sparse.rows), key, dtype=object), sparse.index.numpy(), sparse.rows.numpy()]
        part += [sparse.value.numpy(), encoded.along(slope)]
        if steps > 0:
            part.append(encoded.along(integrated_gradient(scope, ids, encoded, chosen, steps)))
        parts.append(tuple(part))
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Influence(words(scope, ids), chosen.name, chosen.token, chosen.position, *joined)


def integrated_gradient(
    scope: Scope, ids: Sequence[int], encoded: Encoded, target: Target, steps: int, base: Tensor | None = None,
    held: Held | None = None,
) -> Tensor:  # fmt: skip
    """`[T, d_out]`: the target's mean gradient at `site_out` while all features rise together from 0.

    Args:
        scope: The model.
        ids: `T` token ids.
        encoded: The dictionary on this prompt.
        target: Of which the gradient is taken.
        steps: Midpoints of the way; rows of one batch where they fit.
        base: `[T, d_out]` added at `site_out` all the way: minus an error term that is dropped.
        held: What stays as it is on the way.
    """
    site, total, held = encoded.dictionary.site_out, encoded.written(), held or Held()
    always = torch.zeros_like(total) if base is None else base.to(total)
    mean = torch.zeros_like(total, dtype=torch.float64, device="cpu")
    shares = 1 - (torch.arange(steps) + 0.5) / steps
    for missing in shares.split(per_forward(len(ids), scope.model.vocab_size)):
        # The gradient is that of what is added here: what is held has none of its own.
        added = (always - missing[:, None, None].to(total) * total).detach().requires_grad_()

        def write(value: Tensor, values: Mapping[Site, Tensor], offset: int, added: Tensor = added) -> Tensor:
            del values, offset
            return value + added.to(value.device, value.dtype)

        batch = torch.tensor([list(ids)]).repeat(len(missing), 1)
        trace = scope.model.trace(batch, [], held.held({site: write}), grad=True, **held.options)
        assert trace.logits is not None
        [slope] = torch.autograd.grad(target.measure(trace.logits).sum(), [added], allow_unused=True)
        if slope is not None:
            mean += slope.sum(0).double().cpu() / steps
    return mean
