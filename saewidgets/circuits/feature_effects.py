"""Effects of autoencoder features: on a metric in three ways, and directly on each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from saewidgets.circuits.targets import Targets
from saewidgets.dictionaries import Dictionary
from saewidgets.model.trace import Trace
from saewidgets.sites import Site

if TYPE_CHECKING:
    from saewidgets.scope import Scope

_BATCH_TOKENS = 1024


@dataclass(frozen=True, eq=False)
class Place:
    """One autoencoder on one prompt. T tokens.

    Args:
        key: Of the dictionary.
        dictionary: The autoencoder.
        x: `[T, d]` its input.
        features: `[T, d_dict]`.
        position: `[n]` of the active features.
        index: `[n]`.
        rows: `[n, d]` what each of them stands for beyond the patch: (activation - patched activation) times direction.
        lost: `[T, d]` error - patched error.
    """

    key: str
    dictionary: Dictionary
    x: Tensor
    features: Tensor
    position: Tensor
    index: Tensor
    rows: Tensor
    lost: Tensor

    @property
    def site(self) -> Site:
        """Where it is."""
        return self.dictionary.site_in


@torch.no_grad()
def place_of(key: str, dictionary: Dictionary, x: Tensor, other: Tensor | None, skipped: Tensor) -> Place:
    """Take the activations of an autoencoder apart, and those of the patch if there is one."""
    x = x.float()
    features = dictionary.encode(x)
    error = dictionary.error(x)
    known = torch.zeros_like(features) if other is None else dictionary.encode(other.float())
    left = torch.zeros_like(error) if other is None else dictionary.error(other.float())
    change = features - known
    change[skipped] = 0
    position, index = change.nonzero(as_tuple=True)
    rows = dictionary.rows(index) * change[position, index][:, None]
    scale = dictionary.scale(x)
    if scale is not None:
        rows = rows * scale[position]
    lost = torch.where(skipped[:, None].to(x.device), 0.0, error - left)
    return Place(key, dictionary, x, features, position, index, rows, lost)


class Effects:
    """Effects on the metric and between nodes.

    Args:
        scope: Model and dictionaries.
        ids: The prompt.
        targets: The metric.
        places: The autoencoders, in execution order.
    """

    def __init__(self, scope: Scope, ids: list[int], targets: Targets, places: list[Place]) -> None:
        self.model, self.ids, self.targets, self.places = scope.model, ids, targets, places
        device = scope.model.device
        self._vectors = targets.vectors.to(device) * targets.weights.float().to(device)[:, None]
        self._at = targets.positions.to(device)

    def metric(self, final: Tensor) -> Tensor:
        """`[batch]` of the stream behind the final norm `[batch, T, d]`."""
        return (final[:, self._at].float() * self._vectors).sum((-1, -2))

    def of_nodes(self, method: str, steps: int) -> list[tuple[Tensor, Tensor]]:
        """For every place: `[n]` effects of its features, `[T]` effects of its errors."""
        if method == "sae-exact":
            return [self._exact(place) for place in self.places]
        if method == "sae-ig":
            gradients = [self._averaged(place, steps) for place in self.places]
        else:
            gradients = self._gradients()
        return [
            ((g[place.position] * place.rows).sum(-1), (g * place.lost).sum(-1))
            for g, place in zip(gradients, self.places, strict=True)
        ]

    def _gradients(self) -> list[Tensor]:
        sites = [place.site for place in self.places]
        trace = self.model.trace(self.ids, [*sites, "final"], logits=False, grad=True)
        metric = self.metric(trace.values[Site("final")]).sum()
        values = [trace.values[site] for site in sites]
        found = torch.autograd.grad(metric, values, allow_unused=True)
        return [
            torch.zeros_like(place.x) if g is None else g[0].float()
            for g, place in zip(found, self.places, strict=True)
        ]

    def _averaged(self, place: Place, steps: int) -> Tensor:
        """The gradient averaged over `steps` points from the prompt to the patch (left Riemann sum)."""
        away = torch.zeros_like(place.x).index_add_(0, place.position, place.rows) + place.lost
        total, rows = torch.zeros_like(place.x), max(1, _BATCH_TOKENS // len(self.ids))
        for part in (torch.arange(steps) / steps).to(place.x).split(rows):
            values = place.x - part[:, None, None] * away
            trace = self._run(place.site, values, grad=True)
            g = torch.autograd.grad(self.metric(trace.values[Site("final")]).sum(), trace.values[place.site])[0]
            total += g.float().sum(0)
        return total / steps

    @torch.no_grad()
    def _exact(self, place: Place) -> tuple[Tensor, Tensor]:
        """The metric without each feature, and without each token's error: a forward pass for each."""
        tokens = len(self.ids)
        changes = [*zip(place.position.tolist(), place.rows, strict=True), *enumerate(place.lost)]
        base = self.metric(self._run(place.site, place.x[None]).values[Site("final")])[0]
        rows, found = max(1, _BATCH_TOKENS // tokens), []
        for first in range(0, len(changes), rows):
            part = changes[first : first + rows]
            values = place.x.expand(len(part), -1, -1).clone()
            for row, (position, vector) in enumerate(part):
                values[row, position] -= vector
            found.append(base - self.metric(self._run(place.site, values).values[Site("final")]))
        every = torch.cat(found)
        return every[: len(place.position)], every[len(place.position) :]

    def _run(self, site: Site, values: Tensor, grad: bool = False) -> Trace:
        def write(value: Tensor, _values: Mapping[Site, Tensor], _offset: int) -> Tensor:
            new = values.to(value.dtype)
            return new.detach().requires_grad_() if grad else new

        ids = torch.tensor(self.ids).expand(len(values), -1)
        return self.model.trace(ids, [site, "final"], {site: write}, logits=False, grad=grad)

    def direct(self, chosen: list[Tensor]) -> tuple[list[list[Tensor]], list[list[Tensor]], Tensor]:
        """Direct gradients: every site becomes a leaf, so that none is passed on the way to another.

        Args:
            chosen: For every place, numbers of its features that are targets of edges.

        Returns:
            For every place and feature, gradients `[place + embeddings][T, d]`; for every target of the graph the same;
            and the embeddings `[T, d]`.
        """

        def cut(value: Tensor, _values: Mapping[Site, Tensor], _offset: int) -> Tensor:
            return value.detach().requires_grad_()

        embed = Site("embed")
        sites = [embed, *(place.site for place in self.places)]
        trace = self.model.trace(self.ids, [*sites, "final"], dict.fromkeys(sites, cut), logits=False, grad=True)
        leaves = [trace.values[site] for site in sites]

        def pull(value: Tensor) -> list[Tensor]:
            if not value.requires_grad:
                return [torch.zeros_like(leaf[0]) for leaf in leaves]
            found = torch.autograd.grad(value, leaves, retain_graph=True, allow_unused=True)
            return [
                torch.zeros_like(leaf[0]) if g is None else g[0].float() for g, leaf in zip(found, leaves, strict=True)
            ]

        rows: list[list[Tensor]] = []
        for place, numbers in zip(self.places, chosen, strict=True):
            with torch.enable_grad():
                features = place.dictionary.encode(trace.before[place.site][0].float())
            rows += [pull(features[place.position[n], place.index[n]]) for n in numbers.tolist()]
        final = trace.values[Site("final")][0].float()
        vectors = self.targets.vectors.to(final.device)
        aims = [pull((final[p] * v).sum()) for p, v in zip(self._at.tolist(), vectors, strict=True)]
        return rows, aims, leaves[0][0].detach().float()
