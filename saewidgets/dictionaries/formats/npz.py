"""Reading `.npz` from strangers: never a pickle, never more than the archive can hold."""

from __future__ import annotations

import ast
import math
import re
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from saewidgets.dictionaries.formats import archives, buffers
from saewidgets.errors import DictionaryError, shorten

_SUFFIX = ".npy"
_MAX_HEADER = 4096
# One mapping, one tuple, nothing nested: what is then evaluated as a literal is flat.
_HEADER = re.compile(r" *\{[^(){}\[\]]*(?:\([^(){}\[\]]*\))[^(){}\[\]]*\} *\n?")
_DTYPES = {
    "f2": torch.float16, "f4": torch.float32, "f8": torch.float64, "i1": torch.int8, "i2": torch.int16,
    "i4": torch.int32, "i8": torch.int64, "u1": torch.uint8, "b1": torch.bool,
}  # fmt: skip


def read_names(path: Path) -> frozenset[str]:
    """Names of the arrays in an archive.

    Raises:
        DictionaryError: It is no archive, or holds something besides arrays.
    """
    try:
        with path.open("rb") as file:
            name = shorten(path.name)
            return frozenset(_arrays(archives.read_members(file, name), name))
    except OSError as error:
        raise DictionaryError(f"Cannot read {shorten(path.name)}: {error.strerror}.", "Check the path.") from None


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Arrays as tensors, in the dtype they are stored in.

    They are copied, never mapped: numpy leaves them at odd places, where numbers cannot be used as they lie.

    Raises:
        DictionaryError: Damaged, crafted, or it holds Python objects.
    """
    try:
        with path.open("rb") as file:
            name = shorten(path.name)
            members = _arrays(archives.read_members(file, name), name)
            contents = ((key, archives.read_content(file, member, name)) for key, member in members.items())
            return {key: _tensor(data, f"{shorten(key)} of {name}") for key, data in contents}
    except OSError as error:
        raise DictionaryError(f"Cannot read {shorten(path.name)}: {error.strerror}.", "Check the path.") from None


def _arrays(members: dict[str, archives.Member], name: str) -> dict[str, archives.Member]:
    other = [member for member in members if not member.endswith(_SUFFIX)]
    if other or not members:
        raise DictionaryError(
            f"{shorten(name)} holds {shorten(other[0]) if other else 'nothing'}, which is no array.",
            "An npz file holds .npy files only.",
        )
    return {member.removesuffix(_SUFFIX): value for member, value in members.items()}


def _tensor(data: memoryview, name: str) -> Tensor:
    """One `.npy`: magic, version, length of the header, header, bytes."""
    version = bytes(data[6:8])
    wide = version in (b"\x02\x00", b"\x03\x00")
    first = 12 if wide else 10
    if bytes(data[:6]) != b"\x93NUMPY" or not (wide or version == b"\x01\x00") or len(data) < first:
        raise DictionaryError(f"{name} is no array.", "Get the file again.")
    end = first + int.from_bytes(data[8:first], "little")
    if end > len(data) or end - first > _MAX_HEADER:
        raise DictionaryError(f"{name} has a header of {end - first} bytes.", "Get the file again.")
    text = bytes(data[first:end]).decode("ascii", "replace")
    dtype, order, shape = _parse(text, name)
    kind = _DTYPES[dtype[1:]]
    body = data[end:]
    if len(body) != math.prod(shape) * kind.itemsize:
        raise DictionaryError(f"{name} says {shorten(shape)} and has {len(body)} bytes.", "Get the file again.")
    if dtype[0] == ">" and kind.itemsize > 1:
        body = memoryview(bytearray(np.frombuffer(body, dtype).byteswap().tobytes()))
    # Column order is row order of the transpose.
    tensor = buffers.tensor(body, kind, shape[::-1] if order else shape, name)
    return tensor.permute(*reversed(range(len(shape)))) if order else tensor


def _parse(text: str, name: str) -> tuple[str, bool, tuple[int, ...]]:
    """Dtype, whether columns come first, and shape."""
    if "'|O" in text or "'O'" in text:
        raise DictionaryError(
            f"{name} holds Python objects, which run code when read.",
            "On a machine where you trust it: np.load(path, allow_pickle=True), then np.savez with plain arrays.",
        )
    try:
        header = ast.literal_eval(text.strip()) if _HEADER.fullmatch(text) else None
        dtype, order, shape = (header[key] for key in ("descr", "fortran_order", "shape"))  # type: ignore[index]
        sizes = type(shape) is tuple and all(type(n) is int and n >= 0 for n in shape) and len(shape) <= 8
        if not sizes or type(order) is not bool or len(header) != 3 or text.count(":") != 3:  # type: ignore[arg-type]
            raise ValueError
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError):
        raise DictionaryError(f"{name} has the header {shorten(text)}.", "Get the file again.") from None
    if not isinstance(dtype, str) or dtype[:1] not in ("<", ">", "|", "=") or dtype[1:] not in _DTYPES:
        raise DictionaryError(
            f"{name} is stored as {shorten(dtype)}.", "Convert it to float16, float32 or float64 and save it again."
        )
    return dtype, order, shape
