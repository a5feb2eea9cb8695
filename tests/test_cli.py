"""The command line, in this process and as a user types it."""

import os
import shutil
import subprocess
import sys

import pytest

from saewidgets.cli import main
from saewidgets.cli.demo import _jupyter


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


def test_without_a_display_the_demo_says_how_to_open_a_notebook(demo, tmp_path):
    folder, done = demo
    command = done.stdout.split("open a notebook:")[1].split()
    assert ("--allow-root" in command) is (os.geteuid() == 0), "Jupyter refuses root otherwise"
    # The PATH of a person who did not activate the environment.
    answer = subprocess.run(
        [*command, "--version"], cwd=folder, env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("on_the_path", [True, False])
def test_the_jupyter_that_is_named_is_this_environments(on_the_path, tmp_path, monkeypatch):
    own = tmp_path / ".venv" / "bin" / "jupyter"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(own.with_name("python")))
    monkeypatch.setattr(shutil, "which", lambda _name: str(own) if on_the_path else "/usr/bin/jupyter")
    assert _jupyter() == ("jupyter" if on_the_path else ".venv/bin/jupyter")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert _jupyter() == ("jupyter" if on_the_path else str(own))


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


def test_a_dictionary_is_trained_and_measured(tmp_path, capsys, monkeypatch):
    import pandas as pd

    import saewidgets as sw

    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("Mira saw a red boat.\nTom gave Anna the key.\n" * 300)
    size = ["--d-dict", "64", "--k", "4", "--steps", "60", "--set", "batch_size=64", "--set", "norm=rms"]
    command = ["train", "demo", "resid_post.1", "text.txt", *size, "--folder", "run"]
    assert main([*command, "--output", "mine.safetensors"]) == 0
    assert "FVU" in capsys.readouterr().out
    same = sw.train_dictionary(
        sw.demo().model, "resid_post.1", "text.txt", d_dict=64, k=4, steps=60, batch_size=64, norm="rms"
    )
    same.save("same.safetensors")
    assert (tmp_path / "mine.safetensors").read_bytes() == (tmp_path / "same.safetensors").read_bytes()
    assert main(["evaluate", "demo", "text.txt", "--dictionary", "mine.safetensors", "--length", "32",
                 "--contexts", "16", "--output", "numbers.csv"]) == 0  # fmt: skip
    table = pd.read_csv("numbers.csv")
    scope = sw.Scope(sw.demo().model, same)
    asked = sw.evaluate(scope, "text.txt", length=32, contexts=16).to_frame()
    assert table["value"].tolist() == pytest.approx(asked["value"].tolist(), nan_ok=True)
    assert set(table["kind"]) == {"dictionary", "PCA", "random", "frozen decoder"}
    assert "FVU" in capsys.readouterr().out


@pytest.mark.parametrize("setting", ["k", "=3", "a b=3", "sparsty=2"])
def test_a_setting_that_is_none(setting, tmp_path, capsys):
    (tmp_path / "text.txt").write_text("Mira saw a red boat.\n" * 300)
    assert main(["train", "demo", "resid_post.1", str(tmp_path / "text.txt"), "--set", setting]) == 1
    assert capsys.readouterr().err.startswith("saewidgets: ")


def test_training_that_is_interrupted_says_what_is_kept(capsys, monkeypatch):
    import saewidgets as sw

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(sw, "train_dictionary", stop)
    assert main(["train", "demo", "resid_post.1", "text.txt"]) == 130
    assert "nothing was kept" in capsys.readouterr().err
    assert main(["train", "demo", "resid_post.1", "text.txt", "--folder", "run"]) == 130
    assert "goes on" in capsys.readouterr().err


def test_a_saved_view_becomes_files_without_torch(tmp_path, monkeypatch, capsys):
    import saewidgets as sw

    monkeypatch.chdir(tmp_path)
    with sw.TokenHeatmap(sw.demo(), "Mira saw a red boat.") as view:
        view.save("boat.sae")
        caption, svg = sw.caption(view), view.to_svg(style=sw.figure_style("nature", greyscale=True))
        frame = view.to_frame()
    names = [f"boat{suffix}" for suffix in (".html", ".svg", ".pdf", ".png", ".csv")]
    code = "import sys; from saewidgets.cli import main; print(main(sys.argv[1:]), 'torch' in sys.modules)"
    command = ["export", "boat.sae", *names, "--style", "nature", "--greyscale"]
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines()[-1] == "0 False", done.stderr
    assert (tmp_path / "boat.svg").read_text() == svg
    assert len((tmp_path / "boat.csv").read_text().splitlines()) == len(frame) + 1
    assert all((tmp_path / name).stat().st_size > 100 for name in names)
    assert main(["export", "boat.sae"]) == 0
    assert capsys.readouterr().out == caption + "\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["boat.sae", "boat.gif"], ".svg"),
        (["no.sae"], "Cannot read"),
        (["boat.sae", "no/boat.svg"], "Make its folder"),
        (["boat.sae", "boat.svg", "--style", "natur"], "nature"),
    ],
)
def test_an_export_that_cannot_be(arguments, said, tmp_path, monkeypatch, capsys):
    import saewidgets as sw

    monkeypatch.chdir(tmp_path)
    with sw.TokenHeatmap(sw.demo(), "Mira saw a red boat.") as view:
        view.save("boat.sae")
    assert main(["export", *arguments]) == 1
    assert said in capsys.readouterr().err
