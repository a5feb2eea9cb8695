"""What a feature table is given besides an atlas: scores and promoted tokens, in the forms that make them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from saewidgets.atlas.listing import Listing
from saewidgets.errors import SaewidgetsError, WidgetError, shorten
from saewidgets.payloads.arrays import Array
from saewidgets.widgets import feature_parts
from saewidgets.widgets.table_source import TableSource

if TYPE_CHECKING:
    from saewidgets.atlas.atlas import Atlas
    from saewidgets.scope import Scope

# Multiplications up to which promoted tokens are computed without being asked for.
_CHEAP = 2e9


def source_of(
    atlas: Atlas, scope: Scope | None, site: str, labels: Mapping[str, str], scores: Any, promoted: Any
) -> TableSource:
    """A dictionary with all that is known of it.

    Raises:
        SaewidgetsError: The atlas does not have it, was made with another dictionary, or what is given does not fit.
    """
    listing = Listing(atlas, site)
    loaded = scope if scope is not None and site in scope.dictionaries else None
    if loaded is not None:
        feature_parts.refuse_other(atlas, loaded, site)
    words = promoted_of(promoted, site, listing.width)
    if not words and loaded is not None:
        words = _projected(loaded, site, len(atlas.vocabulary))
    return TableSource(listing, labels, scores_of(scores, site, listing.width), words, loaded)


def _projected(scope: Scope, site: str, vocabulary: int) -> dict[int, tuple[str, ...]]:
    """The promoted tokens of a small dictionary that writes to the vocabulary."""
    from saewidgets.explain.vocabulary import vocabulary_projection

    dictionary = scope.dictionaries[site]
    if dictionary.d_dict * dictionary.d_out * vocabulary > _CHEAP:
        return {}
    try:
        return promoted_of(vocabulary_projection(scope, site, 5), site, dictionary.d_dict)
    except SaewidgetsError:  # it does not write to the vocabulary
        return {}


def scores_of(scores: Any, site: str, width: int) -> dict[str, Array]:
    """Columns of a dictionary from `saewidgets.explain.scores`, or from a table indexed by feature.

    Args:
        scores: What has `to_frame`, a `DataFrame` or a mapping of columns `[d_dict]`; several in a list; or `None`.
        site: Key of the dictionary.
        width: Features of it.

    Returns:
        `[width]` float64 by name, NaN where unknown.

    Raises:
        WidgetError: It is something else.
    """
    found: dict[str, Array] = {}
    for table in [] if scores is None else scores if isinstance(scores, (list, tuple)) else [scores]:
        if isinstance(table, Mapping):
            found |= {str(name): _full(name, values, width) for name, values in table.items()}
            continue
        frame = table.to_frame() if hasattr(table, "to_frame") and not hasattr(table, "select_dtypes") else table
        if not hasattr(frame, "select_dtypes"):
            raise WidgetError(f"Scores of a {type(table).__name__}.", "Give sw.explain.scores(...) or a DataFrame.")
        rows = [_index(name, site, width) for name in frame.index.tolist()]
        inside = np.array([row is not None for row in rows], bool)
        for name, values in frame.select_dtypes("number").items():
            column = np.full(width, np.nan)
            column[[row for row in rows if row is not None]] = values.to_numpy(np.float64)[inside]
            found[str(name)] = column
    return found


def _full(name: Any, values: Any, width: int) -> Array:
    column = np.asarray(values, np.float64)
    if column.shape != (width,):
        raise WidgetError(f"The score {shorten(name)} has shape {column.shape}.", f"Give one for each of {width}.")
    return column


def _index(name: Any, site: str, width: int) -> int | None:
    """Place of a feature, from its number or its id; `None` for one of another dictionary."""
    head, _, number = str(name).rpartition("/")
    fits = number.isascii() and number.isdigit() and head in ("", site)
    return int(number) if fits and int(number) < width else None


def promoted_of(promoted: Any, site: str, width: int) -> dict[int, tuple[str, ...]]:
    """Tokens that features promote, from `saewidgets.explain.vocabulary_projection`, or a mapping.

    Raises:
        WidgetError: It is something else.
    """
    if promoted is None:
        return {}
    if isinstance(promoted, Mapping):
        pairs = [(_index(name, site, width), tuple(map(str, words))) for name, words in promoted.items()]
    elif hasattr(promoted, "promoted") and hasattr(promoted, "strings"):
        lines = promoted.promoted.tolist()
        named = zip(promoted.features, lines, strict=True)
        pairs = [(_index(name, site, width), tuple(promoted.strings[i] for i in line)) for name, line in named]
    else:
        what = f"Promoted tokens of a {type(promoted).__name__}."
        raise WidgetError(what, "Give sw.explain.vocabulary_projection(scope, site).")
    return {index: words for index, words in pairs if index is not None}
