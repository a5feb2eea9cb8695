"""Graphs in files: what goes out comes back, and nothing that comes in does harm."""

import copy
import json
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from saewidgets.circuits import AttributionGraph, Target, read, store
from saewidgets.circuits.nodes import ERROR, FEATURE, LOGIT, TOKEN
from saewidgets.circuits.write import DIALECTS, cantor
from saewidgets.errors import CircuitError, SaewidgetsError
from tests.attacks import mutate
from tests.circuits import cases
from tests.effort import SECOND, effort
from tests.model import tiny


@cache
def graph() -> AttributionGraph:
    """A pruned graph with two targets of one token, marks, and labels that are markup."""
    targets = [5, Target(5, label="again"), Target(vector=np.ones(16), weight=0.01), 7]
    found = cases.scope("llama").attribute(tiny.prompt(2, 8), targets, dictionaries=cases.transcoders("relu"))
    found = found.prune(0.6, 0.9)
    ids = [name for name in found.columns.ids if "/" in name]
    found = found.label({ids[0]: "<script>alert(1)</script>", ids[1]: 'Output "x" (p=0.9)'})
    return found.mark(
        pinned=(ids[0], ids[2], "token@3"),
        groups=(("first", (ids[0], ids[1])), ("<b>second</b>", (ids[2],))),
        positions={ids[0]: (0.25, -1.5)},
        clicked=ids[3],
        links="input",
    )


def same(one: AttributionGraph, other: AttributionGraph) -> None:
    for name in type(one.columns).__dataclass_fields__:
        left, right = getattr(one.columns, name), getattr(other.columns, name)
        assert np.array_equal(left, right), name
    assert one.columns.ids == other.columns.ids
    assert one.adjacency.shape == other.adjacency.shape and (one.adjacency != other.adjacency).nnz == 0
    assert one.marks == other.marks
    for name in ("model", "prompt", "tokens", "token_ids", "residual", "covered", "complete", "method", "whole"):
        assert getattr(one, name) == getattr(other, name), name


def test_saved_and_loaded(tmp_path: Path) -> None:
    path = graph().save(tmp_path / "graph.safetensors")
    same(graph(), AttributionGraph.load(path))
    assert AttributionGraph.load(path).info == graph().info
    assert path.read_bytes() == graph().save(tmp_path / "again").read_bytes()
    assert set(safetensors.numpy.load_file(path)) > {"kind", "weights"}, "another reader opens it"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_there_and_back(dialect: str, tmp_path: Path) -> None:
    text = graph().to_json(dialect, tmp_path / "graph.json")
    once = AttributionGraph.from_json(tmp_path / "graph.json")
    same(graph(), once)
    assert json.loads(once.to_json(dialect)) == json.loads(text), "what came in goes out"
    same(graph(), AttributionGraph.from_json(once.to_json("circuit-tracer")))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_form_is_that_of_the_viewers(dialect: str) -> None:
    """Required fields and types of Neuronpedia's schema (draft 7), and the ids that circuit-tracer gives."""
    document = json.loads(graph().to_json(dialect))
    assert {"metadata", "qParams", "nodes", "links"} <= set(document)
    metadata, params = document["metadata"], document["qParams"]
    assert {"slug": str, "scan": str, "prompt_tokens": list, "prompt": str}.items() <= {
        key: type(value) for key, value in metadata.items()
    }.items()
    assert all(isinstance(name, str) for name in params["pinnedIds"]) and isinstance(params["clickedId"], str)
    types = {"node_id": str, "layer": str, "ctx_idx": int, "feature_type": str, "jsNodeId": str, "clerp": str}
    for node in document["nodes"]:
        assert all(type(node[key]) is kind for key, kind in types.items())
        assert node["feature"] is None or type(node["feature"]) is int
    ids = [node["node_id"] for node in document["nodes"]]
    assert len(set(ids)) == len(ids)
    c = graph().columns
    for n, node in enumerate(document["nodes"]):
        layer, index, position = int(c.layer[n]), int(c.index[n]), int(c.position[n])
        if c.kind[n] == FEATURE:
            assert node["node_id"] == f"{layer}_{index}_{position}" and node["feature"] == cantor(layer, index)
        elif c.kind[n] == TOKEN:
            assert node["node_id"] == f"E_{index}_{position}"
        elif c.kind[n] == ERROR:
            assert node["node_id"].startswith(f"0_{layer}_{position}")
        else:
            assert node["clerp"].startswith('Output "') and node["clerp"].endswith(")")
    assert {type(link[key]) for link in document["links"] for key in ("source", "target")} == {str}
    assert {end for link in document["links"] for end in (link["source"], link["target"])} <= set(ids)


