"""What the architectures share that keep a number of features instead of paying for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.dictionaries.train import chosen, finished, linear, revive
from saewidgets.dictionaries.train.chosen import Entries
from saewidgets.dictionaries.train.core import Batch, Buffers, Frame, Moment, Outcome, Params, Sites, risk

# How fast an estimated threshold follows the batches, after as many of them.
_RATE = 0.01


def encode(params: Params, x: Tensor, frame: Frame, pick: Callable[[Tensor], Entries]) -> tuple[Tensor, Entries]:
    """Rectified values and entries of what `pick` chooses among the pre-activations."""
    values, entries = linear.encode(params, x, frame, chosen.ranked(pick))
    assert isinstance(entries, Entries)
    return values.relu(), entries


def outputs(params: Params, x: Tensor, values: Tensor, entries: Entries, sizes: Sequence[int]) -> list[Tensor]:
    """`[n, d_out]` of the first `sizes[0]` features, of the first `sizes[1]`, ..."""
    base = linear.offset(params, x)
    if len(sizes) == 1:
        return [chosen.decode(values, params["W_dec"], entries) + base]
    written: list[Tensor] = []
    for first, last in zip((0, *sizes), sizes, strict=False):
        here = (entries.column >= first) & (entries.column < last)
        term = chosen.decode(values[here], params["W_dec"], entries.where(here))
        written.append(term + (written[-1] if written else base))
    return written


def outcome(
    params: Params,
    buffers: Buffers,
    batch: Batch,
    frame: Frame,
    now: Moment,
    *,
    values: Tensor,
    entries: Entries,
    written: Sequence[Tensor],
    extra: Mapping[str, tuple[float, Tensor]] | None = None,
) -> Outcome:
    """What a batch costs: the mean error of `written`, AuxK for the error of the last of them, `extra` terms."""
    errors = [risk(batch.fidelity(output), frame.plan.tilt) for output in written]
    loss = torch.stack(errors).mean()
    parts = {"error": loss}
    for name, (weight, value) in (extra or {}).items():
        parts[name] = value
        loss = loss + weight * value
    if frame.plan.aux and now.dead is not None:
        left = (batch.y - written[-1]).detach()
        parts["aux"] = auxk(params, batch.x, left, frame, now.dead)
        # In the units of the error, so that its weight means a share of the variance, as in Gao et al.
        loss = loss + frame.plan.aux * frame.unit * parts["aux"]
    return Outcome(loss, parts, written[-1], entries.counts(values.detach() > 0), buffers)


def auxk(params: Params, x: Tensor, left: Tensor, frame: Frame, dead: Tensor) -> Tensor:
    """AuxK on the dead columns alone."""
    index = dead.nonzero()[:, 0]
    pre = linear.pre_activations(params, x, frame, index)
    k = frame.plan.aux_k or max(1, frame.d_out // 2)
    return revive.auxk(pre, left, params["W_dec"][index], k)


def follow(buffers: Buffers, seen: Tensor) -> Buffers:
    """The running mean of a threshold, over the batches in which it was seen (where `seen` is finite)."""
    known = torch.isfinite(seen)
    count = buffers["count"] + known
    rate = torch.maximum(torch.full_like(seen, _RATE), 1 / count.clamp_min(1))
    mean = torch.where(known, buffers["threshold"].lerp(torch.where(known, seen, 0.0), rate), buffers["threshold"])
    return buffers | {"threshold": mean, "count": count}


def threshold_buffers(frame: Frame, *shape: int) -> Buffers:
    """A threshold to be estimated, and from how many batches it is."""
    device = frame.y_scale.device
    return {"threshold": torch.zeros(shape, device=device), "count": torch.zeros(shape, device=device)}


def finish(params: Params, buffers: Buffers, frame: Frame, sites: Sites, architecture: str) -> Dictionary:
    """One that chose over a batch runs with the threshold it came to: a token's features depend on no other token."""
    activation = Activation("jumprelu", threshold=finished.threshold(buffers["threshold"], frame))
    return finished.dictionary(params, activation, frame, sites, architecture)
