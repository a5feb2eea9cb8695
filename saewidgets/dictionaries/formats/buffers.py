"""Bytes of a weights file: a copy of a small one, a private map of a large one; tensors are views of either.

A mapped file that is cut off in place while in use ends the process (SIGBUS); no check at load time can prevent it. So
what fits is copied. A large file is mapped, since only what is looked at is then read. Whoever replaces it must write a
new file and rename it, as `disk.write_bytes` and the hub's cache do: the old bytes stay as long as they are mapped.
"""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Sequence
from io import BufferedReader

import torch
from torch import Tensor

from saewidgets.errors import DictionaryError, shorten

COPIED = 1 << 26


def size_of(file: BufferedReader) -> int:
    """Size of an open file."""
    return os.fstat(file.fileno()).st_size


def copied(file: BufferedReader, start: int, length: int, name: str) -> memoryview:
    """Exactly `length` bytes from `start`, in memory that may be written to.

    Raises:
        DictionaryError: The file ends before.
    """
    if start + length <= size_of(file):
        data = bytearray(length)
        file.seek(start)
        if file.readinto(data) == length:
            return memoryview(data)
    raise DictionaryError(f"{name} ends too early.", "It was cut off; get it again.")


def read_at(file: BufferedReader, start: int, length: int, name: str) -> bytes:
    """As `copied`."""
    return bytes(copied(file, start, length, name))


def whole(file: BufferedReader, name: str) -> memoryview:
    """All bytes of an open file: copied up to `COPIED`, mapped above.

    Raises:
        DictionaryError: It shrank while it was read.
    """
    size = size_of(file)
    if size > COPIED:
        return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY))
    return copied(file, 0, size, name)


def tensor(data: memoryview, dtype: torch.dtype, shape: Sequence[int], name: str) -> Tensor:
    """A tensor whose elements are exactly these bytes, without a copy where they are aligned.

    Raises:
        DictionaryError: Another number of bytes, or truth values other than 0 and 1.
    """
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise DictionaryError(f"Tensor {shorten(name)} has {len(data)} bytes for {shorten(tuple(shape))}.")
    if not len(data):
        return torch.empty(tuple(shape), dtype=dtype)
    flat = torch.frombuffer(data, dtype=torch.uint8)
    if flat.data_ptr() % dtype.itemsize:
        flat = flat.clone()
    if dtype == torch.bool and int(flat.max()) > 1:
        raise DictionaryError(f"Tensor {shorten(name)} holds truth values other than 0 and 1.")
    return flat.view(dtype).reshape(tuple(shape))
