"""Circuits of any size, without a model; numbers are invented."""

from __future__ import annotations

from typing import Any

import numpy as np

from saewidgets.payloads import (
    CircuitEffect,
    CircuitGroup,
    CircuitMarks,
    CircuitMode,
    CircuitNodes,
    CircuitPayload,
    CircuitPlace,
    CircuitSide,
    CircuitWords,
    CircuitWorth,
    Context,
    NodeName,
)

SENTENCE = ("<|start|>", "When", " Mira", " and", " Tom", " came", " to", " the", " pond", ",", " Tom", " gave")
CONTEXT = Context("demo · 4 layers", "TopK 24", version="0.1.0", milliseconds=412.0, code="sw.CircuitGraph(graph)")


def make_circuit(
    n: int = 96, edges: int = 700, layers: int = 4, tokens: tuple[str, ...] = SENTENCE, live: bool = True,
    before: bool = True, seed: int = 0, label: str = "name said once", **changes: Any,
) -> CircuitPayload:  # fmt: skip
    """A circuit with groups, an effect and a graph before it.

    Args:
        n: Features and errors.
        edges: At most so many.
        layers: Of the model.
        tokens: Of the prompt.
        live: Whether there is an effect with everything measured.
        before: Whether there is a graph before.
        seed: Of the draws.
        label: Of features and groups.
        **changes: Fields to replace.
    """
    random = np.random.default_rng(seed)
    t = len(tokens)
    row = np.sort(random.integers(1, layers + 1, n))
    position = random.integers(1, t, n)
    kind = (random.random(n) < 0.1).astype(int)
    places = np.array([int(((position == position[i]) & (row == row[i]))[:i].sum()) for i in range(n)])
    columns = np.full(t, max(6, int(places.max(initial=0)) + 1))
    all_rows = np.concatenate([np.zeros(t, int), row, np.full(3, layers + 1)])
    all_positions = np.concatenate([np.arange(t), position, np.full(3, t - 1)])
    all_kinds = np.concatenate([np.full(t, 2), kind, np.full(3, 3)])
    total = t + n + 3
    ids = (
        *(f"token@{i}" for i in range(t)),
        *(
            f"{'error' if k else 'mlp_in'}.{r - 1}/{i}@{p}"
            for i, (k, r, p) in enumerate(zip(kind, row, position, strict=True))
        ),
        *(f"logit.{i}@{t - 1}" for i in range(3)),
    )
    status = np.zeros(total, int)
    if before:
        status[t : t + n] = random.choice(4, n, p=[0.6, 0.2, 0.1, 0.1])
    source, target = random.integers(0, total, (2, edges * 8))
    upward = (all_rows[source] < all_rows[target]) & (all_positions[source] <= all_positions[target])
    pairs = np.unique(np.stack([target, source])[:, upward], axis=1)
    pairs = pairs[:, random.permutation(pairs.shape[1])[:edges]]
    weight = random.normal(size=pairs.shape[1]) * random.gamma(0.6, 1.0, pairs.shape[1])
    order = np.argsort(-np.abs(weight))
    pairs, weight = pairs[:, order], weight[order]

    def side(missing: int, scale: float) -> CircuitSide:
        there = status != missing
        influence = np.where(there, random.gamma(0.5, 0.1, total), 0)
        influence[-3:] = 0
        edge = np.where(there[pairs[0]] & there[pairs[1]], weight * scale, 0)
        inputs = np.zeros(total)
        np.add.at(inputs, pairs[0], np.abs(edge))
        ranks = np.argsort(-influence)
        cumulative = np.empty(total)
        cumulative[ranks] = np.cumsum(influence[ranks]) / max(influence.sum(), 1e-9)
        final = np.where(all_kinds == 3, [*np.zeros(total - 3), 0.71, 0.09, 0.04], 0)
        return CircuitSide(
            influence=influence, cumulative=np.minimum(cumulative, 1), activation=random.gamma(2, 2, total),
            inputs=inputs * 1.1, weight=final, probability=final, edge=edge,
        )  # fmt: skip

    now = side(3, 1.0)
    features = [i for i in np.argsort(-now.influence).tolist() if all_kinds[i] == 0][:7]
    pinned = tuple(ids[i] for i in features)
    marks = CircuitMarks(
        pinned,
        (CircuitGroup(label, pinned[:2]), CircuitGroup(f"{label} too", pinned[2:4])) if len(pinned) > 3 else (),
        (CircuitPlace(pinned[-1], 1.5, 2.0),) if pinned else (),
        (NodeName(pinned[-1], f"{label} here"),) if pinned else (),
    )
    rows = (*pinned[2:6], ids[-3], ids[-2])

    def mode(name: str) -> CircuitMode:
        a, b, c = random.normal(size=(3, len(rows)))
        return CircuitMode(name, a, b, -np.abs(c), np.abs(c), -np.abs(c) / 2, np.abs(c) / 2)

    effect = CircuitEffect(
        label, pinned[:2], rows, rows, tuple(map(mode, ("direct", "frozen attention", "free"))), 20, 0,
        control="20 random circuits of like size",
    )  # fmt: skip
    fields: dict[str, Any] = {
        "prompt": "".join(tokens[1:]),
        "tokens": tokens,
        "tokens_before": tuple(reversed(tokens)) if before else (),
        "rows": ("embed", *(f"layer {i}" for i in range(layers)), "logits"),
        "columns": columns,
        "widths": np.bincount(position, minlength=t) // layers + 1,
        "nodes": CircuitNodes(
            ids, all_kinds, all_rows, all_positions, np.concatenate([np.zeros(t, int), places, np.zeros(3, int)]),
            tuple(tokens) + (label,) * n + (" Mira", " the", " Tom"), random.random(total), status,
        ),
        "source": pairs[1],
        "target": pairs[0],
        "now": now,
        "before": side(2, 0.9) if before else None,
        "n_edges": pairs.shape[1],
        "selection": pinned[0] if pinned else "",
        "marks": marks,
        "replacement": 0.74,
        "completeness": 0.91,
        "residual": 2e-6,
        "method": "frozen attention",
        "words": CircuitWords(
            (" Mira", " the", " Tom"), [0.71, 0.09, 0.04], [0.29, 0.14, 0.38], [0.6, 0.05, 0.02], [0.75, 0.12, 0.06]
        ) if live else CircuitWords((" Mira", " the"), [0.71, 0.09]),
        "effect": effect if live else None,
        "worth": CircuitWorth(pinned, 0.81, 0.12, 0.02, -0.05, 0.09, 20) if live else None,
        "edits": "ablate mlp_in.1/3" if live else "",
        "context": CONTEXT,
    }  # fmt: skip
    return CircuitPayload(**{**fields, **changes})
