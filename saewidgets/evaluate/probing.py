"""k-sparse probing (Gurnee et al. 2305.01610): how much of a concept stands in the k features that know most of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from saewidgets.errors import DictionaryError


@dataclass(frozen=True)
class ProbeResult:
    """Accuracy of one probe on held-out examples.

    Args:
        inputs: What it reads: "features", "channels" or "all channels".
        k: Number of inputs.
        accuracy: Share of held-out examples that are right.
        index: The inputs chosen.
    """

    inputs: str
    k: int
    accuracy: float
    index: tuple[int, ...]


def probe(
    features: Tensor, channels: Tensor, labels: Tensor, ks: Sequence[int] = (1, 2, 5), *, test: float = 0.3,
    l2: float = 1.0, seed: int = 0,
) -> list[ProbeResult]:  # fmt: skip
    """Probes on the best k features, on the best k channels of the activation itself, and on all channels.

    The k inputs are those whose class means differ most in absolute value on the training part; the probe is an
    L2-regularised logistic regression on them.

    Args:
        features: `[n, d_dict]` activations, of tokens or averaged over texts.
        channels: `[n, d]` the activations they were encoded from: the baseline.
        labels: `[n]` booleans.
        ks: Numbers of inputs.
        test: Share of the examples held out.
        l2: Strength of the regularisation.
        seed: Of the split.

    Returns:
        One result for each k and kind of input, and one for all channels.

    Raises:
        DictionaryError: Lengths differ, or a part lacks a class.
    """
    n = len(labels)
    if len(features) != n or len(channels) != n:
        raise DictionaryError(f"{len(features)} and {len(channels)} examples for {n} labels.", "Give one label each.")
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    held, train = order[: int(n * test)], order[int(n * test) :]
    y = labels.bool()
    if any(not 0 < int(y[part].sum()) < len(part) for part in (held, train)):
        raise DictionaryError("A part of the examples lacks one class.", "Give more examples of both.")
    results = []
    for name, x in (("features", features), ("channels", channels)):
        x = x.double()
        gap = (x[train][y[train]].mean(0) - x[train][~y[train]].mean(0)).abs()
        for k in ks:
            index = gap.topk(min(k, len(gap))).indices
            accuracy = _accuracy(x[:, index], y, train, held, l2)
            results.append(ProbeResult(name, len(index), accuracy, tuple(index.tolist())))
    every = _accuracy(channels.double(), y, train, held, l2)
    return [*results, ProbeResult("all channels", channels.shape[1], every, tuple(range(channels.shape[1])))]


def _accuracy(x: Tensor, y: Tensor, train: Tensor, held: Tensor, l2: float) -> float:
    mean, spread = x[train].mean(0), x[train].std(0).clamp_min(1e-12)
    x = (x - mean) / spread
    weights = logistic_regression(x[train], y[train], l2)
    return float(((x[held] @ weights[:-1] + weights[-1] > 0) == y[held]).double().mean())


def logistic_regression(x: Tensor, y: Tensor, l2: float = 1.0, steps: int = 50) -> Tensor:
    """Minimise `sum log(1 + exp(-s (x w + b))) + l2 |w|^2 / 2`, s being 1 or -1, by Newton's method in float64.

    Args:
        x: `[n, d]`.
        y: `[n]` booleans.
        l2: Strength of the regularisation; the bias b has none.
        steps: Greatest number of steps.

    Returns:
        `[d + 1]`: w and b.
    """
    design = torch.cat([x.double(), torch.ones(len(x), 1, dtype=torch.float64, device=x.device)], 1)
    target = y.double()
    ridge = torch.full((design.shape[1],), float(l2), dtype=torch.float64, device=x.device)
    ridge[-1] = 0
    weights = torch.zeros_like(ridge)

    def loss(w: Tensor) -> Tensor:
        z = design @ w
        return (torch.nn.functional.softplus(z) - target * z).sum() + (ridge * w * w).sum() / 2

    for _ in range(steps):
        p = (design @ weights).sigmoid()
        gradient = design.T @ (p - target) + ridge * weights
        hessian = (design * (p * (1 - p))[:, None]).T @ design + torch.diag(ridge + 1e-10)
        step = torch.linalg.solve(hessian, gradient)
        size = 1.0
        while loss(weights - size * step) > loss(weights) and size > 1e-6:
            size /= 2
        weights = weights - size * step
        if step.abs().max() < 1e-12:
            break
    return weights
