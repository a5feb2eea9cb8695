"""Loads damaged dictionaries in a process of its own, which dies or complains if one takes too much.

`python -m tests.attacks.worker '{"suite": "bytes", "count": 1000}'` prints one line of JSON. Every case has

* memory: the address space may grow by `MEMORY` over what the process had after loading every sound file; whoever asks
  for more gets a MemoryError, which counts as a fault even where the code under test turns it into an error of ours;
* time: `EFFORT` of the processor (see `tests.effort`), after which the system ends the process (SIGPROF), in whatever C
  code it is. The number of the case is on disk by then.
"""

import gc
import json
import os
import resource
import signal
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import torch

from saewidgets.dictionaries import load_dictionary
from tests.attacks import containers, controls, mutate
from tests.attacks.judge import Judge
from tests.attacks.measure import peak
from tests.attacks.tiny import Tiny, table
from tests.effort import SECOND, unit

MEMORY, EFFORT = 256 << 20, 2 * SECOND
_SUFFIXES = (".safetensors", ".npz", ".pt", ".pth", ".json", ".yaml")


@dataclass(frozen=True)
class Case:
    """A folder to load.

    Args:
        tiny: What it was made from.
        damage: What was done, in words.
        files: All its files.
        path: What is loaded.
        arguments: Of `load_dictionary`.
        expected: For a value of the wrong kind: the other files with which a dictionary that loads must agree.
    """

    tiny: Tiny
    damage: str
    files: dict[str, bytes]
    path: str
    arguments: dict[str, Any]
    expected: tuple[dict[str, bytes], ...] = ()


def byte_cases(seed: int, start: int, count: int) -> Iterator[Case]:
    """Case number n is the same whatever the start."""
    tinies = table()
    # YAML is read slowly: a turn for each of those, two for each other.
    turns = [*tinies, *(tiny for tiny in tinies if not any(name.endswith(".yaml") for name in tiny.files))]
    for number in range(start, start + count):
        rng = Random(f"{seed}/{number}")
        tiny = turns[number % len(turns)]
        case = _byte_case(tiny, tinies, rng)
        # Mostly its format is named, so that its own reader is reached whatever the others think, and sooner.
        if rng.random() < 0.9:
            case = replace(case, arguments=case.arguments | {"format": tiny.format})
        yield case


def _byte_case(tiny: Tiny, tinies: list[Tiny], rng: Random) -> Case:
    name = rng.choice(list(tiny.files))
    data, suffix, kind = tiny.files[name], Path(name).suffix, rng.random()
    if kind < 0.03:
        other = rng.choice(tinies)
        return _changed(tiny, "swapped", {name: rng.choice(list(other.files.values()))})
    if kind < 0.05:
        renamed = name.removesuffix(suffix) + rng.choice(_SUFFIXES)
        files = {renamed if key == name else key: content for key, content in tiny.files.items()}
        return Case(tiny, "suffix", files, renamed if tiny.path == name else tiny.path, tiny.arguments)
    if kind < 0.08:
        other_data = rng.choice(list(rng.choice(tinies).files.values()))
        cut = rng.randrange(len(data))
        return _changed(tiny, "spliced", {name: data[:cut] + other_data[rng.randrange(len(other_data)) :]})
    damage = rng.choice(mutate.ANY + mutate.OF_KIND[suffix])
    return _changed(tiny, damage.__name__, {name: damage(data, rng)})


def config_cases() -> Iterator[Case]:
    """Every value of every config, replaced by every value of another kind."""
    for tiny in table():
        for name, data in tiny.files.items():
            if not name.endswith((".json", ".yaml")):
                continue
            config = containers.read(name, data)
            for place in mutate.leaves(config):
                old = config
                for key in place:
                    old = old[key]
                without = {name: containers.write(name, mutate.replaced(config, place, ...))}
                for new in mutate.VALUES:
                    if not _same_kind(old, new):
                        files = {name: containers.write(name, mutate.replaced(config, place, new))}
                        yield _changed(tiny, f"{place} = {new!r}", files, ({}, without))


def _same_kind(old: Any, new: Any) -> bool:
    number = (int, float)
    if type(old) in number and type(new) in number:
        return True
    return old is None or type(old) is type(new) or (isinstance(old, str) and new is None)


