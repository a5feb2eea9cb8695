"""`Trainer`: the loop, watched and steered while it runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from saewidgets.dictionaries.interface import Dictionary
from saewidgets.dictionaries.train import checkpoint
from saewidgets.dictionaries.train.examples import Example, examples
from saewidgets.dictionaries.train.loop import Loop
from saewidgets.dictionaries.train.plan import TrainingPlan
from saewidgets.dictionaries.train.source import Source
from saewidgets.errors import TrainingError, shorten
from saewidgets.sites import Site

Phase = Literal["ready", "running", "paused", "stopped", "finished"]
# Edges of the histogram of log10(density); what never fires is counted apart.
DENSITY_EDGES = tuple(-5 + 0.25 * i for i in range(21))


@dataclass(frozen=True)
class Snapshot:
    """How a run stands.

    Args:
        step: Updates done.
        steps: Updates of the whole run.
        phase: What it is doing.
        loss: Of the last batch (what is minimised).
        parts: Its terms by name, unweighted: `"error"` always; `"sparsity"`, `"aux"`, `"balance"`, ... as there are.
        l0: Features a token, last batch.
        fvu: Share of the variance that is left, last batch.
        dead: Share of features that have not fired for `plan.dead_after` tokens.
        density: Features by log10 of how often they fire (a running mean), between `DENSITY_EDGES`; 20 counts.
        silent: Features of density 0 or below the first edge.
        tokens: Tokens seen.
        tokens_per_second: Over the time it ran, pauses left out.
        learning_rate: Of the last update.
        sparsity: The coefficient as set, or `k` where the architecture counts.
    """

    step: int
    steps: int
    phase: Phase
    loss: float
    parts: Mapping[str, float]
    l0: float
    fvu: float
    dead: float
    density: tuple[int, ...]
    silent: int
    tokens: int
    tokens_per_second: float
    learning_rate: float
    sparsity: float


class Trainer:
    """Trains one dictionary, and can be watched, paused and steered from another thread.

    Every control method returns at once; it takes effect between two updates. On a CPU, equal plans, sources and
    thread counts give equal bits, whether the run was interrupted, saved and loaded or not.

    Args:
        plan: Every choice of the run.
        source: Where activations come from.
        site_in: Where they were read. For a crosscoder, several sites.
        site_out: What a transcoder is to write.
        start: A dictionary to go on from (specialised fine-tuning), of the same architecture and shape.

    Attributes:
        plan: As given.
        source: As given.
        sites: What it reads and what it writes.

    Raises:
        TrainingError: Plan and source do not fit together.

    Example:
        >>> from saewidgets.dictionaries.train import TensorSource, Trainer, TrainingPlan
        >>> x = torch.randn(500, 8, generator=torch.Generator().manual_seed(0))
        >>> trainer = Trainer(TrainingPlan("topk", d_dict=16, k=2, steps=20, batch_size=50), TensorSource(x), "embed")
        >>> for snapshot in trainer.steps(every=10):
        ...     print(snapshot.step, snapshot.phase, snapshot.l0 <= 2)
        10 running True
        20 finished True
        >>> trainer.dictionary()
        FeedForward(embed, topk, TopK 2, 16 features)
    """

    def __init__(
        self,
        plan: TrainingPlan,
        source: Source,
        site_in: str | Site | Sequence[str | Site],
        site_out: str | Site | Sequence[str | Site] | None = None,
        *,
        start: Dictionary | None = None,
    ) -> None:
        self.plan, self.source = plan, source
        read = _sites(site_in)
        self.sites = (read, read if site_out is None else _sites(site_out))
        if len(read) != len(source.widths):
            raise TrainingError(f"{len(read)} sites, but the data hold {len(source.widths)}.", "Name one for each.")
        self._begin(Loop(plan, source, start=start), 0.0)

    def _begin(self, loop: Loop, seconds: float) -> None:
        self._loop, self._seconds = loop, seconds
        self._lock = threading.RLock()
        self._going = threading.Event()
        self._going.set()
        self._stopping = False
        self._running = False
        self._exhausted = False
        self._probe = loop.source.probe()

    @property
    def state(self) -> Snapshot:
        """How the run stands now. Cheap; may be asked from any thread."""
        with self._lock:
            loop, outcome, batch = self._loop, self._loop.outcome, self._loop.batch
            parts, l0, fvu, loss = {}, 0.0, 1.0, float("nan")
            if outcome is not None and batch is not None:
                loss = float(outcome.loss)
                parts = {name: float(value) for name, value in outcome.parts.items()}
                l0 = float(outcome.fired.sum()) / len(batch.x) / self.plan.copies
                left = (batch.y - outcome.output).pow(2).sum(1).mean()
                fvu = float(left) / loop.frame.variance
            counts, silent = _histogram(loop.density)
            return Snapshot(
                step=loop.step,
                steps=self.plan.steps,
                phase=self._phase(),
                loss=loss,
                parts=parts,
                l0=l0,
                fvu=fvu,
                dead=float(loop.dead().float().mean()),
                density=counts,
                silent=silent,
                tokens=loop.tokens,
                tokens_per_second=loop.tokens / self._seconds if self._seconds else 0.0,
                learning_rate=loop.rate,
                sparsity=loop.sparsity,
            )

    def _phase(self) -> Phase:
        if self.finished:
            return "finished"
        if self._running:
            return "running" if self._going.is_set() else "paused"
        return "stopped" if self._loop.step else "ready"

    @property
    def finished(self) -> bool:
        """Whether all updates are done, or the data ended."""
        return self._exhausted or self._loop.step >= self.plan.steps

    def run(self, callback: Callable[[Snapshot], None] | None = None, every: int = 50) -> Dictionary:
        """Train to the end, or until `stop` is called; blocks while paused.

        Args:
            callback: Called with a snapshot every `every` updates and at the end, in this thread. What it raises ends
                the run; it may call `pause`, `stop` and `set_sparsity`.
            every: Updates between two calls.

        Returns:
            The dictionary as it is then. `run` may be called again after `stop`.
        """
        for snapshot in self.steps(every):
            if callback is not None:
                callback(snapshot)
        return self.dictionary()

    def steps(self, every: int = 1) -> Iterator[Snapshot]:
        """Train; yields a snapshot every `every` updates and at the end. The loop rests between two of them.

        Raises:
            TrainingError: It runs already, in another thread.
        """
        with self._lock:
            if self._running:
                raise TrainingError("This trainer runs already.", "Stop it first, or watch .state.")
            self._running, self._stopping = True, False
        try:
            while not (self.finished or self._stopping):
                self._going.wait()
                if self._stopping:
                    break
                with self._lock:
                    began = time.perf_counter()
                    self._exhausted = not self._loop.advance()
                    self._seconds += time.perf_counter() - began
                if self.finished or self._loop.step % every == 0:
                    yield self.state
        finally:
            self._running = False

    def pause(self) -> None:
        """Hold after the current update; `run` blocks until `resume` or `stop`."""
        self._going.clear()

    def resume(self) -> None:
        """Go on after `pause`."""
        self._going.set()

    def stop(self) -> None:
        """End `run` after the current update."""
        self._stopping = True
        self._going.set()

    def set_sparsity(self, value: float) -> None:
        """Change the sparsity coefficient from the next update on; `k` for architectures that count features.

        Raises:
            TrainingError: Not a number from 0; for `k`, not a whole number from 1 to the number of features.
        """
        most = self.plan.d_dict // (self.plan.experts if self.plan.architecture == "switch" else 1)
        if not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
            raise TrainingError(f"Sparsity {shorten(value)}.", "It is a number from 0.")
        if self.plan.counted and (value != int(value) or not 1 <= value <= most):
            raise TrainingError(f"k = {shorten(value)}.", f"It is a whole number from 1 to {most}.")
        with self._lock:
            self._loop.sparsity = value

    def dictionary(self, copy: int = 0) -> Dictionary:
        """The dictionary as it is now, in the units of the model; training goes on undisturbed.

        Args:
            copy: Which of `plan.copies`.

        Raises:
            TrainingError: There is no such copy.
        """
        if not 0 <= copy < self.plan.copies:
            raise TrainingError(f"Copy {shorten(copy)} of {self.plan.copies}.", "Count from 0.")
        with self._lock:
            return self._loop.finish(self.sites, copy)

    def examples(self, features: Sequence[int], count: int = 3, window: int = 8) -> dict[int, tuple[Example, ...]]:
        """Where some features fire most now, in a few contexts that stay the same during the run.

        Args:
            features: Their indices.
            count: Contexts for each, the strongest first; fewer if it fires in fewer.
            window: Tokens shown on either side.

        Returns:
            Feature -> examples; empty ones if the source knows no tokens.
        """
        if self._probe is None:
            return {feature: () for feature in features}
        return examples(self.dictionary(), self._probe, features, count, window)

    def save(self, folder: str | Path) -> Path:
        """Write all that is needed to go on: weights, moments of Adam, random states, place in the data.

        Returns:
            The file, replaced as a whole: a kill leaves the old one or the new one.
        """
        with self._lock:
            return checkpoint.write(Path(folder), self._loop, self.sites, self._seconds)

    @classmethod
    def load(cls, folder: str | Path, source: Source) -> Trainer:
        """A trainer that goes on where one was saved.

        Args:
            folder: As given to `save`.
            source: Equal to the one it had; it is taken to its place.

        Raises:
            TrainingError: No checkpoint there, damaged, or the source is another one.
        """
        loop, sites, seconds = checkpoint.read(Path(folder), source)
        trainer = cls.__new__(cls)
        trainer.plan, trainer.source, trainer.sites = loop.plan, source, sites
        trainer._begin(loop, seconds)
        return trainer


def _sites(given: str | Site | Sequence[str | Site]) -> tuple[Site, ...]:
    return (Site.parse(given),) if isinstance(given, (str, Site)) else tuple(Site.parse(site) for site in given)


def _histogram(density: Tensor) -> tuple[tuple[int, ...], int]:
    """Features by log10 of their density, and how many lie below the first edge."""
    logs = density.clamp_min(1e-30).log10().cpu()
    first, width = DENSITY_EDGES[0], DENSITY_EDGES[1] - DENSITY_EDGES[0]
    bins = ((logs - first) / width).floor().long()
    counts = torch.bincount(bins[bins >= 0].clamp_max(len(DENSITY_EDGES) - 2), minlength=len(DENSITY_EDGES) - 1)
    return tuple(counts.tolist()), int((bins < 0).sum())
