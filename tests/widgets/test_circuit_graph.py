"""A circuit graph in Python: its numbers are the graph's, its marks go with the text, its code makes it again."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import saewidgets as sw
from saewidgets.circuits import AttributionGraph
from saewidgets.circuits.layout import Layout, place
from saewidgets.errors import FeatureError, PromptError, SaewidgetsError, WidgetError
from saewidgets.figures.circuit_reading import visible
from saewidgets.payloads import decode, encode
from saewidgets.payloads.circuit import GONE, NEW, CircuitPayload
from saewidgets.widgets import CircuitGraph
from saewidgets.widgets.circuit_request import CircuitRequest
from saewidgets.widgets.jobs import Token
from tests.circuit_factory import make_circuit

PROMPT = "When Mira and Tom came to the pond, Tom gave the lantern to"


@pytest.fixture(scope="module")
def scope() -> sw.Scope:
    return sw.demo()


@pytest.fixture
def view(scope: sw.Scope) -> Iterator[CircuitGraph]:
    with CircuitGraph(scope, PROMPT, " Mira") as made:
        assert made.wait(60)
        yield made


def features(view: CircuitGraph, n: int = 6) -> list[str]:
    frame = view.to_frame()
    found: list[str] = frame[frame.kind == "feature"].nlargest(n, "influence").id.tolist()
    return found


@pytest.mark.parametrize(("nodes", "edges"), [(0.8, 0.98), (0.5, 0.9), (0.95, 1.0)])
def test_in_view_is_what_prune_leaves(view: CircuitGraph, nodes: float, edges: float) -> None:
    view.keep_nodes, view.keep_edges = nodes, edges
    payload = view.payload
    shown, pruned = visible(payload), view.graph.prune(nodes, edges)
    assert {payload.nodes.id[n] for n in np.flatnonzero(shown.nodes)} == set(pruned.columns.ids)
    ids = payload.nodes.id
    drawn = {(ids[payload.source[e]], ids[payload.target[e]]): float(payload.now.edge[e]) for e in shown.edges}
    assert drawn == {(s, t): pytest.approx(w) for s, t, w in pruned.edges.itertuples(index=False)}


def test_all_nodes_come_when_they_are_asked_for(view: CircuitGraph) -> None:
    from saewidgets.circuits import picture

    assert view.payload.most_nodes == picture.SHARE
    held, words = len(view.payload.nodes), view.payload.words
    view.keep_nodes = 0.97
    assert view.wait(60)
    payload, whole = view.payload, view.graph
    assert payload.most_nodes == 1 and len(payload.nodes) > held
    assert set(payload.nodes.id) == {whole.columns.ids[n] for n in range(len(whole.columns)) if whole.influence[n] > 0
                                     or whole.columns.kind[n] > 1}  # fmt: skip
    assert payload.words is words, "nothing is measured again"
    shown = {payload.nodes.id[n] for n in np.flatnonzero(visible(payload).nodes)}
    cut = set(whole.prune(0.97, view.keep_edges).columns.ids)
    assert len(shown & cut) > 0.99 * len(cut), "but for edges beyond the 50,000 strongest"
    # Of more nodes than it may hold, it says what share those hold that it has.
    few, _ = picture.circuit_payload(whole, payload.context, share=1.0, most_nodes=100)
    order = np.sort(whole.influence)[::-1]
    assert few.most_nodes == pytest.approx(order[:100].sum() / order.sum(), abs=1e-6)
    assert few.most_nodes < 0.95
    view.keep_nodes = 0.8
    view.edits = [sw.ablate("mlp_in.0/1")]
    assert view.wait(60) and view.payload.most_nodes == picture.SHARE


def test_numbers_are_those_of_the_graph(view: CircuitGraph) -> None:
    frame = view.to_frame().set_index("id")
    whole = view.graph.nodes.set_index("id")
    for name in ("influence", "activation"):
        assert np.allclose(frame[name], whole.loc[frame.index, name], atol=1e-6)
    inputs = abs(view.graph.adjacency).sum(axis=1)
    place = view.graph.columns.place
    assert np.allclose(view.payload.now.inputs, [inputs[place[name]] for name in view.payload.nodes.id], rtol=1e-4)
    counts = view.graph.columns
    name = features(view)[0].rpartition("@")[0]
    same = [n for n in counts.ids if n.rpartition("@")[0] == name]
    assert frame.loc[features(view)[0], "density"] == pytest.approx(len(same) / len(view.graph.tokens))


def test_nodes_keep_their_places(scope: sw.Scope, view: CircuitGraph) -> None:
    before = view.payload
    top = features(view)
    view.edits = [sw.ablate(top[0].rpartition("@")[0])]
    assert view.wait(60)
    after = view.payload
    assert after.before is not None
    assert after.nodes.status.max() == GONE
    where = [dict(zip(p.nodes.id, zip(p.nodes.row, p.nodes.slot, strict=True), strict=True)) for p in (before, after)]
    common = where[0].keys() & where[1].keys()
    assert len(common) > 200
    assert all(where[0][name] == where[1][name] for name in common)
    assert len(after.columns) == len(before.columns)


def test_layout_is_the_same_each_time_and_moves_nobody() -> None:
    nodes = [(1, 0, f"n{i}") for i in range(9)]
    one = place(nodes, 1)
    assert dict(one.slots) == dict(place(nodes, 1).slots)
    more = [*nodes[:4], (1, 0, "new"), *nodes[5:]]
    two = place(more, 1, one)
    assert all(two.slots[node] == one.slots[node] for node in more if node in one.slots)
    assert len(set(two.slots.values())) == len(more)
    assert (two.columns >= one.columns).all()
    assert len(Layout().columns) == 0


def test_effects_are_those_of_the_measurement(scope: sw.Scope, view: CircuitGraph) -> None:
    top = features(view)
    view.edits = [sw.ablate(name.rpartition("@")[0], positions=[int(name.rpartition("@")[2])]) for name in top[:2]]
    assert view.wait(60)
    effect = view.payload.effect
    assert effect is not None
    assert set(effect.nodes) == set(top[:2])
    plain = scope.attribute(PROMPT, " Mira")
    for mode, name in zip(effect.modes, ("direct", "frozen_attention", "free"), strict=True):
        table = scope.intervene_on(plain, list(effect.nodes), propagation=name).table.set_index("id")
        for column in ("predicted", "measured", "low", "high", "direction_low", "direction_high"):
            assert np.allclose(getattr(mode, column), table.loc[list(effect.rows), column], atol=1e-4), column
    words = view.payload.words
    run, edited = scope.run(PROMPT), scope.run(PROMPT, view.edits)
    for row, values in ((run, words.before), (edited, words.after)):
        p = row.logits[-1].softmax(-1)
        ids = [scope.model.tokenizer.encode(w, add_special_tokens=False)[0] for w in words.word[:3]]
        assert np.allclose(values[:3], p[ids], atol=1e-5)


def strongest(view: CircuitGraph, kind: str) -> str:
    frame = view.to_frame()
    found: str = frame[frame.kind == kind].nlargest(1, "influence").id.iloc[0]
    return found


@pytest.mark.parametrize("kind", ["error", "token"])
def test_errors_and_tokens_are_ablated_and_measured_as_features_are(
    scope: sw.Scope, view: CircuitGraph, kind: str
) -> None:
    name = strongest(view, kind)
    called, _, position = name.rpartition("@")
    target = "embed" if kind == "token" else called
    # What the front end sends.
    view.edits = [{"kind": "ablate", "target": target, "value": None, "positions": [int(position)], "error": "keep"}]
    assert view.wait(60) and view.error is None
    effect = view.payload.effect
    assert effect is not None and effect.nodes == (name,)
    plain = scope.attribute(PROMPT, " Mira")
    for mode, propagation in zip(effect.modes, ("direct", "frozen_attention", "free"), strict=True):
        table = scope.intervene_on(plain, name, propagation=propagation).table.set_index("id")
        for column in ("predicted", "measured", "low", "high", "direction_low", "direction_high"):
            assert np.allclose(getattr(mode, column), table.loc[list(effect.rows), column], atol=1e-4), column
    direct = effect.modes[0]
    assert np.allclose(direct.predicted, direct.measured, atol=1e-3), "a direct effect is what the graph says"
    assert effect.error == ("edited" if kind == "error" else "kept")
    assert "errors and tokens at other places" in effect.control
    words = view.payload.words
    assert words.after is not None and words.low is not None
    assert (np.abs(words.low - words.after) > 1e-6).any(), "the control is no copy of the edit"
    assert abs(view.graph.adjacency[:, [view.graph.columns.place[name]]]).max() < 1e-4
    assert f"sw.ablate('{target}', positions=[{position}])" in view.code()
    with pytest.raises(FeatureError, match=r"error\.77"):
        view.edits = [sw.ablate("error.77")]
    assert view.payload.effect is not None and view.payload.effect.nodes == (name,)


def test_worth_is_that_of_the_curve(scope: sw.Scope) -> None:
    with CircuitGraph(scope, PROMPT, " Mira") as first:
        pinned = features(first, 12)
    with CircuitGraph(scope, PROMPT, " Mira", pinned=pinned, measure=pinned) as view:
        assert view.wait(60)
        worth = view.payload.worth
        assert worth is not None
        experiment = sw.circuits.Experiment(scope, scope.attribute(PROMPT, " Mira"))
        row = sw.circuits.faithfulness(experiment, pinned, [len(pinned)]).table.iloc[0]
        assert worth.faithfulness == pytest.approx(row["faithfulness"], abs=1e-4)
        assert worth.completeness == pytest.approx(row["completeness"], abs=1e-4)
        assert worth.low <= worth.control <= worth.high


def test_marks_and_edits_go_with_their_tokens(view: CircuitGraph) -> None:
    top = features(view)
    view.marks = {"pinned": top[:3], "groups": [{"label": "both", "nodes": top[:2]}], "names": {top[0]: "a name"}}
    view.edits = [sw.ablate(top[0].rpartition("@")[0], positions=[int(top[0].rpartition("@")[2])])]
    assert view.wait(60)
    view.prompt = f"So {PROMPT[0].lower()}{PROMPT[1:]}"
    assert view.wait(60)
    strings = [view._maker.scope.run(text).tokens for text in (PROMPT, view.prompt)]  # type: ignore[union-attr]
    shift = len(strings[1]) - len(strings[0])
    moved = [f"{n.rpartition('@')[0]}@{int(n.rpartition('@')[2]) + shift}" for n in top[:3]]
    kept = view.marks["pinned"]
    assert kept
    assert set(kept) <= set(moved)
    assert view.edits[0].positions == (int(top[0].rpartition("@")[2]) + shift,)
    status = view.payload.nodes.status
    assert (status == NEW).any()
    # Back at the first text everything is where it was, what had been let go of too.
    view.prompt = PROMPT
    assert view.wait(60)
    assert view.marks["pinned"] == top[:3]
    assert view.marks["groups"] == [{"label": "both", "nodes": top[:2]}]


def test_undo_steps_through_texts_and_edits(view: CircuitGraph) -> None:
    name = features(view)[0].rpartition("@")[0]
    view.edits = [sw.ablate(name)]
    assert view.wait(60)
    view.undo()
    assert view.wait(60)
    assert view.edits == ()
    assert view.payload.effect is None
    view.redo()
    assert view.wait(60)
    assert view.edits == (sw.ablate(name),)


def test_code_makes_the_view_again(scope: sw.Scope, view: CircuitGraph) -> None:
    top = features(view)
    view.marks = {"pinned": top[:3], "groups": [{"label": 'a "name"', "nodes": top[:2]}]}
    view.edits = [sw.ablate(top[0].rpartition("@")[0], positions=[int(top[0].rpartition("@")[2])])]
    view.keep_nodes = 0.7
    assert view.wait(60)
    again = eval(str(view.code()).splitlines()[-1], {"sw": sw, "scope": scope})
    assert again.wait(60)
    one, two = view.payload, again.payload
    assert one.nodes.id == two.nodes.id
    assert (one.keep_nodes, again.marks) == (two.keep_nodes, view.marks)
    assert one.effect is not None
    assert two.effect is not None
    for a, b in zip(one.effect.modes, two.effect.modes, strict=True):
        assert np.allclose(a.measured, b.measured, atol=1e-5)
        assert np.allclose(a.high, b.high, atol=1e-5)
    again.close()


@pytest.mark.parametrize("dialect", ["neuronpedia", "circuit-tracer", "anthropic"])
def test_graph_files_of_each_dialect(view: CircuitGraph, tmp_path: Path, dialect: str) -> None:
    top = features(view)
    view.marks = {"pinned": top[:3], "groups": [{"label": "both", "nodes": top[:2]}], "names": {top[2]: "<b>x</b>"}}
    path = tmp_path / "graph.json"
    view.to_json(dialect, path)
    with CircuitGraph(AttributionGraph.from_json(path)) as other:
        payload = other.payload
        assert set(payload.nodes.id) == set(view.graph.prune(0.8, 0.98).columns.ids)
        assert other.marks["pinned"] == top[:3]
        assert other.marks["groups"] == [{"label": "both", "nodes": top[:2]}]
        assert "<b>x</b>" in payload.nodes.label
        assert not other.live
        with pytest.raises(WidgetError, match="opened from a file"):
            other.prompt = "Another text."
        assert decode(encode(payload)).nodes.id == payload.nodes.id


def test_a_graph_that_grows_is_stopped_and_goes_on(scope: sw.Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    from saewidgets.widgets import circuit_maker

    monkeypatch.setattr(circuit_maker, "PATIENCE", 0.0)
    monkeypatch.setattr(circuit_maker, "PACE", 0.0)
    with CircuitGraph(scope, PROMPT, " Mira") as view:
        assert view.wait(60)
        assert view.payload.covered == pytest.approx(1)
        assert view.payload.words.word


def test_what_is_pinned_arrives_first(scope: sw.Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    from saewidgets.widgets import circuit_maker

    monkeypatch.setattr(circuit_maker, "PACE", 0.0)
    whole = scope.attribute(PROMPT, " Mira")
    order = np.argsort(whole.influence)
    weak = [whole.columns.ids[n] for n in order if whole.columns.kind[n] == 0][:3]
    maker = circuit_maker.Maker(scope)
    maker.look({"pinned": weak, "groups": []}, 0.8)
    request = CircuitRequest(PROMPT, (" Mira",), (sw.scale(weak[0].rpartition("@")[0], 2.0),))
    pictures = maker.pictures(request, Token(), None)
    first = next(pictures)
    features = [name for name in first.graph.columns.ids if "/" in name]
    assert set(features) <= set(weak) and features, "after an edit, before any other feature"
    assert set(features) <= set(first.payload.nodes.id)
    assert len(next(pictures).graph.columns) > len(first.graph.columns)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"prompt": None}, PromptError),
        ({"prompt": ""}, SaewidgetsError),
        ({"targets": [object()]}, WidgetError),
        ({"targets": "two words"}, PromptError),
        ({"edits": [sw.ablate("mlp_in.0/999999")]}, SaewidgetsError),
        ({"keep_nodes": 0}, WidgetError),
        ({"side": "left"}, WidgetError),
        ({"marks": {"pinned": ["a", "a"]}}, WidgetError),
        ({"marks": {"pinned": "a"}}, WidgetError),
        ({"groups": {"x": ["a"], "y": ["a"]}}, WidgetError),
        ({"marks": {"places": {"a": [1, float("nan")]}}}, WidgetError),
    ],
)
def test_what_is_wrong_is_said(scope: sw.Scope, arguments: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        CircuitGraph(scope, **{"prompt": "Mira saw a red boat.", **arguments})


def test_what_a_front_end_sends_is_checked(view: CircuitGraph) -> None:
    before = (view.marks, view.keep_nodes, view.side)
    view.set_state({"marks": {"pinned": [1]}, "keep_nodes": 7, "side": "x", "prompt": "not so"})
    assert (view.marks, view.keep_nodes, view.side) == before
    assert view.prompt == PROMPT
    with pytest.raises(FeatureError):
        view.edits = [sw.ablate("mlp_in.0/999999")]
    assert view.edits == ()


def test_files(view: CircuitGraph, tmp_path: Path) -> None:
    view.save(tmp_path / "circuit.sae")
    with sw.open(tmp_path / "circuit.sae") as again:
        assert isinstance(again, CircuitGraph)
        assert again.payload.nodes.id == view.payload.nodes.id
        with pytest.raises(WidgetError, match="part of its graph"):
            _ = again.graph
    assert json.loads(view._file("json"))["nodes"]
    with CircuitGraph(make_circuit()) as invented:
        assert isinstance(invented.payload, CircuitPayload)
        assert len(invented.to_frame()) == len(invented.payload.nodes)
