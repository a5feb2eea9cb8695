"""docs/protocol.md, table by table, against a comm that records."""

import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest
import traitlets

from saewidgets.errors import FeatureError, PromptError, WidgetError
from saewidgets.interventions import ablate, scale
from saewidgets.payloads import decode, encode
from saewidgets.widgets import (
    CircuitGraph,
    Explorer,
    FeatureDashboard,
    FeatureTable,
    Steering,
    TokenHeatmap,
    base,
    carrier,
)
from tests.widgets.fakes import FakeScope, picture

PROTOCOL = (Path(__file__).parents[2] / "docs/protocol.md").read_text(encoding="utf-8")


def make(scope: Any, prompt: str = "a b c d", **options: Any) -> tuple[TokenHeatmap, Any]:
    widget = TokenHeatmap(scope, prompt, **options)
    return widget, widget.comm


def run(widget: TokenHeatmap, request_id: Any = 1, **state: Any) -> None:
    widget.comm.receive({"type": "run", "id": request_id, "state": state})


def table(heading: str) -> list[str]:
    """First column of the tables of one section."""
    section = PROTOCOL.split(f"## {heading}")[1].split("\n## ")[0]
    return [row.split("|")[1] for row in section.splitlines() if row.startswith("| `")]


def test_every_trait_of_the_table_is_synced(fake_scope: FakeScope) -> None:
    widget, comm = make(fake_scope)
    names = [name for row in table("Traits") for name in re.findall(r"`(\w+)`", row)]
    state = comm.open_message["data"]["state"]
    sent = {*state, *(path[0] for path in comm.open_message["data"]["buffer_paths"])}
    assert len(names) > 15
    assert set(names) <= sent
    ours = set(widget.traits(sync=True)) - set(base.anywidget.AnyWidget.class_traits(sync=True)) - {"_esm"}
    assert ours - {"_anywidget_id", "_css"} == set(names), "a trait is missing in docs/protocol.md"


def test_every_message_of_the_table_has_a_handler() -> None:
    messages = [name for row in table("Messages") for name in re.findall(r'type: "(\w+)"', row)]
    replies = {"ok", "error", "progress", "cancelled"}
    widgets = (TokenHeatmap, FeatureDashboard, FeatureTable, Steering, CircuitGraph, Explorer)
    handled = {name for widget in widgets for name in widget._messages}
    assert set(messages) - replies == handled


def test_the_first_picture_comes_with_the_comm(fake_scope: FakeScope) -> None:
    widget, comm = make(fake_scope, "a b c", edits=[ablate("resid_post.1/2")], selection=1)
    state = comm.open_message["data"]["state"]
    payload = picture(comm.open_message["buffers"][0])
    assert payload.prompt == state["prompt"] == "a b c"
    assert state["features"] == ["resid_post.1/0", "resid_post.1/1", "resid_post.1/2"]
    assert state["edits"] == [
        {"kind": "ablate", "feature": "resid_post.1/2", "value": 0.0, "positions": None, "error": "keep",
         "relative": False}
    ]  # fmt: skip
    assert payload.control is not None
    assert (state["selection"], state["site"], state["live"], state["_revision"]) == (1, "resid_post.1", True, 1)
    assert (state["undo_depth"], state["redo_depth"], state["error"]) == (0, 0, None)
    assert comm.sent == []
    assert fake_scope.threads == {threading.current_thread().name}, "the constructor started a thread"
    widget.close()


def test_run_publishes_then_answers(fake_scope: FakeScope) -> None:
    widget, comm = make(fake_scope)
    run(widget, "r1", prompt="one two", features=["resid_post.0/5", "", "resid_post.1/6"], selection=1, fill="surprise")
    assert widget.wait(5)
    assert comm.reply("r1") == {"type": "ok", "id": "r1", "result": None}
    update = comm.updates[-1]
    assert comm.sent[-1][0]["content"]["type"] == "ok", "ok came before the picture"
    assert picture(update["_payload"]).prompt == update["prompt"] == widget.prompt == "one two"
    assert widget.features == ("resid_post.0/5", "", "resid_post.1/6")
    assert (widget.selection, widget.fill) == (1, "surprise")
    assert len(comm.updates) == 1, "one message for all traits"
    assert fake_scope.threads >= {"saewidgets-job"}
    widget.close()


