"""Runs plans on one module: through the prefix cache where that is right, and through nnsight."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import partial
from typing import Any

import torch
from nnsight import NNsight
from torch import Tensor

from saewidgets.model import attention, engine, hooks, memory, norms
from saewidgets.model.plan import Plan
from saewidgets.model.points import Point
from saewidgets.model.prefix import NO_WRITES, Prefix, PrefixCache, Weights
from saewidgets.model.trace import Trace
from saewidgets.sites import Site


class Runner:
    """One nnsight model and its prefix cache. The caller holds the model's lock.

    Args:
        module: The model.
        points: Its sites.
        patterns: Its attention patterns.
        config: The text part of its Hugging Face config, or `None`.
        reusable: Whether prefixes may be shared.
        cache_bytes: Bound on the prefix cache.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        points: Mapping[Site, Point],
        patterns: Mapping[Site, Point],
        config: Any,
        *,
        reusable: bool,
        cache_bytes: int,
    ) -> None:
        self.prefixes = PrefixCache(cache_bytes)
        self._module = module
        self._norms = norms.find_norms(module, {point.path for point in patterns.values()})
        self._model = NNsight(module)
        self._envoys = {site: self._model.get(point.path) for site, point in points.items()}
        self._modules = {site: module.get_submodule(point.path) for site, point in (*points.items(), *patterns.items())}
        self._buffers = hooks.buffers(module)
        self._controlled = hooks.controlled(module)
        self._weights = Weights(module)
        self._takes_cache = config is not None
        self._reusable = reusable and cache_bytes > 0

    def run(
        self,
        plan: Plan,
        ids: Tensor,
        device: torch.device,
        *,
        key: Hashable | None,
        first_edit: int,
        grad: bool,
        scales: bool | Mapping[str, Tensor] = False,
    ) -> Trace:
        """Run a plan, or the part of it that is not known yet.

        Args:
            plan: What to visit.
            ids: `[batch, tokens]`, anywhere.
            device: Where ids go and values are handed over.
            key: Identity of the plan's writes, or `None`.
            first_edit: Position of the first token they may change.
            grad: Keep the graph; nothing is reused then.
            scales: Keep the scales of the normalisations, or hold them at these.

        Returns:
            The trace of the whole prompt.
        """
        if scales is not False:
            return self._scaled(plan, ids.to(device), device, grad, scales)
        # A pattern has a row and a column a token: of a part of a prompt there is no pattern to be read or written.
        if grad or len(ids) > 1 or not self._reusable or plan.patterns:
            return self._pass(plan, ids.to(device), device, None, grad, None)
        tokens = tuple(ids[0].tolist())
        # Wrapped, so that no key of a caller can be taken for the key of a run without writes.
        name = (None if key is None else ("writes", key)) if plan.writes else NO_WRITES
        self.prefixes.check_weights(self._weights.state())
        prefix = self.prefixes.find(
            tokens, name, first_edit if plan.writes else 0, lambda entry: memory.fits(plan, entry)
        )
        if prefix is not None and prefix.length == len(tokens):
            return memory.recall(plan, prefix, ids.to(device))
        if prefix is None and name is None:
            return self._pass(plan, ids.to(device), device, None, grad, None)
        ids, cache = ids.to(device), memory.new_cache(prefix, plan.depth)
        # Nothing of this pass is handed out as it is, so that it may be made in inference mode.
        with hooks.inference(self._buffers):
            found = self._pass(plan, ids, device, prefix, grad, cache)
        trace = memory.join(prefix, found)
        if name is not None:
            layers = memory.layers_of(cache, len(tokens))
            self.prefixes.store(name, memory.entry_of(tokens, found, trace, layers, prefix))
        return trace

    def _pass(
        self, plan: Plan, ids: Tensor, device: torch.device, prefix: Prefix | None, grad: bool, cache: Any
    ) -> Trace:
        """What the model computes of the tokens after a prefix."""
        offset = prefix.length if prefix else 0
        recorder = engine.Recorder(plan.read, plan.writes, offset, device, grad)
        inputs: dict[str, Any] = {"input_ids": ids[:, offset:]}
        if self._takes_cache:
            inputs |= {"past_key_values": cache, "use_cache": cache is not None}
        if prefix is None:
            points = [(point, self._envoys[point.site]) for point in plan.points]
            with attention.watched(self._module, self._visits(plan, recorder)):
                engine.run(self._model, inputs, points, recorder, whole=plan.whole)
        else:
            # The few tokens after a prefix are what a key press waits for; what is read is joined to it, and so new.
            plain = [(point, self._modules[point.site]) for point in plan.points]
            with hooks.unwrapped(self._controlled):
                hooks.run(self._module, inputs, plain, recorder, whole=plan.whole)
        logits = memory.logits_of(recorder.output).to(device) if plan.logits else None
        return Trace(recorder.values, recorder.before, logits, ids)

    def _visits(self, plan: Plan, recorder: engine.Recorder) -> dict[Any, attention.Visit]:
        return {self._modules[point.site]: partial(recorder.visit, point) for point in plan.patterns}

    def _scaled(
        self, plan: Plan, ids: Tensor, device: torch.device, grad: bool, scales: bool | Mapping[str, Tensor]
    ) -> Trace:
        recorder = engine.Recorder(plan.read, plan.writes, 0, device, grad)
        points = [(point, self._modules[point.site]) for point in plan.points]
        inputs: dict[str, Any] = {"input_ids": ids}
        if self._takes_cache:
            inputs["use_cache"] = False
        found: dict[str, Tensor] = {}
        held = None if isinstance(scales, bool) else scales
        # First the scales: a point at a normalisation's output sees what it returns with the scale that is held.
        with norms.scales_of(self._norms, held, found), attention.watched(self._module, self._visits(plan, recorder)):
            hooks.run(self._module, inputs, points, recorder, whole=True)
        logits = memory.logits_of(recorder.output).to(device) if plan.logits else None
        return Trace(recorder.values, recorder.before, logits, ids, scales=found)
