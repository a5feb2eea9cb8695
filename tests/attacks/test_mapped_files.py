"""Files that change while a dictionary made from them is in use."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from saewidgets.dictionaries.formats import buffers, npz, safetensors, torchfile
from saewidgets.disk import write_bytes
from saewidgets.errors import DictionaryError
from tests.attacks.containers import npz_file, safetensors_file, torch_file
from tests.attacks.measure import ROOT, measure

TENSORS = {"a": torch.arange(40_000.0), "b": torch.ones(3, dtype=torch.bfloat16)}
WRITERS = {".safetensors": safetensors_file, ".npz": npz_file, ".pt": torch_file}


def write(folder: Path, suffix: str) -> Path:
    path = folder / f"d{suffix}"
    tensors = {name: t.float() for name, t in TENSORS.items()} if suffix == ".npz" else TENSORS
    path.write_bytes(WRITERS[suffix](tensors))
    return path


def load(path: Path) -> dict[str, torch.Tensor]:
    if path.suffix == ".safetensors":
        return safetensors.load_tensors(path)[0]
    return npz.load_tensors(path) if path.suffix == ".npz" else torchfile.load_tensors(path)


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("limit", [0, buffers.COPIED])
def test_mapped_and_copied_tensors_are_the_same(
    tmp_path: Path, suffix: str, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buffers, "COPIED", limit)
    path = write(tmp_path, suffix)
    found = load(path)
    assert torch.equal(found["a"], TENSORS["a"])
    found["a"][0] = 7  # ours alone, never the file's
    assert float(load(path)["a"][0]) == 0


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_small_file_may_go(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path, suffix)
    found = load(path)
    path.write_bytes(b"")
    assert torch.equal(found["a"], TENSORS["a"])


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_large_file_may_be_replaced_or_removed(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `Dictionary.save` and the hub's cache do it: the old bytes stay as long as they are mapped."""
    monkeypatch.setattr(buffers, "COPIED", 0)
    path = write(tmp_path, suffix)
    found = load(path)
    write_bytes(path, b"something else")
    assert torch.equal(found["a"], TENSORS["a"])
    path.unlink()
    assert torch.equal(found["a"], TENSORS["a"])


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_file_that_is_cut_off_before_it_is_read(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at the header and the look at the data."""
    path = write(tmp_path, suffix)
    copied = buffers.copied

    def cut_first(*arguments: Any) -> memoryview:
        if arguments[2] > 10_000:
            os.truncate(path, 1_000)
        return copied(*arguments)

    monkeypatch.setattr(buffers, "copied", cut_first)
    with pytest.raises(DictionaryError):
        load(path)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals")
def test_a_large_file_cut_off_in_place_ends_the_process(tmp_path: Path) -> None:
    """Control, and a limit that is documented: nothing can be done about a mapped file that is truncated in place."""
    path = write(tmp_path, ".safetensors")
    code = (
        "import os, pathlib, sys; from saewidgets.dictionaries.formats import buffers, safetensors; path = sys.argv[1];"
        "buffers.COPIED = int(sys.argv[2]); found = safetensors.load_tensors(pathlib.Path(path))[0];"
        "os.truncate(path, 10); print(float(found['a'].sum()))"
    )
    data = path.read_bytes()
    ends = []
    for limit in (0, 1 << 30):
        path.write_bytes(data)
        done = subprocess.run(
            [sys.executable, "-c", code, str(path), str(limit)], cwd=ROOT, capture_output=True, text=True
        )
        ends.append((done.returncode, done.stdout.strip()))
    assert ends == [(-signal.SIGBUS, ""), (0, str(float(TENSORS["a"].sum())))]


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_large_file_is_not_read_to_be_opened(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"large{suffix}"
    path.write_bytes(WRITERS[suffix]({"W": torch.zeros(20 << 20)}))
    size = path.stat().st_size
    assert size > buffers.COPIED
    found = measure(path, "tensors")
    assert found["error"] == ""
    # An npz cannot be mapped, see there: it is read, once.
    assert size <= found["grown"] < 1.2 * size if suffix == ".npz" else found["grown"] < 8 << 20
