"""100,000 damaged dictionaries of every layout: refused with one typed error, or loaded as what is in them.

The table of layouts is `tiny.py`, the damage `mutate.py`, what counts as right `judge.py`, the limits `worker.py`.
"""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from saewidgets.dictionaries.load import FORMATS
from tests.attacks.tiny import table
from tests.attacks.worker import MEMORY, byte_cases, config_cases, tensor_cases

ROOT = Path(__file__).parents[2]
PARTS, CASES = 2, 50_000


def start(folder: Path, **options: Any) -> tuple[subprocess.Popen[str], Path]:
    progress = folder / "progress"
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


def run_all(folder: Path, options: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """All of them, two at a time: this suite is to be done in two minutes on two cores."""
    places = [folder / name for name in options]
    for place in places:
        place.mkdir()
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(options, pool.map(lambda place, one: run(place, **one), places, options.values()), strict=True))


def assert_clean(found: dict[str, Any]) -> None:
    assert "died" not in found, found
    assert found["faults"] == [], "\n".join(found["faults"])
    assert found["grown_mb"] < MEMORY >> 20


@pytest.mark.slow
@pytest.mark.timeout(1200)  # about 100 s of two idle cores
def test_damaged_files_are_refused_or_loaded_as_what_they_are(tmp_path: Path) -> None:
    options = {str(part): {"suite": "bytes", "start": part * CASES, "count": CASES} for part in range(PARTS)}
    parts = run_all(tmp_path, options).values()
    for found in parts:
        assert_clean(found)
        # Control: both happen a lot, so neither check is idle.
        assert found["outcomes"]["refused"] > CASES / 2
        assert found["outcomes"]["loaded"] > CASES / 20
    outcomes = sum((Counter(found["outcomes"]) for found in parts), Counter())
    assert outcomes.total() == PARTS * CASES >= 100_000
    print(f"{outcomes.total()} damaged files of {len(table())} layouts: {dict(outcomes)}")


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    suites = {"configs": {"suite": "configs"}, "tensors": {"suite": "tensors"}}
    return run_all(tmp_path_factory.mktemp("values"), suites)


@pytest.mark.parametrize("suite", ["configs", "tensors"])
def test_every_value_of_the_wrong_kind_is_refused_or_plays_no_part(values: dict[str, Any], suite: str) -> None:
    found = values[suite]
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


NOTICED = {
    "greedy": "asked for more memory",
    "untyped": "KeyError",
    "careless": "accepted what its library refuses",
    "shifted": "holds other values",
    "biased": "another dictionary than clean files",
    "lenient": "accepted what its library refuses",
    "obliging": "wrong kind",
}
DEADLY = {"endless": signal.SIGPROF, "crashing": signal.SIGABRT}


@pytest.fixture(scope="module")
def controlled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    options: dict[str, dict[str, Any]] = {
        name: {"suite": "bytes", "count": 400, "control": name} for name in (*NOTICED, *DEADLY)
    }
    # Only few kinds of damage leave a file that loads with other weights.
    options["biased"]["count"] = 1_600
    options["obliging"] = {"suite": "configs", "control": "obliging"}
    return run_all(tmp_path_factory.mktemp("controls"), options)


@pytest.mark.parametrize("control", NOTICED)
def test_the_worker_notices_what_must_not_happen(controlled: dict[str, Any], control: str) -> None:
    if control == "greedy" and sys.platform != "linux":
        pytest.skip("the address space is limited on Linux only")
    faults = controlled[control]["faults"]
    assert len(faults) > 5
    assert any(NOTICED[control] in fault for fault in faults), faults


@pytest.mark.parametrize("control", DEADLY)
def test_a_worker_that_dies_says_over_which_case(controlled: dict[str, Any], control: str) -> None:
    found = controlled[control]
    assert (found["died"], found["case"]) == (DEADLY[control], 0)
