"""Faithfulness and completeness against edits of every feature outside or inside a circuit."""

from functools import cache
from typing import Any

import numpy as np
import pytest

import saewidgets as sw
from saewidgets.circuits import AttributionGraph, Experiment, faithfulness
from saewidgets.circuits.nodes import FEATURE, LOGIT
from saewidgets.errors import CircuitError
from saewidgets.scope import Scope
from tests.circuits import cases
from tests.model import tiny

IDS, TEXTS = tiny.prompt(3, 7), (tiny.prompt(8, 6), tiny.prompt(9, 5))


@cache
def setup() -> tuple[Scope, AttributionGraph, Experiment]:
    scope = Scope(tiny.make("llama"), cases.transcoders("relu"), tokenizer=tiny.tokenizer())
    graph = scope.attribute(IDS, 5)
    return scope, graph, Experiment(scope, graph)


def reference(inside: set[str], ablation: str, error: str, propagation: str, *, outside: bool) -> float:
    """The target with every feature outside (or inside) a circuit ablated: one edit for each feature and token."""
    scope, graph, _ = setup()
    edits = []
    for key, dictionary in scope.dictionaries.items():
        for index in range(dictionary.d_dict):
            at = [p for p in range(1, len(IDS)) if (f"{key}/{index}@{p}" in inside) != outside]
            mean = {"mean_over": list(TEXTS)} if ablation == "mean" else {}
            if at:
                edits.append(sw.ablate(f"{key}/{index}", at, error, **mean))
            elif error == "drop":
                edits.append(sw.scale(f"{key}/{index}", 1.0, list(range(1, len(IDS))), "drop"))
    if error == "drop":  # at every token, whatever is ablated there
        edits += [sw.scale(f"{key}/0", 1.0, list(range(1, len(IDS))), "drop") for key in scope.dictionaries]
    run = scope.run_ids(IDS, edits=edits, propagation=propagation)
    token = int(graph.columns.index[graph.columns.kind == LOGIT][0])
    return float(run.logits[-1, token] - run.logits[-1].mean())


@pytest.mark.parametrize("propagation", ["free", "frozen_attention"])
@pytest.mark.parametrize(("ablation", "error"), [("zero", "keep"), ("zero", "drop"), ("mean", "keep")])
def test_a_curve_is_that_of_edits(ablation: str, error: str, propagation: str) -> None:
    _, graph, experiment = setup()
    options: dict[str, Any] = {"texts": TEXTS} if ablation == "mean" else {}
    curve = faithfulness(
        experiment, sizes=[3, 20], ablation=ablation, error=error, propagation=propagation, controls=2, **options
    )
    whole = reference(set(), "zero", "keep", propagation, outside=False)
    empty = reference(set(), ablation, error, propagation, outside=True)
    weight = float(graph.columns.weight[-1])
    assert curve.whole == pytest.approx(whole * weight, abs=1e-4)
    assert curve.empty == pytest.approx(empty * weight, abs=1e-4)
    influence = graph.influence * (graph.columns.kind == FEATURE)
    for size, row in zip((3, 20), curve.table.itertuples(), strict=True):
        circuit = {graph.columns.ids[n] for n in np.argsort(-influence, kind="stable")[:size]}
        for name, outside in (("faithfulness", True), ("completeness", False)):
            value = reference(circuit, ablation, error, propagation, outside=outside)
            assert getattr(row, name) == pytest.approx((value - empty) / (whole - empty), abs=1e-3)


def test_all_features_are_all_there_is() -> None:
    _, graph, experiment = setup()
    curve = faithfulness(experiment, controls=3)
    n = int((graph.columns.kind == FEATURE).sum())
    last = curve.table.iloc[-1]
    assert last["size"] == n and curve.table["size"].tolist()[:4] == [1, 2, 4, 8]
    # Nothing is ablated, and nothing that was silent begins to speak.
    assert last["faithfulness"] == pytest.approx(1, abs=1e-5)
    assert last["faithfulness_low"] == pytest.approx(1, abs=1e-5), "a random circuit of all features is all of them"
    for name in ("faithfulness", "completeness"):
        low, mean, high = (curve.table[f"{name}_{kind}"] for kind in ("low", "mean", "high"))
        assert (low <= mean).all() and (mean <= high).all()
    assert "20" not in curve.conditions and "3 random circuits" in curve.conditions
    again = faithfulness(experiment, controls=3)
    assert np.allclose(again.table, curve.table)
    other = faithfulness(experiment, controls=3, seed=1)
    assert not np.allclose(other.table["faithfulness_high"], curve.table["faithfulness_high"])


def test_a_part_is_scored_alone() -> None:
    """What is not in the part counts as error: by the formulas, on the dense adjacency."""
    _, graph, _ = setup()
    c = graph.columns
    features = np.flatnonzero(c.kind == FEATURE)
    pinned = [c.ids[n] for n in features[np.argsort(-graph.influence[features])][:10]]
    found = graph.scores(pinned)
    adjacency = graph.adjacency.toarray().astype(float)
    shares = np.abs(adjacency) / np.maximum(np.abs(adjacency).sum(1, keepdims=True), 1e-10)
    bad = np.array([kind == "error" or (kind == "feature" and name not in pinned)
                    for name, kind in zip(c.ids, graph.nodes["kind"], strict=True)])  # fmt: skip
    stops = np.where(bad[:, None], 0, shares)  # nothing is asked of what counts as error
    reached = c.weight @ (np.linalg.inv(np.eye(len(c)) - stops) - np.eye(len(c)))
    tokens = np.array([kind == "token" for kind in graph.nodes["kind"]])
    assert found.replacement == pytest.approx(reached[tokens].sum() / (reached[tokens].sum() + reached[bad].sum()))
    assert found.replacement < graph.scores().replacement
    assert found.completeness < graph.scores().completeness


@pytest.mark.parametrize(
    "wrong",
    [
        {"sizes": [0]},
        {"sizes": [10_000]},
        {"sizes": []},
        {"ablation": "median"},
        {"ablation": "mean"},
        {"ablation": "zero", "texts": TEXTS},
        {"ablation": "mean", "texts": [[1]]},
        {"error": "maybe"},
        {"controls": 0},
        {"nodes": ["token@1"]},
        {"nodes": []},
    ],
)
def test_what_is_no_curve(wrong: dict[str, Any]) -> None:
    with pytest.raises(CircuitError):
        faithfulness(setup()[2], **wrong)
