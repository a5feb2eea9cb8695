"""JumpReLU (Rajamanoharan et al. 2407.14435): `f = h · 1[h > θ]`, `loss = |x - x'|² + λ L0`.

λ counts in the variance of one dimension, so that a feature costs the same share of the data wherever they lie; with
`target_l0` the penalty is `λ (L0 / target - 1)²` of the whole variance.

Thresholds are learnt as logarithms. Their gradients, 0 almost everywhere, are estimated with a rectangle kernel of
width ε around the threshold: `df/dθ = -(θ/ε) K((h - θ)/ε)`, `dL0/dθ = -(1/ε) K((h - θ)/ε)`. Where θ begins and ε are in
units of the pre-activations at the beginning, so that the kernel holds enough of them whatever the data.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.dictionaries.train import chosen, finished, linear
from saewidgets.dictionaries.train.architectures import penalised
from saewidgets.dictionaries.train.chosen import Places
from saewidgets.dictionaries.train.core import Batch, Buffers, Frame, Moment, Outcome, Params, Sites


class JumpReLU(torch.autograd.Function):
    """`(pre, threshold, bandwidth, places) -> (features, how many are active)` with straight-through gradients."""

    @staticmethod
    def forward(ctx: Any, pre: Tensor, threshold: Tensor, bandwidth: float, places: Places) -> tuple[Tensor, Tensor]:
        """Features and their number."""
        on = pre > places.spread(threshold)
        active = on.to(pre.dtype)  # products with floats are faster than with bools
        ctx.save_for_backward(pre, threshold, active)
        ctx.bandwidth, ctx.places = bandwidth, places
        return pre * active, torch.count_nonzero(on).to(pre.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        """The straight-through estimates."""
        from_f, from_l0 = gradients
        pre, threshold, active = ctx.saved_tensors
        near = torch.sub(pre, ctx.places.spread(threshold)).abs_().lt_(ctx.bandwidth / 2)
        by_features = threshold * ctx.places.column_sums(from_f * near) + from_l0 * ctx.places.column_sums(near)
        return from_f * active, -by_features / ctx.bandwidth, None, None


def initial(frame: Frame, draw: torch.Generator) -> tuple[Params, Buffers]:
    """Parameters and buffers to begin with."""
    params = linear.initial(frame, draw)
    return params | {"log_threshold": torch.full_like(params["b_enc"], linear.first_log_threshold(frame))}, {}


def loss(params: Params, buffers: Buffers, batch: Batch, frame: Frame, now: Moment) -> Outcome:
    """What one batch costs."""
    plan, threshold = frame.plan, params["log_threshold"].exp()
    bandwidth = plan.bandwidth * linear.first_size(frame)
    # Those just below their threshold are not active, but it learns from them.
    choose = chosen.above(threshold.detach() - bandwidth / 2)
    pre, places = linear.encode(params, batch.x, frame, choose)
    f, active = JumpReLU.apply(pre, threshold, bandwidth, places)
    penalty, cost = active / places.rows, frame.unit / frame.d_out
    if plan.target_l0 is not None:
        penalty, cost = (penalty / plan.target_l0 - 1).pow(2), frame.unit
    now = replace(now, sparsity=now.sparsity * cost)
    return penalised.outcome(params, buffers, batch, frame, now, f=f, places=places, penalty=penalty)


def finish(params: Params, buffers: Buffers, frame: Frame, sites: Sites) -> Dictionary:
    """The dictionary, in the units of the model."""
    level = finished.threshold(params["log_threshold"].exp(), frame)
    return finished.dictionary(params, Activation("jumprelu", threshold=level), frame, sites, "jumprelu")
