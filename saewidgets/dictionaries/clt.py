"""Cross-layer transcoders (Ameisen et al. 2025): a feature read at one layer writes to all layers from there on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.card import Card, Finding
from saewidgets.dictionaries.interface import (
    AUTHORS,
    PER_UNIT_NORM,
    Dictionary,
    check_rows,
    check_weights,
    moved,
)
from saewidgets.errors import DictionaryError
from saewidgets.sites import Site


@dataclass(frozen=True, eq=False, repr=False)
class CrossLayerTranscoder(Dictionary):
    """A dictionary of L layers; `x` is `[L, ..., d_in]`, features are `[L, ..., d_dict]`.

    ```
    f[l]      = activations[l](x[l] @ W_enc[l] + b_enc[l]) * value_scale[l]
    output[l] = sum_{s <= l} (f[s] / value_scale[s]) @ W_dec[s][:, l - s] + b_dec[l] + x[l] @ W_skip[l]
    ```

    Args:
        W_enc: L times `[d_in, d_dict]`.
        W_dec: L times `[d_dict, L - s, d_out]`; mapped from disk, only what is asked for is read.
        b_enc: L times `[d_dict]`.
        b_dec: L times `[d_out]`.
        activations: The sparse nonlinearity of each layer.
        sites_in: Where each layer reads.
        sites_out: Where each layer writes.
        W_skip: L times `[d_in, d_out]`, or empty.
        architecture: What its authors call it.
        card: Where everything was found.
        value_scale: L times `[d_dict]` that multiplies activations, and divides directions; empty for 1.
        scale_name: What its activations are measured in.

    Raises:
        DictionaryError: Shapes that do not fit, or weights that are not finite.
    """

    W_enc: tuple[Tensor, ...]
    W_dec: tuple[Tensor, ...]
    b_enc: tuple[Tensor, ...]
    b_dec: tuple[Tensor, ...]
    activations: tuple[Activation, ...]
    sites_in: tuple[Site, ...]
    sites_out: tuple[Site, ...]
    W_skip: tuple[Tensor, ...] = ()
    architecture: str = "cross_layer_transcoder"
    card: Card = field(default_factory=Card)
    value_scale: tuple[Tensor, ...] = ()
    scale_name: str = AUTHORS

    def __post_init__(self) -> None:
        layers = len(self.W_enc)
        names = ["W_dec", "b_enc", "b_dec", "activations", "sites_in", "sites_out"]
        for name in names + [name for name in ("W_skip", "value_scale") if getattr(self, name)]:
            if not layers or len(getattr(self, name)) != layers:
                raise DictionaryError(f"{name} has {len(getattr(self, name))} layers.", f"W_enc has {layers}.")
        d_in, m, d_out = self.d_in, self.d_dict, self.d_out
        for layer in range(layers):
            shapes: dict[str, tuple[int, ...]] = {
                "W_enc": (d_in, m), "W_dec": (m, layers - layer, d_out), "b_enc": (m,), "b_dec": (d_out,),
                "W_skip": (d_in, d_out), "value_scale": (m,),
            }  # fmt: skip
            self.activations[layer].expect(m)
            for name, shape in shapes.items():
                if not getattr(self, name):
                    continue
                value, where = getattr(self, name)[layer], f"{name} of layer {layer}"
                if tuple(value.shape) != shape or 0 in shape:
                    raise DictionaryError(f"{where} is {tuple(value.shape)}.", f"It must be {shape}.")
                check_weights(where, value)

    @property
    def n_layers(self) -> int:
        """Number of layers."""
        return len(self.W_enc)

    @property
    def site_in(self) -> Site:  # type: ignore[override]
        """Where its first layer reads."""
        return self.sites_in[0]

    @property
    def site_out(self) -> Site:  # type: ignore[override]
        """Where its first layer writes."""
        return self.sites_out[0]

    @property
    def d_in(self) -> int:
        """Size of what each layer reads."""
        return self.W_enc[0].shape[0]

    @property
    def d_out(self) -> int:
        """Size of what is written at each layer."""
        return self.W_dec[0].shape[-1]

    @property
    def d_dict(self) -> int:
        """Number of features of each layer."""
        return self.W_enc[0].shape[1]

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.W_enc[0].device

    @property
    def directions(self) -> Tensor:
        """`[L, d_dict, L, d_out]`, zeros for earlier layers; large: ask `layer_rows` for some features instead."""
        full = torch.zeros(self.n_layers, self.d_dict, self.n_layers, self.d_out, device=self.device)
        for source, weights in enumerate(self.W_dec):
            full[source, :, source:] = self._unscaled(source, weights.float())
        return full

    def layer_rows(self, layer: int, index: Tensor | Sequence[int]) -> Tensor:
        """`[n, L - layer, d_out]`: what some features of a layer write from there on; only they are read."""
        index = torch.as_tensor(index, device=self.device)
        rows = check_rows(f"W_dec of layer {layer}", self.W_dec[layer], self.W_dec[layer][index].float())
        return rows / self.value_scale[layer][index].float()[:, None, None] if self.value_scale else rows

    def encode(self, x: Tensor) -> Tensor:
        """Feature activations `[L, ..., d_dict]`.

        Raises:
            DictionaryError: `x` holds another number of layers.
        """
        self._check(x)
        return torch.stack([self.encode_layer(layer, value) for layer, value in enumerate(x)])

    def encode_layer(self, layer: int, x: Tensor) -> Tensor:
        """Feature activations `[..., d_dict]` of one layer."""
        f = self.activations[layer](x.float() @ self.W_enc[layer].float() + self.b_enc[layer].float())
        return f * self.value_scale[layer].float() if self.value_scale else f

    def decode(self, features: Tensor, x: Tensor | None = None) -> Tensor:
        """`[L, ..., d_out]` of feature activations `[L, ..., d_dict]`."""
        self._check(features)
        written = [self._offset(layer, None if x is None else x[layer]) for layer in range(self.n_layers)]
        for source, f in enumerate(features):
            f = f / self.value_scale[source].float() if self.value_scale else f
            for target in range(source, self.n_layers):
                written[target] = written[target] + f @ self.W_dec[source][:, target - source].float()
        return torch.stack(written)

    def offset(self, x: Tensor | None) -> Tensor:
        """`[L, d_out]` or `[L, ..., d_out]`: biases and skip connections; without `x` the skips are left out."""
        return torch.stack([self._offset(n, None if x is None else x[n]) for n in range(self.n_layers)])

    def _offset(self, layer: int, x: Tensor | None) -> Tensor:
        bias = self.b_dec[layer].float()
        return bias if x is None or not self.W_skip else bias + x.float() @ self.W_skip[layer].float()

    def _unscaled(self, layer: int, rows: Tensor) -> Tensor:
        return rows / self.value_scale[layer].float()[:, None, None] if self.value_scale else rows

    def _check(self, values: Tensor) -> None:
        if len(values) != self.n_layers:
            raise DictionaryError(f"{len(values)} layers were given.", f"It has {self.n_layers}; layers come first.")

    def norms(self) -> Tensor:
        """`[L, d_dict]`: norm of what each feature writes, over all its layers."""
        return torch.stack(
            [self._unscaled(n, rows.float()).flatten(1).norm(dim=1) for n, rows in enumerate(self.W_dec)]
        )

    def unit_norm(self) -> CrossLayerTranscoder:
        """The same function with directions whose norm over all layers is 1; see `Dictionary.unit_norm`."""
        norms = self.norms()
        norms = torch.where(norms > 0, norms, 1.0)
        found = Finding("scale", f"{PER_UNIT_NORM}, over all layers", "unit_norm()")
        return replace(
            self,
            value_scale=tuple(norms * torch.stack(self.value_scale) if self.value_scale else norms),
            scale_name=PER_UNIT_NORM,
            card=replace(self.card, findings=(*self.card.findings, found)),
        )

    def to(self, device: torch.device | str) -> CrossLayerTranscoder:
        """The same dictionary on another device (itself if it is there already)."""
        return moved(self, device)

    def describe(self) -> str:
        """Its nonlinearity and the number of layers."""
        return f"{self.activations[0]!r} over {self.n_layers} layers"
