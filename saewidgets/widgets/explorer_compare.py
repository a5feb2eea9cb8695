"""An `Explorer` beside another state: the comparison that `ex.compare` makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from saewidgets.widgets.compare import Compare
from saewidgets.widgets.link import link

if TYPE_CHECKING:
    from saewidgets.interventions import Edit
    from saewidgets.scope import Scope


def compare(ex: Any, prompt: str | None, edits: Sequence[Edit], scope: Scope | None, seed: int) -> Compare:
    """Another state as A, the explorer as B, linked. Arguments and errors as of `Explorer.compare`."""
    ex._need_model()
    now, site = ex._state(), ex.heatmap.site
    own_site = site if scope is None or site in scope.dictionaries else scope.default_site
    made = Compare(
        (scope or ex._scope, ex._scope),
        (now.prompt if prompt is None else prompt, now.prompt),
        # Another model has other features; then side A chooses its own.
        features=[name for name in now.features if name] if scope is None else None,
        site=(own_site, site),
        edits=(list(edits), list(now.edits)),
        error_term=ex.heatmap.error_term,
        seed=seed,
        theme=ex.theme,
    )
    made.right.selection = ex.selection
    ex._links.append(link(ex, made.right, share=["prompt", "edits", "token"]))
    return made
