"""Where in a folder the dictionary is, and in which format."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType

from saewidgets.dictionaries.formats.files import SUFFIXES, Files
from saewidgets.errors import DictionaryError, shorten

# How far below the given folder a dictionary may be, and how much is looked at on each level.
_DEPTH, _FOLDERS, _WEIGHTS = 4, 200, 64
_LAYER = re.compile(r"layer_?(\d{1,4})")

_ENCODER, _DECODER = re.compile(r"(?:\w+\.)?encoders\.\d+\.weight"), re.compile(r"(?:\w+\.)?decoders\..+\.weight")

_BY_HAND = "Build it from its weights: saewidgets.dictionaries.FeedForward(encoder, decoder, b_enc, ...)."

Place = tuple[ModuleType, Path]


def find(path: Path, source: str, formats: Sequence[ModuleType], layer: int | None = None) -> Place:
    """The format and the place of the dictionary in a file or folder, or in a folder below.

    The nearest level counts. On each, folders are asked first, then their files one by one.

    Args:
        path: File or folder that exists.
        source: What the user wrote, for messages.
        formats: The formats to ask, in this order; a single one is believed of the path itself.
        layer: The one that is meant, where there is one dictionary a layer.

    Returns:
        The format, and the file or folder to read.

    Raises:
        DictionaryError: There is none, or more than one; the message names them.
    """
    level = [path]
    for _ in range(_DEPTH + 1 if path.is_dir() else 1):
        found = _matches(level, source, formats) or _matches(_weights(level), source, formats)
        if len(found) > 1:
            found = [place for place in found if _layer_of(place[1]) == layer is not None] or found
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(shorten(str(place.relative_to(path))) for _, place in found[:8])
            raise DictionaryError(f"{shorten(source)} holds {len(found)} dictionaries.", f"Name one of {names}.")
        level = [child for folder in level for child in _folders(folder)][:_FOLDERS]
    if len(formats) == 1:
        return formats[0], path
    raise _unknown(path, source, formats)


def _matches(paths: Iterable[Path], source: str, formats: Sequence[ModuleType]) -> list[Place]:
    found = []
    for path in paths:
        files = Files(path, source)
        format = next((module for module in formats if module.matches(files)), None)
        if format is not None:
            found.append((format, path))
    return found


def _weights(folders: Iterable[Path]) -> list[Path]:
    found = [entry for folder in folders if folder.is_dir() for entry in sorted(folder.iterdir())]
    return [entry for entry in found if entry.suffix in SUFFIXES and entry.is_file()][:_WEIGHTS]


def _folders(path: Path) -> list[Path]:
    if not path.is_dir():
        return []
    return sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _layer_of(path: Path) -> int | None:
    found = _LAYER.search(path.name)
    return int(found[1]) if found else None


def _elsewhere(keys: Iterable[str]) -> bool:
    """Whether tensors are named as crosslayer-coding names them."""
    names = list(keys)
    return all(any(pattern.fullmatch(name) for name in names) for pattern in (_ENCODER, _DECODER))


def _unknown(path: Path, source: str, formats: Sequence[ModuleType]) -> DictionaryError:
    """Why nothing is read: the fault of the file itself, if it has one."""
    for entry in [path] if path.is_file() else _weights([path])[:1]:
        if entry.suffix in SUFFIXES:
            try:
                Files(entry, source).peek(entry.name)
            except DictionaryError as error:
                return error
            if _elsewhere(Files(entry, source).keys(entry.name)):
                return DictionaryError(
                    f"{shorten(source)} is a cross-layer transcoder of crosslayer-coding, which does not keep the "
                    "numbers its inputs were normalised with.",
                    "Write it in the layout of circuit-tracer, with the normalisation folded in.",
                )
    known = ", ".join(module.NAME for module in formats)
    return DictionaryError(f"{shorten(source)} is in no format known here ({known}).", _BY_HAND)
