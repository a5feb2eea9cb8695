"""The frozen model by automatic differentiation, for architectures whose weights are not read.

Patterns, scales and MLP outputs are held in a run of the model itself, and gradients pass what is left of it. It is the
same affine map as `FrozenModel`, slower, and it has to be told nothing but the sites. Whether it is affine is not
known beforehand: the rows of a graph are checked to add up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from saewidgets.errors import CircuitError, ModelError
from saewidgets.model.trace import Trace, Write
from saewidgets.model.traced import TracedModel
from saewidgets.sites import Site

_START = Site("resid_pre", 0)


@dataclass(frozen=True, eq=False)
class DifferentiatedModel:
    """A model on one prompt, frozen.

    Args:
        model: The model.
        base: The pass it is frozen on.
        position: `[tokens, d]` what position embeddings add, or `None`.
        skips: Layer -> `[d, d]` of a skip transcoder, and where it reads.
    """

    model: TracedModel
    base: Trace
    position: Tensor | None
    skips: Mapping[int, tuple[Tensor, Site]] = field(default_factory=dict)

    @property
    def n_layers(self) -> int:
        """Number of blocks."""
        return self.model.n_layers

    @property
    def embed(self) -> Tensor:
        """`[tokens, d]` what the token embeddings put into the residual stream."""
        start = self.base.values[_START][0].float()
        return start if self.position is None else start - self.position

    def with_skips(self, skips: Mapping[int, tuple[Tensor, Site]]) -> DifferentiatedModel:
        """The same with skip transcoders in place."""
        return replace(self, skips=skips)

    def constants(
        self, written: Mapping[int, Tensor], sites: Mapping[int, Site]
    ) -> tuple[dict[int, Tensor], Tensor]:  # fmt: skip
        """As `FrozenModel.constants`."""
        start = torch.zeros_like(self.embed) if self.position is None else self.position
        with torch.no_grad():
            trace = self._held({layer: written[layer][None] for layer in range(self.n_layers)}, start[None], grad=False)
        return {n: trace.values[site][0].float() for n, site in sites.items()}, trace.values[Site("final")][0].float()

    def pull(
        self, layer: int, vectors: Tensor, positions: Tensor, *, behind_norm: bool = True
    ) -> Iterator[tuple[int, Tensor]]:
        """As `FrozenModel.pull`; every gradient is `[tokens, n, d]`."""
        leaves, trace = self._graph
        last = layer == self.n_layers
        site = Site("final") if last else Site("mlp_in" if behind_norm else "resid_mid", layer)
        with torch.enable_grad():
            values = (trace.values[site][0].float()[positions] * vectors).sum(-1)
        wanted = [leaves[n] for n in (-1, *range(layer))]
        each = torch.eye(len(values), device=values.device, dtype=values.dtype)
        found = torch.autograd.grad(
            values, wanted, each, is_grads_batched=True, retain_graph=True, allow_unused=True
        )  # fmt: skip
        tokens = int(positions.max()) + 1
        for n in reversed(range(layer)):
            yield n, _by_token(found[n + 1], leaves[n], len(values), tokens)
        g = _by_token(found[0], leaves[-1], len(values), tokens)
        yield -1, (g @ self.embed[:tokens, :, None])[..., 0].T

    def pull_by_head(self, *_: Any, **__: Any) -> Iterator[Any]:
        """Refused: heads are not seen from outside.

        Raises:
            CircuitError: Always.
        """
        raise CircuitError(
            f"The heads of {self.model.name} cannot be told apart: its weights are not read.", "Use whole edges."
        )

    @cached_property
    def _graph(self) -> tuple[dict[int, Tensor], Trace]:
        """What is written, as leaves by layer (-1: embeddings), and the run that depends on it."""
        values = self.base.values
        leaves = {n: values[Site("mlp_out", n)].detach().clone().requires_grad_() for n in range(self.n_layers)}
        start = values[_START].detach().clone().requires_grad_()
        return {-1: start, **leaves}, self._held(leaves, start, grad=True)

    def _held(self, written: Mapping[int, Tensor], start: Tensor, *, grad: bool) -> Trace:
        """A run in which MLPs write what they are told, besides their skip of what they read."""
        sites = {site for site in self.model.sites() if site.stream in ("mlp_in", "resid_mid", "final")}

        def mlp(layer: int) -> Write:
            def write(value: Tensor, values: Mapping[Site, Tensor], _offset: int) -> Tensor:
                total = written[layer].to(value)
                if layer in self.skips:
                    weight, site = self.skips[layer]
                    total = total + (values[site].float() @ weight).to(value)
                return total

            return write

        writes: dict[Site, Write] = {Site("mlp_out", layer): mlp(layer) for layer in written}
        writes[_START] = lambda value, _values, _offset: start.to(value)
        for site in self.model.patterns():
            writes[site] = lambda value, _values, _offset, site=site: self.base.values[site].to(value)  # type: ignore[misc]
        ids = self.base.ids
        return self.model.trace(ids, [*sites, _START], writes, logits=False, grad=grad, scales=self.base.scales)


def differentiate(model: TracedModel, ids: Sequence[int], position: Tensor | None) -> DifferentiatedModel:
    """Run the model on a prompt and hold its patterns, scales and MLP outputs.

    Raises:
        ModelError: It has no patterns, or a site is missing.
    """
    patterns, layers = model.patterns(), range(model.n_layers)
    needed = [_START, Site("final"), *(Site(s, n) for s in ("mlp_in", "mlp_out") for n in layers)]
    missing = [site for site in needed if site not in model.sites()]
    if len(patterns) != model.n_layers or missing:
        what = f"{missing[0]} is not in its sites" if missing else "its attention patterns cannot be read"
        raise ModelError(
            f"{model.name} cannot be frozen: {what}.",
            "Name all streams in sites=, or use method='sae-gradient', which freezes nothing.",
        )
    with torch.no_grad():
        base = model.trace(list(ids), [*model.sites(), *patterns], scales=True)
    return DifferentiatedModel(model, base, position)


def _by_token(g: Tensor | None, leaf: Tensor, n: int, tokens: int) -> Tensor:
    """`[tokens, n, d]` of batched gradients `[n, 1, tokens, d]`."""
    if g is None:
        return leaf.new_zeros(tokens, n, leaf.shape[-1], dtype=torch.float32)
    return g[:, 0, :tokens].detach().float().transpose(0, 1).contiguous()
