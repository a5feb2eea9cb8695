"""A notebook saved with the state of its widgets has the code of the front end once, however many views it shows."""

import base64
import json
from pathlib import Path

import nbclient
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from saewidgets.export.notebook import STATE, VIEW, clean
from saewidgets.widgets.output import WHOLE_BUDGET

BEGIN = """
import saewidgets as sw
scope, prompt = sw.demo(), "When Mira and Tom came to the pond, Tom gave the red lantern to"
def shown(i):
    view = sw.TokenHeatmap(scope, prompt, edits=[sw.ablate(f"resid_post.2/{i}")])
    view.wait()
    return view
"""
# What a widget has besides its payload: the lines that fetch the code, its other traits, its layout, the cell.
REST = 6_000


@pytest.fixture(scope="module")
def notebooks() -> dict[int, nbformat.NotebookNode]:
    """Number of views -> the notebook, run and with all state kept, as *Save Widget State* does."""
    made = {}
    for n in (1, 10):
        notebook = new_notebook(cells=[new_code_cell(BEGIN), *(new_code_cell(f"shown({i})") for i in range(n))])
        nbclient.NotebookClient(notebook, timeout=240, kernel_name="python3").execute()
        made[n] = notebook
    return made


def size(notebook: nbformat.NotebookNode) -> int:
    return len(nbformat.writes(notebook).encode())


def models(notebook: nbformat.NotebookNode) -> list[dict]:
    return list(notebook.metadata.widgets[STATE]["state"].values())


@pytest.mark.slow
def test_each_view_adds_its_picture_and_its_numbers(notebooks) -> None:
    one, ten = notebooks[1], notebooks[10]
    views = [model for model in models(ten) if "_payload" in str(model.get("buffers", ""))]
    assert len(views) == 10
    payload = max(len(buffer["data"]) for model in views for buffer in model["buffers"])
    assert size(ten) - size(one) <= 9 * (payload + WHOLE_BUDGET + REST)
    code = [model for model in models(ten) if len(json.dumps(model["state"])) > 100_000]
    assert len(code) == 1, "the front end's code"
    assert size(ten) < 3 * size(one)


@pytest.mark.slow
def test_cleaned_it_has_the_pictures_alone(notebooks, tmp_path: Path) -> None:
    sizes = {}
    for n, notebook in notebooks.items():
        nbformat.write(notebook, tmp_path / f"{n}.ipynb")
        done = clean(tmp_path / f"{n}.ipynb")
        assert (done.views, done.pictures) == (n, n)
        sizes[n] = done.after
    left = nbformat.read(tmp_path / "10.ipynb", 4)
    pictures = [out.data for cell in left.cells for out in cell.outputs]
    assert "widgets" not in left.metadata and all(VIEW not in data for data in pictures)
    assert all(base64.b64decode(data["image/png"]).startswith(b"\x89PNG") for data in pictures)
    assert sizes[10] < size(notebooks[1]), "ten pictures weigh less than one view with its code"