def test_edits_publish_the_picture_first_and_the_control_later(fake_scope: FakeScope) -> None:
    widget, comm = make(fake_scope)
    run(widget, 1, edits=[{"kind": "ablate", "feature": "resid_post.1/0"}])
    assert widget.wait(5)
    pictures = [picture(u["_payload"]) for u in comm.updates if "_payload" in u]
    assert [p.control is None for p in pictures] == [True, False]
    kinds = [d["content"]["type"] if d["method"] == "custom" else "update" for d, _ in comm.sent]
    assert kinds == ["update", "progress", "progress", "progress", "progress", "update", "ok"]
    assert comm.replies[0] == {"type": "progress", "id": 1, "done": 0, "total": 4, "note": "control"}
    assert widget.edits == (ablate("resid_post.1/0"),)
    widget.close()


def test_search(fake_scope: FakeScope) -> None:
    widget, comm = make(fake_scope)
    comm.receive({"type": "search", "id": 3, "query": "label 1", "site": "resid_post.0"})
    found = comm.reply(3)["result"]["features"]
    assert found[0] == {"id": "resid_post.0/1", "label": "label 1"}
    comm.receive({"type": "search", "id": 4, "query": 7})
    comm.receive({"type": "search", "id": 5, "query": "x", "site": "nowhere"})
    assert comm.reply(4)["type"] == comm.reply(5)["type"] == "error"
    widget.close()


def test_undo_and_redo(fake_scope: FakeScope) -> None:
    widget, comm = make(fake_scope)
    run(widget, 1, edits=[{"kind": "ablate", "feature": "resid_post.1/0"}])
    assert widget.wait(5)
    run(widget, 2, edits=[{"kind": "ablate", "feature": "resid_post.1/0"}], features=["resid_post.1/9"])
    assert widget.wait(5)
    assert (widget.undo_depth, widget.redo_depth) == (2, 0)
    forwards = fake_scope.forwards
    comm.receive({"type": "undo", "id": 3})
    comm.receive({"type": "undo", "id": 4})
    assert widget.wait(5)
    assert comm.reply(3)["type"] in ("ok", "cancelled")
    assert comm.reply(4)["type"] == "ok"
    assert (widget.undo_depth, widget.redo_depth, widget.edits) == (0, 2, ())
    comm.receive({"type": "redo", "id": 5})
    assert widget.wait(5)
    assert widget.edits == (ablate("resid_post.1/0"),)
    assert fake_scope.forwards == forwards, "undo and redo came from the cache"
    comm.receive({"type": "undo", "id": 6})
    comm.receive({"type": "undo", "id": 7})
    assert widget.wait(5)
    assert comm.reply(7)["type"] == "ok"  # nothing to undo is no error
    widget.close()


def test_a_dragged_slider_is_one_step_of_undo(fake_scope: FakeScope) -> None:
    widget, _ = make(fake_scope)
    for i in range(20):
        run(widget, i, edits=[{"kind": "scale", "feature": "resid_post.1/0", "value": i / 10}])
    assert widget.wait(5)
    assert widget.undo_depth == 1
    assert widget.edits == (scale("resid_post.1/0", 1.9),)
    widget.undo()
    assert widget.wait(5)
    assert widget.edits == ()
    widget.close()


