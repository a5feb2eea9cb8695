"""Many versions of one prompt in few forward passes: each row of a batch has changes of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from saewidgets.explain.contexts import per_forward
from saewidgets.interventions.propagation import Held
from saewidgets.model import Trace, Write
from saewidgets.sites import Site

if TYPE_CHECKING:
    from saewidgets.explain.targets import Target
    from saewidgets.scope import Scope

Array = np.ndarray[Any, Any]
Change: TypeAlias = Callable[[Tensor], Tensor]
"""`[T, d]` at a site -> the same, changed; a new tensor."""
Row: TypeAlias = Mapping[Site, Change]
Tick: TypeAlias = Callable[[int, int], None]
"""Called with how many rows of how many are done; may raise to stop."""
FREE = Held()


def add(delta: Tensor) -> Change:
    """A change that adds `[T, d]`."""
    return lambda value: value + delta.to(value.device, value.dtype)


def put(
    other: Tensor, positions: Sequence[int] | slice = slice(None), columns: slice = slice(None)
) -> Change:  # fmt: skip
    """A change that puts `[T, d]` of another run in place, at some positions and columns."""

    def change(value: Tensor) -> Tensor:
        new = value.clone()
        new[positions, columns] = other[positions, columns].to(value.device, value.dtype)
        return new

    return change


def also(first: Row, then: Row) -> Row:
    """Changes one after the other: where both change a site, the second takes what the first gives."""

    def both(one: Change, two: Change) -> Change:
        return lambda value: two(one(value))

    return {**first, **then, **{site: both(first[site], then[site]) for site in first.keys() & then.keys()}}


@torch.no_grad()
def run_rows(
    scope: Scope, ids: Sequence[int], rows: Sequence[Row], read: Sequence[Site] = (), logits: bool = True,
    held: Held = FREE,
) -> Iterator[tuple[slice, Trace]]:  # fmt: skip
    """Forward passes of one prompt, row r under the changes `rows[r]`.

    Args:
        scope: The model.
        ids: `T` token ids.
        rows: Changes by site.
        read: Sites whose values are wanted.
        logits: Whether logits are wanted.
        held: What stays as in the run that the rows change.

    Yields:
        Which rows, and their trace.
    """
    size = per_forward(len(ids), scope.model.vocab_size if logits else 0)
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        batch = torch.tensor([list(ids)]).repeat(len(part), 1)
        writes = held.held(row_writes(part))
        yield slice(start, start + len(part)), scope.model.trace(batch, read, writes, logits=logits, **held.options)


def row_writes(rows: Sequence[Row]) -> dict[Site, Write]:
    """Writes for `TracedModel.trace` that change each row of a batch by its own changes."""

    def at(site: Site) -> Write:
        def write(value: Tensor, values: Mapping[Site, Tensor], offset: int) -> Tensor:
            del values, offset  # a batch never begins in the middle of its prompt
            every = value.expand(len(rows), *value.shape[1:])  # what is held is one row
            return torch.stack([row[site](own) if site in row else own for row, own in zip(rows, every, strict=True)])

        return write

    return {site: at(site) for site in {site for row in rows for site in row}}


def measure_rows(
    scope: Scope, ids: Sequence[int], rows: Sequence[Row], target: Target, held: Held = FREE, tick: Tick | None = None
) -> Array:
    """`[rows]` float64: the target under the changes of each row."""
    found = np.empty(len(rows))
    for part, trace in run_rows(scope, ids, rows, held=held):
        assert trace.logits is not None
        found[part] = target.measure(trace.logits).double().cpu().numpy()
        if tick is not None:
            tick(part.stop, len(rows))
    return found


def gradient_at(
    scope: Scope, ids: Sequence[int], site: Site, width: int, target: Target, base: Row | None = None, held: Held = FREE
) -> Tensor:
    """`[T, d]`: the gradient of the target with respect to what is at a site; 0 where it does not reach.

    Args:
        scope: The model.
        ids: `T` token ids.
        site: Where.
        width: Of what is there.
        target: Of which.
        base: Changes of the run.
        held: What stays as it is.
    """
    # Of something added there, for what is held has no gradient of its own.
    nothing = torch.zeros(len(ids), width, requires_grad=True)
    row = also(base or {}, {site: add(nothing)})
    trace = scope.model.trace(list(ids), [], held.held(row_writes([row])), grad=True, **held.options)
    assert trace.logits is not None
    [slope] = torch.autograd.grad(target.measure(trace.logits).sum(), [nothing], allow_unused=True)
    return torch.zeros_like(nothing) if slope is None else slope.detach()
