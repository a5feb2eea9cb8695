"""Payload of the `TrainingMonitor`: how a training run stands, its curves, and a few features as they form.

Shapes: P points of the curves, L tokens of a context.
"""

from dataclasses import dataclass

import numpy as np

from saewidgets.errors import PayloadError, shorten
from saewidgets.payloads.arrays import F32, U32
from saewidgets.payloads.context import Context
from saewidgets.payloads.histogram import Histogram
from saewidgets.payloads.record import check, same_length

PHASES = ("ready", "running", "paused", "stopped", "finished", "failed")
MAX_CURVES, MAX_FEATURES = 32, 64


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A number over the steps.

    Args:
        name: What it is: `"loss"`, `"error"`, `"L0"`.
        chart: Curves of one chart share its axes: `"loss"`, `"L0"`, `"dead"`, `"FVU"`.
        values: `[P]`
    """

    name: str
    chart: str
    values: F32

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, eq=False)
class Passage:
    """A context on which a feature fires.

    Args:
        text: Its tokens.
        values: `[L]` activation on each.
        peak: Which token is the greatest.
    """

    text: tuple[str, ...]
    values: F32
    peak: int

    def __post_init__(self) -> None:
        check(self)
        same_length(self, len(self.text), "values")
        if not 0 <= self.peak < max(len(self.text), 1):
            raise PayloadError(f"Passage.peak is {self.peak}.", f"There are {len(self.text)} tokens.")


@dataclass(frozen=True, slots=True, eq=False)
class FormingFeature:
    """A feature while it forms.

    Args:
        id: `"resid_post.2/417"`.
        slot: Its letter and colour, as for a `ChosenFeature`.
        maximum: Greatest activation in the passages.
        passages: Where it fires most, the strongest first.
    """

    id: str
    slot: int
    maximum: float
    passages: tuple[Passage, ...]

    def __post_init__(self) -> None:
        check(self)
        if not 0 <= self.slot < 2**16:
            raise PayloadError(f"FormingFeature.slot is {self.slot}.", "It must be 0 to 65535.")


@dataclass(frozen=True, slots=True, eq=False)
class TrainingPayload:
    """Everything a `TrainingMonitor` draws.

    Args:
        name: What is trained, e.g. "topk, 1 024 features at resid_post.2".
        phase: One of `PHASES`.
        step, n_steps: Updates done, and of the whole run.
        tokens: Tokens seen.
        tokens_per_second: Over the time it ran.
        seconds_left: At this speed; `None` when nobody knows.
        learning_rate: Of the last update.
        sparsity: The coefficient, or the number of features a token when `counted`.
        counted: Whether sparsity is such a number: more of it is denser, more of a coefficient is sparser.
        steps: `[P]` steps of the points, rising.
        curves: The first of each chart is drawn strongest.
        changed_at, changed_to: `[C]` steps at which sparsity was changed, and to what.
        density: Features by how often they fire.
        features: A few of them, with where they fire most now.
        scale: `"log"` or `"linear"`: the axis of the losses.
        context: The foot.
    """

    name: str
    phase: str
    step: int
    n_steps: int
    tokens: int
    tokens_per_second: float
    seconds_left: float | None
    learning_rate: float
    sparsity: float
    counted: bool
    steps: U32
    curves: tuple[Curve, ...]
    changed_at: U32
    changed_to: F32
    density: Histogram
    features: tuple[FormingFeature, ...]
    context: Context
    scale: str = "log"

    def __post_init__(self) -> None:
        check(self)
        if self.phase not in PHASES:
            raise PayloadError(f"The phase is {shorten(self.phase)}.", f"Use one of {', '.join(PHASES)}.")
        if self.scale not in ("log", "linear"):
            raise PayloadError(f"The scale is {shorten(self.scale)}.", "Use 'log' or 'linear'.")
        if min(self.step, self.n_steps, self.tokens) < 0:
            raise PayloadError("A count of steps or tokens is negative.", "Give them from 0.")
        if len(self.curves) > MAX_CURVES or len(self.features) > MAX_FEATURES:
            raise PayloadError("Too many curves or features.", f"At most {MAX_CURVES} and {MAX_FEATURES}.")
        if (np.diff(self.steps.astype(np.int64)) <= 0).any():
            raise PayloadError("TrainingPayload.steps do not rise.", "Sort them and drop repeats.")
        for curve in self.curves:
            same_length(curve, len(self.steps), "values")
        same_length(self, len(self.changed_at), "changed_to")

    @property
    def charts(self) -> dict[str, tuple[Curve, ...]]:
        """Curves by chart, both in order of appearance."""
        names = dict.fromkeys(curve.chart for curve in self.curves)
        return {name: tuple(curve for curve in self.curves if curve.chart == name) for name in names}
