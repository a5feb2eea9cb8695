"""Monosemanticity score (Pach et al. 2504.02821), in closed form."""

from __future__ import annotations

import torch
from torch import Tensor


def monosemanticity(features: Tensor, embeddings: Tensor) -> Tensor:
    """How alike the examples are on which a feature is active, weighed by its activation.

    `MS = sum_{n<m} a_n a_m s_nm / sum_{n<m} a_n a_m` with activations scaled to [0, 1] and s the cosine of the
    examples' embeddings by an independent encoder. With unit rows E this is
    `(|a E|^2 - sum a^2) / ((sum a)^2 - sum a^2)`: no matrix of pairs.

    Args:
        features: `[n, d_dict]` activations.
        embeddings: `[n, p]` of the same examples.

    Returns:
        `[d_dict]` scores from -1 to 1, float64; NaN for a feature active on fewer than two examples.
    """
    a = features.double()
    low, high = a.min(0).values, a.max(0).values
    a = (a - low) / (high - low).clamp_min(1e-300)
    rows = embeddings.double()
    rows = rows / rows.norm(dim=1, keepdim=True).clamp_min(1e-300)
    squares = a.pow(2).sum(0)
    pairs = a.sum(0).pow(2) - squares
    score = ((a.T @ rows).pow(2).sum(1) - squares) / pairs
    return torch.where((a > 0).sum(0) > 1, score, torch.nan)
