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
    features: Tensor, channels: Tensor | None, labels: Tensor, ks: Sequence[int] = (1, 2, 5), *, test: float = 0.3,
    l2: float = 1.0, seed: int = 0,
) -> list[ProbeResult]:  # fmt: skip
    """Probes on the best k features, on the best k channels of the activation itself, and on all channels.

    The k inputs are those whose class means differ most in absolute value on the training part; the probe is an
    L2-regularised logistic regression on them.

    Args:
        features: `[n, d_dict]` activations, of tokens or averaged over texts.
        channels: `[n, d]` the activations they were encoded from: the baseline. `None` leaves it out, where it was
            measured already on the same examples.
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
    inputs = {"features": features} if channels is None else {"features": features, "channels": channels}
    if any(len(x) != n for x in inputs.values()):
        lengths = " and ".join(str(len(x)) for x in inputs.values())
        raise DictionaryError(f"{lengths} examples for {n} labels.", "Give one label each.")
    y = labels.bool()
    train, held = split(y, test, seed)
    results = []
    for name, x in inputs.items():
        ranked = _ranked(x, y, train)
        for k in ks:
            index = ranked[:k]
            right = _says(x[:, index], y, train, held, l2) == y[held]
            results.append(ProbeResult(name, len(index), float(right.double().mean()), tuple(index.tolist())))
    if channels is None:
        return results
    every = _says(channels, y, train, held, l2) == y[held]
    whole = tuple(range(channels.shape[1]))
    return [*results, ProbeResult("all channels", len(whole), float(every.double().mean()), whole)]


def main_features(
    features: Tensor, labels: Tensor, *, most: int = 5, gain: float = 0.03, test: float = 0.3, l2: float = 1.0,
    seed: int = 0,
) -> tuple[int, ...]:  # fmt: skip
    """The features that stand for a concept: the best one, and those it is split into (Chanin et al. 2409.14507).

    Features are added in the order of `probe` while each raises the F1 of the sparse probe, on held-out examples, by
    more than `gain`.

    Args:
        features: `[n, d_dict]` activations.
        labels: `[n]` booleans.
        most: Greatest number of features.
        gain: Least rise of F1 for one more.
        test: Share of the examples held out.
        l2: Strength of the regularisation.
        seed: Of the split.

    Returns:
        Their indices, the best first.

    Raises:
        DictionaryError: Lengths differ, or a part lacks a class.

    Example:
        >>> labels = torch.arange(40) % 4 == 0
        >>> main_features(torch.stack([labels * 1.0, 1.0 - labels * 1.0, torch.ones(40)], 1), labels)
        (0,)
    """
    if len(features) != len(labels):
        raise DictionaryError(f"{len(features)} examples for {len(labels)} labels.", "Give one label each.")
    y = labels.bool()
    train, held = split(y, test, seed)
    ranked = _ranked(features, y, train)[:most]
    found, best = 1, _f1(_says(features[:, ranked[:1]], y, train, held, l2), y[held])
    while found < len(ranked):
        more = _f1(_says(features[:, ranked[: found + 1]], y, train, held, l2), y[held])
        if more <= best + gain:
            break
        found, best = found + 1, more
    return tuple(ranked[:found].tolist())


def split(y: Tensor, test: float = 0.3, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Indices that train and indices held out, both with both classes.

    Raises:
        DictionaryError: One of them lacks a class.
    """
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    held, train = order[: int(len(y) * test)], order[int(len(y) * test) :]
    if any(not 0 < int(y[part].sum()) < len(part) for part in (held, train)):
        raise DictionaryError("A part of the examples lacks one class.", "Give more examples of both.")
    return train, held


def _ranked(x: Tensor, y: Tensor, train: Tensor) -> Tensor:
    """Inputs by how far their class means lie apart, the farthest first."""
    x, y = x[train].double(), y[train]
    return (x[y].mean(0) - x[~y].mean(0)).abs().argsort(descending=True, stable=True)


def _says(x: Tensor, y: Tensor, train: Tensor, held: Tensor, l2: float) -> Tensor:
    """What a probe trained on one part says of the other."""
    x = x.double()
    mean, spread = x[train].mean(0), x[train].std(0).clamp_min(1e-12)
    x = (x - mean) / spread
    weights = logistic_regression(x[train], y[train], l2)
    return x[held] @ weights[:-1] + weights[-1] > 0


def _f1(said: Tensor, truth: Tensor) -> float:
    return float(2 * (said & truth).sum() / (said.sum() + truth.sum()).clamp_min(1))


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
