"""Exact ablation of the features behind a target, beside its two estimates and its controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from saewidgets.causes.controls import (
    N_CONTROLS,
    Conditions,
    as_large,
    draws,
    like_density,
    random_like,
    same_norm,
    verdict,
)
from saewidgets.causes.prepared import Prepared, prepare
from saewidgets.causes.shown import Shown, foot
from saewidgets.causes.source import replayable
from saewidgets.dictionaries import Dictionary
from saewidgets.explain.chosen import words
from saewidgets.explain.encoded import Encoded
from saewidgets.explain.targets import Asked
from saewidgets.payloads.causal_report import CausalBar, CausalReport

if TYPE_CHECKING:
    from saewidgets.scope import Scope

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Ablation(Shown):
    """What a target loses without each of its most influential features.

    Args:
        frame: See `to_frame`.
        target: What was measured, in words.
        value: The target without any change.
        conditions: Error policy, propagation, prompts, controls.
        scope: The model and its dictionaries.
        source: The call that made it.
    """

    frame: pd.DataFrame
    target: str
    value: float
    conditions: Conditions
    scope: Scope
    source: str = ""

    def to_frame(self) -> pd.DataFrame:
        """One row a feature (or activation), by falling absolute influence.

        Returns:
            Columns feature, positions, tokens, activation (greatest), influence (gradient times activation),
            integrated (integrated gradients), effect (exact: target before minus after); like_low and like_high (the
            same for random features of like density), direction_low and direction_high (random directions of the same
            norm), random_dictionary (greatest absolute effect of the same search in any random dictionary),
            beats_control; error, propagation, prompts.
        """
        return self.frame.copy()

    @property
    def verdict(self) -> str:
        """One sentence: how many beat every control."""
        return verdict(int(self.frame["beats_control"].sum()), len(self.frame), "features")

    @property
    def page(self) -> CausalReport:
        """What a notebook shows of it."""
        key = str(self.frame["feature"].iloc[0]).rpartition("/")[0] if len(self.frame) else ""
        return CausalReport(
            f"Ablation: what {self.target.strip()!r} loses without each feature", self.verdict, str(self.conditions),
            foot(self.scope, key, self.source), "target before minus after", bars(self.frame, "effect", self.scope),
        )  # fmt: skip


@replayable
def ablation(
    scope: Scope, prompt: str | Sequence[int], target: Asked = None, position: int = -1, dictionary: str | None = None,
    *, top: int = 10, by: str = "feature", steps: int = 8, controls: int = N_CONTROLS, seed: int = 0,
    randoms: Sequence[Dictionary] | None = None, propagation: str = "free", error: str = "kept",
) -> Ablation:  # fmt: skip
    """Take out each of the most influential features, one at a time, and measure what the target loses.

    A row beats its controls when its absolute effect is above that of its own draws of like density, of every random
    direction in the table, and of the best feature of every random dictionary. If the dictionary were itself such a
    random one, a row would do so with probability 1 / (controls + 1) at most. The latents are edited, not encoded
    again; a begin-of-sequence token is left alone.

    Args:
        scope: A model with its dictionaries.
        prompt: A text, or token ids.
        target: As in `explain.influence`.
        position: After which token it is predicted.
        dictionary: Key; the scope's default one if None.
        top: How many, by absolute influence.
        by: `"feature"`: out at every token; `"activation"`: at one token.
        steps: Steps of integrated gradients.
        controls: Draws of each control.
        seed: Of the draws.
        randoms: From `random_like`; by default fitted to this prompt alone.
        propagation: `"free"`, `"frozen_attention"` or `"direct"`, as in `patch_map`.
        error: `"kept"` or `"dropped"`: the dictionary's error term, before and after.

    Returns:
        The ablation.

    Raises:
        PromptError: The position is outside the prompt, or the target is not one token.
        SiteError: No such dictionary.

    Example:
        >>> import saewidgets as sw
        >>> found = ablation(sw.demo(), "The queen went home when", " she", dictionary="resid_post.1@small", controls=1)
        >>> found.to_frame()["feature"].iloc[0], str(found.conditions)
        ('resid_post.1@small/99', 'error kept, free propagation, 1 prompt, 1 draw of each control')
    """
    key = scope.default_site if dictionary is None else scope.key(dictionary)
    conditions = Conditions(1, draws(controls), seed, error, propagation)
    ready = prepare(scope, prompt, key, target, position, conditions)
    encoded = ready.encode(key, scope.dictionaries[key])
    parts = strongest(ready, encoded, top, by)
    written = [encoded.written(part) for part in parts]
    exact = ready.lost_by(written)
    draw, n = np.random.default_rng(seed), conditions.controls
    like = [_like(ready, encoded, part, parts, n, draw) for part in parts]
    directions = np.stack([ready.lost_by(same_norm(encoded.written(p), n, seed + i)) for i, p in enumerate(parts)])
    others = random_like(scope, key, [ready.ids], n, seed) if randoms is None else randoms
    best = max((_best(ready, ready.encode(key, other), by, written) for other in others), default=0.0)
    bar = np.maximum(max(best, float(np.abs(directions).max())), [float(np.abs(d).max(initial=0)) for d in like])
    estimate, integrated = _sums(encoded, ready, parts, steps)
    frame = pd.DataFrame(
        {
            **_names(ready, encoded, parts), "influence": estimate, "integrated": integrated, "effect": exact,
            "like_low": [d.min(initial=0) for d in like], "like_high": [d.max(initial=0) for d in like],
            "direction_low": directions.min(1), "direction_high": directions.max(1), "random_dictionary": best,
            "beats_control": np.abs(exact) > bar, **conditions.columns(),
        }
    )  # fmt: skip
    return Ablation(frame, ready.target.name, ready.value, conditions, scope)


def bars(frame: pd.DataFrame, value: str, scope: Scope) -> tuple[CausalBar, ...]:
    """Rows of a table of features as bars beside all their controls."""
    found = []
    for row in frame.to_dict("records"):
        best = row["random_dictionary"]
        spread = 1.96 * row["error_of_mean"] if row.get("error_of_mean") else None
        low, high = (
            min(row["like_low"], row["direction_low"], -best),
            max(row["like_high"], row["direction_high"], best),
        )
        bar = CausalBar(
            row["feature"], float(row[value]),
            " ".join(filter(None, (scope.label(row["feature"]), f"at {row['tokens'].strip()!r}"))),
            None if spread is None else row[value] - spread, None if spread is None else row[value] + spread,
            float(low), float(high), bool(row["beats_control"]),
        )  # fmt: skip
        found.append(bar)
    return tuple(found)


def strongest(ready: Prepared, encoded: Encoded, top: int, by: str = "feature") -> list[Tensor]:
    """Activations of each of the `top` features (or single activations) by falling absolute influence."""
    along = torch.from_numpy(encoded.along(ready.gradient))
    parts = [e[None] for e in ready.entries(encoded)] if by == "activation" else list(ready.features(encoded).values())
    size = [-abs(float(along[part].sum())) for part in parts]
    return [parts[i] for i in np.argsort(size, kind="stable")[:top]]


def rivals(ready: Prepared, encoded: Encoded, by: str, written: Sequence[Tensor]) -> list[Tensor]:
    """What the same search finds in another dictionary, rank by rank as large as `written`."""
    found = strongest(ready, encoded, len(written), by)
    return [as_large(encoded.written(part), like) for part, like in zip(found, written, strict=False)]


def _best(ready: Prepared, encoded: Encoded, by: str, written: Sequence[Tensor]) -> float:
    return float(np.abs(ready.lost_by(rivals(ready, encoded, by, written))).max(initial=0))


def _like(
    ready: Prepared, encoded: Encoded, part: Tensor, parts: Sequence[Tensor], n: int,
    draw: np.random.Generator,
) -> Array:  # fmt: skip
    """Effects of random features of like density: out at every token, or at one where the part is one activation."""
    index = encoded.sparse.index
    taken = {int(index[p[0]]) for p in parts}
    members = ready.features(encoded)
    chosen = like_density(encoded, taken, int(index[part[0]]), n, draw)
    sets = [members[i] for i in chosen if i in members]
    if len(part) == 1:  # as many activations as are taken out
        sets = [entries[torch.from_numpy(draw.integers(0, len(entries), 1))] for entries in sets]
    return ready.lost(encoded, sets)


def _sums(encoded: Encoded, ready: Prepared, parts: Sequence[Tensor], steps: int) -> tuple[Array, Array]:
    along = encoded.along(ready.gradient)
    integrated = encoded.along(ready.integrated(encoded, steps))
    return np.array([along[p].sum() for p in parts]), np.array([integrated[p].sum() for p in parts])


def _names(ready: Prepared, encoded: Encoded, parts: Sequence[Tensor]) -> dict[str, list[Any]]:
    sparse, texts = encoded.sparse, words(ready.scope, ready.ids)
    places = [tuple(sparse.rows[p].tolist()) for p in parts]
    return {
        "feature": [f"{encoded.key}/{int(sparse.index[p[0]])}" for p in parts],
        "positions": places,
        "tokens": ["".join(texts[t] for t in place) for place in places],
        "activation": [float(sparse.value[p].max()) for p in parts],
    }
