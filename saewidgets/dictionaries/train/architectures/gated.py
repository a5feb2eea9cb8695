"""Gated (Rajamanoharan et al. 2404.16014): one path decides whether a feature is on, the other how strongly.

`π = (x - b_dec) W_enc + b_gate`, `f = 1[π > 0] · relu((x - b_dec) W_enc e^r + b_mag)`;
`loss = |x - x'|² + λ Σ relu(π) |D| + |x - (relu(π) D + b_dec)|²`, decoder D and b_dec of the last term without gradient
while rows are kept at norm 1, as in the paper: it trains the gate. Free rows would shrink to escape the penalty, and
`e^r` would make up for it; there the last term reaches the decoder, as in SAELens. At inference it is a JumpReLU with
threshold `b_mag - e^r b_gate`.
"""

from __future__ import annotations

import torch

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.gated import fold_gated
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.dictionaries.train import chosen, finished, linear
from saewidgets.dictionaries.train.architectures import penalised
from saewidgets.dictionaries.train.core import Batch, Buffers, Frame, Moment, Outcome, Params, Sites, risk


def initial(frame: Frame, draw: torch.Generator) -> tuple[Params, Buffers]:
    """Parameters and buffers to begin with."""
    params = linear.initial(frame, draw, "b_gate")
    return params | {name: torch.zeros_like(params["b_gate"]) for name in ("b_mag", "r_mag")}, {}


def loss(params: Params, buffers: Buffers, batch: Batch, frame: Frame, now: Moment) -> Outcome:
    """What one batch costs."""
    gate, places = linear.encode(params, batch.x, frame, chosen.above(0.0), "b_gate")
    b_gate, b_mag, stretch = (chosen.spread(params[name], places) for name in ("b_gate", "b_mag", "r_mag"))
    magnitude = torch.addcmul(b_mag, gate - b_gate, stretch.exp()).relu()
    f, opened = magnitude * (gate > 0).to(gate.dtype), gate.relu()
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
