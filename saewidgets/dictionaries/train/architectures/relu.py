"""ReLU + L1: Bricken et al. 2023 with unit-norm decoder rows, Anthropic's April 2024 form with free ones.

`f = relu((x - b_dec) W_enc + b_enc)`, `loss = |x - x'|² + λ Σ f_i |d_i|`; with `subtract_b_dec=False` the bias stays.
A crosscoder (Lindsey et al. 2024) reads several sites side by side and pays `λ Σ f_i Σ_sites |d_i^site|`.
"""

from __future__ import annotations

import torch

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.dictionaries.train import chosen, finished, linear
from saewidgets.dictionaries.train.architectures import penalised
from saewidgets.dictionaries.train.core import Batch, Buffers, Frame, Moment, Outcome, Params, Sites


def initial(frame: Frame, draw: torch.Generator) -> tuple[Params, Buffers]:
    """Parameters and buffers to begin with."""
    return linear.initial(frame, draw), {}


def loss(params: Params, buffers: Buffers, batch: Batch, frame: Frame, now: Moment) -> Outcome:
    """What one batch costs."""
    pre, places = linear.encode(params, batch.x, frame, chosen.above(0.0))
    f = pre.relu_()
    penalty = chosen.mean_sum(f, linear.row_weights(params["W_dec"], frame), places)
    return penalised.outcome(params, buffers, batch, frame, now, f=f, places=places, penalty=penalty)


def finish(params: Params, buffers: Buffers, frame: Frame, sites: Sites) -> Dictionary:
    """The dictionary, in the units of the model."""
    return finished.dictionary(params, Activation("relu"), frame, sites, "standard")
