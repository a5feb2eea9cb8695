"""Predicted and measured effects against edits in the model itself; the controls beside them."""

from typing import Any

import numpy as np
import pytest
from scipy import sparse

import saewidgets as sw
from saewidgets.circuits import AttributionGraph, Experiment, Target, measure
from saewidgets.circuits.nodes import ERROR, FEATURE, LOGIT, TOKEN, Nodes
from saewidgets.errors import Cancelled, CircuitError, EditError, SaewidgetsError
from saewidgets.scope import Scope
from tests.circuits import cases
from tests.model import tiny

FAMILIES = ("llama", "gpt2", "gemma2", "gpt_neox")


def made(family: str, kind: str, targets: object = None) -> tuple[AttributionGraph, Experiment]:
    scope, dictionaries = cases.scope(family), cases.transcoders(kind)
    graph = scope.attribute(tiny.prompt(3, 9), targets, dictionaries=dictionaries)
    return graph, Experiment(scope, graph, dictionaries=dictionaries)


def some(graph: AttributionGraph, kind: int, n: int, layer: int | None = None) -> list[str]:
    c = graph.columns
    here = (c.kind == kind) & (np.abs(graph.adjacency).sum(0) > 0)
    if layer is not None:
        here &= c.layer == layer
    return [c.ids[i] for i in np.random.default_rng(0).permutation(np.flatnonzero(here))[:n]]


