"""From what a table source found to a payload; and the dashboards that a page of it carries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from saewidgets.figures.text import count
from saewidgets.payloads import encode
from saewidgets.payloads.context import Context
from saewidgets.payloads.feature_table import FeatureTablePayload, OpenedFeature, TableChart, TablePoints
from saewidgets.sites import FeatureId
from saewidgets.widgets import feature_parts
from saewidgets.widgets.table_request import TableRequest, code
from saewidgets.widgets.table_source import Found, TableSource
from saewidgets.widgets.table_spread import points

if TYPE_CHECKING:
    from saewidgets.atlas.atlas import Atlas
    from saewidgets.scope import Scope

# Rows of the first window, of a figure, and of a page, which has no Python to ask for more.
FIRST, DRAWN, IN_PAGE = 60, 20, 500
# The columns without scores, and what is always shown beside them.
PLAIN, SCORES = ("density", "maximum", "mean", "kurtosis"), ("input", "output")
# Statistics that are drawn against each other, where both are known.
SCATTERS = (SCORES, ("map_x", "map_y"))


def picture(
    source: TableSource, found: Found, request: TableRequest, number: int, columns: Sequence[str],
    selection: tuple[str, ...], with_scope: bool, count: int = FIRST,
) -> FeatureTablePayload:  # fmt: skip
    """The payload of an answer, from its first row on."""
    atlas, site = source.listing.atlas, source.listing.site
    return FeatureTablePayload(
        site=site,
        sites=atlas.sites,
        n_features=source.width,
        n_fit=len(found.order),
        statistics=source.statistics(found.columns),
        columns=shown(source, found, columns),
        sort=found.sort,
        descending=request.descending,
        query=request.query,
        here=request.here,
        there=request.there,
        filters=request.table_filters,
        charts=charts(source, found),
        points=scatters(source, found, selection),
        rows=source.rows(number, found, 0, count),
        words="promotes" if source.promoted else "fires on",
        selection=selection,
        note=found.note,
        source=counted(atlas, site),
        context=_context(atlas, site, request, with_scope),
    )


def shown(source: TableSource, found: Found, columns: Sequence[str]) -> tuple[str, ...]:
    """Statistics that have a column: those asked for, what the question adds, and what the rows are sorted by."""
    scores = [name for name in SCORES if name in source.columns]
    own = list(columns) or (["density", "maximum", *scores] if scores else list(PLAIN))
    asked = [name for name in ("match", "here", "there") if name in found.columns]
    own = [name for name in own if name in found.columns]
    return tuple(dict.fromkeys([*own, *asked, found.sort]))


def charts(source: TableSource, found: Found) -> tuple[TableChart, ...]:
    """Density; and the greatest activation where there is no scatter plot."""
    drawn = any(all(name in source.columns for name in pair) for pair in SCATTERS)
    names = ["density"] if drawn else ["density", "maximum"]
    return tuple(source.bins(name, log=True).chart(name, found.fit) for name in names)


def scatters(source: TableSource, found: Found, selection: Sequence[str]) -> tuple[TablePoints, ...]:
    """Input score against output score, and the decoder map."""
    chosen, columns = places(selection, source.listing.site), source.columns
    labels = source.labels()
    known = [(x, y) for x, y in SCATTERS if x in columns and y in columns]
    return tuple(points(x, y, columns[x], columns[y], found.fit, chosen, labels) for x, y in known)


def places(selection: Sequence[str], site: str) -> list[int]:
    """Numbers of the chosen features of a dictionary."""
    ids = [FeatureId.parse(name) for name in selection if name]
    return [feature.index for feature in ids if feature.dictionary == site]


def counted(atlas: Atlas, site: str) -> str:
    """What was counted, in one line."""
    skipped = ", position 0 left out" if atlas.manifest.skip_first else ""
    return f"{count(atlas.n_tokens(site))} tokens, contexts of {atlas.manifest.length}{skipped}"


def _context(atlas: Atlas, site: str, request: TableRequest, with_scope: bool) -> Context:
    from saewidgets import __version__

    swept = atlas.manifest.sites[atlas.manifest.site(site)]
    call = code(request, "scope" if with_scope else "atlas")
    call = call.replace("(scope, ", "(scope, atlas=atlas, site=", 1) if with_scope else call
    words = f"{swept.architecture}, {count(swept.d_dict)} features"
    return Context(atlas.manifest.model, words, version=__version__, code=call)


def opened(features: Sequence[str], atlas: Atlas, scope: Scope | None, labels: Any) -> tuple[OpenedFeature, ...]:
    """Dashboards of features, for a page that has no Python."""
    found = []
    for feature in features:
        payload = feature_parts.still(feature, atlas, scope)
        payload = replace(payload, label=labels.get(feature, ""), live_note="A page has no model.")
        found.append(OpenedFeature(feature, np.frombuffer(encode(payload), np.uint8)))
    return tuple(found)
