"""Our own lossless form: one safetensors file, conventions as JSON in its metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.dictionaries.formats.files import Files
from saewidgets.dictionaries.formats.questions import Questions
from saewidgets.dictionaries.formats.safetensors import read_header
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.dictionaries.norm import Norm
from saewidgets.errors import DictionaryError, SaewidgetsError, shorten

NAME = "saewidgets"
FORMAT, FIRST_FORMAT = "saewidgets-dictionary-2", "saewidgets-dictionary-1"
_WEIGHTS = ("W_enc", "W_dec", "b_enc", "b_dec", "b_in", "gate_scale", "value_scale", "row_scale", "W_skip")


def to_bytes(dictionary: Dictionary, dtype: torch.dtype | None = None) -> bytes:
    """The file's bytes; `dtype` (e.g. `torch.float16`) halves it at the price of rounding."""
    if not isinstance(dictionary, FeedForward):
        raise DictionaryError(f"A {type(dictionary).__name__} has no form on disk yet.")
    tensors: dict[str, Tensor] = {name: value for name in _WEIGHTS if (value := getattr(dictionary, name)) is not None}
    activation, norm = dictionary.activation, dictionary.norm
    settings: dict[str, Any] = {
        "format": FORMAT,
        "architecture": dictionary.architecture,
        "site_in": str(dictionary.site_in),
        "site_out": str(dictionary.site_out),
        "activation": {"kind": activation.kind, "k": activation.k, "rectify": activation.rectify},
        "norm": {"kind": norm.kind, "factor": norm.factor, "eps": norm.eps},
    }
    if activation.threshold is not None:
        tensors["threshold"] = activation.threshold
    tensors = {name: t.detach().cpu().to(dtype or t.dtype).contiguous() for name, t in tensors.items()}
    return save(tensors, metadata={NAME: json.dumps(settings, sort_keys=True)})


def write(dictionary: Dictionary, path: Path, dtype: torch.dtype | None = None) -> None:
    """Write `to_bytes` to a file, all or nothing."""
    from saewidgets.disk import write_bytes

    write_bytes(path, to_bytes(dictionary, dtype))


def matches(files: Files) -> bool:
    """Whether the named file says it is ours."""
    try:
        name = files.weights(".safetensors")
        return name is not None and NAME in read_header(files.folder / name).get("__metadata__", {})
    except DictionaryError:
        return False


def read(files: Files, questions: Questions) -> Dictionary:
    """Read a file that `write` wrote.

    Raises:
        DictionaryError: Another format, damaged, or a convention is missing.
    """
    name = files.weights(".safetensors")
    if name is None:
        raise DictionaryError(f"{shorten(files.source)} is no .safetensors file.", "Name the file.")
    tensors, metadata = files.tensors_and_metadata(name)
    try:
        settings = json.loads(metadata[NAME])
        if settings["format"] not in (FORMAT, FIRST_FORMAT):
            raise DictionaryError(f"{name} has format {shorten(settings['format'])}.", f"This reads {FORMAT}.")
        activation = dict(settings["activation"])
        threshold = activation.pop("threshold", None)
        threshold = tensors["threshold"] if threshold is None and "threshold" in tensors else threshold
        if settings.get("subtract_b_dec"):
            tensors["b_in"] = tensors["b_dec"]
        if settings["format"] == FIRST_FORMAT:  # fp16 to save room, computed in float32 as it always was
            tensors = {key: value.float() for key, value in tensors.items()}
            threshold = None if threshold is None else torch.as_tensor(threshold, dtype=torch.float32)
        site_in = questions.site("site", settings["site_in"], f"{name}: metadata")
        site_out = questions.site("site_out", settings["site_out"], f"{name}: metadata")
        for key in sorted(settings.keys() - {"site_in", "site_out"}):
            questions.note(key, settings[key], f"{name}: metadata")
        return FeedForward(
            **{key: tensors[key] for key in _WEIGHTS if key in tensors},
            activation=Activation(**activation, threshold=threshold),
            norm=Norm(**settings.get("norm", {})),
            site_in=site_in,
            site_out=site_out,
            architecture=str(settings["architecture"]),
            card=questions.card(NAME),
        )
    except SaewidgetsError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, RecursionError, OverflowError) as error:
        raise DictionaryError(f"{name} is no dictionary of ours ({shorten(error)}).", "Name its format.") from None


def load(path: Path) -> Dictionary:
    """Read one file of ours."""
    files = Files(path, path.name)
    return read(files, Questions(files, {}, strict=True))