@pytest.mark.parametrize("factor", [0.0, 1.5])
@pytest.mark.parametrize("kind", ["topk", "skip", "cross-skip", "some-layers"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_direct_effect_is_what_the_graph_says(family: str, kind: str, factor: float) -> None:
    """Of features, errors and tokens together: transposed passes on one side, a run of the model on the other."""
    graph, experiment = made(family, kind, [5, Target(9, minus=3, position=-2)])
    nodes = [*some(graph, FEATURE, 4), *some(graph, ERROR, 2), *some(graph, TOKEN, 2)]
    found = measure(experiment, nodes, factor, propagation="direct", controls=2)
    column = graph.adjacency.toarray().astype(float)[:, graph.columns.numbers(nodes)].sum(1) * (factor - 1)
    at = graph.columns.numbers(found.table["id"].tolist())
    assert len(found.table) == int((graph.columns.kind == FEATURE).sum()) - 4 + 2
    assert np.allclose(found.table["predicted"], column[at])
    largest = np.abs(graph.adjacency).max()
    assert np.abs(found.table["measured"] - column[at]).max() <= 3e-5 * largest
    assert np.abs(found.table["measured"]).max() > 1e-2 * largest
    assert found.targets["id"].tolist() == ["logit.0@8", "logit.1@7"]


@pytest.mark.parametrize("propagation", ["free", "frozen_attention"])
@pytest.mark.parametrize("family", FAMILIES)
def test_other_modes_are_those_of_edits(family: str, propagation: str) -> None:
    """The same run by another road: edits of features in a scope."""
    scope = Scope(tiny.make(family), cases.transcoders("relu"), tokenizer=tiny.tokenizer())
    ids = tiny.prompt(3, 9)
    graph = scope.attribute(ids)
    c = graph.columns
    nodes = some(graph, FEATURE, 5)
    found = scope.intervene_on(graph, nodes, factor=0.5, propagation=propagation, controls=2)
    numbers = c.numbers(nodes)
    edits = [
        sw.clamp(f"{c.dictionaries[c.dictionary[n]]}/{c.index[n]}", float(c.activation[n]) / 2, [int(c.position[n])])
        for n in numbers
    ]
    base, run = scope.run_ids(ids), scope.run_ids(ids, edits=edits, propagation=propagation)
    for n, row in zip(c.numbers(found.table["id"].tolist()), found.table.itertuples(), strict=True):
        if c.kind[n] == FEATURE and c.layer[n] > max(c.layer[numbers]):
            feature = f"{c.dictionaries[c.dictionary[n]]}/{c.index[n]}"
            after = float(run.activation(feature)[c.position[n]])
            assert max(row.before + row.measured, 0) == pytest.approx(after, abs=1e-4)
    p = [run.log_probabilities([-1])[0].exp(), base.log_probabilities([-1])[0].exp()]
    tokens = c.index[c.kind == LOGIT]
    assert found.targets["probability_after"].to_numpy() == pytest.approx(p[0][tokens].numpy(), abs=1e-5)
    assert found.targets["probability_before"].to_numpy() == pytest.approx(p[1][tokens].numpy(), abs=1e-5)
    if family != "gemma2":  # its soft cap stands between the value of a target and the logit
        for token, row in zip(tokens, found.targets.itertuples(), strict=True):
            logit = lambda r, t=token: float(r.logits[-1, t] - r.logits[-1].mean())  # noqa: E731
            assert row.measured == pytest.approx(logit(run) - logit(base), abs=1e-4)


def chain() -> AttributionGraph:
    """token -> one -> two -> target, token -> target; one also inhibits three, which is barely on."""
    kinds = np.array([FEATURE, FEATURE, FEATURE, TOKEN, LOGIT], dtype="uint8")
    zero = np.zeros(5)
    adjacency = np.zeros((5, 5), dtype="float32")
    adjacency[0, 3] = 4
    adjacency[1, 0] = 3
    adjacency[2, 0], adjacency[2, 3] = -6, 7
    adjacency[4] = [0, 2, 1, 0.5, 0]
    columns = Nodes(
        kinds, np.array([0, 1, 1, -1, 2], "int32"), np.array([1, 1, 1, 1, 1], "int32"),
        np.array([0, 1, 2, 5, 6], "int64"), np.array([0, 1, 1, -1, -1], "int32"),
        np.array([4, 3, 1, 0, 0], "float32"), *(zero.astype("float32"),) * 2,
        np.array([0, 0, 0, 0, 1.0]), zero.astype("float32"), zero.astype("float32"),
        ("mlp_in.0", "mlp_in.1"), ("a", "b", "c", "", "t"),
    )  # fmt: skip
    return AttributionGraph("m", "x y", ("x", "y"), (1, 5), columns, sparse.csr_array(adjacency))


def test_prediction_goes_through_features() -> None:
    graph = chain()
    found = graph.predict("mlp_in.0/0@1").set_index("id")
    # Without `one`, `two` loses all (3), `three` wins 6: of its activation of 1 that is 6 times.
    assert found["direct"].to_dict() == {"mlp_in.1/1@1": -3, "mlp_in.1/2@1": 6, "logit.0@1": 0}
    assert found["total"]["logit.0@1"] == pytest.approx(-1 * 2 + 6 * 1)
    # Doubled, `three` goes off and no further.
    twice = graph.predict("mlp_in.0/0@1", 2.0).set_index("id")
    assert twice["direct"]["mlp_in.1/2@1"] == -6
    assert twice["total"]["logit.0@1"] == pytest.approx(1 * 2 - 1 * 1)
    # A node that is set does not move, whatever comes to it.
    both = graph.predict(["mlp_in.0/0@1", "mlp_in.1/1@1"]).set_index("id")
    assert both["total"]["logit.0@1"] == pytest.approx(-2 + 6)
    grouped = graph.mark(groups=(("g", ("mlp_in.0/0@1", "mlp_in.1/1@1")),)).predict("g").set_index("id")
    assert grouped.equals(both)


def test_random_circuits_are_like_the_circuit() -> None:
    from saewidgets.circuits.draws import directions, like

    graph, experiment = made("llama", "relu")
    c = graph.columns
    numbers = c.numbers(some(graph, FEATURE, 6))
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(5):
        found = like(experiment, numbers, rng)
        drawn = [(k, p, i) for k, (at, ix) in found.items() for p, i in zip(at.tolist(), ix.tolist(), strict=True)]
        own = [(c.dictionaries[c.dictionary[n]], int(c.position[n]), int(c.index[n])) for n in numbers]
        assert len(set(drawn)) == 6 and not set(drawn) & set(own)
        assert sorted((k, p) for k, p, _ in drawn) == sorted((k, p) for k, p, _ in own)
        for key, position, index in drawn:
            assert float(experiment.features[key][position, index]) > 0
        seen.add(tuple(drawn))
    assert len(seen) > 1
    import torch

    change = experiment.change(numbers)
    random = directions(experiment, change, torch.Generator().manual_seed(0))
    for site, vector in random.items():
        moved = torch.zeros_like(vector)
        for key, (at, index) in change.features.items():
            part = experiment.parts[key]
            if site in part.sites_out:
                moved.index_add_(0, at, -experiment.features[key][at, index][:, None] * part.rows(index)[site])
        assert torch.allclose(vector.norm(dim=-1), moved.norm(dim=-1), atol=1e-5)
        assert float(torch.cosine_similarity(vector.flatten(), moved.flatten(), dim=0)) < 0.9


def test_the_call_gives_the_same_numbers_again() -> None:
    scope = Scope(tiny.make("llama"), cases.transcoders("topk"), tokenizer=tiny.tokenizer())
    graph = scope.attribute(tiny.prompt(3, 9))
    found = scope.intervene_on(graph, some(graph, FEATURE, 3), 0.25, propagation="free", controls=3, seed=4)
    again = eval(found.code(), {"scope": scope, "graph": graph})
    assert np.allclose(again.table.select_dtypes("number"), found.table.select_dtypes("number"))
    assert "3 random circuits" in found.conditions and "seed 4" in found.conditions
    assert (found.table["low"] <= found.table["high"]).all() and found.table["high"].max() > found.table["low"].min()
    restored = AttributionGraph.from_json(graph.to_json())
    after = scope.intervene_on(restored, found.nodes, 0.25, propagation="free", controls=3, seed=4)
    assert np.allclose(after.targets["measured"], found.targets["measured"])
    one = graph.columns.ids[0]
    only = scope.intervene_on(graph, found.nodes, on=[one], controls=2)
    assert only.table["id"].tolist()[:1] == [one] and set(only.table["kind"][1:]) == {"logit"}


def test_autoencoders() -> None:
    """Direct effects to first order: a small change of a feature, every other autoencoder held."""
    scope = sw.demo()
    keys = ["resid_post.0", "resid_post.1", "resid_post.2"]
    chosen = {key: scope.dictionaries[key] for key in keys}
    graph = sw.circuits.feature_circuit(scope, "Mira saw a red boat.", " The", dictionaries=chosen, max_features=60)
    experiment = Experiment(scope, graph, dictionaries=chosen)
    c = graph.columns
    sources = np.flatnonzero((c.kind == FEATURE) & (c.dictionary == 0))[:5]
    found = measure(experiment, [c.ids[n] for n in sources], 0.99, propagation="direct", controls=2)
    predicted, measured = (found.table[name].to_numpy() for name in ("predicted", "measured"))
    assert np.abs(predicted - measured).max() < 0.05 * np.abs(measured).max()
    run = scope.run("Mira saw a red boat.", [
        sw.ablate(c.ids[n].rpartition("@")[0], [int(c.position[n])]) for n in sources
    ])  # fmt: skip
    free = measure(experiment, [c.ids[n] for n in sources], propagation="free", controls=2)
    token = int(c.index[c.kind == LOGIT][0])
    after = float(run.log_probabilities([-1])[0, token].exp())
    assert free.targets["probability_after"][0] == pytest.approx(after, abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"nodes": "mlp_in.0/999@1"}, CircuitError),
        ({"nodes": "logit.0@8"}, CircuitError),
        ({"nodes": []}, CircuitError),
        ({"factor": float("nan")}, CircuitError),
        ({"factor": True}, CircuitError),
        ({"controls": 1}, CircuitError),
        ({"propagation": "sideways"}, EditError),
        ({"on": ["nothing"]}, CircuitError),
    ],
)
def test_what_cannot_be_measured(arguments: dict[str, Any], error: type[Exception]) -> None:
    graph, experiment = made("llama", "relu")
    with pytest.raises(error):
        measure(experiment, **({"nodes": graph.columns.ids[0]} | arguments))


