"""Loads every layout of `tiny.py` at a size at which memory counts, each in a process of its own.

`python -m tests.attacks.scaled none` prints one line of JSON: name of the layout -> size of its files, unpacked, and
what loading it added to the peak.
"""

import io
import json
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from saewidgets.dictionaries import load_dictionary
from tests.attacks import tiny
from tests.attacks.measure import peak

# 56 MiB for an encoder and a decoder in float32: below what is mapped, where loading takes the most.
D, N = 256, 28_672
# A layout whose sizes are its own stays tiny, and has nothing to measure.
_LEAST = 1 << 23


def size_of(files: dict[str, bytes]) -> int:
    """Bytes of all files, unpacked."""
    return sum(map(_unpacked, files.values()))


def _unpacked(data: bytes) -> int:
    if not data.startswith(b"PK"):
        return len(data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return sum(member.file_size for member in archive.infolist())


def write(folder: Path, made: tiny.Tiny) -> Path:
    """Its files; what is to be loaded."""
    for name, data in made.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder / made.path


def apart(work: Callable[[], Any]) -> Any:
    """What work returns, done in a copy of this process."""
    read, written = os.pipe()
    if (child := os.fork()) == 0:
        with os.fdopen(written, "w") as answer:
            answer.write(json.dumps(work()))
        os._exit(0)
    os.close(written)
    with os.fdopen(read) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return json.loads(text)


def grown(load: Callable[[], Any], warm: Callable[[], Any]) -> int:
    """Bytes that loading adds to the peak, once everything it sets up is there."""
    warm()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins again
    before = peak()
    kept = load()
    after = peak()
    del kept
    return after - before


LOADERS: dict[str, Callable[..., Any]] = {
    "none": load_dictionary,
    # Control: a dictionary, and its weights once more.
    "greedy": lambda *args, **kwargs: [found := load_dictionary(*args, **kwargs), found.directions.clone()],
}


def main(loader: str, names: list[str]) -> None:
    torch.set_num_threads(1)
    load, found = LOADERS[loader], {}
    with tempfile.TemporaryDirectory() as place:
        small = [(make, make()) for make in tiny.LAYOUTS]
        tiny.D, tiny.N = D, N
        for make, least in small:
            if names and least.name not in names:
                continue
            folder, warm = Path(place) / "large", write(Path(place) / "small" / least.name, least)

            def prepare(make: Callable[[], tiny.Tiny] = make, folder: Path = folder) -> int:
                made = make()
                write(folder, made)
                return size_of(made.files)

            def read(path: Path = folder / least.path, warm: Path = warm, least: tiny.Tiny = least) -> int:
                return grown(lambda: load(path, **least.arguments), lambda: load(warm, **least.arguments))

            size = apart(prepare)
            if size > _LEAST:
                found[least.name] = {"size": size, "grown": apart(read)}
            shutil.rmtree(folder)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
