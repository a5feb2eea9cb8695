"""Token effects: what each next token of a text owes to one feature, beside random features of like density."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from saewidgets.errors import FeatureError
from saewidgets.explain.chosen import choose_one
from saewidgets.interventions import ablate
from saewidgets.runs.control import N_CONTROLS, control_bands
from saewidgets.sites import FeatureId

if TYPE_CHECKING:
    from saewidgets.scope import Scope

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class TokenEffects:
    """What ablating a feature at every token does to the log probability of the token after each. T tokens.

    Args:
        feature: Its id.
        tokens: `T` strings.
        change: `[T - 1]` nats; below 0 the feature made the next token likelier.
        low, high: `[T - 1]` smallest and greatest change over random features of like density.
        controls: How many of these.
        seed: Of their draw.
    """

    feature: str
    tokens: tuple[str, ...]
    change: Array
    low: Array
    high: Array
    controls: int
    seed: int

    def to_frame(self) -> pd.DataFrame:
        """Columns token, next, change, low, high."""
        columns = {"token": self.tokens[:-1], "next": self.tokens[1:]}
        return pd.DataFrame({**columns, "change": self.change, "low": self.low, "high": self.high})


@torch.no_grad()
def token_effects(
    scope: Scope, feature: str | FeatureId, text: str | Sequence[int], *, seed: int = 0,
    controls: int = N_CONTROLS, check: Callable[[], None] = lambda: None,
) -> TokenEffects:  # fmt: skip
    """Ablate a feature at every token of a text, error term kept, free propagation; and random ones in its place.

    Args:
        scope: A model with its dictionaries.
        feature: `"resid_post.2/17"`.
        text: A text, or token ids as they go into the model.
        seed: Of the random features.
        controls: How many random features.
        check: Called between forwards; may raise to stop.

    Returns:
        The change of log p of every next token, with the range over the random features.

    Raises:
        FeatureError: Unknown, or the text has one token.
        PromptError: Empty or too long.

    Example:
        >>> import saewidgets as sw
        >>> found = token_effects(sw.demo(), "resid_post.2/17", "Mira saw a red boat.")
        >>> found.to_frame().columns.tolist()
        ['token', 'next', 'change', 'low', 'high']
    """
    chosen = choose_one(scope, feature)
    edits = [ablate(chosen.names[0])]
    ids = scope.model.tokenize(text) if isinstance(text, str) else list(text)
    base = scope.run_ids(ids, sites=[chosen.key])
    after = base.token_ids[1:]
    if not after:
        raise FeatureError("After one token nothing comes.", "Give a longer text.")
    check()
    places = list(range(len(after)))
    words = torch.tensor(after)[:, None]
    before = base.log_probabilities(places).cpu().gather(1, words)
    ablated = scope.run_ids(ids, edits=edits, sites=[]).log_probabilities(places).cpu().gather(1, words)
    band = control_bands(scope, base, edits, places, words, seed, check, None, controls)
    # A probability of 0 in float32 has no logarithm.
    low, high = (np.log(np.maximum(side[:, 0], 1e-38)) - before[:, 0].numpy() for side in (band.low, band.high))
    change = (ablated - before)[:, 0].numpy()
    return TokenEffects(chosen.names[0], tuple(base.tokens), change, low, high, controls, seed)
