"""Feature-aligned training (Marks et al. 2411.01220): several dictionaries at once, drawn towards the same features.

`loss = Σ_n loss_n + γ mean over pairs of (1 - MMCS)`, MMCS being the mean over features of one dictionary of the
greatest cosine with a feature of the other.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from saewidgets.dictionaries.interface import Dictionary
from saewidgets.dictionaries.train.core import Architecture, Batch, Buffers, Frame, Moment, Outcome, Params, Sites


def mmcs(first: Tensor, second: Tensor) -> Tensor:
    """Mean over rows of `first` of the greatest cosine with a row of `second`."""
    return (normalize(first, dim=1) @ normalize(second, dim=1).T).max(1).values.mean()


def part(tensors: dict[str, Tensor], copy: int) -> dict[str, Tensor]:
    """The tensors of one copy, under their own names."""
    prefix = f"{copy}."
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _named(tensors: dict[str, Tensor], copy: int) -> dict[str, Tensor]:
    return {f"{copy}.{name}": value for name, value in tensors.items()}


class Aligned:
    """An architecture, `plan.copies` times.

    Args:
        base: The architecture.
    """

    def __init__(self, base: Architecture) -> None:
        self._base = base

    def initial(self, frame: Frame, draw: torch.Generator) -> tuple[Params, Buffers]:
        """Parameters and buffers of all copies; their first values differ."""
        params: Params = {}
        buffers: Buffers = {}
        for copy in range(frame.plan.copies):
            one, own = self._base.initial(frame, draw)
            params |= _named(one, copy)
            buffers |= _named(own, copy)
        return params, buffers

    def loss(self, params: Params, buffers: Buffers, batch: Batch, frame: Frame, now: Moment) -> Outcome:
        """What one batch costs; terms are means over the copies."""
        copies = range(frame.plan.copies)
        dead = [None] * len(copies) if now.dead is None else now.dead.chunk(len(copies))
        moments = [replace(now, dead=None if mine is None or not mine.any() else mine) for mine in dead]
        found = [
            self._base.loss(part(params, copy), part(buffers, copy), batch, frame, moments[copy]) for copy in copies
        ]
        pairs = [mmcs(params[f"{a}.W_dec"], params[f"{b}.W_dec"]) for a, b in combinations(copies, 2)]
        apart = 1 - torch.stack(pairs).mean()
        names = {name for outcome in found for name in outcome.parts}
        parts = {n: torch.stack([o.parts[n] for o in found if n in o.parts]).mean() for n in sorted(names)}
        kept: Buffers = {}
        for copy in copies:
            kept |= _named(found[copy].buffers, copy)
        loss = torch.stack([outcome.loss for outcome in found]).sum() + frame.plan.align * apart
        fired = torch.cat([outcome.fired for outcome in found])
        return Outcome(loss, parts | {"apart": apart}, found[0].output, fired, kept)

    def finish(self, params: Params, buffers: Buffers, frame: Frame, sites: Sites) -> Dictionary:
        """The dictionary of one copy's parameters (see `part`)."""
        return self._base.finish(params, buffers, frame, sites)
