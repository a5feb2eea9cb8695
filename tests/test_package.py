"""The door of the package: lazy names, one version, and the guards that other tests rely on."""

import ast
import inspect
import itertools
import re
import socket
import subprocess
import sys
import tomllib
import urllib.request
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
from packaging.specifiers import SpecifierSet

import saewidgets
from tests.conftest import OutsideNetwork

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "nnsight", "transformers", "matplotlib", "pandas", "anywidget", "numpy")


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def heavy_after(code: str) -> list[str]:
    """The heavy modules that a fresh interpreter holds after running some code."""
    return run_python(f"import sys\n{code}\nprint(*[m for m in {HEAVY} if m in sys.modules])").split()


def test_import_brings_nothing_heavy() -> None:
    assert heavy_after("import saewidgets; saewidgets.__version__; dir(saewidgets)") == []
    assert heavy_after("import saewidgets; saewidgets.Site, saewidgets.errors, saewidgets.demo") == []


def test_import_control() -> None:
    assert "numpy" in heavy_after("import numpy")


@pytest.mark.parametrize("name", [name for name in saewidgets.__all__ if name != "__version__"])
def test_public_name(name: str) -> None:
    value = getattr(saewidgets, name)
    assert value.__doc__, f"saewidgets.{name} has no docstring"
    assert name in dir(saewidgets)


def test_type_checkers_see_the_same_names() -> None:
    source = Path(saewidgets.__file__).read_text()
    typed = set(re.findall(r"^    from \S+ import \w+ as (\w+)$", source, re.MULTILINE))
    assert typed == set(saewidgets.__all__) - {"__version__"}


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Scoop'"):
        saewidgets.Scoop  # noqa: B018


@pytest.mark.parametrize(
    "first",
    [
        "pass",
        "import saewidgets.demo.grammar",
        "from saewidgets import demo",
        "import saewidgets.demo as d; d.__path__",
    ],
)
def test_demo_is_called_whatever_was_imported_first(first: str) -> None:
    # Model and scope are swapped for stubs, so that this is about the name and not about the model.
    code = f"""
import sys, types
{first}
import saewidgets as sw
sys.modules["saewidgets.demo.load"] = types.SimpleNamespace(load_demo=lambda checkpoint: (checkpoint, None, None, None))
sys.modules["saewidgets.scope"] = types.SimpleNamespace(Scope=lambda module, *a, **k: module)
print(sw.demo(), sw.demo("early"), sw.demo(checkpoint="early"))
import saewidgets.demo.grammar
print(sw.demo(), sw.demo("early"), sw.demo(checkpoint="early"))
"""
    assert run_python(code).splitlines() == ["final early early"] * 2


@pytest.mark.parametrize("first", ["pass", "import saewidgets.evaluate.run", "from saewidgets.evaluate import match"])
def test_evaluate_is_called_whatever_was_imported_first(first: str) -> None:
    script = f"import saewidgets as sw\n{first}\nprint(callable(sw.evaluate), sw.evaluate.match.__name__)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "True match\n"


def test_demo_is_still_a_package() -> None:
    assert isinstance(saewidgets.demo, ModuleType)
    assert str(inspect.signature(saewidgets.demo)).startswith("(checkpoint: ")  # what Shift-Tab shows
    assert "embedded model" in inspect.getdoc(type(saewidgets.demo).__call__)  # type: ignore[operator]


def test_version_is_plain() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.?(dev|a|b|rc)\d+)?", saewidgets.__version__)
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert "## Unreleased" in changes or f"## {saewidgets.__version__}" in changes


def test_lock_names_no_machine() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", pin) for pin in pins)
    assert "torch==2.13.0" in pins
    assert not [pin for pin in pins if pin.startswith(("nvidia", "triton", "cuda"))]


def test_pins_install_on_the_oldest_python() -> None:
    """Debian 12 has 3.11.2; a pin that wants 3.11.5 made `make demo` fail there."""
    found = {d.metadata["Name"]: d.metadata["Requires-Python"] for d in metadata.distributions()}
    assert {name: wants for name, wants in found.items() if wants and "3.11.2" not in SpecifierSet(wants)} == {}


def test_lock_pins_every_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    names = {re.match(r"[A-Za-z0-9._-]+", text)[0].lower().replace("_", "-") for text in wanted}  # type: ignore[index]
    pinned = {
        line.partition("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    assert names - pinned - {"saewidgets"} == set()


def error_classes() -> set[str]:
    """Names of all classes of the package that descend from SaewidgetsError, read from the source."""
    bases = {}
    for path in Path(saewidgets.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases[node.name] = {base.id for base in node.bases if isinstance(base, ast.Name)}
    ours = {"SaewidgetsError"}
    while more := {name for name, parents in bases.items() if parents & ours} - ours:
        ours |= more
    return ours


def test_every_error_has_its_row_in_the_documentation() -> None:
    page = (ROOT / "docs" / "errors.md").read_text()
    rows = set(re.findall(r"^\| \[`(\w+)`\]\(errors/\1\.md\) \|", page, re.MULTILINE))
    assert rows == error_classes() - {"SaewidgetsError"}
    assert rows == {path.stem for path in (ROOT / "docs" / "errors").glob("*.md")}


def test_the_citation_is_of_this_version_and_has_what_a_citation_needs() -> None:
    import yaml

    said = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors", "license"} <= said.keys()
    assert (said["version"], said["license"]) == (saewidgets.__version__, "MIT")
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text()


class TestNoOutsideNetwork:
    """The guard of conftest.py fires: otherwise every test that passes under it proves nothing."""

    def test_address(self) -> None:
        with socket.socket() as sock, pytest.raises(OutsideNetwork):
            sock.connect(("192.0.2.1", 80))

    def test_name(self) -> None:
        with pytest.raises(OutsideNetwork):
            urllib.request.urlopen("http://example.invalid/")

    def test_this_machine_is_reached(self) -> None:
        with socket.socket() as server, socket.socket() as client:
            server.bind(("127.0.0.1", 0))
            server.listen()
            client.connect(server.getsockname())
