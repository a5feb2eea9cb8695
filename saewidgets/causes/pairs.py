"""`Pair`: a clean and a corrupted prompt of one length, both run, with how far a target lies apart between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch

from saewidgets.causes.controls import first_token
from saewidgets.causes.noise import Noise, noisy
from saewidgets.causes.rows import FREE, Row, Tick, add, also, gradient_at, measure_rows, row_writes
from saewidgets.dictionaries import Dictionary
from saewidgets.errors import AlignmentError, PromptError, shorten
from saewidgets.explain.chosen import words
from saewidgets.explain.contexts import as_rows
from saewidgets.explain.targets import Asked, Target, read_target
from saewidgets.interventions.propagation import Held, hold_at
from saewidgets.model import Trace
from saewidgets.sites import Site

if TYPE_CHECKING:
    from torch import Tensor

    from saewidgets.scope import Scope

Array = np.ndarray[Any, Any]
Prompts: TypeAlias = "str | Sequence[int] | Sequence[str] | Sequence[Sequence[int]]"
"""One prompt (text or token ids), or several of one length."""
_MOST_PAIRS = 400


@dataclass(frozen=True, eq=False)
class Pair:
    """Two prompts of T tokens.

    Args:
        scope: The model.
        clean_ids, corrupt_ids: `T` token ids each.
        clean, corrupt: Their runs; the corrupted one with its noise, if it has any.
        target: What is measured, the same for both.
        low, high: The target on the corrupted and on the clean prompt.
        first: First position that is text.
        base: What makes the corrupted run besides its prompt: noise, an error term that is dropped.
        held: What stays as in the corrupted run when something is changed.
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
    base: Row
    held: Held = FREE

    def restored(self, rows: Sequence[Row], tick: Tick | None = None) -> Array:
        """`[rows]`: 0 where the target is that of the corrupted prompt, 1 where it is that of the clean one."""
        if not rows:
            return np.zeros(0)
        every = [also(self.base, row) for row in rows]
        found = measure_rows(self.scope, self.corrupt_ids, every, self.target, self.held, tick)
        return (found - self.low) / (self.high - self.low)

    def values(self, site: Site) -> tuple[Tensor, Tensor]:
        """`[T, d]` of the clean and of the corrupted run."""
        return self.clean.values[site][0], self.corrupt.values[site][0]

    def gradient(self, site: Site, width: int) -> Tensor:
        """`[T, d]` of the target on the corrupted prompt."""
        return gradient_at(self.scope, self.corrupt_ids, site, width, self.target, self.base, self.held)


def read_pairs(
    scope: Scope, clean: Prompts, corrupt: Prompts | Noise, target: Asked, position: int, sites: Sequence[Site],
    propagation: str = "free", dropped: Dictionary | None = None,
) -> list[Pair]:  # fmt: skip
    """Run clean and corrupted prompts.

    Args:
        scope: The model.
        clean: One prompt, or several.
        corrupt: As many; or noise on the clean ones, each draw of which is a pair.
        target: As in `explain.influence`; None is the likeliest token of each clean prompt.
        position: After which token it is predicted.
        sites: What is read and written.
        propagation: One of `interventions.PROPAGATIONS`.
        dropped: A dictionary whose error term both runs go without.

    Raises:
        EditError: No such propagation, or nothing to put noise on.
        PromptError: Not equally many, lengths differ, or the target is the same on both prompts.
    """
    cleans = _several(scope, clean)
    noise = corrupt if isinstance(corrupt, Noise) else None
    corrupts = cleans if isinstance(corrupt, Noise) else _several(scope, corrupt)
    if len(cleans) != len(corrupts):
        raise PromptError(f"{len(cleans)} clean prompts, {len(corrupts)} corrupted ones.", "Give pairs.")
    pairs = []
    for one, other in zip(cleans, corrupts, strict=True):
        check_lengths(scope, one, other, cleans[0])
        for base in [{}] if noise is None else noisy(scope, one, noise):
            pairs.append(_pair(scope, (one, other), target, position, sites, base, propagation, dropped))
    return pairs