def test_an_error_is_not_taken_for_a_feature() -> None:
    """Layer 0, feature 1 at token 3 and the error of layer 1 at token 3 have one id in circuit-tracer."""
    c = graph().columns
    error = int(np.flatnonzero(c.kind == ERROR)[0])
    feature = int(np.flatnonzero((c.kind == FEATURE) & (c.layer == 0))[0])
    index, position = c.index.copy(), c.position.copy()
    index[feature], position[feature] = c.layer[error], c.position[error]
    columns = replace(c, index=index, position=position)
    collided = replace(graph(), columns=columns, marks=type(graph().marks)())
    document = json.loads(collided.to_json())
    ids = [node["node_id"] for node in document["nodes"]]
    assert len(set(ids)) == len(ids)
    back = AttributionGraph.from_json(document)
    assert sorted(back.columns.ids) == sorted(collided.columns.ids), "in our order again"
    tables = [g.edges.sort_values(["source", "target"]).to_numpy().tolist() for g in (collided, back)]
    assert tables[0] == tables[1]


def foreign(dialect: str) -> dict[str, Any]:
    """A file as another program writes it: nothing of ours in it, and things that we do not know."""
    document = json.loads(graph().to_json(dialect))
    del document["metadata"]["saewidgets"]
    for node in document["nodes"]:
        for key in ("value", "bias", "dictionary", "label", "weight"):
            node.pop(key, None)
        node["vis_link"] = "https://example.com/x"
    document["metadata"]["feature_details"] = {"feature_json_base_url": "https://example.com/features"}
    document["qParams"]["sg_pos"] = "1 2 3 4"
    document["qParams"]["pinnedIds"].append("27_nobody_1")
    document["qk_only_nodes"] = {"a": 1}
    return document


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_others_write_is_read_and_kept(dialect: str) -> None:
    document = foreign(dialect)
    found = AttributionGraph.from_json(json.dumps(document))
    c, own = found.columns, graph().columns
    assert c.ids == own.ids
    assert np.array_equal(c.activation, own.activation) and np.array_equal(c.cumulative, own.cumulative)
    last = c.kind == LOGIT
    assert c.weight[last] == pytest.approx(own.probability[last], abs=1e-6)
    assert found.marks.pinned == graph().marks.pinned and found.marks.groups == graph().marks.groups
    assert found.token_ids == graph().token_ids
    again = json.loads(found.to_json(dialect))
    assert again["qk_only_nodes"] == document["qk_only_nodes"]
    assert again["qParams"] == document["qParams"]
    del again["metadata"]["saewidgets"]
    assert again["metadata"] == document["metadata"]
    assert again["links"] == document["links"] and again["nodes"] == document["nodes"]
    # A changed label and a new pin go out; the rest stays.
    changed = found.label({c.ids[5]: "mine"}).mark(pinned=(c.ids[5],))
    out = json.loads(changed.to_json(dialect))
    assert out["nodes"][5]["clerp"] == "mine" and out["nodes"][5]["vis_link"] == "https://example.com/x"
    assert out["qParams"]["pinnedIds"][1:] == ["27_nobody_1"] and out["nodes"][6] == document["nodes"][6]


def test_pins_by_either_name() -> None:
    document = foreign("neuronpedia")
    name = document["nodes"][2]["jsNodeId"]
    document["qParams"]["pinnedIds"] = [name]
    pinned = AttributionGraph.from_json(document).marks.pinned
    assert graph().columns.ids[2] in pinned


