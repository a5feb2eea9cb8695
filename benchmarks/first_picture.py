"""Seconds from running a cell to the first painted strip of an `Explorer` in JupyterLab, beside a trivial widget.

Run with `python benchmarks/first_picture.py`. Every round starts a fresh kernel that makes the embedded scope in one
cell, rests, and runs the next cell: a widget that writes one word, or an explorer of a sentence. The time is from the
command that runs the cell to the frame after the one in which the word, or the tokens of the strip, are in the page.
Medians; the goal is 1 s for the explorer. `--rest 0` runs the second cell at once.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.browser import chromium_path
from tests.e2e.harness import Watch, chromium, jupyter, new_page
from tests.e2e.notebook import Notebook, write_notebook

PROMPT = "When Mira and Tom came to the pond, Tom gave the red lantern to"
SETUP = """
import torch
import saewidgets as sw

torch.set_num_threads(1)
scope = sw.demo()
"""
TRIVIAL = '''
import anywidget


class Trivial(anywidget.AnyWidget):
    _esm = """export default { render({ el }) {
      const output = document.createElement("output");
      output.className = "trivial";
      output.textContent = "here";
      el.append(output);
    } }"""


Trivial()
'''
EXPLORER = f"sw.Explorer(scope, {PROMPT!r})"
# In the page: run a cell, and look at every frame whether what it draws is there.
TIMED = """async ([index, shadowed, selector]) => {
  const { content } = window.jupyterapp.shell.currentWidget;
  content.deselectAll();
  content.activeCellIndex = index;
  const cell = content.widgets[index].node;
  const there = () => {
    const places = shadowed ? [...cell.querySelectorAll(".saewidgets")].map((host) => host.shadowRoot) : [cell];
    return places.some((place) => place?.querySelector(selector));
  };
  const frame = () => new Promise(requestAnimationFrame);
  const begin = performance.now();
  window.jupyterapp.commands.execute("notebook:run-cell");
  while (!there() && performance.now() - begin < 60000) await frame();
  await frame();
  return (performance.now() - begin) / 1000;
}"""


def timed(notebook: Notebook, rest: float, cell: int, shadowed: bool, selector: str) -> float:
    """Seconds of one cell in a fresh kernel."""
    notebook.restart_kernel()
    notebook.command("notebook:clear-all-cell-outputs")
    notebook.run_cell(0)
    time.sleep(rest)
    return float(notebook.page.evaluate(TIMED, [cell, shadowed, selector]))


def main() -> None:
    """Print seconds, and the ratio of their medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rest", type=float, default=3.0, help="seconds between the two cells")
    chosen = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as home,
        jupyter(Path(home)) as server,
        chromium(chromium_path()) as browser,
        new_page(browser, Watch()) as page,
    ):
        path = write_notebook(server.folder / "first.ipynb", SETUP, TRIVIAL, EXPLORER)
        notebook = Notebook(page, server, path.name).open()
        trivial, explorer = [], []
        for _ in range(chosen.rounds):
            trivial.append(timed(notebook, chosen.rest, 1, False, ".trivial"))
            explorer.append(timed(notebook, chosen.rest, 2, True, "[data-strip] .t"))
            print(f"  trivial {trivial[-1]:.2f} s, explorer {explorer[-1]:.2f} s", flush=True)
        notebook.shut_down()
    floor, seconds = statistics.median(trivial), statistics.median(explorer)
    print(f"first picture {seconds:.2f} s, trivial widget {floor:.2f} s, ratio {seconds / floor:.2f}")


if __name__ == "__main__":
    main()
