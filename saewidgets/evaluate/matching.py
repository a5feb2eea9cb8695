"""Matching of dictionaries: stability over seeds, recovery of known directions, splitting over widths."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Match:
    """Directions of one dictionary with those of another.

    Args:
        mmcs: Mean over the first one's directions of the greatest cosine with any of the second's (Sharkey 2022).
        mean: Mean cosine of the best one-to-one assignment (Hungarian).
        shared: Share of the pairs with a cosine above 0.7.
        pairs: `[min(m, n), 2]` indices of the assignment.
        cosine: `[min(m, n)]` of the pairs.
    """

    mmcs: float
    mean: float
    shared: float
    pairs: Tensor
    cosine: Tensor


def match(first: Tensor, second: Tensor, shared_from: float = 0.7) -> Match:
    """Match directions `[m, d]` with `[n, d]`, of any length.

    Example:
        >>> match(torch.eye(3), torch.eye(3)[[2, 0, 1]]).mean
        1.0
    """
    cosine = _unit(first) @ _unit(second).T
    rows, columns = linear_sum_assignment(cosine.cpu().numpy(), maximize=True)
    pairs = torch.stack([torch.from_numpy(rows), torch.from_numpy(columns)], 1)
    found = cosine[pairs[:, 0], pairs[:, 1]]
    return Match(
        float(cosine.max(1).values.mean()),
        float(found.mean()),
        float((found > shared_from).double().mean()),
        pairs,
        found,
    )


def splitting(small: Tensor, large: Tensor, threshold: float = 0.7) -> pd.DataFrame:
    """Into how many features of a wider dictionary each feature of a smaller one splits.

    A wide feature counts as a child of the small one it is most like, if their cosine is above the threshold.

    Args:
        small: `[m, d]` directions.
        large: `[n, d]` directions.
        threshold: Least cosine.

    Returns:
        Indexed by small feature: `children` (how many), `nearest` (the wide feature most like it), `cosine` (of that).
    """
    cosine = _unit(small) @ _unit(large).T
    parent = cosine.max(0)
    counts = torch.bincount(parent.indices[parent.values > threshold], minlength=len(small))
    best = cosine.max(1)
    return pd.DataFrame({"children": counts.tolist(), "nearest": best.indices.tolist(), "cosine": best.values.tolist()})


def _unit(rows: Tensor) -> Tensor:
    rows = rows.double()
    return rows / rows.norm(dim=1, keepdim=True).clamp_min(1e-30)