def test_without_influence_it_is_computed() -> None:
    document = foreign("anthropic")
    for node in document["nodes"]:
        del node["influence"]
    c = AttributionGraph.from_json(document).columns
    assert 0 < c.cumulative.min() < 0.9 and c.cumulative.max() <= 1.0001


def test_features_by_their_one_number() -> None:
    document = foreign("neuronpedia")
    for n, node in enumerate(document["nodes"]):
        if node["feature_type"].startswith("cross"):
            for link in document["links"]:
                for end in ("source", "target"):
                    link[end] = f"n{n}" if link[end] == node["node_id"] else link[end]
            node["node_id"] = f"n{n}"
    assert AttributionGraph.from_json(document).columns.ids == graph().columns.ids


# ------------------------------------------------------------------------------------------- hostile files


def change(**path: Any) -> Callable[[dict[str, Any]], None]:
    def apply(document: dict[str, Any]) -> None:
        for key, value in path.items():
            part, *rest = key.split("__")
            target: Any = document
            for step in [part, *rest][:-1]:
                target = target[int(step)] if step.isdigit() else target[step]
            target[[part, *rest][-1]] = value

    return apply


def duplicate_node(d: dict[str, Any]) -> None:
    d["nodes"].append(dict(d["nodes"][0]))


def duplicate_id(d: dict[str, Any]) -> None:
    d["nodes"].append({**d["nodes"][0], "ctx_idx": 7, "feature_type": "embedding"})


def cycle(d: dict[str, Any]) -> None:
    link = d["links"][0]
    d["links"].append({"source": link["target"], "target": link["source"], "weight": 1.0})


def chain(d: dict[str, Any]) -> None:
    d["metadata"]["prompt_tokens"] = ["x"] * 3000
    d["qParams"] = {}
    d["nodes"] = [
        {"node_id": f"1_{n}_0", "feature": 1, "layer": "1", "ctx_idx": 0, "jsNodeId": "", "clerp": ""}
        | {"feature_type": "cross layer transcoder"}
        for n in range(3000)
    ]
    d["links"] = [{"source": f"1_{n}_0", "target": f"1_{n + 1}_0", "weight": 1.0} for n in range(2999)]


BAD: dict[str, Callable[[dict[str, Any]], None]] = {
    "no metadata": change(metadata=None),
    "metadata is a list": change(metadata=[]),
    "tokens are numbers": change(metadata__prompt_tokens=[1]),
    "nodes are an object": change(nodes={}),
    "a node is a number": lambda d: d["nodes"].append(1),
    "an unknown type": change(nodes__0__feature_type="<script>"),
    "a type that is a list": change(nodes__0__feature_type=[]),
    "a position outside": change(nodes__0__ctx_idx=999),
    "a position that is true": change(nodes__0__ctx_idx=True),
    "a layer that is a name": change(nodes__0__layer="../../x"),
    "an id that is a number": change(nodes__0__node_id=5),
    "an empty id": change(nodes__0__node_id=""),
    "a long id": change(nodes__0__node_id="9" * 5000),
    "a label that is an object": change(nodes__0__clerp={"html": "<b>"}),
    "an activation that is a text": change(nodes__0__activation="1"),
    "an activation beyond floats": change(nodes__0__activation=1e300),
    "the same node twice": duplicate_node,
    "one id for two nodes": duplicate_id,
    "a link to nowhere": change(links__0__target="nowhere"),
    "a link without a source": change(links__0__source=None),
    "a link to itself": lambda d: d["links"][0].update(source=d["links"][0]["target"]),
    "a link twice": lambda d: d["links"].append(dict(d["links"][0])),
    "a weight that is a text": change(links__0__weight="1"),
    "a weight beyond floats": change(links__0__weight=1e39),
    "a cycle": cycle,
    "a chain of 3,000": chain,
    "pins that are numbers": change(qParams__pinnedIds=[1]),
    "groups that are texts": change(qParams__supernodes=["abc"]),
    "a hostile dictionary": change(nodes__0__dictionary="<img src=x>"),
    "scores that are text": change(metadata__saewidgets={"scores": {"replacement": "1"}}),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_graph(name: str) -> None:
    document = json.loads(graph().to_json())
    AttributionGraph.from_json(copy.deepcopy(document))
    BAD[name](document)
    with pytest.raises(CircuitError):
        AttributionGraph.from_json(document)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000, '{"a":' * 100_000, '{"metadata": NaN}', '{"nodes": ' + "9" * 5_000 + "}", '{"nodes": 1e999}',
        '{"a": 1, "a": 2}', '{"a": "\\ud800"}', "{", "[]", '{"metadata": {}}',
    ],
)  # fmt: skip
def test_bad_json(text: str) -> None:
    with pytest.raises(CircuitError):
        AttributionGraph.from_json(text)


