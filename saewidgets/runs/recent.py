"""Recent runs, so that undo is instant and an edit at the end of a prompt encodes only its suffix."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

from saewidgets.interventions.edits import Edit
from saewidgets.runs.run import Run

Key = tuple[tuple[int, ...], tuple[Edit, ...], str]


def shared_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """Number of leading tokens that two prompts share."""
    different = (n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y)
    return next(different, min(len(a), len(b)))


class RecentRuns:
    """A least-recently-used store of runs, bounded in bytes.

    Args:
        max_bytes: Bound on the memory of what is kept; a run larger than a quarter of it is not kept.
    """

    def __init__(self, max_bytes: int = 256 << 20) -> None:
        self.max_bytes = max_bytes
        self._runs: OrderedDict[Key, Run] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, ids: Sequence[int], edits: tuple[Edit, ...], propagation: str = "free") -> Run | None:
        """The run of exactly these tokens and edits, if kept."""
        with self._lock:
            run = self._runs.get((tuple(ids), edits, propagation))
            if run is not None:
                self._runs.move_to_end((run.token_ids, edits, propagation))
            return run

    def nearest(self, ids: Sequence[int], edits: tuple[Edit, ...], keys: Sequence[str]) -> Run | None:
        """The kept free run of these dictionaries and edits that shares the longest prefix of tokens."""
        wanted, tokens = set(keys), tuple(ids)
        best, length = None, 0
        with self._lock:
            for (other, others_edits, propagation), run in reversed(self._runs.items()):
                # Only a run that shares one token more than the best so far is looked at closely.
                if len(other) <= length or other[length : length + 1] != tokens[length : length + 1]:
                    continue
                if other[:length] != tokens[:length] or others_edits != edits or propagation != "free":
                    continue
                if run.features.keys() >= wanted:
                    best, length = run, shared_prefix(other, tokens)
        return best

    def put(self, run: Run) -> None:
        """Keep a run and forget the oldest ones beyond the bound."""
        if run.nbytes > self.max_bytes // 4:
            return
        with self._lock:
            key = (run.token_ids, run.edits, run.propagation)
            old = self._runs.pop(key, None)
            self._bytes += run.nbytes - (old.nbytes if old else 0)
            self._runs[key] = run
            while self._bytes > self.max_bytes:
                self._bytes -= self._runs.popitem(last=False)[1].nbytes

    def __len__(self) -> int:
        return len(self._runs)
