"""A sweep that is killed, that the disk fails, or that another one disturbs: nothing committed is lost."""

import errno
import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from saewidgets import disk
from saewidgets.atlas.atlas import Atlas
from saewidgets.atlas.lock import locked
from saewidgets.corpus import Corpus
from saewidgets.errors import AtlasError, SaewidgetsError
from tests.atlas.tiny import dictionaries, fingerprints, rows, run

KILLS = 200
_REACH_THE_DISK = ("open", "write", "fsync", "replace", "makedirs", "unlink")


@pytest.mark.timeout(700)
def test_200_kills(tmp_path: Path) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, str(Path(__file__).parent / "kill.py"), str(tmp_path), str(KILLS)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    print(found)
    assert found["kills"] >= KILLS and found["stores"] >= 3 and found["files"] > 20
    assert (found["different"], found["lost"]) == (0, 0)


class Failing:
    """`os`, whose n-th call of those that reach the disk fails."""

    def __init__(self, n: int, how: str) -> None:
        self.left, self.how, self.fired = n, how, False

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return self._counted(name, real) if name in _REACH_THE_DISK else real

    def _counted(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self.left -= 1
            if self.left != 0:
                return real(*arguments, **options)
            self.fired = True
            if self.how == "short":
                return real(arguments[0], arguments[1][:1]) if name == "write" else real(*arguments, **options)
            raise OSError(getattr(errno, self.how), os.strerror(getattr(errno, self.how)))

        return call


@pytest.mark.parametrize("how", ["ENOSPC", "EIO", "EACCES", "short"])
def test_every_call_to_the_disk_fails_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    options: dict[str, Any] = {"dictionaries": dictionaries(1), "corpus": Corpus(rows(20)[:, :24])}
    run(tmp_path / "clean", **options)
    clean = fingerprints(tmp_path / "clean")
    refused = tried = 0
    for n in range(1, 10_000):
        store = tmp_path / f"store-{n}"
        failing = Failing(n, how)
        with monkeypatch.context() as patch:
            patch.setattr(disk, "os", failing)
            try:
                run(store, **options)
            except SaewidgetsError:
                refused += 1
        if not failing.fired:
            break
        tried += 1
        run(store, **options)
        assert fingerprints(store) == clean, f"call {n}"
    assert tried > 40, "the sweep hardly reached the disk"
    assert refused == 0 if how == "short" else refused > 30


def _racing(folder: Path, results: Any) -> None:
    try:
        run(folder, 60)
        results.put("done")
    except AtlasError as error:
        results.put(str(error))


def test_two_sweeps_at_once(tmp_path: Path) -> None:
    run(tmp_path / "clean", 60)
    # spawn: this process has threads of torch, which a fork would leave in the middle of something.
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    racers = [context.Process(target=_racing, args=(tmp_path / "store", results)) for _ in range(3)]
    for racer in racers:
        racer.start()
    said = [results.get(timeout=120) for _ in racers]
    for racer in racers:
        racer.join()
    assert "done" in said and all(text == "done" or "Another sweep" in text for text in said)
    assert fingerprints(tmp_path / "store") == fingerprints(tmp_path / "clean")


def test_a_lock_is_held_and_let_go(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(AtlasError, match="Another sweep"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("left", [b"", b"{", b'{"pid": 2147483646, "host": "HOST", "boot": "BOOT"}'])
def test_a_lock_of_a_dead_process_is_taken_over(tmp_path: Path, left: bytes) -> None:
    import platform

    from saewidgets.atlas.lock import _boot

    left = left.replace(b"HOST", platform.node().encode()).replace(b"BOOT", _boot().encode())
    (tmp_path / "lock").write_bytes(left)
    with locked(tmp_path):
        pass


def test_a_lock_of_another_machine_stays(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text('{"pid": 1, "host": "another machine", "boot": ""}')
    with pytest.raises(AtlasError, match="another machine"), locked(tmp_path):
        pass


def test_an_interrupt_keeps_what_was_committed(tmp_path: Path) -> None:
    seen = []

    def stop(step: Any) -> None:
        seen.append(step)
        if step.shards == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "store", report=stop)
    assert Atlas(tmp_path / "store").n_tokens("resid_post.0") == seen[-1].n_tokens
    run(tmp_path / "store")
    run(tmp_path / "clean")
    assert fingerprints(tmp_path / "store") == fingerprints(tmp_path / "clean")


def test_every_damaged_file_is_found_and_made_anew(tmp_path: Path) -> None:
    run(tmp_path / "clean", 60)
    clean = fingerprints(tmp_path / "clean")
    store = tmp_path / "store"
    run(store, 60)
    for name in clean:
        path = store / name
        raw = path.read_bytes()
        for damage in (raw[: len(raw) // 2], b"", None):
            if damage is None:
                path.unlink()
            else:
                path.write_bytes(damage)
            with suppress(AtlasError):  # that and nothing else
                atlas = Atlas(store)
                for site in atlas.sites:
                    atlas.stats(site)
                    _ = atlas.feature(f"{site}/3").examples
            if name == "atlas.json" and damage != b"" and damage is not None:
                with pytest.raises(AtlasError, match="no manifest"):
                    run(store, 60)
            elif name != "atlas.json":
                run(store, 60)
            path.parent.mkdir(exist_ok=True)
            if name == "atlas.json":
                path.write_bytes(raw)
        assert fingerprints(store) == clean, name
