"""Feature choice (Ayonrinde 2411.02124): every feature takes its strongest tokens, so that none is left unused.

The budget is that of TopK, `k · batch` entries, shared among features equally or by a power of their rank (`zipf`). At
inference each feature has a threshold: the running mean of the least value it kept.
"""

from __future__ import annotations

import torch
from torch import Tensor

from saewidgets.dictionaries.interface import Dictionary
from saewidgets.dictionaries.train import chosen, linear
from saewidgets.dictionaries.train.architectures import counted
from saewidgets.dictionaries.train.core import Batch, Buffers, Frame, Moment, Outcome, Params, Sites
from saewidgets.dictionaries.train.plan import TrainingPlan


def initial(frame: Frame, draw: torch.Generator) -> tuple[Params, Buffers]:
    """Parameters; one threshold a feature."""
    return linear.initial(frame, draw), counted.threshold_buffers(frame, frame.plan.d_dict)


def budgets(plan: TrainingPlan, k: int, tokens: int) -> Tensor:
    """`[d_dict]`: how many of `tokens` each feature takes, at least one, `k * tokens` in all but for rounding."""
    weight = (torch.arange(plan.d_dict) + 1.0).pow(-plan.zipf)
    return (weight / weight.sum() * k * tokens).round().clamp(1, tokens).long()


def loss(params: Params, buffers: Buffers, batch: Batch, frame: Frame, now: Moment) -> Outcome:
    """What one batch costs."""
    share = budgets(frame.plan, now.k, len(batch.x)).to(batch.x.device)
    values, entries = counted.encode(params, batch.x, frame, lambda pre: chosen.best_of_columns(pre, share))
    least = values.new_full((frame.plan.d_dict,), torch.inf).detach()
    least = least.scatter_reduce(0, entries.column, values.detach(), "amin")
    buffers = counted.follow(buffers, least)
    written = counted.outputs(params, batch.x, values, entries, [frame.plan.d_dict])
    return counted.outcome(params, buffers, batch, frame, now, values=values, entries=entries, written=written)


def finish(params: Params, buffers: Buffers, frame: Frame, sites: Sites) -> Dictionary:
    """The dictionary, in the units of the model: a JumpReLU."""
    return counted.finish(params, buffers, frame, sites, "feature_choice")
