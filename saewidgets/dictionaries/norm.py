"""What is done to an activation before the encoder, and undone after the decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from saewidgets.errors import DictionaryError, shorten


@dataclass(frozen=True)
class Norm:
    """Input normalisation of a dictionary.

    Args:
        kind: `"none"`; `"factor"`: `x * factor` (trained on inputs of a fixed mean norm); `"token_norm"`:
            `x * sqrt(d) / |x|` for each token (SAELens `constant_norm_rescale`); `"layer_norm"`:
            `(x - mean(x)) / (std(x) + eps)`, std unbiased (OpenAI, SAELens `layer_norm`).
        factor: For `"factor"`. What undoes it is part of the decoder rows, not of this record.
        eps: For `"layer_norm"`, added to the standard deviation in the norm; their authors leave it out of what undoes
            it.

    Example:
        >>> Norm("layer_norm")(torch.tensor([1.0, 2.0, 3.0]))
        tensor([-1.0000,  0.0000,  1.0000])
    """

    kind: Literal["none", "factor", "token_norm", "layer_norm"] = "none"
    factor: float = 1.0
    eps: float = 1e-5

    def __post_init__(self) -> None:
        if self.kind not in ("none", "factor", "token_norm", "layer_norm"):
            raise DictionaryError(f"Unknown input norm {shorten(self.kind)}.")
        if self.kind != "factor" and self.factor != 1:
            raise DictionaryError(f"The norm {self.kind} has no factor.", "Only 'factor' has one.")
        if not (0 < self.factor < float("inf")):
            raise DictionaryError(f"Norm factor {shorten(self.factor)}.", "It is a finite number above 0.")
        if not (0 <= self.eps < float("inf")):
            raise DictionaryError(f"Norm eps {shorten(self.eps)}.", "It is a finite number from 0.")

    @property
    def per_token(self) -> bool:
        """Whether undoing it needs the input."""
        return self.kind in ("token_norm", "layer_norm")

    def __call__(self, x: Tensor) -> Tensor:
        """Normalised activations `[..., d_in]`."""
        if self.kind == "factor":
            return x * self.factor
        if self.kind == "token_norm":
            return x / self.scale(x)
        if self.kind == "layer_norm":
            return (x - x.mean(-1, keepdim=True)) / (self.scale(x) + self.eps)
        return x

    def scale(self, x: Tensor) -> Tensor:
        """`[..., 1]`: what a decoded value is multiplied by to undo a norm of each token."""
        if self.kind == "token_norm":
            return x.norm(dim=-1, keepdim=True) / x.shape[-1] ** 0.5
        if self.kind == "layer_norm":
            return x.std(-1, keepdim=True)
        return torch.ones_like(x[..., :1])

    def shift(self, x: Tensor) -> Tensor:
        """`[..., 1]`: what is added to undo a norm of each token."""
        return x.mean(-1, keepdim=True) if self.kind == "layer_norm" else torch.zeros_like(x[..., :1])

    def undo(self, written: Tensor, x: Tensor | None) -> Tensor:
        """What a decoder wrote `[..., d]`, back in the units of the input.

        Raises:
            DictionaryError: It takes the input and `x` is None.
        """
        if not self.per_token:
            return written / self.factor
        if x is None:
            raise DictionaryError(f"Its {self} is undone with the input.", "Call decode(features, x).")
        return written * self.scale(x.float()) + self.shift(x.float())

    def __str__(self) -> str:
        return f"factor {self.factor:g}" if self.kind == "factor" else self.kind.replace("_", " ")
