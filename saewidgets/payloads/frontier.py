"""Payload of the `Frontier`: dictionaries by sparsity and fidelity, with intervals, baselines and reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from saewidgets.errors import PayloadError, shorten
from saewidgets.payloads.arrays import U32
from saewidgets.payloads.context import Context
from saewidgets.payloads.dictionary_report import DictionaryReportPayload, Estimate
from saewidgets.payloads.record import check

KINDS = ("dictionary", "pca", "random", "frozen decoder")
AXES = ("FVU", "CE")
MAX_POINTS = 2_000


@dataclass(frozen=True, slots=True, eq=False)
class FrontierPoint:
    """One dictionary, or one baseline.

    Args:
        name: Unique among the points.
        kind: `"dictionary"`, or which baseline it is; points of one baseline are joined by a line.
        architecture: Gives its mark.
        width: Number of features.
        l0: Features a token.
        fvu: Share of the variance that is left: lower is better.
        ce: Share of the cross-entropy that is recovered: higher is better; `None` when not measured.
        report: What opens beside when it is selected.
    """

    name: str
    kind: str
    architecture: str
    width: int
    l0: Estimate
    fvu: Estimate
    ce: Estimate | None = None
    report: DictionaryReportPayload | None = None

    def __post_init__(self) -> None:
        check(self)
        if self.kind not in KINDS:
            raise PayloadError(f"The kind of {shorten(self.name)} is {shorten(self.kind)}.", f"Use one of {KINDS}.")
        if self.l0.value < 0 or (self.l0.low is not None and self.l0.low < 0):
            raise PayloadError(f"The L0 of {shorten(self.name)} is negative.", "It counts active features.")


@dataclass(frozen=True, slots=True, eq=False)
class FrontierPayload:
    """Everything a `Frontier` draws.

    Args:
        points: Dictionaries and baselines.
        y: `"FVU"` or `"CE"`: what is drawn upwards.
        x: `"log"` or `"linear"`: the axis of L0.
        selected: Name of the selected point, "" for none.
        ce_name: What `ce` is, with the ablation it is measured against.
        front_fvu, front_ce: Indices of the dictionaries that no other beats in both L0 and fidelity, by L0.
        context: The foot.
    """

    points: tuple[FrontierPoint, ...]
    context: Context
    front_fvu: U32
    front_ce: U32
    y: str = "FVU"
    x: str = "log"
    selected: str = ""
    ce_name: str = "CE recovered"

    @property
    def name_of_y(self) -> str:
        """What is drawn upwards."""
        return "FVU" if self.y == "FVU" else self.ce_name

    def __post_init__(self) -> None:
        check(self)
        names = [point.name for point in self.points]
        if len(names) > MAX_POINTS:
            raise PayloadError(f"{len(names)} dictionaries.", f"Show at most {MAX_POINTS}.")
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise PayloadError(f"Two points are called {shorten(twice)}.", "Give each its own name.")
        if self.y not in AXES or self.x not in ("log", "linear"):
            raise PayloadError(f"The axes are {shorten(self.x)} and {shorten(self.y)}.", "log or linear; FVU or CE.")
        if self.selected and self.selected not in names:
            raise PayloadError(f"The selected point is {shorten(self.selected)}.", "There is none of this name.")
        for front in (self.front_fvu, self.front_ce):
            if len(front) and int(front.max()) >= len(names):
                raise PayloadError(f"The frontier names point {int(front.max())}.", f"There are {len(names)}.")

    def point(self, name: str) -> FrontierPoint | None:
        """The point of this name."""
        return next((point for point in self.points if point.name == name), None)

    @property
    def front(self) -> list[FrontierPoint]:
        """The points on the frontier of the axis in view, by L0."""
        return [self.points[i] for i in (self.front_fvu if self.y == "FVU" else self.front_ce).tolist()]


def height(point: FrontierPoint, y: str) -> Estimate | None:
    """What a point has on an axis, `None` when it was not measured."""
    return point.fvu if y == "FVU" else point.ce


def frontier(points: Sequence[FrontierPoint], y: str = "FVU") -> list[int]:
    """Dictionaries that no other beats: none has at most their L0 and is strictly better, or the same with fewer.

    Args:
        points: Dictionaries and baselines; baselines are left out.
        y: `"FVU"` (lower is better) or `"CE"` (higher is).

    Returns:
        Indices, by rising L0; their fidelity improves strictly.

    Example:
        >>> at = lambda name, l0, fvu: FrontierPoint(name, "dictionary", "topk", 64, Estimate(l0), Estimate(fvu))
        >>> frontier([at("a", 8, 0.3), at("b", 16, 0.2), at("c", 20, 0.25)])
        [0, 1]
    """
    sign = 1.0 if y == "FVU" else -1.0
    costs = [
        (point.l0.value, sign * estimate.value, i)
        for i, point in enumerate(points)
        if point.kind == "dictionary" and (estimate := height(point, y)) is not None
    ]
    best, result = float("inf"), []
    for _, cost, i in sorted(costs):
        if cost < best:
            best = cost
            result.append(i)
    return result


def frontier_payload(points: Sequence[FrontierPoint], context: Context, **view: str) -> FrontierPayload:
    """The payload of these points, with both frontiers.

    Args:
        points: Dictionaries and baselines.
        context: The foot.
        **view: `y`, `x`, `selected`, `ce_name`.
    """
    fronts = {"front_fvu": frontier(points, "FVU"), "front_ce": frontier(points, "CE")}
    return FrontierPayload(tuple(points), context, **fronts, **view)  # type: ignore[arg-type]
