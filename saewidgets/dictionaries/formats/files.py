"""`Files`: what a format may look at: the names beside a dictionary, its configs, its tensors, all read guardedly."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from saewidgets.dictionaries.formats import npz, safetensors, torchfile
from saewidgets.errors import DictionaryError, shorten

_MAX_CONFIG = 1 << 20


class Files:
    """A file or a folder that may hold a dictionary.

    Args:
        path: The file or folder.
        source: What the user wrote, for messages and the card.

    Attributes:
        file: The file that was named, or None for a folder.
        folder: The folder, or the one the file is in.
        read: Files read so far, in order.
    """

    def __init__(self, path: Path, source: str) -> None:
        self.file = path if path.is_file() else None
        self.folder = path.parent if self.file else path
        self.source = source
        self.read: list[Path] = []

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the files in the folder, sorted; of a named file its own name first."""
        names = sorted(entry.name for entry in self.folder.iterdir() if entry.is_file())
        return tuple(names if self.file is None else [self.file.name, *(n for n in names if n != self.file.name)])

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
        try:
            value = json.loads(self.bytes(name))
        except (ValueError, RecursionError) as error:
            raise DictionaryError(f"{shorten(name)} is damaged ({shorten(error)}).", "Get the file again.") from None
        return self._object(name, value)

    def yaml(self, name: str) -> dict[str, Any]:
        """A YAML mapping, by the safe loader.

        Raises:
            DictionaryError: Missing, too large, damaged, or no mapping.
        """
        import yaml

        try:
            value = yaml.safe_load(self.bytes(name))
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise DictionaryError(f"{shorten(name)} is damaged ({shorten(error)}).", "Get the file again.") from None
        return self._object(name, value)

    def bytes(self, name: str) -> bytes:
        """A small text file.

        Raises:
            DictionaryError: Missing or too large.
        """
        path = self.folder / name
        try:
            size = path.stat().st_size
            if size > _MAX_CONFIG:
                raise DictionaryError(f"{shorten(name)} has {size} bytes.", "A config has a few hundred.")
            data = path.read_bytes()
        except OSError as error:
            raise DictionaryError(f"Cannot read {shorten(name)}: {error.strerror}.", "Check the path.") from None
        self.read.append(path)
        return data

    def keys(self, name: str) -> frozenset[str]:
        """Names of the tensors in a safetensors or npz file, from its header; empty when it is neither."""
        path = self.folder / name
        try:
            if name.endswith(".safetensors"):
                return frozenset(safetensors.read_header(path)) - {"__metadata__"}
            return npz.read_names(path) if name.endswith(".npz") else frozenset()
        except DictionaryError:
            return frozenset()

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
    def _object(name: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise DictionaryError(f"{shorten(name)} holds no mapping.", "Name the format if it is another one.")
        return value
