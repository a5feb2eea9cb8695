"""What the data look like: their scale, their middle, their variance, measured once before training."""

from __future__ import annotations

import torch
from torch import Tensor

from saewidgets.dictionaries.train.core import Frame
from saewidgets.dictionaries.train.plan import TrainingPlan
from saewidgets.dictionaries.train.source import Source
from saewidgets.errors import TrainingError

# Tokens the scale is measured on, and of these the middle.
_TOKENS, _MEDIAN_TOKENS = 16_384, 4_096


@torch.no_grad()
def measure(plan: TrainingPlan, source: Source) -> Frame:
    """The frame of a run.

    Raises:
        TrainingError: Plan and source do not fit, or the data are not finite.
    """
    sample = source.sample(_TOKENS)
    x, y = sample.x.float(), sample.y.float()
    if not (torch.isfinite(x).all() and torch.isfinite(y).all()):
        raise TrainingError("The activations are not finite.", "Train on a model in float32 or bfloat16.")
    if plan.skip and not source.transcodes:
        raise TrainingError("skip=True without site_out.", "A skip connection belongs to a transcoder.")
    if source.transcodes and len(source.widths) > 1:
        raise TrainingError("A crosscoder with site_out.", "It writes where it reads; give one site for a transcoder.")
    if len(set(source.widths)) > 1:
        raise TrainingError(f"Sites of sizes {source.widths}.", "A crosscoder reads sites of one size.")
    if plan.architecture == "switch" and (source.transcodes or len(source.widths) > 1 or not plan.subtract_b_dec):
        raise TrainingError("A switch dictionary is an autoencoder of one site.", "Keep subtract_b_dec=True.")
    x_scale = scales(x, source.widths, plan.norm)
    y_scale = scales(y, (source.d_out,), plan.norm) if source.transcodes else x_scale
    scaled = y / y_scale
    centre = middle(scaled[:_MEDIAN_TOKENS], plan.centre)
    variance = (scaled - scaled.mean(0)).pow(2).sum(1).mean()
    if not variance > 0:
        raise TrainingError("The activations are all the same.", "Check the site and the corpus.")
    read = x / x_scale - (centre if plan.subtract_b_dec and not source.transcodes else 0.0)
    spread = read.pow(2).mean().sqrt().clamp_min(1e-12)
    return Frame(plan, source.widths, source.transcodes, x_scale, y_scale, centre, float(variance), float(spread))


def scales(x: Tensor, widths: tuple[int, ...], norm: str) -> Tensor:
    """`[d]`: what the activations of each site are divided by."""
    if norm == "none":
        return torch.ones(x.shape[1], device=x.device)
    found = []
    for part in x.split(list(widths), dim=1):
        lengths = part.norm(dim=1)
        size = lengths.mean() if norm == "mean_norm" else lengths.pow(2).mean().sqrt()
        found.append((size / part.shape[1] ** 0.5).clamp_min(1e-12).expand(part.shape[1]))
    return torch.cat(found)


def middle(x: Tensor, kind: str) -> Tensor:
    """`[d]`: the mean, the geometric median, or 0."""
    if kind == "zero":
        return torch.zeros(x.shape[1], device=x.device)
    return geometric_median(x) if kind == "geometric_median" else x.mean(0)


def geometric_median(x: Tensor, steps: int = 100, tolerance: float = 1e-6) -> Tensor:
    """`[d]`: the point with the least sum of distances (Weiszfeld's iteration)."""
    point = x.mean(0)
    for _ in range(steps):
        weight = 1 / (x - point).norm(dim=1).clamp_min(1e-9)
        following = (weight[:, None] * x).sum(0) / weight.sum()
        moved = (following - point).norm()
        point = following
        if moved <= tolerance * (1 + point.norm()):
            break
    return point
