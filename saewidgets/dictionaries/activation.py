"""The sparse nonlinearity between encoder and decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from saewidgets.errors import DictionaryError, shorten

Kind = Literal["identity", "relu", "topk", "abstopk", "batchtopk", "jumprelu", "prolu", "groupmax"]
_COUNTED = ("topk", "abstopk", "batchtopk", "groupmax")
_THRESHOLDED = ("jumprelu", "prolu")


@dataclass(frozen=True, eq=False)
class Activation:
    """Which pre-activations become features.

    Args:
        kind: `"relu"`: all positive ones (Bricken et al. 2023); `"topk"`: the k greatest (Gao et al. 2406.04093);
            `"abstopk"`: the k greatest by magnitude, with their sign; `"jumprelu"`: those strictly above a threshold
            (Rajamanoharan et al. 2407.14435), which is also how BatchTopK (Bussmann et al. 2412.06410) runs at
            inference and what a gated encoder folds into; `"prolu"`: `m` where `m > 0` and `m > threshold`, the
            threshold being the negative bias (Taggart 2024); `"groupmax"`: the greatest of each of k contiguous
            groups, if positive (EleutherAI sparsify); `"batchtopk"`: the `k * n` greatest of all n tokens that are
            encoded at once, which is what a BatchTopK checkpoint without a threshold does (a token's features depend on
            its company); `"identity"`: all, with their sign (PCA).
        k: For `"topk"`, `"abstopk"`, `"batchtopk"`, `"groupmax"`.
        threshold: For `"jumprelu"` and `"prolu"`: scalar or `[d_dict]`.
        rectify: Whether negative values among the k greatest become 0 (`"topk"`; circuit-tracer keeps them).

    Raises:
        DictionaryError: An unknown kind, or k or threshold is missing.

    Example:
        >>> Activation("topk", k=1)(torch.tensor([[0.5, 2.0, -3.0]]))
        tensor([[0., 2., 0.]])
    """

    kind: Kind
    k: int | None = None
    threshold: Tensor | None = None
    rectify: bool = True

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise DictionaryError(
                f"Unknown activation {shorten(self.kind)}.", f"Use one of {', '.join(get_args(Kind))}."
            )
        if self.kind in _COUNTED and (type(self.k) is not int or self.k < 1):
            raise DictionaryError(f"{self.kind} with k = {shorten(self.k)}.", "k is a whole number from 1.")
        if self.kind in _THRESHOLDED and self.threshold is None:
            raise DictionaryError(f"{self.kind} without a threshold.", "Give a scalar or one value a feature.")

    def expect(self, d_dict: int) -> None:
        """Check that it fits a dictionary of `d_dict` features, for constructors.

        Raises:
            DictionaryError: Another number of thresholds, or more features asked for than there are.
        """
        if self.threshold is not None:
            if tuple(self.threshold.shape) not in ((), (d_dict,)):
                raise DictionaryError(
                    f"threshold is {tuple(self.threshold.shape)}.", f"It must be {(d_dict,)} or one number."
                )
            if not self.threshold.is_floating_point() or not bool(self.threshold.isfinite().all()):
                raise DictionaryError("threshold holds values that are not finite.", "The file is damaged.")
        if self.k is not None and self.k > d_dict:
            raise DictionaryError(f"k = {self.k} of {d_dict} features.", "k is at most the width.")
        if self.kind == "groupmax" and d_dict % (self.k or 1):
            raise DictionaryError(f"{d_dict} features in {self.k} groups.", "The groups must be equal in size.")

    def __call__(self, pre: Tensor, gate: Tensor | None = None) -> Tensor:
        """Feature activations of pre-activations.

        Args:
            pre: `[..., d_dict]`, the values.
            gate: `[..., d_dict]`, what is compared and ranked; `pre` itself unless the format selects on another scale.

        Returns:
            `[..., d_dict]`.
        """
        gate = pre if gate is None else gate
        if self.kind == "identity":
            return pre
        if self.kind == "relu":
            return pre.relu()
        if self.kind in _THRESHOLDED:
            assert self.threshold is not None
            return torch.where(gate > self.threshold, pre, 0.0).relu()
        if self.kind == "batchtopk":
            assert self.k is not None
            flat = gate.flatten()
            chosen = flat.topk(min(self.k * (len(flat) // gate.shape[-1]), len(flat))).indices
            kept = torch.zeros_like(flat).scatter(0, chosen, 1.0).view_as(gate)
            return (pre * kept).relu()
        index = self.ranked(gate)
        return torch.zeros_like(pre).scatter(-1, index, self.signed(pre.gather(-1, index)))

    def ranked(self, gate: Tensor) -> Tensor:
        """`[..., k]` indices of what a counted activation keeps of gates `[..., n]`."""
        assert self.k is not None
        if self.kind == "groupmax":
            size = gate.shape[-1] // self.k
            best = gate.unflatten(-1, (self.k, size)).argmax(-1)
            return best + torch.arange(self.k, device=gate.device) * size
        rank = gate.abs() if self.kind == "abstopk" else gate
        return rank.topk(min(self.k, gate.shape[-1]), dim=-1).indices

    def signed(self, values: Tensor) -> Tensor:
        """What a counted activation gives for values it keeps: as they are, or rectified."""
        return values if self.kind == "abstopk" or not self.rectify else values.relu()

    @property
    def is_columnwise(self) -> bool:
        """Whether a feature depends on its own pre-activation alone: none competes with others for a place."""
        return self.kind not in _COUNTED

    def part(self, columns: slice | list[int]) -> Activation:
        """The same activation of some columns, for one that looks at each column alone."""
        if self.kind not in _THRESHOLDED or self.threshold is None or not self.threshold.ndim:
            return self
        return Activation(self.kind, threshold=self.threshold[columns])

    def to(self, device: torch.device | str) -> Activation:
        """The same activation with its threshold on `device`."""
        threshold = None if self.threshold is None else self.threshold.to(device)
        return Activation(self.kind, self.k, threshold, self.rectify)

    def __repr__(self) -> str:
        names = {"relu": "ReLU", "jumprelu": "JumpReLU", "prolu": "ProLU", "identity": "identity"}
        counted = {"topk": "TopK", "abstopk": "AbsTopK", "batchtopk": "BatchTopK", "groupmax": "GroupMax"}
        return names.get(self.kind) or f"{counted[self.kind]} {self.k}"
