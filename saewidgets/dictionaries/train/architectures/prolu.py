"""ProLU (Taggart 2024): `f = m · 1[m > 0] · 1[m + b > 0]`, `m = (x - b_dec) W_enc`; the bias gates, it never shifts.

The bias has no true gradient; it gets that of `relu(m + b)`, as in the post's ProLU-ReLU.
"""

from __future__ import annotations

import torch
from torch import Tensor

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.dictionaries.train import chosen, finished, linear
from saewidgets.dictionaries.train.architectures import penalised
from saewidgets.dictionaries.train.chosen import Places
from saewidgets.dictionaries.train.core import Batch, Buffers, Frame, Moment, Outcome, Params, Sites


def initial(frame: Frame, draw: torch.Generator) -> tuple[Params, Buffers]:
    """Parameters and buffers to begin with."""
    return linear.initial(frame, draw), {}


def loss(params: Params, buffers: Buffers, batch: Batch, frame: Frame, now: Moment) -> Outcome:
    """What one batch costs."""

    def choose(read: Tensor, W_enc: Tensor, b_enc: Tensor) -> tuple[Places, Tensor]:
        m = read @ W_enc
        on = (m > 0) & (m + b_enc > 0)
        return chosen.sparse_or_all(m * on.to(m.dtype), on)

    # What is chosen hands its gradient to weights and bias alike, although its value holds no bias.
    m, places = linear.encode(params, batch.x, frame, choose)
    f = m.relu_()
    penalty = chosen.mean_sum(f, linear.row_weights(params["W_dec"], frame), places)
    return penalised.outcome(params, buffers, batch, frame, now, f=f, places=places, penalty=penalty)


def finish(params: Params, buffers: Buffers, frame: Frame, sites: Sites) -> Dictionary:
    """The dictionary, in the units of the model."""
    activation = Activation("prolu", threshold=finished.threshold(-params["b_enc"], frame))
    plain = params | {"b_enc": torch.zeros_like(params["b_enc"])}
    return finished.dictionary(plain, activation, frame, sites, "prolu")
