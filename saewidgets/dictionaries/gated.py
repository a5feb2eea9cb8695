"""Gated SAEs (Rajamanoharan et al. 2404.16014), folded into the JumpReLU they are."""

from __future__ import annotations

from torch import Tensor

from saewidgets.dictionaries.activation import Activation


def fold_gated(
    W_gate: Tensor, b_gate: Tensor, b_mag: Tensor, r_mag: Tensor, *, in_place: bool = False
) -> tuple[Tensor, Tensor, Activation]:
    """Encoder weights, bias and activation of a gated encoder with tied weights.

    The gate opens where `c @ W_gate + b_gate > 0`, the magnitude is `relu(c @ (W_gate * exp(r_mag)) + b_mag)`. Both are
    one pre-activation `h = c @ (W_gate * exp(r_mag)) + b_mag`: the gate opens where `h > b_mag - exp(r_mag) * b_gate`.

    Args:
        W_gate: `[d_in, d_dict]`.
        b_gate: `[d_dict]`.
        b_mag: `[d_dict]`.
        r_mag: `[d_dict]`.
        in_place: Whether a float32 `W_gate` is overwritten; a second one takes half the memory of the dictionary.

    Returns:
        `W_enc` `[d_in, d_dict]`, `b_enc` `[d_dict]`, and a JumpReLU.
    """
    gain = r_mag.float().exp()
    threshold = b_mag.float() - gain * b_gate.float()
    W = W_gate.float()
    return W.mul_(gain) if in_place else W * gain, b_mag.float(), Activation("jumprelu", threshold=threshold)
