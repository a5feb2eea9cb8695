"""The one door to the disk: a file is written whole or not at all.

Everything goes to a temporary file in the same folder, which takes the name of the target when it is complete and
on the disk. A crash in between leaves the old file and a temporary, which `sweep_temporaries` removes later.
"""

import errno
import os
import re
import secrets
import time
from pathlib import Path

from saewidgets.errors import SaewidgetsError, shorten


class DiskError(SaewidgetsError):
    """A file that could not be written; the old one, if any, is untouched."""


PREFIX = ".saewidgets-"
_TEMPORARY = re.compile(re.escape(PREFIX) + r"(\d{1,10})-[0-9a-f]{16}")
_STALE = 3600.0  # seconds; a process of another machine may still be writing a younger one
_TODO = {
    errno.ENOENT: "Make its folder first.",
    errno.ENOTDIR: "Choose a folder that is one.",
    errno.EISDIR: "Choose a name that is not a folder's.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
    errno.EACCES: "Choose a place where you may write.",
    errno.EPERM: "Choose a place where you may write.",
    errno.EROFS: "Choose a place where you may write.",
}


def write_bytes(path: str | Path, data: bytes) -> Path:
    """Write a file: temporary file in the same folder, fsync, rename, fsync of the folder.

    Args:
        path: Where; an existing file is replaced.
        data: The whole content.

    Returns:
        The path written.

    Raises:
        DiskError: No such folder, no space, not permitted; nothing was changed.
    """
    path = Path(path)
    temporary = path.parent / f"{PREFIX}{os.getpid()}-{secrets.token_hex(8)}"
    try:
        _fill(temporary, data)
        os.replace(temporary, path)
    except BaseException as error:
        _remove(temporary)
        if not isinstance(error, (OSError, ValueError)):
            raise  # an interrupt leaves nothing behind either
        reason = getattr(error, "strerror", None) or str(error)
        todo = _TODO.get(getattr(error, "errno", None) or 0, f"Free {len(data)} bytes or choose another place.")
        raise DiskError(f"Cannot write {shorten(path.name)} ({len(data)} bytes): {reason}.", todo) from None
    _settle(path.parent)
    return path


def _fill(path: Path, data: bytes) -> None:
    # The mode is cut by the user's umask; O_EXCL refuses a name (or a link) that somebody laid out.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o666)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def _settle(folder: Path) -> None:
    """Put the rename itself on the disk, where folders can be synced; the file is complete either way."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


def _remove(path: Path) -> bool:
    try:
        os.unlink(path)
    except (OSError, ValueError):
        return False
    return True


def make_folder(path: str | Path) -> Path:
    """Make a folder, and those above it, unless it is there.

    Raises:
        DiskError: Not permitted, no space, or a file has that name.
    """
    path = Path(path)
    try:
        os.makedirs(path, exist_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        todo = _TODO.get(getattr(error, "errno", None) or 0, "Choose another place.")
        raise DiskError(f"Cannot make the folder {shorten(path.name)}: {reason}.", todo) from None
    return path


def claim(path: str | Path, owner: bytes) -> bool:
    """Make a file that only one process can make: a lock. `False` when it is there.

    Raises:
        DiskError: It cannot be made for another reason; nothing is left behind.
    """
    path = Path(path)
    try:
        _fill(path, owner)
    except FileExistsError:
        return False
    except BaseException as error:
        _remove(path)
        if not isinstance(error, (OSError, ValueError)):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        todo = _TODO.get(getattr(error, "errno", None) or 0, "Choose another place.")
        raise DiskError(f"Cannot write {shorten(path.name)}: {reason}.", todo) from None
    return True


def remove(path: str | Path) -> bool:
    """Remove a file; whether it was there and could be removed."""
    return _remove(Path(path))


def sweep_temporaries(folder: str | Path, stale: float = _STALE) -> int:
    """Remove temporaries that a crash left: an hour old, and of a process that is gone.

    Args:
        folder: Where to look; folders below it are left alone.
        stale: Seconds after which one counts as left; 0 where a lock keeps others out.

    Returns:
        How many were removed.
    """
    removed = 0
    for path in Path(folder).glob(f"{PREFIX}*"):
        name = _TEMPORARY.fullmatch(path.name)
        if name and not alive(int(name[1])) and _age(path) >= stale:
            removed += _remove(path)
    return removed


def _age(path: Path) -> float:
    try:
        return time.time() - path.lstat().st_mtime
    except OSError:
        return 0.0


def alive(process: int) -> bool:
    """Whether a process of this machine runs."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True  # it is there, but somebody else's
    return True
