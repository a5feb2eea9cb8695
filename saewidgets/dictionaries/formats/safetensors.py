"""Reading safetensors from strangers: the whole header is checked against the file before a tensor is made.

The library trusts a header of 100 MB (200,000 tensors take it 20 s) and lets the last of two equal keys win. Here
nothing is allocated on a header's word alone, and tensors are views of the file's bytes.
"""

from __future__ import annotations

import math
import struct
from io import BufferedReader
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from saewidgets.dictionaries.formats import buffers
from saewidgets.dictionaries.formats.configs import parse_json
from saewidgets.dictionaries.formats.kinds import HEAD, kind_of
from saewidgets.errors import DictionaryError, shorten

MAX_HEADER = 1 << 20
MAX_TENSORS = 10_000
_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip


def read_header(path: Path) -> dict[str, Any]:
    """The checked header of a safetensors file.

    Args:
        path: The file.

    Returns:
        Tensor name -> `{"dtype", "shape", "data_offsets"}`, and `"__metadata__"` if there.

    Raises:
        DictionaryError: Missing, truncated, damaged, or more than the file can hold.
    """
    try:
        with path.open("rb") as file:
            return _header(file, path.name)[0]
    except OSError as error:
        raise DictionaryError(f"Cannot read {shorten(path.name)}: {error.strerror}.", "Check the path.") from None


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors, in the dtype they are stored in, and metadata of a checked file.

    Large files are mapped: only what is looked at is read. Small ones are copied, see `buffers`.

    Raises:
        DictionaryError: See `read_header`.
    """
    try:
        with path.open("rb") as file:
            header, start = _header(file, path.name)
            data = buffers.whole(file, path.name)[start:]
    except OSError as error:
        raise DictionaryError(f"Cannot read {shorten(path.name)}: {error.strerror}.", "Check the path.") from None
    metadata = header.pop("__metadata__", {})
    tensors = {
        key: buffers.tensor(data[slice(*entry["data_offsets"])], _DTYPES[entry["dtype"]], entry["shape"], key)
        for key, entry in header.items()
    }
    return tensors, metadata


def _header(file: BufferedReader, name: str) -> tuple[dict[str, Any], int]:
    """The checked header, and where the data begins."""
    name, size = shorten(name), buffers.size_of(file)
    head = file.read(HEAD)
    length = struct.unpack_from("<Q", head)[0] if len(head) >= 8 else -1
    if not 2 <= length <= min(MAX_HEADER, size - 8):
        raise DictionaryError(
            f"{name} is no safetensors file, but {kind_of(head)} ({size} bytes, header of {length}).",
            "Get it again; other formats must be converted first.",
        )
    header = parse_json(buffers.read_at(file, 8, length, name), f"The header of {name}")
    if not isinstance(header, dict) or len(header) > MAX_TENSORS:
        raise DictionaryError(f"The header of {name} lists no or too many tensors.", "Get it again.")
    _check_metadata(header, name)
    _check_extents(header, size - 8 - length, name)
    return header, 8 + length


def _check_metadata(header: dict[str, Any], name: str) -> None:
    entry = header.get("__metadata__", {})
    if not isinstance(entry, dict) or not all(isinstance(value, str) for value in entry.values()):
        raise DictionaryError(f"The metadata of {name} is not text.", "Get the file again.")


def _check_extents(header: dict[str, Any], room: int, name: str) -> None:
    """Every byte of the data belongs to exactly one tensor, whose shape and dtype say as many."""
    spans = [(0, 0), (room, room)]
    for key, entry in header.items():
        if key == "__metadata__":
            continue
        try:
            shape, (start, end), dtype = entry["shape"], entry["data_offsets"], str(entry["dtype"])
            ints = all(type(n) is int and n >= 0 for n in (*shape, start, end)) and len(entry) == 3
        except (KeyError, TypeError, ValueError):
            raise DictionaryError(f"Tensor {shorten(key)} of {name} is declared as {shorten(entry)}.") from None
        if dtype not in _DTYPES:
            raise DictionaryError(
                f"Tensor {shorten(key)} of {name} is stored as {shorten(dtype)}.",
                f"Convert it; read are {', '.join(_DTYPES)}.",
            )
        if not ints or len(shape) > 8 or end > room or end - start != math.prod(shape) * _DTYPES[dtype].itemsize:
            raise DictionaryError(f"Tensor {shorten(key)} of {name} does not fit the file.", "Get the file again.")
        spans.append((start, end))
    spans.sort()
    if any(a[1] != b[0] for a, b in pairwise(spans)):
        raise DictionaryError(f"Tensors of {name} overlap or leave gaps.", "It is cut off, damaged or crafted.")