def test_positions_ask_for_a_new_payload_and_stay_with_the_prompt(fake_scope: FakeScope) -> None:
    widget, comm = make(fake_scope)
    comm.receive({"type": "positions", "id": 1, "positions": [2, 0, 2]})
    assert widget.wait(5)
    assert comm.reply(1)["type"] == "ok"
    assert widget._wanted.request.positions == (0, 2)
    run(widget, 2, edits=[{"kind": "ablate", "feature": "resid_post.1/0"}])
    assert widget.wait(5)
    assert widget._wanted.request.positions == (0, 2)
    run(widget, 3, prompt="another one")
    assert widget.wait(5)
    assert widget._wanted.request.positions == ()
    widget.close()


def test_cancel_stops_the_request_and_keeps_the_picture() -> None:
    scope = FakeScope()
    widget, comm = make(scope)
    started, go = threading.Event(), threading.Event()
    scope.on_forward = lambda: (started.set(), go.wait(5))
    run(widget, "slow", prompt="never shown")
    assert started.wait(5)
    comm.receive({"type": "cancel", "id": "slow"})
    comm.receive({"type": "cancel", "id": "unknown"})
    go.set()
    assert widget.wait(5)
    assert comm.reply("slow") == {"type": "cancelled", "id": "slow"}
    assert comm.reply("unknown") is None
    assert widget.payload.prompt == widget.prompt == "a b c d"
    assert widget.error is None
    run(widget, "next", features=[])
    assert widget.wait(5)
    assert widget.prompt == "a b c d", "what was cancelled is not wanted any more"
    widget.close()


def test_save_carries_the_file(fake_scope: FakeScope, monkeypatch: pytest.MonkeyPatch) -> None:
    widget, comm = make(fake_scope)
    monkeypatch.setattr(TokenHeatmap, "to_svg", lambda self: "<svg/>")
    for i, kind in enumerate(("sae", "svg")):
        comm.receive({"type": "save", "id": i, "format": kind})
    comm.receive({"type": "save", "id": 9, "format": "exe"})
    assert widget.wait(10)
    files = {d["content"]["result"]["format"]: b for d, b in comm.sent if d["content"]["type"] == "ok"}
    assert decode(files["sae"][0]).prompt == "a b c d"
    assert files["svg"] == [b"<svg/>"]
    assert comm.reply(0)["result"] == {"format": "sae", "name": "heatmap.sae"}
    assert comm.reply(9)["type"] == "error"
    widget.close()


def test_bundle_and_payload_can_be_pulled(fake_scope: FakeScope) -> None:
    widget, comm = make(fake_scope)
    asked = [carrier.file_hash(name) for name in ("live.js", "live-heatmap.js", "live-views.js")]
    for each in [*asked, "another version's", 7]:
        comm.receive({"type": "bundle", "hash": each})
    comm.receive({"type": "payload", "id": 2})
    *codes, (second, data) = comm.sent
    assert [reply["content"] for reply, _ in codes] == [
        {"type": "bundle", "hash": each} for each in [*asked, asked[0], asked[0]]
    ]
    assert [code[0] for _, code in codes[:3]] == [
        carrier._text(name).encode() for name in ("live.js", "live-heatmap.js", "live-views.js")
    ]
    assert second["content"] == {"type": "payload", "id": 2, "revision": 1}
    assert decode(data[0]).prompt == "a b c d"
    widget.close()


def test_a_large_payload_is_not_in_the_state(fake_scope: FakeScope, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "PAYLOAD_IN_STATE", 6_000)
    widget, comm = make(fake_scope, " ".join("x" * 500))
    assert comm.open_message["buffers"] == [b""]
    assert widget.get_state()["_payload"] == b""
    run(widget, 1, prompt="short")
    assert widget.wait(5)
    assert picture(comm.updates[-1]["_payload"]).prompt == "short"
    assert comm.updates[-1]["_revision"] == 2
    widget.close()


def test_errors_of_ours_are_told_verbatim_and_the_picture_stays(fake_scope: FakeScope) -> None:
    widget, comm = make(fake_scope)
    before = widget.payload
    run(widget, 1, prompt="")
    assert widget.wait(5)
    said = {"what": "The prompt is empty.", "todo": "Type at least one character."}
    assert comm.reply(1) == {"type": "error", "id": 1, **said}
    assert comm.updates[-1]["error"] == said
    assert isinstance(widget.last_error, PromptError)
    assert widget.payload is before
    run(widget, 2, prompt="good again")
    assert widget.wait(5)
    assert widget.error is None
    widget.close()


