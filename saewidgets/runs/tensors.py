"""Tensors as bytes with a table of their places, each in the smallest type that holds its values exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from saewidgets.errors import FigureError

_TYPES = {True: "<f2", False: "<f4"}


def pack(tensors: Mapping[str, Tensor]) -> tuple[list[dict[str, Any]], bytes]:
    """Write tensors one after the other.

    Args:
        tensors: Name -> tensor of one or two dimensions.

    Returns:
        An entry a tensor with name, dtype, shape and offset, and the bytes.

    Raises:
        FigureError: A value is not finite.
    """
    entries, parts, offset = [], [], 0
    for name, tensor in tensors.items():
        values = tensor.detach().cpu().float()
        if not bool(values.isfinite().all()):
            raise FigureError(f"{name} holds values that are not finite.", "The weights are damaged.")
        # Half of the bytes where nothing is lost by it, as in models that were stored so.
        is_half = bool((values.half().float() == values).all())
        raw = values.contiguous().numpy().astype(_TYPES[is_half]).tobytes()
        raw += b"\0" * (-len(raw) % 8)
        dtype = "float16" if is_half else "float32"
        entries.append({"name": name, "dtype": dtype, "shape": list(values.shape), "offset": offset})
        parts.append(raw)
        offset += len(raw)
    return entries, b"".join(parts)
