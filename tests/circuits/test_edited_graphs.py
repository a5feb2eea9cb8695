"""Graphs of an edited model: what they hold is what the edited model has; and differences of graphs."""

from typing import Any

import numpy as np
import pytest
import torch

import saewidgets as sw
from saewidgets.circuits import AttributionGraph, Experiment, measure
from saewidgets.circuits.nodes import ERROR, FEATURE, LOGIT, TOKEN
from saewidgets.errors import CircuitError, EditError
from saewidgets.scope import Scope
from tests.circuits import cases
from tests.model import tiny

IDS = tiny.prompt(3, 9)
VECTOR = torch.randn(16, generator=torch.Generator().manual_seed(1)).tolist()
EDITS: dict[str, list[Any]] = {
    "features": [
        sw.ablate("mlp_in.0/3"), sw.scale("mlp_in.1/4", 3.0),
        sw.clamp("mlp_in.0/7", 2.5, [4]), sw.steer("mlp_in.1/9", 1),
    ],
    "no error": [sw.ablate("mlp_in.1/3", error="drop")],
    "stream": [sw.steer(sw.Direction("resid_post.0", VECTOR), 2.0, [3, 5]), sw.scale("resid_pre.2", 1.2)],
    "embedding": [sw.scale("resid_pre.0", 0.5, [2])],
    "attention": [sw.ablate("head.1.0"), sw.scale("attn_out.0", 1.5)],
    "pattern": [sw.ablate("pattern.1.1")],
    "error": [sw.ablate("error.1", [3, 5]), sw.scale("mlp_in.0/error", 0.5)],
    "token": [sw.ablate("embed", [3])],
    "middle": [sw.steer(sw.Direction("resid_mid.1", VECTOR), 1.0)],
    "mlp": [sw.steer(sw.Direction("mlp_out.0", VECTOR), 1.0, [4])],
}  # fmt: skip


def scope_of(family: str, kind: str = "relu") -> Scope:
    return Scope(tiny.make(family), cases.transcoders(kind), tokenizer=tiny.tokenizer())


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2"])
def test_the_graph_is_that_of_the_edited_model(family: str, name: str) -> None:
    scope, edits = scope_of(family, "skip" if name == "stream" else "relu"), EDITS[name]
    graph = scope.attribute(IDS, 5, edits=edits)
    run, plain = scope.run_ids(IDS, edits=edits), scope.attribute(IDS, 5)
    c = graph.columns
    assert graph.residual < 1e-5 and graph.complete
    # The nodes are the features of the edited run, with their activations there.
    for place, key in enumerate(c.dictionaries):
        dense = run.features[key].to_dense()
        dense[0] = 0
        at = np.flatnonzero((c.kind == FEATURE) & (c.dictionary == place))
        found = torch.zeros_like(dense)
        found[c.position[at], c.index[at]] = torch.from_numpy(c.activation[at])
        assert torch.allclose(found, dense, atol=1e-5)
    if family != "gemma2":  # a soft cap stands between
        value = float(run.logits[-1, 5] - run.logits[-1].mean())
        assert float(c.value[c.kind == LOGIT][0]) == pytest.approx(value, abs=1e-4)
    assert not np.allclose(graph.columns.value[-1], plain.columns.value[-1], atol=1e-3)
    # Its edges are what a change makes in the edited model.
    rng = np.random.default_rng(0)
    sends = np.abs(graph.adjacency).sum(0) > 0
    nodes = [c.ids[n] for kind in (FEATURE, ERROR, TOKEN)
             for n in rng.permutation(np.flatnonzero((c.kind == kind) & sends))[:2]]  # fmt: skip
    found = measure(Experiment(scope, graph), nodes, propagation="direct", controls=2).table
    set_by_edit = [name.startswith(("mlp_in.0/3@", "mlp_in.0/7@4")) for name in found["id"]]
    off = np.abs(found["predicted"] - found["measured"])[~np.array(set_by_edit)]
    assert off.max() <= 5e-5 * np.abs(graph.adjacency).max()


def test_what_an_edit_sets_is_moved_by_nothing() -> None:
    scope = scope_of("llama")
    graph = scope.attribute(IDS, edits=EDITS["features"])
    c, rows = graph.columns, graph.adjacency.toarray()
    assert not any(name.startswith("mlp_in.0/3@") for name in c.ids), "ablated"
    clamped = c.place["mlp_in.0/7@4"]
    assert c.activation[clamped] == pytest.approx(2.5) and not rows[clamped].any() and rows[:, clamped].any()
    assert c.bias[clamped] == c.value[clamped]
    steered = [n for n, name in enumerate(c.ids) if name.startswith("mlp_in.1/9@")]
    assert len(steered) == 8 and all(rows[n].any() for n in steered), "what is added to is moved by its input as before"


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2"])
def test_an_error_or_token_that_is_ablated_sends_nothing(family: str) -> None:
    scope = scope_of(family)
    plain, graph = scope.attribute(IDS, 5), scope.attribute(IDS, 5, edits=EDITS["error"] + EDITS["token"])
    sends = [np.abs(g.adjacency).sum(0) for g in (plain, graph)]
    for name in ("error.1@3", "error.1@5", "token@3"):
        before, after = (s[g.columns.place[name]] for s, g in zip(sends, (plain, graph), strict=True))
        assert after < 1e-5 * np.abs(plain.adjacency).max() < before
    # The same by another road: the nodes themselves taken away.
    for edits, nodes in ((EDITS["error"][:1], ["error.1@3", "error.1@5"]), (EDITS["token"], ["token@3"])):
        run = scope.run_ids(IDS, edits=edits)
        found = scope.intervene_on(plain, nodes, propagation="free", controls=2)
        assert found.targets["probability_after"][0] == pytest.approx(
            float(run.log_probabilities([-1])[0].exp()[5]), abs=1e-5
        )


