"""One concept of a bottleneck: read from a few features that an L1 path chooses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from saewidgets.causes.controls import draws
from saewidgets.causes.sparse_linear import chosen_inputs
from saewidgets.errors import CorpusError, shorten
from saewidgets.evaluate.probing import logistic_regression

Array = np.ndarray[Any, Any]
# The L1 path starts from the features whose class means differ most: it costs their number squared.
_CANDIDATES = 128


@dataclass(frozen=True, eq=False)
class Concept:
    """One concept, read from few features.

    Args:
        name: Its name.
        index: `[s]` features.
        weights: `[s]` of their pooled activations.
        bias: Added to them.
    """

    name: str
    index: Array
    weights: Array
    bias: float

    def logit(self, features: Array) -> Array:
        """`[n]` of pooled activations `[n, d_dict]`."""
        return features[:, self.index].astype(np.float64) @ self.weights + self.bias


def fit_concept(name: str, features: Array, truth: Array, most: int) -> Concept:
    """One concept: the L1 path chooses the features, a plain logistic regression weighs them.

    Raises:
        CorpusError: No feature differs between the texts.
    """
    x, y = torch.from_numpy(features).double(), torch.from_numpy(truth)
    spread = x.std(0)
    apart = (x[y].mean(0) - x[~y].mean(0)).abs() / spread.clamp_min(1e-9)
    apart = torch.where(spread > 1e-9, apart, -1.0)
    candidates = apart.argsort(descending=True, stable=True)[:_CANDIDATES]
    candidates = candidates[apart[candidates] > 0]
    if not len(candidates):
        what = f"No feature tells texts with {shorten(name)} from those without it."
        raise CorpusError(what, "Choose other features, or give more texts.")
    standard = (x[:, candidates] - x[:, candidates].mean(0)) / spread[candidates]
    kept = candidates[chosen_inputs(standard, y, draws(most))]
    mean, scale = x[:, kept].mean(0), spread[kept]
    weights = logistic_regression((x[:, kept] - mean) / scale, y)
    slope = weights[:-1] / scale
    return Concept(name, kept.numpy(), slope.numpy(), float(weights[-1] - (slope * mean).sum()))


def sigmoid(x: Array) -> Array:
    """Logits as scores."""
    return 1 / (1 + np.exp(-x))
