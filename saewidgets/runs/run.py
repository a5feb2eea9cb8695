"""`Run`: what one forward pass of one prompt gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from saewidgets.dictionaries.sparse import SparseActivations
from saewidgets.errors import EditError, FeatureError, PromptError, shorten
from saewidgets.interventions.edits import Edit
from saewidgets.sites import FeatureId


@dataclass(frozen=True, eq=False)
class Run:
    """One traced forward pass of one prompt under a list of edits. T tokens.

    Args:
        prompt: The text.
        tokens: `T` strings.
        token_ids: `T` ids.
        features: Dictionary key -> sparse activations. Of an edited dictionary: the edited activations.
        logits: `[T, vocab]`.
        errors: Dictionary key -> `[T]` norm of its error term.
        norms: Dictionary key -> `[T]` norm of what it reconstructs.
        log_normalizer: `[T]` log-sum-exp of the logits: log p = logits - log_normalizer.
        surprise: `[T]` -log p(token | the ones before it) in nats; 0 at position 0.
        likely: `[T, K]` ids of the most probable next tokens, by descending probability.
        log_likely: `[T, K]` their log p.
        edits: What was done.
        vocabulary: id -> string of the tokenizer, for predictions.
        propagation: How the effect of the edits travelled: `"free"`, `"frozen_attention"` or `"direct"`.

    Example:
        >>> import saewidgets as sw
        >>> run = sw.demo().run("Mira saw a red boat.")
        >>> run.logits.shape[0] == len(run.tokens)
        True
    """

    prompt: str
    tokens: tuple[str, ...]
    token_ids: tuple[int, ...]
    features: Mapping[str, SparseActivations]
    logits: Tensor
    errors: Mapping[str, Tensor]
    norms: Mapping[str, Tensor]
    log_normalizer: Tensor
    surprise: Tensor
    likely: Tensor
    log_likely: Tensor
    edits: tuple[Edit, ...]
    vocabulary: Vocabulary
    propagation: str = "free"

    @property
    def n_tokens(self) -> int:
        """Number of tokens."""
        return len(self.token_ids)

    def log_probabilities(self, positions: Sequence[int] | slice = slice(None)) -> Tensor:
        """`[P, vocab]` log p of the next token after some positions, float32."""
        return self.logits[positions].float() - self.log_normalizer[positions][:, None]

    def activation(self, feature: str | FeatureId) -> Tensor:
        """`[T]` activations of one feature.

        Raises:
            FeatureError: Unknown dictionary or feature.
        """
        feature = FeatureId.parse(feature)
        if feature.dictionary not in self.features:
            known = ", ".join(self.features)
            raise FeatureError(f"No dictionary {shorten(feature.dictionary)}.", f"This run: {known}.")
        return self.features[feature.dictionary].feature(feature.index)

    def position(self, position: int) -> int:
        """A token position from 0, negative ones counted from the end.

        Raises:
            PromptError: Outside the prompt.
        """
        if not -self.n_tokens <= position < self.n_tokens:
            raise PromptError(f"Token {position} is outside the prompt.", f"It has {self.n_tokens} tokens.")
        return position % self.n_tokens

    def predictions(self, position: int = -1, n: int = 5) -> pd.DataFrame:
        """The `n` most probable next tokens after a position: columns token, id, probability."""
        row = self.log_probabilities([self.position(position)])[0].exp()
        p, ids = row.topk(min(n, len(row)))
        return pd.DataFrame(
            {"token": self.vocabulary.strings(ids.tolist()), "id": ids.numpy(), "probability": p.numpy()}
        )

    def top(self, position: int | None = None, n: int = 5, dictionary: str | None = None) -> pd.DataFrame:
        """The strongest features.

        Args:
            position: Of one token; `None` for each token.
            n: How many a token and dictionary.
            dictionary: Key of one dictionary; `None` for all.

        Returns:
            Columns position, token, feature, activation; strongest first within a token and dictionary.
        """
        positions = range(self.n_tokens) if position is None else [self.position(position)]
        if dictionary is not None and dictionary not in self.features:
            raise FeatureError(f"No dictionary {shorten(dictionary)}.", f"This run: {', '.join(self.features)}.")
        rows = []
        for p in positions:
            for key in self.features if dictionary is None else [dictionary]:
                index, value = self.features[key].strongest(p, n)
                rows += [
                    (p, self.tokens[p], f"{key}/{i}", v) for i, v in zip(index.tolist(), value.tolist(), strict=True)
                ]
        return pd.DataFrame(rows, columns=["position", "token", "feature", "activation"])

    def to_frame(self) -> pd.DataFrame:
        """Every active feature: columns position, token, dictionary, index, activation."""
        parts = []
        for key, sparse in self.features.items():
            rows = sparse.rows.numpy()
            parts.append(
                pd.DataFrame(
                    {
                        "position": rows,
                        "token": [self.tokens[r] for r in rows],
                        "dictionary": key,
                        "index": sparse.index.numpy(),
                        "activation": sparse.value.numpy(),
                    }
                )
            )
        columns = ["position", "token", "dictionary", "index", "activation"]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)

    def difference(self, other: Run) -> Difference:
        """What changes from this run to `other`, a run of the same tokens.

        Raises:
            EditError: The runs have different tokens.
        """
        if self.token_ids != other.token_ids:
            raise EditError("The two runs have different tokens.", "Compare runs of one prompt.")
        return Difference(self, other)

    def only(self, keys: Sequence[str]) -> Run:
        """The same run with these dictionaries alone."""
        return replace(
            self,
            features={key: self.features[key] for key in keys},
            errors={key: self.errors[key] for key in keys},
            norms={key: self.norms[key] for key in keys},
        )

    def with_dictionaries(self, other: Run) -> Run:
        """The same run with those of another run of the same tokens and edits besides."""
        return replace(
            self,
            features={**self.features, **other.features},
            errors={**self.errors, **other.errors},
            norms={**self.norms, **other.norms},
        )

    @property
    def nbytes(self) -> int:
        """Memory it holds, about."""
        return self.logits.nbytes + sum(s.nbytes for s in self.features.values())


@dataclass(frozen=True, eq=False)
class Difference:
    """From `base` to `edited`, two runs of the same tokens."""

    base: Run
    edited: Run

    @property
    def kl(self) -> Tensor:
        """`[T]` KL(base || edited) of the next-token distributions, in nats: sum p (log p - log q)."""
        return kl_divergence(self.base.log_probabilities(), self.edited.log_probabilities())

    def predictions(self, position: int = -1, n: int = 5) -> pd.DataFrame:
        """Next tokens by greatest max(before, after): columns token, id, before, after, change."""
        p = self.base.position(position)
        before, after = (run.log_probabilities([p])[0].exp() for run in (self.base, self.edited))
        ids = torch.maximum(before, after).topk(min(n, len(before))).indices
        return pd.DataFrame(
            {
                "token": self.base.vocabulary.strings(ids.tolist()),
                "id": ids.numpy(),
                "before": before[ids].numpy(),
                "after": after[ids].numpy(),
                "change": (after - before)[ids].numpy(),
            }
        )


def kl_divergence(log_p: Tensor, log_q: Tensor) -> Tensor:
    """KL(p || q) over the last dimension, in nats, never below 0 by rounding."""
    return (log_p.exp() * (log_p - log_q)).sum(-1).clamp_min(0)


class Vocabulary:
    """Strings of token ids, decoded when first asked.

    Args:
        tokenizer: A Hugging Face tokenizer.
    """

    def __init__(self, tokenizer: object) -> None:
        self._tokenizer = tokenizer
        self._known: dict[int, str] = {}

    def strings(self, ids: list[int]) -> list[str]:
        """One string an id; ids beyond the tokenizer (padding rows of the embedding) read "‹id›"."""
        from saewidgets.runs.tokens import token_strings

        new = [i for i in set(ids) if i not in self._known]
        if new:
            size = len(self._tokenizer)  # type: ignore[arg-type]
            inside = [i for i in new if i < size]
            self._known.update(zip(inside, token_strings(self._tokenizer, inside), strict=True))
            self._known.update({i: f"‹{i}›" for i in new if i >= size})
        return [self._known[i] for i in ids]


@lru_cache(maxsize=8)
def vocabulary_of(tokenizer: Any) -> Vocabulary:
    """The one vocabulary of a tokenizer."""
    return Vocabulary(tokenizer)
