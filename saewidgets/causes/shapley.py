"""A Shapley report: how much of a target each feature carries, when all may help or hinder each other.

The players are features; a coalition is worth what the target is with the other players taken out (as in Zhang and Chen
2402.09584, who explain a controller this way). Exact up to twelve players, estimated from random orders beyond.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from saewidgets.causes.ablation import bars, rivals, strongest
from saewidgets.causes.controls import N_CONTROLS, Conditions, draws, like_density, random_like, same_norm, verdict
from saewidgets.causes.games import estimated_values, exact_values
from saewidgets.causes.prepared import Prepared, prepare
from saewidgets.causes.shown import Shown, foot
from saewidgets.causes.source import replayable
from saewidgets.dictionaries import Dictionary
from saewidgets.errors import FeatureError
from saewidgets.explain.chosen import Features, choose, words
from saewidgets.explain.encoded import Encoded
from saewidgets.explain.targets import Asked
from saewidgets.payloads.causal_report import CausalCheck, CausalReport

if TYPE_CHECKING:
    from saewidgets.scope import Scope

Array = np.ndarray[Any, Any]
EXACT = 12


@dataclass(frozen=True, eq=False)
class Shapley(Shown):
    """Shapley values of features.

    Args:
        frame: See `to_frame`.
        prompt: The text of the tokens.
        target: What was measured, in words.
        value: The target with all features as they are.
        without: The target without any of these features.
        exact: Whether every coalition was measured.
        conditions: Error policy, propagation, prompts, controls.
        scope: The model and its dictionaries.
        source: The call that made it.
    """

    frame: pd.DataFrame
    prompt: str
    target: str
    value: float
    without: float
    exact: bool
    conditions: Conditions
    scope: Scope
    source: str = ""

    def to_frame(self) -> pd.DataFrame:
        """One row a feature, by falling absolute value.

        Returns:
            Columns feature, label, tokens, shapley, error_of_mean (0 when exact), like_low, like_high, direction_low,
            direction_high, random_dictionary (see `ablation`), beats_control; error, propagation, prompts.
        """
        return self.frame.copy()

    @property
    def gap(self) -> float:
        """The efficiency check: sum of the values minus (target with all - target with none). 0 but for rounding."""
        return float(self.frame["shapley"].sum() - (self.value - self.without))

    @property
    def verdict(self) -> str:
        """One sentence: how many beat every control."""
        return verdict(int(self.frame["beats_control"].sum()), len(self.frame), "features")

    @property
    def page(self) -> CausalReport:
        """What a notebook shows of it."""
        key = str(self.frame["feature"].iloc[0]).rpartition("/")[0] if len(self.frame) else ""
        carried, total = self.value - self.without, float(self.frame["shapley"].sum())
        scale = max(1.0, abs(self.value), abs(self.without))
        check = CausalCheck(
            "efficiency", f"the shares add up to {total:.4f}; all features together carry {carried:.4f}",
            abs(self.gap) < 1e-3 * scale,
        )  # fmt: skip
        how = "exact" if self.exact else "mean of random orders, line: 95 %"
        return CausalReport(
            f"Shapley values of features for {self.target.strip()!r}", self.verdict, str(self.conditions),
            foot(self.scope, key, self.source), f"share of the target ({how})",
            bars(self.frame, "shapley", self.scope), checks=(check,), paragraph=self.paragraph(),
        )  # fmt: skip

    def paragraph(self) -> str:
        """The report in words, made from the numbers alone."""
        parts = []
        for row in self.frame.to_dict("records"):
            name = f"{row['feature']} ({row['label']})" if row["label"] else row["feature"]
            shown = f"{abs(row['shapley']):.2f}" + ("" if self.exact else f" ± {row['error_of_mean']:.2f}")
            parts.append(f"{name} at {row['tokens'].strip()!r} {'adds' if row['shapley'] >= 0 else 'takes'} {shown}")
        how = "every coalition was measured" if self.exact else "estimated from random orders"
        carried = self.value - self.without
        return (
            f"After {self.prompt!r}, {self.target.strip()!r} is at {self.value:.2f}; without these {len(self.frame)} "
            f"features it is at {self.without:.2f}. Of the difference of {carried:.2f}, {'; '.join(parts)}. "
            f"The shares add up to it within {max(abs(self.gap), 1e-6):.0e} ({how}). {self.verdict} "
            f"Conditions: {self.conditions}."
        )


@replayable
def shapley(
    scope: Scope, prompt: str | Sequence[int], target: Asked = None, position: int = -1, dictionary: str | None = None,
    *, features: Features | None = None, top: int = 6, orders: int = 200, controls: int = N_CONTROLS, seed: int = 0,
    randoms: Sequence[Dictionary] | None = None, propagation: str = "free", error: str = "kept",
) -> Shapley:  # fmt: skip
    """Share what features carry of a target among them.

    The controls are games of their own: the same number of random features of like density, changes of the same norms
    in random directions, and the features that the same search finds in random dictionaries.

    Args:
        scope: A model with its dictionaries.
        prompt: A text, or token ids.
        target: As in `explain.influence`.
        position: After which token it is predicted.
        dictionary: Key; the scope's default one if None.
        features: The players; by default the `top` ones by absolute influence.
        top: How many.
        orders: Random orders, for more than 12 players.
        controls: Draws of each control.
        seed: Of the draws.
        randoms: From `random_like`; by default fitted to this prompt alone.
        propagation: `"free"`, `"frozen_attention"` or `"direct"`, as in `patch_map`.
        error: `"kept"` or `"dropped"`: the dictionary's error term, before and after.

    Returns:
        The report.

    Raises:
        FeatureError: A player is not active on the prompt, or belongs to another dictionary.
        PromptError: The target is not one token.

    Example:
        >>> import saewidgets as sw
        >>> scope, prompt = sw.demo(), "The queen went home when"
        >>> report = shapley(scope, prompt, " she", dictionary="resid_post.1@small", top=3, controls=1)
        >>> abs(report.gap) < 1e-3, report.to_frame()["feature"].iloc[0]
        (True, 'resid_post.1@small/99')
    """
    players = None if features is None else choose(scope, features)
    key = scope.default_site if dictionary is None else scope.key(dictionary)
    key = key if players is None else players.key
    conditions = Conditions(1, draws(controls), seed, error, propagation)
    ready, n = prepare(scope, prompt, key, target, position, conditions), conditions.controls
    encoded = ready.encode(key, scope.dictionaries[key])
    members = ready.features(encoded)
    if players is None:
        parts = strongest(ready, encoded, top)
    else:
        quiet = [i for i in players.index.tolist() if i not in members]
        if quiet:
            raise FeatureError(f"{key}/{quiet[0]} is not active on this prompt.", "Name features that are.")
        parts = [members[i] for i in dict.fromkeys(players.index.tolist())]
    written = [encoded.written(part) for part in parts]
    values, spread, without = _share(ready, written, orders, seed)
    draw = np.random.default_rng(seed)
    taken = {int(encoded.sparse.index[part[0]]) for part in parts}
    like = np.stack([_like_game(ready, encoded, parts, members, taken, orders, draw) for _ in range(n)])
    random = [same_norm(delta, n, seed + i) for i, delta in enumerate(written)]
    directions = np.stack([_share(ready, [r[j] for r in random], orders, seed)[0] for j in range(n)])
    others = random_like(scope, key, [ready.ids], n, seed) if randoms is None else randoms
    best = max((_best(ready, ready.encode(key, other), written, orders, seed) for other in others), default=0.0)
    bar = max(best, float(np.abs(like).max()), float(np.abs(directions).max()))
    texts = words(scope, ready.ids)
    ids = [f"{key}/{int(encoded.sparse.index[part[0]])}" for part in parts]
    frame = pd.DataFrame(
        {
            "feature": ids, "label": [scope.label(feature) for feature in ids],
            "tokens": ["".join(texts[t] for t in encoded.sparse.rows[part].tolist()) for part in parts],
            "shapley": values, "error_of_mean": spread, "like_low": like.min(0), "like_high": like.max(0),
            "direction_low": directions.min(0), "direction_high": directions.max(0), "random_dictionary": best,
            "beats_control": np.abs(values) > bar, **conditions.columns(),
        }
    )  # fmt: skip
    frame = frame.sort_values("shapley", key=lambda v: -v.abs(), kind="stable").reset_index(drop=True)
    text = "".join(texts[ready.first :])
    return Shapley(frame, text, ready.target.name, ready.value, without, len(parts) <= EXACT, conditions, scope)


def _share(ready: Prepared, written: Sequence[Tensor], orders: int, seed: int) -> tuple[Array, Array, float]:
    """Shapley values and standard errors of changes that are there or taken out; the target without any."""

    def game(masks: Sequence[int]) -> Array:
        stacked = torch.stack(list(written))
        inside = torch.tensor([[bool(mask >> i & 1) for i in range(len(written))] for mask in masks])
        out = (~inside).to(stacked.device, stacked.dtype)
        return ready.value - ready.lost_by([torch.einsum("p,ptd->td", row, stacked) for row in out])

    n = len(written)
    without = float(game([0])[0])
    if n <= EXACT:
        return exact_values(game, n), np.zeros(n), without
    return *estimated_values(game, n, orders, seed), without


def _like_game(
    ready: Prepared, encoded: Encoded, parts: Sequence[Tensor], members: dict[int, Tensor], taken: set[int],
    orders: int, draw: np.random.Generator,
) -> Array:  # fmt: skip
    """Shapley values when every player is a random feature of like density."""
    used, written = set(taken), []
    for part in parts:
        found = like_density(encoded, used, int(encoded.sparse.index[part[0]]), 1, draw)
        found = [i for i in found if i in members]
        used |= set(found)
        written.append(encoded.written(members[found[0]] if found else part[:0]))
    return _share(ready, written, orders, int(draw.integers(2**31)))[0]


def _best(ready: Prepared, encoded: Encoded, written: Sequence[Tensor], orders: int, seed: int) -> float:
    """The greatest absolute value that the same search finds in another dictionary."""
    found = rivals(ready, encoded, "feature", written)
    return float(np.abs(_share(ready, found, orders, seed)[0]).max(initial=0)) if found else 0.0
