"""Perturbation robustness: whether the same features are active after a change that should not matter."""

from __future__ import annotations

import torch
from torch import Tensor


def jaccard(first: Tensor, second: Tensor) -> Tensor:
    """`[n]` size of the intersection of active features over that of their union, for each example.

    Args:
        first: `[n, d_dict]` activations.
        second: `[n, d_dict]` activations of the perturbed examples.

    Returns:
        Shares, float64; 1 where both are silent.

    Example:
        >>> jaccard(torch.tensor([[1.0, 2.0, 0.0]]), torch.tensor([[0.0, 1.0, 3.0]])).tolist()
        [0.3333333333333333]
    """
    a, b = first != 0, second != 0
    union = (a | b).sum(-1).double()
    return torch.where(union > 0, (a & b).sum(-1).double() / union.clamp_min(1), 1.0)
