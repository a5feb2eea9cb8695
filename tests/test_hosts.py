"""The table of hosts in the docs: no empty cell, every host, and every test that it names."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOSTS = (
    "JupyterLab 4", "Notebook 7", "marimo", "Voila", "VS Code", "Colab", "HTML, stored state", "HTML, no stored state",
    "to PDF", "Quarto", "MyST", "Sphinx", "nbviewer", "GitHub", "untrusted", "file://",
)  # fmt: skip


def table() -> list[list[str]]:
    """Its rows, cell by cell, without head and rule."""
    lines = (ROOT / "docs" / "hosts.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return rows[2:]


@cache
def functions(path: str) -> set[str]:
    """Names of the tests in a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_no_cell_is_empty() -> None:
    rows = table()
    assert {len(row) for row in rows} == {5}
    assert [row for row in rows for cell in row if not re.search(r"\w{3}", cell)] == []


@pytest.mark.parametrize("host", HOSTS)
def test_every_host_has_a_row(host: str) -> None:
    assert any(host in row[0] for row in table())


def test_every_row_says_how_it_is_tested() -> None:
    for host, *_, how in table():
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", how)
        assert named or "by hand" in how, host
        for path, name in named:
            assert name in functions(path), f"{host}: {path} has no {name}"
