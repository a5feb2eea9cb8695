"""A prompt made ready for causal questions: run once, its target read, its gradient taken, its features encoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from saewidgets.causes.controls import first_token
from saewidgets.causes.rows import Row, add, measure_rows
from saewidgets.dictionaries import Dictionary
from saewidgets.explain.contexts import as_rows
from saewidgets.explain.encoded import Encoded, encode_prompt
from saewidgets.explain.targets import Asked, Target, read_target
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
        value: The target as it is.
        trace: The run, read where the dictionary reads and writes.
        site: Where the dictionary writes.
        gradient: `[T, d_out]` of the target there, 0 where it does not reach.
        first: First position that is text.
    """

    scope: Scope
    ids: tuple[int, ...]
    target: Target
    value: float
    trace: Trace
    site: Site
    gradient: Tensor
    first: int

    def encode(self, key: str, dictionary: Dictionary) -> Encoded:
        """A dictionary of the same place on this prompt: the trained one, or one to compare it with."""
        return encode_prompt(key, dictionary, self.trace)

    def lost(self, encoded: Encoded, parts: Sequence[Tensor]) -> Array:
        """`[parts]` what the target loses without some activations of a dictionary, error kept."""
        return self.lost_by([encoded.written(part) for part in parts])

    def lost_by(self, deltas: Sequence[Tensor]) -> Array:
        """`[deltas]` what the target loses when `[T, d_out]` is taken out where the dictionary writes."""
        rows: list[Row] = [{self.site: add(-delta)} for delta in deltas]
        return self.value - measure_rows(self.scope, self.ids, rows, self.target)

    def entries(self, encoded: Encoded) -> Tensor:
        """Activations at tokens that are text."""
        return (encoded.sparse.rows >= self.first).nonzero()[:, 0]

    def features(self, encoded: Encoded) -> dict[int, Tensor]:
        """Feature -> its activations at tokens that are text, features rising."""
        entries = self.entries(encoded)
        index = encoded.sparse.index[entries]
        return {int(i): entries[index == i] for i in index.unique()}


def prepare(
    scope: Scope,
    prompt: str | Sequence[int],
    key: str,
    target: Asked,
    position: int = -1,
    measure: Target | None = None,
) -> Prepared:
    """Run a prompt once, with the gradient of its target where a dictionary writes.

    Args:
        scope: A model with its dictionaries.
        prompt: A text, or token ids.
        key: Of the dictionary.
        target: As in `explain.influence`.
        position: After which token it is predicted.
        measure: A target that was read already.

    Raises:
        PromptError: The position is outside the prompt, or the target is not one token.
        SiteError: No such dictionary.
    """
    [ids] = as_rows(scope, [prompt])
    dictionary = scope.dictionaries[key]
    trace = scope.model.trace(list(ids), [dictionary.site_in, dictionary.site_out], grad=True)
    assert trace.logits is not None
    read = measure or read_target(scope, target, position, trace.logits[0].detach())
    value = read.measure(trace.logits)
    [slope] = torch.autograd.grad(value.sum(), [trace.values[dictionary.site_out]], allow_unused=True)
    gradient = torch.zeros(len(ids), dictionary.d_out) if slope is None else slope[0]
    return Prepared(
        scope, ids, read, float(value.detach()[0]), trace, dictionary.site_out, gradient, first_token(scope, ids)
    )
