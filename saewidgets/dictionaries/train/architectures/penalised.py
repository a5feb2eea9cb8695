"""The loss of the architectures that pay for each active feature: error + coefficient x penalty (+ ghost gradients)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from saewidgets.dictionaries.train import linear, revive
from saewidgets.dictionaries.train.chosen import Places
from saewidgets.dictionaries.train.core import Batch, Buffers, Frame, Moment, Outcome, Params, risk


def outcome(
    params: Params,
    buffers: Buffers,
    batch: Batch,
    frame: Frame,
    now: Moment,
    *,
    f: Tensor,
    places: Places,
    penalty: Tensor,
    bias: str = "b_enc",
    extra: Mapping[str, Tensor] | None = None,
) -> Outcome:
    """What a batch costs.

    Args:
        params: The parameters.
        buffers: Handed on as they are.
        batch: The data.
        frame: Scale and plan.
        now: Where in the run this is.
        f: Features at the places.
        places: Where they may be other than 0.
        penalty: What `now.sparsity` multiplies.
        bias: The bias that decides whether a feature is on.
        extra: More terms, by name, added as they are.
    """
    output = linear.decode(params, f, places, batch.x)
    error = risk(batch.fidelity(output), frame.plan.tilt)
    parts = {"error": error, "sparsity": penalty, **(extra or {})}
    loss = error + now.sparsity * penalty
    for value in (extra or {}).values():
        loss = loss + value
    if frame.plan.ghost and now.dead is not None:
        index = now.dead.nonzero()[:, 0]
        pre = linear.pre_activations(params | {"b_enc": params[bias]}, batch.x, frame, index)
        parts["ghost"] = revive.ghost(pre, (batch.y - output).detach(), params["W_dec"][index])
        loss = loss + parts["ghost"]
    return Outcome(loss, parts, output, places.counts(f.detach() > 0), buffers)
