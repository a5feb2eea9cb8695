"""What the page of a causal result shows: bars beside their control, curves, checks, a paragraph. It has no widget."""

from dataclasses import dataclass

from saewidgets.errors import PayloadError
from saewidgets.payloads.arrays import F32
from saewidgets.payloads.context import Context
from saewidgets.payloads.record import check, same_length


@dataclass(frozen=True, slots=True, eq=False)
class CausalBar:
    """One number beside its control.

    Args:
        name: Of what it is: a feature.
        note: What is said of it: its label, its tokens, what explains it.
        value: The number.
        low, high: Its interval, where it has one.
        control_low, control_high: What its controls do; `None` where there is none.
        beyond: Whether it lies outside every control.
    """

    name: str
    value: float
    note: str = ""
    low: float | None = None
    high: float | None = None
    control_low: float | None = None
    control_high: float | None = None
    beyond: bool = False

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, eq=False)
class CausalCurve:
    """One curve.

    Args:
        name: Of the ranking.
        values: `[X]`.
        low, high: `[X]` its interval, where it has one.
        control: Whether it is a control.
    """

    name: str
    values: F32
    low: F32 | None = None
    high: F32 | None = None
    control: bool = False

    def __post_init__(self) -> None:
        check(self)
        same_length(self, len(self.values), "low", "high")


@dataclass(frozen=True, slots=True, eq=False)
class CausalCheck:
    """A check, and whether it holds.

    Args:
        name: Of what.
        text: What was found, in words.
        holds: Whether all is well.
    """

    name: str
    text: str
    holds: bool

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, eq=False)
class CausalReport:
    """Everything the page of a causal result shows.

    Args:
        title: What it is.
        verdict: One sentence: whether anything beats the control.
        conditions: Under what the numbers hold.
        context: The foot.
        measure: What the bars measure, in words.
        bars: The numbers.
        zero: Where the bars begin.
        xs: `[X]` of the curves.
        axes: Names of the curves' axes.
        curves: The curves.
        checks: The checks.
        paragraph: The report in words.
    """

    title: str
    verdict: str
    conditions: str
    context: Context
    measure: str = ""
    bars: tuple[CausalBar, ...] = ()
    zero: float = 0.0
    xs: F32 | None = None
    axes: tuple[str, ...] = ()
    curves: tuple[CausalCurve, ...] = ()
    checks: tuple[CausalCheck, ...] = ()
    paragraph: str = ""

    def __post_init__(self) -> None:
        check(self)
        if self.curves and (self.xs is None or len(self.axes) != 2):
            raise PayloadError("Curves without axes.", "Give xs and the names of both axes.")
        for curve in self.curves:
            if self.xs is not None and len(curve.values) != len(self.xs):
                raise PayloadError(f"A curve of {len(curve.values)} points.", f"There are {len(self.xs)}.")
