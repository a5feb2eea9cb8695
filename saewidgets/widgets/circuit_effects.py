"""What is measured for a circuit graph in the model: next tokens, effects beside predictions, worth of the pinned part."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from saewidgets.payloads.circuit import CircuitEffect, CircuitWords, CircuitWorth

if TYPE_CHECKING:
    from saewidgets.circuits.graph import AttributionGraph
    from saewidgets.scope import Scope
    from saewidgets.widgets.circuit_request import CircuitRequest

WORDS = 8


def words_of(scope: Scope, request: CircuitRequest, check: Callable[[], None]) -> CircuitWords:
    """The likeliest next tokens, before and after the edits."""
    from saewidgets.runs.tokens import token_strings

    base = scope.run(request.prompt, sites=())
    p = base.logits[-1].float().softmax(-1)
    after = None
    if request.edits:
        check()
        after = scope.run(request.prompt, request.edits, sites=()).logits[-1].float().softmax(-1)
    best = (p if after is None else p.maximum(after)).topk(min(WORDS, len(p))).indices
    strings = token_strings(scope.model.tokenizer, best.tolist())
    return CircuitWords(tuple(strings), p[best].numpy(), None if after is None else after[best].numpy())


def effect_of(
    scope: Scope, graph: AttributionGraph, request: CircuitRequest, pinned: tuple[str, ...],
    check: Callable[[], None], progress: Any,
) -> CircuitEffect | None:  # fmt: skip
    return None


def worth_of(
    scope: Scope, graph: AttributionGraph, request: CircuitRequest, check: Callable[[], None], progress: Any
) -> CircuitWorth | None:
    return None


def proposals(scope: Scope, graph: AttributionGraph, nodes: tuple[str, ...]) -> list[dict[str, Any]]:
    return []

