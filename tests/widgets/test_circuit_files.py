"""Graph files opened from the widget: each dialect, what is no graph, and the way back."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

import saewidgets as sw
from saewidgets.errors import CircuitError, WidgetError
from saewidgets.widgets import CircuitGraph, circuit_files

PROMPT = "Mira saw a red boat."


@pytest.fixture(scope="module")
def scope() -> sw.Scope:
    return sw.demo()


@pytest.fixture
def view(scope: sw.Scope) -> Iterator[CircuitGraph]:
    with CircuitGraph(scope, PROMPT, max_features=48) as made:
        assert made.wait(60)
        yield made


def asked(view: CircuitGraph, monkeypatch: pytest.MonkeyPatch, content: dict[str, Any]) -> dict[str, Any]:
    """The answer to a message of the front end."""
    answers: list[dict[str, Any]] = []
    monkeypatch.setattr(view, "_post", lambda content, buffers=None: answers.append(content))
    view._handle_custom_msg({"id": 7, **content}, [])
    (answer,) = answers
    return answer


@pytest.mark.parametrize("dialect", ["neuronpedia", "circuit-tracer", "anthropic"])
def test_a_file_is_shown_and_closed(
    scope: sw.Scope, view: CircuitGraph, monkeypatch: pytest.MonkeyPatch, dialect: str
) -> None:
    other = scope.attribute("Tom gave the <b>lantern</b> to", max_features=20).prune(0.9, 0.98)
    pinned = next(name for name in other.columns.ids if "/" in name)
    text = other.mark(pinned=(pinned,), groups=(("one", (pinned,)),)).to_json(dialect)
    before, seen = view.payload, view.marks
    answer = asked(view, monkeypatch, {"type": "import", "text": text, "name": "<i>file</i>.json"})
    assert answer == {"type": "ok", "id": 7, "result": None}
    payload = view.payload
    assert payload.prompt == other.prompt or payload.tokens == other.tokens
    assert len(payload.nodes) == len(other.columns) and len(payload.source) == other.adjacency.nnz
    assert len(view.marks["pinned"]) == 1 and view.marks["groups"][0]["label"] == "one"
    assert not view.live and view._file_name == "<i>file</i>.json" and view.edits == ()
    assert len(view.graph.columns) == len(other.columns)
    with pytest.raises(WidgetError, match="opened from a file"):
        view.prompt = "Another text."
    assert asked(view, monkeypatch, {"type": "run", "state": {"prompt": "x"}})["type"] == "error"
    assert view.payload.nodes.id == payload.nodes.id
    # Another file, then back to where all began.
    asked(view, monkeypatch, {"type": "import", "text": text, "name": "two.json"})
    assert asked(view, monkeypatch, {"type": "import", "text": ""})["type"] == "ok"
    assert view.live and view._file_name == "" and view.marks == seen and view.prompt == PROMPT
    assert view.payload.nodes.id == before.nodes.id
    view.edits = [sw.ablate("mlp_in.0/1")]
    assert view.wait(60) and view.error is None


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "null", "/etc/passwd", "graph.json", 7, None, [], "{}", '{"metadata": {}, "nodes": 3, "links": []}',
     "[" * 5000, '{"a": 1' + "0" * 5000 + "}", "x" * 20],
)  # fmt: skip
def test_what_is_no_graph(view: CircuitGraph, monkeypatch: pytest.MonkeyPatch, text: Any) -> None:
    before = view.payload
    answer = asked(view, monkeypatch, {"type": "import", "text": text})
    assert answer["type"] == "error" and answer["what"] and len(answer["what"]) < 500
    assert isinstance(view.last_error, CircuitError)
    assert view.live and view._file_name == "" and view.payload.nodes.id == before.nodes.id


def test_a_file_that_is_too_large(view: CircuitGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuit_files, "MAX_TEXT", 100)
    answer = asked(view, monkeypatch, {"type": "import", "text": json.dumps({"a": "x" * 200})})
    assert answer["type"] == "error" and "view.open_graph" in answer["todo"]


def test_what_is_being_computed_does_not_come_over_a_file(view: CircuitGraph, scope: sw.Scope) -> None:
    other = scope.attribute("Tom gave the lantern to", max_features=20)
    view.edits = [sw.ablate("mlp_in.0/1")]
    view.open_graph(other)
    view.wait(60)
    assert view.graph.prompt == other.prompt and view.payload.prompt == other.prompt
    view.close_graph()
    assert view.prompt == PROMPT and view.live
    view.close_graph()
