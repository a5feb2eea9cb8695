"""`saewidgets doctor` as a whole, on faults that are really there."""

import json
import sys

import pytest

from saewidgets.cli import main
from saewidgets.doctor import Check
from tests.doctor.conftest import install


@pytest.mark.slow
def test_a_sound_installation_has_no_fault(doctor):
    status, checks = doctor()
    assert status == 0, checks
    assert {name for name, check in checks.items() if check["state"] == "ok"} >= {
        "torch", "anywidget", "ipywidgets", "jupyterlab", "front end", "demo model", "torch works", "cache",
        "lab: jupyterlab_widgets", "lab: anywidget",
    }  # fmt: skip
    assert checks["websocket"]["state"] == "note" and "--url" in checks["websocket"]["remedy"]


@pytest.mark.slow
def test_everything_at_once(doctor, tmp_path):
    """Old packages, a torch that cannot be imported, a cache that is a file: all are found, none hides another."""
    old = install(tmp_path / "old", "ipywidgets", "7.8.5")
    install(old, "anywidget", "0.9.21")
    install(old, "jupyterlab", "3.6.8")
    install(old, "transformers", "not-a-version")
    (old / "torch").mkdir()
    (old / "torch" / "__init__.py").write_text("raise ImportError('libcudart.so.12: cannot open shared object file')\n")
    (tmp_path / "file").write_text("")
    status, checks = doctor(paths=(old,), HF_HOME=str(tmp_path / "file" / "hub"))
    assert status == 1
    for name, version in (("ipywidgets", "7.8.5"), ("anywidget", "0.9.21"), ("jupyterlab", "3.6.8")):
        assert checks[name]["state"] == "fault"
        assert version in checks[name]["found"]
        assert f"{sys.executable} -m pip install '{name}" in checks[name]["remedy"]
    assert checks["transformers"]["state"] == "fault"
    assert "libcudart" in checks["torch works"]["found"] and checks["torch works"]["state"] == "fault"
    assert "file is no folder" in checks["cache"]["found"] and "HF_HOME" in checks["cache"]["remedy"]


def faulty(url):
    return [Check("torch", "ok", "2.9"), Check("front end", "fault", f"missing {url}", "Run `make js`.")]


@pytest.mark.parametrize("arguments", [[], ["--json"], ["--url", "http://127.0.0.1:1/"]])
def test_what_is_printed_and_the_status(arguments, monkeypatch, capsys):
    monkeypatch.setattr("saewidgets.doctor.examine", faulty)
    assert main(["doctor", *arguments]) == 1
    said = capsys.readouterr().out
    if arguments == ["--json"]:
        assert json.loads(said)["checks"][1]["remedy"] == "Run `make js`."
    else:
        assert "→ Run `make js`." in said and said.endswith("1 fault.\n")
    assert ("127.0.0.1:1" in said) == ("--url" in arguments)
    monkeypatch.setattr("saewidgets.doctor.examine", lambda url: faulty(url)[:1])
    assert main(["doctor", *arguments]) == 0
