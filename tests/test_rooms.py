"""The rooms of the design, read from the source: who may import whom, and what nobody may import.

Every rule is tried on a synthetic bad tree as well: a rule that cannot fire guards nothing.
"""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "saewidgets"

# Top to bottom: a room may import only itself and rooms above it. `saewidgets/__init__.py` is the door, no room: it
# names everything and imports it late, so only the last room may come in through it.
ROOMS = [
    "errors",
    "ready",  # imports the others by name, in IPython, when nobody waits
    "sites",
    "disk",  # the one door through which files are written
    "corpus",  # text as rows of token ids
    "payloads",
    "figures",  # of payloads, so that results of any room can show themselves
    "dictionaries",
    "model",
    "training",
    "interventions",
    "runs",
    "atlas",
    "explain",
    "evaluate",
    "causes",  # what carries a behaviour
    "circuits",
    "scope",
    "export",
    "widgets",
    "demo",
    "teach",
    "server",
    "doctor",
    "cli",
]

# Rooms that open without torch, so that a saved picture does: nothing they import may bring it, however far away.
TORCH_FREE = ["errors", "sites", "disk", "corpus", "payloads", "figures", "export", "widgets", "server", "doctor"]
TORCH = ["torch", "nnsight", "transformers"]

# These take text for a file name or an address, or show it as markup.
UNSAFE_DISPLAY = {"HTML", "Markdown", "SVG", "Image", "Javascript", "IFrame", "Latex", "Math", "FileLink", "*"}
UNPICKLERS = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}

Fault = tuple[str, int, str]


def modules(package: Path) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(package.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def for_type_checkers(tree: ast.Module) -> set[int]:
    """The lines under `if TYPE_CHECKING:`."""
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    return {line for block in blocks for node in block.body for line in range(node.lineno, (node.end_lineno or 0) + 1)}


def imports(path: Path, tree: ast.Module, package: Path) -> Iterator[tuple[int, str]]:
    """Every imported name in full, wherever it stands: at the top, in a function, for type checkers only."""
    here = [package.name, *path.relative_to(package).with_suffix("").parts]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*here[: len(here) - node.level], *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"


def room_of(name: str, package: Path) -> str | None:
    parts = name.split(".")
    return parts[1] if parts[0] == package.name and len(parts) > 1 else None


def upward_imports(package: Path) -> list[Fault]:
    faults = []
    for path, tree in modules(package):
        if path == package / "__init__.py":
            continue
        room = path.relative_to(package).parts[0].removesuffix(".py")
        if room not in ROOMS:
            faults.append((str(path.relative_to(package)), 0, f"{room} is no room: give it a place in ROOMS"))
            continue
        never_run = for_type_checkers(tree)
        for line, name in imports(path, tree, package):
            other = room_of(name, package)
            if line in never_run:  # naming the type of an argument makes no dependency
                continue
            if other is None and name.split(".")[0] == package.name and room != ROOMS[-1]:
                faults.append((str(path.relative_to(package)), line, "imports the door"))
            elif other in ROOMS and ROOMS.index(other) > ROOMS.index(room):
                faults.append((str(path.relative_to(package)), line, f"{room} imports {other}, which is below it"))
            elif other is not None and other not in ROOMS and not other.startswith("__"):
                faults.append((str(path.relative_to(package)), line, f"imports {other}, which is no room"))
    return faults


def nnsight_outside_model(package: Path) -> list[Fault]:
    return [
        (str(path.relative_to(package)), line, f"imports {name}")
        for path, tree in modules(package)
        for line, name in imports(path, tree, package)
        if name.split(".")[0] == "nnsight" and path.relative_to(package).parts[0] != "model"
    ]


def unpicklers(package: Path) -> list[Fault]:
    faults = [
        (str(path.relative_to(package)), line, f"imports {name}")
        for path, tree in modules(package)
        for line, name in imports(path, tree, package)
        if UNPICKLERS & set(name.split("."))
    ]
    for path, tree in modules(package):  # and the doors to pickle that other libraries have
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "weights_only"):
                safe = node.arg == "weights_only"
                if not (isinstance(node.value, ast.Constant) and node.value.value is safe):
                    faults.append((str(path.relative_to(package)), node.lineno, f"{node.arg} is not {safe}"))
            elif isinstance(node, ast.Attribute) and node.attr in ("read_pickle", "to_pickle"):
                faults.append((str(path.relative_to(package)), node.lineno, node.attr))
    return faults