def test_unexpected_errors_are_a_sentence_with_a_traceback_for_who_asks(fake_scope: FakeScope) -> None:
    widget, comm = make(fake_scope)
    run(widget, 1, prompt="boom")
    assert widget.wait(5)
    assert comm.reply(1)["what"] == "Unexpected RuntimeError: kaput <b>& with a second line."
    assert widget.prompt == "a b c d"
    assert "in build\n" in "".join(widget.last_error.__notes__)
    assert widget.last_error.__traceback__ is None, "a frame still holds what may be a tensor"
    widget.close()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("prompt", "after", "after"),
        ("features", ["resid_post.0/1"], ["resid_post.0/1"]),
        ("edits", [ablate("resid_post.0/1")], None),
        ("error_term", "dropped", "dropped"),
    ],
)
def test_setting_from_python_starts_the_same_job(fake_scope: FakeScope, name: str, value: Any, told: Any) -> None:
    widget, comm = make(fake_scope)
    setattr(widget, name, value)
    assert widget.wait(5)
    assert comm.updates[-1]["_revision"] >= 2
    if told is not None:
        assert comm.updates[0][name] == told
    request = widget._shown.request
    assert getattr(request, name) == getattr(widget, name)
    widget.close()


def test_a_failed_change_from_python_is_taken_back(fake_scope: FakeScope) -> None:
    widget, _ = make(fake_scope)
    widget.prompt = "boom"
    assert widget.wait(5)
    assert widget.prompt == "a b c d"
    assert widget.error is not None
    with pytest.raises(FeatureError, match=r"no feature resid_post.1/64"):
        widget.features = ["resid_post.1/64"]
    with pytest.raises(WidgetError):
        widget.selection = 4
    with pytest.raises(PromptError):
        widget.prompt = 7
    assert (widget.prompt, widget.selection, len(widget.features)) == ("a b c d", 3, 3)
    widget.close()


def test_the_front_end_writes_three_traits_only(fake_scope: FakeScope) -> None:
    widget, comm = make(fake_scope)
    comm.update({"selection": 2, "fill": "surprise", "site": "resid_post.0"})
    assert (widget.selection, widget.fill, widget.site) == (2, "surprise", "resid_post.0")
    assert (widget.payload.selection, widget.payload.fill, widget.payload.site) == (2, "surprise", "resid_post.0")
    state = json.dumps(widget.get_state(), default=repr)
    comm.update({"prompt": "evil", "_payload": b"evil", "_esm": "evil()", "theme": "evil", "live": False, "x": 1})
    assert json.dumps(widget.get_state(), default=repr) == state
    widget.close()


@pytest.mark.parametrize(
    "state", [{"selection": -1}, {"selection": 10**9}, {"selection": "1"}, {"selection": 10**400}, {"selection": True},
              {"selection": None}, {"fill": 3}, {"fill": "resid_post.0/63"}, {"site": []}, {"site": "x" * 10**6}]
)  # fmt: skip
def test_a_wrong_trait_is_corrected(fake_scope: FakeScope, state: dict[str, Any]) -> None:
    widget, comm = make(fake_scope)
    before = widget._view_now()
    comm.update(state)
    (name,) = state
    assert comm.updates[-1] == {name: before[name]}
    assert widget._view_now() == before
    widget.close()


def test_a_selection_made_meanwhile_is_newer_than_the_request() -> None:
    scope = FakeScope()
    widget, comm = make(scope)
    started, go = threading.Event(), threading.Event()
    scope.on_forward = lambda: (started.set(), go.wait(5))
    run(widget, 1, features=["resid_post.0/7"], fill="resid_post.0/7", selection=0)
    assert started.wait(5)
    comm.update({"selection": 1})
    go.set()
    assert widget.wait(5)
    assert (widget.selection, widget.fill, widget.payload.selection) == (1, "resid_post.0/7", 1)
    widget.close()


