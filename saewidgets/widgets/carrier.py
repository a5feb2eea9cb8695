"""How a widget's front end gets its code: one hidden model carries the bundle for all widgets of a kernel.

Copying the bundle into every widget costs a notebook of ten widgets 640 kB and gives each its own module; by the
carrier it is 90 kB and one module. Hosts that run several sessions in one process cannot share a model, so there the
whole bundle is each widget's `_esm` (marimo stores equal code once by itself).
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
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
    """The few lines that find the bundle: the `_esm` of a widget served by the carrier."""
    return _text("shim.js")


@cache
def bundle_hash() -> str:
    """Name of the bundle's content, by which a page keeps one copy of it."""
    return hashlib.sha256(bundle().encode()).hexdigest()[:16]


def is_closed(widget: Any) -> bool:
    """Whether a widget has no open comm; marimo closes comms without telling the widget."""
    return widget.comm is None or bool(getattr(widget.comm, "_closed", False))


class Carrier(ipywidgets.Widget):
    """The hidden model with the bundle on its trait `code`."""

    _model_name = traitlets.Unicode("AnyModel").tag(sync=True)
    _model_module = traitlets.Unicode("anywidget").tag(sync=True)
    _model_module_version = traitlets.Unicode().tag(sync=True)
    _esm = traitlets.Unicode("export default {}").tag(sync=True)
    _anywidget_id = traitlets.Unicode("saewidgets.Carrier").tag(sync=True)
    code = traitlets.Unicode().tag(sync=True)
    hash = traitlets.Unicode().tag(sync=True)

    def __init__(self) -> None:
        from anywidget.widget import AnyWidget

        version = AnyWidget._model_module_version.default_value
        super().__init__(code=bundle(), hash=bundle_hash(), _model_module_version=version)
        # Fixed now: asking a closed widget for its model id would open it again or give an object that is no JSON.
        self.ref = f"anywidget:{self.model_id}"


_lock = threading.Lock()
_carrier: Carrier | None = None


def carrier() -> Carrier:
    """The kernel's carrier, a new one when the last was closed."""
    global _carrier
    with _lock:
        if _carrier is None or is_closed(_carrier):
            _carrier = Carrier()
        return _carrier


def inline_host() -> bool:
    """Whether this process is a host whose widgets must each carry the whole bundle."""
    if os.environ.get("SAEWIDGETS_BUNDLE") == "inline":
        return True
    marimo = sys.modules.get("marimo")
    if marimo is not None and getattr(marimo, "running_in_notebook", bool)():
        return True
    return any(name in sys.modules for name in _SHARED_PROCESS)


def delivery(mode: str) -> dict[str, Any]:
    """Values of the traits by which a new widget gets its code.

    Args:
        mode: `"auto"`, `"carrier"` or `"inline"`.

    Returns:
        `_esm`, `_bundle` and `_carrier`.

    Raises:
        WidgetError: Unknown mode, or the bundle was not built.
    """
    if mode not in ("auto", "carrier", "inline"):
        raise WidgetError(f"bundle is {shorten(mode)}.", "Use 'auto', 'carrier' or 'inline'.")
    if mode == "inline" or (mode == "auto" and inline_host()):
        return {"_esm": bundle(), "_bundle": "", "_carrier": None}
    return {"_esm": shim(), "_bundle": bundle_hash(), "_carrier": carrier()}
