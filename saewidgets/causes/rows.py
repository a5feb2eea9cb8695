"""Many versions of one prompt in few forward passes: each row of a batch has changes of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from saewidgets.explain.contexts import per_forward
from saewidgets.model import Trace
from saewidgets.sites import Site

if TYPE_CHECKING:
    from saewidgets.explain.targets import Target
    from saewidgets.scope import Scope

Array = np.ndarray[Any, Any]
Change: TypeAlias = Callable[[Tensor], Tensor]
"""`[T, d]` at a site -> the same, changed; a new tensor."""
Row: TypeAlias = Mapping[Site, Change]


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


@torch.no_grad()
def run_rows(
    scope: Scope, ids: Sequence[int], rows: Sequence[Row], read: Sequence[Site] = (), logits: bool = True
) -> Iterator[tuple[slice, Trace]]:
    """Forward passes of one prompt, row r under the changes `rows[r]`.

    Args:
        scope: The model.
        ids: `T` token ids.
        rows: Changes by site.
        read: Sites whose values are wanted.
        logits: Whether logits are wanted.

    Yields:
        Which rows, and their trace.
    """
    size = per_forward(len(ids), scope.model.vocab_size if logits else 0)
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        batch = torch.tensor([list(ids)]).repeat(len(part), 1)
        yield slice(start, start + len(part)), scope.model.trace(batch, read, row_writes(part), logits=logits)


def row_writes(rows: Sequence[Row]) -> dict[Site, Any]:
    """Writes for `TracedModel.trace` that change each row of a batch by its own changes."""

    def at(site: Site) -> Any:
        def write(value: Tensor, values: Mapping[Site, Tensor], offset: int) -> Tensor:
            del values, offset  # a batch never begins in the middle of its prompt
            return torch.stack(
                [row[site](own) if site in row else own for row, own in zip(rows, value, strict=True)]
            )  # fmt: skip

        return write

    return {site: at(site) for site in {site for row in rows for site in row}}


def measure_rows(scope: Scope, ids: Sequence[int], rows: Sequence[Row], target: Target) -> Array:
    """`[rows]` float64: the target under the changes of each row."""
    found = np.empty(len(rows))
    for part, trace in run_rows(scope, ids, rows):
        assert trace.logits is not None
        found[part] = target.measure(trace.logits).double().cpu().numpy()
    return found
