"""Axes of charts: from a range of numbers to a place between 0 and 1, with ticks at round numbers. No matplotlib."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from saewidgets.figures.text import MINUS, count, significant

# Nothing below has a place on a logarithmic axis.
TINY = 1e-290


@dataclass(frozen=True, slots=True)
class Axis:
    """A range of numbers and its ticks.

    Args:
        low, high: Ends, `low < high`.
        ticks: Inside the ends, rising.
        log: Whether places are proportional to logarithms.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    log: bool = False

    def place(self, value: float) -> float:
        """Where a value stands, 0 at the low end and 1 at the high one."""
        if self.log:
            low = math.log(self.low)
            return (math.log(max(value, TINY)) - low) / (math.log(self.high) - low)
        return (value - self.low) / (self.high - self.low)


def nice_step(span: float, most: int) -> float:
    """A step of 1, 2 or 5 times a power of ten that gives at most `most` steps."""
    raw = span / max(1, most)
    power: float = 10.0 ** math.floor(math.log10(raw))
    return next((n * power for n in (1, 2, 5, 10) if n * power >= raw * (1 - 1e-9)), 10 * power)


def linear(low: float, high: float, most: int = 5, tight: bool = False) -> Axis:
    """An axis from `low` to `high`; the ends move out to ticks unless `tight`.

    Example:
        >>> linear(0, 0.9).ticks
        (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    """
    if not high - low > TINY:
        half = abs(low) / 2 if abs(low) > 1e-200 else 0.5
        return linear(low - half, low + half, most, tight)
    step = nice_step(high - low, most)
    if tight:
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    else:
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(float(f"{n * step:.12g}") for n in range(first, last + 1))
    return Axis(low, high, ticks) if tight else Axis(ticks[0], ticks[-1], ticks)


def logarithmic(low: float, high: float, most: int = 5) -> Axis:
    """A logarithmic axis from `low` to `high`, both above 0.

    Example:
        >>> logarithmic(0.02, 3).ticks
        (0.1, 1.0)
    """
    if not (low > TINY and high > TINY):
        return logarithmic(high / 100, high, most) if high > 100 * TINY else logarithmic(0.01, 1, most)
    if high / low < 1.2:
        return logarithmic(low / 1.3, high * 1.3, most)
    powers = range(math.floor(math.log10(low)) - 1, math.floor(math.log10(high)) + 2)
    inside = (float(f"{n * 10.0**power:.6g}") for power in powers for n in (1, 2, 5))
    ticks = [tick for tick in inside if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
    if len(ticks) < 2:  # within less than a decade round numbers are the better ticks
        return Axis(low, high, linear(low, high, most, tight=True).ticks, log=True)
    decades = [tick for tick in ticks if abs(math.log10(tick) - round(math.log10(tick))) < 1e-9]
    shown = ticks if len(ticks) <= most + 1 else decades if len(decades) >= 2 else ticks[::2]
    return Axis(low, high, tuple(shown[:: math.ceil(len(shown) / (most + 1)) or 1]), log=True)


def span(values: Iterable[float], positive: bool = False) -> tuple[float, float] | None:
    """Smallest and greatest of the values, above 0 only when `positive`; `None` without any."""
    kept = [value for value in values if not positive or value > 0]
    return (min(kept), max(kept)) if kept else None


def tick_label(value: float) -> str:
    """Label of a tick.

    Example:
        >>> tick_label(0.05), tick_label(20000.0), tick_label(-2.0), tick_label(3e6)
        ('0.05', '20 k', '−2', '3 M')
    """
    size, sign = abs(value), MINUS if value < 0 else ""
    if size >= 1e12:
        return significant(value)
    for least, by, name in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if size >= least:
            return f"{sign}{size / by:.3g} {name}"
    if size >= 1000:
        return sign + count(round(size))
    return significant(value) if 0 < size < 1e-4 else f"{sign}{size:.4g}"


def share_label(value: float) -> str:
    """Label of a tick that is a share.

    Example:
        >>> share_label(0.001)
        '0.1 %'
    """
    return f"{tick_label(float(f'{value * 100:.6g}'))} %"
