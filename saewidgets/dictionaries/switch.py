"""Switch SAEs (Mudide et al. 2410.08201): a router sends each token to one expert, a TopK autoencoder of its own."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from saewidgets.dictionaries.card import Card
from saewidgets.dictionaries.interface import AUTHORS, Dictionary, moved, rescaled
from saewidgets.errors import DictionaryError, shorten
from saewidgets.sites import Site


@dataclass(frozen=True, eq=False, repr=False)
class Switch(Dictionary):
    """A dictionary of E experts; expert e owns features `[e * d_dict / E, (e + 1) * d_dict / E)`.

    ```
    p = softmax((x - b_router) @ W_router)        e = argmax p
    f = TopK(relu((x - b_dec) @ W_enc) of expert e) * p[e]
    output = f @ W_dec + b_dec
    ```

    Args:
        W_enc: `[d_in, d_dict]`.
        W_dec: `[d_dict, d_in]`.
        b_dec: `[d_in]`.
        W_router: `[d_in, E]`.
        b_router: `[d_in]`.
        k: Features a token.
        site_in: Where it reads and writes.
        heaviside: Whether activations are left as they are instead of being multiplied by p.
        card: Where everything was found.
        value_scale: `[d_dict]` that multiplies activations, and divides directions; None for 1.
        scale_name: What its activations are measured in.

    Raises:
        DictionaryError: Shapes that do not fit, or weights that are not finite.
    """

    W_enc: Tensor
    W_dec: Tensor
    b_dec: Tensor
    W_router: Tensor
    b_router: Tensor
    k: int
    site_in: Site
    heaviside: bool = False
    card: Card = field(default_factory=Card)
    value_scale: Tensor | None = None
    scale_name: str = AUTHORS
    architecture = "switch"

    def __post_init__(self) -> None:
        d, m = self.b_dec.numel(), self.W_dec.shape[0]
        self.expect(W_enc=(d, m), W_dec=(m, d), b_dec=(d,), W_router=(d, self.W_router.shape[-1]), b_router=(d,))
        self.expect(value_scale=(m,))
        self.expect_positive("value_scale")
        if m % self.n_experts:
            raise DictionaryError(f"{m} features cannot be shared by {self.n_experts} experts.", "The file is damaged.")
        if type(self.k) is not int or not 1 <= self.k <= m // self.n_experts:
            raise DictionaryError(f"k = {shorten(self.k)}.", f"An expert has {m // self.n_experts} features.")

    @property
    def site_out(self) -> Site:  # type: ignore[override]
        """Where it writes: where it reads."""
        return self.site_in

    @property
    def n_experts(self) -> int:
        """Number of experts."""
        return self.W_router.shape[-1]

    @property
    def d_in(self) -> int:
        """Size of what it reads."""
        return self.W_enc.shape[0]

    @property
    def d_out(self) -> int:
        """Size of what it writes."""
        return self.W_dec.shape[1]

    @property
    def d_dict(self) -> int:
        """Number of features of all experts."""
        return self.W_dec.shape[0]

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.W_dec.device

    @property
    def directions(self) -> Tensor:
        """`[d_dict, d_in]`, float32."""
        rows = self.W_dec.float()
        return rows if self.value_scale is None else rows / self.value_scale.float()[:, None]

    def route(self, x: Tensor) -> Tensor:
        """`[..., E]` probability of each expert."""
        return ((x.float() - self.b_router.float()) @ self.W_router.float()).softmax(-1)

    def encode(self, x: Tensor) -> Tensor:
        """Feature activations `[..., d_dict]`; those of other experts than the token's are 0."""
        chosen = self.route(x).max(-1, keepdim=True)
        z = ((x.float() - self.b_dec.float()) @ self.W_enc.float()).relu()
        owner = torch.arange(self.n_experts, device=self.device).repeat_interleave(self.d_dict // self.n_experts)
        z = torch.where(owner == chosen.indices, z, 0.0)
        values, index = z.topk(self.k, dim=-1)
        f = torch.zeros_like(z).scatter(-1, index, values)
        f = f if self.heaviside else f * chosen.values
        return f if self.value_scale is None else f * self.value_scale.float()

    def offset(self, x: Tensor | None) -> Tensor:
        """`b_dec`."""
        return self.b_dec.float()

    def unit_norm(self) -> Switch:
        """The same function with unit-norm directions; see `Dictionary.unit_norm`."""
        return rescaled(self, self.directions.norm(dim=1))

    def to(self, device: torch.device | str) -> Switch:
        """The same dictionary on another device (itself if it is there already)."""
        return moved(self, device)

    def describe(self) -> str:
        """Experts and k."""
        return f"Switch, {self.n_experts} experts, TopK {self.k}"
