"""Our own lossless form: one safetensors file, everything but tensors as JSON in its metadata."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.clt import CrossLayerTranscoder
from saewidgets.dictionaries.crosscoder import Crosscoder
from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.dictionaries.formats.files import SUFFIXES, Files
from saewidgets.dictionaries.formats.questions import Questions
from saewidgets.dictionaries.formats.safetensors import read_header
from saewidgets.dictionaries.interface import AUTHORS, SCALES, Dictionary
from saewidgets.dictionaries.matching_pursuit import MatchingPursuit
from saewidgets.dictionaries.norm import Norm
from saewidgets.dictionaries.switch import Switch
from saewidgets.dictionaries.temporal import CodeAttention, Temporal
from saewidgets.errors import DictionaryError, SaewidgetsError, shorten
from saewidgets.sites import Site

NAME = "saewidgets"
# Suffixes of files of other kinds.
_OTHERS = (*(suffix for suffix in SUFFIXES if suffix != ".safetensors"), ".json", ".yaml", ".yml")
FORMAT, FIRST_FORMAT = "saewidgets-dictionary-2", "saewidgets-dictionary-1"
_DICTIONARIES: dict[str, type[Any]] = {
    c.__name__: c for c in (FeedForward, Switch, MatchingPursuit, Temporal, Crosscoder, CrossLayerTranscoder)
}
_PARTS: dict[str, type[Any]] = {c.__name__: c for c in (Activation, CodeAttention, Norm)}
_REFUSED = (KeyError, TypeError, ValueError, AttributeError, RuntimeError, RecursionError, OverflowError)


def to_bytes(dictionary: Dictionary, dtype: torch.dtype | None = None) -> bytes:
    """The file's bytes; `dtype` (e.g. `torch.float16`) halves it at the price of rounding."""
    tensors: dict[str, Tensor] = {}
    fields = _fields(dictionary, tensors, "")
    settings = {"format": FORMAT, "class": type(dictionary).__name__, "fields": fields}
    stored = {name: t.detach().cpu().to(dtype or t.dtype).contiguous() for name, t in tensors.items()}
    return save(stored, metadata={NAME: json.dumps(settings, sort_keys=True)})


def _fields(record: Any, tensors: dict[str, Tensor], prefix: str) -> dict[str, Any]:
    names = [entry.name for entry in dataclasses.fields(record) if entry.name != "card"]
    return {name: _pack(getattr(record, name), tensors, prefix + name) for name in names}


def _pack(value: Any, tensors: dict[str, Tensor], name: str) -> Any:
    """JSON of a value; tensors go into `tensors` under their name."""
    if isinstance(value, Tensor):
        # A bias that is subtracted and added is one tensor, and stays one.
        known = next((key for key, other in tensors.items() if other is value), name)
        tensors[known] = value
        return {"tensor": known}
    if isinstance(value, Site):
        return {"site": str(value)}
    if isinstance(value, tuple):
        return [_pack(part, tensors, f"{name}.{i}") for i, part in enumerate(value)]
    if type(value).__name__ in _PARTS:
        return {type(value).__name__: _fields(value, tensors, f"{name}.")}
    return value


def _unpack(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, list):
        return tuple(_unpack(part, tensors) for part in value)
    if not isinstance(value, dict):
        return value
    ((kind, inside),) = value.items()
    if kind == "tensor":
        return tensors[inside]
    if kind == "site":
        return Site.parse(inside)
    return _PARTS[kind](**{name: _unpack(part, tensors) for name, part in inside.items()})


def write(dictionary: Dictionary, path: Path, dtype: torch.dtype | None = None) -> None:
    """Write `to_bytes` to a file, all or nothing.

    Raises:
        DictionaryError: The suffix says that the file is something else.
    """
    from saewidgets.disk import write_bytes

    if path.suffix in _OTHERS:
        raise DictionaryError(f"{shorten(path.name)} would be a safetensors file.", "Name it .safetensors.")
    write_bytes(path, to_bytes(dictionary, dtype))


def matches(files: Files) -> bool:
    """Whether the file says it is ours."""
    try:
        name = _file(files)
        return name is not None and NAME in read_header(files.folder / name).get("__metadata__", {})
    except DictionaryError:
        return False


def _file(files: Files) -> str | None:
    """The file that was named, unless its suffix says that it is something else: the mark of ours is inside."""
    if files.file is None or files.file.suffix in (".safetensors", *_OTHERS):
        return files.weights(".safetensors")
    return files.file.name


def read(files: Files, questions: Questions) -> Dictionary:
    """Read a file that `write` wrote.

    Raises:
        DictionaryError: Another format, damaged, or a convention is missing.
    """
    name = _file(files)
    if name is None:
        raise DictionaryError(f"{shorten(files.source)} is no .safetensors file.", "Name the file.")
    tensors, metadata = files.tensors_and_metadata(name)
    try:
        settings = json.loads(metadata[NAME])
        if settings["format"] not in (FORMAT, FIRST_FORMAT):
            raise DictionaryError(f"{name} has format {shorten(settings['format'])}.", f"This reads {FORMAT}.")
        first = settings["format"] == FIRST_FORMAT
        kind = "FeedForward" if first else settings["class"]
        fields = _first_fields(settings, tensors) if first else _unpack_fields(settings["fields"], tensors)
        _place(fields, questions, f"{name}: metadata")
        if type(fields.get("architecture", "")) is not str or fields.get("scale_name", AUTHORS) not in SCALES:
            raise ValueError("its architecture or its scale is none")
        for key in sorted(fields.keys() - {"site_in", "site_out", "sites", "sites_in", "sites_out"}):
            if not isinstance(fields[key], Tensor | tuple) and fields[key] is not None:
                questions.note(key.replace("_", " "), fields[key], f"{name}: metadata")
        dictionary: Dictionary = _DICTIONARIES[kind](**fields, card=questions.card(NAME))
        return dictionary
    except SaewidgetsError:
        raise
    except _REFUSED as error:
        raise DictionaryError(f"{name} is no dictionary of ours ({shorten(error)}).", "Name its format.") from None


def _unpack_fields(fields: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    return {name: _unpack(value, tensors) for name, value in fields.items()}


def _place(fields: dict[str, Any], questions: Questions, where: str) -> None:
    """Let the arguments of the loader move it to another site."""
    for name, argument in (("site_in", "site"), ("site_out", "site_out")):
        if name in fields:
            fields[name] = questions.site(argument, fields[name], where)
    for name in ("sites", "sites_in", "sites_out"):
        if name in fields:
            fields[name] = tuple(Site.parse(site) for site in fields[name])


def _first_fields(settings: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Fields of the first form: fp16 to save room, computed in float32 as it always was."""
    weights = {name: tensors[name].float() for name in ("W_enc", "W_dec", "b_enc", "b_dec")}
    activation = dict(settings["activation"])
    threshold = tensors.get("threshold", activation.pop("threshold", None))
    threshold = None if threshold is None else torch.as_tensor(threshold, dtype=torch.float32)
    return {
        **weights,
        "b_in": weights["b_dec"] if settings["subtract_b_dec"] else None,
        "activation": Activation(activation["kind"], activation.get("k"), threshold),
        "site_in": Site.parse(settings["site_in"]),
        "site_out": Site.parse(settings["site_out"]),
        "architecture": str(settings["architecture"]),
    }


def load(path: Path) -> Dictionary:
    """Read one file of ours."""
    files = Files(path, path.name)
    return read(files, Questions(files, {}, strict=True))
