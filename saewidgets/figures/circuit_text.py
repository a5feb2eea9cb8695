"""Circuit payload -> words: title, alt text, static HTML, table. No matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from saewidgets.figures import text
from saewidgets.figures.circuit_reading import counted, label_of, units, visible
from saewidgets.figures.markup import heading, note, row, sheet
from saewidgets.figures.palette import letter, palette
from saewidgets.payloads.circuit import ERROR, FEATURE, LOGIT, TOKEN, CircuitPayload

if TYPE_CHECKING:
    import pandas as pd

KINDS = {FEATURE: "feature", ERROR: "error", TOKEN: "token", LOGIT: "logit"}
STATUS = ("same", "changed", "new", "gone")
_MOST = 40


def title(payload: CircuitPayload) -> str:
    """Of a page."""
    return f"Circuit · {text.plain(payload.prompt, 80)}"


def alt_text(payload: CircuitPayload) -> str:
    """What the picture shows, in one sentence.

    Args:
        payload: Of a circuit graph.

    Returns:
        How many nodes and edges by layer and token, the strongest path to the first target, and what is pinned.
    """
    shown = visible(payload)
    parts = [f"Attribution graph of “{text.plain(payload.prompt, 80)}” by layer and token, {counted(payload, shown)}"]
    path = strongest_path(payload)
    if path:
        parts.append(f"strongest path {', '.join(text.plain(label_of(payload, n), 40) for n in path)}")
    pinned = units(payload)
    if pinned:
        names = ", ".join(text.plain(unit.label, 30) for unit in pinned[:8])
        parts.append(f"pinned {names}{f' and {len(pinned) - 8} more' if len(pinned) > 8 else ''}")
    if payload.edits:
        parts.append(f"under {text.plain(payload.edits, 100)}")
    return "; ".join(parts) + "."


def strongest_path(payload: CircuitPayload) -> list[int]:
    """Nodes from a token to the target of greatest weight, each time by the strongest raising edge in view."""
    nodes, side = payload.nodes, payload.now
    logits = np.flatnonzero(nodes.kind == LOGIT)
    if not len(logits):
        return []
    edges = visible(payload).edges
    path = [int(logits[np.argmax(side.weight[logits])])]
    while True:
        into = edges[payload.target[edges] == path[0]]
        into = into[side.edge[into] > 0]
        if not len(into):
            return path if len(path) > 1 else []
        path.insert(0, int(payload.source[into[np.argmax(side.edge[into])]]))


def place_of(payload: CircuitPayload, n: int) -> str:
    """Token that a node stands at: "14 to"."""
    position = int(payload.nodes.position[n])
    words = payload.tokens if position < len(payload.tokens) else payload.tokens_before
    word = text.plain(words[position], 20).strip() if position < len(words) else ""
    return f"{position} {word}".strip()


def fallback(payload: CircuitPayload, max_bytes: int = 9_000) -> str:
    """Pinned groups and the nodes of most influence as script-free HTML of at most `max_bytes` bytes.

    Raises:
        FigureError: Less than 5000 bytes were allowed.
    """
    look = palette("light")
    shown = visible(payload)
    top = [heading(f"Circuit of “{text.plain(payload.prompt, 100)}”"), note(counted(payload, shown), look)]
    pinned = [
        row([(letter(unit.slot) if unit.slot >= 0 else "", 24), (text.plain(unit.label, 50), 220),
             (", ".join(place_of(payload, n) for n in unit.nodes[:4]), 160)])
        for unit in units(payload)
    ]  # fmt: skip
    effects = [
        row([(text.plain(word.strip() or word, 24), 120), *[(text.probability(float(p)), 60) for p in values]])
        for word, *values in _words(payload)
    ]
    order = np.flatnonzero(shown.nodes & (payload.nodes.kind <= ERROR))
    order = order[np.argsort(-payload.now.influence[order], kind="stable")][:_MOST]
    rows = [row([("node", 260), ("token", 110), ("layer", 70), ("influence", 70)])] if len(order) else []
    rows += [
        row([
            (text.plain(label_of(payload, n), 44), 260),
            (place_of(payload, n), 110),
            (text.plain(payload.rows[int(payload.nodes.row[n])], 20), 70),
            (text.probability(float(payload.now.influence[n])), 70),
        ])
        for n in order.tolist()
    ]  # fmt: skip
    heads = [[heading("Pinned")] if pinned else [], [heading("Next token")] if effects else []]
    scores = [
        f"replacement {text.probability(payload.replacement)}",
        f"completeness {text.probability(payload.completeness)}",
    ]
    sources = [text.plain(part, 60) for part in (payload.context.model, payload.context.dictionaries) if part]
    foot = [note(" · ".join([*scores, *sources]), look)]
    return sheet([top, heads[0], pinned, heads[1], effects, rows, foot], look, max_bytes)


def _words(payload: CircuitPayload) -> list[tuple[Any, ...]]:
    words = payload.words
    columns = [words.before] if words.after is None else [words.before, words.after]
    return [(word, *(float(column[k]) for column in columns)) for k, word in enumerate(words.word[:5])]


def to_frame(payload: CircuitPayload) -> pd.DataFrame:
    """The nodes as a table, one row each.

    Columns: `id`, `kind`, `label`, `layer` (name of the row), `position`, `token`, `group`, `pinned`, `visible`,
    `influence`, `cumulative`, `activation`, `density`, `status`, and `influence_before` where there are two graphs.
    """
    import pandas as pd  # late: it takes longer to import than the figure to draw

    nodes, now = payload.nodes, payload.now
    group = {node: g.label for g in payload.marks.groups for node in g.nodes}
    tokens = payload.tokens if len(payload.tokens) >= len(payload.tokens_before) else payload.tokens_before
    columns = {
        "id": list(nodes.id),
        "kind": [KINDS[k] for k in nodes.kind.tolist()],
        "label": [label_of(payload, n) for n in range(len(nodes))],
        "layer": [payload.rows[r] for r in nodes.row.tolist()],
        "position": nodes.position.astype(int),
        "token": [tokens[p] if p < len(tokens) else "" for p in nodes.position.tolist()],
        "group": [group.get(name, "") for name in nodes.id],
        "pinned": [name in set(payload.marks.pinned) for name in nodes.id],
        "visible": visible(payload).nodes,
        "influence": now.influence,
        "cumulative": now.cumulative,
        "activation": now.activation,
        "density": nodes.density,
        "status": [STATUS[s] for s in nodes.status.tolist()],
    }
    if payload.before is not None:
        columns["influence_before"] = payload.before.influence
    return pd.DataFrame(columns)
