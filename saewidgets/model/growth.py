"""Texts that grow token by token over one key-value cache, under writes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from saewidgets.errors import ModelError
from saewidgets.model import attention, engine, hooks, memory, tokens
from saewidgets.model.plan import Plan, make_plan
from saewidgets.model.points import Point
from saewidgets.model.trace import Write
from saewidgets.sites import Site

if TYPE_CHECKING:
    from saewidgets.model.traced import TracedModel


class Growth:
    """A batch of equally long texts; made by `TracedModel.grow`.

    Every step runs under plain hooks, in PyTorch's inference mode, and holds the model's lock only while it runs:
    between two tokens the model is free for others.

    Args:
        model: The traced model.
        cached: Keep keys and values from step to step; otherwise every step runs the whole text again, for writes
            that must see all of it.

    Raises:
        ModelError: A remote model.

    Example:
        >>> import saewidgets as sw
        >>> model = sw.demo().model
        >>> growth = model.grow()
        >>> ids = torch.tensor([model.tokenize("Mira saw")])
        >>> logits = growth.advance(ids)
        >>> logits = growth.advance(logits.argmax(-1, keepdim=True))
        >>> growth.length == ids.shape[1] + 1
        True
    """

    def __init__(self, model: TracedModel, cached: bool = True) -> None:
        if any(parameter.is_meta for parameter in model.module.parameters()):
            raise ModelError("A remote model does not grow texts.", "Load it here.")
        self._model = model
        self._cached = cached and model.config is not None
        self._cache = memory.new_cache(None, model.n_layers) if self._cached else None
        # Only what is run again is kept: with a cache that is nothing but the length.
        self._ids: Tensor | None = None
        self._length = 0
        self._device = model.device
        self._pass: _Pass | None = None
        self._takes_last = "logits_to_keep" in inspect.signature(type(model.module).forward).parameters

    @property
    def length(self) -> int:
        """Tokens so far."""
        return self._length

    def advance(
        self, ids: Tensor, writes: Mapping[Site, Write] | None = None, read: frozenset[Site] = frozenset()
    ) -> Tensor:
        """Append tokens.

        Args:
            ids: `[batch, tokens]`: the prompt at first, then usually one token a row.
            writes: Site -> write, as in `TracedModel.trace`; `offset` counts from the start of the text. What they are
                handed cannot be differentiated.
            read: Other sites whose values the writes need.

        Returns:
            `[batch, vocab]` logits after the last token.

        Raises:
            PromptError: The text becomes longer than the context.
            Exception: Whatever a write raised; the growth is then of no more use, the model is.
        """
        model, known = self._model, self._pass
        if known is None or known.writes is not writes or known.read != read:
            known = self._pass = _Pass.of(model, writes, read)
        ids = ids.to(self._device)
        if self._length == 0:
            ids = model.check_ids(ids)
        length = self._length + ids.shape[1]
        tokens.check_length(length, model.context_length)
        if not self._cached and self._ids is not None:
            ids = torch.cat([self._ids, ids], 1)
        offset = self._length if self._cached else 0
        recorder = engine.Recorder(known.plan.read, known.plan.writes, offset, self._device, False)
        inputs: dict[str, Any] = {"input_ids": ids}
        if model.config is not None:
            inputs |= {"past_key_values": self._cache, "use_cache": self._cached}
        if self._takes_last:
            inputs["logits_to_keep"] = 1
        visits = {part: partial(recorder.visit, point) for point, part in known.patterns}
        with model.lock, hooks.inference(known.buffers), hooks.unwrapped(known.controlled):
            with attention.watched(model.module, visits):
                hooks.run(model.module, inputs, known.points, recorder, whole=True)
        self._length = length
        if not self._cached:
            self._ids = ids
        return memory.logits_of(recorder.output)[:, -1].clone()


@dataclass(frozen=True)
class _Pass:
    """What every step visits; it stays the same from token to token."""

    writes: Mapping[Site, Write] | None
    read: frozenset[Site]
    plan: Plan
    points: list[tuple[Point, Any]]
    patterns: list[tuple[Point, Any]]
    controlled: list[dict[str, Any]]
    buffers: hooks.Buffers

    @classmethod
    def of(cls, model: TracedModel, writes: Mapping[Site, Write] | None, read: frozenset[Site]) -> _Pass:
        plan = make_plan(model.points, read, writes or {}, logits=True, grad=False)
        module = model.module
        points, patterns = (
            [(point, module.get_submodule(point.path)) for point in some] for some in (plan.points, plan.patterns)
        )
        return cls(writes, read, plan, points, patterns, hooks.controlled(module), hooks.buffers(module))