def test_limits_are_stated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = json.loads(graph().to_json())
    with pytest.raises(CircuitError, match="2000000"):
        AttributionGraph.from_json({**document, "links": [None] * 10_000_000})
    with pytest.raises(CircuitError, match="200000"):
        AttributionGraph.from_json({**document, "nodes": [None] * 200_001})
    with (tmp_path / "large.json").open("wb") as file:
        file.truncate(read.MAX_BYTES + 1)
    with pytest.raises(CircuitError, match="bytes"):
        AttributionGraph.from_json(tmp_path / "large.json")
    for reader in (AttributionGraph.from_json, AttributionGraph.load):
        with pytest.raises(CircuitError, match="Cannot read"):
            reader(tmp_path / "none")
        with pytest.raises(CircuitError):
            reader(tmp_path)


def judged(parse: Callable[[bytes], AttributionGraph], data: bytes) -> str:
    """What became of a damaged file: our error, or a graph that can be used."""
    try:
        found = parse(data)
    except SaewidgetsError:
        return "refused"
    found.columns.ids  # noqa: B018
    assert len(found.nodes) == len(found.columns)
    assert np.isfinite(found.adjacency.data).all()
    if len(found.columns) and found.columns.weight.any():
        found.prune()
        found.scores()
    return "read"


SOURCES: dict[str, tuple[Callable[[], bytes], Callable[[bytes], AttributionGraph]]] = {
    **{
        dialect: (
            lambda dialect=dialect: small().to_json(dialect).encode(),  # type: ignore[misc]
            lambda data: read._graph(read.as_object(read._parse(data), "The document")),
        )
        for dialect in DIALECTS
    },
    "saved": (lambda: saved(small()), store.parse),
}


@cache
def small() -> AttributionGraph:
    return graph().prune(0.3, 0.5)


def saved(one: AttributionGraph) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return one.save(Path(folder) / "x").read_bytes()


@pytest.mark.parametrize("source", SOURCES)
def test_mutants(source: str) -> None:
    """1,400 damaged files of each kind, 5,600 in all: a graph that works, or one of our errors; nothing takes long."""
    make, parse = SOURCES[source]
    data = make()
    assert judged(parse, data) == "read", "control: the sound file is read"
    damages = [*mutate.ANY, *mutate.OF_KIND[".safetensors" if source == "saved" else ".json"]]
    seen = {"read": 0, "refused": 0}
    slowest = 0.0
    for number in range(1400):
        rng = Random(f"{source}/{number}")
        damaged = rng.choice(damages)(data, rng)
        if rng.random() < 0.3:
            damaged = rng.choice(mutate.ANY)(damaged or b"x", rng)
        started = time.process_time()
        seen[judged(parse, damaged)] += 1
        slowest = max(slowest, time.process_time() - started)
    assert seen["refused"] > 300 and sum(seen.values()) == 1400
    assert effort(slowest) < 5 * SECOND


def test_every_value_of_another_kind() -> None:
    """Each field of a small document replaced by values of every kind."""
    document = json.loads(small().to_json())
    document["nodes"], document["links"] = document["nodes"][:4] + document["nodes"][-2:], []
    document["qParams"] = {"pinnedIds": [], "supernodes": [["a"]], "clickedId": "", "linkType": "both"}
    document["metadata"]["saewidgets"]["positions"] = {}
    AttributionGraph.from_json(document)
    tried = 0
    for place in mutate.leaves(document):
        for value in mutate.VALUES:
            changed = mutate.replaced(document, place, value)
            tried += 1
            judged(lambda _, changed=changed: AttributionGraph.from_json(changed), b"")  # type: ignore[misc]
    assert tried > 700


