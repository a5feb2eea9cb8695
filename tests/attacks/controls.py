"""Loaders that do what must not happen, to see that the worker notices."""

import dataclasses
import json
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.dictionaries.formats import buffers, safetensors

Loader = Callable[..., Any]


def greedy(load: Loader) -> Loader:
    """Allocates on the way, and hides that it failed behind an error of ours."""

    def call(*args: Any, **kwargs: Any) -> Any:
        from saewidgets.errors import DictionaryError

        try:
            np.ones(300 << 20, dtype=np.uint8)
        except MemoryError:
            raise DictionaryError("The file is damaged.") from None
        return load(*args, **kwargs)

    return call


def endless(load: Loader) -> Loader:
    def call(*args: Any, **kwargs: Any) -> Any:
        while True:
            sum(range(1 << 16))

    return call


def untyped(load: Loader) -> Loader:
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return load(*args, **kwargs)
        except Exception as error:
            raise KeyError(str(error)) from None

    return call


def crashing(load: Loader) -> Loader:
    def call(*args: Any, **kwargs: Any) -> Any:
        os.abort()

    return call


def careless(load: Loader) -> Loader:
    """Loads always: what is damaged, as it was when it was sound."""
    sound: dict[Any, Any] = {}

    def call(path: Any, **kwargs: Any) -> Any:
        try:
            sound[path] = load(path, **kwargs)
        except Exception:
            if path not in sound:
                raise
        return sound[path]

    return call


def shifted(load: Loader) -> Loader:
    """Reads every tensor one element further on."""
    tensor = buffers.tensor
    buffers.tensor = lambda *arguments: tensor(*arguments).flatten().roll(1).view(tensor(*arguments).shape)
    return load


def biased(load: Loader) -> Loader:
    """Reads the files rightly and makes another dictionary of them."""

    def call(*args: Any, **kwargs: Any) -> Any:
        found = load(*args, **kwargs)
        return dataclasses.replace(found, b_dec=found.b_dec * 2) if isinstance(found, FeedForward) else found

    return call


def obliging(load: Loader) -> Loader:
    """Takes text for a number where it looks like one, and anything for a yes."""

    def call(path: Any, **kwargs: Any) -> Any:
        for config in path.glob("*.json") if path.is_dir() else ():
            values = json.loads(config.read_text())
            for key, value in values.items():
                values[key] = int(value) if isinstance(value, str) and value.isdigit() else value
                values[key] = value != [] if key.startswith("apply") else values[key]
            config.write_text(json.dumps(values))
        return load(path, **kwargs)

    return call


def lenient(load: Loader) -> Loader:
    """Believes a safetensors header where it says a tensor lies."""
    safetensors._check_extents = lambda *_: None
    return load


LOADERS: dict[str, Callable[[Loader], Loader]] = {
    "none": lambda load: load,
    "greedy": greedy,
    "endless": endless,
    "untyped": untyped,
    "crashing": crashing,
    "careless": careless,
    "shifted": shifted,
    "biased": biased,
    "obliging": obliging,
    "lenient": lenient,
}
