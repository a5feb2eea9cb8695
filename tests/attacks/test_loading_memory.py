"""Memory of loading: at most 1.2 times the file, measured for every layout of `tiny.py` at 28 to 170 MB."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.attacks.tiny import table

ROOT = Path(__file__).parents[2]
# A convention that changes a matrix makes a second one while the first is in memory.
FOLDED = {"overcomplete JumpSAE", "overcomplete, tied", "overcomplete, archetypal"}
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what the peak of a process was")


def shares(loader: str, *names: str) -> dict[str, float]:
    """Name of a layout -> memory that loading took, in sizes of its file."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.attacks.scaled", loader, *names]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2_000:]
    return {name: found["grown"] / found["size"] for name, found in json.loads(done.stdout).items()}


@pytest.fixture(scope="module")
def found() -> dict[str, float]:
    return shares("none")


def test_loading_takes_at_most_a_fifth_more_than_the_file(found: dict[str, float]) -> None:
    assert {name: share for name, share in found.items() if share > 1.2 and name not in FOLDED} == {}
    assert len(found) > len(table()) - 5, "all but those whose sizes are their own"
    assert min(found.values()) > 0.9, "control: the files are copied, and the measure sees it"


def test_folding_takes_one_matrix_more(found: dict[str, float]) -> None:
    assert found.keys() >= FOLDED
    assert {name: share for name, share in found.items() if share > 1.8} == {}


def test_a_loader_that_keeps_a_copy_is_noticed() -> None:
    """Control, of every kind of file."""
    names = "saelens standard", "gemma scope", "attention sae, ckkissane"
    assert min(shares("greedy", *names).values()) > 1.4