def test_an_edited_graph_knows_its_edits() -> None:
    scope = scope_of("llama")
    graph = scope.attribute(IDS, edits=EDITS["features"])
    again = AttributionGraph.from_json(graph.to_json())
    nodes = graph.columns.ids[:2]
    one, two = (scope.intervene_on(g, nodes, propagation="free", controls=2) for g in (graph, again))
    assert np.allclose(one.table["measured"], two.table["measured"])
    # Ablating by an intervention what is not yet ablated is one more edit.
    both = [*EDITS["features"]]
    for name in nodes:
        feature, _, at = name.partition("@")
        both.append(sw.ablate(feature, [int(at)]))
    run = scope.run_ids(IDS, edits=both)
    tokens = graph.columns.index[graph.columns.kind == LOGIT]
    expected = run.log_probabilities([-1])[0].exp()[tokens].numpy()
    assert one.targets["probability_after"].to_numpy() == pytest.approx(expected, abs=1e-5)


def test_edits_that_no_graph_takes() -> None:
    scope = scope_of("llama")
    with pytest.raises(CircuitError, match="mlp_in"):
        scope.attribute(IDS, edits=[sw.scale("mlp_in.1", 2.0)])
    with pytest.raises(EditError):
        scope.attribute(IDS, edits=[sw.ablate("mlp_in.1/3", [99])])


# --------------------------------------------------------------------------------------- differences


def test_an_edit_seen_as_a_difference() -> None:
    scope = scope_of("llama")
    before, after = scope.attribute(IDS, 5), scope.attribute(IDS, 5, edits=[sw.ablate("mlp_in.0/3")])
    table = before.difference(after).nodes.set_index("id")
    gone = [name for name in before.columns.ids if name.startswith("mlp_in.0/3@")]
    assert gone and (table.loc[gone, "status"] == "gone").all() and (table.loc[gone, "id_after"] == "").all()
    same = table[(table["kind"] == "feature") & (table["status"] != "new")]
    assert (same.loc[[n for n in same.index if n.startswith("mlp_in.0/") and n not in gone], "activation_before"]
            == same.loc[[n for n in same.index if n.startswith("mlp_in.0/") and n not in gone], "activation_after"]
            ).all(), "nothing before the edit has moved"  # fmt: skip
    edges = before.difference(after).edges
    dense = [g.adjacency.toarray() for g in (before, after)]
    for row in edges.head(20).itertuples():
        for graph, matrix, value in zip((before, after), dense, (row.before, row.after), strict=True):
            place = graph.columns.place
            there = row.source in place and row.target in place
            assert value == pytest.approx(matrix[place[row.target], place[row.source]] if there else 0.0)


def test_prompts_are_aligned() -> None:
    """A token put in shifts what comes after it; the graph does not lose its nodes for that."""
    scope = scope_of("llama")
    longer = [*IDS[:4], 44, *IDS[4:]]
    difference = scope.attribute(IDS, 5).difference(scope.attribute(longer, 5))
    assert difference.positions == {**{p: p for p in range(4)}, **{p + 1: p for p in range(4, 9)}}
    table = difference.nodes
    tokens = table[table["kind"] == "token"]
    assert tokens["status"].value_counts()["new"] == 1 and "gone" not in set(tokens["status"])
    pairs = tokens[tokens["status"] != "new"]
    assert [int(name[6:]) for name in pairs["id_after"]] == [
        p if p < 4 else p + 1 for p in (int(name[6:]) for name in pairs["id_before"])
    ]
    replaced = scope.attribute([*IDS[:4], 44, *IDS[5:]], 5)
    other = scope.attribute(IDS, 5).difference(replaced)
    assert other.positions == {p: p for p in range(9)}
    status = other.nodes[other.nodes["kind"] == "token"]["status"].value_counts()
    assert status["new"] == 1 and status["gone"] == 1
    shared = set(other.nodes[(other.nodes["kind"] == "feature") & (other.nodes["status"] == "changed")]["id"])
    assert shared and shared <= set(replaced.columns.ids)


def test_two_checkpoints() -> None:
    module = tiny.make("llama")
    before = Scope(module, cases.transcoders("relu"), tokenizer=tiny.tokenizer()).attribute(IDS, 5)
    trained = tiny.make("llama")
    with torch.no_grad():
        trained.model.layers[1].mlp.down_proj.weight.mul_(1.05)
    after = Scope(trained, cases.transcoders("relu"), tokenizer=tiny.tokenizer()).attribute(IDS, 5)
    table = before.difference(after).nodes
    early = table[table["id"].str.startswith("mlp_in.0/") | table["id"].str.startswith("mlp_in.1/")]
    assert np.allclose(early["activation_before"], early["activation_after"])
    late = table[table["id"].str.startswith("mlp_in.2/")]
    assert not np.allclose(late["activation_before"], late["activation_after"])
