"""Does JupyterLab, wherever it is installed, find a kernel that has this package, and the files widgets need?"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from saewidgets.doctor.check import Check, ask
from saewidgets.doctor.installed import in_range, needed

MANAGER, ANYWIDGET = "@jupyter-widgets/jupyterlab-manager", "anywidget"
_HAS = "import importlib.util as u, sys; sys.exit(u.find_spec('saewidgets') is None)"


@dataclass(frozen=True)
class Lab:
    """The JupyterLab that a shell would start.

    Args:
        python: Its interpreter.
        data, config: Where it looks for what others installed.
        kernels: Name of a Python kernel -> the interpreter it starts.
    """

    python: str
    data: tuple[Path, ...] = ()
    config: tuple[Path, ...] = ()
    kernels: dict[str, str] = field(default_factory=dict)


def find_lab() -> Lab | None:
    """The JupyterLab of this environment, else the first on the path; `None` where there is none."""
    for command in (Path(sys.executable).with_name("jupyter-lab"), shutil.which("jupyter-lab")):
        python = None if command is None else _interpreter(Path(command))
        if python is not None:
            break
    else:
        return None
    paths = _json(ask([python, "-m", "jupyter", "--paths", "--json"]).out)
    specs = _json(ask([python, "-m", "jupyter_client.kernelspecapp", "list", "--json"]).out).get("kernelspecs", {})
    data, config = (tuple(map(Path, paths.get(kind, ()))) for kind in ("data", "config"))
    return Lab(python, data, config, dict(_pythons(specs, python)))


def _interpreter(command: Path) -> str | None:
    """The Python that a script of pip starts, from its first line."""
    try:
        with command.open("rb") as file:
            first = file.readline(1000).decode("utf-8", "replace").strip()
    except OSError:
        return None
    python = first.removeprefix("#!").split()[:1]
    return python[0] if first.startswith("#!") and python and Path(python[0]).name.startswith("python") else None


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _pythons(specs: dict[str, Any], lab: str) -> Iterable[tuple[str, str]]:
    for name, entry in specs.items():
        spec = entry.get("spec", {})
        program = str(next(iter(spec.get("argv", [])), ""))
        if spec.get("language") == "python" and Path(program).name.startswith("python"):
            # Jupyter puts its own interpreter where a kernel says only "python".
            yield name, program if Path(program).is_absolute() else lab


def kernels(lab: Lab | None) -> list[Check]:
    """Whether a kernel that JupyterLab offers has this package.

    Args:
        lab: From `find_lab`.
    """
    if lab is None:
        todo = f"{sys.executable} -m pip install 'saewidgets[lab]'; or use marimo, or a JupyterLab of another machine."
        return [Check("JupyterLab", "note", "no JupyterLab here or on the PATH", todo)]
    checks = []
    if _environment(lab.python) != _environment(sys.executable):
        found = f"JupyterLab runs in {_environment(lab.python)}, saewidgets is in {_environment(sys.executable)}"
        checks.append(Check("environment", "note", found, "That is fine if a kernel below leads here."))
    gone = [name for name, python in lab.kernels.items() if not Path(python).exists()]
    checks += [
        Check("kernels", "note", f"{name!r} starts {lab.kernels[name]}, which is not there",
              f"jupyter kernelspec remove {name}")
        for name in gone
    ]  # fmt: skip
    have = {name: not ask([python, "-c", _HAS]).fault for name, python in lab.kernels.items() if name not in gone}
    good = [name for name, has in have.items() if has]
    other = [f"{name} ({lab.kernels[name]})" for name, has in have.items() if not has]
    if not good:
        found = f"no kernel of JupyterLab has saewidgets: {', '.join(other) or 'there is none for Python'}"
        todo = (
            f"{sys.executable} -m pip install ipykernel && {sys.executable} -m ipykernel install --user "
            "--name saewidgets; then choose the kernel “saewidgets” in the notebook."
        )
        return [*checks, Check("kernels", "fault", found, todo)]
    if other:
        found = f"{', '.join(good)} has saewidgets; {', '.join(other)} has not"
        return [*checks, Check("kernels", "note", found, f"Choose {good[0]} in the notebook.")]
    return [*checks, Check("kernels", "ok", ", ".join(good))]


def _environment(python: str) -> Path:
    """The folder of an environment; of the interpreter as named, for a venv's is a link to another."""
    return Path(python).absolute().parent.parent.resolve()


def extensions(lab: Lab | None) -> list[Check]:
    """Whether JupyterLab has the front ends of ipywidgets and anywidget, switched on.

    Args:
        lab: From `find_lab`.
    """
    if lab is None:
        return []
    return [_extension(lab, MANAGER, "jupyterlab_widgets"), _extension(lab, ANYWIDGET, "anywidget")]


def _extension(lab: Lab, name: str, package: str) -> Check:
    title, install = f"lab: {package}", f"{lab.python} -m pip install {package}"
    files = [folder / "labextensions" / name / "package.json" for folder in lab.data]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        found = f"JupyterLab ({lab.python}) does not have {name}: cells say “Error displaying widget”"
        return Check(title, "fault", found, f"{install}, then restart JupyterLab.")
    if _switched_off(lab, name):
        return Check(title, "fault", "installed, but switched off", f"jupyter labextension enable {name}")
    version, need = str(_read(file).get("version", "")), needed(package)
    if need is not None and not in_range(version, need):
        todo = f"{lab.python} -m pip install '{need.name}{need.specifier}', then restart JupyterLab."
        return Check(title, "fault", f"{version} in JupyterLab, where {need.specifier} is needed", todo)
    return Check(title, "ok", version or "there")


def _switched_off(lab: Lab, name: str) -> bool:
    off: set[str] = set()
    for folder in lab.config:
        given = _read(folder / "labconfig" / "page_config.json").get("disabledExtensions", {})
        off |= {key for key, value in given.items() if value} if isinstance(given, dict) else set(given)
    return any(entry == name or entry.startswith(f"{name}:") for entry in off)


def _read(file: Path) -> dict[str, Any]:
    try:
        return _json(file.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return {}
