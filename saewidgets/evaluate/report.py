"""`Report`: every number of an evaluation with its interval, its definition, its tokens, and its baselines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from saewidgets.errors import DictionaryError, shorten
from saewidgets.evaluate.metrics import METRICS, interval, values
from saewidgets.evaluate.sums import Sums
from saewidgets.payloads import Beside, Context, DictionaryReportPayload, Estimate, Measure
from saewidgets.payloads.reporting import report_payload

OWN = "dictionary"


@dataclass(frozen=True, eq=False)
class Measured:
    """One dictionary, or one baseline, over a corpus.

    Args:
        dictionary: Key in the scope of the dictionary it is, or stands beside.
        kind: `"dictionary"`, `"PCA"`, `"random"` or `"frozen decoder"`.
        architecture: What its authors call it.
        width: Number of features.
        sums: What was added up.
        neighbours: `[d_dict]` greatest cosine of each decoder row with another one.
        card: The load card, as text.
    """

    dictionary: str
    kind: str
    architecture: str
    width: int
    sums: Sums
    neighbours: np.ndarray[Any, Any]
    card: str = ""


@dataclass(frozen=True, eq=False)
class Report:
    """What `evaluate` found.

    Args:
        parts: Dictionaries, each followed by its baselines.
        mask: Which tokens count, in words.
        window: Over how many, in words.
        context: The foot of views.
        labels: Feature id -> label.
        draws: Bootstrap resamples.
        seed: Of the resamples and the baselines.
    """

    parts: tuple[Measured, ...]
    mask: str
    window: str
    context: Context
    labels: Mapping[str, str]
    draws: int
    seed: int

    @property
    def dictionaries(self) -> tuple[str, ...]:
        """Keys of the dictionaries."""
        return tuple(part.dictionary for part in self.parts if part.kind == OWN)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One row a number: dictionary, kind, architecture, width, metric, value, low, high, definition, tokens."""
        found = []
        for part in self.parts:
            for name, estimate in self.estimates(part).items():
                metric = next(m for m in METRICS if m.name == name)
                found.append(
                    {
                        "dictionary": part.dictionary, "kind": part.kind, "architecture": part.architecture,
                        "width": part.width, "metric": name, "value": estimate.value, "low": estimate.low,
                        "high": estimate.high, "definition": metric.definition, "mask": self.mask,
                        "window": self.window,
                    }
                )  # fmt: skip
            found += [
                {
                    "dictionary": part.dictionary, "kind": part.kind, "architecture": part.architecture,
                    "width": part.width, "metric": name, "value": value, "low": None, "high": None,
                    "definition": definition, "mask": self.mask, "window": self.window,
                }
                for name, value, definition in _of_features(part)
            ]  # fmt: skip
        return found

    def to_frame(self) -> pd.DataFrame:
        """`rows` as a table."""
        return pd.DataFrame(self.rows)

    def table(self) -> pd.DataFrame:
        """One row a dictionary or baseline, one column a metric, values alone."""
        frame = self.to_frame()
        wide = frame.pivot_table(index=["dictionary", "kind", "width"], columns="metric", values="value", sort=False)
        return wide.reindex(columns=frame["metric"].unique())

    def estimates(self, part: Measured) -> dict[str, Estimate]:
        """Metric -> value with its interval, for what was measured."""
        table = part.sums.table()
        ends = interval(table, self.draws, self.seed)
        found = values(table)
        return {
            name: Estimate(float(value), *ends.get(name, (None, None)))
            for name, value in found.items()
            if np.isfinite(value)
        }

    def density(self, dictionary: str) -> np.ndarray[Any, Any]:
        """`[d_dict]` share of tokens on which each feature is active."""
        part = self._part(dictionary)
        shares: np.ndarray[Any, Any] = part.sums.fired / part.sums.columns[:, 0].sum()
        return shares

    def to_payload(self, dictionary: str | None = None) -> DictionaryReportPayload:
        """What `DictionaryReport` draws.

        Args:
            dictionary: Which one; may be left out when there is one.

        Raises:
            DictionaryError: There is none of this key, or several and none is named.
        """
        part = self._part(dictionary)
        others = [p for p in self.parts if p.dictionary == part.dictionary and p.kind != OWN]
        beside = {p.kind: self.estimates(p) for p in others}
        mine = self.estimates(part)
        measures = [
            Measure(
                metric.name, metric.group, mine[metric.name],
                tuple(Beside(kind, found[metric.name]) for kind, found in beside.items() if metric.name in found),
                metric.unit, metric.better, metric.definition, self.mask, self.window,
            )
            for metric in METRICS
            if metric.name in mine
        ]  # fmt: skip
        start = f"{part.dictionary}/"
        labels = {int(k.removeprefix(start)): v for k, v in self.labels.items() if k.startswith(start)}
        return report_payload(
            part.dictionary, part.architecture, measures, self.density(part.dictionary), part.neighbours,
            labels=labels, context=self.context, card=part.card,
        )  # fmt: skip

    def _part(self, dictionary: str | None) -> Measured:
        keys = self.dictionaries
        if dictionary is None and len(keys) == 1:
            dictionary = keys[0]
        if dictionary not in keys:
            what = "Several dictionaries were evaluated." if dictionary is None else f"No {shorten(dictionary)} here."
            raise DictionaryError(what, f"Name one of {', '.join(keys)}.")
        return next(part for part in self.parts if part.dictionary == dictionary and part.kind == OWN)

    def __repr__(self) -> str:
        return f"Report({', '.join(self.dictionaries)}; {self.window})"

    def _repr_html_(self) -> str:
        """The table, for notebooks; every cell is escaped by pandas."""
        return self.table().to_html(float_format=lambda value: f"{value:.3f}", border=0)


def _of_features(part: Measured) -> list[tuple[str, float, str]]:
    tokens = part.sums.columns[:, 0].sum()
    density = part.sums.fired / tokens
    near = part.neighbours
    return [
        ("dead", float((density == 0).mean()), f"share of features that are never active in {int(tokens):,} tokens"),
        ("dense", float((density > 0.1).mean()), "share of features active on more than 10 % of the tokens"),
        ("neighbour", float(near.mean()) if len(near) else 0.0, "mean over features of max cos to another decoder row"),
    ]
