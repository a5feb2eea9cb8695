"""The sparse nonlinearity between encoder and decoder."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from saewidgets.errors import DictionaryError, shorten


@dataclass(frozen=True, eq=False)
class Activation:
    """Which pre-activations become features.

    Args:
        kind: `"relu"`: all positive ones (Bricken et al. 2023); `"topk"`: the k greatest, then ReLU (Gao et al.
            2406.04093); `"jumprelu"`: those strictly above a threshold (Rajamanoharan et al. 2407.14435), which is
            also how BatchTopK (Bussmann et al. 2412.06410) runs at inference.
        k: For `"topk"`.
        threshold: For `"jumprelu"`: scalar or `[d_dict]`.

    Example:
        >>> Activation("topk", k=1)(torch.tensor([[0.5, 2.0, -3.0]]))
        tensor([[0., 2., 0.]])
    """

    kind: Literal["relu", "topk", "jumprelu"]
    k: int | None = None
    threshold: Tensor | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("relu", "topk", "jumprelu"):
            raise DictionaryError(f"Unknown activation {shorten(self.kind)}.", "Use 'relu', 'topk' or 'jumprelu'.")
        if self.kind == "topk" and (not isinstance(self.k, int) or self.k < 1):
            raise DictionaryError(f"TopK with k = {shorten(self.k)}.", "k is a whole number from 1.")
        if self.kind == "jumprelu" and self.threshold is None:
            raise DictionaryError("JumpReLU without a threshold.", "Give a scalar or one value a feature.")

    def __call__(self, pre: Tensor) -> Tensor:
        """Feature activations `[..., d_dict]` of pre-activations of the same shape."""
        if self.kind == "relu":
            return pre.relu()
        if self.kind == "jumprelu":
            assert self.threshold is not None
            return torch.where(pre > self.threshold, pre, 0.0).relu()
        assert self.k is not None
        values, index = pre.topk(min(self.k, pre.shape[-1]), dim=-1)
        return torch.zeros_like(pre).scatter(-1, index, values.relu())

    def to(self, device: torch.device | str) -> "Activation":
        """The same activation with its threshold on `device`."""
        threshold = None if self.threshold is None else self.threshold.to(device)
        return Activation(self.kind, self.k, threshold)

    def __repr__(self) -> str:
        if self.kind == "topk":
            return f"TopK {self.k}"
        return {"relu": "ReLU", "jumprelu": "JumpReLU"}[self.kind]
