"""A prompt made ready for causal questions: run once, its target read, its gradient taken, its features encoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from saewidgets.causes.controls import Conditions, check_error, first_token
from saewidgets.causes.pairs import without_error
from saewidgets.causes.rows import FREE, Row, add, also, gradient_at, measure_rows, row_writes
from saewidgets.dictionaries import Dictionary
from saewidgets.explain.contexts import as_rows
from saewidgets.explain.encoded import Encoded, encode_prompt
from saewidgets.explain.influence import integrated_gradient
from saewidgets.explain.targets import Asked, Target, read_target
from saewidgets.interventions.propagation import Held, hold_at
from saewidgets.model import Trace
from saewidgets.sites import Site

if TYPE_CHECKING:
    from saewidgets.scope import Scope

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Prepared:
    """One prompt with its target, and the gradient of the target where a dictionary writes.

    Args:
        scope: The model.
        ids: `T` token ids.
        target: What is asked about.
        value: The target as it is, without the error term if that is dropped.
        trace: The run, read where the dictionary reads and writes.
        site: Where the dictionary writes.
        gradient: `[T, d_out]` of the target there, 0 where it does not reach.
        first: First position that is text.
        base: What every run begins with: an error term that is dropped.
        held: What stays as it is.
    """

    scope: Scope
    ids: tuple[int, ...]
    target: Target
    value: float
    trace: Trace
    site: Site
    gradient: Tensor
    first: int
    base: Row
    held: Held = FREE

    def encode(self, key: str, dictionary: Dictionary) -> Encoded:
        """A dictionary of the same place on this prompt: the trained one, or one to compare it with."""
        return encode_prompt(key, dictionary, self.trace)

    def lost(self, encoded: Encoded, parts: Sequence[Tensor]) -> Array:
        """`[parts]` what the target loses without some activations of a dictionary."""
        return self.lost_by([encoded.written(part) for part in parts])

    def lost_by(self, deltas: Sequence[Tensor]) -> Array:
        """`[deltas]` what the target loses when `[T, d_out]` is taken out where the dictionary writes."""
        rows = [self.without(delta) for delta in deltas]
        return self.value - measure_rows(self.scope, self.ids, rows, self.target, self.held)

    def without(self, delta: Tensor) -> Row:
        """The run in which `[T, d_out]` is taken out."""
        return also(self.base, {self.site: add(-delta)})

    def integrated(self, encoded: Encoded, steps: int) -> Tensor:
        """`[T, d_out]`: the target's mean gradient while all features of a dictionary rise from 0."""
        base = None
        if self.site in self.base:
            value = self.trace.values[self.site][0]
            base = self.base[self.site](value) - value
        return integrated_gradient(self.scope, self.ids, encoded, self.target, steps, base, self.held)

    def entries(self, encoded: Encoded) -> Tensor:
        """Activations at tokens that are text."""
        return (encoded.sparse.rows >= self.first).nonzero()[:, 0]

    def features(self, encoded: Encoded) -> dict[int, Tensor]:
        """Feature -> its activations at tokens that are text, features rising."""
        entries = self.entries(encoded)
        index = encoded.sparse.index[entries]
        return {int(i): entries[index == i] for i in index.unique()}


def prepare(
    scope: Scope, prompt: str | Sequence[int], key: str, target: Asked, position: int = -1,
    conditions: Conditions | None = None,
) -> Prepared:  # fmt: skip
    """Run a prompt once, with the gradient of its target where a dictionary writes.

    Args:
        scope: A model with its dictionaries.
        prompt: A text, or token ids.
        key: Of the dictionary.
        target: As in `explain.influence`.
        position: After which token it is predicted.
        conditions: Error policy and propagation; kept and free if None.

    Raises:
        EditError: No such propagation or error policy.
        PromptError: The position is outside the prompt, or the target is not one token.
        SiteError: No such dictionary.
    """
    [ids] = as_rows(scope, [prompt])
    dictionary, conditions = scope.dictionaries[key], conditions or Conditions(1, 1, 0)
    site, first = dictionary.site_out, first_token(scope, ids)
    trace = scope.model.trace(list(ids), [dictionary.site_in, site])
    assert trace.logits is not None
    read = read_target(scope, target, position, trace.logits[0])
    base: Row = without_error(trace, dictionary, first) if check_error(conditions.error) == "dropped" else {}
    held = hold_at(scope.model, ids, conditions.propagation, {site}, row_writes([base]))
    value = float(measure_rows(scope, ids, [base], read, held)[0])
    gradient = gradient_at(scope, ids, site, dictionary.d_out, read, base, held)
    return Prepared(scope, ids, read, value, trace, site, gradient, first, base, held)
