"""Rows of the adjacency: what every source does to one target, and the proof that the row is whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from saewidgets.circuits.sources import Sources
from saewidgets.circuits.targets import Targets
from saewidgets.errors import CircuitError
from saewidgets.sites import Site


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of the adjacency.

    Args:
        numbers: `[n]` features by number, or S + place for targets.
        effects: `[n, S + L T + T]`.
        values: `[n]` pre-activation or target value that the model itself has.
        bias: `[n]` the part of it that no source accounts for.
    """

    numbers: Tensor
    effects: Tensor
    values: Tensor
    bias: Tensor


class RowMaker:
    """Computes rows on demand.

    Args:
        sources: Everything that writes.
        targets: What is explained.
        final: `[T, d]` the stream behind the final norm.
        tolerance: Relative residual above which a row is refused.
        batch: Rows computed at once.
    """

    def __init__(self, sources: Sources, targets: Targets, final: Tensor, tolerance: float, batch: int) -> None:
        self.sources, self.targets, self.batch = sources, targets, batch
        self._final, self._tolerance = final, tolerance
        self._constant, self._last = sources.constants()
        self._greatest = self._worst = 0.0

    @property
    def residual(self) -> float:
        """How far row sum + bias was from the value so far, at worst, relative to the largest value."""
        return self._worst / max(self._greatest, 1e-12)

    def of_targets(self) -> Rows:
        """The rows of all targets."""
        targets, device = self.targets, self._final.device
        vectors, positions = targets.vectors.to(device), targets.positions.to(device)
        layer = self.sources.model.n_layers
        effects = self.sources.effects(layer, vectors, positions, behind_norm=True)
        values = (vectors * self._final[positions]).sum(-1)
        bias = (vectors * self._last[positions]).sum(-1)
        numbers = self.sources.n_features + torch.arange(len(vectors))
        return self._checked(Rows(numbers, effects, values, bias))

    def of_features(self, numbers: Tensor) -> Iterator[Rows]:
        """The rows of some features, a batch at a time: by layer, then by position."""
        order = numbers.sort().values
        for layer in self.sources.layer[order].unique().tolist():
            mine = order[self.sources.layer[order] == layer]
            for part in mine.split(self.batch):
                yield self._checked(self._of_layer(layer, part))

    def _of_layer(self, layer: int, numbers: Tensor) -> Rows:
        s, device = self.sources, self._final.device
        index, positions = s.index[numbers].to(device), s.position[numbers].to(device)
        vectors, added = s.transcoders[layer].readers(index)
        effects = s.effects(layer, vectors, positions, behind_norm=self.behind_norm(layer))
        values = (vectors * s.reads[layer][positions]).sum(-1) + added
        bias = (vectors * self._constant[layer][positions]).sum(-1) + added
        held = s.held[numbers].to(device)
        if bool(held.any()):  # what an edit sets is moved by nothing
            effects[held] = 0
            bias = torch.where(held, values, bias)
        return Rows(numbers, effects, values, bias)

    def behind_norm(self, layer: int) -> bool:
        """Whether the transcoder of a layer reads behind the norm."""
        return self.sources.transcoders[layer].site_in.stream == "mlp_in"

    def _checked(self, rows: Rows) -> Rows:
        """Refuse rows whose sum is not what the model has; the sizes of the terms are the measure."""
        total, size = rows.effects.double().sum(1), rows.effects.abs().sum(1, dtype=torch.float64)
        off = (total + rows.bias - rows.values).abs()
        allowed = self._tolerance * (size + rows.bias.abs() + 1e-6)
        worst = int((off - allowed).argmax()) if len(off) else 0
        if len(off) and not bool(off[worst] <= allowed[worst]):
            where = self._name(int(rows.numbers[worst]))
            raise CircuitError(
                f"The effects on {where} add up to {float(total[worst] + rows.bias[worst]):.4g}, the model has "
                f"{float(rows.values[worst]):.4g}: they are not additive.",
                "This model is not what its family says; method='sae-gradient' assumes nothing about it.",
            )
        if len(off):
            self._greatest = max(self._greatest, float(rows.values.abs().max()))
            self._worst = max(self._worst, float(off.max()))
        return rows

    def _name(self, number: int) -> str:
        s = self.sources
        if number >= s.n_features:
            return f"target {self.targets.labels[number - s.n_features]!r} ({Site('final')})"
        key, position = s.transcoders[int(s.layer[number])].key, int(s.position[number])
        return f"feature {key}/{int(s.index[number])} at token {position}"
