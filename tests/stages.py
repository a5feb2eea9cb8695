"""Runs the stages of `make test` one after the other, and ends with what pytest would say of all of them.

Usage: python tests/stages.py TARGET...

Targets joined by "+" run side by side: for stages that keep one core busy. A stage that fails does not stop the others:
one run shows everything that is wrong. The counts come from the JUnit files pytest writes; the last line of the output
is their sum.
"""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO
from xml.etree import ElementTree

RESULTS = Path("build/results")


def counts(folder: Path) -> dict[str, int]:
    """Sum the JUnit files of a folder."""
    total = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
    for path in folder.glob("*.xml"):
        for suite in ElementTree.parse(path).iter("testsuite"):
            for key in total:
                total[key] += int(suite.get(key, 0))
    return total


def closing_line(total: dict[str, int], failed_stages: int) -> str:
    """`12 passed, 0 failed, 1 skipped`; a stage that broke without a failing test counts as one failure."""
    failed = max(total["failures"] + total["errors"], failed_stages)
    passed = total["tests"] - total["failures"] - total["errors"] - total["skipped"]
    return f"{passed} passed, {failed} failed, {total['skipped']} skipped"


def run(target: str, out: IO[bytes] | None) -> tuple[str, int, float]:
    """Run one target: its name, exit status and seconds; its output goes to `out`, else to ours."""
    options = f"{os.environ.get('PYTEST_ADDOPTS', '')} --junitxml={RESULTS / target}.xml"
    start = time.monotonic()
    command = [os.environ.get("MAKE", "make"), "--no-print-directory", target]
    environment = {**os.environ, "PYTEST_ADDOPTS": options}
    code = subprocess.run(command, env=environment, stdout=out, stderr=out).returncode
    return target, code, time.monotonic() - start


def run_together(targets: list[str]) -> list[tuple[str, int, float]]:
    """Run targets side by side, and show what each said once all are done."""
    if len(targets) == 1:
        return [run(targets[0], None)]
    with ExitStack() as stack, ThreadPoolExecutor(len(targets)) as pool:
        outputs = [stack.enter_context(TemporaryFile()) for _ in targets]
        rows = list(pool.map(run, targets, outputs))
        for target, output in zip(targets, outputs, strict=True):
            output.seek(0)
            print(f"---- {target}\n{output.read().decode(errors='replace')}", flush=True)
    return rows


def main(stages: list[str]) -> int:
    """Run the targets of the Makefile and print times and counts."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    for old in RESULTS.glob("*.xml"):
        old.unlink()
    start, rows = time.monotonic(), []
    for number, stage in enumerate(stages, 1):
        print(f"\n==== {number}/{len(stages)} {stage} " + "=" * 60, flush=True)
        rows += run_together(stage.split("+"))
    print("\n==== stages " + "=" * 66)
    for target, code, seconds in rows:
        print(f"{target:12} {'ok' if code == 0 else 'FAILED':8} {seconds:6.0f} s")
    print(f"{'all':12} {'':8} {time.monotonic() - start:6.0f} s\n")
    failed_stages = sum(code != 0 for _, code, _ in rows)
    print(closing_line(counts(RESULTS), failed_stages), flush=True)
    return 1 if failed_stages else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
