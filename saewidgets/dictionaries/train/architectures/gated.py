"""Gated (Rajamanoharan et al. 2404.16014): one path decides whether a feature is on, the other how strongly.

`π = (x - b_dec) W_enc + b_gate`, `f = 1[π > 0] · relu((x - b_dec) W_enc e^r + b_mag)`;
`loss = |x - x'|² + λ Σ relu(π) |D| + |x - (relu(π) D + b_dec)|²`, decoder D and b_dec of the last term without gradient
while rows are kept at norm 1, as in the paper: it trains the gate. Free rows could shrink to escape the penalty, with
`e^r` and `b_mag` growing instead; there the last term reaches the decoder, as in SAELens. At inference it is a JumpReLU
with threshold `b_mag - e^r b_gate`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.gated import fold_gated
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.dictionaries.train import chosen, finished, linear
from saewidgets.dictionaries.train.architectures import penalised
from saewidgets.dictionaries.train.chosen import Places
from saewidgets.dictionaries.train.core import Batch, Buffers, Frame, Moment, Outcome, Params, Sites, risk


class Gate(torch.autograd.Function):
    """`(gate, b_gate, b_mag, r_mag, places) -> (f, relu(gate))`, with fewer matrices than autograd keeps.

    With `f = 1[gate > 0] · relu((gate - b_gate) e^r + b_mag)`, `df/dr = f - b_mag` where f is on.
    """

    @staticmethod
    def forward(
        ctx: Any, gate: Tensor, b_gate: Tensor, b_mag: Tensor, r_mag: Tensor, places: Places
    ) -> tuple[Tensor, Tensor]:
        """Features, and what the gate alone would write, in the place of its values."""
        stretch, opened = r_mag.exp(), gate.relu_()
        f = torch.addcmul(places.spread(b_mag - b_gate * stretch), opened, places.spread(stretch)).relu_()
        _keep_positive_(f, opened)
        ctx.mark_dirty(opened)
        ctx.save_for_backward(f, opened, b_mag, stretch)
        ctx.places = places
        return f, opened

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        """The gradients."""
        f, opened, b_mag, stretch = ctx.saved_tensors
        on = _where_positive(gradients[0], f)
        to_b_mag = ctx.places.column_sums(on)
        to_gate = _where_positive(gradients[1], opened).addcmul_(on, ctx.places.spread(stretch))
        to_r = ctx.places.column_sums(on.mul_(f)) - b_mag * to_b_mag
        return to_gate, -stretch * to_b_mag, to_b_mag, to_r, None


def _where_positive(values: Tensor, by: Tensor) -> Tensor:
    """`values · 1[by > 0]` in one pass."""
    return torch.ops.aten.threshold_backward(values, by, 0.0)


def _keep_positive_(values: Tensor, by: Tensor) -> None:
    """The same in place."""
    torch.ops.aten.threshold_backward.grad_input(values, by, 0.0, grad_input=values)


def initial(frame: Frame, draw: torch.Generator) -> tuple[Params, Buffers]:
    """Parameters and buffers to begin with."""
    params = linear.initial(frame, draw, "b_gate")
    return params | {name: torch.zeros_like(params["b_gate"]) for name in ("b_mag", "r_mag")}, {}


def loss(params: Params, buffers: Buffers, batch: Batch, frame: Frame, now: Moment) -> Outcome:
    """What one batch costs."""
    gate, places = linear.encode(params, batch.x, frame, chosen.above(0.0), "b_gate")
    f, opened = Gate.apply(gate, params["b_gate"], params["b_mag"], params["r_mag"], places)
    penalty = chosen.mean_sum(opened, linear.row_weights(params["W_dec"], frame), places)
    unit = frame.plan.decoder_norm == "unit"
    decoder = {name: value.detach() for name, value in params.items()} if unit else params
    gate_error = (batch.y - linear.decode(decoder, opened, places, batch.x)).pow(2).sum(1)
    extra = {"gate": risk(gate_error, frame.plan.tilt)}
    return penalised.outcome(
        params, buffers, batch, frame, now, f=f, places=places, penalty=penalty, bias="b_gate", extra=extra
    )


def finish(params: Params, buffers: Buffers, frame: Frame, sites: Sites) -> Dictionary:
    """The dictionary, in the units of the model: a JumpReLU."""
    W_enc, b_enc, activation = fold_gated(params["W_enc"], params["b_gate"], params["b_mag"], params["r_mag"])
    assert activation.threshold is not None
    level = finished.threshold(activation.threshold, frame)
    folded = params | {"W_enc": W_enc, "b_enc": b_enc}
    return finished.dictionary(folded, Activation("jumprelu", threshold=level), frame, sites, "gated")
