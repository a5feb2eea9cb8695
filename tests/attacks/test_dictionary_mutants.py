"""100,000 damaged dictionaries of every layout: refused with one typed error, or loaded as what is in them.

The table of layouts is `tiny.py`, the damage `mutate.py`, what counts as right `judge.py`, the limits `worker.py`.
"""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from saewidgets.dictionaries.load import FORMATS
from tests.attacks.tiny import table
from tests.attacks.worker import MEMORY, SECONDS, byte_cases, config_cases, tensor_cases

ROOT = Path(__file__).parents[2]
PARTS, CASES = 4, 25_000


def start(folder: Path, **options: Any) -> tuple[subprocess.Popen[str], Path]:
    progress = folder / f"progress-{options.get('start', 0)}"
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.attacks.worker", json.dumps(options | {"progress": str(progress)})]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    return process, progress


def finish(process: subprocess.Popen[str], progress: Path) -> dict[str, Any]:
    """What the worker found, or how it died and over which case."""
    out, err = process.communicate()
    if process.returncode == 0:
        found: dict[str, Any] = json.loads(out)
        return found
    last = progress.read_text() if progress.exists() else ""
    return {"died": -process.returncode, "case": int(last) if last else None, "error": err[-2_000:]}


def run(folder: Path, **options: Any) -> dict[str, Any]:
    return finish(*start(folder, **options))


def assert_clean(found: dict[str, Any]) -> None:
    assert "died" not in found, found
    assert found["faults"] == [], "\n".join(found["faults"])
    assert found["slowest"] < SECONDS
    assert found["grown_mb"] < MEMORY >> 20


@pytest.mark.slow
@pytest.mark.parametrize("part", range(0, PARTS, 2))
def test_damaged_files_are_refused_or_loaded_as_what_they_are(tmp_path: Path, part: int) -> None:
    workers = [start(tmp_path, suite="bytes", start=n * CASES, count=CASES) for n in (part, part + 1)]
    for found in [finish(*worker) for worker in workers]:
        assert_clean(found)
        assert found["cases"] == CASES
        # Control: both happen a lot, so neither check is idle.
        assert found["outcomes"]["refused"] > CASES / 2
        assert found["outcomes"]["loaded"] > CASES / 20


@pytest.mark.parametrize("suite", ["configs", "tensors"])
def test_every_value_of_the_wrong_kind_is_refused_or_plays_no_part(tmp_path: Path, suite: str) -> None:
    found = run(tmp_path, suite=suite)
    assert_clean(found)
    # Refused by the reader that knows the field, not by the net below all readers.
    assert found["netted"] == []
    assert found["outcomes"]["refused"] > 300


def test_every_format_is_in_the_table() -> None:
    assert {tiny.format for tiny in table()} == set(FORMATS) - {"auto"}


def test_cases_repeat() -> None:
    first = [(case.damage, case.files) for case in byte_cases(0, 0, 120)]
    assert first[100:] == [(case.damage, case.files) for case in byte_cases(0, 100, 20)]
    assert len(set(map(str, first))) > 110
    assert len(list(config_cases())) > 1_000
    assert len(list(tensor_cases())) > 500


# ------------------------------------------------------------------------------------------------------------ controls


@pytest.mark.parametrize(
    ("control", "message"),
    [
        ("greedy", "asked for more memory"),
        ("untyped", "KeyError"),
        ("careless", "accepted what its library refuses"),
        ("shifted", "holds other values"),
        ("biased", "another dictionary than clean files"),
        ("lenient", "accepted what its library refuses"),
    ],
)
def test_the_worker_notices_what_must_not_happen(tmp_path: Path, control: str, message: str) -> None:
    if control == "greedy" and sys.platform != "linux":
        pytest.skip("the address space is limited on Linux only")
    found = run(tmp_path, suite="bytes", count=400, control=control)
    assert len(found["faults"]) > 5
    assert any(re.search(message, fault) for fault in found["faults"]), found["faults"]


@pytest.mark.parametrize(("control", "number"), [("endless", signal.SIGPROF), ("crashing", signal.SIGABRT)])
def test_a_worker_that_dies_says_over_which_case(tmp_path: Path, control: str, number: int) -> None:
    found = run(tmp_path, suite="bytes", count=200, control=control)
    assert (found["died"], found["case"]) == (number, 0)


def test_a_value_of_the_wrong_kind_that_counts_is_noticed(tmp_path: Path) -> None:
    found = run(tmp_path, suite="configs", control="obliging")
    assert any("wrong kind" in fault for fault in found["faults"])
