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


def test_a_sweep_leaves_an_atlas_and_goes_on(tmp_path, capsys):
    import saewidgets as sw

    (tmp_path / "text.txt").write_text("Mira saw a red boat.\n" * 300)
    command = ["sweep", "demo", str(tmp_path / "text.txt"), "--store", str(tmp_path / "atlas"), "--length", "32"]
    assert main(command) == 0
    assert "tokens a second" in capsys.readouterr().out
    before = (tmp_path / "atlas" / "site-0" / "000000.json").stat().st_mtime_ns
    assert main(command) == 0
    assert (tmp_path / "atlas" / "site-0" / "000000.json").stat().st_mtime_ns == before
    assert set(sw.Atlas.open(tmp_path / "atlas").sites) == set(sw.demo().dictionaries)


def test_a_sweep_takes_dictionaries_from_folders(tmp_path, capsys):
    import saewidgets as sw
    from saewidgets.demo import load

    sw.demo().dictionaries["resid_post.1@small"].save(tmp_path / "sae.safetensors")
    (tmp_path / "text.txt").write_text("Mira saw a red boat.\n" * 100)
    model = str(load.ASSETS / "model")
    place = ["--dictionary", str(tmp_path / "sae.safetensors"), "--store", str(tmp_path / "atlas"), "--length", "32"]
    assert main(["sweep", model, str(tmp_path / "text.txt"), *place]) == 0
    assert sw.Atlas.open(tmp_path / "atlas").sites == ("resid_post.1",)
    assert main(["sweep", model, str(tmp_path / "no.txt"), *place]) == 1
    assert "no.txt" in capsys.readouterr().err


def test_a_sweep_that_is_interrupted_says_so(tmp_path, capsys, monkeypatch):
    import saewidgets as sw

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(sw.Scope, "sweep", stop)
    assert main(["sweep", "demo", "text.txt"]) == 130
    assert "goes on" in capsys.readouterr().err


def test_the_doctor_says_what_is_there(capsys):
    assert main(["doctor"]) == 0
    assert "torch" in capsys.readouterr().out
