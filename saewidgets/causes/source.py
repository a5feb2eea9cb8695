"""The call that made a result, as source that makes it again: with its seed and the versions it was made with."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar

import numpy as np
import torch

from saewidgets.explain.targets import Probability

P = ParamSpec("P")
# Written even where they were not given: a default may change.
_ALWAYS = ("controls", "seed", "propagation", "error")


class Sourced(Protocol):
    """A frozen record that keeps its source."""

    @property
    def source(self) -> str:
        """What `replayable` puts there."""
        ...


R = TypeVar("R", bound=Sourced)


def replayable(function: Callable[P, R]) -> Callable[P, R]:
    """Keep in the result of an analysis the source of the call that gave it."""
    signature = inspect.signature(function)

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        found = function(*args, **kwargs)
        given = signature.bind(*args, **kwargs).arguments
        defaults = {n: p.default for n, p in signature.parameters.items() if n in _ALWAYS and n not in given}
        return replace(found, source=source(function.__name__, given, defaults))  # type: ignore[type-var]

    return run


def source(name: str, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """Source of a call of `sw.causes`.

    Args:
        name: Of the function.
        given: Its arguments, the scope first.
        defaults: Those that are written though they were not given.
    """
    from saewidgets import __version__

    scope = given["scope"]
    lines = [
        f"import saewidgets as sw  # {__version__}, torch {torch.__version__}, numpy {np.__version__}",
        f"# scope: {' '.join(scope.name.split())}, {scope.model.n_layers} layers",
    ]
    arguments = ["scope"]
    for key, value in {**given, **defaults}.items():
        if key == "scope":
            continue
        if key == "randoms" and value is not None:
            made = getattr(value, "source", "")
            lines.append(f"randoms = {made}" if made else f"# randoms: {len(value)} dictionaries of your own")
            arguments.append("randoms=randoms")
        elif key in ("prompt", "prompts", "clean", "corrupt", "first", "second", "texts", "sender", "receiver"):
            arguments.append(written(value))
        elif callable(value):
            lines.append(f"# {key}: a function of your own")
            arguments.append(f"{key}={getattr(value, '__name__', key)}")
        else:
            arguments.append(f"{key}={written(value)}")
    return "\n".join([*lines, f"found = sw.causes.{name}({', '.join(arguments)})"])


def written(value: Any) -> str:
    """A value as source."""
    if isinstance(value, Probability):
        return f"sw.explain.Probability({value.token!r})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k!r}: {written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, np.ndarray | torch.Tensor):
        return repr(value.tolist())
    if isinstance(value, np.generic):
        return repr(value.item())
    if isinstance(value, tuple):
        return (
            "(" + "".join(f"{written(part)}, " for part in value).removesuffix(" " if len(value) == 1 else ", ") + ")"
        )
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    if type(value).__name__ == "Noise":
        return f"sw.causes.{value!r}"
    return repr(value)
