"""What a thing costs beside a fixed piece of Python, so that a limit means the same on a slow machine and a fast one.

No test asserts seconds: a machine that is shared, or half as fast, would fail it without a fault in the code.
"""

import time
from collections.abc import Callable
from functools import cache

SECOND = 25.0  # `effort` of a second of the machine that the limits were written for


def cpu(work: Callable[[], object]) -> float:
    """Processor time of this thread for `work`, in seconds."""
    started = time.thread_time()
    work()
    return time.thread_time() - started


@cache
def unit() -> float:
    """Processor time of the fixed piece: the best of many, since what else runs can only make it longer."""

    def piece() -> None:
        table: dict[str, int] = {}
        for i in range(200_000):
            table[str(i % 1000)] = i

    return min(cpu(piece) for _ in range(5))


def effort(seconds: float) -> float:
    """These seconds of processor time in units of the fixed piece."""
    return seconds / unit()
