"""Where a patch map's pictures come from: the analysis, the chosen cell and the path, and what is kept of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from saewidgets.payloads import PatchMapPayload
from saewidgets.widgets import patch_request as requests
from saewidgets.widgets.cache import ByIdentity, cache_of
from saewidgets.widgets.jobs import Token
from saewidgets.widgets.patch_request import Asked, PatchRequest

if TYPE_CHECKING:
    from saewidgets.causes.question import Question
    from saewidgets.scope import Scope

# Cells and paths that stay in the payload.
KEPT = 24


class PatchSource:
    """Answers the requests of one patch map.

    Args:
        scope: The model.
        asked: What stays the same.
    """

    def __init__(self, scope: Scope, asked: Asked) -> None:
        self.scope, self.asked, self.cache = scope, asked, cache_of(scope)
        self._question: tuple[Any, Question] | None = None

    def pictures(self, request: PatchRequest, token: Token, progress: Any) -> Iterator[PatchMapPayload]:
        """The map as it grows, then with its chosen cell and path."""
        from saewidgets.causes.patching import patch_steps
        from saewidgets.causes.picture import map_payload, with_context

        def tell(done: int, total: int, note: str) -> None:
            token.check()
            if progress is not None:
                progress(done, total, note)

        began, key, asked = time.monotonic(), self._key(request), self.asked
        found: PatchMapPayload | None = self.cache.get(("patch map", key))
        if found is None:
            question = self._ask(request)
            length = len(question.pairs[0].clean_ids)
            fit = asked.regions if all(max(p, default=0) < length for p in asked.regions.values()) else {}
            for map_ in patch_steps(question, tell):
                found = map_payload(map_, question, request.show, fit, (request.clean[0], request.corrupt[0]))
                found = with_context(found, milliseconds=(time.monotonic() - began) * 1000)
                if not found.verdict:
                    yield replace(found, cell=_kept(found, request.cell or ""))
            assert found is not None
            self.cache.put(("patch map", key), found)
        yield self._chosen(request, found, tell)

    def _chosen(self, request: PatchRequest, found: PatchMapPayload, tell: Any) -> PatchMapPayload:
        """The map with the chosen cell and the chosen path, and all those before them."""
        from saewidgets.causes.detail import cell_detail, head_pairs
        from saewidgets.causes.picture import path_payload, with_context

        key, asked, scope = ("chosen", self._key(request)), self.asked, self.scope
        details, paths = self.cache.get(key) or ((), ())
        cell = strongest(found) if request.cell is None else _kept(found, request.cell)
        if cell and all(f"{d.node}:{d.position}" != cell for d in details):
            node, place = requests.split_cell(cell)
            prompts = (*self._prompts(request), self._target(request), asked.position, request.propagation)
            heads = head_pairs(scope, *prompts) if node.startswith("attn_out") else ()
            details = (*details, cell_detail(self._ask(request), node, place, heads, tell))[-KEPT:]
        if request.path:
            ends = [(requests.LOGITS, -1) if c == requests.LOGITS else requests.split_cell(c) for c in request.path]
            same = [p for p in paths if [(p.sender, p.sender_position), (p.receiver, p.receiver_position)] == ends]
            made = same or [path_payload(self._patch_path(request, *ends), *ends)]
            paths = (*(p for p in paths if p not in same), *made)[-KEPT:]
        self.cache.put(key, (details, paths))
        shown = replace(found, cell=cell, details=details, paths=paths if request.path else ())
        return with_context(shown, code=requests.code(request, asked))

    def _patch_path(self, request: PatchRequest, sender: tuple[str, int], receiver: tuple[str, int]) -> Any:
        from saewidgets.causes import path_patch

        asked = self.asked
        return path_patch(
            self.scope, *self._prompts(request), sender[0], receiver[0], self._target(request), asked.position,
            at=[sender[1]], into=None if receiver[1] < 0 else [receiver[1]], controls=asked.controls, seed=asked.seed,
            propagation=request.propagation,
        )  # fmt: skip

    def _ask(self, request: PatchRequest) -> Question:
        """The runs of the prompts; the last ones are kept, for cell after cell is clicked."""
        from saewidgets.causes.picture import KINDS_OF
        from saewidgets.causes.question import ask

        key, asked = self._key(request), self.asked
        if self._question is not None and self._question[0] == key:
            return self._question[1]
        question = ask(
            self.scope, *self._prompts(request), self._target(request), asked.position, kinds=KINDS_OF[request.show],
            dictionary=asked.dictionary, top=asked.top, controls=asked.controls, seed=asked.seed,
            randoms=asked.randoms, propagation=request.propagation, error=request.error_term,
        )  # fmt: skip
        self._question = (key, question)
        return question

    def _prompts(self, request: PatchRequest) -> tuple[Any, Any]:
        """Clean prompts, and the corrupted ones or their noise."""
        if request.corruption == "swap":
            return list(request.clean), list(request.corrupt)
        from saewidgets.causes import Noise
        from saewidgets.causes.pairs import check_lengths

        one, other = (self.scope.model.tokenize(texts[0]) for texts in (request.clean, request.corrupt))
        check_lengths(self.scope, one, other, one)
        places = tuple(i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a != b)
        return list(request.clean), Noise(places, seed=self.asked.seed)

    def _target(self, request: PatchRequest) -> Any:
        if self.asked.target is not None:
            return self.asked.target
        from saewidgets.causes.picture import answers_of

        return answers_of(self.scope, request.clean[0], request.corrupt[0], self.asked.position)

    def _key(self, request: PatchRequest) -> Any:
        """What the map depends on: not on the chosen cell."""
        asked = self.asked
        fixed = (asked.position, asked.dictionary, asked.top, asked.controls, asked.seed)
        # A list of tokens cannot be hashed, nor can a function be told from another by what it does.
        target = tuple(asked.target) if isinstance(asked.target, list) else asked.target
        used = self.scope.dictionaries.get(asked.dictionary or self.scope.default_site)
        held = ByIdentity(self.scope.model), ByIdentity(used), ByIdentity(asked.randoms)
        return replace(request, cell="", path=()), fixed, target, str(asked.regions), held


def strongest(payload: PatchMapPayload) -> str:
    """The cell that restores most: of attention where there is some, else of any block; "" where nothing does."""
    blocks = [b for b in payload.blocks if b.kind == "attention"] or list(payload.blocks)
    best, cell = 0.0, ""
    for block in blocks:
        values = np.abs(np.where(block.beyond(), block.values, 0))
        if values.size and float(values.max()) > best:
            best = float(values.max())
            place, column = np.unravel_index(int(values.argmax()), values.shape)
            cell = f"{block.nodes[column]}:{place}"
    return cell


def _kept(payload: PatchMapPayload, cell: str) -> str:
    """The chosen cell, "" where the map has none such."""
    return cell if cell and payload.where(cell) is not None else ""
