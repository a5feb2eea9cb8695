"""How well each feature tells two sets of texts apart, beside shuffled labels and random dictionaries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from saewidgets.causes.auroc import auroc, auroc_interval
from saewidgets.causes.confounds import covariates, explained
from saewidgets.causes.pooled import Pooled

if TYPE_CHECKING:
    from saewidgets.scope import Scope

Array = np.ndarray[Any, Any]
N_SHUFFLES = 100


def separation_table(scope: Scope, key: str, pooled: Pooled, first: Array, seed: int) -> pd.DataFrame:
    """The table of a contrast: see `Contrast.to_frame`.

    Args:
        scope: Has the labels.
        key: The dictionary.
        pooled: Its activations, then those of random ones.
        first: `[n]` which texts are of the first set.
        seed: Of the shuffles.
    """
    live = np.flatnonzero((pooled.features[0] != 0).any(0))
    values, place = pooled.features[0][:, live], pooled.place[0][:, live]
    found = auroc(values, first)
    low, high = auroc_interval(found, int(first.sum()), int((~first).sum()))
    draw = np.random.default_rng(seed)
    shuffled = auroc(values, np.stack([draw.permutation(first) for _ in range(N_SHUFFLES)]))
    far = float(np.abs(shuffled - 0.5).max(initial=0))
    random = max((float(np.abs(auroc(x, first) - 0.5).max()) for x in pooled.features[1:]), default=0.0)
    columns, names = explained(values, place, covariates(pooled), first)
    ids = [f"{key}/{i}" for i in live]
    frame = pd.DataFrame(
        {
            "feature": ids, "label": [scope.label(i) for i in ids], "auroc": found, "low": low, "high": high,
            "frequency_first": (values[first] != 0).mean(0), "frequency_second": (values[~first] != 0).mean(0),
            "mean_first": values[first].mean(0), "mean_second": values[~first].mean(0), **columns, "confound": names,
            "shuffled": far, "random_dictionary": random,
            "beats_control": np.abs(found - 0.5) > max(far, random), "first": int(first.sum()),
            "second": int((~first).sum()),
        }
    )  # fmt: skip
    gap = (frame["mean_first"] - frame["mean_second"]).abs()
    order = np.lexsort((-gap.to_numpy(), -np.abs(found - 0.5)))
    return frame.iloc[order].reset_index(drop=True)
