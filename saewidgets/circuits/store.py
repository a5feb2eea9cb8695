"""A graph in one file: safetensors, columns and edges as tensors, the rest as JSON in its header.

Any safetensors reader opens it. Ours checks the header itself and takes no more memory than the file has bytes.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from saewidgets import disk
from saewidgets.circuits.marks import Marks
from saewidgets.circuits.nodes import COLUMNS, Nodes
from saewidgets.dictionaries.formats.configs import parse_json
from saewidgets.errors import CircuitError, DictionaryError, shorten
from saewidgets.payloads.arrays import Array
from saewidgets.payloads.influence import GraphScores

if TYPE_CHECKING:
    from saewidgets.circuits.graph import AttributionGraph

FORMAT, VERSION = "saewidgets.graph", 1
_EDGES = {"indptr": "int64", "indices": "int32", "weights": "float32"}
_CODES = {"U8": "uint8", "I32": "int32", "I64": "int64", "F32": "float32", "F64": "float64"}
_MAX_HEADER, _MAX_BYTES = 256 << 20, 8 << 30
_TODO = "The file is damaged or no saved graph; save it again."


def save(graph: AttributionGraph, path: str | Path) -> Path:
    """Write a graph; the same bytes for the same graph.

    Raises:
        CircuitError: It holds something that is no JSON value.
        DiskError: No such folder, no space, or not permitted.
    """
    c, m = graph.columns, graph.marks
    described = {
        "model": graph.model,
        "prompt": graph.prompt,
        "tokens": graph.tokens,
        "token_ids": graph.token_ids,
        "residual": graph.residual,
        "covered": graph.covered,
        "complete": graph.complete,
        "method": graph.method,
        "info": graph.info,
        "whole": None if graph.whole is None else asdict(graph.whole),
        "dictionaries": c.dictionaries,
        "labels": c.labels,
        "pinned": m.pinned,
        "groups": m.groups,
        "positions": dict(m.positions),
        "clicked": m.clicked,
        "links": m.links,
    }
    try:
        text = json.dumps(described, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        text.encode()
    except (TypeError, ValueError) as error:
        raise CircuitError(
            f"The graph cannot be written: {shorten(str(error))}.", "Keep JSON values in info."
        ) from None
    adjacency = sparse.csr_array(graph.adjacency, copy=True)
    adjacency.sort_indices()
    edges = (adjacency.indptr, adjacency.indices, adjacency.data)
    tensors = {name: np.ascontiguousarray(getattr(c, name)) for name in COLUMNS}
    tensors |= {name: np.ascontiguousarray(part, dtype=_EDGES[name]) for name, part in zip(_EDGES, edges, strict=True)}
    about = {"format": FORMAT, "version": str(VERSION), "graph": text}
    return disk.write_bytes(path, _to_bytes(tensors, about))


def _to_bytes(tensors: dict[str, Array], about: dict[str, str]) -> bytes:
    """A safetensors file. The library's own writer puts the metadata in another order each time."""
    names = {dtype: code for code, dtype in _CODES.items()}
    header: dict[str, Any] = {"__metadata__": about}
    parts, first = [], 0
    for name, values in sorted(tensors.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])):
        part = values.astype(values.dtype.newbyteorder("<")).tobytes()
        last = first + len(part)
        header[name] = {"dtype": names[values.dtype.name], "shape": [len(values)], "data_offsets": [first, last]}
        parts.append(part)
        first = last
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def load(path: str | Path) -> AttributionGraph:
    """Read what `save` wrote.

    Raises:
        CircuitError: Not such a file, of a newer version, damaged or crafted.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise CircuitError(
                f"{shorten(path.name)} has {path.stat().st_size} bytes.", f"At most {_MAX_BYTES} are read."
            )
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CircuitError(f"Cannot read {shorten(path.name)}: {reason}.", "Give the path of a saved graph.") from None
    return parse(data)


def parse(data: bytes) -> AttributionGraph:
    """The graph in the bytes of a file; see `load`."""
    tensors, text = _open(data)
    described = _json(text.encode("utf-8", "surrogatepass"))
    if not isinstance(described, dict):
        raise CircuitError(f"The graph is described by {shorten(described)}.", _TODO)
    try:
        return _build(tensors, described)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise CircuitError(f"The graph's description does not fit ({shorten(error)}).", _TODO) from None


def _build(tensors: dict[str, Array], d: dict[str, Any]) -> AttributionGraph:
    from saewidgets.circuits.graph import AttributionGraph
    from saewidgets.circuits.read import check_depth

    texts = {name: _texts(d[name], name) for name in ("tokens", "dictionaries", "labels", "pinned")}
    columns = Nodes(
        **{name: tensors[name] for name in COLUMNS}, dictionaries=texts["dictionaries"], labels=texts["labels"]
    )
    n, indptr, indices = len(columns), tensors["indptr"], tensors["indices"]
    fits = len(indptr) == n + 1 and len(indices) == len(tensors["weights"]) and indptr[0] == 0
    if not fits or indptr[-1] != len(indices) or (np.diff(indptr) < 0).any():
        raise CircuitError("The edges do not fit the nodes.", _TODO)
    if len(indices) and not (0 <= indices.min() and indices.max() < n):
        raise CircuitError("An edge names a node that is not there.", _TODO)
    adjacency = sparse.csr_array((tensors["weights"].copy(), indices.copy(), indptr.copy()), shape=(n, n))
    rows = np.repeat(np.arange(n), np.diff(indptr))
    if len(np.unique(rows * n + indices)) != len(indices):
        raise CircuitError("An edge stands twice.", _TODO)
    check_depth(adjacency)
    marks = Marks(
        texts["pinned"],
        tuple((_text(label), _texts(members, "a group")) for label, members in d["groups"]),
        {_text(name): (_number(x), _number(y)) for name, (x, y) in d["positions"].items()},
        _text(d["clicked"]),
        _text(d["links"]),
    )
    ids = d["token_ids"]
    if not isinstance(ids, list) or not all(type(i) is int for i in ids):
        raise CircuitError(f"token_ids is {shorten(ids)}.", _TODO)
    if not isinstance(d["info"], dict) or type(d["complete"]) is not bool:
        raise CircuitError("info or complete is of another kind.", _TODO)
    whole = None if d["whole"] is None else GraphScores(**{key: _number(value) for key, value in d["whole"].items()})
    return AttributionGraph(
        _text(d["model"]),
        _text(d["prompt"]),
        texts["tokens"],
        tuple(ids),
        columns,
        adjacency,
        _number(d["residual"]),
        _number(d["covered"]),
        d["complete"],
        _text(d["method"]),
        marks,
        d["info"],
        whole,
    )


def _open(data: bytes) -> tuple[dict[str, Array], str]:
    """Tensors by name, and the description. Only what `save` writes is read: names, types, one dimension."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(_MAX_HEADER, len(data) - 8):
        raise CircuitError(f"A header of {length} bytes in a file of {len(data)}.", _TODO)
    header = _json(data[8 : 8 + length])
    about = header.pop("__metadata__", None) if isinstance(header, dict) else None
    if not isinstance(about, dict) or about.get("format") != FORMAT or not isinstance(about.get("graph"), str):
        raise CircuitError("This is no saved graph.", "Open a file that `graph.save` wrote.")
    if about.get("version") != str(VERSION):
        raise CircuitError(f"The graph has format {shorten(about.get('version'))}.", f"This version reads {VERSION}.")
    expected = {**COLUMNS, **_EDGES}
    if set(header) != set(expected):
        raise CircuitError(f"The file holds {shorten(sorted(header))}.", _TODO)
    start, tensors = 8 + length, {}
    for name, dtype in expected.items():
        entry = header[name]
        entry = entry if isinstance(entry, dict) else {}
        shape, offsets = entry.get("shape"), entry.get("data_offsets")
        pair = isinstance(shape, list) and isinstance(offsets, list) and len(shape) == 1
        numbers = [*(shape or []), *(offsets or [])] if pair else []
        if len(numbers) != 3 or not all(type(x) is int and x >= 0 for x in numbers):
            raise CircuitError(f"{name} is declared as {shorten(entry)}.", _TODO)
        count, first, last = numbers
        size = np.dtype(dtype).itemsize
        if _CODES.get(entry.get("dtype", "")) != dtype or last - first != count * size or start + last > len(data):
            raise CircuitError(f"{name} is declared as {shorten(entry)}.", _TODO)
        tensors[name] = np.frombuffer(data, np.dtype(dtype).newbyteorder("<"), count, start + first).astype(dtype)
    return tensors, about["graph"]


def _json(data: bytes) -> Any:
    try:
        return parse_json(data, "The graph")
    except DictionaryError as error:
        raise CircuitError(error.what, error.todo) from None


def _texts(value: Any, what: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise CircuitError(f"{what} is {shorten(value)}.", _TODO)
    return tuple(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise CircuitError(f"{shorten(value)} stands where a text should.", _TODO)
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not abs(value) <= 1e30:
        raise CircuitError(f"{shorten(value)} stands where a number should.", _TODO)
    return float(value)
