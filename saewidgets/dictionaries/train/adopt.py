"""Going on from a dictionary that exists: its weights in the scale of a new run."""

from __future__ import annotations

import torch

from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.dictionaries.train import linear
from saewidgets.dictionaries.train.core import Buffers, Frame, Params
from saewidgets.errors import TrainingError

_KINDS = {
    "relu": "relu", "p_anneal": "relu", "topk": "topk", "batchtopk": "jumprelu", "matryoshka": "jumprelu",
    "feature_choice": "jumprelu", "jumprelu": "jumprelu", "prolu": "prolu",
}  # fmt: skip


@torch.no_grad()
def adopt(params: Params, buffers: Buffers, dictionary: Dictionary, frame: Frame) -> None:
    """Overwrite parameters and buffers with those of a dictionary, in place: the inverse of `linear.fold`.

    Raises:
        TrainingError: It is of another architecture or shape, or has conventions the architecture cannot hold.
    """
    plan = frame.plan
    shape = (dictionary.d_in, dictionary.d_dict, dictionary.d_out)
    if shape != (frame.d_in, plan.d_dict, frame.d_out):
        raise TrainingError(
            f"start= is {shape[0]} -> {shape[1]} -> {shape[2]}, the plan {frame.d_in} -> {plan.d_dict} -> "
            f"{frame.d_out}.", "Set d_dict to the width of the dictionary."
        )  # fmt: skip
    plain = (
        isinstance(dictionary, FeedForward)
        and dictionary.activation.kind == _KINDS.get(plan.architecture)
        and plan.copies == 1
        and dictionary.norm.kind == "none"
        and dictionary.gate_scale is None
        and dictionary.value_scale is None
        and (dictionary.W_skip is None or plan.skip)
    )
    if not plain:
        raise TrainingError(
            f"{plan.architecture!r} cannot go on from {dictionary!r}.", "Start from a plain one it trained."
        )
    assert isinstance(dictionary, FeedForward)
    s = linear.feature_scale(frame)
    W_enc = dictionary.W_enc.float() * frame.x_scale[:, None] / s
    W_dec = dictionary.directions / (frame.y_scale / s)
    b_dec = dictionary.b_dec.float() / frame.y_scale
    # pre = x W + b - b_in W, and it is to be (x - b_dec) W + b'
    b_enc = dictionary.b_enc.float() / s
    if dictionary.b_in is not None:
        b_enc = b_enc - (dictionary.b_in.float() / frame.x_scale) @ W_enc
    if frame.subtracts:
        b_enc = b_enc + b_dec @ W_enc
    threshold = dictionary.activation.threshold
    level = torch.zeros(()) if threshold is None else threshold.float() / s
    if plan.decoder_norm == "unit":
        norms = W_dec.norm(dim=1).clamp_min(1e-12)
        W_enc, b_enc, W_dec, level = W_enc * norms, b_enc * norms, W_dec / norms[:, None], level * norms
    if plan.architecture == "prolu":
        if float(b_enc.abs().max()) > 1e-4 * float(1 + W_enc.abs().max()):
            raise TrainingError("This ProLU dictionary shifts its values.", "Start from one trained here.")
        b_enc = -level.expand(plan.d_dict)
    values = {"W_enc": W_enc, "W_dec": W_dec, "b_dec": b_dec, "b_enc": b_enc}
    if dictionary.W_skip is not None:
        values["W_skip"] = dictionary.W_skip.float() * frame.x_scale[:, None] / frame.y_scale
    if "log_threshold" in params:
        values["log_threshold"] = level.expand(plan.d_dict).clamp_min(1e-6).log()
    for name, value in values.items():
        params[name].copy_(value)
    if "threshold" in buffers:
        buffers["threshold"].copy_(level if buffers["threshold"].ndim else level.mean())
        buffers["count"].fill_(1)
