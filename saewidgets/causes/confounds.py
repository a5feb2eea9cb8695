"""What else tells two sets of texts apart: their length, how common their tokens are, where a feature fires."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from saewidgets.causes.auroc import auroc, auroc_interval
from saewidgets.causes.pooled import Pooled

Array = np.ndarray[Any, Any]


def covariates(pooled: Pooled) -> dict[str, Array]:
    """`[n]` of each text: its number of tokens, and the mean log count of its tokens in all of these texts."""
    counts = Counter(token for row in pooled.ids for token in row)
    common = [float(np.mean([np.log(counts[token]) for token in row])) if row else 0.0 for row in pooled.ids]
    return {"token count": np.array([len(row) for row in pooled.ids], np.float64), "frequency": np.array(common)}


def confound_table(values: dict[str, Array], first: Array) -> pd.DataFrame:
    """Whether covariates alone tell the sets apart.

    Returns:
        Columns confound, first, second (means), auroc, low, high, flagged (0.5 is outside the interval).
    """
    rows = []
    for name, value in values.items():
        found = auroc(value[:, None], first)
        low, high = auroc_interval(found, int(first.sum()), int((~first).sum()))
        flagged = bool(low[0] > 0.5 or high[0] < 0.5)
        row = (name, value[first].mean(), value[~first].mean(), found[0], low[0], high[0], flagged)
        rows.append(row)
    return pd.DataFrame(rows, columns=["confound", "first", "second", "auroc", "low", "high", "flagged"])


def adjusted(features: Array, value: Array, first: Array) -> Array:
    """`[d]` AUROC after what follows a covariate within the sets is taken out (analysis of covariance).

    The slope is fitted inside the two sets, so that a feature of the sets themselves keeps its difference.
    """

    def centred(x: Array) -> Array:
        return x - np.where(first[:, None], x[first].mean(0), x[~first].mean(0))

    x, z = features.astype(np.float64), value[:, None]
    inside = centred(z)
    slope = (centred(x) * inside).sum(0) / max(float((inside**2).sum()), 1e-12)
    # Rounded, so that rows which only rounding tells apart stay tied.
    return auroc(np.round(x - slope * z, 9), first)


def explained(features: Array, place: Array, values: dict[str, Array], first: Array) -> tuple[pd.DataFrame, list[str]]:
    """Which features separate the sets only through a covariate.

    Args:
        features: `[n, d]` pooled activations.
        place: `[n, d]` position of the strongest, -1 where not active.
        values: Covariates of the texts.
        first: `[n]` booleans.

    Returns:
        Columns of adjusted AUROCs and that of the position; and for each feature the names of its confounds.
    """
    n_yes, n_no = int(first.sum()), int((~first).sum())
    flagged = confound_table(values, first).set_index("confound")["flagged"]
    raw = auroc(features, first)
    columns: dict[str, Array] = {}
    names: list[list[str]] = [[] for _ in raw]
    for name, value in values.items():
        after = adjusted(features, value, first)
        low, high = auroc_interval(after, n_yes, n_no)
        # What is left no longer tells the sets apart, or tells them apart the other way round.
        gone = ((low <= 0.5) & (high >= 0.5)) | ((raw - 0.5) * (after - 0.5) < 0)
        for i in np.flatnonzero(gone & bool(flagged[name])):
            names[i].append(name)
        columns[f"adjusted_{name.replace(' ', '_')}"] = after
    columns["position_auroc"] = np.array([_positions(place[:, i], first, names[i]) for i in range(len(raw))])
    return pd.DataFrame(columns), [", ".join(found) for found in names]


def _positions(place: Array, first: Array, names: list[str]) -> float:
    """AUROC of where a feature fires, among the texts where it does; adds "position" to its confounds if it differs."""
    active = place >= 0
    yes = first[active]
    if not 1 < yes.sum() < len(yes) - 1:
        return float("nan")
    found = auroc(place[active].astype(np.float64)[:, None], yes)
    low, high = auroc_interval(found, int(yes.sum()), int((~yes).sum()))
    if low[0] > 0.5 or high[0] < 0.5:
        names.append("position")
    return float(found[0])