def test_a_graph_of_another_model_is_refused() -> None:
    graph, _ = made("llama", "relu")
    with pytest.raises(CircuitError, match="other values"):
        Experiment(cases.scope("mistral"), graph, dictionaries=cases.transcoders("relu"))
    with pytest.raises(CircuitError, match="no such dictionary"):
        Experiment(cases.scope("llama"), graph, dictionaries=cases.transcoders("relu")[:1])
    vector = cases.scope("llama").attribute(
        tiny.prompt(3, 9), Target(vector=[1.0] * 16), dictionaries=cases.transcoders("relu")
    )
    with pytest.raises(CircuitError, match="no token"):
        Experiment(cases.scope("llama"), vector, dictionaries=cases.transcoders("relu"))


def test_a_measurement_can_be_stopped() -> None:
    graph, _ = made("llama", "relu")
    asked: list[int] = []

    def check() -> None:
        asked.append(1)
        if len(asked) == 2:
            raise Cancelled("Enough.")

    experiment = Experiment(cases.scope("llama"), graph, dictionaries=cases.transcoders("relu"), check=check)
    with pytest.raises(Cancelled):
        measure(experiment, graph.columns.ids[0], controls=100)


@pytest.mark.parametrize(
    "settings",
    [
        [], {"ignored": "0"}, {"ignored": [-1]}, {"ignored": [10**30]}, {"ignored": [True]}, {"minus": [1.5]},
        {"minus": [10**6]}, {"edits": "x"}, {"edits": [1]}, {"edits": [{"kind": "<script>"}]},
        {"edits": [{"kind": "ablate", "target": "mlp_in.0/999999"}]},
    ],
)  # fmt: skip
def test_settings_out_of_a_file_are_checked(settings: Any) -> None:
    """What a file says about how its graph was made is used for measurements: none of it is trusted."""
    from dataclasses import replace

    graph, _ = made("llama", "relu")
    hostile = replace(graph, info={**graph.info, "attribution": settings})
    with pytest.raises(SaewidgetsError):
        Experiment(cases.scope("llama"), hostile, dictionaries=cases.transcoders("relu"))
