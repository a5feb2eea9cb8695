"""Groups: planted ones are found and stable, noise is not; edits are values."""

import itertools

import numpy as np
import pytest

from saewidgets.circuits import AttributionGraph, Grouping, propose_groups
from saewidgets.circuits.nodes import FEATURE
from saewidgets.circuits.proposals import adjusted_rand, cluster
from saewidgets.errors import CircuitError
from tests.circuits import cases
from tests.model import tiny


def rand_by_pairs(one: list[int], other: list[int]) -> float:
    """The adjusted Rand index by counting pairs, and its expectation over all permutations."""

    def agreement(a: list[int], b: list[int]) -> int:
        return sum(a[i] == a[j] and b[i] == b[j] for i, j in itertools.combinations(range(len(a)), 2))

    every = [agreement(one, [other[k] for k in order]) for order in itertools.permutations(range(len(one)))]
    expected = float(np.mean(every))
    most = (agreement(one, one) + agreement(other, other)) / 2
    return (agreement(one, other) - expected) / (most - expected)


@pytest.mark.parametrize("seed", range(5))
def test_agreement_beyond_chance(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = rng.integers(0, 3, 6).tolist(), rng.integers(0, 3, 6).tolist()
    assert adjusted_rand(np.array(one), np.array(other)) == pytest.approx(rand_by_pairs(one, other))
    assert adjusted_rand(np.array(one), np.array(one)) == 1


def test_planted_groups_are_found_and_noise_is_not() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(4, 64))
    rows = np.concatenate([centres + 0.3 * rng.normal(size=(4, 64)) for _ in range(5)])
    found = cluster([rows], 0.5)
    assert adjusted_rand(found, np.tile(np.arange(4), 5)) == 1
    assert len(set(cluster([rng.normal(size=(20, 64))], 0.5).tolist())) == 20


def graph() -> AttributionGraph:
    return cases.scope("llama").attribute(tiny.prompt(3, 9), dictionaries=cases.transcoders("relu"))


def test_proposals_by_what_features_write() -> None:
    whole = graph()
    found = propose_groups(whole, "decoder", dictionaries=cases.transcoders("relu"), similarity=0.99)
    # Random directions are not alike: what writes alike is one feature at several tokens.
    c = whole.columns
    several = {name.rpartition("@")[0] for name in c.ids if "/" in name}
    several = {f for f in several if sum(n.startswith(f + "@") for n in c.ids) > 1}
    assert {name for name, _ in found.groups} == several
    assert found.stability == pytest.approx(1) and set(found.agreement) == {1.0}
    assert all(members == tuple(c.ids[n] for n in c.numbers(name)) for name, members in found.groups)
    labelled = whole.label({found.groups[0][0]: "<b>mine</b>"})
    again = propose_groups(labelled, "decoder", dictionaries=cases.transcoders("relu"), similarity=0.99)
    assert again.groups[0][0] == "<b>mine</b>"


def test_proposals_by_edges() -> None:
    whole = graph()
    c = whole.columns
    found = propose_groups(whole, similarity=0.6)
    features = np.flatnonzero(c.kind == FEATURE)
    edges = whole.adjacency.toarray().astype(float)

    def cosine(a: np.ndarray, b: np.ndarray) -> float:
        return float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-12))

    def alike(i: int, j: int) -> float:
        return (cosine(edges[i], edges[j]) + cosine(edges[:, i], edges[:, j])) / 2

    assert found.groups and found.stability is not None and 0 < found.stability <= 1
    for _, members in found.groups:
        numbers = c.numbers(members)
        inside = np.mean([alike(i, j) for i, j in itertools.combinations(numbers, 2)])
        outside = np.mean([alike(i, j) for i in numbers for j in features if j not in numbers])
        assert inside > 0.6 > outside
    assert propose_groups(whole, similarity=0.6) == found
    assert propose_groups(whole, similarity=0.6, seed=1).stability != found.stability
    none = propose_groups(whole, similarity=0.999, nodes=[c.ids[n] for n in features[:2]])
    assert none.groups == () and none.stability is None


def test_groups_are_values() -> None:
    whole = graph()
    one, two, three, four = whole.columns.ids[:4]
    first = Grouping((("a", (one, two)), ("b", (three,))))
    marked = first.accept(whole)
    assert Grouping.of(marked) == first and whole.marks.groups == ()
    assert AttributionGraph.from_json(marked.to_json()).marks.groups == first.groups
    assert first.put([four], "b")["b"] == (three, four)
    assert first.put([two], "b").groups == (("a", (one,)), ("b", (three, two)))
    assert first.put([four], "new").groups[-1] == ("new", (four,))
    assert first.rename("a", "z").groups[0] == ("z", (one, two))
    assert first.merge(["b", "a"], "c").groups == (("c", (three, one, two)),)
    assert first.remove([one, two]).groups == (("b", (three,)),)
    assert first.dissolve("b").groups == (("a", (one, two)),)
    assert first.accept(whole, ["b"]).marks.groups == (("b", (three,)),)
    proposed = propose_groups(whole, similarity=0.6)
    changed = proposed.rename(proposed.groups[0][0], "mine")
    assert changed.method == "by hand" and changed.stability is None and proposed.method == "profile"
    for bad in (lambda: first.rename("a", "b"), lambda: first["nothing"], lambda: first.merge(["x"], "y")):
        with pytest.raises(CircuitError):
            bad()
    with pytest.raises(CircuitError):
        Grouping((("a", (one,)), ("b", (one,))))
    with pytest.raises(CircuitError):
        Grouping((("a", ()),))


@pytest.mark.parametrize(
    "wrong",
    [
        {"by": "name"},
        {"by": "decoder"},
        {"similarity": 1.5},
        {"similarity": 0},
        {"resamples": 0},
        {"nodes": ["token@1"]},
    ],
)
def test_what_is_no_proposal(wrong: dict[str, object]) -> None:
    with pytest.raises(CircuitError):
        propose_groups(graph(), **wrong)  # type: ignore[arg-type]
