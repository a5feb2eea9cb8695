"""A probe on features that someone chose, beside the probes that chance would have given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from saewidgets.causes.pooled import Pooled
from saewidgets.errors import DictionaryError
from saewidgets.evaluate.probing import probe, split

Array = np.ndarray[Any, Any]
N_DRAWS = 20


def chosen_probe(pooled: Pooled, first: Array, index: Sequence[int], seed: int, draws: int = N_DRAWS) -> pd.DataFrame:
    """Accuracy on held-out texts of a probe on k chosen features, and of its controls.

    Args:
        pooled: Activations of the dictionary, then of the random ones.
        first: `[n]` which texts are of the first set.
        index: The chosen features.
        seed: Of the split and of the draws.
        draws: Shuffles, and sets of random features.

    Returns:
        Columns inputs, k, accuracy (mean of the draws), low, high (least and greatest), control. Inputs: "chosen
        features"; "shuffled labels": the same features, other labels; "random features": k others that are active on
        these texts; "random dictionary": the best k of each random dictionary; "channels": the best k of the
        activation; "all channels".

    Raises:
        DictionaryError: No feature, or too few texts to hold any out.
    """
    if not index:
        raise DictionaryError("A probe on no feature.", "Choose one.")
    k, draw = len(index), np.random.default_rng(seed)
    own, labels = pooled.features[0], torch.from_numpy(first)

    def right(values: Array, truth: torch.Tensor = labels) -> float:
        return probe(torch.from_numpy(values), None, truth, (values.shape[1],), seed=seed)[0].accuracy

    def best(values: Array) -> float:
        return probe(torch.from_numpy(values), None, labels, (k,), seed=seed)[0].accuracy

    def shuffled() -> float:
        return right(own[:, index], torch.from_numpy(_exchanged(first, seed, draw)))

    others = np.setdiff1d(np.flatnonzero((own != 0).any(0)), index)
    rows = [
        ("chosen features", [right(own[:, index])], False),
        ("shuffled labels", [shuffled() for _ in range(draws)], True),
        ("random features", [right(own[:, draw.choice(others, min(k, len(others)), replace=False)])
                             for _ in range(draws if len(others) else 0)], True),
        ("random dictionary", [best(other) for other in pooled.features[1:]], True),
        ("channels", [best(pooled.channels)], False),
        ("all channels", [right(pooled.channels)], False),
    ]  # fmt: skip
    every = pooled.channels.shape[1]
    numbers = [
        (name, every if name == "all channels" else k, np.mean(found), min(found), max(found), control)
        for name, found, control in rows
        if found
    ]
    return pd.DataFrame(numbers, columns=["inputs", "k", "accuracy", "low", "high", "control"])


def _exchanged(first: Array, seed: int, draw: np.random.Generator) -> Array:
    """Labels shuffled among the texts that train and among those held out, so that both keep both classes."""
    found = first.copy()
    for part in split(torch.from_numpy(first), seed=seed):
        found[part.numpy()] = draw.permutation(first[part.numpy()])
    return found
