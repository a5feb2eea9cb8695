"""A feed-forward dictionary in the conventions of SAELens: all scales folded into weights, biases and thresholds."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.dictionaries.formats import orient
from saewidgets.dictionaries.norm import Norm
from saewidgets.errors import DictionaryError


def plain(dictionary: FeedForward) -> FeedForward:
    """The same function and the same activations without scales.

    Nothing is copied that needs no folding, so what came from SAELens goes back bit for bit.

    Args:
        dictionary: Any.

    Returns:
        One whose norm has no factor, whose `b_in` is None or its `b_dec`, and that has no `gate_scale`, `value_scale`
        or `row_scale`, except for a TopK that counts its decoder rows as unit norm, see `counts_rows_as_unit`.

    Raises:
        DictionaryError: It ranks features on another scale than that of its activations, or a scale is not above 0.
    """
    folded = _without_factor(dictionary)
    if not counts_rows_as_unit(folded):
        folded = _without_scales(folded)
    return _with_one_bias(folded)


def counts_rows_as_unit(dictionary: FeedForward) -> bool:
    """Whether it is a TopK of `h · |row|` that decodes with unit rows: `rescale_acts_by_decoder_norm`."""
    value, gate, row = dictionary.value_scale, dictionary.gate_scale, dictionary.row_scale
    if dictionary.activation.kind not in ("topk", "abstopk") or value is None or gate is None or row is None:
        return False
    norms = orient.row_norms(dictionary.W_dec)
    # SAELens divides by the norms: with a row of zeros it gives no numbers.
    whole = bool((norms > 0).all())
    return whole and torch.equal(value, norms) and torch.equal(gate, norms) and torch.equal(row, 1 / norms)


def _without_factor(dictionary: FeedForward) -> FeedForward:
    factor = dictionary.norm.factor
    if dictionary.norm.kind != "factor":
        return dictionary
    b_in = dictionary.b_in
    return dataclasses.replace(
        dictionary,
        norm=Norm(),
        W_enc=dictionary.W_enc.float() * factor,
        b_in=None if b_in is None else b_in.float() / factor,
    )


def _without_scales(dictionary: FeedForward) -> FeedForward:
    value, gate, row = dictionary.value_scale, dictionary.gate_scale, dictionary.row_scale
    activation = _activation(dictionary.activation, value, gate)
    changes: dict[str, Any] = {}
    if value is not None:
        changes = {"W_enc": dictionary.W_enc.float() * value.float(), "b_enc": dictionary.b_enc.float() * value.float()}
    if row is not None:
        changes["W_dec"] = dictionary.W_dec.float() * row.float().reshape(-1, 1)
    return dataclasses.replace(
        dictionary, activation=activation, value_scale=None, gate_scale=None, row_scale=None, **changes
    )


def _activation(activation: Activation, value: Tensor | None, gate: Tensor | None) -> Activation:
    """The activation of `pre * value`, where the gate was `pre * gate`."""
    if not all(scale is None or bool((scale > 0).all()) for scale in (value, gate)):
        raise DictionaryError("A scale of its activations is not above 0.", "SAELens has no place for such features.")
    if activation.kind == "relu" or (value is None and gate is None):
        return activation
    if activation.kind in ("jumprelu", "prolu") and activation.threshold is not None:
        threshold = activation.threshold.float()
        threshold = threshold if gate is None else threshold / gate.float()
        return dataclasses.replace(activation, threshold=threshold if value is None else threshold * value.float())
    if activation.kind == "identity" or (value is not None and gate is not None and torch.equal(value, gate)):
        return activation
    raise DictionaryError(
        "It ranks its features on another scale than that of their activations, for which SAELens has no place.",
        "Save the dictionary that unit_norm() was called on, if it was.",
    )


def _with_one_bias(dictionary: FeedForward) -> FeedForward:
    """`b_in` is `b_dec` or nothing; another one goes into `b_enc`."""
    b_in = dictionary.b_in
    if b_in is None:
        return dictionary
    reads_and_writes = dictionary.site_in == dictionary.site_out and dictionary.W_skip is None
    if reads_and_writes and torch.equal(b_in.float(), dictionary.b_dec.float()):
        return dictionary
    if not bool(b_in.any()):
        return dataclasses.replace(dictionary, b_in=None)
    shift = b_in.float() @ dictionary.W_enc.float()
    return dataclasses.replace(dictionary, b_in=None, b_enc=dictionary.b_enc.float() - shift)
