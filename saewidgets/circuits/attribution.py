"""Computing an attribution graph, the most influential rows first; it can be looked at and stopped at any time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from saewidgets.circuits.assemble import assemble
from saewidgets.circuits.edited import Edited
from saewidgets.circuits.graph import AttributionGraph
from saewidgets.circuits.rows import RowMaker, Rows
from saewidgets.circuits.settings import Settings
from saewidgets.circuits.sources import find_sources
from saewidgets.circuits.targets import resolve
from saewidgets.circuits.transcoders import dictionaries_of, layer_transcoders
from saewidgets.dictionaries import Dictionary
from saewidgets.errors import Cancelled, CircuitError, shorten
from saewidgets.interventions import Edit, from_json, to_json
from saewidgets.model.differentiated import DifferentiatedModel
from saewidgets.model.freeze import freeze, tolerance_of

if TYPE_CHECKING:
    from saewidgets.scope import Scope

MEMORY = 2 << 30
# Rows between two looks at what matters most: few at first, so that there is something to see.
_FIRST, _GROWTH, _MOST = 32, 4, 2048
# Bytes of gradients that travel together.
_TOGETHER = 16 << 20


@dataclass(frozen=True)
class Estimate:
    """What a graph will take, before it is computed.

    Args:
        features: Active features.
        rows: Rows that will be computed: fewer features than that where memory or `max_features` set a limit.
        nodes: Nodes of the whole graph.
        nbytes: Memory for the rows that will be computed.
        nbytes_whole: Memory for all rows.
    """

    features: int
    rows: int
    nodes: int
    nbytes: int
    nbytes_whole: int


class Attribution:
    """An attribution graph in the making. Iterate over it; ask for `graph()` whenever it is wanted.

    Args:
        scope: Model and dictionaries.
        prompt: The text, or token ids.
        targets: What is explained; see `saewidgets.circuits.Target`.
        positions: After which tokens, where targets do not say.
        dictionaries: Transcoders; those of the scope by default.
        ignored: Tokens that have no features and errors: the first one, where models keep no content.
        max_features: Most features in the graph.
        memory: Most bytes for its rows.
        batch: Rows computed at once.
        edits: Made in the model; the graph is that of the edited one.
        first: Ids of nodes whose rows come before all others, if they are active here.

    Raises:
        PromptError, DictionaryError, ModelError, CircuitError, EditError: See `Scope.attribute`.

    Example:
        >>> import saewidgets as sw
        >>> making = sw.circuits.Attribution(sw.demo(), "Mira saw a red boat.", max_features=64)
        >>> making.estimate.rows <= 64 + 10
        True
        >>> for step in making:  # the graph so far is there after each step
        ...     if step.done >= 32:
        ...         break
        >>> making.graph().complete
        False
    """

    def __init__(
        self,
        scope: Scope,
        prompt: str | Sequence[int],
        targets: object = None,
        *,
        positions: Sequence[int] = (-1,),
        dictionaries: Dictionary | Sequence[Dictionary] | Mapping[str, Dictionary] | None = None,
        ignored: Sequence[int] = (0,),
        max_features: int | None = None,
        memory: int = MEMORY,
        batch: int | None = None,
        edits: Iterable[Edit] = (),
        first: Iterable[str] = (),
    ) -> None:
        for name, number in (("max_features", max_features), ("memory", memory), ("batch", batch)):
            if number is not None and (type(number) is not int or number < 1):
                raise CircuitError(f"{name}={shorten(number)}.", "Give a whole number from 1.")
        model = scope.model
        self.scope = scope
        self.ids = model.tokenize(prompt) if isinstance(prompt, str) else tuple(prompt)
        self.prompt = prompt if isinstance(prompt, str) else ""
        transcoders = layer_transcoders(dictionaries_of(scope, dictionaries))
        self.keys = {layer: one.key for layer, one in transcoders.items()}
        with torch.no_grad():
            edited = Edited.of(from_json(list(edits)), scope.dictionaries, model, len(self.ids))
            frozen = freeze(model, self.ids, edited.writes, edited.reads, edited.gains(model.n_heads, len(self.ids)))
            self.targets = resolve(model, frozen.logits, targets, positions)
            skipped = torch.zeros(len(self.ids), dtype=torch.bool, device=model.device)
            skipped[[p for p in ignored if -len(self.ids) <= p < len(self.ids)]] = True
            places = tuple(skipped.nonzero()[:, 0].tolist())
            self.settings = Settings(places, tuple(self.targets.minus.tolist()), tuple(to_json(edited.edits)))
            self.sources = find_sources(frozen, transcoders, skipped, edited)
            final = next(value for site, value in frozen.values.items() if site.stream == "final")
            tokens, width = frozen.model.embed.shape
            by_gradients = isinstance(frozen.model, DifferentiatedModel)
            self.how = "automatic differentiation" if by_gradients else "explicit gradients"
            together = batch or max(16, min(512, _TOGETHER // (4 * tokens * width)))
            self.maker = RowMaker(self.sources, self.targets, final, tolerance_of(model.dtype), together)
        self.estimate = self._estimate(max_features, memory)
        features = self.sources.n_features
        self._limit = self.estimate.rows - len(self.targets.labels)
        rows, columns = self.estimate.rows, self.sources.n_sources
        self._effects = torch.empty(rows, columns)
        self._values, self._bias = torch.zeros(rows), torch.zeros(rows)
        self._numbers = torch.empty(rows, dtype=torch.int64)
        self._left = torch.ones(features, dtype=torch.bool)
        self._sums = torch.empty(rows)
        self._first = self._numbers_of(first)[: self._limit]
        self.done = 0

    @property
    def residual(self) -> float:
        """How far row sum + bias was from the pre-activation so far, relative to the largest one."""
        return self.maker.residual

    @property
    def finished(self) -> bool:
        """Whether every row that was to be computed is there."""
        return self.done == self.estimate.rows

    def __iter__(self) -> Iterator[Attribution]:
        """Compute batch after batch, the targets first; yields itself after each."""
        if not self.done:
            with torch.no_grad():
                self._take(self.maker.of_targets())
            yield self
        waiting = self._first[self._left[self._first]]
        if len(waiting):
            for rows in self._batches(waiting):
                self._take(rows)
            yield self
        size = _FIRST
        while not self.finished:
            chosen = self._most_influential(min(size, self.estimate.rows - self.done))
            for rows in self._batches(chosen):
                self._take(rows)
                yield self
            size = min(size * _GROWTH, _MOST)

    def run(self, report: Callable[[Attribution], None] | None = None) -> AttributionGraph:
        """Compute to the end, or until `report` raises `Cancelled`; what is there by then is kept."""
        try:
            for step in self:
                if report is not None:
                    report(step)
        except Cancelled:
            pass
        return self.graph()

    def graph(self) -> AttributionGraph:
        """The graph of the rows so far: features whose rows are there, all errors, tokens and targets."""
        if not self.done:
            raise CircuitError("No row has been computed yet.", "Iterate first, or call run().")
        done = slice(None, self.done)
        complete, covered = not bool(self._left.any()), 1.0
        if not complete:
            reached = self.influences()[: self.sources.n_features]
            covered = float(reached[~self._left].sum() / reached.sum().clamp_min(1e-300))
        rows = Rows(self._numbers[done], self._effects[done], self._values[done], self._bias[done])
        return assemble(self, rows, covered, complete=complete)

    @torch.no_grad()
    def influences(self) -> Tensor:
        """`[S + L T + T]` influence of every source on the targets, as far as the rows so far tell; float64."""
        features, columns = self.sources.n_features, self.sources.n_sources
        row_of = torch.full((features,), -1)
        known = self._numbers[: self.done]
        mine = known < features
        row_of[known[mine]] = mine.nonzero()[:, 0]
        weight = torch.zeros(self.done, dtype=torch.float64)
        weight[~mine] = self.targets.weights[known[~mine] - features]
        total = torch.zeros(columns, dtype=torch.float64)
        while bool(weight.any()):
            reached = torch.zeros(columns, dtype=torch.float64)
            share = (weight / self._sums[: self.done].double().clamp_min(1e-10)).float()
            for first in range(0, self.done, 512):
                part = slice(first, min(first + 512, self.done))
                if bool(share[part].any()):
                    reached += (share[part] @ self._effects[part].abs()).double()
            total += reached
            weight = torch.zeros_like(weight)
            there = (row_of >= 0).nonzero()[:, 0]
            weight[row_of[there]] = reached[there]
        return total

    def _batches(self, chosen: Tensor) -> Iterator[Rows]:
        with torch.no_grad():
            yield from self.maker.of_features(chosen)

    def _numbers_of(self, ids: Iterable[str]) -> Tensor:
        """`[n]` numbers of the features among some nodes."""
        s, layers = self.sources, {key: layer for layer, key in self.keys.items()}
        found = torch.zeros(s.n_features, dtype=torch.bool)
        for name in ids:
            feature, _, position = name.rpartition("@")
            key, _, index = feature.rpartition("/")
            if key in layers and index.isdecimal() and position.isdecimal() and max(map(len, (index, position))) < 12:
                found |= (s.layer == layers[key]) & (s.index == int(index)) & (s.position == int(position))
        return found.nonzero()[:, 0]

    def _most_influential(self, count: int) -> Tensor:
        reached = self.influences()[: self.sources.n_features]
        reached[~self._left] = -1
        return reached.topk(count).indices

    def _take(self, rows: Rows) -> None:
        part = slice(self.done, self.done + len(rows.numbers))
        self._effects[part] = rows.effects
        self._values[part], self._bias[part] = rows.values, rows.bias
        self._numbers[part] = rows.numbers
        self._sums[part] = rows.effects.abs().sum(1)
        features = rows.numbers[rows.numbers < self.sources.n_features]
        self._left[features] = False
        self.done = part.stop

    def _estimate(self, max_features: int | None, memory: int) -> Estimate:
        features, k, columns = self.sources.n_features, len(self.targets.labels), self.sources.n_sources
        row = 6 * columns  # a dense row and its sparse copy: fewer than a quarter of its entries are not 0
        most = features if max_features is None else min(features, max_features)
        fits = memory // row - k
        if fits < min(most, 1):
            raise CircuitError(
                f"{memory} bytes hold no row: one takes {row}.", f"Give memory={(k + min(most, 100)) * row} or more."
            )
        rows = min(most, fits) + k
        return Estimate(features, rows, columns + k, rows * row, (features + k) * row)
