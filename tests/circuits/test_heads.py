"""Edges split by head add up; each part is what is lost when its head is cut."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import saewidgets as sw
from saewidgets.circuits import Attribution, head_edges
from saewidgets.circuits.nodes import FEATURE, LOGIT
from saewidgets.errors import CircuitError
from tests.circuits import cases
from tests.model import tiny

IDS = tiny.prompt(3, 9)


@pytest.mark.parametrize("kind", ["topk", "skip", "cross-skip"])
@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_parts_add_up_to_the_edge(family: str, kind: str) -> None:
    scope, dictionaries = cases.scope(family), cases.transcoders(kind)
    graph = scope.attribute(IDS, [5, sw.circuits.Target(9, position=-3)], dictionaries=dictionaries)
    c = graph.columns
    rng = np.random.default_rng(0)
    targets = [
        c.ids[n] for n in (*rng.permutation(np.flatnonzero(c.kind == FEATURE))[:8], *np.flatnonzero(c.kind == LOGIT))
    ]
    parts = head_edges(scope, graph, targets, dictionaries=dictionaries)
    summed = parts.groupby(["target", "source"])["weight"].sum()
    dense, largest = graph.adjacency.toarray(), np.abs(graph.adjacency).max()
    for name in targets:
        row = np.zeros(len(c))
        if name in summed.index:
            row[[c.place[s] for s in summed[name].index]] = summed[name].to_numpy()
        assert np.abs(row - dense[c.place[name]]).max() <= 1e-5 * largest
    straight, heads = parts[parts["layer"] < 0], parts[parts["layer"] >= 0]
    assert (straight["head"] == -1).all() and set(heads["head"]) == {0, 1} and len(set(heads["layer"])) > 1
    # What passes no attention stays at its token.
    at = [
        (c.position[c.place[s]], c.position[c.place[t]])
        for s, t in zip(straight["source"], straight["target"], strict=True)
    ]
    assert all(one == other for one, other in at)


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2"])
def test_a_part_is_what_its_head_brings(family: str) -> None:
    """Of the last layer before the target: its pattern at the target's token is emptied, and the row made anew."""
    scope, dictionaries = cases.scope(family), cases.transcoders("topk")
    graph = scope.attribute(IDS, 5, dictionaries=dictionaries)
    target = graph.columns.ids[-1]
    making = Attribution(scope, IDS, 5, dictionaries=dictionaries)
    parts = head_edges(scope, graph, target, dictionaries=dictionaries)
    last = tiny.LAYERS - 1
    for head in (0, 1):
        blocks = list(making.sources.model.blocks)
        pattern = blocks[last].attention.pattern.clone()
        pattern[head, len(IDS) - 1] = 0
        blocks[last] = replace(blocks[last], attention=replace(blocks[last].attention, pattern=pattern))
        cut = replace(making.sources, model=replace(making.sources.model, blocks=tuple(blocks)))
        vectors, positions = making.targets.vectors, making.targets.positions
        whole = making.sources.effects(tiny.LAYERS, vectors, positions, behind_norm=True)[0]
        without = cut.effects(tiny.LAYERS, vectors, positions, behind_norm=True)[0]
        mine = parts[(parts["layer"] == last) & (parts["head"] == head)]
        found = torch.zeros(len(whole))
        found[[graph.columns.place[s] for s in mine["source"]]] = torch.tensor(mine["weight"].to_numpy().copy())
        assert (found - (whole - without)).abs().max() <= 1e-5 * whole.abs().max()
        assert found.abs().max() > 1e-3 * whole.abs().max()


def test_of_some_edges_and_of_an_edited_model() -> None:
    from saewidgets.scope import Scope

    scope = Scope(tiny.make("llama"), cases.transcoders("relu"), tokenizer=tiny.tokenizer())
    graph = scope.attribute(IDS, 5, edits=[sw.clamp("mlp_in.2/7", 2.0), sw.ablate("head.1.1")])
    c = graph.columns
    parts = head_edges(scope, graph, "logit.0@8", ["token@3", "error.0@2"])
    assert set(parts["source"]) == {"token@3", "error.0@2"} and (1, 1) not in set(
        zip(parts["layer"], parts["head"], strict=True)
    )
    assert parts["weight"].sum() == pytest.approx(
        graph.adjacency.toarray()[-1, c.numbers(["token@3", "error.0@2"])].sum(), abs=1e-5
    )
    assert head_edges(scope, graph, "mlp_in.2/7@4").empty, "nothing comes to what an edit sets"
    pruned = graph.prune(0.5, 0.7)
    few = head_edges(scope, pruned, "logit.0@8")
    assert set(few["source"]) == set(pruned.edges[pruned.edges["target"] == "logit.0@8"]["source"])


def test_what_cannot_be_split() -> None:
    scope, dictionaries = cases.scope("llama"), cases.transcoders("relu")
    graph = scope.attribute(IDS, 5, dictionaries=dictionaries)
    with pytest.raises(CircuitError, match="no incoming"):
        head_edges(scope, graph, "token@3", dictionaries=dictionaries)
    with pytest.raises(CircuitError, match="No node"):
        head_edges(scope, graph, "mlp_in.0/29@99", dictionaries=dictionaries)
    other = scope.attribute(tiny.prompt(4, 9), 5, dictionaries=dictionaries)
    other = replace(other, token_ids=graph.token_ids)
    with pytest.raises(CircuitError, match="not active"):
        head_edges(scope, other, "logit.0@8", dictionaries=dictionaries)
