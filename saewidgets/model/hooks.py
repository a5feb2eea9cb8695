"""A pass under plain PyTorch hooks: the same visits as `engine`, without nnsight.

Two kinds of pass need it. One token, of a growing text or after a known prefix, takes a millisecond in a small model,
as much as nnsight's own work. And scales that are held (`norms`) must be in place before a point at the same module is
visited.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from nnsight.intervention.source import Controller
from torch import Tensor

from saewidgets.model.engine import Recorder
from saewidgets.model.points import Point

Buffers = list[tuple[dict[str, Any], str]]


class _Stopped(BaseException):
    """Leaves a forward pass that has nothing more to show."""


def run(
    module: Any, inputs: Mapping[str, Any], points: Sequence[tuple[Point, Any]], recorder: Recorder, *, whole: bool
) -> None:
    """Run the model once, handing every point to the recorder; as `engine.run`.

    Args:
        module: The model.
        inputs: Keyword arguments of its forward.
        points: Point and its module, in execution order.
        recorder: Collects values; its `output` is the module's output afterwards.
        whole: Run to the end; otherwise stop after the last point.
    """
    last = points[-1][0] if points and not whole else None

    def visit(point: Point, raw: Tensor) -> Tensor:
        new = recorder.visit(point, raw)
        if point is last:
            raise _Stopped
        return new

    try:
        with hooked(points, visit):
            recorder.output = module(**inputs)
    except _Stopped:
        return


def controlled(module: Any) -> list[dict[str, Any]]:
    """The attributes of every part of a model that nnsight put a controller in.

    Where accelerate moves values between devices the controllers do its work: these are left out.
    """
    parts = [part.__dict__ for part in module.modules() if isinstance(part.__dict__.get("forward"), Controller)]
    return [part for part in parts if "_hf_hook" not in part]


@contextmanager
def unwrapped(parts: Sequence[dict[str, Any]]) -> Iterator[None]:
    """The model as it was before nnsight: its controllers are out of the way and put back afterwards.

    They do nothing outside a trace, but a small model calls fifty of them for a token. The caller holds the model's
    lock.

    Args:
        parts: What `controlled` found.
    """
    taken = [part.pop("forward") for part in parts]
    try:
        yield
    finally:
        for part, controller in zip(parts, taken, strict=True):
            part["forward"] = controller


def buffers(module: Any) -> Buffers:
    """The table and the name of every buffer of a model."""
    return [(part._buffers, name) for part in module.modules() for name in part._buffers]


@contextmanager
def inference(buffers: Buffers) -> Iterator[None]:
    """PyTorch's inference mode, a tenth faster for a small model than `no_grad`.

    Args:
        buffers: What `buffers` found. One that the model replaces meanwhile (rotary frequencies may be) is made a
            plain tensor again, so that the model can be differentiated afterwards.
    """
    try:
        with torch.inference_mode():
            yield
    finally:
        for table, name in buffers:
            if table[name] is not None and table[name].is_inference():
                table[name] = table[name].clone()


@contextmanager
def hooked(points: Sequence[tuple[Point, Any]], visit: Callable[[Point, Tensor], Tensor]) -> Iterator[None]:
    """Hooks at some points, gone afterwards whatever happens.

    Args:
        points: Point and its module.
        visit: Called with each value; what it returns is what the model goes on with.
    """
    handles = []
    try:
        for point, module in points:
            if point.reads_input:
                handles.append(module.register_forward_pre_hook(_before(point, visit), with_kwargs=True))
            else:
                handles.append(module.register_forward_hook(_after(point, visit)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _before(point: Point, visit: Callable[[Point, Tensor], Tensor]) -> Any:
    def hook(_module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if args:
            return (visit(point, args[0]), *args[1:]), kwargs
        name = next(iter(kwargs))
        return args, kwargs | {name: visit(point, kwargs[name])}

    return hook


def _after(point: Point, visit: Callable[[Point, Tensor], Tensor]) -> Any:
    def hook(_module: Any, _args: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            return (visit(point, output[0]), *output[1:])
        return visit(point, output)

    return hook
