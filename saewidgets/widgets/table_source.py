"""All features of one dictionary: what fits a request, in which order, and rows of that."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from saewidgets.atlas.listing import WORDS, Listing
from saewidgets.errors import WidgetError, shorten
from saewidgets.payloads.arrays import Array
from saewidgets.payloads.feature_table import MATCHES, Statistic, TableRows, statistic_of
from saewidgets.widgets.table_request import TableRequest
from saewidgets.widgets.table_spread import Bins

if TYPE_CHECKING:
    from saewidgets.scope import Scope

Check = Callable[[], None]

# Tokens on each side of an example's peak in which a phrase is found: those that a dashboard shows.
REACH = 28
_TITLES = {"n_active": "tokens", "maximum": "max", "minimum": "min", "map_x": "map x", "map_y": "map y"}
_UNITS = {"density": "share", "n_active": "count", "input": "score", "output": "score", "before": "score",
          "map_x": "place", "map_y": "place"}  # fmt: skip
_ORDERS = 6


@dataclass(frozen=True, eq=False)
class Found:
    """The answer to a request.

    Args:
        fit: `[d_dict]` which features fit.
        order: `[n]` uint32 those features, sorted.
        columns: `[d_dict]` by name, those that the question adds included.
        sort: The statistic they are sorted by.
        note: What to do when nothing fits.
    """

    fit: Array
    order: Array
    columns: dict[str, Array]
    sort: str
    note: str


class TableSource:
    """One dictionary of an atlas with its labels, scores and promoted tokens.

    Args:
        listing: The dictionary.
        labels: Feature id -> label; read anew each time.
        scores: `[d_dict]` by name.
        promoted: Feature -> tokens it promotes, the strongest first; empty when nobody said.
        scope: What runs the texts of `here` and `there`, if anything does.
    """

    def __init__(
        self, listing: Listing, labels: Mapping[str, str], scores: Mapping[str, Array],
        promoted: Mapping[int, tuple[str, ...]], scope: Scope | None,
    ) -> None:  # fmt: skip
        self.listing, self._labels, self.promoted, self._scope = listing, labels, promoted, scope
        self.columns = {**listing.columns, **scores}
        self._orders: OrderedDict[str, Array] = OrderedDict()
        self._bins: dict[tuple[str, bool], Bins] = {}

    @property
    def width(self) -> int:
        """Features of the dictionary."""
        return self.listing.width

    def label(self, feature: int) -> str:
        """The label of a feature, "" for none."""
        return self._labels.get(f"{self.listing.site}/{feature}", "")

    def bins(self, name: str, log: bool) -> Bins:
        """The bars of a statistic."""
        if (name, log) not in self._bins:
            self._bins[name, log] = Bins.of(self.columns[name], log)
        return self._bins[name, log]

    # -- what fits -----------------------------------------------------------------------------------------------------

    def find(self, request: TableRequest, check: Check = lambda: None) -> Found:
        """The features that fit a request, sorted.

        Raises:
            WidgetError: It names a statistic that there is not.
        """
        columns, conditions = dict(self.columns), []
        if request.query.strip():
            columns["match"] = self._match(request.query.strip(), check)
            conditions.append((f"“{shorten(request.query.strip())}”", columns["match"] > 0))
        if request.here.strip() or request.there.strip():
            columns["here"], columns["there"] = self._fires(request.here, check), self._fires(request.there, check)
            fires = columns["here"] > 0 if request.here.strip() else np.ones(self.width, bool)
            conditions.append(("fires here, not there", fires & (columns["there"] == 0)))
        for name, low, high in request.filters:
            values = columns[self._known(name, columns)]
            inside = np.isfinite(values)
            inside &= (values >= (-np.inf if low is None else low)) & (values <= (np.inf if high is None else high))
            conditions.append((name, inside))
        fit = np.ones(self.width, bool)
        for _, mask in conditions:
            fit &= mask
        sort = self._known(request.sort, columns) if request.sort else self._best(columns)
        order = self._sorted(sort, columns, request.descending)
        return Found(fit, order[fit[order]], columns, sort, "" if fit.any() else self._note(conditions))

    @staticmethod
    def _best(columns: dict[str, Array]) -> str:
        return next(name for name in ("match", "here", "density") if name in columns)

    @staticmethod
    def _known(name: str, columns: dict[str, Array]) -> str:
        if name not in columns:
            raise WidgetError(f"There is no statistic {shorten(name)}.", f"Known: {', '.join(columns)}.")
        return name

    def _note(self, conditions: list[tuple[str, Array]]) -> str:
        """Which condition removes most."""
        name, mask = min(conditions, key=lambda condition: int(condition[1].sum()))
        n = int(mask.sum())
        return f"No feature fits. What removes most: {name}, which {n} of {self.width} fit."

    def _sorted(self, name: str, columns: dict[str, Array], descending: bool) -> Array:
        """Every feature, by a statistic, then by number; those without it last."""
        key = f"{name} {descending}"
        asked = name in ("match", "here", "there")
        if asked or key not in self._orders:
            values = columns[name]
            # Ties of a search are settled by density.
            ties = np.nan_to_num(columns["density"]) if asked else np.zeros(0)
            signed = -values if descending else values
            order = np.lexsort((-ties, signed)) if asked else np.argsort(signed, kind="stable")
            found = order.astype(np.uint32)  # NaN comes last either way
            if asked:
                return found
            self._orders[key] = found
            while len(self._orders) > _ORDERS:
                self._orders.popitem(last=False)
        return self._orders[key]

    # -- looking for words ---------------------------------------------------------------------------------------------

    def _match(self, query: str, check: Check) -> Array:
        """`[d_dict]` where a query is found: a place in `MATCHES`, 0 for nowhere."""
        found = np.zeros(self.width)
        number = re.fullmatch(r"(?:(.+)/)?(\d{1,9})", query, re.ASCII)
        if number is not None and number[1] in (None, self.listing.site) and int(number[2]) < self.width:
            found[int(number[2])] = MATCHES.index("label")
            return found
        places = self.listing.places
        phrase = self.listing.phrases.find(query, check)
        examples = self.listing.n_beside(phrase.beside(places["context"], places["position"], REACH))
        found[examples > 0] = MATCHES.index("examples")
        found[self.listing.firing_on(query)] = MATCHES.index("fires on")
        word, words = query.lower(), query.casefold().split()
        for feature, tokens in self.promoted.items():
            if any(token.strip().lower().startswith(word) for token in tokens):
                found[feature] = MATCHES.index("promotes")
        for feature, label in self.labels().items():
            if all(part in label.casefold() for part in words):
                found[feature] = MATCHES.index("label")
        return found

    def labels(self) -> dict[int, str]:
        """Feature -> label, of those that have one."""
        start = f"{self.listing.site}/"
        own = [(name[len(start) :], label) for name, label in list(self._labels.items()) if name.startswith(start)]
        return {int(name): label for name, label in own if name.isdigit() and int(name) < self.width}

    def _fires(self, text: str, check: Check) -> Array:
        """`[d_dict]` greatest activation in a text, position 0 left out; without a model, examples inside the text."""
        if not text.strip():
            return np.zeros(self.width)
        if self._scope is None:
            places = self.listing.places
            inside = self.listing.phrases.find(text, check).beside(places["context"], places["position"])
            return self.listing.n_beside(inside).astype(np.float64)
        check()
        active = self._scope.run(text, sites=[self.listing.site]).features[self.listing.site]
        found = np.zeros(self.width)
        later = (active.rows > 0).numpy()
        np.maximum.at(found, active.index.numpy()[later], np.abs(active.value.double().numpy()[later]))
        return found

    # -- rows ----------------------------------------------------------------------------------------------------------

    def statistics(self, columns: dict[str, Array]) -> tuple[Statistic, ...]:
        """What can be sorted and filtered by."""
        return tuple(self._own_statistics[name] if name in self._own_statistics else self._statistic(name, values)
                     for name, values in columns.items())  # fmt: skip

    @cached_property
    def _own_statistics(self) -> dict[str, Statistic]:
        return {name: self._statistic(name, values) for name, values in self.columns.items()}

    def _statistic(self, name: str, values: Array) -> Statistic:
        unit = "match" if name == "match" else _UNITS.get(name, "")
        return statistic_of(name, _TITLES.get(name, name), values, unit)

    def rows(self, number: int, found: Found, start: int, count: int) -> TableRows:
        """Some rows.

        Args:
            number: Of the order.
            found: The order.
            start: Place of the first row.
            count: How many.
        """
        features = found.order[start : start + count].astype(np.int64).tolist()
        values = np.array([column[features] for column in found.columns.values()]).reshape(len(found.columns), -1).T
        known = np.isfinite(values)
        bars = self.listing.bars(features).astype(np.float64)
        return TableRows(
            order=number,
            start=start,
            index=np.array(features, np.int64),
            label=tuple(map(self.label, features)),
            words=tuple(word for words in self._words(features) for word in (*words, *[""] * (WORDS - len(words)))),
            values=np.where(known, values, 0.0),
            known=known.ravel().astype(np.uint8),
            bars=bars / np.maximum(bars.max(axis=1, initial=0, keepdims=True), 1),
        )

    def _words(self, features: Sequence[int]) -> list[tuple[str, ...]]:
        if self.promoted:
            return [self.promoted.get(feature, ())[:WORDS] for feature in features]
        return self.listing.fires_on(features)
