"""The door to the disk: every call it makes fails in turn, and the old file is there each time."""

import errno
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from saewidgets import disk
from saewidgets.disk import DiskError, sweep_temporaries, write_bytes

OLD, NEW = b"old content", b"new content" * 1000
CALLS = ("open", "write", "fsync", "close", "replace", "unlink")


class Faults:
    """Counts calls of `os` functions and makes one of them fail."""

    def __init__(self, patch: pytest.MonkeyPatch, nth: int, error: int) -> None:
        self.nth, self.error, self.count, self.failed = nth, error, 0, ""
        for name in CALLS:
            patch.setattr(disk.os, name, self.wrap(name, getattr(os, name)))

    def wrap(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.count += 1
            if self.count == self.nth:
                self.failed = name
                if name == "close":
                    original(*args, **kwargs)  # the descriptor is gone even when close reports a fault
                raise OSError(self.error, os.strerror(self.error))
            return original(*args, **kwargs)

        return call


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def careless(path: Path, data: bytes) -> None:
    """What the door must not be: the positive control."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        os.write(handle, data)
        os.fsync(handle)
    finally:
        os.close(handle)


def broken_after_each_fault(write: Callable[[Path, bytes], Any], folder: Path, error: int) -> list[str]:
    """Which failing call leaves neither the old nor the new file, or litter."""
    broken = []
    for nth in range(1, 50):
        target = folder / f"case{nth}" / "file.bin"
        target.parent.mkdir()
        target.write_bytes(OLD)
        with pytest.MonkeyPatch.context() as patch:
            faults = Faults(patch, nth, error)
            try:
                write(target, NEW)
                said = ""
            except (DiskError, OSError) as problem:
                said = str(problem)
        content = target.read_bytes()
        complete = content == NEW and faults.failed in ("", "open", "fsync", "close")  # of the folder, after the rename
        kept = content == OLD and said
        if not (complete or kept) or names(target.parent) != ["file.bin"]:
            broken.append(faults.failed)
        if not faults.failed:
            assert content == NEW
            return broken
    raise AssertionError("the faults never ran out")


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EDQUOT])
def test_each_call_fails_in_turn(error: int, tmp_path: Path) -> None:
    assert broken_after_each_fault(write_bytes, tmp_path, error) == []


def test_each_call_fails_in_turn_control(tmp_path: Path) -> None:
    assert "write" in broken_after_each_fault(careless, tmp_path, errno.ENOSPC)


def test_a_failing_write_is_an_error_with_the_bytes_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(disk.os, "write", full)
    with pytest.raises(DiskError, match=r"'a\.bin' \(11000 bytes\): No space left.*Free 11000 bytes"):
        write_bytes(tmp_path / "a.bin", NEW)
    assert names(tmp_path) == []


def test_short_writes_are_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(disk.os, "write", lambda handle, data: real(handle, data[:7]))
    assert write_bytes(tmp_path / "a.bin", NEW).read_bytes() == NEW


def test_an_interrupt_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.bin").write_bytes(OLD)

    def interrupt(handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(disk.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_bytes(tmp_path / "a.bin", NEW)
    assert (tmp_path / "a.bin").read_bytes() == OLD
    assert names(tmp_path) == ["a.bin"]


@pytest.mark.parametrize(
    ("place", "reason", "todo"),
    [
        ("missing/a.bin", "No such file", "Make its folder first"),
        ("file/a.bin", "Not a directory", "Choose a folder that is one"),
        ("folder", "directory", "not a folder's"),
        ("n" * 300, "too long", "shorter name"),
        ("nul\0byte", "null", "another place"),
    ],
)
def test_wrong_places(place: str, reason: str, todo: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(OLD)
    with pytest.raises(DiskError) as caught:
        write_bytes(tmp_path / place, NEW)
    assert reason in caught.value.what
    assert todo in caught.value.todo
    assert names(tmp_path) == ["file", "folder"]


def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir()
    code = (
        "import os, sys\nfrom saewidgets.disk import DiskError, write_bytes\n"
        "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try: write_bytes(sys.argv[1], b'x')\nexcept DiskError as e: print(e)"
    )
    os.chmod(tmp_path / "closed", 0o555)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() != "root" or folder == tmp_path:
            os.chmod(folder, folder.stat().st_mode | 0o055)
    target = str(tmp_path / "closed" / "a.bin")
    done = subprocess.run([sys.executable, "-c", code, target], capture_output=True, text=True)
    assert "Permission denied. Choose a place where you may write." in done.stdout, done.stderr


def test_the_mode_follows_the_umask_and_links_are_not_followed(tmp_path: Path) -> None:
    code = "import os, sys; os.umask(0o027); from saewidgets.disk import write_bytes; write_bytes(sys.argv[1], b'x')"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.bin")], check=True)
    assert stat.S_IMODE((tmp_path / "a.bin").stat().st_mode) == 0o640
    (tmp_path / "elsewhere").write_bytes(OLD)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    write_bytes(tmp_path / "link", NEW)
    assert (tmp_path / "elsewhere").read_bytes() == OLD
    assert (tmp_path / "link").read_bytes() == NEW


def test_killed_while_writing(tmp_path: Path) -> None:
    """A process is killed at random moments while it writes; what is read is always one whole version."""
    target = tmp_path / "a.bin"
    code = (
        "import sys\nfrom saewidgets.disk import write_bytes\nprint('ready', flush=True)\n"
        "n = 0\nwhile True:\n n += 1; write_bytes(sys.argv[1], bytes([n % 251]) * 3_000_000)"
    )
    for delay in (0.0, 0.003, 0.01, 0.02, 0.04, 0.07):
        child = subprocess.Popen([sys.executable, "-c", code, str(target)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.05 + delay)
        child.kill()
        child.communicate()
        content = target.read_bytes() if target.exists() else b""
        assert len(content) in (0, 3_000_000)
        assert len(set(content)) <= 1
    for left in tmp_path.glob(f"{disk.PREFIX}*"):
        os.utime(left, (0, 0))
    sweep_temporaries(tmp_path)
    assert set(names(tmp_path)) <= {"a.bin"}


def test_the_sweep_takes_only_old_temporaries_of_the_dead(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    token = "0123456789abcdef"
    stale = tmp_path / f"{disk.PREFIX}{dead.pid}-{token}"
    alive = tmp_path / f"{disk.PREFIX}{os.getpid()}-{token}"
    young = tmp_path / f"{disk.PREFIX}{dead.pid}-{token[::-1]}"
    others = [tmp_path / "a.bin", tmp_path / f"{disk.PREFIX}notes", tmp_path / f"{disk.PREFIX}{dead.pid}-short"]
    for path in (stale, alive, young, *others):
        path.write_bytes(OLD)
        if path is not young:
            os.utime(path, (0, 0))
    assert sweep_temporaries(tmp_path) == 1
    assert not stale.exists()
    assert alive.exists()
    assert young.exists()
    assert all(path.exists() for path in others)
    assert sweep_temporaries(tmp_path / "missing") == 0
