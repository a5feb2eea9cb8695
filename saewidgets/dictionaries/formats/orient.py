"""Which way round a matrix is stored: told by the biases, never by the name of its key."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

import torch
from torch import Tensor

from saewidgets.dictionaries.interface import BLOCK, finite
from saewidgets.errors import DictionaryError, shorten

# Larger ones are checked where they are read.
_CHECKED_AT_ONCE = 1 << 28


def encoder(W: Tensor, d_dict: int, *, transposed: bool = False) -> Tensor:
    """`[d_in, d_dict]` of an encoder stored either way round.

    Args:
        W: As stored.
        d_dict: Length of the encoder bias.
        transposed: How the format stores it; counts only where the shape does not tell (a square matrix).

    Raises:
        DictionaryError: Neither side has the length of the bias.
    """
    return _with_side(W, d_dict, 1, transposed, "encoder")


def reading(W: Tensor, d_in: int, *, transposed: bool = False) -> Tensor:
    """`[d_in, n]` of a matrix that reads the input, where no bias tells n; arguments as for `encoder`."""
    return _with_side(W, d_in, 0, transposed, "matrix")


def decoder(W: Tensor, d_dict: int, *, transposed: bool = False) -> Tensor:
    """`[d_dict, d_out]` of a decoder stored either way round; arguments as for `encoder`."""
    return _with_side(W, d_dict, 0, transposed, "decoder")


def skip(W: Tensor, d_in: int, d_out: int, *, transposed: bool = False) -> Tensor:
    """`[d_in, d_out]` of a skip connection stored either way round; `transposed` counts for a square one.

    Raises:
        DictionaryError: It fits neither way.
    """
    if sorted(W.shape) != sorted((d_in, d_out)):
        raise DictionaryError(f"The skip connection is {tuple(W.shape)}, not {(d_in, d_out)}.", "The file is damaged.")
    turn = transposed if d_in == d_out else tuple(W.shape) != (d_in, d_out)
    return W.T if turn else W


def row_norms(W: Tensor) -> Tensor:
    """`[n]` float32 norms of the rows of `[n, d]`, some rows at a time: a copy of all in float32 would cost memory."""
    step = max(1, BLOCK // max(1, W.shape[1]))
    return torch.cat([W[i : i + step].float().norm(dim=1) for i in range(0, max(1, len(W)), step)])


def alone(tensors: Mapping[str, Tensor], name: str) -> bool:
    """Whether a float32 matrix of a file shares its memory with no other: then it may be changed where it lies.

    Tensors of a file are read for one dictionary, and a second matrix beside the first would take half the file again.
    Only torch files can hold two views of the same numbers.
    """
    W = tensors[name]
    place = W.untyped_storage().data_ptr()
    others = (value for key, value in tensors.items() if key != name and isinstance(value, Tensor))
    whole = W.dtype == torch.float32 and (W.is_contiguous() or W.T.is_contiguous())
    return whole and all(value.untyped_storage().data_ptr() != place for value in others)


def _with_side(W: Tensor, length: int, side: int, transposed: bool, name: str) -> Tensor:
    if W.ndim != 2 or length not in W.shape:
        raise DictionaryError(
            f"The {name} is {tuple(W.shape)}, its bias has {length} numbers.",
            "The file is damaged or of another format.",
        )
    square = W.shape[0] == W.shape[1]
    turn = transposed if square else W.shape[side] != length
    return W.T if turn else W


def require(found: Mapping[str, Any], name: str, needed: Set[str], optional: Set[str] = frozenset()) -> None:
    """Refuse a file that lacks a tensor, holds one that nothing here would use, or values that are not finite.

    Raises:
        DictionaryError: With the names.
    """
    missing, extra = needed - set(found), set(found) - needed - optional
    if missing or extra:
        raise DictionaryError(
            f"{shorten(name)} {'lacks' if missing else 'also holds'} {shorten(', '.join(sorted(missing or extra)))}.",
            f"Needed: {', '.join(sorted(needed))}.",
        )
    for key in needed:
        value = found[key]
        if isinstance(value, Tensor) and not value.numel():
            raise DictionaryError(f"{key} of {shorten(name)} is empty.", "Get the file again.")
        if isinstance(value, Tensor) and value.ndim and not value.is_floating_point():
            raise DictionaryError(
                f"{key} of {shorten(name)} is of {value.dtype}.", "Weights are floating-point numbers."
            )
    for key, value in found.items():
        small = isinstance(value, Tensor) and value.is_floating_point() and value.nbytes <= _CHECKED_AT_ONCE
        if small and not finite(value):
            raise DictionaryError(f"{key} of {shorten(name)} holds values that are not finite.", "It is damaged.")


def require_shapes(found: Mapping[str, Tensor], name: str, **shapes: tuple[int, ...]) -> None:
    """Refuse tensors of other shapes, before they are computed with; for formats that store them one way round only.

    Raises:
        DictionaryError: With the tensor and both shapes.
    """
    for key, shape in shapes.items():
        if key in found and tuple(found[key].shape) != shape:
            raise DictionaryError(
                f"{key} of {shorten(name)} is {shorten(tuple(found[key].shape))}, not {shape}.", "The file is damaged."
            )
