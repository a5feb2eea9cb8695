"""Temporal SAEs (2511.01836): what the context predicts is taken out before features are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.card import Card
from saewidgets.dictionaries.interface import AUTHORS, Dictionary, check_weights, moved, rescaled
from saewidgets.dictionaries.norm import Norm
from saewidgets.errors import DictionaryError
from saewidgets.sites import Site


@dataclass(frozen=True, eq=False)
class CodeAttention:
    """One layer of causal attention over the codes of a sequence. E is the width of keys and queries.

    Args:
        W_q: `[d_dict, E]`, with `b_q` `[E]`: queries, from the codes of the token itself.
        b_q: See `W_q`.
        W_k: `[d_dict, E]`, with `b_k` `[E]`: keys, from the codes of the tokens before.
        b_k: See `W_k`.
        W_v: `[d_dict, d_dict]`, with `b_v`: values.
        b_v: See `W_v`.
        W_o: `[d_dict, d_dict]`, with `b_o`: output.
        b_o: See `W_o`.
        n_heads: Divides E and d_dict.
    """

    W_q: Tensor
    b_q: Tensor
    W_k: Tensor
    b_k: Tensor
    W_v: Tensor
    b_v: Tensor
    W_o: Tensor
    b_o: Tensor
    n_heads: int

    def __call__(self, z: Tensor) -> Tensor:
        """`[batch, tokens, d_dict]` codes predicted for each token from those before it."""
        before = torch.cat([torch.zeros_like(z[:, :1]), z[:, :-1]], 1)
        q, k, v = (
            (source @ W.float() + b.float()).unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
            for source, W, b in ((z, self.W_q, self.b_q), (before, self.W_k, self.b_k), (before, self.W_v, self.b_v))
        )
        mixed = scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(-2)
        return (mixed @ self.W_o.float() + self.b_o.float()).relu()


@dataclass(frozen=True, eq=False, repr=False)
class Temporal(Dictionary):
    """A dictionary that reads a sequence: features are what is new at a token.

    With `lam = 1 / (4 d_in)` and `r = norm(x) - b_in`, every attention layer predicts codes `p` from the codes
    `relu(lam r @ W_enc)` of the tokens before, takes out their projection (`s = (r . p W_dec) / |p W_dec|^2`,
    `r -= s p W_dec`), and `z_pred += s p`. The features are `activation(lam r @ W_enc)` of what is left, and the
    output is `(f + z_pred) @ W_dec + b_dec`.

    Args:
        W_enc: `[d_in, d_dict]`; the transpose of `W_dec` when tied.
        W_dec: `[d_dict, d_in]`.
        b_in: `[d_in]` subtracted from the input; zeros for none.
        b_dec: `[d_in]` added to the output; zeros for none.
        attention: The layers.
        activation: ReLU or TopK.
        site_in: Where it reads and writes.
        norm: Input normalisation.
        card: Where everything was found.
        value_scale: `[d_dict]` that multiplies activations, and divides directions; None for 1.
        scale_name: What its activations are measured in.

    Raises:
        DictionaryError: Shapes that do not fit, or weights that are not finite.
    """

    W_enc: Tensor
    W_dec: Tensor
    b_in: Tensor
    b_dec: Tensor
    attention: tuple[CodeAttention, ...]
    activation: Activation
    site_in: Site
    norm: Norm = field(default_factory=Norm)
    card: Card = field(default_factory=Card)
    value_scale: Tensor | None = None
    scale_name: str = AUTHORS
    architecture = "temporal"

    def __post_init__(self) -> None:
        d, m = self.b_dec.numel(), self.W_dec.shape[0]
        self.expect(W_enc=(d, m), W_dec=(m, d), b_in=(d,), b_dec=(d,), value_scale=(m,))
        self.expect_positive("value_scale")
        self.activation.expect(m)
        for layer in self.attention:
            width = layer.b_q.numel()
            if width % layer.n_heads or m % layer.n_heads:
                raise DictionaryError(f"{layer.n_heads} heads do not divide {width} and {m}.", "The file is damaged.")
            for letter, size in {"q": width, "k": width, "v": m, "o": m}.items():
                for name, shape in {f"W_{letter}": (m, size), f"b_{letter}": (size,)}.items():
                    value = getattr(layer, name)
                    if tuple(value.shape) != shape:
                        raise DictionaryError(f"{name} is {tuple(value.shape)}.", f"It must be {shape}.")
                    check_weights(name, value)

    @property
    def reads_context(self) -> Literal[True]:  # type: ignore[override]
        """A token's features depend on the tokens before it."""
        return True

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
        """What is new: feature activations `[..., tokens, d_dict]` of sequences `[..., tokens, d_in]`."""
        new = self.split(x)[0]
        return new if self.value_scale is None else new * self.value_scale.float()

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What is new and what was predicted: `f` and `z_pred`, both `[..., tokens, d_dict]`, authors' scale."""
        W_enc, W_dec = self.W_enc.float(), self.W_dec.float()
        left = (self.norm(x.float()) - self.b_in.float()).reshape(-1, *x.shape[-2:])
        predicted = left.new_zeros(*left.shape[:-1], self.d_dict)
        lam = 1 / (4 * self.d_in)
        for layer in self.attention:
            codes = layer((left * lam @ W_enc).relu())
            written = codes @ W_dec
            share = (written * left).sum(-1, keepdim=True) / (written.norm(dim=-1, keepdim=True) + 1e-6).pow(2)
            predicted = predicted + codes * share
            left = left - share * written
        new = self.activation(left * lam @ W_enc)
        shape = (*x.shape[:-1], self.d_dict)
        return new.reshape(shape), predicted.reshape(shape)

    def scale(self, x: Tensor) -> Tensor | None:
        """`[..., 1]` that undoes a norm of each token, `None` for 1."""
        return self.norm.scale(x.float()) if self.norm.per_token else None

    def offset(self, x: Tensor | None) -> Tensor:
        """The bias and what the context predicts.

        Raises:
            DictionaryError: `x` is None.
        """
        if x is None:
            raise DictionaryError("What the context predicts is not in the features.", "Call decode(features, x).")
        return self.norm.undo(self.split(x)[1] @ self.W_dec.float() + self.b_dec.float(), x)

    def unit_norm(self) -> Temporal:
        """The same function with unit-norm directions; see `Dictionary.unit_norm`."""
        return rescaled(self, self.directions.norm(dim=1))

    def to(self, device: torch.device | str) -> Temporal:
        """The same dictionary on another device (itself if it is there already)."""
        return moved(self, device)

    def describe(self) -> str:
        """Its nonlinearity in a few words."""
        return f"temporal, {self.activation!r}"
