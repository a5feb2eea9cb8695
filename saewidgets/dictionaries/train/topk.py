"""TopK, BatchTopK and Matryoshka dictionaries, autoencoders and transcoders alike, from an array of activations.

TopK: Gao et al. 2406.04093; BatchTopK: Bussmann et al. 2412.06410; Matryoshka: Bussmann et al. 2503.17547;
transcoders: Dunefsky
et al. 2406.11944. One loss serves all: the squared error of the reconstruction as a share of the variance, averaged
over nested
prefixes of the features (one prefix, all of them, unless Matryoshka), plus the share of what is left that the dead
features could
explain (AuxK).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.sites import Site


@dataclass(frozen=True)
class TopKPlan:
    """How to train one dictionary.

    Attributes:
        d_dict: number of features.
        k: features a token, on average for BatchTopK.
        batch_topk: choose the strongest ``k * batch`` of a batch instead of k a token; shipped as JumpReLU with one
            threshold.
        prefixes: sizes of the nested dictionaries of Matryoshka, without the full one.
        steps: updates.
        batch_size: tokens an update.
        rate: learning rate of Adam.
        aux: weight of the loss that revives dead features.
        dead_after: updates without firing after which a feature counts as dead.
        seed: of the initial weights and of the order of the data.
    """

    d_dict: int = 1024
    k: int = 16
    batch_topk: bool = False
    prefixes: tuple[int, ...] = ()
    steps: int = 1500
    batch_size: int = 1024
    rate: float = 2e-3
    aux: float = 1 / 32
    dead_after: int = 100
    seed: int = 0

    @property
    def architecture(self) -> str:
        """What the file says it is."""
        return "matryoshka" if self.prefixes else "batchtopk" if self.batch_topk else "topk"


def train_topk(
    x: Tensor,
    site_in: str,
    plan: TopKPlan,
    y: Tensor | None = None,
    site_out: str | None = None,
    progress: Callable[[int, float], None] = lambda step, loss: None,
) -> FeedForward:
    """Train a dictionary.

    Args:
        x: what it reads, ``[n, d_in]``.
        site_in: where that was.
        plan: size and schedule.
        y: what it writes, ``[n, d_out]``; without it the dictionary is an autoencoder of `x`.
        site_out: where that was.
        progress: called with the step and the loss now and then.

    Returns:
        The dictionary, in the units of `x` and `y`, with unit-norm decoder rows.
    """
    transcoder = y is not None
    y = x if y is None else y
    generator = torch.Generator().manual_seed(plan.seed)
    x_scale, y_scale = (a.pow(2).sum(1).mean().div(a.shape[1]).sqrt() for a in (x, y))
    mean = (y.mean(0) / y_scale).clone()
    variance = (y / y_scale - mean).pow(2).sum(1).mean()

    decoder = torch.nn.functional.normalize(torch.randn(plan.d_dict, y.shape[1], generator=generator), dim=1)
    encoder = (
        decoder.T.clone()
        if not transcoder
        else torch.randn(x.shape[1], plan.d_dict, generator=generator) / x.shape[1] ** 0.5
    )
    weights = {"W_enc": encoder, "W_dec": decoder, "b_enc": torch.zeros(plan.d_dict), "b_dec": mean}
    for tensor in weights.values():
        tensor.requires_grad_()
    optimizer = torch.optim.Adam(weights.values(), lr=plan.rate, betas=(0.9, 0.99))
    silent = torch.zeros(plan.d_dict, dtype=torch.int64)
    threshold = torch.zeros(())

    for step in range(plan.steps):
        chosen = torch.randint(len(x), (plan.batch_size,), generator=generator)
        source, target = x[chosen] / x_scale, y[chosen] / y_scale
        pre = (source if transcoder else source - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"]
        features = _sparse(pre, plan)
        loss = torch.zeros(())
        for size in (*plan.prefixes, plan.d_dict):
            error = target - features[:, :size] @ weights["W_dec"][:size] - weights["b_dec"]
            loss = loss + error.pow(2).sum(1).mean() / variance / (len(plan.prefixes) + 1)
        silent = torch.where((features > 0).any(0), 0, silent + 1)
        dead = silent > plan.dead_after
        if dead.any():
            loss = loss + plan.aux * _revive(pre, dead, error.detach(), weights["W_dec"], plan)
        loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = plan.rate * min(1.0, (step + 1) / 50, (plan.steps - step) / (0.3 * plan.steps))
        optimizer.step()
        optimizer.zero_grad()
        with torch.no_grad():
            weights["W_dec"].div_(weights["W_dec"].norm(dim=1, keepdim=True))
            weakest = torch.where(features > 0, features, torch.inf).min()
            threshold = threshold.lerp(weakest, 0.02 if step > 100 else 0.2) if torch.isfinite(weakest) else threshold
        if step % 100 == 99:
            progress(step + 1, loss.item())

    final = {name: tensor.detach() for name, tensor in weights.items()}
    nested = plan.batch_topk or bool(plan.prefixes)
    return FeedForward(
        W_enc=final["W_enc"] * (y_scale / x_scale),
        W_dec=final["W_dec"],
        b_enc=final["b_enc"] * y_scale,
        b_dec=final["b_dec"] * y_scale,
        activation=Activation("jumprelu", threshold=threshold * y_scale) if nested else Activation("topk", k=plan.k),
        site_in=Site.parse(site_in),
        site_out=Site.parse(site_out or site_in),
        b_in=None if transcoder else final["b_dec"] * y_scale,
        architecture="transcoder" if transcoder else plan.architecture,
    )


def _sparse(pre: Tensor, plan: TopKPlan) -> Tensor:
    """The chosen pre-activations, rectified: k a row, or as many a batch for BatchTopK and Matryoshka."""
    if not (plan.batch_topk or plan.prefixes):
        values, index = pre.topk(plan.k, dim=1)
        return torch.zeros_like(pre).scatter(1, index, values.relu())
    flat = pre.relu().flatten()
    values, index = flat.topk(plan.k * len(pre))
    return torch.zeros_like(flat).scatter(0, index, values).view_as(pre)


def _revive(pre: Tensor, dead: Tensor, error: Tensor, decoder: Tensor, plan: TopKPlan) -> Tensor:
    """How much of the error the strongest dead features leave, as a share of it."""
    values, index = torch.where(dead, pre, -torch.inf).topk(min(2 * plan.k, int(dead.sum())), dim=1)
    guess = torch.zeros_like(pre).scatter(1, index, values.relu()) @ decoder
    return (error - guess).pow(2).sum(1).mean() / error.pow(2).sum(1).mean()
