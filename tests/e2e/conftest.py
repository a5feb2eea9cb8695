"""One Jupyter server, one browser and one open tour notebook for all tests in real hosts."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Browser, expect

from tests.browser import WITHOUT_GPU
from tests.e2e import harness
from tests.e2e.heatmap import Heatmap
from tests.e2e.notebook import Notebook, Tour
from tests.e2e.oracle import PROMPT, Expected, predicted
from tests.e2e.static import executed_notebook

TOUR = Path(__file__).parents[2] / "notebooks" / "00_tour.ipynb"

expect.set_options(timeout=20_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[harness.Server]:
    """JupyterLab and Notebook 7 on loopback."""
    with harness.jupyter(tmp_path_factory.mktemp("jupyter")) as running:
        yield running


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """One Chromium; who wants a clean one opens a context of its own."""
    with harness.chromium(chromium, *WITHOUT_GPU) as running:
        yield running


@pytest.fixture(scope="session")
def tour(server: harness.Server, browser: Browser) -> Iterator[Tour]:
    """The tour notebook in JupyterLab, every cell run."""
    shutil.copy(TOUR, server.folder / TOUR.name)
    watch = harness.Watch()
    with harness.new_page(browser, watch) as page:
        notebook = Notebook(page, server, TOUR.name).open()
        notebook.run_all()
        yield Tour(notebook, watch)


@pytest.fixture
def view(tour: Tour) -> Heatmap:
    """A fresh view of the tour's prompt."""
    return tour.fresh()


@pytest.fixture(scope="session")
def truth(scope: Any) -> Expected:
    """What every place must show for the prompt, computed here."""
    return Expected(*predicted(scope, PROMPT))


@pytest.fixture(scope="session")
def executed() -> nbformat.NotebookNode:
    """A notebook with two views, run once, with the state of its widgets; whoever changes it copies it first."""
    return executed_notebook()
