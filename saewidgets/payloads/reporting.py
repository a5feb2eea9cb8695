"""A `DictionaryReportPayload` from plain numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from saewidgets.payloads.context import Context
from saewidgets.payloads.dictionary_report import DictionaryReportPayload, ListedFeature, Measure
from saewidgets.payloads.histogram import cosine_histogram, density_histogram

# Features that a report lists of those that are dead, or dense.
LISTED = 100


def report_payload(
    name: str,
    architecture: str,
    measures: Sequence[Measure],
    density: Any,
    neighbours: Any,
    *,
    dense_from: float = 0.1,
    labels: Mapping[int, str] | None = None,
    context: Context | None = None,
    **fields: Any,
) -> DictionaryReportPayload:
    """A report from plain numbers.

    Args:
        name: Key of the dictionary; features are named `name/index`.
        architecture: e.g. `"topk"`.
        measures: Rows; the baselines they name are listed in order of appearance.
        density: `[d_dict]` share of tokens on which each feature fires.
        neighbours: `[n]` greatest cosine of each decoder row with another.
        dense_from: Density from which a feature is called dense.
        labels: Names of features by index.
        context: The foot.
        **fields: `card`, `scale`, `feature`.

    Returns:
        The payload; of dead and dense features the first are listed, the densest first.

    Raises:
        PayloadError: A number is out of range.
    """
    shares = np.asarray(density, np.float64)
    found = density_histogram(shares)
    labels = labels or {}
    dead = np.flatnonzero(shares == 0)
    dense = np.flatnonzero(shares >= dense_from)
    dense = dense[np.argsort(-shares[dense], kind="stable")]

    def listed(indices: Any) -> tuple[ListedFeature, ...]:
        shown = indices[:LISTED].tolist()
        return tuple(ListedFeature(f"{name}/{i}", labels.get(i, ""), float(shares[i])) for i in shown)

    return DictionaryReportPayload(
        name=name,
        architecture=architecture,
        width=len(shares),
        measures=tuple(measures),
        baselines=tuple(dict.fromkeys(b.baseline for measure in measures for b in measure.baselines)),
        density=found,
        neighbours=cosine_histogram(neighbours),
        dead=listed(dead),
        dense=listed(dense),
        n_dead=len(dead),
        n_dense=len(dense),
        dense_from=dense_from,
        context=context or Context("", ""),
        **fields,
    )
