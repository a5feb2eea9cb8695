"""`Dictionary`: what every sparse autoencoder, transcoder and crosscoder can be asked."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import torch
from torch import Tensor

from saewidgets.dictionaries.card import Card, Finding
from saewidgets.dictionaries.sparse import SparseActivations
from saewidgets.errors import DictionaryError, shorten
from saewidgets.sites import Site

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_Record = TypeVar("_Record", bound="DataclassInstance")
# Numbers computed at a time where a whole matrix would not fit beside the file: 64 MiB of float32.
BLOCK = 1 << 24
# Weights above this many bytes are checked for NaN where they are read, not at once.
CHECKED_AT_ONCE = 1 << 28
# Numbers looked at together in that check, which takes a few bytes for each.
_LOOK = 1 << 18
# The two scales of activations, as views name them.
SCALES = AUTHORS, PER_UNIT_NORM = "authors' scale", "per unit-norm direction"


class Dictionary(ABC):
    """A dictionary of features: encoder, sparse activation, decoder.

    Every architecture decodes linearly: `decode(f, x) = (f @ directions) * scale(x) + offset(x)`. `scale` undoes a
    normalisation of each token, `offset` holds the bias and whatever reaches the output past the features (a skip
    connection, what a temporal dictionary predicts). An edit of features therefore adds
    `((f' - f) @ directions) * scale(x)`, whatever the architecture.

    Attributes:
        architecture: What its authors call it.
        site_in: Where it reads.
        site_out: Where it writes; another place than `site_in` for a transcoder.
        card: What was found in its files, and where.
        reads_context: Whether a token's features depend on the tokens before it.
        scale_name: What its activations are measured in: `AUTHORS`, or `PER_UNIT_NORM` after `unit_norm()`.

    Example:
        >>> import saewidgets as sw
        >>> dictionary = sw.demo().dictionaries["resid_post.2"]
        >>> x = torch.randn(3, dictionary.d_in)
        >>> bool(((dictionary.reconstruct(x) + dictionary.error(x) - x).abs() < 1e-5).all())
        True
    """

    architecture: str
    site_in: Site
    site_out: Site
    card: Card
    reads_context: bool = False
    scale_name: str = AUTHORS

    @property
    @abstractmethod
    def d_in(self) -> int:
        """Size of what it reads."""

    @property
    @abstractmethod
    def d_out(self) -> int:
        """Size of what it writes."""

    @property
    @abstractmethod
    def d_dict(self) -> int:
        """Number of features."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where its weights are."""

    @property
    @abstractmethod
    def directions(self) -> Tensor:
        """`[d_dict, d_out]`: what one unit of each feature writes, float32."""

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """Feature activations `[..., d_dict]` of activations `[..., d_in]`, on the scale of its authors."""

    @abstractmethod
    def offset(self, x: Tensor | None) -> Tensor:
        """`[d_out]` or `[..., d_out]`: what is written besides the features.

        Raises:
            DictionaryError: It depends on the input and `x` is None.
        """

    @abstractmethod
    def unit_norm(self) -> Self:
        """The same function with activations on a scale that compares between features.

        Each activation is multiplied by the norm of its direction, each direction divided by it. Features whose
        direction is 0 stay as they are.
        """

    @abstractmethod
    def to(self, device: torch.device | str) -> Self:
        """The same dictionary on another device (itself if it is there already)."""

    def scale(self, x: Tensor) -> Tensor | None:
        """`[..., 1]` that multiplies what the features write, `None` for 1."""
        return None

    def rows(self, index: Tensor | Sequence[int]) -> Tensor:
        """`[n, d_out]`: some rows of `directions`, read on demand."""
        return self.directions[torch.as_tensor(index, device=self.device)]

    def encoder_of(self, columns: Sequence[int]) -> Callable[[Tensor], Tensor]:
        """A function from `[..., d_in]` to the `[..., columns]` activations of some features."""
        some = list(columns)
        return lambda x: self.encode(x)[..., some]

    def encode_sparse(self, x: Tensor) -> SparseActivations:
        """Features of `[tokens, d_in]`, only those that are not zero."""
        return SparseActivations.from_dense(self.encode(x))

    def decode(self, features: Tensor, x: Tensor | None = None) -> Tensor:
        """`[..., d_out]` of feature activations `[..., d_dict]`.

        Args:
            features: Activations.
            x: What they were encoded from; needed when the dictionary normalises each token, skips, or predicts.

        Raises:
            DictionaryError: `x` is needed and missing.
        """
        written = features @ self.directions
        offset = self.offset(x)
        scale = None if x is None else self.scale(x)
        return (written if scale is None else written * scale) + offset

    def reconstruct(self, x: Tensor) -> Tensor:
        """`decode(encode(x), x)`."""
        return self.decode(self.encode(x), x)

    def error(self, x: Tensor, target: Tensor | None = None) -> Tensor:
        """What the dictionary leaves out: `target - reconstruct(x)`.

        Args:
            x: `[..., d_in]` at `site_in`.
            target: `[..., d_out]` at `site_out`; `x` itself for an autoencoder.

        Returns:
            `[..., d_out]`.

        Raises:
            DictionaryError: A transcoder without a target.
        """
        if target is None:
            if self.site_in != self.site_out:
                raise DictionaryError("A transcoder's error needs the activations at its site_out.", "Pass target=.")
            target = x
        return target - self.reconstruct(x)

    def expect(self, **shapes: tuple[int, ...]) -> None:
        """Check tensors by name, for constructors. One that is None by default may be None.

        Raises:
            DictionaryError: A shape does not fit, a size is 0, or a value is not finite.
        """
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value is None and getattr(type(self), name, value) is None and hasattr(type(self), name):
                continue
            if tuple(value.shape) != shape or 0 in shape:
                raise DictionaryError(f"{name} is {tuple(value.shape)}.", f"It must be {shape} with nothing empty.")
            check_weights(name, value)

    def expect_positive(self, *names: str) -> None:
        """Check that tensors that divide, where there are any, are above 0.

        Raises:
            DictionaryError: One is not.
        """
        for name in names:
            value = getattr(self, name)
            if value is not None and not bool((value > 0).all()):
                raise DictionaryError(f"{name} holds values that are not above 0.", "The file is damaged.")

    def save(self, path: str | Path, format: str = "saewidgets") -> None:
        """Write it to the disk.

        Args:
            path: A file, or a folder for `"saelens"`, which is made if it is not there.
            format: `"saewidgets"`: our own lossless form, one safetensors file. `"saelens"`: `cfg.json` and
                `sae_weights.safetensors` as sae-lens 6 reads them, the same function in its conventions.

        Raises:
            DictionaryError: An unknown format, one that cannot represent this dictionary, or a suffix of another kind.
            DiskError: No such folder, no space, or not permitted.
        """
        from saewidgets.dictionaries.formats import native, saelens, saelens_write

        if format not in (native.NAME, saelens.NAME):
            raise DictionaryError(f"Cannot write {shorten(format)}.", f"Use {native.NAME!r} or {saelens.NAME!r}.")
        (native if format == native.NAME else saelens_write).write(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> Dictionary:
        """Read what `save` wrote."""
        from saewidgets.dictionaries.formats import native

        return native.load(Path(path))

    def describe(self) -> str:
        """Its nonlinearity in a few words, for views."""
        return self.architecture

    def _repr_html_(self) -> str:
        """For notebooks: what it is, and its load card."""
        return self.card.to_html(f"{self!r}, activations in {self.scale_name}")

    def __repr__(self) -> str:
        where = str(self.site_in) if self.site_in == self.site_out else f"{self.site_in} -> {self.site_out}"
        return f"{type(self).__name__}({where}, {self.architecture}, {self.describe()}, {self.d_dict} features)"


def check_weights(name: str, value: Tensor) -> None:
    """Refuse weights that are no numbers. Large ones are looked at where they are read, see `check_rows`.

    Raises:
        DictionaryError: Another kind of tensor than floating-point, or values that are not finite.
    """
    if not value.is_floating_point():
        raise DictionaryError(f"{name} is of {value.dtype}.", "Weights are floating-point numbers.")
    if value.nbytes <= CHECKED_AT_ONCE and not finite(value):
        raise DictionaryError(f"{name} holds values that are not finite.", "The file is damaged.")


def check_rows(name: str, weights: Tensor, rows: Tensor) -> Tensor:
    """Rows read from weights, checked now if the weights were too large to be checked when they were loaded.

    Raises:
        DictionaryError: They hold values that are not finite.
    """
    if weights.nbytes > CHECKED_AT_ONCE and not finite(rows):
        raise DictionaryError(f"{name} holds values that are not finite.", "The file is damaged.")
    return rows


def finite(values: Tensor) -> bool:
    """Whether all values are finite, looked at in blocks: a mask of all would double the memory."""
    if values.numel() <= _LOOK:
        return bool(torch.isfinite(values).all())
    rows = _LOOK // math.prod(values.shape[1:])
    return all(finite(part) for part in (values.split(rows) if rows else values))


def moved(record: _Record, device: torch.device | str) -> _Record:
    """A frozen dataclass with every tensor in it on a device; itself if they are there already."""
    changes: dict[str, Any] = {}
    for entry in dataclasses.fields(record):
        value = getattr(record, entry.name)
        there = _moved(value, device)
        if there is not value:
            changes[entry.name] = there
    return dataclasses.replace(record, **changes) if changes else record


def _moved(value: Any, device: torch.device | str) -> Any:
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, tuple):
        parts = tuple(_moved(part, device) for part in value)
        return parts if any(a is not b for a, b in zip(parts, value, strict=True)) else value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return moved(value, device)
    return value


def rescaled(record: _Record, gain: Tensor, **changes: Any) -> _Record:
    """A dictionary whose activations are multiplied by the norms of its directions, and whose card says so.

    Args:
        record: One with the fields `value_scale`, `scale_name` and `card`.
        gain: `[d_dict]` norms; 0 counts as 1.
        **changes: Further fields, which keep the function the same.
    """
    known, card = record.value_scale, record.card  # type: ignore[attr-defined]
    gain = torch.where(gain > 0, gain, 1.0)
    found = Finding("scale", PER_UNIT_NORM, "unit_norm()")
    return dataclasses.replace(
        record,
        value_scale=gain if known is None else known * gain,
        scale_name=PER_UNIT_NORM,
        card=dataclasses.replace(card, findings=(*card.findings, found)),
        **changes,
    )
