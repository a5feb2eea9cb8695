"""Reading `torch.save` files from strangers: tensors and plain values only, told by content, never unpickled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

from torch import Tensor

from saewidgets.dictionaries.formats import archives, buffers, statedict
from saewidgets.dictionaries.formats.kinds import HEAD, OLD_TORCH
from saewidgets.dictionaries.formats.statedict import Stored
from saewidgets.errors import DictionaryError, shorten

SUFFIXES = (".pt", ".pth")
_PROGRAM = "data.pkl"
# What torch notes beside structure and storages.
_NOTES = {
    "version": rb"([1-9]|10)\n?",
    "byteorder": rb"little",
    ".format_version": rb"\d{1,3}",
    ".storage_alignment": rb"\d{1,6}",
    ".data/serialization_id": rb"\d{1,64}",
}
_MAX_NOTE = 64
_OLD = (
    "Save it again: torch.save(torch.load(path, weights_only=True), path). If torch refuses, it holds Python objects, "
    "which run code when read."
)


@dataclass(frozen=True)
class _Archive:
    """An opened file: what it describes, and its members without their common folder."""

    entries: dict[str, Any]
    members: dict[str, archives.Member]
    checked: bool


def read_names(path: Path) -> frozenset[str]:
    """Keys of the file's dict, without reading the values.

    Raises:
        DictionaryError: See `load_entries`.
    """
    with _reading(path) as file:
        return frozenset(map(str, _open(file, shorten(path.name)).entries))


def load_entries(path: Path) -> dict[str, Any]:
    """What the file holds: tensors, and plain values beside them.

    Storages of a large file are mapped, see `buffers`.

    Raises:
        DictionaryError: Damaged, or it holds anything but tensors and plain values.
    """
    name = shorten(path.name)
    with _reading(path) as file:
        archive = _open(file, name)
        data = buffers.whole(file, name)
    storages: dict[str, Tensor] = {}

    def tensor(stored: Stored) -> Tensor:
        if stored.key not in storages:
            storages[stored.key] = _storage(archive, data, stored, name)
        storage = storages[stored.key]
        if (stored.length, stored.dtype) != (len(storage), storage.dtype):
            raise DictionaryError(f"{name} declares its storage {shorten(stored.key)} twice.", "Get the file again.")
        return storage.as_strided(stored.shape, stored.stride, stored.offset)

    filled: dict[str, Any] = statedict.fill(archive.entries, tensor)
    return filled


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of the file, in the dtype they are stored in.

    Raises:
        DictionaryError: See `load_entries`; or there is no tensor.
    """
    tensors = {str(name): value for name, value in load_entries(path).items() if isinstance(value, Tensor)}
    if not tensors:
        raise DictionaryError(f"{shorten(path.name)} holds no tensors.", "Name another file.")
    return tensors


@contextmanager
def _reading(path: Path) -> Iterator[BufferedReader]:
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise DictionaryError(f"Cannot read {shorten(path.name)}: {error.strerror}.", "Check the path.") from None


def _open(file: BufferedReader, name: str) -> _Archive:
    if file.read(HEAD).startswith(OLD_TORCH):
        raise DictionaryError(f"{name} is a torch file from before torch 1.6.", _OLD)
    found = archives.read_members(file, name)
    roots = {member.partition("/")[0] for member in found}
    members = {member.partition("/")[2]: value for member, value in found.items()}
    if len(roots) != 1 or not {_PROGRAM, "version"} <= members.keys():
        raise DictionaryError(f"{name} is a zip archive, but no torch file.", "Name the file as what it is.")
    # `set_crc32_options(False)` of torch leaves all checksums 0.
    checked = any(member.crc for member in members.values())
    if members[_PROGRAM].size > statedict.MAX_BYTES:
        raise DictionaryError(f"{name} has a structure of {members[_PROGRAM].size} bytes.", "No dictionary has.")
    for member in (key for key in members if key != _PROGRAM and not key.startswith("data/")):
        if member not in _NOTES or members[member].size > _MAX_NOTE:
            raise DictionaryError(f"{name} also holds {shorten(member)}.", "A file of tensors does not.")
        note = archives.read_content(file, members[member], name, checked=checked)
        if not re.fullmatch(_NOTES[member], bytes(note)):
            raise DictionaryError(
                f"{name} says {shorten(bytes(note))} as its {member}.", "It is damaged, or not from here."
            )
    entries = statedict.read(bytes(archives.read_content(file, members[_PROGRAM], name, checked=checked)), name)
    if not isinstance(entries, dict):
        raise DictionaryError(f"{name} holds {shorten(entries)}, no state dict.", "Save a dict of tensors.")
    return _Archive(entries, members, checked)


def _storage(archive: _Archive, data: memoryview, stored: Stored, name: str) -> Tensor:
    member = archive.members.get(f"data/{stored.key}")
    if member is None:
        raise DictionaryError(f"{name} lacks its storage {shorten(stored.key)}.", "Get the file again.")
    content = archives.content(data, member, name, checked=archive.checked)
    return buffers.tensor(content, stored.dtype, (stored.length,), f"storage {stored.key}")
