"""Many lists of edits along one text that was written without any: what propagation modes of a run can say of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor

from saewidgets.interventions import Edit
from saewidgets.interventions.propagation import hold
from saewidgets.interventions.rows import RowWrites
from saewidgets.interventions.writes import make_writes
from saewidgets.runs.control import turned

if TYPE_CHECKING:
    from saewidgets.runs.generation import Generation
    from saewidgets.scope import Scope

Version: TypeAlias = "tuple[tuple[Edit, ...], int | None]"
"""Edits, and the seed of a random direction in which their change is made instead, or `None`."""


def along(
    scope: Scope, text: Generation, versions: Sequence[Version], propagation: str, rows: int,
    check: Callable[[], None],
) -> Iterator[tuple[int, Tensor]]:  # fmt: skip
    """Run one text under each version.

    Args:
        scope: The model and its dictionaries.
        text: Written without edits.
        versions: What is done.
        propagation: One of `interventions.PROPAGATIONS`.
        rows: Versions of one forward.
        check: Called before each forward; raises to stop.

    Yields:
        The first version of a batch, and `[versions, new tokens, vocab]` log probabilities of each new token's place.
    """
    ids, model = list(text.token_ids), scope.model
    made = {
        edits: make_writes(replace(text, edits=edits).edits_in_run, scope.dictionaries, model, len(ids))
        for edits in dict.fromkeys(edits for edits, _ in versions)
    }
    every = [write for writes in made.values() for write in writes.values()]
    check()
    held = hold(model, ids, propagation, every)
    read = {site for write in every for site in write.reads}
    for start in range(0, len(versions), rows):
        check()
        part = versions[start : start + rows]
        writes = [made[edits] if seed is None else turned(made[edits], seed) for edits, seed in part]
        batch = RowWrites.of([held.held(one) for one in writes])
        trace = model.trace(torch.tensor(ids).repeat(len(part), 1), read, batch, **held.options)
        assert trace.logits is not None
        yield start, trace.logits[:, text.n_prompt - 1 : len(ids) - 1].float().log_softmax(-1).cpu()
