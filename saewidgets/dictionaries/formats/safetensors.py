"""Reading safetensors from strangers: our own look at the header before the library's.

The library trusts a header of 100 MB (200,000 tensors take it 20 s) and lets the last of two equal keys win. We check
the header against the size of the file first, so that nothing is allocated on a header's word alone.
"""

import json
import math
import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from saewidgets.errors import DictionaryError, shorten

MAX_HEADER = 1 << 20
MAX_TENSORS = 10_000
# Smaller files are copied into memory: a mapped file that is cut off while in use would take the kernel down.
_COPIED = 1 << 26
_ITEMSIZE = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice")
    return result


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
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(8)
            length = struct.unpack("<Q", head)[0] if len(head) == 8 else -1
            if not 2 <= length <= min(MAX_HEADER, size - 8):
                raise DictionaryError(
                    f"{path.name} is no safetensors file ({size} bytes, header of {length}).",
                    "Download it again; other formats must be converted first.",
                )
            text = file.read(length)
        header = json.loads(text, object_pairs_hook=_unique)
    except OSError as error:
        raise DictionaryError(f"Cannot read {path.name}: {error.strerror}.", "Check the path.") from None
    except (ValueError, RecursionError) as error:
        raise DictionaryError(f"The header of {path.name} is damaged ({shorten(error)}).", "Get it again.") from None
    if not isinstance(header, dict) or len(header) > MAX_TENSORS:
        raise DictionaryError(f"The header of {path.name} lists no or too many tensors.", "Get it again.")
    _check_extents(header, size - 8 - length, path.name)
    return header


def _check_extents(header: dict[str, Any], room: int, name: str) -> None:
    spans = []
    for key, entry in header.items():
        if key == "__metadata__":
            if not isinstance(entry, dict) or not all(isinstance(v, str) for v in entry.values()):
                raise DictionaryError(f"The metadata of {name} is not text.", "Get the file again.")
            continue
        try:
            shape, (start, end), itemsize = entry["shape"], entry["data_offsets"], _ITEMSIZE[entry["dtype"]]
            ints = all(type(n) is int and n >= 0 for n in (*shape, start, end))
        except (KeyError, TypeError, ValueError):
            raise DictionaryError(f"Tensor {shorten(key)} of {name} is declared as {shorten(entry)}.") from None
        if not ints or len(shape) > 8 or end - start != math.prod(shape) * itemsize or end > room:
            raise DictionaryError(f"Tensor {shorten(key)} of {name} does not fit the file.", "Get the file again.")
        spans.append((start, end))
    spans.sort()
    if any(a[1] > b[0] for a, b in pairwise(spans)):
        raise DictionaryError(f"Tensors of {name} overlap.", "The file is damaged or crafted; do not use it.")


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors, in the dtype they are stored in, and metadata of a checked file.

    Large files are mapped: only what is looked at is read.

    Raises:
        DictionaryError: See `read_header`; or the library refuses the file.
    """
    header = read_header(path)
    try:
        tensors = load_file(str(path))
    except Exception as error:
        raise DictionaryError(f"{path.name} cannot be read ({shorten(error)}).", "Get the file again.") from None
    if path.stat().st_size <= _COPIED:
        tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    return tensors, dict(header.get("__metadata__", {}))
