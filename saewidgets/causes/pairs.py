"""`Pair`: a clean and a corrupted prompt of one length, both run, with how far a target lies apart between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from saewidgets.causes.controls import first_token
from saewidgets.causes.rows import Row, measure_rows
from saewidgets.errors import PromptError
from saewidgets.explain.contexts import as_rows
from saewidgets.explain.targets import Asked, Target, read_target
from saewidgets.model import Trace
from saewidgets.sites import Site

if TYPE_CHECKING:
    from saewidgets.scope import Scope

Array = np.ndarray[Any, Any]
Prompts: TypeAlias = "str | Sequence[int] | Sequence[str] | Sequence[Sequence[int]]"
"""One prompt (text or token ids), or several of one length."""


@dataclass(frozen=True, eq=False)
class Pair:
    """Two prompts of T tokens.

    Args:
        scope: The model.
        clean_ids, corrupt_ids: `T` token ids each.
        clean, corrupt: Their runs, without any change.
        target: What is measured, the same for both.
        low, high: The target on the corrupted and on the clean prompt.
        first: First position that is text.
    """

    scope: Scope
    clean_ids: tuple[int, ...]
    corrupt_ids: tuple[int, ...]
    clean: Trace
    corrupt: Trace
    target: Target
    low: float
    high: float
    first: int

    def restored(self, rows: Sequence[Row]) -> Array:
        """`[rows]`: 0 where the target is that of the corrupted prompt, 1 where it is that of the clean one."""
        found = measure_rows(self.scope, self.corrupt_ids, rows, self.target) if rows else np.zeros(0)
        return (found - self.low) / (self.high - self.low)

    def values(self, site: Site) -> tuple[Tensor, Tensor]:
        """`[T, d]` of the clean and of the corrupted run."""
        return self.clean.values[site][0], self.corrupt.values[site][0]


def read_pairs(
    scope: Scope, clean: Prompts, corrupt: Prompts, target: Asked, position: int, sites: Sequence[Site]
) -> list[Pair]:
    """Run clean and corrupted prompts.

    Args:
        scope: The model.
        clean: One prompt, or several.
        corrupt: As many.
        target: As in `explain.influence`; None is the likeliest token of each clean prompt.
        position: After which token it is predicted.
        sites: What is read.

    Raises:
        PromptError: Not equally many, lengths differ, or the target is the same on both prompts.
    """
    pairs = []
    cleans, corrupts = _several(scope, clean), _several(scope, corrupt)
    if len(cleans) != len(corrupts):
        raise PromptError(f"{len(cleans)} clean prompts, {len(corrupts)} corrupted ones.", "Give pairs.")
    for one, other in zip(cleans, corrupts, strict=True):
        if len(one) != len(other) or len(one) != len(cleans[0]):
            raise PromptError(
                f"Prompts of {len(one)} and {len(other)} tokens, the first of {len(cleans[0])}.",
                "Give prompts of one length: swap words for words of as many tokens.",
            )
        with torch.no_grad():
            runs = [scope.model.trace(list(ids), sites) for ids in (one, other)]
        assert runs[0].logits is not None and runs[1].logits is not None
        asked = read_target(scope, target, position, runs[0].logits[0])
        high, low = (float(asked.measure(run.logits)[0].double()) for run in runs if run.logits is not None)
        if abs(high - low) < 1e-6 * max(1.0, abs(high)):
            raise PromptError(f"The target is {high:.4g} on both prompts.", "Change what it depends on.")
        pairs.append(Pair(scope, one, other, runs[0], runs[1], asked, low, high, first_token(scope, one)))
    return pairs


def _several(scope: Scope, prompts: Prompts) -> list[tuple[int, ...]]:
    """Rows of token ids; a flat list of ids is one prompt."""
    flat = not isinstance(prompts, str) and all(isinstance(item, int | np.integer) for item in prompts)
    return as_rows(scope, [prompts] if flat else prompts)
