"""Effects of autoencoder features: on a metric in three ways, and directly on each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from saewidgets.circuits.edited import Edited
from saewidgets.circuits.targets import Targets
from saewidgets.dictionaries import Dictionary
from saewidgets.model import Write
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


Split = tuple[Tensor, Tensor, Tensor]


@torch.no_grad()
def place_of(key: str, dictionary: Dictionary, here: Split, other: Split | None, skipped: Tensor) -> Place:
    """What stands at an autoencoder beyond the patch, if there is one, taken apart.

    Args:
        key: Of the dictionary.
        dictionary: The autoencoder.
        here: Value, activations and error on the prompt.
        other: The same on the patch.
        skipped: `[T]` bool: tokens without nodes.
    """
    x, features, error = here
    known, left = (torch.zeros_like(features), torch.zeros_like(error)) if other is None else other[1:]
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
        edited: The edits of the model.
    """

    def __init__(
        self, scope: Scope, ids: list[int], targets: Targets, places: list[Place], edited: Edited
    ) -> None:  # fmt: skip
        self.edited = edited
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
        read = [*sites, *self.edited.reads, Site("final")]
        trace = self.model.trace(self.ids, read, self.edited.writes, logits=False, grad=True)
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
        read = [site, *self.edited.reads, Site("final")]
        return self.model.trace(ids, read, {**self.edited.writes, site: write}, logits=False, grad=grad)

    def _arriving(self, place: Place, trace: Trace) -> Tensor:
        """`[T, d]` what comes to an autoencoder that no edit is on: with other edits at its site, before it is cut."""
        value, edit = trace.before[place.site], self.edited.writes.get(place.site)
        return (value if edit is None else edit(value, trace.values, 0))[0].float()

    def direct(self, chosen: list[Tensor]) -> tuple[list[list[Tensor]], list[list[Tensor]], Tensor]:
        """Direct gradients: every site becomes a leaf, so that none is passed on the way to another.

        Args:
            chosen: For every place, numbers of its features that are targets of edges.

        Returns:
            For every place and feature, gradients `[place + embeddings][T, d]`; for every target of the graph the same;
            and the embeddings `[T, d]`.
        """
        writes = self.edited.writes

        def cut(site: Site) -> Write:
            def put(value: Tensor, values: Mapping[Site, Tensor], offset: int) -> Tensor:
                edit = writes.get(site)
                return (value if edit is None else edit(value, values, offset)).detach().requires_grad_()

            return put

        embed = Site("embed")
        sites = [embed, *(place.site for place in self.places)]
        read = [*sites, *self.edited.reads, Site("final")]
        cuts = {site: cut(site) for site in sites}
        trace = self.model.trace(self.ids, read, {**writes, **cuts}, logits=False, grad=True)
        leaves = [trace.values[site] for site in sites]

        def pull(value: Tensor) -> list[Tensor]:
            if not value.requires_grad:
                return [torch.zeros_like(leaf[0]) for leaf in leaves]
            found = torch.autograd.grad(value, leaves, retain_graph=True, allow_unused=True)
            return [
                torch.zeros_like(leaf[0]) if g is None else g[0].float() for g, leaf in zip(found, leaves, strict=True)
            ]

        rows: list[list[Tensor]] = []
        with torch.enable_grad():
            known = self.edited.features(trace)
        for place, numbers in zip(self.places, chosen, strict=True):
            with torch.enable_grad():
                set_to = known.get(place.key)
                features = place.dictionary.encode(self._arriving(place, trace)) if set_to is None else set_to
            rows += [pull(features[place.position[n], place.index[n]]) for n in numbers.tolist()]
        final = trace.values[Site("final")][0].float()
        vectors = self.targets.vectors.to(final.device)
        aims = [pull((final[p] * v).sum()) for p, v in zip(self._at.tolist(), vectors, strict=True)]
        return rows, aims, leaves[0][0].detach().float()
