"""Cleaned notebooks: what goes, what stays, what is refused, and that a file is never half written."""

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from saewidgets.cli import main
from saewidgets.disk import DiskError
from saewidgets.errors import FigureError
from saewidgets.export.notebook import GONE, STATE, VIEW, clean

MODEL = {"model_name": "AnyModel", "model_module": "anywidget", "state": {"_esm": "x" * 50_000}}


def notebook(**widgets: Any) -> Any:
    """Two views with a picture, one without, text, and the state of them all."""
    pictures: list[dict[str, Any]] = [
        {VIEW: {"model_id": "a"}, "text/plain": "TokenHeatmap", "text/html": "<b>kept</b>"},
        {VIEW: {"model_id": "b"}, "image/png": "AAAA"},
        {VIEW: {"model_id": "c"}},
        {"text/plain": "42"},
    ]
    cells = [nbformat.v4.new_code_cell("x", outputs=[nbformat.v4.new_output("display_data", data=d)]) for d in pictures]
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Töne 北京"), *cells])
    made.metadata["widgets"] = widgets or {STATE: {"state": {"a": MODEL}, "version_major": 2, "version_minor": 0}}
    return made


def written(folder: Path, **widgets: Any) -> Path:
    path = folder / "a.ipynb"
    nbformat.write(notebook(**widgets), path)
    return path


def test_state_and_views_go_and_pictures_stay(tmp_path: Path) -> None:
    path = written(tmp_path)
    before = path.stat().st_size
    found = clean(path)
    after = nbformat.read(path, as_version=4)
    nbformat.validate(after)
    assert (found.views, found.pictures, found.before) == (3, 2, before)
    assert found.after == path.stat().st_size < before / 10
    assert "widgets" not in after.metadata
    bundles = [output.data for cell in after.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not any(VIEW in data for data in bundles)
    assert bundles[0]["text/html"] == "<b>kept</b>" and bundles[1]["image/png"] == "AAAA"
    assert bundles[2] == {"text/plain": GONE} and bundles[3] == {"text/plain": "42"}
    assert after.cells[0].source == "# Töne 北京" and "北京" in path.read_text("utf-8")
    text = path.read_bytes()
    assert clean(path).views == 0 and path.read_bytes() == text, "a second time changes nothing"


@pytest.mark.parametrize(
    "widgets",
    [{STATE: {"a": MODEL}}, {"a": MODEL}, {STATE: {"state": {"a": MODEL}}}, {STATE: None, "a": MODEL}],
    ids=["no envelope", "no mime type", "no version", "null"],
)
def test_repair_gives_the_state_its_keys(tmp_path: Path, widgets: dict[str, Any]) -> None:
    path = written(tmp_path, **widgets)
    found = clean(path, repair=True)
    after = nbformat.read(path, as_version=4)
    assert after.metadata.widgets == {STATE: {"version_major": 2, "version_minor": 0, "state": {"a": MODEL}}}
    assert found.views == 1
    assert sum(VIEW in o.data for c in after.cells if c.cell_type == "code" for o in c.outputs) == 3
    assert clean(path, repair=True).views == 0


def test_elsewhere_and_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path)
    before = path.read_bytes()
    clean(path, tmp_path / "b.ipynb")
    assert path.read_bytes() == before
    assert main(["clean", str(path)]) == 0
    assert "3 views, 2 with a picture" in capsys.readouterr().out
    assert path.read_bytes() == (tmp_path / "b.ipynb").read_bytes()
    assert main(["clean", str(tmp_path / "none.ipynb")]) == 1
    assert "cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"cells": 3}', '{"cells": [3]}', "[" * 100_000, "\x00", '{"cells']
)
def test_what_is_no_notebook_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text(content)
    with pytest.raises(FigureError, match="is no notebook"):
        clean(path)
    assert path.read_text() == content


def test_odd_outputs_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    cells = [{"outputs": None}, {"outputs": [3, {"data": []}, {"data": {VIEW: None}}]}, {}, {"outputs": "text"}]
    path.write_text(json.dumps({"cells": cells, "metadata": []}))
    assert clean(path).views in (0, 1)
    assert clean(path, repair=True).views == 0


def test_a_full_disk_leaves_the_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path)
    before = path.read_bytes()

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.write", full)
    with pytest.raises(DiskError):
        clean(path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.ipynb"]
