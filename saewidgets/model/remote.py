"""The same trace on NDIF, the public service that hosts large models.

Only the structure of the model is on this machine; weights, forward pass and writes are on the server. What a write
refers to, this package included, travels with the request by value. There is no prefix cache and no gradient, and no
self-check at wrap time: it would cost a request.

Tested here with nnsight's local simulation, which ships and restores a request in one process. A run on the service
itself needs an account (`NDIF_API_KEY`) and has not been part of the tests.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import nnsight
import torch

from saewidgets.errors import ModelError, shorten
from saewidgets.model import load, memory, tokens
from saewidgets.model.families import Family, find_family
from saewidgets.model.plan import Plan, make_plan
from saewidgets.model.points import Names
from saewidgets.model.trace import Trace, Write
from saewidgets.model.traced import TracedModel
from saewidgets.sites import Site

Values = dict[Site, torch.Tensor]


class RemoteModel(TracedModel):
    """A `TracedModel` whose weights are elsewhere; made by `TracedModel.wrap(hub_id, remote=True)`.

    Args:
        model: The undispatched nnsight model.
        tokenizer: Its tokenizer.
        family: Where its streams are.
        name: Hub id.
        backend: What nnsight's `remote=` gets: `True` for NDIF, `"local"` for the simulation.
    """

    def __init__(self, model: Any, tokenizer: Any, *, family: Family, name: str, backend: bool | str = True) -> None:
        nnsight.register("saewidgets")
        super().__init__(model._module, tokenizer, family=family, name=name, cache_bytes=0)
        # The attention function that shows its pattern is on this machine, the model is not.
        self._patterns = {}
        self._names = Names(self._points)
        self._remote = model
        self._backend = backend

    @classmethod
    def open(
        cls,
        name: Any,
        tokenizer: Any = None,
        *,
        sites: Family | Mapping[str, str] | None = None,
        revision: str | None = None,
    ) -> RemoteModel:
        """Look up the structure of a hosted model.

        Args:
            name: Hub id.
            tokenizer: Overrides the model's own.
            sites: As in `TracedModel.wrap`.
            revision: Branch, tag or commit.

        Returns:
            The model, ready to send requests.

        Raises:
            ModelError: Not a hub id, or the hub cannot be reached.
        """
        if not isinstance(name, str) or not load.is_hub_id(name):
            raise ModelError(f"{shorten(name)} is not a hub id.", "remote=True runs models that NDIF hosts, by hub id.")
        try:
            model = nnsight.TransformersModel(name, task="text-generation", revision=revision)
        except Exception as error:  # a dozen types for "not there", as when loading
            what = f"Cannot look up the model {shorten(name)}: {load.first_line(error)}"
            raise ModelError(what, load.WAYS_OUT) from error
        return cls(model, tokenizer or model.tokenizer, family=find_family(model._module, sites), name=name)

    def trace(
        self,
        ids: object,
        read: Iterable[Site | str] = (),
        writes: Mapping[Site, Write] | None = None,
        *,
        logits: bool = True,
        key: Hashable | None = None,
        first_edit: int = 0,
        grad: bool = False,
        scales: bool | Mapping[str, torch.Tensor] = False,
    ) -> Trace:
        """As `TracedModel.trace`, on the server; `key` and `first_edit` change nothing, `grad` is refused."""
        if scales is not False:
            raise ModelError("The scales of a remote model cannot be held.", "Load it here, or let the run be free.")
        if grad:
            raise ModelError("A remote model returns values without their gradients.", "Load it here for gradients.")
        batch = tokens.as_batch(ids, self.vocab_size, self.context_length)
        changes = {self.site(site): write for site, write in (writes or {}).items()}
        plan = make_plan(self._points, [self.site(site) for site in read], changes, logits=logits, grad=False)
        with self.lock, torch.no_grad():
            values, before, output = self._send(plan, batch)
        return Trace(
            values,
            {site: before.get(site, value) for site, value in values.items()},
            memory.logits_of(output) if plan.logits else None,
            batch,
        )

    def _send(self, plan: Plan, batch: torch.Tensor) -> tuple[Values, Values, Any]:
        steps = [(point.site, point.path, point.reads_input, point.in_place) for point in plan.points]
        return _request(self._remote, batch, steps, dict(plan.writes), set(plan.read), plan.logits, self._backend)


def _request(
    model: Any,
    ids: torch.Tensor,
    steps: list[tuple[Site, str, bool, bool]],
    writes: dict[Site, Write],
    read: set[Site],
    whole: bool,
    backend: bool | str,
) -> tuple[Values, Values, Any]:
    # The block runs in another process and shares nothing with this one: whatever it keeps must be bound inside it and
    # saved. That is why it repeats what `engine.Recorder` does.
    with model.trace(input_ids=ids, remote=backend) as tracer:
        values = nnsight.save({})
        before = nnsight.save({})
        logits = nnsight.save([])
        for site, path, reads_input, in_place in steps:
            envoy = model.get(path)
            raw = envoy.input if reads_input else envoy.output
            old = raw[0] if isinstance(raw, tuple) else raw
            new = old
            if site in writes:
                shown = old.clone() if in_place else old
                new = writes[site](shown, values, 0)
                if in_place and new is not shown:
                    old.copy_(new)
                elif new is not shown and reads_input:
                    envoy.input = new
                elif new is not shown:
                    envoy.output = (new, *raw[1:]) if isinstance(raw, tuple) else new
                if new is not shown and site in read:
                    before[site] = shown
            if site in read:
                values[site] = new
        if whole:
            output = model.output
            logits.append(output.logits if hasattr(output, "logits") else output[0])
        else:
            tracer.stop()
    return dict(values), dict(before), logits[0] if whole else None
