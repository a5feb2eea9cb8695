"""Circuits of the embedded model: found on some prompts, tested on others, against random features."""

from functools import cache

import pytest

import saewidgets as sw
from saewidgets.circuits import knock_out, shared_features
from saewidgets.demo.circuits import CIRCUITS, BehaviourCircuit, find_circuit, role_of
from saewidgets.errors import CircuitError, PromptError


@cache
def found(behaviour: str) -> BehaviourCircuit:
    return find_circuit(sw.demo(), behaviour)


@pytest.mark.parametrize("behaviour", CIRCUITS)
def test_without_its_circuit_a_behaviour_is_gone(behaviour: str) -> None:
    """On prompts it was not found on; without as many random features of like density it stays."""
    circuit = found(behaviour)
    assert len(circuit.held_out) >= 10
    assert not {p.text for p in circuit.found_on} & {p.text for p in circuit.held_out}
    left = circuit.knock_out(sw.demo(), controls=8)
    before, without, random = left.accuracy
    assert before == 1
    assert without <= 0.25
    assert random >= 0.9
    table = left.table
    assert (table["without"] < table["low"]).mean() >= 0.9, "more is lost than with any random set"
    assert table["without"].mean() < 0.25 * table["before"].mean()
    assert "8 random sets" in left.conditions and f"{len(table)} prompts" in left.conditions


def test_the_circuits_are_where_the_grammar_says() -> None:
    """Indirect object: at the names and the end; induction: at the word said again, by features of lists said again."""
    names = found("indirect object").features
    assert "elsewhere" not in set(names["role"]) and "last token" in set(names["role"])
    assert {"the giver", "the receiver"} & set(names["role"])
    lists = found("word induction").features
    assert "lists said again" in set(lists["label"]), "ground truth of the report card"
    assert lists["role"].iloc[0] == "the word said again"
    # No feature of one circuit is the other's: they are two mechanisms' ends.
    assert len(set(names["feature"]) & set(lists["feature"])) <= 2


def test_groups_of_a_graph_by_role() -> None:
    circuit = found("indirect object")
    graph = circuit.graphs[0]
    marked = graph.mark(groups=circuit.groups(graph))
    known = {name.rpartition("@")[0] for _, names in marked.marks.groups for name in names}
    assert known and known <= set(circuit.features["feature"])
    assert {role for role, _ in marked.marks.groups} <= set(circuit.features["role"])


def test_roles() -> None:
    #      When Mira and  Tom came,  Tom gave it to -> Mira
    ids = [1, 50, 2, 60, 3, 4, 60, 5, 6, 7]
    assert role_of("indirect object", ids, 50, 60) == [
        "elsewhere", "the receiver", "elsewhere", "the giver", "elsewhere", "elsewhere", "the giver again",
        "after the giver again", "after the giver again", "last token",
    ]  # fmt: skip
    assert role_of("word induction", [1, 7, 0, 8, 0, 9, 0, 5, 1, 7, 0, 8, 0], 9, 5) == [
        "elsewhere", "elsewhere", "elsewhere", "the word before", "the word before", "what followed", "elsewhere",
        "elsewhere", "elsewhere", "elsewhere", "elsewhere", "the word said again", "the word said again",
    ]  # fmt: skip


def test_shared_features_are_means() -> None:
    graphs = found("indirect object").graphs[:3]
    table = shared_features(graphs).set_index("feature")
    feature = table.index[0]
    total = 0.0
    for graph in graphs:
        c = graph.columns
        total += sum(float(c.value[n]) for n, name in enumerate(c.ids) if name.startswith(f"{feature}@"))
    assert table["effect"].iloc[0] == pytest.approx(total / 3)
    assert table["effect"].is_monotonic_decreasing and table["graphs"].max() == 3


def test_a_knock_out_is_edits() -> None:
    scope, text = sw.demo(), "When Mira and Tom came to the pond, Tom gave the red lantern to"
    features = ["resid_post.1/284", "attn_out.1/27"]
    left = knock_out(scope, features, [text], [" Mira"], [" Tom"], controls=3, seed=5)
    ids = [scope.model.tokenizer.encode(t, add_special_tokens=False)[0] for t in (" Mira", " Tom")]
    runs = [scope.run(text), scope.run(text, [sw.ablate(f) for f in features])]
    margins = [float(r.logits[-1, ids[0]] - r.logits[-1, ids[1]]) for r in runs]
    assert left.table[["before", "without"]].iloc[0].tolist() == pytest.approx(margins)
    again = knock_out(scope, features, [text], ids[:1], ids[1:], controls=3, seed=5)
    assert again.table.equals(left.table)
    with pytest.raises(CircuitError):
        knock_out(scope, [], [text], [1], [2])
    with pytest.raises(CircuitError):
        knock_out(scope, features, [text], [1], [2], controls=1)
    with pytest.raises(PromptError):
        knock_out(scope, features, [text], [1], [])
    with pytest.raises(PromptError):
        knock_out(scope, features, [text], [""], [2])
