"""Whether a model or a dictionary is the one an atlas was made with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor

# Numbers of each tensor that are looked at, evenly spaced: a large model must not be read through.
_LOOKED_AT = 4096


def of_module(module: torch.nn.Module) -> str:
    """Of a model: names, shapes, types, and evenly spaced numbers of every weight."""
    return _of(module.state_dict().items())


def of_dictionary(dictionary: Any) -> str:
    """Of a dictionary: the same of its tensors, and its other fields in words."""
    return _of(_tensors(dictionary, type(dictionary).__name__))


def _tensors(value: Any, name: str) -> Iterable[tuple[str, Any]]:
    if is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            if field.name != "card":
                yield from _tensors(getattr(value, field.name), f"{name}.{field.name}")
    elif isinstance(value, (tuple, list)):
        for index, item in enumerate(value):
            yield from _tensors(item, f"{name}.{index}")
    else:
        yield name, value


def _of(parts: Iterable[tuple[str, Any]]) -> str:
    result = hashlib.sha256()
    for name, value in parts:
        if not isinstance(value, Tensor):
            result.update(f"{name}={value!r};".encode())
            continue
        flat = value.detach().reshape(-1)
        some = flat[:: max(1, flat.numel() // _LOOKED_AT)].float().cpu()
        result.update(f"{name}:{tuple(value.shape)}:{value.dtype};".encode())
        result.update(some.numpy().tobytes())
    return result.hexdigest()
