"""How far a sweep is, how fast, and how long it will take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """A sweep at a moment.

    Args:
        n_tokens: Done in this run.
        seconds: Since it began.
        shards: Committed in this run.
    """

    n_tokens: int
    seconds: float
    shards: int

    @property
    def rate(self) -> float:
        """Tokens a second."""
        return self.n_tokens / max(self.seconds, 1e-9)

    def __str__(self) -> str:
        return f"{self.n_tokens:,} tokens, {self.rate:,.0f} a second, {self.shards} shards"


Report = Callable[[Step], None]


class Progress:
    """Counts tokens and shards, and reports.

    Args:
        report: Called after each pass and each shard; an exception in it (`KeyboardInterrupt`) ends the sweep, which
            keeps what was committed.
    """

    def __init__(self, report: Report | None = None) -> None:
        self._report, self._began = report, time.perf_counter()
        self._tokens = self._shards = 0

    def add(self, n_tokens: int) -> None:
        """Some tokens were done."""
        self._tokens += n_tokens
        self._say()

    def shard(self, number: int) -> None:
        """A shard was committed."""
        self._shards += 1
        self._say()

    def _say(self) -> None:
        if self._report is not None:
            self._report(Step(self._tokens, time.perf_counter() - self._began, self._shards))
