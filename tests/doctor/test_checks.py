"""The checks one by one, where no other process is needed, or a small one."""

import os
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from saewidgets.doctor import installed, jupyter, machine
from saewidgets.doctor.check import Answer, ask
from saewidgets.doctor.frontend import demo_model, front_end
from saewidgets.doctor.jupyter import ANYWIDGET, MANAGER, Lab, extensions, find_lab, kernels


def states(checks):
    names = {"lab: jupyterlab_widgets": MANAGER, "lab: anywidget": ANYWIDGET}
    return {names.get(check.name, check.name): check.state for check in checks}


class TestPackages:
    def test_one_that_is_missing(self, monkeypatch):
        real = metadata.version

        def version(name):
            if name in ("nnsight", "jupyterlab"):
                raise metadata.PackageNotFoundError(name)
            return real(name)

        monkeypatch.setattr(metadata, "version", version)
        found = {check.name: check for check in installed.packages()}
        assert found["nnsight"].state == "fault" and "pip install 'nnsight" in found["nnsight"].remedy
        assert found["jupyterlab"].state == "note", "JupyterLab may be in another environment"

    def test_this_package_itself(self, monkeypatch):
        def gone(name):
            raise metadata.PackageNotFoundError(name)

        monkeypatch.setattr(metadata, "requires", gone)
        (check,) = installed.packages()
        assert check.state == "fault" and "make setup" in check.remedy

    @pytest.mark.parametrize(
        ("version", "fits"),
        [("0.11.0", True), ("0.11.9.dev1", True), ("0.12.0", False), ("0.10.9", False), ("", False), ("x", False)],
    )
    def test_ranges(self, version, fits):
        assert installed.in_range(version, Requirement("anywidget>=0.11,<0.12")) is fits

    def test_a_build_for_one_machine_is_in_range(self):
        assert installed.in_range("2.9.0+cpu", Requirement("torch>=2.6"))


class TestFrontEnd:
    @pytest.fixture
    def package(self, tmp_path) -> Path:
        static = tmp_path / "saewidgets" / "static"
        static.mkdir(parents=True)
        for name in ("widget.js", "shim.js", "live.js", "live-heatmap.js", "live-views.js", "page-report.js"):
            (static / name).write_text("export {}")
        return static.parent

    def sources(self, package, age):
        source = package.parent / "js" / "src" / "widget.ts"
        source.parent.mkdir(parents=True)
        source.write_text("")
        os.utime(source, (time.time() + age,) * 2)

    def test_there(self, package):
        assert front_end(package).state == "ok"
        self.sources(package, -100)
        assert front_end(package).state == "ok"

    @pytest.mark.parametrize("name", ["widget.js", "shim.js", "live-views.js"])
    def test_missing(self, package, name):
        (package / "static" / name).unlink()
        check = front_end(package)
        assert (check.state, name in check.found) == ("fault", True)
        assert "wheel" in check.remedy

    def test_empty_in_a_clone(self, package):
        self.sources(package, -100)
        (package / "static" / "widget.js").write_text("")
        assert "make js" in front_end(package).remedy

    def test_stale(self, package):
        self.sources(package, 100)
        check = front_end(package)
        assert check.state == "fault" and "widget.ts" in check.found and "restart" in check.remedy

    def test_no_model(self, package):
        assert demo_model(package).state == "fault"


class TestKernels:
    @pytest.fixture(autouse=True)
    def as_installed(self, monkeypatch):
        monkeypatch.delenv("PYTHONPATH", raising=False)  # it would give this package to every interpreter

    def test_this_one(self):
        assert kernels(Lab(sys.executable, kernels={"python3": sys.executable}))[-1].state == "ok"

    def test_wrong_environment(self, empty_environment):
        """JupyterLab and its only kernel are elsewhere: the usual fault."""
        found = kernels(Lab(str(empty_environment), kernels={"python3": str(empty_environment)}))
        assert states(found) == {"environment": "note", "kernels": "fault"}
        assert str(empty_environment) in found[-1].found
        assert f"{sys.executable} -m ipykernel install --user" in found[-1].remedy

    def test_one_of_two(self, empty_environment):
        both = {"python3": str(empty_environment), "mine": sys.executable}
        (*_, check) = kernels(Lab(sys.executable, kernels=both))
        assert check.state == "note" and check.remedy == "Choose mine in the notebook."

    def test_an_interpreter_that_is_gone(self, tmp_path):
        found = kernels(Lab(sys.executable, kernels={"old": str(tmp_path / "python"), "python3": sys.executable}))
        assert [check.state for check in found] == ["note", "ok"]
        assert found[0].remedy == "jupyter kernelspec remove old"

    def test_no_jupyterlab(self):
        (check,) = kernels(None)
        assert check.state == "note" and "saewidgets[lab]" in check.remedy
        assert extensions(None) == []

    def test_the_lab_of_this_environment_is_found(self):
        lab = find_lab()
        assert lab is not None and Path(lab.python).samefile(sys.executable)
        assert set(lab.kernels.values()) >= {lab.python}

    def test_a_kernel_named_by_its_interpreter(self, empty_environment, tmp_path, monkeypatch):
        """As `jupyter kernelspec list` gives it, from a spec on the disk."""
        spec = tmp_path / "kernels" / "elsewhere" / "kernel.json"
        spec.parent.mkdir(parents=True)
        argv = f'["{empty_environment}", "-m", "ipykernel_launcher"]'
        spec.write_text(f'{{"argv": {argv}, "display_name": "E", "language": "python"}}')
        monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
        lab = find_lab()
        assert lab is not None and lab.kernels["elsewhere"] == str(empty_environment)

    @pytest.mark.parametrize("script", ["", "\x00\xff", "#!/bin/sh\n", "#!", "#!/usr/bin/env perl\n"])
    def test_a_command_that_is_no_script_of_pip(self, script, tmp_path):
        command = tmp_path / "jupyter-lab"
        command.write_bytes(script.encode("latin-1"))
        assert jupyter._interpreter(command) is None