def test_a_mutant_that_does_harm_is_noticed() -> None:
    """Control: a reader without checks fails on the same files in other ways."""

    def careless(data: bytes) -> AttributionGraph:
        document = json.loads(data)
        names = {node["node_id"]: n for n, node in enumerate(document["nodes"])}
        [names[link["source"]] for link in document["links"]]
        raise CircuitError("Never mind.")

    failures = 0
    data = small().to_json().encode()
    for number in range(300):
        rng = Random(number)
        try:
            judged(careless, rng.choice(mutate.ANY)(data, rng))
        except Exception:
            failures += 1
    assert failures > 50


# ----------------------------------------------------------------------------------- the rest of a graph


def test_difference() -> None:
    dictionaries = cases.transcoders("relu")
    ids = tiny.prompt(2, 8)
    other_ids = [*ids[:-1], ids[-1] % 50 + 1]
    scope = cases.scope("llama")
    one, two = (scope.attribute(i, targets=[5], dictionaries=dictionaries) for i in (ids, other_ids))
    nodes, edges = one.difference(two).nodes, one.difference(two).edges
    names = [{n for n in g.columns.ids if "/" in n} for g in (one, two)]
    found = nodes[nodes["kind"] == "feature"].set_index("id")["status"]
    assert set(found[found == "new"].index) == names[1] - names[0]
    assert set(found[found == "gone"].index) == names[0] - names[1]
    before = one.edges.set_index(["source", "target"])["weight"]
    row = edges[(edges["source"].str.contains("/")) & (edges["target"].str.contains("/"))].iloc[0]
    assert row["before"] == before.get((row["source"], row["target"]), 0.0)
    assert set(one.difference(one).nodes["status"]) == {"same"} and not one.difference(one).edges["change"].any()


def test_networkx() -> None:
    networkx = pytest.importorskip("networkx")
    found = graph().to_networkx()
    assert found.number_of_nodes() == len(graph().columns) and found.number_of_edges() == graph().adjacency.nnz
    assert networkx.is_directed_acyclic_graph(found)
    assert found.nodes[graph().columns.ids[0]]["label"] == "<script>alert(1)</script>"


def test_pinned_scores_by_hand() -> None:
    """token -> f1 (3) and f2 (1); error -> f1 (1); f1 -> logit (3), f2 -> logit (1)."""
    from saewidgets.payloads import influence

    kind = np.array([FEATURE, FEATURE, ERROR, TOKEN, LOGIT], dtype="uint8")
    a = np.zeros((5, 5))
    a[0, 3], a[0, 2], a[1, 3], a[4, 0], a[4, 1] = 3, 1, 1, 3, -1
    w = np.array([0, 0, 0, 0, 1.0])
    whole = influence.scores(a, kind, w)
    # f1 gets 3/4 of the target, f2 1/4; the error a quarter of f1.
    assert whole.replacement == pytest.approx(1 - 3 / 16)
    # Weights: target 1, f1 3/4, f2 1/4, token 13/16, error 3/16; only f1 loses a quarter.
    assert whole.completeness == pytest.approx((1 + 3 / 4 * 3 / 4 + 1 / 4 + 13 / 16 + 3 / 16) / 3)
    part = influence.scores(a, kind, w, np.array([False, True, False, False, False]))
    # Without f2: its quarter counts as error.
    assert part.replacement == pytest.approx((3 / 4 * 3 / 4) / (3 / 4 * 3 / 4 + 3 / 16 + 1 / 4))
    assert part.completeness == pytest.approx((1 * 3 / 4 + 3 / 4 * 3 / 4 + 9 / 16) / (1 + 3 / 4 + 9 / 16))


def test_marks_must_be_of_nodes() -> None:
    with pytest.raises(CircuitError):
        graph().mark(pinned=("mlp_in.9/9@9",))
    with pytest.raises(CircuitError):
        graph().mark(links="sideways")
    assert graph().keep(graph().marks.pinned).marks.pinned == graph().marks.pinned
    assert set(graph().prune(0.01, 0.01).marks.pinned) == set(graph().marks.pinned), "a pin outlives pruning"
