"""`FeedForward`: the canonical record that every plain SAE and transcoder is folded into."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.blocks import encode_in_blocks
from saewidgets.dictionaries.card import Card, Finding
from saewidgets.dictionaries.interface import AUTHORS, BLOCK, Dictionary, check_rows, check_weights, moved, rescaled
from saewidgets.dictionaries.norm import Norm
from saewidgets.dictionaries.sparse import SparseActivations
from saewidgets.errors import DictionaryError
from saewidgets.sites import Site


@dataclass(frozen=True, eq=False, repr=False)
class FeedForward(Dictionary):
    """A dictionary with one encoder matrix and one decoder matrix, its conventions explicit.

    ```
    pre    = (norm(x) - b_in) @ W_enc + b_enc
    f      = activation(pre, gate=pre * gate_scale) * value_scale
    output = (f @ (W_dec * row_scale) + b_dec) * norm.scale(x) + norm.shift(x) + x @ W_skip
    ```

    Args:
        W_enc: `[d_in, d_dict]`, of any floating dtype; computed in float32.
        W_dec: `[d_dict, d_out]`. Row i is the direction that feature i writes.
        b_enc: `[d_dict]`.
        b_dec: `[d_out]`.
        activation: The sparse nonlinearity.
        site_in: Where it reads.
        site_out: Where it writes; equal to `site_in` for an autoencoder, not for a transcoder.
        b_in: `[d_in]` subtracted from the (normalised) input; None for no subtraction.
        norm: Input normalisation.
        gate_scale: `[d_dict]`: selection looks at `pre * gate_scale`, the value stays `pre`.
        value_scale: `[d_dict]` that multiplies activations after selection.
        row_scale: `[d_dict]` or `[]` that multiplies decoder rows.
        W_skip: `[d_in, d_out]` of a skip transcoder.
        architecture: What its authors call it.
        card: Where everything was found.
        scale_name: What its activations are measured in.

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
    b_in: Tensor | None = None
    norm: Norm = field(default_factory=Norm)
    gate_scale: Tensor | None = None
    value_scale: Tensor | None = None
    row_scale: Tensor | None = None
    W_skip: Tensor | None = None
    architecture: str = "standard"
    card: Card = field(default_factory=Card)
    scale_name: str = AUTHORS

    def __post_init__(self) -> None:
        if self.W_enc.ndim != 2 or self.W_dec.ndim != 2:
            raise DictionaryError("W_enc and W_dec must be matrices.", "Shapes [d_in, d_dict] and [d_dict, d_out].")
        if self.W_dec.shape[0] != self.d_dict or 0 in (self.d_in, self.d_out, self.d_dict):
            raise DictionaryError(
                f"W_enc is {tuple(self.W_enc.shape)} and W_dec {tuple(self.W_dec.shape)}.",
                "They must be [d_in, d_dict] and [d_dict, d_out] with nothing empty.",
            )
        if self.site_in == self.site_out and self.d_in != self.d_out:
            raise DictionaryError(
                f"It reads {self.d_in} and writes {self.d_out} dimensions at {self.site_in}.",
                "The weights do not belong together, or it is a transcoder: pass site_out=.",
            )
        expected: dict[str, tuple[tuple[int, ...], ...]] = {
            "b_enc": ((self.d_dict,),),
            "b_dec": ((self.d_out,),),
            "b_in": ((self.d_in,),),
            "gate_scale": ((self.d_dict,),),
            "value_scale": ((self.d_dict,),),
            "row_scale": ((), (self.d_dict,)),
            "W_skip": ((self.d_in, self.d_out),),
        }
        given = {name: getattr(self, name) for name in expected}
        for name, value in given.items():
            if value is not None and tuple(value.shape) not in expected[name]:
                shapes = " or ".join(map(str, expected[name]))
                raise DictionaryError(f"{name} is {tuple(value.shape)}.", f"It must be {shapes}.")
        if self.norm.per_token and self.d_in != self.d_out:
            raise DictionaryError(f"{self.norm} cannot be undone from {self.d_in} to {self.d_out} dimensions.")
        for name, value in {"W_enc": self.W_enc, "W_dec": self.W_dec, **given}.items():
            if value is not None:
                check_weights(name, value)
        self.activation.expect(self.d_dict)

    @property
    def reads_context(self) -> bool:  # type: ignore[override]
        """Whether a token's features depend on the other tokens: only for a BatchTopK without a threshold."""
        return self.activation.kind == "batchtopk"

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
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.W_enc.device

    @property
    def directions(self) -> Tensor:
        """`[d_dict, d_out]`: what one unit of each feature writes, float32."""
        rows = self.W_dec.float()
        return rows if self.row_scale is None else rows * self.row_scale.float().reshape(-1, 1)

    def rows(self, index: Tensor | Sequence[int]) -> Tensor:
        """`[n, d_out]`: some rows of `directions`; only they are read from disk.

        Raises:
            DictionaryError: They hold values that are not finite.
        """
        index = torch.as_tensor(index, device=self.device)
        rows = check_rows("W_dec", self.W_dec, self.W_dec[index].float())
        if self.row_scale is None:
            return rows
        return rows * (self.row_scale[index] if self.row_scale.ndim else self.row_scale).float().reshape(-1, 1)

    def pre_activations(self, x: Tensor) -> Tensor:
        """`[..., d_dict]` before the sparse nonlinearity, float32."""
        x = self._centred(x)
        if self.W_enc.dtype == torch.float32:
            return x @ self.W_enc + self.b_enc
        parts = self._columns(self.d_in)
        return torch.cat([x @ self.W_enc[:, part].float() + self.b_enc[part].float() for part in parts], -1)

    def encode(self, x: Tensor) -> Tensor:
        """Feature activations `[..., d_dict]` of activations `[..., d_in]`."""
        pre = self.pre_activations(x)
        f = self.activation(pre, None if self.gate_scale is None else pre * self.gate_scale)
        return f if self.value_scale is None else f * self.value_scale

    def encoder_of(self, columns: Sequence[int]) -> Callable[[Tensor], Tensor]:
        """See `Dictionary`; where features do not compete for places the others are not computed."""
        if not self.activation.is_columnwise:
            return super().encoder_of(columns)
        some = list(columns)
        W, b, activation = self.W_enc[:, some].float(), self.b_enc[some].float(), self.activation.part(some)
        gates, values = (None if v is None else v[some] for v in (self.gate_scale, self.value_scale))

        def encode(x: Tensor) -> Tensor:
            pre = self._centred(x) @ W + b
            f = activation(pre, None if gates is None else pre * gates)
            return f if values is None else f * values

        return encode

    def encode_sparse(self, x: Tensor) -> SparseActivations:
        """Features of `[tokens, d_in]`; where the dense ones would be many, a block of columns at a time."""
        kind = self.activation.kind
        # The k greatest are read off the pre-activations: dense features need not be made and searched.
        dense = self.d_dict * max(len(x), 1) <= BLOCK and kind not in ("topk", "abstopk")
        if dense or kind in ("groupmax", "batchtopk"):
            return SparseActivations.from_dense(self.encode(x))
        return encode_in_blocks(self.blocks(x), self.activation, self.value_scale, len(x))

    def blocks(self, x: Tensor) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Columns, values `[tokens, columns]` and gates of `[tokens, d_in]`, a block of features at a time."""
        x = self._centred(x)
        # Half of a block: several exist at once, the values, what is kept of them, and those of the block before.
        for part in self._columns(2 * max(len(x), self.d_in)):
            pre = (x @ self.W_enc[:, part].float()).add_(self.b_enc[part].float())
            yield part, pre, pre if self.gate_scale is None else pre * self.gate_scale[part]

    def scale(self, x: Tensor) -> Tensor | None:
        """`[..., 1]` that undoes a norm of each token, `None` for 1."""
        return self.norm.scale(x.float()) if self.norm.per_token else None

    def offset(self, x: Tensor | None) -> Tensor:
        """What is written besides the features: `b_dec`, the mean a layer norm took, the skip connection.

        Without `x`, a skip transcoder's offset leaves the skip out; a norm of each token cannot be undone.
        """
        bias = self.b_dec.float()
        if x is None:
            if self.norm.per_token:
                raise DictionaryError(f"Its {self.norm} is undone with the input.", "Call decode(features, x).")
            return bias
        x = x.float()
        if self.norm.per_token:
            bias = bias * self.norm.scale(x) + self.norm.shift(x)
        return bias if self.W_skip is None else bias + x @ self.W_skip.float()

    def decode(self, features: Tensor, x: Tensor | None = None) -> Tensor:
        """`[..., d_out]` of feature activations; see `Dictionary.decode`."""
        if self.row_scale is not None:
            features = features * self.row_scale.float()
        written: Tensor | None = None
        for part in self._rows():
            term = features[..., part] @ self.W_dec[part].float()
            written = term if written is None else written + term
        assert written is not None
        offset = self.offset(x)
        scale = None if x is None else self.scale(x)
        return (written if scale is None else written * scale) + offset

    def norms(self) -> Tensor:
        """`[d_dict]`: norm of every direction, float32."""
        parts = [self.W_dec[part].float().norm(dim=1) for part in self._rows()]
        scale = 1.0 if self.row_scale is None else self.row_scale.float().abs()
        return torch.cat(parts) * scale

    def unit_norm(self) -> FeedForward:
        """The same function with unit-norm directions; see `Dictionary.unit_norm`."""
        norms = self.norms()
        norms = torch.where(norms > 0, norms, 1.0)
        return rescaled(self, norms, row_scale=1 / norms if self.row_scale is None else self.row_scale / norms)

    def prefix(self, size: int) -> FeedForward:
        """The dictionary of the first `size` features: one of the nested ones of a Matryoshka dictionary.

        Raises:
            DictionaryError: It has fewer features.
        """
        if not 1 <= size <= self.d_dict:
            raise DictionaryError(f"The first {size} of {self.d_dict} features.", "Ask for 1 to the width.")
        vectors = {name: getattr(self, name) for name in ("b_enc", "gate_scale", "value_scale", "row_scale")}
        cut = {name: value[:size] if value is not None and value.ndim else value for name, value in vectors.items()}
        activation = self.activation.part(slice(size))
        if activation.k is not None:
            activation = dataclasses.replace(activation, k=min(activation.k, size))
        return dataclasses.replace(
            self, W_enc=self.W_enc[:, :size], W_dec=self.W_dec[:size], activation=activation, **cut
        )

    def centered(self) -> FeedForward:
        """The same dictionary, reading `x - mean(x)`: for one trained on TransformerLens' centred residual stream.

        TransformerLens folds the mean out of GPT-2's residual stream; the Hugging Face module keeps it. Layer norms do
        not see the difference, an encoder does. Folded into the weights, so nothing costs more.

        Returns:
            A dictionary whose `encode(x)` is this one's of `x - mean(x)`.

        Raises:
            DictionaryError: It normalises each token itself.
        """
        if self.norm.per_token:
            raise DictionaryError(f"Its {self.norm} reads the whole input.", "Centre the activations before encoding.")
        shift = 0.0 if self.b_in is None else self.b_in.float() @ self.W_enc.float()
        found = Finding("centre", "input centred, folded", "centered()")
        return dataclasses.replace(
            self,
            W_enc=self.W_enc - self.W_enc.mean(0, keepdim=True),
            W_skip=None if self.W_skip is None else self.W_skip - self.W_skip.mean(0, keepdim=True),
            b_enc=self.b_enc - shift,
            b_in=None,
            card=dataclasses.replace(self.card, findings=(*self.card.findings, found)),
        )

    def to(self, device: torch.device | str) -> FeedForward:
        """The same dictionary on another device (itself if it is there already)."""
        return moved(self, device)

    def describe(self) -> str:
        """Its nonlinearity in a few words."""
        return repr(self.activation)

    def _centred(self, x: Tensor) -> Tensor:
        x = self.norm(x.float())
        return x if self.b_in is None else x - self.b_in.float()

    def _columns(self, rows: int) -> Iterator[slice]:
        width = max(1, BLOCK // rows)
        return (slice(first, min(first + width, self.d_dict)) for first in range(0, self.d_dict, width))

    def _rows(self) -> Iterator[slice]:
        return iter([slice(None)]) if self.W_dec.dtype == torch.float32 else self._columns(self.d_out)
