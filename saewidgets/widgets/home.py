"""The cell of a marimo notebook that a widget was made in: what a message makes later belongs to it too.

marimo keeps the code of a widget as a file of the cell that runs, and while a message is answered none does: a widget
made then fails, or would outlive its cell.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any


def home() -> Callable[[], AbstractContextManager[Any]]:
    """What makes a context in which the cell that runs now runs again; outside marimo it changes nothing."""
    if "marimo" not in sys.modules:
        return nullcontext
    try:
        # Not public: in a marimo without it widgets are as they are.
        from marimo._runtime.context import ContextNotInitializedError, get_context
    except ImportError:
        return nullcontext
    try:
        context = get_context()
    except ContextNotInitializedError:
        return nullcontext
    return nullcontext if context.cell_id is None else partial(context.with_cell_id, context.cell_id)
