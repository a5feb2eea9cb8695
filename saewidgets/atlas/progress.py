"""How far a sweep is, how fast, and how long it will take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tqdm.auto import tqdm

if TYPE_CHECKING:
    from saewidgets.atlas.cost import Cost


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


class Bar:
    """A progress bar: tokens a second, and the time left where the length is known.

    Args:
        cost: What the sweep will take, shown first.
    """

    def __init__(self, cost: Cost) -> None:
        tqdm.write(str(cost))
        self._bar = tqdm(total=cost.n_tokens, unit=" tokens", unit_scale=True, desc="sweep")

    def __call__(self, step: Step) -> None:
        """Show how far it is."""
        self._bar.set_postfix_str(f"{step.shards} shards", refresh=False)
        self._bar.update(step.n_tokens - self._bar.n)

    def close(self) -> None:
        """It stays as it is."""
        self._bar.close()


class Progress:
    """Counts tokens and shards, and reports.

    Args:
        *reports: Called after each pass and each shard; an exception in one (`KeyboardInterrupt`) ends the sweep, which
            keeps what was committed.
    """

    def __init__(self, *reports: Report) -> None:
        self._reports, self._began = reports, time.perf_counter()
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
        for report in self._reports:
            report(Step(self._tokens, time.perf_counter() - self._began, self._shards))
