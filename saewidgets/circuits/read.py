"""Graphs out of JSON from strangers: every dialect, and every way in which such a file can be wrong.

URLs in a file are text: none is fetched, none becomes a link. What the graph has no place for is kept as it is and
written again by `to_json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from saewidgets.circuits.entries import (
    MANY,
    TODO,
    as_number,
    as_object,
    as_text,
    as_texts,
    as_whole,
    entry_of,
    order_of,
)
from saewidgets.circuits.graph import AttributionGraph
from saewidgets.circuits.marks import Marks
from saewidgets.circuits.nodes import LOGIT, TOKEN, Nodes
from saewidgets.circuits.settings import KEY
from saewidgets.circuits.write import OURS
from saewidgets.dictionaries.formats.configs import parse_json
from saewidgets.errors import CircuitError, DictionaryError, shorten
from saewidgets.payloads.arrays import Array
from saewidgets.payloads.influence import GraphScores, Matrix

MAX_BYTES, MAX_NODES, MAX_LINKS, MAX_TOKENS, MAX_DEPTH = 128 << 20, 200_000, 2_000_000, 1 << 20, 1000


def from_json(source: str | Path | Mapping[str, Any]) -> AttributionGraph:
    """Read a graph.

    Args:
        source: A path, JSON text, or the parsed document.

    Returns:
        The graph, nodes in our order. Pins by `node_id` and by `jsNodeId` are both understood.

    Raises:
        CircuitError: Too large, damaged, or no such graph: what is wrong and where.
    """
    document = source if isinstance(source, Mapping) else _parse(_bytes(source))
    return _graph(as_object(document, "The document"))


def from_text(text: str) -> AttributionGraph:
    """Read a graph from JSON text that a stranger sent: never a path.

    Raises:
        CircuitError: As `from_json`.
    """
    return _graph(as_object(_parse(text.encode("utf-8", "surrogatepass")), "The document"))


def _bytes(source: str | Path) -> bytes:
    if isinstance(source, str) and source.lstrip()[:1] in ("{", "["):
        data = source.encode("utf-8", "surrogatepass")
    else:
        path = Path(source)
        try:
            if path.stat().st_size > MAX_BYTES:
                raise CircuitError(f"The file has {path.stat().st_size} bytes.", f"At most {MAX_BYTES} are read.")
            data = path.read_bytes()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise CircuitError(
                f"Cannot read {shorten(path.name)}: {reason}.", "Give the path of a graph file."
            ) from None
    if len(data) > MAX_BYTES:
        raise CircuitError(f"The graph has {len(data)} bytes.", f"At most {MAX_BYTES} are read.")
    return data


def _parse(data: bytes) -> Any:
    try:
        return parse_json(data, "The graph")
    except DictionaryError as error:
        raise CircuitError(error.what, error.todo) from None


def _graph(document: Mapping[str, Any]) -> AttributionGraph:
    metadata = as_object(document.get("metadata"), "metadata")
    raw, links = document.get("nodes"), document.get("links")
    for name, found, most in (("nodes", raw, MAX_NODES), ("links", links, MAX_LINKS)):
        if not isinstance(found, list) or len(found) > most:
            size = len(found) if isinstance(found, list) else shorten(found)
            raise CircuitError(f"The graph's {name} are {size}.", f"They are a list of at most {most}.")
    assert isinstance(raw, list)
    tokens = metadata.get("prompt_tokens")
    if not isinstance(tokens, list) or len(tokens) > MAX_TOKENS or not all(isinstance(t, str) for t in tokens):
        raise CircuitError(f"prompt_tokens is {shorten(tokens)}.", "It is a list of texts.")
    ours = metadata.get(OURS)
    ours = ours if isinstance(ours, dict) else {}
    entries = [entry_of(as_object(node, f"Node {n}"), n, len(tokens)) for n, node in enumerate(raw)]
    listed = ours.get("dictionaries")
    keys = [key for key in listed if isinstance(key, str)] if isinstance(listed, list) else []
    place_of = {key: n for n, key in enumerate(keys)}
    order = sorted(range(len(entries)), key=lambda n: order_of(entries[n], n, place_of))
    ordered = [entries[n] for n in order]
    columns = _columns(ordered, keys)
    place = {}
    for n, entry in enumerate(ordered):
        if entry["node_id"] in place:
            raise CircuitError(f"Two nodes have the id {shorten(entry['node_id'])}.", TODO)
        place[entry["node_id"]] = n
    adjacency = _adjacency(links, place, len(ordered))
    if not _given(ordered, "influence"):
        columns = _with_influence(columns, adjacency)
    params = document.get("qParams") or {}
    marks, strangers = _marks(as_object(params, "qParams"), ours, columns, ordered, place)
    kept = {columns.ids[n]: {**entry["raw"], "label_read": columns.labels[n]} for n, entry in enumerate(ordered)}
    info = {
        "metadata": {key: value for key, value in metadata.items() if key != OURS},
        "qParams": dict(params),
        "nodes": kept,
        "strangers": strangers,
        "document": {k: v for k, v in document.items() if k not in ("metadata", "qParams", "nodes", "links")},
    }
    if isinstance(metadata.get("pruning_settings"), dict) and "node_threshold" in metadata["pruning_settings"]:
        info["pruning_settings"] = metadata["pruning_settings"]
    if isinstance(ours.get(KEY), dict):
        info[KEY] = ours[KEY]
    return AttributionGraph(
        as_text(ours.get("model", metadata.get("scan", "")), "scan"),
        as_text(metadata.get("prompt", ""), "prompt"),
        tuple(tokens),
        _token_ids(ours, ordered, len(tokens)),
        columns,
        adjacency,
        as_number(ours.get("residual", 0.0), "residual"),
        as_number(ours.get("covered", 1.0), "covered"),
        ours.get("complete", False) is True,
        as_text(ours.get("method", ""), "method"),
        marks,
        info,
        _scores(ours.get("scores")),
    )


def _columns(entries: list[dict[str, Any]], keys: list[str]) -> Nodes:
    place = {key: n for n, key in enumerate(keys)}
    for entry in entries:
        if entry["key"]:
            place.setdefault(entry["key"], len(place))

    def column(name: str, dtype: str) -> Array:
        with np.errstate(over="ignore"):
            values = np.array([entry[name] for entry in entries], dtype="float64" if "float" in dtype else "int64")
            return values.astype(dtype)

    weights = column("weight", "float64")
    logits = column("kind", "uint8") == LOGIT
    if logits.any() and not weights.any():
        weights[logits] = 1 / logits.sum()
    shares = [as_number(e["influence"], "influence") if e["influence"] is not None else 1.0 for e in entries]
    return Nodes(
        kind=column("kind", "uint8"),
        layer=column("layer", "int32"),
        position=column("position", "int32"),
        index=column("index", "int64"),
        dictionary=np.array([place.get(e["key"], -1) for e in entries], dtype="int32"),
        activation=column("activation", "float32"),
        value=column("value", "float32"),
        bias=column("bias", "float32"),
        weight=weights,
        probability=column("probability", "float32"),
        cumulative=np.array(shares, dtype="float32"),
        dictionaries=tuple(place),
        labels=tuple(entry["label"] for entry in entries),
    )


def _given(entries: list[dict[str, Any]], name: str) -> bool:
    return any(entry[name] is not None for entry in entries)


def _with_influence(columns: Nodes, adjacency: Matrix) -> Nodes:
    from dataclasses import replace

    from saewidgets.payloads import influence

    reached = influence.influence(influence.normalise(adjacency), columns.weight)
    return replace(columns, cumulative=influence.cumulative(reached).astype("float32"))


def _adjacency(links: Any, place: Mapping[str, int], n: int) -> Matrix:
    """`[n, n]`, acyclic, each edge once."""
    rows, cols, weights = np.empty(len(links), "int64"), np.empty(len(links), "int64"), np.empty(len(links))
    for k, link in enumerate(links):
        one = as_object(link, f"Link {k}")
        rows[k], cols[k] = (_end(one.get(side), k, place) for side in ("target", "source"))
        weights[k] = as_number(one.get("weight"), f"Link {k}'s weight")
    if (rows == cols).any():
        raise CircuitError(f"Link {int(np.argmax(rows == cols))} goes from a node to itself.", TODO)
    if len(np.unique(rows * n + cols)) != len(rows):
        raise CircuitError("Two links join the same two nodes.", TODO)
    with np.errstate(over="ignore"):
        found = sparse.csr_array((weights.astype("float32"), (rows, cols)), shape=(n, n))
    if n and csgraph.connected_components(found, connection="strong", return_labels=False) != n:
        raise CircuitError("The links go round in a circle.", "Effects go from earlier to later layers only.")
    check_depth(found)
    return found


def _end(name: Any, link: int, place: Mapping[str, int]) -> int:
    if not isinstance(name, str) or name not in place:
        raise CircuitError(f"Link {link} names the node {shorten(name)}, which is not there.", TODO)
    return place[name]


def check_depth(adjacency: Matrix) -> None:
    """No path is longer than any model is deep: a walk along the longest would take for ever."""
    transposed = abs(adjacency).T.tocsr()
    transposed.data = np.ones_like(transposed.data)
    reached = np.ones(adjacency.shape[0], dtype="float32")
    for _ in range(MAX_DEPTH):
        reached = np.minimum(transposed @ reached, 1)
        if not reached.any():
            return
    raise CircuitError(f"The graph has paths of more than {MAX_DEPTH} links.", TODO)


def _marks(
    params: dict[str, Any],
    ours: Mapping[str, Any],
    columns: Nodes,
    entries: list[dict[str, Any]],
    place: Mapping[str, int],
) -> tuple[Marks, list[str]]:
    """Marks, and pins that name no node here. Without positions in it, a jsNodeId may mean several nodes."""
    other: dict[str, list[int]] = {}
    for n, entry in enumerate(entries):
        other.setdefault(entry["jsNodeId"], []).append(n)

    def nodes(name: str) -> list[str]:
        return [columns.ids[n] for n in ([place[name]] if name in place else other.get(name, []))]

    pins = as_texts(params.get("pinnedIds"), "pinnedIds")
    pinned = dict.fromkeys(node for name in pins for node in nodes(name))
    groups = []
    listed = params.get("supernodes") or []
    if not isinstance(listed, list):
        raise CircuitError(f"supernodes is {shorten(listed)}.", "It is a list of lists.")
    for group in listed:
        label, *members = as_texts(group, "A supernode") or [""]
        found = dict.fromkeys(node for name in members for node in nodes(name))
        if found:
            groups.append((label, tuple(found)))
    clicked = params.get("clickedId") or ""
    clicked_nodes = nodes(as_text(clicked, "clickedId"))
    links = params.get("linkType") or "both"
    positions = {}
    placed = ours.get("positions")
    for name, at in placed.items() if isinstance(placed, dict) else ():
        if name in columns.place and isinstance(at, list) and len(at) == 2:
            positions[name] = (as_number(at[0], "A position"), as_number(at[1], "A position"))
    marks = Marks(
        tuple(pinned),
        tuple(groups),
        positions,
        clicked_nodes[0] if clicked_nodes else "",
        links if links in ("both", "input", "output", "either") else "both",
    )
    return marks, [name for name in pins if not nodes(name)]


def _token_ids(ours: Mapping[str, Any], entries: list[dict[str, Any]], tokens: int) -> tuple[int, ...]:
    listed = ours.get("token_ids")
    if isinstance(listed, list) and len(listed) == tokens:
        return tuple(as_whole(one, "A token id", MANY) for one in listed)
    found = {entry["position"]: entry["index"] for entry in entries if entry["kind"] == TOKEN}
    return tuple(found.get(position, -1) for position in range(tokens))


def _scores(found: Any) -> GraphScores | None:
    if not isinstance(found, dict):
        return None
    return GraphScores(
        as_number(found.get("replacement"), "replacement"), as_number(found.get("completeness"), "completeness")
    )
