"""TopK (Gao et al. 2406.04093): the k greatest pre-activations of each token, rectified; AuxK for dead features.

`multi_k` adds an eighth of the error with `4 k` features, so that the code also works with other numbers of them.
"""

from __future__ import annotations

import torch

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.dictionaries.train import chosen, finished, linear
from saewidgets.dictionaries.train.architectures import counted
from saewidgets.dictionaries.train.core import Batch, Buffers, Frame, Moment, Outcome, Params, Sites, risk

_MORE, _SHARE = 4, 1 / 8


def initial(frame: Frame, draw: torch.Generator) -> tuple[Params, Buffers]:
    """Parameters; k as it is set."""
    return linear.initial(frame, draw), {"k": torch.tensor(frame.plan.k)}


def loss(params: Params, buffers: Buffers, batch: Batch, frame: Frame, now: Moment) -> Outcome:
    """What one batch costs."""
    buffers = {"k": torch.tensor(now.k)}
    values, entries = counted.encode(params, batch.x, frame, lambda pre: chosen.best_of_rows(pre, now.k))
    written = counted.outputs(params, batch.x, values, entries, [frame.plan.d_dict])
    extra = {}
    if frame.plan.multi_k:
        more = min(_MORE * now.k, frame.plan.d_dict)
        many = counted.encode(params, batch.x, frame, lambda pre: chosen.best_of_rows(pre, more))
        wide = counted.outputs(params, batch.x, *many, [frame.plan.d_dict])[0]
        extra = {"multi_k": (_SHARE, risk(batch.fidelity(wide), frame.plan.tilt))}
    return counted.outcome(
        params, buffers, batch, frame, now, values=values, entries=entries, written=written, extra=extra
    )


def finish(params: Params, buffers: Buffers, frame: Frame, sites: Sites) -> Dictionary:
    """The dictionary, in the units of the model."""
    return finished.dictionary(params, Activation("topk", k=int(buffers["k"])), frame, sites, "topk")
