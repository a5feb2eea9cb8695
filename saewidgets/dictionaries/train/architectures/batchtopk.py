"""BatchTopK (Bussmann et al. 2412.06410): the `k · batch` greatest positive pre-activations of a batch.

It is also mutual choice (Ayonrinde 2411.02124): features and tokens share one budget. At inference a threshold takes
the place of the batch: the running mean of the least value that was kept.
"""

from __future__ import annotations

import torch

from saewidgets.dictionaries.interface import Dictionary
from saewidgets.dictionaries.train import chosen, linear
from saewidgets.dictionaries.train.architectures import counted
from saewidgets.dictionaries.train.core import Batch, Buffers, Frame, Moment, Outcome, Params, Sites


def initial(frame: Frame, draw: torch.Generator) -> tuple[Params, Buffers]:
    """Parameters; the threshold."""
    return linear.initial(frame, draw), counted.threshold_buffers(frame)


def loss(params: Params, buffers: Buffers, batch: Batch, frame: Frame, now: Moment) -> Outcome:
    """What one batch costs; with nested sizes (Matryoshka), the mean over them."""
    count = now.k * len(batch.x)
    values, entries = counted.encode(params, batch.x, frame, lambda pre: chosen.best_of_all(pre, count))
    least = values.detach().min() if len(values) else torch.tensor(torch.inf)
    buffers = counted.follow(buffers, least)
    written = counted.outputs(params, batch.x, values, entries, frame.plan.nested)
    return counted.outcome(params, buffers, batch, frame, now, values=values, entries=entries, written=written)


def finish(params: Params, buffers: Buffers, frame: Frame, sites: Sites) -> Dictionary:
    """The dictionary, in the units of the model: a JumpReLU with one threshold."""
    return counted.finish(params, buffers, frame, sites, "batchtopk")
