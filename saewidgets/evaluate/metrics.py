"""The structural metrics: each a name, a formula over sums, and the words that say what it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from saewidgets.evaluate.sums import TABLE, Array

Sums = Mapping[str, Any]
_Rule = Callable[[Sums], Any]


@dataclass(frozen=True)
class Metric:
    """One number of a report.

    Args:
        name: As the literature calls it.
        group: "Fidelity", "Sparsity" or "Loss".
        definition: The formula in signs. y: target, z: reconstruction, e = y - z, f: activations.
        rule: Sums of `TABLE` -> value.
        unit: "", "nats", "features" or "".
        better: "lower", "higher" or "".
    """

    name: str
    group: str
    definition: str
    rule: _Rule
    unit: str = ""
    better: str = ""


def _per_token(column: str) -> _Rule:
    return lambda s: s[column] / s["n"]


def _recovered(of: str, ablation: str, clean: str | None) -> _Rule:
    def rule(s: Sums) -> Any:
        base = s[clean] if clean else 0.0
        return (s[f"{of}_{ablation}"] - s[f"{of}_sae"]) / (s[f"{of}_{ablation}"] - base)

    return rule


METRICS = (
    Metric("FVU", "Fidelity", "sum |e|^2 / sum |y - mean(y)|^2, mean over all tokens",
           lambda s: s["error"] / s["spread"], "", "lower"),
    Metric("MSE", "Fidelity", "mean over tokens of |e|^2", _per_token("error"), "", "lower"),
    Metric("NMSE", "Fidelity", "mean over tokens of |e|^2 / |y|^2", _per_token("nmse"), "", "lower"),
    Metric("cosine", "Fidelity", "mean over tokens of cos(y, z)", _per_token("cosine"), "", "higher"),
    Metric("L2 ratio", "Fidelity", "mean over tokens of |z| / |y|", _per_token("ratio")),
    Metric("gamma", "Fidelity", "E|z|^2 / E[y z]; below 1: shrinkage (2404.16014)",
           lambda s: s["written"] / s["dot"]),
    Metric("L0", "Sparsity", "mean over tokens of the number of f that are not 0", _per_token("l0"), "features"),
    Metric("L1", "Sparsity", "mean over tokens of sum |f|", _per_token("l1")),
    Metric("CE", "Loss", "cross-entropy with z in the place of y",
           lambda s: s["ce_sae"] / s["n_loss"], "nats", "lower"),
    Metric("CE without", "Loss", "cross-entropy of the model as it is", lambda s: s["ce"] / s["n_loss"], "nats"),
    Metric("CE recovered (zero)", "Loss", "(CE of zeros - CE) / (CE of zeros - CE without)",
           _recovered("ce", "zero", "ce"), "", "higher"),
    Metric("CE recovered (mean)", "Loss", "(CE of the mean - CE) / (CE of the mean - CE without)",
           _recovered("ce", "mean", "ce"), "", "higher"),
    Metric("KL", "Loss", "mean KL(model || with z in the place of y)",
           lambda s: s["kl_sae"] / s["n_loss"], "nats", "lower"),
    Metric("KL recovered (zero)", "Loss", "1 - KL / KL of zeros", _recovered("kl", "zero", None), "", "higher"),
    Metric("KL recovered (mean)", "Loss", "1 - KL / KL of the mean", _recovered("kl", "mean", None), "", "higher"),
)  # fmt: skip


def values(table: Array, weights: Array | None = None) -> dict[str, Any]:
    """Every metric of documents' sums.

    Args:
        table: `[documents, TABLE]`.
        weights: `[draws, documents]` how often each document counts; None for once.

    Returns:
        Metric -> value, or `[draws]` values. NaN where nothing was measured.
    """
    totals = table.sum(0) if weights is None else weights @ table
    sums = {name: totals[..., i] for i, name in enumerate(TABLE)}
    with np.errstate(invalid="ignore", divide="ignore"):
        return {metric.name: metric.rule(sums) for metric in METRICS}


def interval(table: Array, draws: int, seed: int, level: float = 0.95) -> dict[str, tuple[float, float]]:
    """Bootstrap intervals over documents.

    Args:
        table: `[documents, TABLE]`.
        draws: Resamples.
        seed: Of the resamples.
        level: Share of the draws inside.

    Returns:
        Metric -> (low, high); an empty mapping for fewer than two documents.
    """
    n = len(table)
    if n < 2 or draws < 2:
        return {}
    weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), draws).astype(np.float64)
    tail = (1 - level) / 2
    result = {}
    for name, drawn in values(table, weights).items():
        if np.isfinite(drawn).all():
            low, high = np.quantile(drawn, [tail, 1 - tail])
            result[name] = (float(low), float(high))
    return result
