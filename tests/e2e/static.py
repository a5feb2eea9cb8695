"""A notebook as it leaves Jupyter, for every place that shows it without a kernel, and what must be seen there."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from playwright.sync_api import Browser, Locator, Page

from saewidgets.export.notebook import clean
from saewidgets.figures.html import RAISED
from tests.e2e.harness import Watch, new_page
from tests.e2e.heatmap import number
from tests.e2e.oracle import PROMPT, ROUNDING, Expected

CELLS = (
    "import saewidgets as sw\n\nscope = sw.demo()",
    f"view = sw.TokenHeatmap(scope, {PROMPT!r})\nview",
    "sw.FeatureDashboard(scope, view.features[0])",
)
# How a notebook may be when it is published: with what a `saveState` of JupyterLab stores, as JupyterLab saves it, and
# after `saewidgets clean`.
KINDS = ("with state", "without state", "cleaned")


def executed_notebook() -> nbformat.NotebookNode:
    """Run the cells in a kernel, and keep the state of the widgets."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    NotebookClient(notebook, store_widget_state=True, timeout=120).execute()
    assert notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    return notebook


def publish(notebook: nbformat.NotebookNode, folder: Path, kind: str, name: str = "index.ipynb") -> Path:
    """Write a notebook into a folder as one of `KINDS`."""
    copy, path = deepcopy(notebook), folder / name
    if kind == "without state":
        del copy.metadata["widgets"]
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(copy, path)
    if kind == "cleaned":
        clean(path)
    return path


@contextmanager
def opened(browser: Browser, path: Path, watch: Watch) -> Iterator[Page]:
    """A page opened from its file."""
    with new_page(browser, watch) as page:
        page.goto(path.as_uri())
        yield page


def assert_text(text: str, truth: Expected) -> None:
    """A text says the prompt, but for the raised letters of features, and the right predictions."""
    words = text.translate(dict.fromkeys(RAISED.values()))
    assert "".join(PROMPT.split()) in "".join(words.split())  # a PDF has its own spaces
    rows = dict(re.findall(r"^\s*(\S+)\s+([01]\.\d\d)\s*$", text, re.MULTILINE))
    for word, probability in zip(truth.words, truth.after, strict=True):
        assert abs(number(rows[word]) - probability) < ROUNDING, (word, rows)


def assert_picture(output: Locator, truth: Expected) -> None:
    """An output is the static heatmap: its text is right, its tokens are coloured, and nothing in it runs or loads."""
    assert_text(output.inner_text(), truth)
    colours = output.locator("span").evaluate_all(
        "(all) => new Set(all.map((e) => getComputedStyle(e).backgroundColor)).size"
    )
    assert colours > 3
    assert output.locator("script, iframe, img, button, a, input").count() == 0
