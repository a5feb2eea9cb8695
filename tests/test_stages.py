"""The closing line of `make test` says what the stages said."""

from pathlib import Path

import pytest

from tests.stages import closing_line, counts, main


def test_counts_are_summed(tmp_path: Path) -> None:
    for name, suite in {"a": 'tests="5" failures="1" errors="0" skipped="1"', "b": 'tests="3" skipped="0"'}.items():
        (tmp_path / f"{name}.xml").write_text(f"<testsuites><testsuite {suite}/></testsuites>")
    assert closing_line(counts(tmp_path), 1) == "6 passed, 1 failed, 1 skipped"


def test_a_broken_stage_counts_without_a_failed_test(tmp_path: Path) -> None:
    assert closing_line(counts(tmp_path), 2) == "0 passed, 2 failed, 0 skipped"


@pytest.mark.parametrize(("code", "last"), [(0, "0 passed, 0 failed, 0 skipped"), (3, "0 passed, 2 failed, 0 skipped")])
def test_exit_status(
    code: int, last: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    tool = tmp_path / "make"
    tool.write_text(f'#!/bin/sh\necho "ran $2"\nexit {code}\n')
    tool.chmod(0o755)
    monkeypatch.setenv("MAKE", str(tool))
    monkeypatch.chdir(tmp_path)
    assert main(["lint", "unit"]) == min(code, 1)
    out = capfd.readouterr().out
    assert "ran lint" in out
    assert "ran unit" in out
    assert out.splitlines()[-1] == last


def test_side_by_side_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each waits until the other has begun; one fails."""
    tool = tmp_path / "make"
    tool.write_text(
        '#!/bin/sh\ntouch "began $2"\nwhile [ ! -e "began docs" ] || [ ! -e "began dist" ]; do sleep 0.05; done\n'
        'echo "ran $2"\necho "said by $2" >&2\n[ "$2" != docs ]\n'
    )
    tool.chmod(0o755)
    monkeypatch.setenv("MAKE", str(tool))
    monkeypatch.chdir(tmp_path)
    assert main(["docs+dist"]) == 1
    out = capfd.readouterr().out
    for target in ("docs", "dist"):
        assert f"---- {target}\nran {target}\nsaid by {target}\n" in out
    assert "docs         FAILED" in out
    assert "dist         ok" in out
    assert out.splitlines()[-1] == "0 passed, 1 failed, 0 skipped"
