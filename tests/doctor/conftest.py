"""Broken installations to look at: each is made in a temporary folder, none touches this environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def doctor(tmp_path):
    """`saewidgets doctor --json` in a process with another environment: exit status, and checks by name."""

    def call(*arguments: str, paths: tuple[Path, ...] = (), **variables: str):
        clean = {"HF_HOME": str(tmp_path / "hub"), "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime")}
        place = os.pathsep.join(map(str, (*paths, ROOT)))
        done = subprocess.run(
            [sys.executable, "-m", "saewidgets.cli", "doctor", "--json", *arguments],
            capture_output=True, text=True, timeout=290, cwd=tmp_path,
            env={**os.environ, **clean, "PYTHONPATH": place, **variables},
        )  # fmt: skip
        assert done.stdout, done.stderr
        said = json.loads(done.stdout)
        assert said["faults"] == sum(check["state"] == "fault" for check in said["checks"])
        return done.returncode, {check["name"]: check for check in said["checks"]}

    return call


def install(folder: Path, name: str, version: str) -> Path:
    """A package that is nothing but its version, found before the real one."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return folder


@pytest.fixture(scope="session")
def empty_environment(tmp_path_factory) -> Path:
    """The interpreter of an environment without any package."""
    folder = tmp_path_factory.mktemp("other") / "venv"
    venv.create(folder, with_pip=False, symlinks=True)
    return folder / "bin" / "python"
