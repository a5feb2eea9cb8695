"""Bringing dead features back: AuxK, ghost gradients, resampling."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from saewidgets.dictionaries.train import linear
from saewidgets.dictionaries.train.core import Batch, Frame, Params

# Bricken et al. 2023: a new encoder column is this share of the mean norm of living ones.
_ENCODER_SHARE = 0.2
# Parameters with one value a feature.
_OF_FEATURES = {"b_enc", "b_gate", "b_mag", "r_mag", "log_threshold"}


def auxk(pre: Tensor, error: Tensor, W_dec: Tensor, k: int) -> Tensor:
    """What dead features leave of the error when the `k` strongest of them explain it (Gao et al. 2406.04093).

    Args:
        pre: `[n, dead]` pre-activations of the dead features.
        error: `[n, d_out]`, without gradient.
        W_dec: `[dead, d_out]`, their rows.
        k: Features a token.

    Returns:
        The remaining share of the squared error, at most about 1.
    """
    values, index = pre.topk(min(k, pre.shape[1]), dim=1)
    f = torch.zeros_like(pre).scatter(1, index, values.relu())
    return (error - f @ W_dec).pow(2).sum(1).mean() / error.pow(2).sum(1).mean().clamp_min(1e-12)


def ghost(pre: Tensor, error: Tensor, W_dec: Tensor) -> Tensor:
    """Ghost gradients (Anthropic, January 2024 update): dead features, exponentiated, predict half of the error.

    Args:
        pre: `[n, dead]` pre-activations of the dead features.
        error: `[n, d_out]`, without gradient.
        W_dec: `[dead, d_out]`, their rows.

    Returns:
        A loss whose value equals the squared error; only its gradient means something.
    """
    written = pre.exp() @ W_dec
    scale = error.norm(dim=1, keepdim=True) / (2 * written.detach().norm(dim=1, keepdim=True).clamp_min(1e-12))
    missed = (error - written * scale).pow(2).sum(1).mean()
    return missed * (error.pow(2).sum(1).mean() / missed.detach().clamp_min(1e-12))


@torch.no_grad()
def resample(
    params: Params,
    moments: Sequence[Params],
    dead: Tensor,
    batch: Batch,
    output: Tensor,
    frame: Frame,
    draw: torch.Generator,
) -> None:
    """Let dead features begin anew where the error is large (Bricken et al. 2023), in place.

    Each takes the direction of a token drawn with probability proportional to its squared loss; its encoder column gets
    a fifth of the mean norm of the living, its other parameters their first values, its moments of Adam 0.

    Args:
        params: Parameters, changed in place.
        moments: Adam's moments by parameter, changed in place.
        dead: `[d_dict]` bool.
        batch: Tokens to draw from.
        output: `[n, d_out]` of them.
        frame: Scale and plan.
        draw: Random state.
    """
    index = dead.nonzero()[:, 0]
    if not len(index):
        return
    loss = (batch.y - output).pow(2).sum(1)
    drawn = torch.multinomial(loss.pow(2).clamp_min(1e-30).cpu(), len(index), replacement=True, generator=draw)
    drawn = drawn.to(loss.device)
    read, written = linear.centred(params, batch.x[drawn], frame), batch.y[drawn] - params["b_dec"]
    living = params["W_enc"].norm(dim=0)[~dead]
    length = living.mean() if len(living) else params["W_enc"].norm(dim=0).mean()
    params["W_enc"][:, index] = _ENCODER_SHARE * length * normalize(read, dim=1).T
    params["W_dec"][index] = normalize(written, dim=1) * linear.first_norm(frame.plan)
    for name in params.keys() & _OF_FEATURES:
        params[name][index] = linear.first_log_threshold(frame) if name == "log_threshold" else 0.0
    for moment in moments:
        moment["W_enc"][:, index] = 0
        for name in params.keys() & (_OF_FEATURES | {"W_dec"}):
            moment[name][index] = 0
