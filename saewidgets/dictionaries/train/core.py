"""What the loop and the architectures say to each other.

An architecture is a module of three functions: `initial` makes parameters, `loss` says what one batch costs, `finish`
folds the parameters into a `Dictionary` in the units of the model. It keeps no state: what must last between batches
and is not learnt (a threshold that is estimated) goes in and out as `buffers`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from saewidgets.dictionaries.interface import Dictionary
from saewidgets.dictionaries.train.plan import TrainingPlan
from saewidgets.sites import Site

Params: TypeAlias = dict[str, Tensor]
Buffers: TypeAlias = dict[str, Tensor]
Sites: TypeAlias = tuple[tuple[Site, ...], tuple[Site, ...]]
"""What a dictionary reads and what it writes; several of each for a crosscoder."""


@dataclass(frozen=True, eq=False)
class Frame:
    """What does not change while one dictionary is trained.

    Args:
        plan: Every choice.
        widths: Sizes of the sites in the input; more than one for a crosscoder.
        transcodes: Whether it writes elsewhere than it reads.
        x_scale: `[d_in]`; activations are divided by it.
        y_scale: `[d_out]`, the same for what is written.
        centre: `[d_out]`: the middle of the scaled targets.
        variance: Mean squared distance of scaled targets from their mean.
        spread: Root mean square of what an encoder reads, over tokens and dimensions.
    """

    plan: TrainingPlan
    widths: tuple[int, ...]
    transcodes: bool
    x_scale: Tensor
    y_scale: Tensor
    centre: Tensor
    variance: float
    spread: float

    @property
    def d_in(self) -> int:
        """Size of the input."""
        return len(self.x_scale)

    @property
    def d_out(self) -> int:
        """Size of the output."""
        return len(self.y_scale)

    @property
    def unit(self) -> float:
        """What an error counts as large: the variance of the targets, or one nat end to end."""
        return self.variance if self.plan.end_to_end == "none" else 1.0

    @property
    def subtracts(self) -> bool:
        """Whether the decoder bias is subtracted from the input."""
        return self.plan.subtract_b_dec and not self.transcodes


@dataclass(frozen=True, eq=False)
class Batch:
    """Scaled activations of one update and what an error in them costs.

    Args:
        x: `[n, d_in]`.
        y: `[n, d_out]`.
        fidelity: Scaled output -> loss of each item.
    """

    x: Tensor
    y: Tensor
    fidelity: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Moment:
    """Where in the run a batch is.

    Args:
        share: Part of the run behind us, from 0 to 1.
        sparsity: Coefficient of the sparsity penalty, warmed up.
        k: Features a token.
        dead: `[features]` whether each is dead, `None` while none is.
    """

    share: float
    sparsity: float
    k: int
    dead: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one batch costs.

    Args:
        loss: What is minimised.
        parts: Its terms by name, unweighted.
        output: `[n, d_out]`, scaled.
        fired: `[features]`: on how many tokens each was active.
        buffers: Their new values.
    """

    loss: Tensor
    parts: Mapping[str, Tensor]
    output: Tensor
    fired: Tensor
    buffers: Buffers

    def detached(self) -> Outcome:
        """The same numbers without their graph, which would hold the batch's memory."""
        parts = {name: value.detach() for name, value in self.parts.items()}
        return Outcome(self.loss.detach(), parts, self.output.detach(), self.fired, self.buffers)


class Architecture(Protocol):
    """The functions every module of `architectures/` has."""

    def initial(self, frame: Frame, draw: torch.Generator) -> tuple[Params, Buffers]:
        """Parameters and buffers to begin with."""

    def loss(self, params: Params, buffers: Buffers, batch: Batch, frame: Frame, now: Moment) -> Outcome:
        """What one batch costs."""

    def finish(self, params: Params, buffers: Buffers, frame: Frame, sites: Sites) -> Dictionary:
        """The dictionary, in the units of the model."""


def risk(losses: Tensor, tilt: float) -> Tensor:
    """The mean of losses, or their tilted risk `log(mean(exp(t l))) / t`, which weighs the worst more."""
    if not tilt:
        return losses.mean()
    return (torch.logsumexp(tilt * losses.flatten(), 0) - math.log(losses.numel())) / tilt
