"""Notebooks that open everywhere: widget state taken out or put right, static pictures left in its place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saewidgets import disk
from saewidgets.errors import FigureError, shorten

STATE, VIEW = "application/vnd.jupyter.widget-state+json", "application/vnd.jupyter.widget-view+json"
# What stands for a widget that left no picture.
GONE = "(a widget without a picture: run the cell)"
MAX_BYTES = 1 << 30


@dataclass(frozen=True)
class Cleaned:
    """What was done to a notebook.

    Args:
        path: Where it was written.
        before, after: Its size in bytes.
        views: Outputs whose live view went, or, when repairing, entries that were put right.
        pictures: Of those the ones that keep a picture.
    """

    path: Path
    before: int
    after: int
    views: int
    pictures: int

    def __str__(self) -> str:
        kilobytes = f"{self.before / 1000:,.0f} kB -> {self.after / 1000:,.0f} kB"
        return f"{self.path}: {kilobytes}, {self.views} views, {self.pictures} with a picture"


def clean(path: str | Path, output: str | Path | None = None, *, repair: bool = False) -> Cleaned:
    """Strip the widget state from a notebook, so that GitHub, nbviewer, mail and diffs can take it.

    Every output that holds a live view and a picture keeps the picture; the state of all widgets goes, which is most of
    the file and the cause of "the 'state' key is missing".

    Args:
        path: An `.ipynb` file.
        output: Where to write the result; in place by default.
        repair: Keep state and views, and only put right what is missing in the state.

    Returns:
        What was done.

    Raises:
        FigureError: It cannot be read, or is no notebook.
        DiskError: It cannot be written; the file is then as it was.

    Example:
        >>> import json, tempfile
        >>> picture = {"text/html": "<b>a</b>", VIEW: {"model_id": "1"}}
        >>> cell = {"cell_type": "code", "outputs": [{"output_type": "display_data", "data": picture}]}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "a.ipynb"
        ...     size = file.write_text(json.dumps({"nbformat": 4, "metadata": {"widgets": {}}, "cells": [cell]}))
        ...     found = clean(file)
        >>> found.views, found.pictures
        (1, 1)
    """
    path = Path(path)
    raw = _read(path)
    notebook = _parse(path, raw)
    views, pictures = _repaired(notebook) if repair else _stripped(notebook)
    # As Jupyter writes it, so that a diff shows what changed.
    made = (json.dumps(notebook, ensure_ascii=False, indent=1) + "\n").encode("utf-8", "surrogatepass")
    target = Path(output) if output is not None else path
    if target != path or made != raw:
        disk.write_bytes(target, made)
    return Cleaned(target, len(raw), len(made), views, pictures)


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise FigureError(f"{shorten(str(path))} has {size} bytes.", f"A notebook of at most {MAX_BYTES} is read.")
        return path.read_bytes()
    except OSError as error:
        raise FigureError(f"{shorten(str(path))} cannot be read ({error.strerror}).", "Name an .ipynb file.") from None


def _parse(path: Path, raw: bytes) -> dict[str, Any]:
    try:
        notebook = json.loads(raw)
    except (ValueError, RecursionError) as error:
        what = f"{shorten(str(path))} is no notebook ({shorten(str(error))})."
        raise FigureError(what, "Give an .ipynb file.") from None
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        what = f"{shorten(str(path))} is no notebook of version 4."
        raise FigureError(what, "Give an .ipynb file; `jupyter nbconvert` upgrades old ones.")
    return notebook


def _bundles(notebook: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The MIME bundle of every output."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs") or []:
            if isinstance(output, dict) and isinstance(output.get("data"), dict):
                yield output["data"]


def _stripped(notebook: dict[str, Any]) -> tuple[int, int]:
    if isinstance(notebook.get("metadata"), dict):
        notebook["metadata"].pop("widgets", None)
    views = pictures = 0
    for data in _bundles(notebook):
        if data.pop(VIEW, None) is None:
            continue
        views += 1
        has_picture = bool({"text/html", "image/png", "image/svg+xml"} & data.keys())
        pictures += has_picture
        if not has_picture:
            data.setdefault("text/plain", GONE)
    return views, pictures


def _repaired(notebook: dict[str, Any]) -> tuple[int, int]:
    """Give the state the keys that readers ask for."""
    metadata = notebook.setdefault("metadata", {})
    views = sum(VIEW in data for data in _bundles(notebook))
    if not isinstance(metadata, dict) or "widgets" not in metadata:
        return 0, 0
    widgets = metadata["widgets"] if isinstance(metadata["widgets"], dict) else {}
    state = widgets.get(STATE)
    # Some hosts write the models without the envelope that nbformat asks for.
    given = state if isinstance(state, dict) else {}
    whole = given if isinstance(given.get("state"), dict) else {"state": _models(state, widgets)}
    fixed: dict[str, Any] = {"version_major": 2, "version_minor": 0, **whole}
    changed = widgets.get(STATE) != fixed or set(widgets) != {STATE}
    metadata["widgets"] = {STATE: fixed}
    return (len(fixed["state"]) if changed else 0), views


def _models(state: Any, widgets: dict[str, Any]) -> dict[str, Any]:
    """The models that lie where the envelope should be."""
    found = state if isinstance(state, dict) else widgets
    return {key: model for key, model in found.items() if isinstance(model, dict) and "model_name" in model}
