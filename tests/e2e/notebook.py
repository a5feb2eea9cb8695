"""A notebook open in JupyterLab or Notebook 7, driven through the application's own commands."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Browser, Locator, Page, ViewportSize

from tests.e2e.harness import Server, Watch, new_page
from tests.e2e.heatmap import Heatmap

# A plain function: a promise would count as true.
_READY = """(path) => {
  const app = window.jupyterapp;
  const panel = app?.shell?.currentWidget;
  if (!panel?.context?.path.endsWith(path) || !app.commands.hasCommand("notebook:run-all-cells")) return false;
  if (!panel.context.isReady || !panel.sessionContext.isReady) return false;
  return panel.sessionContext.session?.kernel?.status === "idle";
}"""
_RUN_ALL = """async () => {
  await window.jupyterapp.commands.execute("notebook:run-all-cells");
  const cells = window.jupyterapp.shell.currentWidget.content.model.sharedModel.cells;
  const outputs = cells.flatMap((cell) => (cell.cell_type === "code" ? cell.getOutputs() : []));
  return outputs.filter((output) => output.output_type === "error").map((error) => `${error.ename}: ${error.evalue}`);
}"""
_SELECT = """(index) => {
  const { content } = window.jupyterapp.shell.currentWidget;
  content.deselectAll();
  content.activeCellIndex = index;
}"""
_RUN_CELL = "async () => { await window.jupyterapp.commands.execute('notebook:run-cell'); }"
_EVALUATE = """async ([setup, expression]) => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const content = {code: setup, user_expressions: {it: expression}, store_history: false, silent: false};
  const reply = (await kernel.requestExecute(content).done).content;
  if (reply.status !== "ok") throw new Error(`${reply.ename}: ${reply.evalue}`);
  const it = reply.user_expressions.it;
  if (it.status !== "ok") throw new Error(`${it.ename}: ${it.evalue}`);
  return it.data["text/plain"];
}"""
_SAVE = "async () => { await window.jupyterapp.shell.currentWidget.context.save(); }"
_RESTART = """async () => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  await kernel.restart();
  await kernel.info;
}"""

_SHUT_DOWN = "async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown(); }"


def write_notebook(path: Path, *cells: str) -> Path:
    """A notebook of code cells, without outputs."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)
    return path


@contextmanager
def opened_notebook(
    server: Server, browser: Browser, name: str, *cells: str, viewport: ViewportSize | None = None
) -> Iterator[Notebook]:
    """A new notebook in JupyterLab, its first cell run; its kernel is shut down at the end, and nothing was wrong.

    Args:
        server: JupyterLab.
        browser: Chromium.
        name: Of the file.
        cells: Code.
        viewport: Of the window; with one of its own the side bar is closed too.
    """
    path = write_notebook(server.folder / name, *cells)
    watch = Watch()
    options = {"viewport": viewport} if viewport else {}
    with new_page(browser, watch, **options) as page:
        opened = Notebook(page, server, path.name).open()
        if viewport:
            opened.command("application:toggle-left-area")
        opened.run_cell(0)
        yield opened
        opened.shut_down()
    assert watch.ours() == []
    assert watch.outside() == []


class Notebook:
    """A notebook on a page.

    Args:
        page: An empty page.
        server: The server with the notebook in its folder.
        name: File name of the notebook.
        app: `"lab"` or `"notebook"`.
    """

    def __init__(self, page: Page, server: Server, name: str, app: str = "lab") -> None:
        self.page, self.server, self.name, self.app = page, server, name, app

    @property
    def path(self) -> Path:
        """The file."""
        return self.server.folder / self.name

    def open(self) -> Notebook:
        """Load the page and wait until its kernel is idle."""
        route = f"/lab/tree/{self.name}?reset" if self.app == "lab" else f"/notebooks/{self.name}"
        self.page.goto(self.server.address(route))
        self.page.wait_for_function(_READY, arg=self.name, timeout=60_000)
        return self

    def run_all(self) -> None:
        """Run every cell and wait for the last.

        Raises:
            RuntimeError: A cell failed.
        """
        errors = self.page.evaluate(_RUN_ALL)
        if errors:
            raise RuntimeError(f"{self.name}: {errors[0]}")

    def run_cell(self, index: int) -> None:
        """Run one cell and wait for it."""
        self.select(index)
        self.page.evaluate(_RUN_CELL)

    def python(self, expression: str, setup: str = "") -> Any:
        """The value of an expression in the kernel, outside all cells; a Python literal."""
        return ast.literal_eval(self.page.evaluate(_EVALUATE, [setup, expression]))

    def find(self, text: str) -> int:
        """Index of the first cell whose source contains this."""
        cells = nbformat.read(self.path, as_version=4).cells
        return next(i for i, cell in enumerate(cells) if text in cell.source)

    def select(self, index: int) -> None:
        """Make a cell the active one."""
        self.page.evaluate(_SELECT, index)

    def command(self, name: str, **arguments: Any) -> None:
        """Execute a command of the application."""
        self.page.evaluate("([name, args]) => window.jupyterapp.commands.execute(name, args)", [name, arguments])

    def theme(self, name: str) -> None:
        """`"Light"` or `"Dark"`; back when the splash is gone, for JupyterLab stumbles over two in a row."""
        self.command("apputils:change-theme", theme=f"JupyterLab {name}")
        self.page.locator(f"body[data-jp-theme-name='JupyterLab {name}']").wait_for(state="attached")
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")

    def save(self) -> nbformat.NotebookNode:
        """Save, and read what was saved."""
        self.page.evaluate(_SAVE)
        return nbformat.read(self.path, as_version=4)

    def restart_kernel(self) -> None:
        """Restart the kernel, without the question."""
        self.page.evaluate(_RESTART)

    def shut_down(self) -> None:
        """End the notebook's kernel."""
        self.page.evaluate(_SHUT_DOWN)

    def cell(self, index: int) -> Locator:
        """A cell."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)


@dataclass(frozen=True)
class Tour:
    """A notebook with a cell `view = sw.TokenHeatmap(...)`, open and run."""

    notebook: Notebook
    watch: Watch

    @property
    def view_cell(self) -> int:
        """Index of the cell that makes the view."""
        return self.notebook.find("view = sw.TokenHeatmap(")

    def heatmap(self) -> Heatmap:
        """The live view."""
        return Heatmap(self.notebook.cell(self.view_cell))

    def fresh(self) -> Heatmap:
        """A new view: its cell, run again."""
        self.notebook.run_cell(self.view_cell)
        return self.heatmap().drawn()
