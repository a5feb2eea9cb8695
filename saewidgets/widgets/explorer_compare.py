"""An `Explorer` beside another state: the comparison that `ex.compare` makes, and the one of its preset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from saewidgets.payloads import ComparePayload, Context, FeaturePairs
from saewidgets.widgets.compare import Compare
from saewidgets.widgets.compare_sides import CompareRequest, of
from saewidgets.widgets.explorer_panels import Panel
from saewidgets.widgets.heatmap import TokenHeatmap
from saewidgets.widgets.jobs import GUARD
from saewidgets.widgets.link import link

if TYPE_CHECKING:
    from saewidgets.interventions import Edit
    from saewidgets.scope import Scope


class ComparePanel(Panel, Compare):
    """The explorer as side B: its strip is the right one. Side A is the same text without edits, until it is changed.

    It compares while the preset is "compare", and is still otherwise.

    Args:
        leader: The explorer.
        options: As of `Compare`.
    """

    in_view = False

    def __init__(self, leader: Any, *arguments: Any, **options: Any) -> None:
        self._strip: TokenHeatmap = leader.heatmap
        self._followed = leader.heatmap.prompt
        super().__init__(leader, *arguments, **options)

    def _open(
        self, prompt: Any, features: Any, site: Any, edits: Any, error_term: Any, selection: Any, **look: Any
    ) -> tuple[TokenHeatmap, TokenHeatmap]:
        assert self._scopes is not None
        own = TokenHeatmap(
            self._scopes[0], prompt, features, site=site, error_term=error_term, selection=selection, **look
        )
        return own, self._strip

    def _first(self, request: CompareRequest) -> ComparePayload:
        none, floats = np.zeros(0, np.uint32), np.zeros(0, np.float32)
        pairs = FeaturePairs(np.zeros(1, np.uint32), none, none, floats, floats, floats)
        return ComparePayload("", "", none, none, np.zeros(0, np.uint8), 0, "", "", "none", pairs, Context("", ""))

    def enter(self) -> None:
        """Come into view: what nobody changed in side A is as in the explorer, and the sides are compared."""
        with GUARD:
            if self.in_view or self.closed:
                return
            self.in_view, strip = True, self._strip
            if not self.is_own:
                self._followed = self.left.prompt = strip.prompt
            self.left.features = strip.features
            self.left.site = strip.site
            step = self._need_model()
            self._want(replace(step.request, left=of(self.left), right=of(strip)), None)

    def leave(self) -> None:
        """Go out of view."""
        self.in_view = False

    @property
    def is_own(self) -> bool:
        """Whether side A has a text or edits that somebody gave it."""
        return self.left.prompt != self._followed or bool(self.left.edits)

    def _lead(self) -> None:
        self._select(self._strip, self._strip.selection)

    def _on_asked(self, change: Any) -> None:
        if self.in_view:
            super()._on_asked(change)

    def _on_selected(self, change: Any) -> None:
        if self.in_view:
            super()._on_selected(change)

    def _on_filled(self, change: Any) -> None:
        if self.in_view:
            super()._on_filled(change)

    def _release(self) -> None:
        self.left.close()
        self._scopes, self._shown, self._wanted = None, None, None


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
