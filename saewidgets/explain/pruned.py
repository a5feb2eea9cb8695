"""Pruned maximal activation (N2G, Foote et al. 2305.19911): the fewest tokens that still wake a feature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from saewidgets.errors import FeatureError, PromptError, shorten
from saewidgets.explain.chosen import Chosen, choose_one, words
from saewidgets.explain.contexts import Texts, activations, as_rows
from saewidgets.explain.examples import examples_of, max_activating
from saewidgets.sites import FeatureId

if TYPE_CHECKING:
    from saewidgets.scope import Scope

Array = np.ndarray[Any, Any]

DROPPED, NEEDLESS, NEEDED = "dropped", "needless", "needed"


@dataclass(frozen=True, eq=False)
class Pruned:
    """What is left of a context. T tokens up to and with the one where the feature was strongest.

    Args:
        feature: Its id.
        tokens: `T` strings.
        ids: `T` token ids.
        start: First token that is not dropped.
        activation: Of the feature in the whole context.
        shortened: The same after dropping the tokens before `start` (a first special token stays).
        importance: `[T]` share of `shortened` that is lost when this token is replaced; NaN where it was dropped.
        needed: `[T]` whether the token belongs to the pattern.
        pattern_activation: With every other token replaced: whether the pattern is enough by itself.
        alternatives: For each token of the pattern, others that keep the feature awake.
    """

    feature: str
    tokens: tuple[str, ...]
    ids: tuple[int, ...]
    start: int
    activation: float
    shortened: float
    importance: Array
    needed: Array
    pattern_activation: float
    alternatives: dict[int, tuple[str, ...]]

    @property
    def pattern(self) -> str:
        """The minimal pattern, as in `[the|a] → capital → *`."""
        parts = []
        for i in range(self.start, len(self.tokens)):
            others = [self.tokens[i].strip(), *(other.strip() for other in self.alternatives.get(i, ()))]
            distinct = list(dict.fromkeys(others))
            parts.append(
                "*" if not self.needed[i] else distinct[0] if len(distinct) == 1 else f"[{'|'.join(distinct)}]"
            )
        return " → ".join(parts)

    def to_frame(self) -> pd.DataFrame:
        """Columns position, token, importance, state ("dropped", "needless", "needed")."""
        state = np.where(self.needed, NEEDED, NEEDLESS).astype(object)
        state[np.isnan(self.importance)] = DROPPED
        columns = {"token": self.tokens, "importance": self.importance, "state": state}
        return pd.DataFrame({"position": range(len(self.tokens)), **columns})


def prune(
    scope: Scope, feature: str | FeatureId, context: str | Sequence[int], position: int | None = None, *,
    keep: float = 0.5, important: float = 0.3, filler: int | None = None, alternatives: int = 4,
) -> Pruned:  # fmt: skip
    """Prune one context.

    Tokens are dropped from the left while the activation stays at `keep` of its value or above; each token left is
    then replaced by the filler, and belongs to the pattern if that costs more than `important` of the activation. For
    each of these, the nearest tokens by input embedding are tried as well.

    Args:
        scope: A model with its dictionaries.
        feature: `"resid_post.2/17"`.
        context: A text, or token ids.
        position: Of the activation; by default where it is strongest.
        keep: Share of the activation that must stay.
        important: Share that a token must carry.
        filler: Token id put in the place of others; by default the tokenizer's mask, padding or end token.
        alternatives: Nearest tokens tried for each token of the pattern.

    Returns:
        The pattern and each token's importance.

    Raises:
        FeatureError: The feature is not active there.
        PromptError: The position is outside the context, or there is no filler.

    Example:
        >>> import saewidgets as sw
        >>> prune(sw.demo(), "mlp_in.0/23", "Tom and Mira came home in May.", alternatives=0).pattern
        'May'
    """
    chosen = choose_one(scope, feature)
    [row] = as_rows(scope, [context])
    [[example]] = examples_of(scope, chosen, [row])
    position = example.position if position is None else position
    if not 0 <= position < len(row):
        raise PromptError(f"Token {shorten(position)} is outside the context.", f"It has {len(row)} tokens.")
    activation = float(example.activations[position])
    if not activation:
        raise FeatureError(f"{chosen.names[0]} is not active at token {position}.", "Choose a text on which it is.")
    first = 1 if 0 in example.special and position else 0
    ids = row[: position + 1]
    suffixes = [(*ids[:first], *ids[start:]) for start in range(first, position + 1)]
    stays = _last(scope, chosen, suffixes) >= keep * activation if activation > 0 else (
        _last(scope, chosen, suffixes) <= keep * activation
    )  # fmt: skip
    start = first + max(1, int(np.argmin(np.append(stays, False)))) - 1
    shortened, places = suffixes[start - first], range(first, first + position + 1 - start)
    fill = _filler(scope, filler)
    values = _last(scope, chosen, [shortened, *(_swap(shortened, {p: fill}) for p in places)])
    importance = np.full(position + 1, np.nan)
    importance[start:] = 1 - values[1:] / values[0]
    needed = np.nan_to_num(importance, nan=-np.inf) > important
    offset = start - first
    needless = {p: fill for p in places if not needed[p + offset]}
    pattern = _last(scope, chosen, [_swap(shortened, needless)])[0]
    wanted = [p for p in places if needed[p + offset]]
    found = _alternatives(scope, chosen, shortened, wanted, alternatives, keep * values[0]) if alternatives else {}
    return Pruned(
        chosen.names[0], example.tokens[: position + 1], ids, start, activation, float(values[0]), importance, needed,
        float(pattern), {p + offset: others for p, others in found.items()},
    )  # fmt: skip


def pruned_max_activating(
    scope: Scope, feature: str | FeatureId, contexts: Texts, n: int = 5, **options: Any
) -> list[Pruned]:
    """`prune` of the `n` contexts on which the feature is strongest; options as there."""
    found = max_activating(scope, feature, contexts, n)
    return [prune(scope, feature, example.ids, example.position, **options) for example in found]


def _last(scope: Scope, chosen: Chosen, rows: Sequence[tuple[int, ...]]) -> Array:
    """`[n]` activation on the last token of each row."""
    values = np.zeros(len(rows))
    for i, found in activations(scope, chosen, rows):
        values[i] = float(found[-1, 0])
    return values


def _swap(ids: tuple[int, ...], changes: dict[int, int]) -> tuple[int, ...]:
    return tuple(changes.get(i, token) for i, token in enumerate(ids))


def _filler(scope: Scope, given: int | None) -> int:
    names = ("mask_token_id", "pad_token_id", "eos_token_id", "bos_token_id")
    known = [given, *(getattr(scope.model.tokenizer, name, None) for name in names)]
    found = next((i for i in known if i is not None), None)
    if found is None:
        raise PromptError("There is no token to put in the place of others.", "Pass filler=, a token id.")
    return int(found)


def _alternatives(
    scope: Scope, chosen: Chosen, ids: tuple[int, ...], places: Sequence[int], n: int, least: float
) -> dict[int, tuple[str, ...]]:
    """For each place, the `n` tokens nearest by input embedding that keep the feature at `least`."""
    with torch.no_grad():
        table = scope.model.module.get_input_embeddings().weight  # type: ignore[operator]
        if scope.model.tokenizer is not None:
            table = table[: len(scope.model.tokenizer)]
        unit = torch.nn.functional.normalize(table.float(), dim=1)
        similar = unit[[ids[p] for p in places]] @ unit.T
        similar[range(len(places)), [ids[p] for p in places]] = -2
        nearest = similar.topk(min(n, len(table)), dim=1).indices.tolist()
    tried = [(p, other) for p, line in zip(places, nearest, strict=True) for other in line]
    if not tried:
        return {}
    values = _last(scope, chosen, [_swap(ids, {p: other}) for p, other in tried])
    good = values >= least if least > 0 else values <= least
    return {
        p: words(scope, [other for (q, other), fine in zip(tried, good, strict=True) if q == p and fine])
        for p in places
    }
