"""`Dictionary`: the one record that every plain feed-forward SAE and transcoder is folded into."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from saewidgets.dictionaries.activation import Activation
from saewidgets.errors import DictionaryError
from saewidgets.sites import Site


@dataclass(frozen=True)
class Card:
    """The load card: what was found, and where.

    Args:
        format: Name of the file format.
        source: File or folder the dictionary came from, as given; "" for one made in memory.
        found: Convention -> where it was found ("cfg.json: apply_b_dec_to_input", "assumed").
    """

    format: str = "memory"
    source: str = ""
    found: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        lines = [f"format    {self.format}", f"source    {self.source or '(memory)'}"]
        return "\n".join(lines + [f"{name:<9} {where}" for name, where in self.found])


@dataclass(frozen=True, eq=False)
class Dictionary:
    """A sparse autoencoder or transcoder: encoder, sparse activation, decoder.

    `encode(x) = activation((x - b_dec) @ W_enc + b_enc)`, the subtraction only if `subtract_b_dec`;
    `decode(f) = f @ W_dec + b_dec`. Row i of `W_dec` is the direction that feature i writes.

    Args:
        W_enc: `[d_in, d_dict]`.
        W_dec: `[d_dict, d_out]`.
        b_enc: `[d_dict]`.
        b_dec: `[d_out]`.
        activation: The sparse nonlinearity.
        site_in: Where it reads.
        site_out: Where it writes; equal to `site_in` for an autoencoder, not for a transcoder.
        subtract_b_dec: Whether `b_dec` is subtracted from the input.
        architecture: What its authors call it.
        card: Where everything was found.

    Raises:
        DictionaryError: Shapes that do not fit, or weights that are not finite.

    Example:
        >>> import saewidgets as sw
        >>> sae = sw.demo().dictionaries["resid_post.2"]
        >>> sae.encode(torch.zeros(3, sae.d_in)).shape == (3, sae.d_dict)
        True
    """

    W_enc: Tensor
    W_dec: Tensor
    b_enc: Tensor
    b_dec: Tensor
    activation: Activation
    site_in: Site
    site_out: Site
    subtract_b_dec: bool = False
    architecture: str = "standard"
    card: Card = field(default_factory=Card)

    def __post_init__(self) -> None:
        if self.W_enc.ndim != 2 or self.W_dec.ndim != 2:
            raise DictionaryError("W_enc and W_dec must be matrices.", "Shapes [d_in, d_dict] and [d_dict, d_out].")
        expected = {"b_enc": self.d_dict, "b_dec": self.d_out}
        if self.W_dec.shape[0] != self.d_dict or 0 in (self.d_in, self.d_out, self.d_dict):
            raise DictionaryError(
                f"W_enc is {tuple(self.W_enc.shape)} and W_dec {tuple(self.W_dec.shape)}.",
                "They must be [d_in, d_dict] and [d_dict, d_out] with nothing empty.",
            )
        for name, size in expected.items():
            if getattr(self, name).shape != (size,):
                raise DictionaryError(f"{name} is {tuple(getattr(self, name).shape)}.", f"It must be ({size},).")
        if self.subtract_b_dec and self.d_in != self.d_out:
            raise DictionaryError(f"b_dec [{self.d_out}] cannot be subtracted from inputs [{self.d_in}].")
        for name in ("W_enc", "W_dec", "b_enc", "b_dec"):
            if not torch.isfinite(getattr(self, name)).all():
                raise DictionaryError(f"{name} holds values that are not finite.", "The file is damaged.")
        threshold = self.activation.threshold
        if threshold is not None and threshold.ndim and threshold.shape != (self.d_dict,):
            raise DictionaryError(f"threshold is {tuple(threshold.shape)}.", f"It must be () or ({self.d_dict},).")

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
        """Number of features."""
        return self.W_enc.shape[1]

    @property
    def directions(self) -> Tensor:
        """`[d_dict, d_out]`: what one unit of each feature writes."""
        return self.W_dec

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.W_enc.device

    def pre_activations(self, x: Tensor) -> Tensor:
        """`[..., d_dict]` before the sparse nonlinearity, in the dictionary's dtype."""
        x = x.to(self.W_enc.dtype)
        return (x - self.b_dec if self.subtract_b_dec else x) @ self.W_enc + self.b_enc

    def encode(self, x: Tensor) -> Tensor:
        """Feature activations `[..., d_dict]` of activations `[..., d_in]`."""
        return self.activation(self.pre_activations(x))

    def decode(self, features: Tensor) -> Tensor:
        """`[..., d_out]` of feature activations `[..., d_dict]`."""
        return features @ self.W_dec + self.b_dec

    def reconstruct(self, x: Tensor) -> Tensor:
        """`decode(encode(x))`."""
        return self.decode(self.encode(x))

    def error(self, x: Tensor, target: Tensor | None = None) -> Tensor:
        """What the dictionary leaves out: `target - reconstruct(x)`.

        Args:
            x: `[..., d_in]` at `site_in`.
            target: `[..., d_out]` at `site_out`; `x` itself for an autoencoder.

        Returns:
            `[..., d_out]`.
        """
        if target is None:
            if self.site_in != self.site_out:
                raise DictionaryError("A transcoder's error needs the activations at its site_out.", "Pass target=.")
            target = x
        return target - self.reconstruct(x)

    def centered(self) -> Dictionary:
        """The same dictionary, reading `x - mean(x)`: for one trained on TransformerLens' centred residual stream.

        TransformerLens folds the mean out of GPT-2's residual stream; the Hugging Face module keeps it. Layer norms do
        not see the difference, an encoder does. Folded into the weights, so nothing costs more.

        Returns:
            A dictionary without `subtract_b_dec` whose `encode(x)` is this one's of `x - mean(x)`.
        """
        shift = self.b_dec @ self.W_enc if self.subtract_b_dec else torch.zeros_like(self.b_enc)
        return dataclasses.replace(
            self,
            W_enc=self.W_enc - self.W_enc.mean(0, keepdim=True),
            b_enc=self.b_enc - shift,
            subtract_b_dec=False,
            card=dataclasses.replace(self.card, found=(*self.card.found, ("centre", "input centred, folded"))),
        )

    def to(self, device: torch.device | str) -> Dictionary:
        """The same dictionary on another device (itself if it is there already)."""
        if self.device == torch.device(device):
            return self
        moved = {name: getattr(self, name).to(device) for name in ("W_enc", "W_dec", "b_enc", "b_dec")}
        return dataclasses.replace(self, **moved, activation=self.activation.to(device))

    def save(self, path: str | Path) -> None:
        """Write our own lossless form, one safetensors file."""
        from saewidgets.dictionaries.formats import native

        native.write(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> Dictionary:
        """Read what `save` wrote."""
        from saewidgets.dictionaries.formats import native

        return native.load(Path(path))

    def __repr__(self) -> str:
        where = str(self.site_in) if self.site_in == self.site_out else f"{self.site_in} -> {self.site_out}"
        return f"Dictionary({where}, {self.architecture}, {self.activation!r}, {self.d_dict} features)"