def tensor_cases() -> Iterator[Case]:
    """Every tensor of every file not finite, of another type or shape, empty, missing."""
    for tiny in table():
        for name, data in tiny.files.items():
            if name.endswith((".safetensors", ".npz", ".pt", ".pth")):
                whole = containers.read(name, data)
                tensors = whole[0] if isinstance(whole, tuple) else whole
                for key, tensor in tensors.items():
                    for damage, bad in _bad_tensors(tensor):
                        other = {k: bad if k == key else t for k, t in tensors.items() if k != key or bad is not None}
                        content = containers.write(name, (other, whole[1]) if isinstance(whole, tuple) else other)
                        expected = () if bad is None and key in tiny.optional else ({},)
                        yield _changed(tiny, f"{key} {damage}", {name: content}, expected)


def _bad_tensors(tensor: Any) -> Iterator[tuple[str, torch.Tensor | None]]:
    if not isinstance(tensor, torch.Tensor):
        return
    yield "missing", None
    yield "empty", tensor.reshape(-1)[:0]
    yield "of no width", torch.empty((0, *tensor.shape[1:]) if tensor.ndim else (0,), dtype=tensor.dtype)
    yield "one dimension more", tensor[None]
    yield "one row more", torch.cat([tensor, tensor[:1]]) if tensor.ndim else tensor.repeat(2)
    if tensor.numel() > 1:
        yield "of truth values", tensor > 0
    if tensor.is_floating_point():
        for number in (float("nan"), float("inf"), float("-inf")):
            for place in (0, -1):
                bad = tensor.clone()
                bad.view(-1)[place] = number
                yield f"with {number}", bad
    if tensor.is_floating_point() and tensor.numel() > 1:  # a single number may be whole
        yield "of whole numbers", (tensor * 10).to(torch.int64)
        yield "of bytes", (tensor * 10).to(torch.uint8)


def _changed(tiny: Tiny, damage: str, files: dict[str, bytes], expected: tuple[dict[str, bytes], ...] = ()) -> Case:
    return Case(tiny, damage, tiny.files | files, tiny.path, tiny.arguments,
                tuple(tiny.files | other for other in expected))  # fmt: skip


def run(cases: Iterator[Case], judge: Judge, note: Callable[[int], None]) -> dict[str, Any]:
    """Load them all; what is not as it should be."""
    outcomes: Counter[str] = Counter()
    faults: list[str] = []
    netted: Counter[str] = Counter()
    digest, number, limit = 0, -1, EFFORT * unit()
    for number, case in enumerate(cases):
        note(number)
        signal.setitimer(signal.ITIMER_PROF, limit)
        outcome, message = judge.load(case)
        signal.setitimer(signal.ITIMER_PROF, 0)
        # The twin costs as much as the rest: every fifth gets one where there are many.
        if outcome == "loaded" and (wrong := judge.wrong(case, twin=bool(case.expected) or number % 5 == 0)):
            outcome, message = "fault", wrong
        outcomes[outcome] += 1
        digest = zlib.crc32(f"{case.tiny.name} {case.damage} {outcome}".encode(), digest)
        if outcome == "fault" and len(faults) < 40:
            faults.append(f"{number}: {case.tiny.name}, {case.damage}: {message}")
        if outcome == "netted":
            netted[f"{case.tiny.name}: {message}"] += 1
    return {"cases": number + 1, "outcomes": outcomes, "faults": faults, "netted": netted.most_common(60),
            "digest": digest}  # fmt: skip


def main(options: dict[str, Any]) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        judge = Judge(Path(folder), load_dictionary)
        for tiny in table():
            case = _changed(tiny, "none", {})
            outcome, message = judge.load(case)
            assert outcome == "loaded" and not judge.wrong(case), f"{tiny.name}: {message}"
        gc.freeze()  # so that no case pays for looking through what is there now
        judge.under_test = controls.LOADERS[options.get("control", "none")](load_dictionary)
        if sys.platform == "linux":  # elsewhere the system does not keep to this limit
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            limit = pages * resource.getpagesize() + MEMORY
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        before = peak()
        suites: dict[str, Callable[[], Iterator[Case]]] = {
            "bytes": lambda: byte_cases(options.get("seed", 0), options.get("start", 0), options["count"]),
            "configs": config_cases,
            "tensors": tensor_cases,
        }
        progress = os.open(options["progress"], os.O_WRONLY | os.O_CREAT) if "progress" in options else None

        def note(number: int) -> None:
            if progress is not None:
                os.pwrite(progress, b"%012d" % number, 0)

        result = run(suites[options["suite"]](), judge, note)
        result["grown_mb"] = (peak() - before) / (1 << 20)
        print(json.dumps(result))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
