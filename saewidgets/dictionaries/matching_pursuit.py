"""Matching pursuit SAEs: features are taken one after the other, each the best match of what is left."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from saewidgets.dictionaries.card import Card
from saewidgets.dictionaries.interface import AUTHORS, Dictionary, moved, rescaled
from saewidgets.dictionaries.norm import Norm
from saewidgets.errors import DictionaryError, shorten
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
        value_scale: `[d_dict]` that multiplies activations, and divides directions; None for 1.
        scale_name: What its activations are measured in.

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
    value_scale: Tensor | None = None
    scale_name: str = AUTHORS
    architecture = "matching_pursuit"

    def __post_init__(self) -> None:
        d, m = self.b_dec.numel(), self.W_dec.shape[0]
        self.expect(W_dec=(m, d), b_dec=(d,), value_scale=(m,))
        self.expect_positive("value_scale")
        if type(self.max_iterations) is not int or self.max_iterations < 1:
            raise DictionaryError(f"max_iterations = {shorten(self.max_iterations)}.", "It is a whole number from 1.")
        if not 0 <= self.residual_threshold < float("inf"):
            raise DictionaryError(f"residual_threshold = {shorten(self.residual_threshold)}.", "It is finite, from 0.")

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
        rows = self.W_dec.float() / self.norm.factor
        return rows if self.value_scale is None else rows / self.value_scale.float()[:, None]

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
            if not value.any():  # nothing more to take, however many steps are left
                break
            if not busy.any():
                break
        f = f if self.value_scale is None else f * self.value_scale.float()
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

    def unit_norm(self) -> MatchingPursuit:
        """The same function with unit-norm directions; see `Dictionary.unit_norm`."""
        return rescaled(self, self.directions.norm(dim=1))

    def to(self, device: torch.device | str) -> MatchingPursuit:
        """The same dictionary on another device (itself if it is there already)."""
        return moved(self, device)

    def describe(self) -> str:
        """Its greatest number of steps."""
        return f"matching pursuit, at most {self.max_iterations}"
