"""The page that thinks: a heatmap exported with its model inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from saewidgets.errors import FigureError
from saewidgets.payloads import HeatmapPayload

if TYPE_CHECKING:
    from saewidgets.runs.heatmap import HeatmapRequest
    from saewidgets.scope import Scope


def live_page(
    scope: Scope | None, request: HeatmapRequest | None, payload: HeatmapPayload, more: Sequence[str] = ()
) -> str:
    """One HTML file that computes what a notebook's view would ask its kernel for.

    Args:
        scope: Of the view; `None` for one without a model.
        request: What the view shows.
        payload: The picture of it.
        more: Keys of dictionaries that go along besides those in view.

    Returns:
        The page. It shows the dictionaries that it carries, and no others.

    Raises:
        FigureError: There is no model, or one that a page cannot compute.
        SiteError: No dictionary of such a key.
    """
    if scope is None or request is None:
        raise FigureError("This view has no model to put into a page.", "Make a new one from a scope.")
    from saewidgets.export.page import to_page
    from saewidgets.runs.carry import carry
    from saewidgets.runs.heatmap import in_view

    edited = [str(feature) for edit in request.edits for feature in edit.features]
    shown = in_view(scope, payload.site, (*request.features, *edited))
    wanted = {*shown, *(scope.key(key) for key in ([more] if isinstance(more, str) else more))}
    keys = [key for key in scope.dictionaries if key in wanted]
    carried = carry(scope, request, keys)
    return to_page(replace(payload, sites=tuple(site for site in payload.sites if site.key in keys)), carried=carried)
