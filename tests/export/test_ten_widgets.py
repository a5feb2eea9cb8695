"""A notebook saved with the state of its widgets has the code of the front end once, however many views it shows."""

import base64
import json
from pathlib import Path

import nbclient
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from saewidgets.export.notebook import STATE, VIEW, clean

BEGIN = """
import saewidgets as sw
scope = sw.demo()
def shown(prompt):
    run = scope.run(prompt)
    feature = int(run.features["resid_post.1"].strongest(len(run.tokens) - 1, 1)[0][0])
    view = sw.TokenHeatmap(scope, prompt, edits=[sw.ablate(f"resid_post.1/{feature}")])
    view.wait()
    return view
"""
# All different, of 14 to 16 tokens, each with an edit that changes something: both copies of every number.
NAMES = ("Mira", "Tom", "Sara", "Bruno", "Clara")
PLACES = ("pond", "river")
PROMPTS = [
    f"When {one} and {other} came to the {place}, {other} gave the red lantern to"
    for place in PLACES
    for one, other in zip(NAMES, NAMES[1:] + NAMES[:1], strict=True)
]
# Sizes of a view in the notebook: the picture in its output; with its state (numbers, the lines that fetch the code,
# traits, layout) also.
PICTURE, VIEW_STATE = 15_500, 28_500


@pytest.fixture(scope="module")
def notebooks() -> dict[int, nbformat.NotebookNode]:
    """Number of views -> the notebook, run and with all state kept, as *Save Widget State* does."""
    made = {}
    for n in (1, 10):
        notebook = new_notebook(
            cells=[new_code_cell(BEGIN), *(new_code_cell(f"shown({prompt!r})") for prompt in PROMPTS[:n])]
        )
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
    buffers = [buffer["data"] for model in models(ten) for buffer in model.get("buffers", ())]
    assert len(set(buffers)) == 10, "ten different views"
    code = [model for model in models(ten) if len(json.dumps(model["state"])) > 100_000]
    assert len(code) == 1, "the front end's code"
    print(f"{size(one):,} and {size(ten):,} bytes, {size(ten) / size(one):.2f}")
    assert size(ten) - size(one) <= 9 * (PICTURE + VIEW_STATE)
    # The code of heatmaps comes once, and no other view's with it.
    assert size(one) <= 170_000


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
    print(f"without state {sizes[1]:,} and {sizes[10]:,} bytes")
    assert sizes[10] - sizes[1] <= 9 * PICTURE, "nothing but pictures"
