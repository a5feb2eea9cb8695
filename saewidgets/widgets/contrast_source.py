"""Where a contrast's pictures come from: the search, what is made of the selection, and what is kept of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from saewidgets.errors import WidgetError
from saewidgets.payloads import ContrastPayload
from saewidgets.widgets import contrast_request as requests
from saewidgets.widgets.contrast_request import Asked, ContrastRequest
from saewidgets.widgets.jobs import Token

if TYPE_CHECKING:
    from saewidgets.causes import ConceptBottleneck, Contrast
    from saewidgets.interventions import Edit
    from saewidgets.scope import Scope

# What the sets are called where a bottleneck answers, and the features that stand for an empty selection.
ANSWERS, BEST = ("positive", "negative"), 3


class ContrastSource:
    """Answers the requests of one contrast. The last search and the last bottleneck are kept.

    Args:
        scope: The model and its dictionaries.
        asked: What stays the same.
    """

    def __init__(self, scope: Scope, asked: Asked) -> None:
        self.scope, self.asked = scope, asked
        self._found: tuple[Any, Contrast] | None = None
        self._made: tuple[Any, ConceptBottleneck] | None = None

    def pictures(self, request: ContrastRequest, token: Token) -> Iterator[ContrastPayload]:
        """The table of features, then with what is made of the selection."""
        from saewidgets.causes.contrast_payload import contrast_payload

        began, asked = time.monotonic(), self.asked
        found = self.contrast(request, token)
        table = contrast_payload(found, request.positive, request.negative, asked.pool, asked.listed)
        table = replace(table, chosen=request.chosen, kind=request.kind, example=request.example)
        made = self._with_tool(request, found, table, token)
        spent = (time.monotonic() - began) * 1000
        call = requests.code(request, asked)
        yield replace(made, context=replace(made.context, milliseconds=spent, seed=asked.seed, code=call))

    def contrast(self, request: ContrastRequest, token: Token) -> Contrast:
        """The search behind a request."""
        from saewidgets.causes.contrast import find_contrast

        key, asked = (request.positive, request.negative), self.asked
        if self._found is None or self._found[0] != key:
            found = find_contrast(
                self.scope, list(request.positive), list(request.negative), asked.dictionary, asked.pool,
                asked.controls, asked.seed, asked.randoms, token.check,
            )  # fmt: skip
            self._found = (key, found)
        return self._found[1]

    def edits(self, request: ContrastRequest) -> tuple[Edit, ...]:
        """The selection as edits."""
        found = self.contrast(request, Token())
        return found.edit(request.kind, features=self._selection(request, found))

    def _selection(self, request: ContrastRequest, found: Contrast) -> tuple[str, ...]:
        chosen = request.chosen or tuple(found.features(BEST))
        if not chosen:
            raise WidgetError("No feature is higher in the positive prompts.", "Choose features in the table.")
        return chosen

    def _with_tool(
        self, request: ContrastRequest, found: Contrast, table: ContrastPayload, token: Token
    ) -> ContrastPayload:
        from saewidgets.causes.contrast_payload import probe_payload
        from saewidgets.interventions.text import to_code

        token.check()
        if request.tool == "edit":
            return replace(table, tool="edit", edit=to_code(self.edits(request)))
        if request.tool == "probe":
            return replace(table, tool="probe", probes=probe_payload(found, self._selection(request, found)))
        return self._with_bottleneck(request, found, table, token) if request.tool else table

    def _with_bottleneck(
        self, request: ContrastRequest, found: Contrast, table: ContrastPayload, token: Token
    ) -> ContrastPayload:
        from saewidgets.causes.contrast_payload import bottleneck_payload
        from saewidgets.causes.correction import correct

        chosen, prompts = self._selection(request, found), table.prompts
        key = (request.positive, request.negative, chosen)
        if self._made is None or self._made[0] != key:
            pool = "last" if self.asked.pool == "last" else "mean"
            concepts = self.asked.concepts
            made = found.bottleneck(ANSWERS[0], pool=pool, only=chosen, concepts=concepts, answers=ANSWERS)
            self._made = (key, made)
        token.check()
        shown = bottleneck_payload(self._made[1], prompts)
        if 0 <= request.example < len(prompts) and request.corrected:
            one = correct(
                self._made[1], prompts[request.example], dict(request.corrected), prompt=request.example,
                controls=self.asked.controls, seed=self.asked.seed, check=token.check,
            )  # fmt: skip
            shown = replace(shown, correction=one)
        return replace(table, tool="bottleneck", bottleneck=shown)
