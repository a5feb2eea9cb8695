"""Matryoshka BatchTopK (Bussmann et al. 2503.17547): every prefix of the features reconstructs by itself.

`loss = mean over sizes m of |x - (f[:m] W_dec[:m] + b_dec)|²`; the choice is BatchTopK's, over all features.
"""

from __future__ import annotations

from saewidgets.dictionaries.interface import Dictionary
from saewidgets.dictionaries.train.architectures import batchtopk, counted
from saewidgets.dictionaries.train.core import Buffers, Frame, Params, Sites

initial, loss = batchtopk.initial, batchtopk.loss


def finish(params: Params, buffers: Buffers, frame: Frame, sites: Sites) -> Dictionary:
    """The dictionary, in the units of the model: a JumpReLU with one threshold."""
    return counted.finish(params, buffers, frame, sites, "matryoshka")
