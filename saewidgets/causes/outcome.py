"""What steering is measured by: the probability of some words, or a function of the text, with KL and perplexity."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from saewidgets.errors import FeatureError, PromptError, shorten
from saewidgets.explain.chosen import words
from saewidgets.explain.head import head_of
from saewidgets.explain.targets import token_id
from saewidgets.interventions.targets import Direction, Group
from saewidgets.runs.generation import Generation
from saewidgets.runs.run import kl_divergence
from saewidgets.runs.vectors import feature_direction

if TYPE_CHECKING:
    from saewidgets.scope import Scope

Array = np.ndarray[Any, Any]
_MOST = 1_000


@dataclass(frozen=True, eq=False)
class Outcome:
    """What is wanted of a text.

    Args:
        name: In words.
        ids: Tokens whose probability counts.
        function: Of a finished text, instead of tokens.
    """

    name: str
    ids: tuple[int, ...] = ()
    function: Callable[[Generation], float] | None = None


def words_of(scope: Scope, target: Any) -> Outcome:
    """Read what a caller asks for.

    Args:
        scope: For its tokenizer.
        target: One token (text or id), a list of them, or a function of a `Generation`.

    Raises:
        PromptError: None, too many, or a word that is several tokens.
    """
    if callable(target):
        return Outcome(getattr(target, "__name__", "function"), function=target)
    asked = [target] if isinstance(target, (str, int)) else target
    if not isinstance(asked, Iterable):
        raise PromptError(f"The target is {shorten(target)}.", "Give words, each one token with the space before it.")
    asked = list(asked)
    if not 0 < len(asked) <= _MOST:
        raise PromptError(f"{len(asked)} target words.", f"Give 1 to {_MOST}.")
    ids = tuple(dict.fromkeys(token_id(scope, word, scope.model.vocab_size) for word in asked))
    said = [word.strip() or word for word in words(scope, ids[:3])]
    more = f" and {len(ids) - 3} more" if len(ids) > 3 else ""
    return Outcome(f"{', '.join(said)}{more}", ids)


def read_words(scope: Scope, words: Sequence[str | int]) -> tuple[int, ...]:
    """Token ids of words as people type them: with the space before them where that is one token.

    Raises:
        PromptError: A word is several tokens.
    """
    found = []
    for word in words:
        try:
            found.append(token_id(scope, f" {word}" if isinstance(word, str) else word, scope.model.vocab_size))
        except PromptError:
            found.append(token_id(scope, word, scope.model.vocab_size))
    return tuple(found)


def promoted(scope: Scope, target: Any, n: int = 8) -> tuple[int, ...]:
    """Ids of the tokens that a feature, a group or a direction promotes most, by the vocabulary projection.

    Raises:
        FeatureError: It does not write to the residual stream, or no dictionary writes at the direction's site.
    """
    if isinstance(target, Direction):
        dictionary = next((d for d in scope.dictionaries.values() if d.site_out == target.site), None)
        if dictionary is None:
            raise FeatureError(f"What {target} promotes is not known.", "Name the words that count: target=[...].")
        direction = target
    else:
        direction = feature_direction(scope, target)
        first = target.features[0] if isinstance(target, Group) else target
        dictionary = scope.dictionaries[first.dictionary]
    logits = head_of(scope, dictionary).logits(torch.tensor(direction.vector)[None])[0]
    special = set(getattr(scope.model.tokenizer, "all_special_ids", None) or ())
    order = logits.topk(min(len(logits), n + len(special))).indices.tolist()
    return tuple(i for i in order if i not in special)[:n]


class Sums:
    """Sums over the new tokens of many texts, for each version of them."""

    def __init__(self, n: int) -> None:
        self.tokens, self.texts = np.zeros(n), np.zeros(n)
        self.effect, self.kl, self.surprise = np.zeros(n), np.zeros(n), np.zeros(n)
        self.by_text = False
        self.n_texts = 0

    def add(
        self, start: int, outcome: Outcome, texts: Sequence[Generation], edited: Tensor, base: Tensor,
        written: bool = True,
    ) -> None:  # fmt: skip
        """Count texts of versions `start` and on.

        Args:
            start: The first one's version.
            outcome: What is wanted.
            texts: `n` finished texts.
            edited: `[n, steps, vocab]` log probabilities of the edited model.
            base: `[n, at most steps, vocab]` of the model without edits, along the same texts.
            written: Whether the texts were written under the edits. Else all are the same, and it is the edited model
                that they surprise.
        """
        self.by_text = outcome.function is not None
        for row, text in enumerate(texts):
            n = len(text.token_ids) - text.n_prompt
            log_q, log_p = edited[row, :n].double(), base[row, :n].double()
            new = torch.tensor(text.token_ids[text.n_prompt :])
            at = start + row
            self.tokens[at] += n
            self.texts[at] += 1
            self.kl[at] += float(kl_divergence(log_p, log_q).sum())
            self.surprise[at] -= float((log_p if written else log_q).gather(1, new[:, None]).sum())
            self.effect[at] += (
                float(outcome.function(text)) if outcome.function else float(log_q[:, list(outcome.ids)].exp().sum())
            )

    def means(self) -> tuple[Array, Array, Array]:
        """`[versions]` effect, KL in nats a token, perplexity."""
        effect = self.effect / (self.texts if self.by_text else self.tokens)
        # The exponential of a surprise beyond 80 nats says no more than one of 80.
        return effect, self.kl / self.tokens, np.exp(np.minimum(self.surprise / self.tokens, 80.0))
