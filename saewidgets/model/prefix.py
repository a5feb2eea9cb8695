"""What earlier runs computed, so that a prompt which begins like an earlier one costs only its new end.

A causal model computes a token from the tokens before it. Two runs that agree on their first tokens and on what was
written there agree on everything at those tokens: keys, values, read sites and logits. Runs agree on what was written
when their `key` is equal, or below the first position that the writes of either touch.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from saewidgets.sites import Site

LIMIT_BYTES = 256 * 2**20
"""Default bound on what one model's cache holds."""

NO_WRITES: Hashable = ()
"""The key of a run without writes."""


@dataclass(frozen=True)
class Entry:
    """Everything one run left behind. The tensors are the cache's own copies; nobody else sees them.

    Args:
        ids: The prompt's token ids.
        layers: Keys and values of each block that ran, `[1, heads, tokens, d_head]`.
        values: Site -> `[1, tokens, d]` after the write.
        before: The same before the write, where it differs.
        logits: Parts that make up `[1, tokens, vocab]`, which entries that begin alike share; `None` when the run
            stopped early.
    """

    ids: tuple[int, ...]
    layers: tuple[tuple[Tensor, Tensor], ...]
    values: Mapping[Site, Tensor]
    before: Mapping[Site, Tensor]
    logits: tuple[Tensor, ...] | None

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes, as if nothing was shared."""
        tensors = [t for pair in self.layers for t in pair] + [*self.values.values(), *self.before.values()]
        tensors += self.logits or ()
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


@dataclass(frozen=True)
class Prefix:
    """The first `length` tokens of an entry: the part that a new run may take over."""

    entry: Entry
    length: int


class PrefixCache:
    """Least recently used entries go first once the bound is reached.

    Not safe for several threads by itself: the model's lock is held around every call.

    Args:
        limit_bytes: Greatest sum of the tensors kept.

    Example:
        >>> PrefixCache(limit_bytes=0).nbytes
        0
    """

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self._entries: OrderedDict[tuple[Hashable, tuple[int, ...]], Entry] = OrderedDict()
        self._weights: Hashable = None
        self.nbytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def check_weights(self, state: Hashable) -> None:
        """Forget everything when the model's weights are no longer those the entries were computed with."""
        if state != self._weights:
            self.clear()
            self._weights = state

    def find(
        self, ids: tuple[int, ...], key: Hashable, first_edit: int, fits: Callable[[Entry], bool]
    ) -> Prefix | None:
        """The longest prefix that a run may take over.

        Args:
            ids: The new prompt.
            key: Identity of its writes.
            first_edit: Position of the first token that its writes may change.
            fits: Whether an entry holds everything the new run asks for.

        Returns:
            Entry and length (at least 1), or `None`.
        """
        best, best_name = None, None
        # The newest first: while somebody types, it has all but the last token, and no other can have more.
        for name, entry in reversed(self._entries.items()):
            # Same writes: all common tokens. No writes: those before the new run's first write.
            limit = len(ids) if name[0] == key else first_edit if name[0] == NO_WRITES else 0
            known = best.length if best else 0
            # Most of many entries are ruled out by one token.
            if limit <= known or len(entry.ids) <= known or entry.ids[known] != ids[known]:
                continue
            length = min(_common(ids, entry.ids), limit)
            if length > known and fits(entry):
                best, best_name = Prefix(entry, length), name
                if length == len(ids):
                    break
        if best_name is not None:
            self._entries.move_to_end(best_name)
        return best

    def store(self, key: Hashable, entry: Entry) -> None:
        """Keep an entry, and let go of the oldest ones beyond the bound."""
        size = entry.nbytes
        if size > self.limit_bytes:
            return
        self._drop((key, entry.ids))
        self._entries[(key, entry.ids)] = entry
        self.nbytes += size
        while self.nbytes > self.limit_bytes:
            self._drop(next(iter(self._entries)))

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self.nbytes = 0

    def _drop(self, name: tuple[Hashable, tuple[int, ...]]) -> None:
        old = self._entries.pop(name, None)
        self.nbytes -= old.nbytes if old else 0


def _common(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    """How many tokens two prompts have in common from the start."""
    length = min(len(a), len(b))
    if a[:length] == b[:length]:
        return length
    return next(i for i in range(length) if a[i] != b[i])


class Weights:
    """Tells when a model's weights are no longer what they were.

    Args:
        module: The model.
    """

    def __init__(self, module: Any) -> None:
        # The dictionaries and not the tensors, to see a weight that is replaced; walking the module costs too much.
        tables = [table for part in module.modules() for table in (part._parameters, part._buffers)]
        self._tables = [table for table in tables if table]

    def state(self) -> Hashable:
        """Differs after any weight was changed in place, replaced or moved; writes through `.data` go unseen."""
        tensors = [tensor for table in self._tables for tensor in table.values() if tensor is not None]
        return tuple([(tensor.data_ptr(), tensor._version) for tensor in tensors])
