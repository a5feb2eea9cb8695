"""Folded parameters as the dictionary that ships."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.card import Card, Finding
from saewidgets.dictionaries.crosscoder import Crosscoder
from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.dictionaries.train import linear
from saewidgets.dictionaries.train.core import Frame, Params, Sites
from saewidgets.sites import Site


def card(frame: Frame) -> Card:
    """Where the conventions come from: this run."""
    plan = frame.plan
    said = {
        "input norm": f"{plan.norm}, folded",
        "bias": "subtracted from the input" if frame.subtracts else "not subtracted",
        "decoder norm": plan.decoder_norm,
        "plan": plan.to_json(),
    }
    return Card("trained here", findings=tuple(Finding(name, answer, "TrainingPlan") for name, answer in said.items()))


def dictionary(
    params: Params, activation: Activation, frame: Frame, sites: Sites, architecture: str
) -> FeedForward | Crosscoder:
    """What parameters with `W_enc`, `b_enc`, `W_dec`, `b_dec` are: a crosscoder if they read several sites."""
    folded = linear.fold(params, frame)
    if len(frame.widths) > 1:
        return _crosscoder(folded, activation, frame, sites[0])
    if frame.transcodes:
        architecture = "skip_transcoder" if frame.plan.skip else "transcoder"
    return FeedForward(
        **folded,
        activation=activation,
        site_in=sites[0][0],
        site_out=sites[1][0],
        architecture=architecture,
        card=card(frame),
    )


def _crosscoder(folded: dict[str, Any], activation: Activation, frame: Frame, sites: tuple[Site, ...]) -> Crosscoder:
    """The sites, side by side in training, one after the other; a subtracted bias becomes part of the encoder's."""
    n, d = len(frame.widths), frame.widths[0]
    b_enc = folded["b_enc"] if folded["b_in"] is None else folded["b_enc"] - folded["b_in"] @ folded["W_enc"]
    return Crosscoder(
        W_enc=folded["W_enc"].unflatten(0, (n, d)),
        W_dec=folded["W_dec"].unflatten(1, (n, d)).transpose(0, 1).contiguous(),
        b_enc=b_enc,
        b_dec=folded["b_dec"].unflatten(0, (n, d)),
        activation=activation,
        sites=sites,
        card=card(frame),
    )


def threshold(value: Tensor, frame: Frame) -> Tensor:
    """A threshold in the units of the model."""
    return (value * linear.feature_scale(frame)).detach().clone()