def _pair(
    scope: Scope, ids: tuple[tuple[int, ...], tuple[int, ...]], target: Asked, position: int, sites: Sequence[Site],
    base: Row, propagation: str, dropped: Dictionary | None,
) -> Pair:  # fmt: skip
    model, bases = scope.model, [{}, base]
    with torch.no_grad():
        runs = [model.trace(list(i), sites, row_writes([b])) for i, b in zip(ids, bases, strict=True)]
        first = first_token(scope, ids[0])
        if dropped is not None:
            bases = [also(b, without_error(run, dropped, first)) for b, run in zip(bases, runs, strict=True)]
    assert runs[0].logits is not None
    asked = read_target(scope, target, position, runs[0].logits[0])
    high, low = (float(measure_rows(scope, i, [b], asked)[0]) for i, b in zip(ids, bases, strict=True))
    if abs(high - low) < 1e-6 * max(1.0, abs(high)):
        raise PromptError(f"The target is {high:.4g} on both prompts.", "Change what it depends on.")
    held = hold_at(model, ids[1], propagation, {*sites, *bases[1]}, row_writes([bases[1]]))
    return Pair(scope, ids[0], ids[1], runs[0], runs[1], asked, low, high, first, bases[1], held)


def without_error(trace: Trace, dictionary: Dictionary, first: int) -> Row:
    """What takes the error term of a dictionary out of a run that was read at both of its sites."""
    target = trace.values[dictionary.site_out][0]
    x = trace.values[dictionary.site_in][0].to(dictionary.device)
    error = target.to(dictionary.device, torch.float32) - dictionary.reconstruct(x).float()
    error[:first] = 0
    return {dictionary.site_out: add(-error)}


def check_lengths(scope: Scope, one: Sequence[int], other: Sequence[int], first: Sequence[int]) -> None:
    """Raise for prompts of unequal length, naming the words that do not fit.

    Raises:
        AlignmentError: They have not equally many tokens; it holds both, aligned.
    """
    if len(one) == len(other) == len(first):
        return
    what = f"Prompts of {len(one)} and {len(other)} tokens, the first of {len(first)}."
    for kind, a, b, c, d in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if kind != "equal" and b - a != d - c:
            mine, theirs = ("".join(words(scope, part)) or "nothing" for part in (one[a:b], other[c:d]))
            what += f" {shorten(mine)} ({b - a} tokens) stands against {shorten(theirs)} ({d - c})."
            break
    todo = "Give prompts of one length: swap words for words of as many tokens."
    raise AlignmentError(what, todo, aligned(scope, one, other))


def aligned(scope: Scope, one: Sequence[int], other: Sequence[int]) -> tuple[tuple[str, str], ...]:
    """Two prompts token by token, of each one's tokens `""` where only the other has one.

    Args:
        scope: Has the tokenizer.
        one: Token ids.
        other: Token ids. What lies beyond the first 400 pairs is left out.

    Example:
        >>> import saewidgets as sw
        >>> scope = sw.demo()
        >>> aligned(scope, *(scope.model.tokenize(text)[1:] for text in ("Tom ran.", "Tom ran away.")))
        (('Tom', 'Tom'), (' ran', ' ran'), ('', ' away'), ('.', '.'))
    """
    found: list[tuple[str, str]] = []
    for _, a, b, c, d in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        sides = words(scope, one[a:b]), words(scope, other[c:d])
        found += zip_longest(*sides, fillvalue="")
    return tuple(found[:_MOST_PAIRS])


def _several(scope: Scope, prompts: Prompts) -> list[tuple[int, ...]]:
    """Rows of token ids; a flat list of ids is one prompt."""
    flat = not isinstance(prompts, str) and all(isinstance(item, int | np.integer) for item in prompts)
    return as_rows(scope, [prompts] if flat else prompts)
