"""The command line, in this process and as a user types it."""

import subprocess
import sys

import pytest

from saewidgets.cli import main


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [sys.executable, "-m", "saewidgets.cli", "demo"], cwd=folder, capture_output=True, text=True, timeout=300
    )
    return folder, done


def test_the_demo_prints_features_and_one_ablation_and_ends_well(demo):
    _, done = demo
    assert done.returncode == 0, done.stderr
    assert "Strongest features" in done.stdout and "sw.ablate(" in done.stdout and "nats KL" in done.stdout
    assert "jupyter lab" in done.stdout, "without a display it says how to open the notebook"


def test_the_demo_writes_one_small_page(demo):
    folder, _ = demo
    page = folder / "saewidgets-demo.html"
    assert [p.name for p in folder.iterdir()] == [page.name]
    assert 10_000 < page.stat().st_size <= 250_000


def test_the_ablation_it_prints_is_the_one_the_scope_computes(demo, scope):
    import re

    import saewidgets as sw

    _, done = demo
    prompt = re.search("“(.*)”", done.stdout)[1]
    edit = eval(re.search(r"sw\.ablate\('[^']*'\)", done.stdout)[0], {"sw": sw})
    table = scope.run(prompt).difference(scope.run(prompt, [edit])).predictions(n=5)
    for row in table.itertuples():
        assert f"{row.before:.2f} → {row.after:.2f}" in done.stdout


@pytest.mark.parametrize("arguments", [["demo", "--prompt", "", "--no-lab"], ["demo", "--prompt", "x " * 2000]])
def test_bad_input_is_one_sentence_on_stderr(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("saewidgets: ") and "Traceback" not in error
    assert not list(tmp_path.iterdir())


def test_a_page_that_cannot_be_written(tmp_path, capsys):
    assert main(["demo", "--no-lab", "--output", str(tmp_path / "no" / "page.html")]) == 1
    assert "Cannot write" in capsys.readouterr().err


def test_the_doctor_says_what_is_there(capsys):
    assert main(["doctor"]) == 0
    assert "torch" in capsys.readouterr().out