def unsafe_display(package: Path) -> list[Fault]:
    faults = []
    for path, tree in modules(package):
        for line, name in imports(path, tree, package):
            home, _, last = name.rpartition(".")
            if home.startswith("IPython") and last in UNSAFE_DISPLAY:
                faults.append((str(path.relative_to(package)), line, f"imports {name}"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in UNSAFE_DISPLAY and "display" in ast.unparse(node.value):
                faults.append((str(path.relative_to(package)), node.lineno, ast.unparse(node)))
    return faults


RULES: dict[str, tuple[Callable[[Path], list[Fault]], dict[str, str]]] = {
    # rule -> (the check, a bad tree for it: file -> source)
    "no upward import": (
        upward_imports,
        {
            "payloads/a.py": "from saewidgets.dictionaries import Dictionary\n",
            "runs/b.py": "def late():\n    import saewidgets.widgets.base\n",
            "figures/c.py": "from ..widgets import TokenHeatmap\n",
            "sites.py": "from . import scope\n",
            "widgets/d.py": "import saewidgets\n",
            "export/e.py": "if TYPE_CHECKING:\n    import saewidgets.demo\nelse:\n    import saewidgets.demo\n",
            "helpers/f.py": "",
            "errors.py": "from saewidgets.nowhere import x\n",
        },
    ),
    "only model/ imports nnsight": (
        nnsight_outside_model,
        {"runs/a.py": "import nnsight\n", "scope.py": "def f():\n    from nnsight import NNsight\n"},
    ),
    "no pickle": (
        unpicklers,
        {
            "payloads/a.py": "import pickle\n",
            "dictionaries/b.py": "from torch.serialization import pickle\n",
            "runs/c.py": "import numpy as np\nnp.load('x', allow_pickle=True)\n",
            "atlas/d.py": "import torch\ntorch.load('x', weights_only=False)\n",
            "atlas/e.py": "import pandas as pd\npd.read_pickle('x')\n",
        },
    ),
    "no IPython.display of data": (
        unsafe_display,
        {
            "widgets/a.py": "from IPython.display import HTML\n",
            "widgets/b.py": "from IPython.core.display import Markdown as show\n",
            "widgets/c.py": "import IPython.display\nIPython.display.SVG('x')\n",
            "figures/d.py": "from IPython import display\ndisplay.HTML('x')\n",
            "figures/e.py": "from IPython.display import *\n",
        },
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_rule(rule: str) -> None:
    assert RULES[rule][0](PACKAGE) == []


@pytest.mark.parametrize("rule", RULES)
def test_rule_control(rule: str, tmp_path: Path) -> None:
    check, bad_tree = RULES[rule]
    package = tmp_path / "saewidgets"
    for name, source in bad_tree.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(source)
    assert {path for path, _, _ in check(package)} == set(bad_tree), "the rule did not fire on every bad file"


def test_rules_let_good_code_pass(tmp_path: Path) -> None:
    package = tmp_path / "saewidgets"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("from saewidgets.cli import main\n")
    (package / "cli.py").write_text("from saewidgets.scope import Scope\nfrom IPython.display import display\n")
    (package / "model" / "__init__.py").write_text("import nnsight\nfrom ..sites import Site\nfrom . import traced\n")
    (package / "model" / "traced.py").write_text("import torch\ntorch.load('x', weights_only=True)\n")
    (package / "runs.py").write_text("if TYPE_CHECKING:\n    from saewidgets.scope import Scope\n")
    assert [fault for check, _ in RULES.values() for fault in check(package)] == []


# ------------------------------------------------------------------------------------------ without torch, transitively

# Importing is tried for real, in a fresh interpreter in which torch cannot be imported at all.
WITHOUT_TORCH = """
import importlib, pkgutil, sys
for name in {banned}:
    sys.modules[name] = None
sys.path.insert(0, {parent!r})
room = importlib.import_module("saewidgets.{room}")
for found in pkgutil.walk_packages(getattr(room, "__path__", []), room.__name__ + "."):
    importlib.import_module(found.name)
"""


def import_without_torch(room: str, package: Path) -> subprocess.CompletedProcess[str]:
    code = WITHOUT_TORCH.format(banned=TORCH, parent=str(package.parent), room=room)
    return subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, cwd=package.parent)


@pytest.mark.parametrize("room", TORCH_FREE)
def test_room_opens_without_torch(room: str) -> None:
    if not (PACKAGE / room).exists() and not (PACKAGE / f"{room}.py").exists():
        pytest.fail(f"{room} does not exist: take it out of TORCH_FREE")
    done = import_without_torch(room, PACKAGE)
    assert done.returncode == 0, done.stderr


def test_room_without_torch_control(tmp_path: Path) -> None:
    package = tmp_path / "saewidgets"
    (package / "figures").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "far.py").write_text("import torch\n")
    (package / "figures" / "__init__.py").write_text("")
    (package / "figures" / "deep.py").write_text("import saewidgets.far\n")
    done = import_without_torch("figures", package)
    assert done.returncode != 0
    assert "import of torch halted" in done.stderr
