"""Matching pursuit SAEs: features are taken one after the other, each the best match of what is left."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from saewidgets.dictionaries.card import Card
from saewidgets.dictionaries.interface import Dictionary, moved
from saewidgets.dictionaries.norm import Norm
from saewidgets.errors import DictionaryError
from saewidgets.sites import Site


@dataclass(frozen=True, eq=False, repr=False)
class MatchingPursuit(Dictionary):
    """A dictionary without an encoder matrix (SAELens `matching_pursuit`, overcomplete `MpSAE`).

    From `r = norm(x) - b_dec`, again and again: `i = argmax(r @ W_dec.T)`, `v = (r . W_dec[i])`, `f[i] += v`,
    `r -= v * W_dec[i]`.

    Args:
        W_dec: `[d_dict, d_in]`.
        b_dec: `[d_in]`, subtracted before and added after; zeros for none.
        max_iterations: Greatest number of steps.
        site_in: Where it reads and writes.
        residual_threshold: A token is done when what is left is shorter than this; 0 for never.
        stop_on_duplicate_support: A token is done when a step adds no new feature.
        rectify: Whether a negative best match counts as 0 (SAELens) or is taken with its sign (overcomplete).
        norm: Input normalisation.
        card: Where everything was found.

    Raises:
        DictionaryError: Shapes that do not fit, or weights that are not finite.
    """

    W_dec: Tensor
    b_dec: Tensor
    max_iterations: int
    site_in: Site
    residual_threshold: float = 0.0
    stop_on_duplicate_support: bool = False
    rectify: bool = True
    norm: Norm = field(default_factory=Norm)
    card: Card = field(default_factory=Card)
    architecture = "matching_pursuit"

    def __post_init__(self) -> None:
        self.expect(W_dec=(self.W_dec.shape[0], self.b_dec.numel()), b_dec=(self.b_dec.numel(),))
        if self.max_iterations < 1:
            raise DictionaryError(f"max_iterations = {self.max_iterations}.", "It is a whole number from 1.")

    @property
    def site_out(self) -> Site:  # type: ignore[override]
        """Where it writes: where it reads."""
        return self.site_in

    @property
    def d_in(self) -> int:
        """Size of what it reads."""
        return self.W_dec.shape[1]

    @property
    def d_out(self) -> int:
        """Size of what it writes."""
        return self.W_dec.shape[1]

    @property
    def d_dict(self) -> int:
        """Number of features."""
        return self.W_dec.shape[0]

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.W_dec.device

    @property
    def directions(self) -> Tensor:
        """`[d_dict, d_in]`, float32."""
        return self.W_dec.float() / self.norm.factor

    def encode(self, x: Tensor) -> Tensor:
        """Feature activations `[..., d_dict]`."""
        W = self.W_dec.float()
        left = (self.norm(x.float()) - self.b_dec.float()).reshape(-1, self.d_in)
        f = left.new_zeros(len(left), self.d_dict)
        busy = torch.ones(len(left), dtype=torch.bool, device=left.device)
        for _ in range(self.max_iterations):
            match = left @ W.T
            index = (match.relu() if self.rectify else match).argmax(-1)
            rows = W[index]
            value = (left * rows).sum(-1)
            value = torch.where(busy, value.relu() if self.rectify else value, 0.0)
            before = f != 0
            f = f.scatter_add(1, index[:, None], value[:, None])
            left = left - value[:, None] * rows
            if self.stop_on_duplicate_support:
                busy = busy & ((f != 0) != before).any(-1)
            if self.residual_threshold > 0:
                busy = busy & (left.norm(dim=-1) >= self.residual_threshold)
            if not busy.any():
                break
        return f.reshape(*x.shape[:-1], self.d_dict)

    def scale(self, x: Tensor) -> Tensor | None:
        """`[..., 1]` that undoes a norm of each token, `None` for 1."""
        return self.norm.scale(x.float()) if self.norm.per_token else None

    def offset(self, x: Tensor | None) -> Tensor:
        """The bias, and the mean a layer norm took.

        Raises:
            DictionaryError: It normalises each token and `x` is None.
        """
        return self.norm.undo(self.b_dec.float(), x)

    def to(self, device: torch.device | str) -> MatchingPursuit:
        """The same dictionary on another device (itself if it is there already)."""
        return moved(self, device)

    def describe(self) -> str:
        """Its greatest number of steps."""
        return f"matching pursuit, at most {self.max_iterations}"
