"""Recent results of one scope, within a bound of memory: undo and going back to a prompt cost nothing."""

from __future__ import annotations

import dataclasses
import sys
import threading
import weakref
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

import numpy as np

BOUND = 64 * 2**20


class ByIdentity:
    """An object as a key: equal only to itself, and kept alive so that its address is not given to another."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByIdentity) and other.value is self.value


def size_of(value: Any) -> int:
    """Bytes a payload holds: arrays, strings, and the records and tuples around them."""
    if isinstance(value, np.ndarray):
        return int(value.nbytes) + 128
    if dataclasses.is_dataclass(value):
        return 64 + sum(size_of(getattr(value, f.name)) for f in dataclasses.fields(value))
    if isinstance(value, tuple):
        return sys.getsizeof(value) + sum(map(size_of, value))
    return sys.getsizeof(value)


class RunCache:
    """The most recently used payloads, at most `bound` bytes together.

    Args:
        bound: In bytes. A payload larger than the bound is not kept.
    """

    def __init__(self, bound: int = BOUND) -> None:
        self.bound, self.size = bound, 0
        self._entries: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable) -> Any:
        """The payload, now the most recently used one; `None` when there is none."""
        with self._lock:
            if key not in self._entries:
                return None
            self._entries.move_to_end(key)
            return self._entries[key][0]

    def put(self, key: Hashable, payload: Any) -> None:
        """Keep a payload and let go of those unused longest."""
        size = size_of(payload)
        with self._lock:
            if key in self._entries:
                self.size -= self._entries.pop(key)[1]
            if size > self.bound:
                return
            self._entries[key] = (payload, size)
            self.size += size
            while self.size > self.bound:
                _, (_, freed) = self._entries.popitem(last=False)
                self.size -= freed

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._entries.clear()
            self.size = 0


_CACHES: weakref.WeakKeyDictionary[Any, RunCache] = weakref.WeakKeyDictionary()
_CACHES_LOCK = threading.Lock()


def cache_of(scope: Any) -> RunCache:
    """The cache of a scope, shared by its widgets and gone with it."""
    with _CACHES_LOCK:
        return _CACHES.setdefault(scope, RunCache())