def test_a_selection_made_while_the_picture_is_packed_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    from saewidgets.widgets import base

    widget, comm = make(FakeScope())
    packed: list[int] = []

    def slow(payload: Any) -> bytes:
        packed.append(payload.selection)
        if len(packed) == 1:
            comm.update({"selection": 1})
        return encode(payload)

    monkeypatch.setattr(base, "encode", slow)
    run(widget, 1, prompt="one two three", selection=0)
    assert widget.wait(5)
    assert (packed, widget.selection, widget.payload.selection) == ([0, 1], 1, 1)
    widget.close()


def test_two_widgets_on_one_scope_do_not_disturb_each_other(fake_scope: FakeScope) -> None:
    one, first = make(fake_scope)
    two, second = make(fake_scope, "other text")
    run(one, 1, prompt="new text", edits=[{"kind": "ablate", "feature": "resid_post.1/0"}])
    run(two, 1, prompt="boom")
    assert one.wait(5)
    assert two.wait(5)
    assert (one.prompt, one.error, two.prompt) == ("new text", None, "other text")
    assert two.error is not None
    assert (first.reply(1)["type"], second.reply(1)["type"]) == ("ok", "error")
    one.close()
    run(two, 2, prompt="still here")
    assert two.wait(5)
    assert two.prompt == "still here"
    assert all("new text" != u.get("prompt") for u in second.updates)
    two.close()


def test_linked_widgets_follow_each_other_from_any_thread(fake_scope: FakeScope) -> None:
    one, first = make(fake_scope)
    two, second = make(fake_scope)
    link = traitlets.link((one, "selection"), (two, "selection"))
    threads = [
        threading.Thread(target=lambda comm=comm: [comm.update({"selection": i % 4}) for i in range(200)])
        for comm in (first, second)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads), "deadlock"
    assert one.selection == two.selection
    link.unlink()
    one.close()
    two.close()


def test_after_close_nothing_is_heard(fake_scope: FakeScope) -> None:
    widget, comm = make(fake_scope)
    callback = comm._callback
    widget.close()
    widget.close()
    forwards = fake_scope.forwards
    request = {"method": "custom", "content": {"type": "run", "id": 1, "state": {}}}
    for data in (request, {"method": "update", "state": {"selection": 0}}):
        callback({"content": {"data": data}, "buffers": []})
    assert (comm.sent, fake_scope.forwards) == ([], forwards)
    assert widget.payload.prompt == "a b c d"
    with pytest.raises(WidgetError):
        widget.prompt = "too late"


def test_closing_while_a_job_runs_publishes_nothing() -> None:
    scope = FakeScope()
    widget, comm = make(scope)
    started, go = threading.Event(), threading.Event()
    scope.on_forward = lambda: (started.set(), go.wait(5))
    run(widget, 1, prompt="too late")
    assert started.wait(5)
    widget.close()
    go.set()
    assert widget.wait(5)
    assert comm.sent == []


def test_unknown_keyword_is_refused_with_a_hint(fake_scope: FakeScope) -> None:
    with pytest.raises(TypeError, match="Did you mean 'features'"):
        TokenHeatmap(fake_scope, "a", feature=["resid_post.0/1"])
    with pytest.raises(WidgetError, match="heatmap of a int"):
        TokenHeatmap(3, "a")
    with pytest.raises(PromptError):
        TokenHeatmap(fake_scope)
    with pytest.raises(RuntimeError, match="kaput"):
        TokenHeatmap(fake_scope, "boom")
    with pytest.raises(WidgetError, match="theme"):
        TokenHeatmap(fake_scope, "a", theme="red;background:url(//x)")
    assert fake_scope.threads <= {threading.current_thread().name}
