"""The same source gives the same bytes, whoever builds it, where and when. `make dist` builds, then runs this."""

import hashlib
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.build.sdist import unpack

ROOT = Path(__file__).parents[2]
EPOCH = 1_700_000_000  # 14 November 2023


def build(tree: Path, out: Path, epoch: int = EPOCH, **variables: str) -> dict[str, str]:
    """Name -> checksum of the wheel and the sdist of a tree."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(tree)]
    done = subprocess.run(
        command, env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch), **variables}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(out.iterdir())}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("here")
    return folder, build(unpack(folder / "tree"), folder / "dist")


def test_another_place_time_zone_and_hand(here: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    tree = unpack(tmp_path / "far")
    for path in tree.rglob("*"):  # files of another age, that their owner alone may read
        os.utime(path, (1_000_000_000,) * 2)
        path.chmod(0o700 if path.is_dir() else 0o600)
    made = build(tree, tmp_path / "dist", PYTHONHASHSEED="7", TZ="Asia/Tokyo", LC_ALL="C")
    assert len(made) == 2 and made == here[1]


def test_dates_are_those_of_the_source(here: tuple[Path, dict[str, str]]) -> None:
    folder, _ = here
    with tarfile.open(next((folder / "dist").glob("*.tar.gz"))) as archive:
        members = archive.getmembers()
    assert {member.mtime for member in members} == {EPOCH}
    assert {(member.uid, member.gid, member.uname) for member in members} == {(0, 0, "")}
    with zipfile.ZipFile(next((folder / "dist").glob("*.whl"))) as wheel:
        assert {info.date_time[:3] for info in wheel.infolist()} == {(2023, 11, 14)}


def test_another_commit_gives_other_bytes(here: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    """The comparison can fail: another date, and another byte in one file."""
    tree = unpack(tmp_path / "tree")
    later = build(tree, tmp_path / "later", EPOCH + 86_400)
    assert not set(later.values()) & set(here[1].values())
    changed = tree / "saewidgets" / "sites.py"
    changed.write_bytes(changed.read_bytes() + b"\n")
    assert not set(build(tree, tmp_path / "changed").values()) & set(here[1].values())


def test_the_front_end_too(tmp_path: Path) -> None:
    """Built again from its sources in another place, it is what was packed."""
    tree = unpack(tmp_path / "tree")
    static = tree / "saewidgets" / "static"
    packed = {file.name: file.read_bytes() for file in static.iterdir()}
    for file in static.iterdir():
        file.unlink()
    (tree / "js" / "node_modules").symlink_to(ROOT / "js" / "node_modules")
    subprocess.run(["node", "build.mjs"], cwd=tree / "js", check=True)
    assert packed and {file.name: file.read_bytes() for file in static.iterdir()} == packed
