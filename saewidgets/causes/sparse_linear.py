"""Logistic and softmax regression with an L1 penalty, and the L1 path down to a few inputs."""

from __future__ import annotations

import torch
from torch import Tensor


def sparse_softmax(x: Tensor, y: Tensor, classes: int, l1: float, steps: int = 500) -> tuple[Tensor, Tensor]:
    """Minimise `mean -log softmax(x W + b)[y] + l1 |W|_1` by accelerated proximal steps (FISTA).

    Args:
        x: `[n, d]`.
        y: `[n]` classes.
        classes: How many.
        l1: Strength of the penalty; the bias b has none.
        steps: Number of steps.

    Returns:
        W `[d, classes]` and b `[classes]`, float64.
    """
    truth = torch.nn.functional.one_hot(y, classes).double()
    design = torch.cat([x.double(), torch.ones(len(x), 1, dtype=torch.float64)], 1)
    # The Hessian of softmax is at most half of the design's Gram matrix.
    rate = 1 / (0.5 * float(torch.linalg.matrix_norm(design, 2)) ** 2 / len(x) + 1e-12)
    weights = torch.zeros(design.shape[1], classes, dtype=torch.float64)
    ahead, momentum = weights.clone(), 1.0
    for _ in range(steps):
        slope = design.T @ ((design @ ahead).softmax(1) - truth) / len(x)
        new = ahead - rate * slope
        new[:-1] = new[:-1].sign() * (new[:-1].abs() - rate * l1).clamp_min(0)
        grown = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead, weights, momentum = new + (momentum - 1) / grown * (new - weights), new, grown
    return weights[:-1], weights[-1]


def chosen_inputs(x: Tensor, y: Tensor, most: int, steps: int = 200) -> Tensor:
    """The inputs that an L1-penalised logistic regression keeps when at most `most` may stay.

    The penalty falls from where nothing is kept, by a tenth at a time, until one more step would keep too many
    (Tibshirani 1996).

    Args:
        x: `[n, d]`, standardised.
        y: `[n]` booleans.
        most: Greatest number of inputs.
        steps: Proximal steps at each penalty, each going on from the last.

    Returns:
        Their indices, rising.
    """
    x, target = x.double(), y.double()
    rate = 1 / (0.25 * float(torch.linalg.matrix_norm(x, 2)) ** 2 / len(x) + 1e-12)
    weights, bias = torch.zeros(x.shape[1], dtype=torch.float64), torch.logit(target.mean().clamp(1e-6, 1 - 1e-6))
    penalty = float((x.T @ (target - target.mean()) / len(x)).abs().max())
    best = torch.zeros(0, dtype=torch.long)
    for _ in range(60):
        penalty *= 0.9
        for _ in range(steps):
            wrong = (x @ weights + bias).sigmoid() - target
            weights = weights - rate * (x.T @ wrong) / len(x)
            weights = weights.sign() * (weights.abs() - rate * penalty).clamp_min(0)
            bias = bias - wrong.mean()
        kept = weights.nonzero()[:, 0]
        if len(kept) > most:
            break
        best = kept
    if len(best):
        return best
    return (x.T @ (target - target.mean())).abs().argmax()[None]
