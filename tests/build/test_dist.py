"""What is packed, and whether it works where nothing else of the repository is. `make dist` builds, then runs this."""

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import saewidgets
from tests.build.sdist import unpack

ROOT = Path(__file__).parents[2]
DIST = ROOT / "dist"
WHEEL_LIMIT = 22e6  # the embedded model may take 20 MB


def one(pattern: str) -> Path:
    found = list(DIST.glob(pattern))
    assert len(found) == 1, f"{len(found)} files {pattern} in dist: run `make dist`."
    return found[0]


@pytest.fixture(scope="module")
def wheel() -> dict[str, int]:
    """Path and size of everything in the wheel."""
    with zipfile.ZipFile(one("*.whl")) as archive:
        return {entry.filename: entry.file_size for entry in archive.infolist()}


@pytest.fixture(scope="module")
def sdist() -> dict[str, int]:
    """Path and size of everything in the sdist, without its top folder."""
    with tarfile.open(one("*.tar.gz")) as archive:
        return {entry.name.partition("/")[2]: entry.size for entry in archive if entry.isfile()}


def tracked_assets() -> list[str]:
    folder = ROOT / "saewidgets" / "demo" / "assets"
    return [path.relative_to(ROOT).as_posix() for path in folder.rglob("*") if path.is_file()]


def test_wheel_has_what_a_user_needs(wheel: dict[str, int]) -> None:
    assert wheel.get("saewidgets/static/widget.js", 0) > 1000
    for view in (
        "heatmap",
        "training",
        "frontier",
        "dictionary_report",
        "feature_dashboard",
        "feature_table",
        "circuit",
        "explorer",
        "patch_map",
        "compare",
        "contrast",
    ):
        assert wheel.get(f"saewidgets/static/page-{view}.js", 0) > 1000
    for name in ("shim", "live", "live-heatmap", "live-views"):
        assert wheel.get(f"saewidgets/static/{name}.js", 0) > 60
    assert wheel.get("saewidgets/py.typed") == 0
    assets = tracked_assets()
    assert [name for name in assets if name.endswith(".safetensors")], "no embedded model in the repository"
    assert [name for name in assets if name not in wheel] == []


def test_wheel_has_nothing_else(wheel: dict[str, int]) -> None:
    info = f"saewidgets-{saewidgets.__version__}.dist-info/"
    data = f"saewidgets-{saewidgets.__version__}.data/data/etc/jupyter/"
    strange = [name for name in wheel if not name.startswith(("saewidgets/", info, data))]
    assert strange == []
    assert [
        name for name in wheel if re.search(r"__pycache__|\.py[co]$|node_modules|\.ipynb_checkpoints|\.map$", name)
    ] == []
    assert one("*.whl").stat().st_size <= WHEEL_LIMIT


def test_server_extension_is_off() -> None:
    with zipfile.ZipFile(one("*.whl")) as archive:
        configs = [name for name in archive.namelist() if "/etc/jupyter/" in name]
        assert len(configs) == 1
        assert b'"saewidgets.server": false' in archive.read(configs[0])


def test_metadata() -> None:
    with zipfile.ZipFile(one("*.whl")) as archive:
        name = next(name for name in archive.namelist() if name.endswith("dist-info/METADATA"))
        metadata = archive.read(name).decode()
    assert f"Version: {saewidgets.__version__}\n" in metadata
    assert "License-Expression: MIT\n" in metadata
    assert "Requires-Python: >=3.11\n" in metadata


def test_sdist_can_be_rebuilt_with_and_without_node(sdist: dict[str, int]) -> None:
    for name in (
        "saewidgets/static/widget.js",  # without
        "saewidgets/static/page-heatmap.js",
        "saewidgets/static/shim.js",
        "saewidgets/static/live.js",
        "saewidgets/static/live-heatmap.js",
        "saewidgets/static/live-views.js",
        "js/package.json",  # with
        "js/package-lock.json",
        "js/src/payloads.ts",
        "hatch_build.py",
        "pyproject.toml",
        "constraints.txt",
        "Makefile",
        "LICENSE",
        "README.md",
        "tests/conftest.py",
        "docs/conf.py",
        *tracked_assets(),
    ):
        assert name in sdist
    assert [name for name in sdist if re.search(r"(^|/)(node_modules|__pycache__|_build|\.venv)/", name)] == []


@pytest.mark.parametrize("missing", ["saewidgets/static/widget.js", "saewidgets/demo/assets"])
def test_build_refuses_an_empty_package(missing: str, tmp_path: Path) -> None:
    """The positive control of the hook: a tree without bundle or model makes no wheel."""
    tree = unpack(tmp_path / "tree")
    subprocess.run(["rm", "-r", str(tree / missing)], check=True)
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", str(tree)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert "before building the package" in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_wheel_runs_the_demo_in_a_fresh_environment(tmp_path: Path) -> None:
    venv, work = tmp_path / "venv", tmp_path / "work"
    work.mkdir()
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    python = str(venv / "bin" / "python")
    pip = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-c",
        str(ROOT / "constraints.txt"),
    ]
    subprocess.run([*pip, "torch"], check=True)
    subprocess.run([*pip, str(one("*.whl"))], check=True)

    # No display and no terminal, so that it does not open JupyterLab; no way to a hub; nothing of this repository.
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "PYTHONPATH", "PYTEST_ADDOPTS")
    clean = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(
        [str(venv / "bin" / "saewidgets"), "demo"],
        cwd=work,
        env={**clean, "HF_HUB_OFFLINE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stdout.splitlines()) > 5
    page = work / "saewidgets-demo.html"
    assert 10_000 < page.stat().st_size <= 250_000
    where = subprocess.run(
        [python, "-c", "import saewidgets; print(saewidgets.__file__)"],
        cwd=work,
        env=clean,
        capture_output=True,
        text=True,
    )
    assert where.stdout.startswith(str(venv)), "the demo ran from the repository, not from the wheel"
