"""What all architectures share: encoder and decoder matrices, their first values, and folding them for use."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from saewidgets.dictionaries.train import chosen
from saewidgets.dictionaries.train.chosen import Choose, Places
from saewidgets.dictionaries.train.core import Frame, Params
from saewidgets.dictionaries.train.plan import TrainingPlan

# Norm of the first decoder rows where they are free (Anthropic, April 2024; SAELens).
_FIRST_NORM = 0.1


def initial(frame: Frame, draw: torch.Generator, encoder_bias: str | None = "b_enc") -> Params:
    """`W_enc`, `W_dec`, `b_dec`, the encoder's bias, and `W_skip` if there is one.

    An autoencoder's encoder begins as the transpose of its decoder, so every feature begins by reading what it writes.
    """
    plan = frame.plan
    W_dec = torch.nn.functional.normalize(torch.randn(plan.d_dict, frame.d_out, generator=draw), dim=1)
    W_dec *= first_norm(plan)
    random = torch.randn(frame.d_in, plan.d_dict, generator=draw) / frame.d_in**0.5 if frame.transcodes else W_dec.T
    device = frame.y_scale.device
    params = {"W_enc": random.clone(memory_format=torch.contiguous_format), "W_dec": W_dec}
    if encoder_bias:
        params[encoder_bias] = torch.zeros(plan.d_dict)
    if plan.skip:
        params["W_skip"] = torch.zeros(frame.d_in, frame.d_out)
    return {name: value.to(device) for name, value in params.items()} | {"b_dec": frame.centre.clone()}


def first_norm(plan: TrainingPlan) -> float:
    """Norm of a new decoder row."""
    return _FIRST_NORM if plan.decoder_norm == "free" else 1.0


def first_size(frame: Frame) -> float:
    """Usual size of a pre-activation at the beginning: encoder columns are as long as the rows they begin as."""
    return frame.spread * (1.0 if frame.transcodes else first_norm(frame.plan))


def first_log_threshold(frame: Frame) -> float:
    """Where the threshold of a feature begins."""
    return math.log(frame.plan.threshold * first_size(frame))


def centred(params: Params, x: Tensor, frame: Frame) -> Tensor:
    """`x`, less the decoder bias where that is the convention."""
    return x - params["b_dec"] if frame.subtracts else x


def pre_activations(params: Params, x: Tensor, frame: Frame, columns: Tensor) -> Tensor:
    """`[n, columns]` of some features, by index."""
    return torch.addmm(params["b_enc"][columns], centred(params, x, frame), params["W_enc"][:, columns])


def encode(params: Params, x: Tensor, frame: Frame, choose: Choose, bias: str = "b_enc") -> tuple[Tensor, Places]:
    """Chosen pre-activations and their places."""
    shift = params["b_dec"] if frame.subtracts else None
    return chosen.encode(x, shift, params["W_enc"], params[bias], choose)


def offset(params: Params, x: Tensor) -> Tensor:
    """What is written besides the features: `[d_out]`, or `[n, d_out]` with a skip connection."""
    return torch.addmm(params["b_dec"], x, params["W_skip"]) if "W_skip" in params else params["b_dec"]


def decode(params: Params, values: Tensor, places: Places, x: Tensor) -> Tensor:
    """`[n, d_out]`."""
    return chosen.decode(values, params["W_dec"], places) + offset(params, x)


def row_weights(W_dec: Tensor, frame: Frame) -> Tensor | None:
    """What a penalty weighs each activation with: the norm of its row, summed over sites; `None` for 1."""
    if len(frame.widths) > 1:
        return torch.stack([part.norm(dim=1) for part in W_dec.split(list(frame.widths), dim=1)]).sum(0)
    return W_dec.norm(dim=1) if frame.plan.decoder_norm == "free" else None


def feature_scale(frame: Frame) -> Tensor:
    """What activations are multiplied by when the scale of the data is folded in, so that decoder rows stay."""
    one_scale = len(frame.widths) == 1
    return frame.y_scale[0] if one_scale else torch.ones((), device=frame.y_scale.device)


def fold(params: Params, frame: Frame) -> dict[str, Any]:
    """Matrices and biases in the units of the model, by their names in a `FeedForward`."""
    s = feature_scale(frame)
    b_dec = params["b_dec"] * frame.y_scale
    folded = {
        "W_enc": params["W_enc"] / frame.x_scale[:, None] * s,
        "W_dec": params["W_dec"] * (frame.y_scale / s),
        "b_dec": b_dec,
        "b_in": b_dec if frame.subtracts else None,
    }
    if "b_enc" in params:
        folded["b_enc"] = params["b_enc"] * s
    if "W_skip" in params:
        folded["W_skip"] = params["W_skip"] / frame.x_scale[:, None] * frame.y_scale
    return {name: None if value is None else value.detach().clone() for name, value in folded.items()}
