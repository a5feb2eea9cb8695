"""`Files`: what a format may look at: the names beside a dictionary, its configs, its tensors, all read guardedly."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from saewidgets.dictionaries.formats import fields, npz, safetensors, torchfile
from saewidgets.dictionaries.formats.configs import parse_json, parse_yaml
from saewidgets.errors import DictionaryError, shorten

_MAX_CONFIG = 1 << 20
SUFFIXES = (".safetensors", ".npz", *torchfile.SUFFIXES)


class Files:
    """A file or a folder that may hold a dictionary.

    Args:
        path: The file or folder.
        source: What the user wrote, for messages and the card.

    Attributes:
        file: The file that was named, or None for a folder.
        folder: The folder, or the one the file is in.
        read: Files read so far, in order.
        configs: What the configs among them hold.
    """

    def __init__(self, path: Path, source: str) -> None:
        self.file = path if path.is_file() else None
        self.folder = path.parent if self.file else path
        self.source = source
        self.read: list[Path] = []
        self.configs: dict[str, dict[str, Any]] = {}
        self._keys: dict[str, frozenset[str]] = {}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the files in the folder, sorted; of a named file its own name first."""
        try:
            names = sorted(entry.name for entry in self.folder.iterdir() if entry.is_file())
        except OSError as error:
            raise DictionaryError(f"Cannot read {shorten(self.source)}: {error.strerror}.", "Check the path.") from None
        return tuple(names if self.file is None else [self.file.name, *(n for n in names if n != self.file.name)])

    @cached_property
    def trail(self) -> tuple[str, ...]:
        """Names on the way to it, nearest first: the file, its folder, the folder above, up to nine.

        A repository of the hub stands there under its name in the cache, `models--owner--repo`.
        """
        path = (self.folder / (self.file.name if self.file else "")).absolute()
        return tuple(part.name for part in (path, *path.parents) if part.name)[:9]

    def has(self, *names: str) -> bool:
        """Whether all these files are in the folder."""
        return all((self.folder / name).is_file() for name in names)

    def weights(self, suffix: str) -> str | None:
        """The named file, or the only file of the folder with a suffix; None when there is none or more than one."""
        if self.file is not None:
            return self.file.name if self.file.name.endswith(suffix) else None
        found = [name for name in self.names if name.endswith(suffix)]
        return found[0] if len(found) == 1 else None

    def json(self, name: str) -> dict[str, Any]:
        """A JSON object.

        Raises:
            DictionaryError: Missing, too large, damaged, or no object.
        """
        return self.configs.get(name) or self._object(name, parse_json(self.bytes(name), shorten(name)))

    def yaml(self, name: str) -> dict[str, Any]:
        """A YAML mapping, by the safe loader.

        Raises:
            DictionaryError: Missing, too large, damaged, or no mapping.
        """
        return self.configs.get(name) or self._object(name, parse_yaml(self.bytes(name), shorten(name)))

    def bytes(self, name: str) -> bytes:
        """A small text file.

        Raises:
            DictionaryError: Missing or too large.
        """
        path = self.folder / name
        try:
            with path.open("rb") as file:
                data = file.read(_MAX_CONFIG + 1)
        except OSError as error:
            raise DictionaryError(f"Cannot read {shorten(name)}: {error.strerror}.", "Check the path.") from None
        if len(data) > _MAX_CONFIG:
            raise DictionaryError(f"{shorten(name)} has more than {_MAX_CONFIG} bytes.", "A config has a few hundred.")
        self.read.append(path)
        return data

    def keys(self, name: str) -> frozenset[str]:
        """Names of the tensors in a safetensors, npz or torch file, without their values; empty when it is none."""
        try:
            return self.peek(name)
        except DictionaryError:
            return frozenset()

    def peek(self, name: str) -> frozenset[str]:
        """As `keys`.

        Raises:
            DictionaryError: Damaged, crafted, or of another kind than its name says.
        """
        if name not in self._keys:
            self._keys[name] = self._read_keys(self.folder / name)
        return self._keys[name]

    def tensors(self, name: str) -> dict[str, Tensor]:
        """Tensors of a safetensors, npz or torch file, in the dtype they are stored in.

        Raises:
            DictionaryError: Missing, damaged, crafted, or of another kind.
        """
        path = self.folder / name
        if name.endswith(".safetensors"):
            return self.tensors_and_metadata(name)[0]
        if name.endswith(".npz"):
            tensors = npz.load_tensors(path)
        else:
            tensors = torchfile.load_tensors(path)
        self.read.append(path)
        return tensors

    def tensors_and_metadata(self, name: str) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Tensors and metadata of a safetensors file.

        Raises:
            DictionaryError: Missing, damaged or crafted.
        """
        path = self.folder / name
        result = safetensors.load_tensors(path)
        self.read.append(path)
        return result

    @staticmethod
    def _read_keys(path: Path) -> frozenset[str]:
        if path.suffix == ".safetensors":
            return frozenset(safetensors.read_header(path)) - {"__metadata__"}
        if path.suffix == ".npz":
            return npz.read_names(path)
        return torchfile.read_names(path) if path.suffix in torchfile.SUFFIXES else frozenset()

    def _object(self, name: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise DictionaryError(f"{shorten(name)} holds no mapping.", "Name the format if it is another one.")
        fields.check(value, shorten(name))
        self.configs[name] = value
        return value
