"""How a widget's front end gets its code: hidden models carry its files for all widgets of a kernel.

Copying the code into every widget costs a notebook of ten widgets megabytes and gives each its own module; by carriers
each file comes once. There are two for a view: what all views share, heatmaps above all, and the view's own, one for
the heatmap and one for all the others. So a notebook of heatmaps never loads the rest. Hosts that run several sessions
in one process cannot share a model: there the whole bundle is each widget's `_esm` (marimo stores equal code once).
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import ipywidgets
import traitlets

from saewidgets.errors import WidgetError, shorten

# Hosts with several sessions in one process, by the module that gives them away.
_SHARED_PROCESS = ("solara.server", "panel.io.server", "shiny.session", "streamlit.runtime")


@cache
def _text(name: str) -> str:
    file = resources.files("saewidgets").joinpath("static", name)
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        raise WidgetError(f"The front end's file static/{name} is missing.", "Run `make js`.") from None


def bundle() -> str:
    """The code of all views, one ES module."""
    return _text("widget.js")


def shim() -> str:
    """The few lines that find the files: the `_esm` of a widget served by carriers."""
    return _text("shim.js")


SHARED, HEATMAP, VIEWS = "live.js", "live-heatmap.js", "live-views.js"


def files(view: str) -> tuple[str, ...]:
    """The files that a view needs, in the order in which they import each other."""
    return (SHARED, HEATMAP if view == "heatmap" else VIEWS)


@cache
def file_hash(name: str) -> str:
    """Name of a file's content and of what it imports, by which a page keeps one copy of it."""
    code = _text(name) if name == SHARED else _text(SHARED) + _text(name)
    return hashlib.sha256(code.encode()).hexdigest()[:16]


def answer(content: Mapping[str, Any]) -> tuple[dict[str, str], bytes]:
    """The reply to a front end that asks for a file by its hash; one that is not ours is answered by another."""
    name = next((name for name in (HEATMAP, VIEWS) if file_hash(name) == content.get("hash")), SHARED)
    return {"type": "bundle", "hash": file_hash(name)}, _text(name).encode()


def is_closed(widget: Any) -> bool:
    """Whether a widget has no open comm; marimo closes comms without telling the widget."""
    return widget.comm is None or bool(getattr(widget.comm, "_closed", False))


class Carrier(ipywidgets.Widget):
    """The hidden model with a file on its trait `code`."""

    _model_name = traitlets.Unicode("AnyModel").tag(sync=True)
    _model_module = traitlets.Unicode("anywidget").tag(sync=True)
    _model_module_version = traitlets.Unicode().tag(sync=True)
    _esm = traitlets.Unicode("export default {}").tag(sync=True)
    _anywidget_id = traitlets.Unicode("saewidgets.Carrier").tag(sync=True)
    code = traitlets.Unicode().tag(sync=True)
    hash = traitlets.Unicode().tag(sync=True)

    def __init__(self, name: str) -> None:
        from anywidget.widget import AnyWidget

        version = AnyWidget._model_module_version.default_value
        super().__init__(code=_text(name), hash=file_hash(name), _model_module_version=version)
        # Fixed now: asking a closed widget for its model id would open it again or give an object that is no JSON.
        self.ref = f"anywidget:{self.model_id}"


_lock = threading.Lock()
_carriers: dict[str, Carrier] = {}


def carriers(view: str) -> tuple[Carrier, ...]:
    """The kernel's carriers of a view's files, new ones for those that were closed."""
    with _lock:
        for name in files(view):
            if name not in _carriers or is_closed(_carriers[name]):
                _carriers[name] = Carrier(name)
        return tuple(_carriers[name] for name in files(view))


def refs(value: tuple[Carrier, ...] | None, _: object) -> str | None:
    """What the front end is told of a view's carriers."""
    return " ".join(carrier.ref for carrier in value) if value else None


def inline_host() -> bool:
    """Whether this process is a host whose widgets must each carry the whole bundle."""
    if os.environ.get("SAEWIDGETS_BUNDLE") == "inline":
        return True
    marimo = sys.modules.get("marimo")
    if marimo is not None and getattr(marimo, "running_in_notebook", bool)():
        return True
    return any(name in sys.modules for name in _SHARED_PROCESS)


def delivery(mode: str, view: str) -> dict[str, Any]:
    """Values of the traits by which a new widget gets its code.

    Args:
        mode: `"auto"`, `"carrier"` or `"inline"`.
        view: The widget's view.

    Returns:
        `_esm`, `_bundle` and `_carrier`.

    Raises:
        WidgetError: Unknown mode, or the bundle was not built.
    """
    if mode not in ("auto", "carrier", "inline"):
        raise WidgetError(f"bundle is {shorten(mode)}.", "Use 'auto', 'carrier' or 'inline'.")
    if mode == "inline" or (mode == "auto" and inline_host()):
        return {"_esm": bundle(), "_bundle": "", "_carrier": None}
    hashes = " ".join(file_hash(name) for name in files(view))
    return {"_esm": shim(), "_bundle": hashes, "_carrier": carriers(view)}
