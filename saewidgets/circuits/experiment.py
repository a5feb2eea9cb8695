"""Interventions on the nodes of a graph, in the model that it is of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from saewidgets.circuits.changes import Change
from saewidgets.circuits.edited import Edited
from saewidgets.circuits.features import METHODS
from saewidgets.circuits.nodes import ERROR, FEATURE, LOGIT, TOKEN
from saewidgets.circuits.parts import Part, parts_of
from saewidgets.circuits.passes import Pass
from saewidgets.circuits.settings import Settings, settings_of
from saewidgets.circuits.targets import Target, resolve
from saewidgets.circuits.transcoders import dictionaries_of
from saewidgets.dictionaries import Dictionary
from saewidgets.errors import CircuitError
from saewidgets.interventions import from_json
from saewidgets.interventions.propagation import check_propagation
from saewidgets.payloads.arrays import Array
from saewidgets.sites import Site

if TYPE_CHECKING:
    from saewidgets.circuits.graph import AttributionGraph
    from saewidgets.scope import Scope

_BATCH_TOKENS = 1024
_TOLERANCE = 1e-2


@dataclass(frozen=True, eq=False)
class Outcome:
    """What some interventions gave. B of them, k targets.

    Args:
        values: `[B, n]` of the nodes that were asked for: pre-activations (activations of autoencoders).
        targets: `[B, k]` values of the targets.
        probabilities: `[B, k]` of their tokens; 0 for one without.
        metric: `[B]` the weighted sum of the targets.
    """

    values: Tensor
    targets: Tensor
    probabilities: Tensor
    metric: Tensor


class Experiment:
    """A graph and its model: nodes are set to values in real forward passes.

    Args:
        scope: The model.
        graph: Computed on it, by whatever method.
        dictionaries: Those of the graph, where they are not the scope's.
        targets: Those of the graph, where they are vectors: a graph keeps tokens only.
        check: Called before each batch of passes; what it raises stops a measurement.

    Raises:
        CircuitError: The dictionaries are not there, or model and graph do not fit each other.

    Example:
        >>> import saewidgets as sw
        >>> scope = sw.demo()
        >>> graph = scope.attribute("Mira saw a red boat.", max_features=64)
        >>> experiment = Experiment(scope, graph)
        >>> experiment.run([Change()]).metric.shape
        torch.Size([1])
    """

    def __init__(
        self,
        scope: Scope,
        graph: AttributionGraph,
        *,
        dictionaries: Dictionary | Sequence[Dictionary] | Mapping[str, Dictionary] | None = None,
        targets: object = None,
        check: Callable[[], None] | None = None,
    ) -> None:
        model = scope.model
        self.scope, self.graph, self.model, self.check = scope, graph, model, check
        self.ids = list(graph.token_ids)
        self.transcoders = graph.method not in METHODS
        mapping = dictionaries_of(scope, dictionaries)
        self.parts = parts_of(graph, {key: one.to(model.device) for key, one in mapping.items()})
        sites = {site for part in self.parts.values() for site in (part.site_in, *part.sites_out)}
        # A direct effect passes no MLP; that of autoencoders passes no other autoencoder.
        self.held = {s for s in model.sites() if s.stream == "mlp_out"} if self.transcoders else sites
        start = Site("resid_pre", 0)
        settings = settings_of(graph)
        self.edited = Edited.of(from_json(list(settings.edits)), scope.dictionaries, model, len(self.ids))
        read = {*sites, *self.held, *model.patterns(), start, Site("final"), *self.edited.reads}
        self.base = model.trace(self.ids, read, self.edited.writes, scales=True)
        self.ignored = torch.zeros(len(self.ids), dtype=torch.bool, device=model.device)
        self.ignored[[p for p in settings.ignored if p < len(self.ids)]] = True
        assert self.base.logits is not None
        self.targets = resolve(model, self.base.logits[0].float(), targets or targets_of(graph, settings))
        self._check()

    @cached_property
    def features(self) -> dict[str, Tensor]:
        """Key -> `[T, d_dict]` activations on the prompt."""
        found = {key: part.encode(self.base.values[part.site_in])[0] for key, part in self.parts.items()}
        return found | {key: dense for key, dense in self.edited.features(self.base).items() if key in found}

    @cached_property
    def active(self) -> dict[str, tuple[Array, Array]]:
        """Key -> positions and indices of every feature that is active where a node can be, in the graph or not."""
        found = {}
        for key, dense in self.features.items():
            positions, index = torch.where(self.ignored[:, None], 0.0, dense).nonzero(as_tuple=True)
            found[key] = (positions.cpu().numpy(), index.cpu().numpy())
        return found

    def change(self, numbers: Array, factor: float = 0.0) -> Change:
        """Some nodes, by number, each multiplied by a factor."""
        c, device = self.graph.columns, self.model.device
        places, added = {}, dict[Site, Tensor]()
        for key in {int(d) for d in c.dictionary[numbers[c.kind[numbers] == FEATURE]]}:
            mine = numbers[(c.kind[numbers] == FEATURE) & (c.dictionary[numbers] == key)]
            at = torch.from_numpy(c.position[mine].astype(np.int64)).to(device)
            places[c.dictionaries[key]] = (at, torch.from_numpy(c.index[mine]).to(device))
        for n in numbers[c.kind[numbers] != FEATURE].tolist():
            site, vector = self._vector(n)
            held = added.setdefault(site, torch.zeros(len(self.ids), vector.shape[-1], device=device))
            held[int(c.position[n])] += (factor - 1) * vector
        return Change(places, factor, added=added)

    def run(self, changes: Sequence[Change], propagation: str = "free", nodes: Array | None = None) -> Outcome:
        """Make interventions, a forward pass each, in batches.

        Args:
            changes: Each on its own.
            propagation: How effects travel, see `saewidgets.interventions.propagation`.
            nodes: Numbers of the features whose values are wanted.

        Raises:
            EditError: No such mode.
        """
        check_propagation(propagation)
        size = max(1, _BATCH_TOKENS // len(self.ids))
        parts = [self._batch(changes[n : n + size], propagation, nodes) for n in range(0, len(changes), size)]
        return Outcome(*(torch.cat(rows) for rows in zip(*parts, strict=True)))

    def run_without_errors(self, changes: Sequence[Change], propagation: str = "free") -> Tensor:
        """`[B]` the metric when, besides, nothing that a dictionary leaves out is passed on."""
        size = max(1, _BATCH_TOKENS // len(self.ids))
        rows = [changes[n : n + size] for n in range(0, len(changes), size)]
        return torch.cat([self._batch(part, propagation, None, drop=True)[3] for part in rows])

    @torch.no_grad()
    def _batch(
        self, changes: Sequence[Change], propagation: str, nodes: Array | None, drop: bool = False
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        if self.check is not None:
            self.check()
        made = Pass(self, changes, propagation, drop)
        ids = torch.tensor(self.ids).expand(len(changes), -1)
        read = {part.site_in for part in self.parts.values()} | {Site("final"), *self.edited.reads}
        held = self.base.scales if propagation == "direct" and self.transcoders else False
        trace = self.model.trace(ids, read, made.writes(), scales=held)
        values = torch.zeros(len(changes), 0 if nodes is None else len(nodes))
        c = self.graph.columns
        for place, key in enumerate(c.dictionaries) if nodes is not None else ():
            mine = np.flatnonzero((c.dictionary[nodes] == place) & (c.kind[nodes] == FEATURE))
            if len(mine):
                part, device = self.parts[key], self.model.device
                at = torch.from_numpy(c.position[nodes][mine].astype(np.int64)).to(device)
                index = torch.from_numpy(c.index[nodes][mine]).to(device)
                values[:, mine] = part.values(trace.before[part.site_in], at, index).cpu()
        return (values, *self._of_targets(trace.values[Site("final")], trace.logits))

    def _of_targets(self, final: Tensor, logits: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Values, probabilities and metric of `[B, T, d]` behind the final norm."""
        t = self.targets
        assert logits is not None
        values = (final[:, t.positions].float() * t.vectors.to(final.device)).sum(-1).cpu()
        chosen = logits[:, t.positions].float().softmax(-1).cpu()
        known = t.tokens.clamp_min(0)[None, :, None].expand(len(chosen), -1, 1)
        probabilities = torch.where(t.tokens >= 0, chosen.gather(-1, known)[..., 0], 0.0)
        return values, probabilities, (values.double() * t.weights).sum(-1)

    def _vector(self, n: int) -> tuple[Site, Tensor]:
        """Where an error or a token writes, and what."""
        from saewidgets.model.freeze import positions_of

        c = self.graph.columns
        position, values = int(c.position[n]), self.base.values
        if c.kind[n] == TOKEN:
            learned = positions_of(self.model, len(self.ids))
            start = values[Site("resid_pre", 0)][0].float()
            return Site("resid_pre", 0), (start if learned is None else start - learned)[position]
        assert c.kind[n] == ERROR
        here = Site("mlp_out", int(c.layer[n]))
        if c.dictionary[n] >= 0:
            here = self.parts[c.dictionaries[c.dictionary[n]]].site_in
        return here, values[here][0, position].float() - self.explained(here, values, self.features)[0, position]

    def explained(self, site: Site, values: Mapping[Site, Tensor], features: Mapping[str, Tensor]) -> Tensor:
        """`[B, T, d]` what the dictionaries account for at a site.

        Args:
            site: Where they write.
            values: Site -> `[B, T, d]`.
            features: Key -> `[B, T, d_dict]` or `[T, d_dict]`.
        """
        total = torch.zeros_like(values[site], dtype=torch.float32)
        for part in self.parts.values():
            if site in part.sites_out:
                total = total + self.written(part, site, features[part.key], values[part.site_in])
                own = part.sites_out[0] == site
                total = total + part.offset(values[part.site_in]) if own else total
        return total

    def written(self, part: Part, site: Site, features: Tensor, x: Tensor) -> Tensor:
        """`[..., T, d]` what activations `[..., T, d_dict]` write at a site; only rows in use are read."""
        used = features.flatten(0, -2).any(0).nonzero()[:, 0]
        found = features[..., used] @ part.rows(used)[site]
        scale = part.scale(x)
        return found if scale is None else found * scale

    def _check(self) -> None:
        """The graph's targets are what the model has: the same weights, the same text."""
        c = self.graph.columns
        said = c.value[c.kind == LOGIT]
        values, _, _ = self._of_targets(self.base.values[Site("final")], self.base.logits)
        if said.any() and not np.allclose(said, values[0].numpy(), atol=_TOLERANCE * max(1.0, float(abs(said).max()))):
            raise CircuitError(
                "The targets of this graph have other values in this model.",
                "Use the model it was computed on; where targets were vectors or differences, pass targets=.",
            )


def targets_of(graph: AttributionGraph, settings: Settings) -> list[Target]:
    """The targets of a graph, from what it keeps of them.

    Raises:
        CircuitError: One is a vector, which it does not keep, or the settings are those of another graph.
    """
    c = graph.columns
    logits = np.flatnonzero(c.kind == LOGIT)
    others = settings.minus or (-1,) * len(logits)
    if len(others) != len(logits):
        raise CircuitError(f"{len(logits)} targets, {len(others)} tokens to subtract.", "Compute the graph again.")
    if not len(logits) or (c.index[logits] < 0).any():
        raise CircuitError("A target of this graph is no token.", "Pass targets= as they were given to attribute().")
    return [
        Target(
            int(c.index[n]),
            minus=None if other < 0 else int(other),
            position=int(c.position[n]),
            weight=float(c.weight[n]),
            label=c.labels[n],
        )
        for n, other in zip(logits, others, strict=True)
    ]
