"""What a training run was so far: a bounded history, and the payload it makes. Takes plain numbers; no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from saewidgets.payloads import Context, Curve, FormingFeature, Histogram, TrainingPayload

# Points of a curve: more are thinned out, which the eye does not see.
MAX_POINTS = 600
MAX_CHANGES = 100


class Snapshot(Protocol):
    """How a run stands: as much of a trainer's snapshot as a monitor shows."""

    @property
    def step(self) -> int: ...  # noqa: D102
    @property
    def steps(self) -> int: ...  # noqa: D102
    @property
    def phase(self) -> str: ...  # noqa: D102
    @property
    def loss(self) -> float: ...  # noqa: D102
    @property
    def parts(self) -> Mapping[str, float]: ...  # noqa: D102
    @property
    def l0(self) -> float: ...  # noqa: D102
    @property
    def fvu(self) -> float: ...  # noqa: D102
    @property
    def dead(self) -> float: ...  # noqa: D102
    @property
    def density(self) -> Sequence[int]: ...  # noqa: D102
    @property
    def silent(self) -> int: ...  # noqa: D102
    @property
    def tokens(self) -> int: ...  # noqa: D102
    @property
    def tokens_per_second(self) -> float: ...  # noqa: D102
    @property
    def learning_rate(self) -> float: ...  # noqa: D102
    @property
    def sparsity(self) -> float: ...  # noqa: D102


class Recorder:
    """Keeps snapshots at rising steps, at most `MAX_POINTS`, and the steps at which sparsity was changed.

    Args:
        edges: Of the snapshots' density histogram, logarithms to base 10.
    """

    def __init__(self, edges: Sequence[float]) -> None:
        self._edges = np.array(edges)
        self._points: list[tuple[int, dict[tuple[str, str], float]]] = []
        self._changes: list[tuple[int, float]] = []
        self._sparsity: float | None = None

    def add(self, snapshot: Snapshot) -> None:
        """Remember a snapshot; one without a finite loss, or of a step that is known, makes no point."""
        if self._sparsity is not None and snapshot.sparsity != self._sparsity:
            self._changes = [*self._changes, (snapshot.step, snapshot.sparsity)][-MAX_CHANGES:]
        self._sparsity = snapshot.sparsity
        values = _values(snapshot)
        if not all(map(math.isfinite, values.values())):
            return
        if self._points and snapshot.step <= self._points[-1][0]:
            return
        self._points.append((snapshot.step, values))
        if len(self._points) > MAX_POINTS:
            self._points = [*self._points[:-1:2], self._points[-1]]

    def payload(
        self,
        snapshot: Snapshot,
        name: str,
        counted: bool,
        features: tuple[FormingFeature, ...],
        context: Context,
        phase: str | None = None,
        scale: str = "log",
    ) -> TrainingPayload:
        """The picture of the run.

        Args:
            snapshot: The newest.
            name: What is trained.
            counted: Whether sparsity is a number of features.
            features: As they form.
            context: The foot.
            phase: Instead of the snapshot's.
            scale: Axis of the losses.
        """
        names = dict.fromkeys(name for _, values in self._points for name in values)
        # A part that was not there at a step added nothing to its loss.
        curves = tuple(
            Curve(part, chart, np.array([values.get((chart, part), 0.0) for _, values in self._points]))
            for chart, part in names
        )
        return TrainingPayload(
            name=name,
            phase=phase or snapshot.phase,
            step=snapshot.step,
            n_steps=snapshot.steps,
            tokens=snapshot.tokens,
            tokens_per_second=snapshot.tokens_per_second,
            seconds_left=seconds_left(snapshot),
            learning_rate=snapshot.learning_rate,
            sparsity=float(snapshot.sparsity),
            counted=counted,
            steps=np.array([step for step, _ in self._points]),
            curves=curves,
            changed_at=np.array([step for step, _ in self._changes]),
            changed_to=np.array([value for _, value in self._changes]),
            density=Histogram(self._edges, np.array(snapshot.density), snapshot.silent, log=True),
            features=features,
            context=context,
            scale=scale,
        )


def _values(snapshot: Snapshot) -> dict[tuple[str, str], float]:
    """Numbers by chart and name, in the order in which they are drawn."""
    parts = {("loss", name): value for name, value in snapshot.parts.items()} if len(snapshot.parts) > 1 else {}
    rest = {("L0", "L0"): snapshot.l0, ("FVU", "FVU"): snapshot.fvu, ("dead", "dead"): snapshot.dead}
    return {("loss", "loss"): snapshot.loss, **parts, **rest}


def seconds_left(snapshot: Snapshot) -> float | None:
    """Time to the end at the present speed, `None` before there is one."""
    if snapshot.step <= 0 or not snapshot.tokens_per_second > 0:
        return None
    left = (snapshot.steps - snapshot.step) * snapshot.tokens / snapshot.step / snapshot.tokens_per_second
    return max(0.0, left) if math.isfinite(left) else None
