"""One sweep at a time on one atlas."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from saewidgets import disk
from saewidgets.errors import AtlasError

_NAME = "lock"
# Locks that this process holds: a lock with its number that is not among them was left behind.
_held: set[Path] = set()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of an atlas; one that a dead process of this machine left is taken over.

    Raises:
        AtlasError: Another sweep holds it.
    """
    path = folder / _NAME
    owner = json.dumps({"pid": os.getpid(), "host": platform.node(), "boot": _boot()}).encode()
    if not disk.claim(path, owner):
        holder = _holder(path)
        if path.resolve() in _held or not _is_dead(holder):
            who = f"process {holder.get('pid', '?')} on {holder.get('host', '?')}"
            raise AtlasError(f"Another sweep works on this atlas ({who}).", f"Wait for it, or remove {path.name!r}.")
        disk.remove(path)
        if not disk.claim(path, owner):
            raise AtlasError("Another sweep has just begun on this atlas.", "Wait for it.")
    _held.add(path.resolve())
    try:
        yield
    finally:
        _held.discard(path.resolve())
        disk.remove(path)


def _holder(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_dead(holder: dict[str, object]) -> bool:
    """Whether the holder cannot be at work; a lock cut short by a crash holds nobody."""
    if not holder:
        return True
    if holder.get("host") != platform.node():
        return False
    pid = holder.get("pid")
    return holder.get("boot") != _boot() or pid == os.getpid() or not (isinstance(pid, int) and disk.alive(pid))


def _boot() -> str:
    """Differs after the machine was started anew; "" where it cannot be told."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
