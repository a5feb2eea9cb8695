"""Payload of the `FeatureTable`: a window of its rows, what all features look like, and what was asked for.

Shapes: R rows of a window, C statistics, W words of a row, M bars of the small histogram in it, P points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from saewidgets.errors import PayloadError, shorten
from saewidgets.payloads.arrays import F32, U8, U32, Array, F32x2
from saewidgets.payloads.context import Context
from saewidgets.payloads.histogram import Histogram
from saewidgets.payloads.record import check, same_length

MAX_ROWS, MAX_COLUMNS, MAX_POINTS, MAX_CHOSEN, MAX_DASHBOARDS = 2_000, 64, 5_000, 64, 64
# How a statistic is written: a plain number, a share in per cent, a score from 0 to 1, a count, where a word was found,
# a coordinate of a map, which is only looked at.
UNITS = ("", "share", "score", "count", "match", "place")
MAX_SCATTERS = 2
# Words of the statistic "match", from 0.
MATCHES = ("", "examples", "fires on", "promotes", "label")


@dataclass(frozen=True, slots=True, eq=False)
class Statistic:
    """A number that every feature has, or most.

    Args:
        name: As in `to_frame`.
        title: Above its column.
        unit: How it is written: one of `UNITS`.
        low, high: Its range over the dictionary.
        known: Features that have it.
    """

    name: str
    title: str
    unit: str = ""
    low: float = 0.0
    high: float = 0.0
    known: int = 0

    def __post_init__(self) -> None:
        check(self)
        if self.unit not in UNITS:
            raise PayloadError(f"The unit of a statistic is {shorten(self.unit)}.", f"Use one of {UNITS}.")


@dataclass(frozen=True, slots=True, eq=False)
class TableFilter:
    """A statistic that must lie between two values, both included; features without it do not fit.

    Args:
        name: The statistic.
        low, high: Bounds, `None` for none.
    """

    name: str
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, eq=False)
class TableRows:
    """Consecutive rows of one order. An answer to "give me rows 400 to 480" is one of these.

    Args:
        order: Number of the order they are of: rows of another order have no place in it.
        start: Place of the first row.
        index: `[R]` features.
        label: `[R]` labels, "" for none.
        words: `[R * W]` tokens, "" where there are fewer.
        values: `[R, C]` the statistics, in the order of `FeatureTablePayload.statistics`; 0 where unknown.
        known: `[R * C]` whether each is known.
        bars: `[R, M]` heights of the small histogram, the highest of a row 1.
    """

    order: int
    start: int
    index: U32
    label: tuple[str, ...]
    words: tuple[str, ...]
    values: F32x2
    known: U8
    bars: F32x2

    def __post_init__(self) -> None:
        check(self)
        n = len(self.index)
        same_length(self, n, "label", "values", "bars")
        same_length(self, self.values.size, "known")
        if n > MAX_ROWS or self.start < 0 or (len(self.words) % n if n else len(self.words)):
            raise PayloadError(f"{n} rows from {self.start}.", f"Give at most {MAX_ROWS}, with as many words each.")

    def value(self, row: int, column: int) -> float | None:
        """A statistic of a row, `None` when unknown."""
        known = self.known[row * self.values.shape[1] + column]
        return float(self.values[row, column]) if known else None

    def words_of(self, row: int) -> tuple[str, ...]:
        """The tokens of a row."""
        n = len(self.words) // max(len(self.index), 1)
        return tuple(word for word in self.words[row * n : row * n + n] if word)


@dataclass(frozen=True, slots=True, eq=False)
class TableChart:
    """How a statistic is spread: over all features, and over those that fit.

    Args:
        name: The statistic.
        all: Every feature.
        fit: `[B]` of those the ones that fit.
    """

    name: str
    all: Histogram
    fit: U32

    def __post_init__(self) -> None:
        check(self)
        same_length(self, len(self.all.counts), "fit")
        if (self.fit > self.all.counts).any():
            raise PayloadError(f"More features fit than there are, by {shorten(self.name)}.", "Count them again.")


@dataclass(frozen=True, slots=True, eq=False)
class TablePoints:
    """Two statistics against each other; where there are many features, a sample of them.

    Args:
        name_x, name_y: The statistics.
        index: `[P]` features.
        x, y: `[P]`.
        fit: `[P]` whether each fits.
        total: Features that have both.
        label: `[P]` labels, "" for none; empty where no feature has one.
    """

    name_x: str
    name_y: str
    index: U32
    x: F32
    y: F32
    fit: U8
    total: int
    label: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check(self)
        same_length(self, len(self.index), "x", "y", "fit", *(["label"] if self.label else []))
        if len(self.index) > MAX_POINTS:
            raise PayloadError(f"{len(self.index)} points.", f"Give at most {MAX_POINTS}.")


@dataclass(frozen=True, slots=True, eq=False)
class OpenedFeature:
    """The dashboard of a feature, inside a table's page or file.

    Args:
        id: Of the feature.
        data: The encoded `FeatureDashboardPayload`.
    """

    id: str
    data: U8

    def __post_init__(self) -> None:
        check(self)

    @property
    def payload(self) -> Any:
        """The dashboard.

        Raises:
            PayloadError: Damaged.
        """
        from saewidgets.payloads.codec import decode

        return decode(self.data.tobytes())


@dataclass(frozen=True, slots=True, eq=False)
class FeatureTablePayload:
    """Everything a `FeatureTable` draws.

    Args:
        site: Key of the dictionary.
        sites: Keys of all dictionaries that can be shown.
        n_features: Of the dictionary.
        n_fit: Features that fit: the rows there are.
        statistics: What can be sorted and filtered by.
        columns: Names of the statistics that have a column.
        sort: The statistic the rows are sorted by.
        descending: Whether the greatest is first; features without it are last either way.
        query: Words looked for.
        here, there: Texts: features that fire in the first and not in the second.
        filters: Bounds of statistics.
        charts: One or two.
        points: Two statistics against each other: the scores, the decoder map; as far as they are known.
        rows: The rows in view.
        words: What their words are: "promotes" or "fires on".
        selection: Ids of the chosen features, in the order of their letters.
        feature: Id of the feature that is open, "" for none.
        dashboards: Of chosen features, in a page or a file.
        note: What to do when nothing fits.
        source: What was counted.
        context: The foot.
    """

    site: str
    sites: tuple[str, ...]
    n_features: int
    n_fit: int
    statistics: tuple[Statistic, ...]
    columns: tuple[str, ...]
    sort: str
    rows: TableRows
    context: Context
    descending: bool = True
    query: str = ""
    here: str = ""
    there: str = ""
    filters: tuple[TableFilter, ...] = ()
    charts: tuple[TableChart, ...] = ()
    points: tuple[TablePoints, ...] = ()
    words: str = "fires on"
    selection: tuple[str, ...] = ()
    feature: str = ""
    dashboards: tuple[OpenedFeature, ...] = ()
    note: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        check(self)
        names = [statistic.name for statistic in self.statistics]
        if len(names) > MAX_COLUMNS or len(set(names)) < len(names) or self.rows.values.shape[1] != len(names):
            raise PayloadError(f"A table of {len(names)} statistics.", f"Give at most {MAX_COLUMNS}, each once.")
        used = [*self.columns, self.sort, *(f.name for f in self.filters), *(chart.name for chart in self.charts)]
        used += [name for points in self.points for name in (points.name_x, points.name_y)]
        if len(self.points) > MAX_SCATTERS:
            raise PayloadError(f"{len(self.points)} scatter plots.", f"Give at most {MAX_SCATTERS}.")
        for name in used:
            if name not in names:
                raise PayloadError(f"There is no statistic {shorten(name)}.", f"Known: {', '.join(names)}.")
        if not 0 <= self.rows.start + len(self.rows.index) <= self.n_fit <= self.n_features:
            raise PayloadError(f"{self.n_fit} of {self.n_features} features fit.", "Count them again.")
        if len(self.selection) > MAX_CHOSEN or len(self.dashboards) > MAX_DASHBOARDS:
            raise PayloadError("Too many features are chosen.", f"Choose at most {MAX_CHOSEN}.")

    def statistic(self, name: str) -> Statistic:
        """A statistic by its name."""
        return next(found for found in self.statistics if found.name == name)


def statistic_of(name: str, title: str, values: Array, unit: str = "") -> Statistic:
    """A statistic with its range over all features, NaN left out."""
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    return Statistic(name, title, unit, low, high, len(known))
