"""Feature absorption (Chanin et al. 2409.14507): a feature stays silent where a more specific one speaks for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# SAEBench's settings.
_MIN_COSINE, _MOST_ABSORBERS, _MIN_SHARE, _FULL_COSINE = 0.1, 3, 0.4, 0.025


@dataclass(frozen=True, eq=False)
class Absorption:
    """What was absorbed.

    Args:
        score: Mean over examples of the share that other features carry (SAEBench's absorption fraction).
        full: Share of the examples where the main features are silent and one other feature carries the concept.
        fractions: `[n]` share for each example.
        absorbers: `[n]` the strongest other feature of each example, -1 for none.
    """

    score: float
    full: float
    fractions: Tensor
    absorbers: Tensor


def absorption(x: Tensor, features: Tensor, directions: Tensor, direction: Tensor, main: Sequence[int]) -> Absorption:
    """Absorption on examples that have a concept and on which a probe for it is right.

    Args:
        x: `[n, d]` activations.
        features: `[n, d_dict]` their features.
        directions: `[d_dict, d]` of the dictionary.
        direction: `[d]` of the probe, of any length.
        main: Features that stand for the concept, as `main_features` finds them.

    Returns:
        Score and shares.
    """
    unit = (direction / direction.norm()).double()
    rows = directions.double()
    cosine = (rows @ unit) / rows.norm(dim=1).clamp_min(1e-30)
    carried = features.double() * (rows @ unit)
    whole = x.double() @ unit
    mine = torch.zeros(len(directions), dtype=torch.bool, device=features.device)
    mine[list(main)] = True
    own = carried[:, mine].sum(1)
    others = torch.where((cosine >= _MIN_COSINE) & ~mine & (carried > 0), carried, 0.0)
    top = others.topk(min(_MOST_ABSORBERS, others.shape[1]), dim=1)
    taken = top.values.sum(1)
    share = torch.minimum(taken, whole - own)
    fractions = torch.where(own <= 0, 1.0, share / (share + own))
    fractions = torch.where((own >= whole) | (taken / whole < _MIN_SHARE) | (whole <= 0), 0.0, fractions)
    strongest = torch.where((cosine >= _FULL_COSINE) & ~mine, carried, 0.0).max(1)
    silent = (features[:, mine] == 0).all(1)
    full = silent & (whole > 0) & (strongest.values / whole >= _MIN_SHARE)
    absorbers = torch.where(top.values[:, 0] > 0, top.indices[:, 0], -1)
    return Absorption(float(fractions.mean()), float(full.double().mean()), fractions, absorbers)
