"""Crosscoders (Lindsey et al. 2024): one set of features for several places, or for one place in several models."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.card import Card
from saewidgets.dictionaries.interface import AUTHORS, Dictionary, moved, rescaled
from saewidgets.errors import DictionaryError
from saewidgets.sites import Site


@dataclass(frozen=True, eq=False, repr=False)
class Crosscoder(Dictionary):
    """A dictionary that reads and writes n places at once; `x` is `[..., n, d]`.

    ```
    f           = activation(sum_m (x[m] * factors[m]) @ W_enc[m] + b_enc) * value_scale
    output[m]   = ((f / value_scale) @ W_dec[m] + b_dec[m]) / factors[m]
    ```

    Args:
        W_enc: `[n, d, d_dict]`.
        W_dec: `[n, d_dict, d]`.
        b_enc: `[d_dict]`.
        b_dec: `[n, d]`.
        activation: The sparse nonlinearity.
        sites: The n places, in order; the same one n times for n models.
        factors: `[n]` what each input was multiplied by in training; None for 1.
        value_scale: `[d_dict]` that multiplies activations; None for 1.
        architecture: What its authors call it.
        card: Where everything was found.
        scale_name: What its activations are measured in.

    Raises:
        DictionaryError: Shapes that do not fit, or weights that are not finite.
    """

    W_enc: Tensor
    W_dec: Tensor
    b_enc: Tensor
    b_dec: Tensor
    activation: Activation
    sites: tuple[Site, ...]
    factors: Tensor | None = None
    value_scale: Tensor | None = None
    architecture: str = "crosscoder"
    card: Card = field(default_factory=Card)
    scale_name: str = AUTHORS

    def __post_init__(self) -> None:
        if self.W_enc.ndim != 3 or len(self.sites) != self.W_enc.shape[0]:
            raise DictionaryError(
                f"W_enc is {tuple(self.W_enc.shape)} for {len(self.sites)} sites.", "It must be [sites, d, d_dict]."
            )
        n, d, m = self.W_enc.shape
        shapes: dict[str, tuple[int, ...]] = {
            "W_enc": (n, d, m), "W_dec": (n, m, d), "b_enc": (m,), "b_dec": (n, d), "factors": (n,), "value_scale": (m,)
        }  # fmt: skip
        self.expect(**shapes)
        self.expect_positive("factors", "value_scale")
        self.activation.expect(m)

    @property
    def site_in(self) -> Site:  # type: ignore[override]
        """The first of its places."""
        return self.sites[0]

    @property
    def site_out(self) -> Site:  # type: ignore[override]
        """The first of its places."""
        return self.sites[0]

    @property
    def n_sites(self) -> int:
        """Number of places."""
        return len(self.sites)

    @property
    def d_in(self) -> int:
        """Size of what it reads at each place."""
        return self.W_enc.shape[1]

    @property
    def d_out(self) -> int:
        """Size of what it writes at each place."""
        return self.W_dec.shape[2]

    @property
    def d_dict(self) -> int:
        """Number of features."""
        return self.W_enc.shape[2]

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.W_enc.device

    @property
    def directions(self) -> Tensor:
        """`[d_dict, n, d]`: what one unit of each feature writes at each place, float32."""
        rows = self.W_dec.float().transpose(0, 1) / self._undo()
        return rows if self.value_scale is None else rows / self.value_scale.float()[:, None, None]

    def encode(self, x: Tensor) -> Tensor:
        """Shared feature activations `[..., d_dict]` of `[..., n, d]`.

        Raises:
            DictionaryError: `x` holds another number of places.
        """
        if x.shape[-2:] != (self.n_sites, self.d_in):
            raise DictionaryError(
                f"x ends in {tuple(x.shape[-2:])}.", f"It must end in {(self.n_sites, self.d_in)}: places, size."
            )
        pre = torch.einsum("...nd,ndm->...m", x.float() * self._undo(), self.W_enc.float()) + self.b_enc.float()
        f = self.activation(pre)
        return f if self.value_scale is None else f * self.value_scale.float()

    def decode(self, features: Tensor, x: Tensor | None = None) -> Tensor:
        """`[..., n, d]` of feature activations `[..., d_dict]`."""
        return torch.einsum("...m,mnd->...nd", features, self.directions) + self.offset(x)

    def offset(self, x: Tensor | None) -> Tensor:
        """`[n, d]`: the biases."""
        return self.b_dec.float() / self._undo()

    def norms(self) -> Tensor:
        """`[d_dict, n]`: norm of every direction at each place."""
        return self.directions.norm(dim=-1)

    def relative_norms(self) -> Tensor:
        """`[d_dict, n]`: the share of each place in the norms of a feature; 0.5 for one that two models share."""
        norms = self.norms()
        return norms / norms.sum(-1, keepdim=True).clamp_min(torch.finfo(norms.dtype).tiny)

    def unit_norm(self) -> Crosscoder:
        """The same function with directions whose norms add up to 1 over the places."""
        return rescaled(self, self.norms().sum(-1))

    def to(self, device: torch.device | str) -> Crosscoder:
        """The same dictionary on another device (itself if it is there already)."""
        return moved(self, device)

    def describe(self) -> str:
        """Its nonlinearity and the number of places."""
        return f"{self.activation!r} over {self.n_sites} places"

    def _undo(self) -> Tensor:
        """`[n, 1]` factors."""
        ones = torch.ones(self.n_sites, device=self.device)
        return (ones if self.factors is None else self.factors.float())[:, None]