class TestExtensions:
    @pytest.fixture
    def lab(self, tmp_path) -> Lab:
        for name, version in ((MANAGER, "5.0.13"), (ANYWIDGET, "0.11.0")):
            file = tmp_path / "data" / "labextensions" / name / "package.json"
            file.parent.mkdir(parents=True)
            file.write_text(f'{{"version": "{version}"}}')
        return Lab(sys.executable, (tmp_path / "none", tmp_path / "data"), (tmp_path / "config",))

    def test_there(self, lab):
        assert states(extensions(lab)) == {MANAGER: "ok", ANYWIDGET: "ok"}

    def test_missing(self, lab):
        (lab.data[1] / "labextensions" / MANAGER / "package.json").unlink()
        manager, _ = extensions(lab)
        assert manager.state == "fault" and "pip install jupyterlab_widgets" in manager.remedy

    @pytest.mark.parametrize("off", [f'{{"{MANAGER}": true}}', f'["{MANAGER}"]', f'{{"{MANAGER}:plugin": true}}'])
    def test_switched_off(self, lab, off):
        page = lab.config[0] / "labconfig" / "page_config.json"
        page.parent.mkdir(parents=True)
        page.write_text(f'{{"disabledExtensions": {off}}}')
        assert states(extensions(lab)) == {MANAGER: "fault", ANYWIDGET: "ok"}

    def test_switched_on_again(self, lab):
        page = lab.config[0] / "labconfig" / "page_config.json"
        page.parent.mkdir(parents=True)
        page.write_text(f'{{"disabledExtensions": {{"{MANAGER}": false}}}}')
        assert states(extensions(lab))[MANAGER] == "ok"

    def test_an_old_one_in_jupyterlab(self, lab):
        (lab.data[1] / "labextensions" / ANYWIDGET / "package.json").write_text('{"version": "0.9.3"}')
        _, found = extensions(lab)
        assert found.state == "fault" and "0.9.3" in found.found and "pip install 'anywidget" in found.remedy

    def test_damaged(self, lab):
        (lab.data[1] / "labextensions" / ANYWIDGET / "package.json").write_text("{")
        assert states(extensions(lab))[ANYWIDGET] == "fault"


class TestMachine:
    def test_a_gpu_is_named(self):
        found = {"gpu": "NVIDIA H200", "mps": False, "cuda": "12.8"}
        assert machine._gpu(found).state == "ok" and "H200" in machine._gpu(found).found

    @pytest.mark.parametrize(("driver", "cuda"), [(True, None), (True, "12.8"), (False, None)])
    def test_a_gpu_that_torch_does_not_see(self, driver, cuda, monkeypatch):
        monkeypatch.setattr(machine, "has_driver", lambda: driver)
        check = machine._gpu({"gpu": None, "mps": False, "cuda": cuda})
        assert check.state == "note" and bool(check.remedy) == driver
        assert ("12.8" in check.found) == (cuda is not None)

    def test_a_cache_nobody_keeps(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "huggingface_hub.constants", None)
        assert machine.cache().state == "note"

    def test_a_cache_without_permission(self, monkeypatch, tmp_path):
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "a" / "hub"))
        assert machine.cache().state == "ok"
        monkeypatch.setattr(os, "access", lambda *_: False)
        check = machine.cache()
        assert check.state == "fault" and f"no permission to write in {tmp_path}" in check.found
        assert not (tmp_path / "a").exists(), "it looks, and makes nothing"


def test_a_program_that_is_not_there_or_fails():
    assert ask(["/no/such/program"]).fault
    assert ask([sys.executable, "-c", "raise SystemExit('sorry')"]) == Answer("", "sorry")
    assert ask([sys.executable, "-c", "print(1)"]) == Answer("1\n")


def test_a_program_that_hangs_is_left(monkeypatch):
    monkeypatch.setattr("saewidgets.doctor.check.SECONDS", 0.2)
    assert ask([sys.executable, "-c", "import time; time.sleep(60)"]) == Answer("", "no answer within 0.2 s")
