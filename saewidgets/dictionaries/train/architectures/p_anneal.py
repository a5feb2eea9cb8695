"""p-annealing (Karvonen et al. 2408.00113): ReLU with `λ Σ f^p`, p falling from 1 to `p_end` in steps.

At each step of p the coefficient is rescaled so that the penalty keeps its value; only its shape changes. Close to 0
the power is taken of `f + ε`, since its slope would be infinite.
"""

from __future__ import annotations

import torch
from torch import Tensor

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.dictionaries.train import chosen, finished, linear
from saewidgets.dictionaries.train.architectures import penalised
from saewidgets.dictionaries.train.core import Batch, Buffers, Frame, Moment, Outcome, Params, Sites
from saewidgets.dictionaries.train.plan import TrainingPlan

EPSILON = 1e-2
_LEVELS = 10


def initial(frame: Frame, draw: torch.Generator) -> tuple[Params, Buffers]:
    """Parameters; the power and the factor of the coefficient."""
    device = frame.y_scale.device
    return linear.initial(frame, draw), {"p": torch.ones((), device=device), "factor": torch.ones((), device=device)}


def power(f: Tensor, p: float) -> Tensor:
    """`(f + ε)^p - ε^p`."""
    return (f + EPSILON).pow(p) - EPSILON**p


def power_at(share: float, plan: TrainingPlan) -> float:
    """The power after a share of the run."""
    moved = max(0.0, (share - plan.p_start) / max(1e-9, 1 - plan.p_start))
    level = min(_LEVELS, int(moved * (_LEVELS + 1)))
    return 1 - (1 - plan.p_end) * level / _LEVELS


def loss(params: Params, buffers: Buffers, batch: Batch, frame: Frame, now: Moment) -> Outcome:
    """What one batch costs."""
    pre, places = linear.encode(params, batch.x, frame, chosen.above(0.0))
    f = pre.relu()
    weights = linear.row_weights(params["W_dec"], frame)
    p, before = power_at(now.share, frame.plan), float(buffers["p"])
    factor = buffers["factor"]
    if abs(p - before) > 1e-6:
        with torch.no_grad():
            old, new = (chosen.mean_sum(power(f, level), weights, places) for level in (before, p))
            factor = factor * old / new.clamp_min(1e-12)
        buffers = {"p": torch.full_like(factor, p), "factor": factor}
    penalty = factor * chosen.mean_sum(f if p == 1 else power(f, p), weights, places)
    return penalised.outcome(params, buffers, batch, frame, now, f=f, places=places, penalty=penalty)


def finish(params: Params, buffers: Buffers, frame: Frame, sites: Sites) -> Dictionary:
    """The dictionary, in the units of the model."""
    return finished.dictionary(params, Activation("relu"), frame, sites, "p_anneal")
