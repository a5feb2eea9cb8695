"""One traced forward pass: the only file that opens an nnsight trace on this machine.

nnsight reads the source of a `with model.trace()` block, so the block lives here, in a plain function, whatever the
user's cell looks like. Points are visited in execution order; asked for out of order they would never arrive.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from nnsight.intervention.interleaver import OutOfOrderError
from torch import Tensor

from saewidgets.errors import EditError, ModelError
from saewidgets.model.points import Point
from saewidgets.model.trace import Write
from saewidgets.sites import Site


class Recorder:
    """Takes the value at every point, applies the write there, and keeps both.

    Args:
        read: Sites whose values are wanted.
        writes: Site -> write.
        offset: Position in the prompt of the first token of this pass.
        device: Where values are handed over; the model may be spread over several devices.
        grad: Make values part of the autograd graph even when every weight is frozen.
    """

    def __init__(
        self, read: frozenset[Site], writes: Mapping[Site, Write], offset: int, device: torch.device, grad: bool
    ) -> None:
        self.values: dict[Site, Tensor] = {}
        self.before: dict[Site, Tensor] = {}
        self.output: Any = None
        self.error: BaseException | None = None
        self._read = read
        self._writes = writes
        self._offset = offset
        self._device = device
        self._grad = grad

    def visit(self, point: Point, raw: Tensor) -> Tensor:
        """Record one value; return what the model goes on with (`raw` itself when nothing changes)."""
        try:
            return self._visit(point, raw)
        except BaseException as error:
            # Kept here because nnsight trims and rewrites what leaves its block.
            self.error = error
            raise

    def _visit(self, point: Point, raw: Tensor) -> Tensor:
        site, write = point.site, self._writes.get(point.site)
        if self._grad and not raw.requires_grad and not point.in_place:
            raw = raw.detach().requires_grad_()
        value = before = raw.to(self._device)
        if write is not None:
            # The model will change `raw` in place: what the write saw must not change with it.
            before = value.clone() if point.in_place else value
            value = write(before, self.values, self._offset)
            _check_shape(site, before, value)
            if value is before:
                value = before = raw.to(self._device)
            else:
                new = value.to(raw.device, raw.dtype)
                raw = raw.copy_(new) if point.in_place else new
                value = raw.to(self._device)
        if site in self._read:
            self.values[site], self.before[site] = value, before
        return raw


def _check_shape(site: Site, old: Tensor, new: object) -> None:
    if not isinstance(new, Tensor) or new.shape != old.shape:
        got = tuple(new.shape) if isinstance(new, Tensor) else type(new).__name__
        raise EditError(
            f"The write at {site} returned {got} instead of a tensor of shape {tuple(old.shape)}.",
            "Return a tensor of the shape of the value.",
        )


def run(
    model: Any, inputs: Mapping[str, Any], points: Sequence[tuple[Point, Any]], recorder: Recorder, *, whole: bool
) -> None:
    """Run the model once, handing every point to the recorder.

    Args:
        model: The nnsight model.
        inputs: Keyword arguments of the module's forward.
        points: Point and its nnsight envoy, in execution order.
        recorder: Collects values; its `output` is the module's output afterwards.
        whole: Run to the end; otherwise stop after the last point.

    Raises:
        ModelError: The model passes the points in another order than their sites say.
        BaseException: Whatever a write raised, as it raised it.
    """
    try:
        _trace(model, dict(inputs), points, recorder.visit, recorder, whole)
    except OutOfOrderError as error:
        waiting = error.args[0] if error.args else "a point"
        raise ModelError(
            f"The model does not pass its points in the order of their streams: {waiting}.",
            "Give sites= in the order embed, resid_pre, attn_z, attn_out, resid_mid, mlp_in, mlp_out, resid_post.",
        ) from None
    except BaseException:
        if recorder.error is not None:
            raise recorder.error from None
        raise


def _trace(
    model: Any,
    inputs: dict[str, Any],
    points: Sequence[tuple[Point, Any]],
    visit: Callable[[Point, Tensor], Tensor],
    recorder: Recorder,
    whole: bool,
) -> None:
    with model.trace(**inputs) as tracer:
        for point, envoy in points:
            if point.reads_input:
                old = envoy.input
                new = visit(point, old)
                if new is not old:
                    envoy.input = new
            else:
                output = envoy.output
                old = output[0] if isinstance(output, tuple) else output
                new = visit(point, old)
                if new is not old:
                    envoy.output = (new, *output[1:]) if isinstance(output, tuple) else new
        if whole:
            recorder.output = model.output
        else:
            tracer.stop()
