"""What a feature table can be asked: a request, the checks of its values, and the Python that asks it again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from saewidgets.errors import WidgetError
from saewidgets.payloads.feature_table import MAX_CHOSEN, MAX_COLUMNS, TableFilter
from saewidgets.widgets import checks

MAX_WORDS = 2_000

Bounds = tuple[str, float | None, float | None]


@dataclass(frozen=True, slots=True)
class TableRequest:
    """One picture of a feature table.

    Args:
        site: Key of the dictionary.
        query: Words of labels, examples and tokens, or a feature's number.
        here, there: Texts: features that fire in the first, not in the second.
        filters: `(statistic, low, high)` each.
        sort: A statistic; "" for what answers the question best, else the density.
        descending: The greatest first.
    """

    site: str
    query: str = ""
    here: str = ""
    there: str = ""
    filters: tuple[Bounds, ...] = ()
    sort: str = ""
    descending: bool = True

    @property
    def table_filters(self) -> tuple[TableFilter, ...]:
        """The bounds as a payload holds them."""
        return tuple(TableFilter(*bounds) for bounds in self.filters)


def line(name: str, value: Any) -> str:
    """A text to look for.

    Raises:
        WidgetError: It is no string, or a long one.
    """
    if not isinstance(value, str) or len(value) > MAX_WORDS:
        raise WidgetError(f"{name} is {checks.brief(value)}.", f"It must be a text of at most {MAX_WORDS} characters.")
    return value


def truth(name: str, value: Any) -> bool:
    """True or false.

    Raises:
        WidgetError: It is neither.
    """
    if not isinstance(value, bool):
        raise WidgetError(f"{name} is {checks.brief(value)}.", "It must be True or False.")
    return value


def filters(name: str, value: Any) -> tuple[Bounds, ...]:
    """Bounds, from `{"density": (0.001, None)}` or a list of `(statistic, low, high)`.

    Raises:
        WidgetError: They are something else, or a statistic is bound twice.
    """
    if value is None:
        return ()
    entries: Iterable[Any] = value
    if isinstance(value, Mapping):
        entries = [(key, *bounds) if isinstance(bounds, (list, tuple)) else (key,) for key, bounds in value.items()]
    elif not isinstance(value, (list, tuple)) or len(value) > MAX_COLUMNS:
        raise WidgetError(f"{name} is {checks.brief(value)}.", "Write {'density': (0.001, 0.1)}; None for no bound.")
    found = tuple(_bounds(name, entry) for entry in entries)
    if len({bounds[0] for bounds in found}) < len(found):
        raise WidgetError(f"{name} names a statistic twice.", "Give it one pair of bounds.")
    return found


def _bounds(name: str, entry: Any) -> Bounds:
    if not isinstance(entry, (list, tuple)) or len(entry) != 3:
        raise WidgetError(f"One of {name} is {checks.brief(entry)}.", "Give a low and a high bound, None for no bound.")
    low, high = (_number(name, bound) for bound in entry[1:])
    return checks.word(name, entry[0]), low, high


def _number(name: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise WidgetError(f"A bound of {name} is {checks.brief(value)}.", "It must be a number or None.")
    return float(value)


def chosen(name: str, value: Any) -> tuple[str, ...]:
    """Feature ids in the order of their letters, "" for a freed one.

    Raises:
        SaewidgetsError: One is none, or there are too many.
    """
    found = checks.feature_ids(name, value)
    if len(found) > MAX_CHOSEN:
        raise WidgetError(f"{len(found)} features are chosen.", f"Choose at most {MAX_CHOSEN}.")
    while found and not found[-1]:
        found = found[:-1]
    return found


CHECKS: dict[str, checks.Check] = {
    "site": checks.word,
    "query": line,
    "here": line,
    "there": line,
    "filters": filters,
    "sort": checks.word,
    "descending": truth,
}


def code(request: TableRequest, source: str) -> str:
    """Python that shows this view again.

    Example:
        >>> print(code(TableRequest("resid_post.2", "boat", filters=(("density", 0.01, None),)), "atlas"))
        sw.FeatureTable(atlas, 'resid_post.2', query='boat', filters={'density': (0.01, None)})
    """
    changed = {f.name: value for f in fields(request)[1:] if (value := getattr(request, f.name)) != f.default}
    if "filters" in changed:
        changed["filters"] = {name: (low, high) for name, low, high in request.filters}
    arguments = [source, repr(request.site), *(f"{name}={value!r}" for name, value in changed.items())]
    return f"sw.FeatureTable({', '.join(arguments)})"
