"""A graph as the JSON that other viewers open: Neuronpedia, circuit-tracer, Anthropic's front end.

The three share one form, `{metadata, qParams, nodes, links}`, and differ in details. What their forms have no place
for is kept under `metadata.saewidgets`, which they ignore, so that a graph comes back as it went. What an imported file
held besides is written again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saewidgets import disk
from saewidgets.circuits.nodes import ERROR, FEATURE, TOKEN
from saewidgets.circuits.settings import KEY
from saewidgets.errors import CircuitError, shorten

if TYPE_CHECKING:
    from saewidgets.circuits.graph import AttributionGraph

DIALECTS = NEURONPEDIA, CIRCUIT_TRACER, ANTHROPIC = "neuronpedia", "circuit-tracer", "anthropic"
TYPES = ("cross layer transcoder", "mlp reconstruction error", "embedding", "logit")
OURS = "saewidgets"
VERSION = 1


def to_json(
    graph: AttributionGraph,
    dialect: str = NEURONPEDIA,
    path: str | Path | None = None,
    *,
    slug: str = "",
    scan: str = "",
) -> str:
    """The graph as JSON.

    Args:
        graph: Any graph; viewers are made for a few thousand nodes, so prune it first.
        dialect: `"neuronpedia"`, `"circuit-tracer"` or `"anthropic"`.
        path: A file to write it to as well.
        slug: Name of the graph, in the viewers' URLs; made from the prompt by default.
        scan: Name of model and dictionaries as the viewer knows them; the model's name by default.

    Returns:
        The JSON text, valid against Neuronpedia's schema in every dialect.

    Raises:
        CircuitError: An unknown dialect.
        DiskError: The file cannot be written.

    Example:
        >>> import saewidgets as sw
        >>> graph = sw.demo().attribute("Mira saw a red boat.", max_features=64).prune()
        >>> again = sw.AttributionGraph.from_json(graph.to_json())
        >>> again.columns.ids == graph.columns.ids and bool((again.adjacency != graph.adjacency).nnz == 0)
        True
    """
    if dialect not in DIALECTS:
        raise CircuitError(f"Unknown dialect {shorten(dialect)}.", f"Use {', '.join(DIALECTS)}.")
    names = node_ids(graph)
    nodes = [_node(graph, n, names, dialect) for n in range(len(names))]
    edges = graph.adjacency.tocoo()
    links = [
        {"source": names[s], "target": names[t], "weight": w}
        for t, s, w in zip(edges.row.tolist(), edges.col.tolist(), edges.data.tolist(), strict=True)
    ]
    known = [node["jsNodeId"] for node in nodes] if dialect == ANTHROPIC else names
    document = {
        **graph.info.get("document", {}),
        "metadata": _metadata(graph, dialect, slug, scan),
        "qParams": _marks(graph, known),
        "nodes": nodes,
        "links": links,
    }
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    if path is not None:
        disk.write_bytes(path, text.encode())
    return text


def node_ids(graph: AttributionGraph) -> list[str]:
    """Ids in the form of circuit-tracer, made distinct where that form is not: a node keeps the id it came with."""
    c, kept = graph.columns, _kept(graph)
    names: list[str] = []
    used: set[str] = {str(kept[name]["node_id"]) for name in c.ids if name in kept}
    for n, own in enumerate(c.ids):
        if own in kept:
            names.append(str(kept[own]["node_id"]))
            continue
        layer, position, index = int(c.layer[n]), int(c.position[n]), int(c.index[n])
        if c.kind[n] == FEATURE:
            name = f"{layer}_{index}_{position}"
        elif c.kind[n] == ERROR:
            name = f"0_{layer}_{position}"
        else:
            name = f"E_{index}_{position}" if c.kind[n] == TOKEN else f"{layer + 1}_{index}_{position}"
        # An error may look like a feature of layer 0, two targets may have one token, two dictionaries one layer.
        unique, count = name, 1
        while unique in used:
            count += 1
            unique = f"{name}_{count}"
        used.add(unique)
        names.append(unique)
    return names


def cantor(x: int, y: int) -> int:
    """One number for a pair."""
    return (x + y) * (x + y + 1) // 2 + y


def _kept(graph: AttributionGraph) -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = graph.info.get("nodes", {})
    return found


def _node(graph: AttributionGraph, n: int, names: list[str], dialect: str) -> dict[str, Any]:
    c, kept = graph.columns, _kept(graph).get(graph.columns.ids[n])
    kind, layer, position, index = int(c.kind[n]), int(c.layer[n]), int(c.position[n]), int(c.index[n])
    back = len(graph.tokens) - 1 - position if dialect == ANTHROPIC else 0
    label = c.labels[n]
    ours: dict[str, Any] = {
        "node_id": names[n],
        "ctx_idx": position,
        "influence": float(c.cumulative[n]),
        "value": float(c.value[n]),
        "bias": float(c.bias[n]),
    }
    if c.dictionary[n] >= 0:
        ours["dictionary"] = c.dictionaries[c.dictionary[n]]
    if kind == FEATURE:
        ours |= {"feature": cantor(layer, index), "layer": str(layer), "jsNodeId": f"{layer}_{index}-{back}"}
        ours["activation"] = float(c.activation[n])
    elif kind == ERROR:
        ours |= {"feature": -1, "layer": str(layer), "jsNodeId": f"{layer}_{position}-{back}"}
    elif kind == TOKEN:
        ours |= {"feature": position, "layer": "E", "jsNodeId": f"E_{index}-{position}"}
    else:
        number = index if index >= 0 else None
        ours |= {"feature": number, "layer": str(layer + 1), "jsNodeId": f"L_{index}-{position}"}
        ours |= {"is_target_logit": True, "token_prob": float(c.probability[n]), "weight": float(c.weight[n])}
        ours["label"] = label
        # Viewers read the token and its probability out of this text.
        label = f'Output "{label}" (p={float(c.probability[n]):.3f})'
    ours |= {"feature_type": TYPES[kind], "clerp": label, "reverse_ctx_idx": back, "run_idx": 0}
    if kept is None:
        return {"token_prob": 0.0, "is_target_logit": False, **ours}
    # A node that came from a file says what it said, but for what was computed or changed since.
    changed: dict[str, Any] = {
        key: ours[key] for key in ("influence", "activation") if key in ours and kept.get(key) is not None
    }
    if c.labels[n] != kept.get("label_read", c.labels[n]):
        changed["clerp"] = label
    return {**{key: value for key, value in kept.items() if key != "label_read"}, **changed}


def _metadata(graph: AttributionGraph, dialect: str, slug: str, scan: str) -> dict[str, Any]:
    from saewidgets import __version__

    kept = graph.info.get("metadata", {})
    made = re.sub(r"[^a-z0-9]+", "-", graph.prompt.lower()).strip("-")[:60] or "graph"
    found: dict[str, Any] = {
        "slug": made,
        "scan": graph.model,
        "prompt_tokens": list(graph.tokens),
        "prompt": graph.prompt,
        **kept,
        **({"slug": slug} if slug else {}),
        **({"scan": scan} if scan else {}),
    }
    pruning = graph.info.get("pruning_settings")
    if pruning:
        found |= {"pruning_settings": pruning, "node_threshold": pruning["node_threshold"]}
    if dialect == CIRCUIT_TRACER:
        found.setdefault("transcoder_list", list(graph.columns.dictionaries))
        found.setdefault("node_threshold", 1.0)
        found.setdefault("schema_version", 1)
    elif dialect == ANTHROPIC:
        found.setdefault("title_prefix", "")
    else:
        found.setdefault("info", {"generator": {"name": OURS, "version": __version__}})
    found[OURS] = {
        "version": VERSION,
        "model": graph.model,
        "token_ids": list(graph.token_ids),
        "dictionaries": list(graph.columns.dictionaries),
        "residual": graph.residual,
        "covered": graph.covered,
        "complete": graph.complete,
        "method": graph.method,
        "scores": None if graph.whole is None else asdict(graph.whole),
        "positions": {name: list(place) for name, place in graph.marks.positions.items()},
        **({KEY: graph.info[KEY]} if KEY in graph.info else {}),
    }
    return found


def _marks(graph: AttributionGraph, names: list[str]) -> dict[str, Any]:
    """`qParams`; what an imported file held of nodes that are not here is kept."""
    marks, place = graph.marks, graph.columns.place
    kept = dict(graph.info.get("qParams", {}))
    strangers = graph.info.get("strangers", [])

    def known(name: str) -> str:
        return names[place[name]]

    kept |= {"pinnedIds": [*map(known, marks.pinned), *strangers], "linkType": marks.links}
    kept["supernodes"] = [[label, *map(known, members)] for label, members in marks.groups]
    kept["clickedId"] = known(marks.clicked) if marks.clicked else ""
    return kept
