"""Modules that the first widget needs, loaded while nobody waits: after the cell of a notebook that made a scope.

They are most of a second – matplotlib, ipywidgets, our own – that the first picture would otherwise wait for. In a cell
that makes a scope and a widget nothing is gained, and nothing is lost. Only in IPython; nowhere else is anything done.
"""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from importlib import import_module
from typing import Any

# What a first `Explorer` has loaded when it is drawn.
NEEDED = (
    "saewidgets.widgets.explorer", "saewidgets.runs.heatmap", "saewidgets.explain.written",
    "saewidgets.figures.explorer", "saewidgets.figures.heatmap", "anywidget",
)  # fmt: skip


def arrange() -> None:
    """Load them after the first cell in which there is a scope; nothing outside of IPython."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is not None:
        shell.events.register("post_run_cell", _After(shell))


class _After:
    """Called after each cell, until there is a scope."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def __call__(self, result: Any) -> None:
        if "saewidgets.scope" not in sys.modules:
            return
        self._shell.events.unregister("post_run_cell", self)
        threading.Thread(target=load, name="saewidgets-ready", daemon=True).start()


def load() -> None:
    """Load the modules; one that fails will say so where it is needed."""
    for name in NEEDED:
        with suppress(Exception):
            import_module(name)
