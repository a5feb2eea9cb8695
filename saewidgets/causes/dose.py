"""Dose and response: what steering buys at every strength, what it costs, and what random changes would have done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from saewidgets.causes.along import Version
from saewidgets.causes.controls import Conditions
from saewidgets.causes.densities import densities
from saewidgets.causes.measuring import Writing
from saewidgets.causes.outcome import Sums, words_of
from saewidgets.errors import EditError, PromptError, shorten
from saewidgets.interventions import Edit
from saewidgets.interventions.propagation import check_propagation
from saewidgets.interventions.text import from_json
from saewidgets.runs.control import like_edits
from saewidgets.runs.sampling import Sampling, check_seeds

if TYPE_CHECKING:
    from saewidgets.atlas.atlas import Atlas
    from saewidgets.scope import Scope

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class DoseResponse:
    """What K strengths did. Row 0 is the edit itself, then its controls: random directions, random features.

    Args:
        strengths: `[K]` rising.
        effect: `[1 + controls, K]` probability of the target words a new token, or mean of the user's function.
        kl: `[1 + controls, K]` KL(base || steered), nats a token, over the tokens that were written.
        perplexity: `[1 + controls, K]` of what was written, under the model without edits.
        base_effect, base_perplexity: The same without edits.
        n_directions: How many of the controls are random directions of the same norm; the rest are random features.
        n_tokens: New tokens a text, at most.
        n_texts: Texts a cell: prompts times seeds.
        target: In words.
        conditions: Prompts, controls, seed, error policy, propagation.
    """

    strengths: Array
    effect: Array
    kl: Array
    perplexity: Array
    base_effect: float
    base_perplexity: float
    n_directions: int
    n_tokens: int
    n_texts: int
    target: str
    conditions: Conditions

    @property
    def names(self) -> tuple[str, ...]:
        """Of the rows: "edit", "direction 1", ..., "feature 1", ..."""
        n = len(self.effect) - 1
        kinds = [f"direction {i + 1}" for i in range(self.n_directions)]
        return ("edit", *kinds, *(f"feature {i + 1}" for i in range(n - self.n_directions)))

    def effect_at(self, kl: float, positive: bool = True) -> Array:
        """`[1 + controls]` effect at a matched KL from the base, by lines between neighbouring strengths.

        Args:
            kl: In nats a token.
            positive: Of strengths above 0; else of those below.

        Returns:
            For each row, NaN where it never comes so far.
        """
        side = self.strengths > 0 if positive else self.strengths < 0
        order = np.flatnonzero(side)
        order = order[np.argsort(np.abs(self.strengths[order]))]
        return np.array([_crossing(self.base_effect, e[order], k[order], kl) for e, k in
                         zip(self.effect, self.kl, strict=True)])  # fmt: skip

    def joined(self, other: DoseResponse) -> DoseResponse:
        """This one with the strengths of another, of the same texts and controls, that it does not have."""
        fresh = ~np.isin(other.strengths, self.strengths)
        strengths = np.concatenate([self.strengths, other.strengths[fresh]])
        order = np.argsort(strengths)
        arrays: dict[str, Any] = {
            name: np.concatenate([getattr(self, name), getattr(other, name)[:, fresh]], 1)[:, order]
            for name in ("effect", "kl", "perplexity")
        }
        return replace(self, strengths=strengths[order], **arrays)

    def to_frame(self) -> pd.DataFrame:
        """One row a strength and what was done: columns who, strength, effect, kl, perplexity, and the conditions."""
        who = np.repeat(self.names, len(self.strengths))
        columns: dict[str, Any] = {
            "who": who,
            "strength": np.tile(self.strengths, len(self.effect)),
            "effect": self.effect.ravel(),
            "kl": self.kl.ravel(),
            "perplexity": self.perplexity.ravel(),
        }
        return pd.DataFrame({**columns, **self.conditions.columns(), "texts": self.n_texts})


def _crossing(start: float, effects: Array, kls: Array, kl: float) -> float:
    before = (0.0, start)
    for here, effect in zip(kls.tolist(), effects.tolist(), strict=True):
        if here >= kl:
            share = (kl - before[0]) / max(here - before[0], 1e-12)
            return float(before[1] + share * (effect - before[1]))
        before = (here, effect)
    return float("nan")


def dose_response(scope: Scope, doses: Mapping[float, Sequence[Edit]], prompts: Sequence[Any] | str,
                  target: Any, **options: Any) -> DoseResponse:  # fmt: skip
    """Write texts at every strength and measure effect, KL from the base and perplexity, beside the controls.

    A text is written under the edits. *Effect*: the probability that the edited model gives to the target words, a
    token. *KL*: KL(base || edited) of the next token along the same text. *Perplexity*: of the text under the model
    without edits. All are means over the new tokens. Controls: the same change in random directions, each token's as
    long as it was; the same edits on random features active on about as many tokens.

    A direct effect is that of a run, so under `propagation="direct"` no text is written under the edits: all is read
    along the text that is written without them, and *perplexity* is that of this text under the edits.

    Args:
        scope: A model with its dictionaries.
        doses: Strength -> edits at that strength.
        prompts: Texts to go on from, or lists of messages for the tokenizer's chat template.
        target: Words (each one token, with the space before it) or token ids; or a function of a `Generation` to a
            number.
        **options: As in `dose_responses`: `n_controls`, `seeds`, `max_new_tokens`, `temperature`, `propagation`,
            `atlas`, `seed`, `check`.

    Returns:
        The response over all prompts.

    Raises:
        PromptError: No prompt, no words, or a word that is several tokens.
        EditError, FeatureError: An edit does not fit, or a function of what is written under `"direct"`.

    Example:
        >>> import saewidgets as sw
        >>> doses = {s: [sw.steer("resid_post.2/17", s)] for s in (-4.0, 4.0)}
        >>> found = dose_response(sw.demo(), doses, "Mira saw a", [" boat"], n_controls=1, max_new_tokens=4)
        >>> found.kl.shape, found.names
        ((3, 2), ('edit', 'direction 1', 'feature 1'))
    """
    *_, last = dose_responses(scope, doses, prompts, target, **options)
    return last


@torch.no_grad()
def dose_responses(
    scope: Scope,
    doses: Mapping[float, Sequence[Edit]],
    prompts: Sequence[Any] | str,
    target: Any,
    *,
    n_controls: int = 6,
    seeds: int | Sequence[int] = 0,
    max_new_tokens: int = 24,
    temperature: float = 1.0,
    propagation: str = "free",
    atlas: Atlas | None = None,
    seed: int = 0,
    check: Callable[[], None] = lambda: None,
) -> Iterator[DoseResponse]:
    """As `dose_response`, with a result after each prompt and seed, over those so far.

    Args:
        scope: As there.
        doses: As there.
        prompts: As there.
        target: As there.
        n_controls: Random directions, and as many random features; 0 for none.
        seeds: Of the texts: one of each prompt for each.
        max_new_tokens: Of a text.
        temperature: Of the draws.
        propagation: `"free"`; `"frozen_attention"`: the patterns within the prompt are those without edits; `"direct"`.
        atlas: Where densities of features are looked up; else they are counted on the base texts.
        seed: Of the controls.
        check: Called at every token; raises to stop.
    """
    check_propagation(propagation)
    if isinstance(n_controls, bool) or not isinstance(n_controls, int) or not 0 <= n_controls <= 1000:
        raise EditError(f"{shorten(n_controls)} controls.", "Give a whole number from 0 to 1000.")
    strengths = sorted(float(s) for s in doses)
    edits = [from_json(list(doses[s])) for s in strengths]
    texts = [prompts] if isinstance(prompts, str) else list(prompts)
    if not texts or not strengths:
        raise PromptError(f"{len(texts)} prompts and {len(strengths)} strengths.", "Give at least one of each.")
    every = check_seeds(seeds)
    outcome = words_of(scope, target)
    if propagation == "direct" and outcome.function is not None:
        raise EditError("A function of what is written, under direct propagation.", "Give words: target=[' May'].")
    writing = Writing(scope, max_new_tokens, Sampling(temperature), propagation, check, outcome)
    bases = [writing.write(text, [((), None)], every[0], lambda _: None)[0].token_ids for text in texts]
    counts = densities(scope, edits, bases, atlas, check)
    versions: list[Version] = [((), None), *((e, None) for e in edits)]
    for i in range(n_controls):
        versions += [(e, seed * n_controls + i) for e in edits]
    draw = torch.Generator()
    for i in range(n_controls):
        for e in edits:
            # The same draw at every strength: one random feature, stronger and stronger.
            like = like_edits(e, counts, draw.manual_seed(seed * n_controls + i), scope.model.n_heads)
            versions.append((like, None))
    sums = Sums(len(versions))
    dropped = any(edit.error == "drop" for e in edits for edit in e)
    for number, text in enumerate(texts, 1):
        for s in every:
            writing.measure(text, versions, s, sums)
            conditions = Conditions(number, n_controls, seed, "dropped" if dropped else "kept", propagation)
            yield _response(strengths, sums, n_controls, max_new_tokens, outcome.name, conditions)


def _response(
    strengths: list[float], sums: Sums, n_controls: int, n_tokens: int, target: str, conditions: Conditions
) -> DoseResponse:
    effect, kl, perplexity = sums.means()
    shape = (1 + 2 * n_controls, len(strengths))
    return DoseResponse(
        np.array(strengths),
        effect[1:].reshape(shape),
        kl[1:].reshape(shape),
        perplexity[1:].reshape(shape),
        float(effect[0]),
        float(perplexity[0]),
        n_controls,
        n_tokens,
        sums.n_texts,
        target,
        conditions,
    )
