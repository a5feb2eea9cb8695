"""What we write is valid against the schema that Neuronpedia publishes; marks and labels survive in every dialect."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import saewidgets as sw
from saewidgets.circuits import AttributionGraph
from saewidgets.circuits.write import DIALECTS
from tests.circuits import cases
from tests.circuits.test_graph_files import foreign, graph
from tests.model import tiny

SCHEMA = json.loads(Path(__file__).with_name("graph_schema.json").read_text())
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)


def graphs() -> dict[str, AttributionGraph]:
    """Marked, with a vector as target; of an edited model; of autoencoders; whole; read from a file of others."""
    scope, dictionaries = cases.scope("llama"), cases.transcoders("cross-skip")
    demo = sw.demo()
    site = {"resid_post.1": demo.dictionaries["resid_post.1"]}
    return {
        "marked": graph(),
        "cross-layer": scope.attribute(tiny.prompt(2, 8), dictionaries=dictionaries),
        "edited": demo.attribute("Mira saw a red boat.", edits=[sw.ablate("mlp_in.0/3")], max_features=30),
        "autoencoders": sw.circuits.feature_circuit(demo, "Mira saw a boat.", dictionaries=site, max_features=30),
        "foreign": AttributionGraph.from_json(foreign("circuit-tracer")),
    }


@pytest.mark.parametrize("dialect", DIALECTS)
def test_valid_in_every_dialect(dialect: str) -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    for name, one in graphs().items():
        document = json.loads(one.to_json(dialect))
        errors = [f"{name}: {list(error.path)} {error.message}" for error in VALIDATOR.iter_errors(document)]
        assert not errors, errors[:3]
        again = AttributionGraph.from_json(document)
        assert again.columns.labels == one.columns.labels and again.columns.ids == one.columns.ids
        assert again.marks == one.marks


@pytest.mark.parametrize("first", DIALECTS)
@pytest.mark.parametrize("then", DIALECTS)
def test_marks_survive_from_dialect_to_dialect(first: str, then: str) -> None:
    """Pins, supernodes, labels and positions, also as markup; out in one dialect, in, out in another, in."""
    once = AttributionGraph.from_json(graph().to_json(first))
    twice = AttributionGraph.from_json(once.to_json(then))
    assert twice.marks == graph().marks and twice.columns.labels == graph().columns.labels
    assert "<script>alert(1)</script>" in twice.columns.labels and twice.marks.groups[1][0] == "<b>second</b>"


BREAKS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no slug": lambda d: d["metadata"].pop("slug"),
    "no label": lambda d: d["nodes"][0].pop("clerp"),
    "position as text": lambda d: d["nodes"][0].update(ctx_idx="1"),
    "feature as text": lambda d: d["nodes"][0].update(feature="1"),
    "weight as text": lambda d: d["links"][0].update(weight="1"),
    "pins as numbers": lambda d: d["qParams"].update(pinnedIds=[1]),
    "no links": lambda d: d.pop("links"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_the_schema_can_fail(name: str) -> None:
    document = json.loads(graph().to_json())
    BREAKS[name](document)
    assert list(VALIDATOR.iter_errors(document))
