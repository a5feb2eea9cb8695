"""A front end that lies, floods and sends nonsense: a quick error reply, and nothing changes."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saewidgets.errors import SaewidgetsError
from saewidgets.widgets import TokenHeatmap, jobs
from saewidgets.widgets.requests import MAX_BUFFERS
from tests.effort import SECOND, cpu, effort
from tests.widgets.fakes import WIDTH, FakeScope, picture
from tests.widgets.test_widget_protocol import make, run

MILLION_EDITS = [{"kind": "ablate", "feature": "resid_post.1/0"}] * 1_000_000
HOSTILE_STATES: list[Any] = [
    None,
    [],
    "state",
    7,
    {"prompt": 7},
    {"prompt": ["a"]},
    {"prompt": "x" * 100_000_000},
    {"features": "resid_post.1/0"},
    {"features": ["resid_post.1/0"] * 65},
    {"features": ["resid_post.1/0", "resid_post.1/0"]},
    {"features": ["resid_post.9/0"]},
    {"features": [f"resid_post.1/{WIDTH}"]},
    {"features": ["resid_post.1/999999999"]},
    {"features": ["../../etc/passwd"]},
    {"features": ["__proto__"]},
    {"features": [None]},
    {"features": ["x" * 10_000_000]},
    {"features": {"resid_post.1/0": 1}},
    {"edits": MILLION_EDITS},
    {"edits": {"kind": "ablate"}},
    {"edits": [7]},
    {"edits": [{"kind": "ablate"}]},
    {"edits": [{"kind": "erase", "feature": "resid_post.1/0"}]},
    {"edits": [{"kind": "x" * 10_000_000, "feature": "resid_post.1/0"}]},
    {"edits": [{"kind": ["ablate"], "feature": "resid_post.1/0"}]},
    {"edits": [{"kind": "ablate", "feature": "resid_post.9/0"}]},
    {"edits": [{"kind": "scale", "feature": "resid_post.1/0", "value": float("nan")}]},
    {"edits": [{"kind": "scale", "feature": "resid_post.1/0", "value": 1e300}]},
    {"edits": [{"kind": "scale", "feature": "resid_post.1/0", "value": 10**400}]},
    {"edits": [{"kind": "scale", "feature": "resid_post.1/0", "value": "2"}]},
    {"edits": [{"kind": "ablate", "feature": "resid_post.1/0", "positions": [-1]}]},
    {"edits": [{"kind": "ablate", "feature": "resid_post.1/0", "positions": [10**9]}]},
    {"edits": [{"kind": "ablate", "feature": "resid_post.1/0", "positions": list(range(10**6))}]},
    {"edits": [{"kind": "ablate", "feature": "resid_post.1/0", "positions": "0"}]},
    {"edits": [{"kind": "ablate", "feature": "resid_post.1/0", "error": "explode"}]},
    {"edits": [{str(i): i for i in range(100_000)}]},
    {"error_term": "maybe"},
    {"error_term": 0},
    {"site": 3},
    {"site": "resid_post.9"},
    {"site": "x" * 10_000_000},
    {"fill": ["error"]},
    {"selection": -1},
    {"selection": 10**9},
    {"selection": 10**400},
    {"selection": 1.0},
    {"selection": True},
    {"selection": "1"},
    {"positions": [0.5]},
    {"positions": list(range(100_000))},
]


def shown(widget: TokenHeatmap) -> dict[str, Any]:
    return {**widget.get_state(), "picture": widget.payload, "wanted": widget._wanted}


@pytest.mark.parametrize("state", HOSTILE_STATES, ids=range(len(HOSTILE_STATES)))
def test_hostile_state_is_refused_at_once_and_changes_nothing(fake_scope: FakeScope, state: Any) -> None:
    widget, comm = make(fake_scope)
    before, forwards = shown(widget), fake_scope.forwards
    spent = cpu(lambda: comm.receive({"type": "run", "id": 1, "state": state}))
    reply = comm.reply(1)
    assert reply is not None, "it was made into a job"
    assert reply["type"] == "error"
    assert not reply["what"].startswith("Unexpected"), reply
    assert len(reply["what"]) + len(reply["todo"]) < 400
    assert effort(spent) < SECOND / 4
    assert shown(widget) == before
    assert fake_scope.forwards == forwards
    widget.close()


@pytest.mark.parametrize(
    "content",
    [None, 3, "run", [], {}, {"type": None}, {"type": ["run"]}, {"type": {}}, {"type": "exec"}, {"type": "__init__"},
     {"type": "_on_run"}, {"type": "run"}, {"type": "search"}, {"type": "search", "query": "x" * 10**7},
     {"type": "save", "format": "../../x"}, {"type": "save", "format": None}, {"type": "positions"},
     {"type": "positions", "positions": [-1]}, {"type": "positions", "positions": []},
     {"type": "positions", "positions": 10**9}],
)  # fmt: skip
@pytest.mark.parametrize("request_id", ["a", 7, None, {}, [1], "x" * 10**6, 10**40, True, float("nan")], ids=range(9))
def test_every_message_is_answered_once(fake_scope: FakeScope, content: Any, request_id: Any) -> None:
    widget, comm = make(fake_scope)
    if isinstance(content, dict):
        content = {**content, "id": request_id}
    comm.receive(content)
    echoed = request_id if isinstance(content, dict) and request_id in ("a", 7) and request_id is not True else None
    (reply,) = comm.replies
    assert (reply["type"], reply["id"]) == ("error", echoed)
    widget.close()


def test_large_buffers_are_refused_unread(fake_scope: FakeScope) -> None:
    widget, comm = make(fake_scope)
    comm.receive({"type": "run", "id": 1, "state": {"prompt": "x"}}, [memoryview(bytes(MAX_BUFFERS + 1))])
    assert comm.reply(1)["what"] == "The request carries too much data."
    comm.receive({"type": "run", "id": 2, "state": {"prompt": "x"}}, [memoryview(bytes(10))])
    assert widget.wait(5)
    assert comm.reply(2)["type"] == "ok"
    widget.close()


def test_a_refused_request_is_not_kept_alive(fake_scope: FakeScope) -> None:
    """`last_error` must not hold a hundred megabytes that a stranger sent."""
    import gc
    import weakref

    class Big(dict):  # a plain dict has no weak references
        pass

    widget, comm = make(fake_scope)
    content = Big({"type": "run", "id": 1, "state": {"prompt": 7}})
    reference = weakref.ref(content)
    comm.receive(content)
    assert widget.last_error is not None
    del content
    gc.collect()
    assert reference() is None
    widget.close()


def test_10000_messages_leave_the_last_and_no_thread(fake_scope: FakeScope) -> None:
    widget, comm = make(fake_scope)
    for i in range(10_000):
        kind = ("run", "cancel", "undo", "run", "payload")[i % 5]
        comm.receive({"type": kind, "id": i % 50, "state": {"prompt": f"text {i}"}})
    comm.receive({"type": "run", "id": "last", "state": {"prompt": "the last"}})
    assert widget.wait(60)
    assert widget.prompt == "the last"
    assert comm.reply("last")["type"] == "ok"
    assert len(comm.replies) <= 10_001
    widget.close()


@pytest.fixture
def no_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request is run, however fast they come."""
    monkeypatch.setattr(jobs.Pace, "delay", lambda self, now: 0.0)


@pytest.fixture
def live(no_pace: None, fakes: None) -> Iterator[TokenHeatmap]:
    """One widget for all examples of a test."""
    widget = TokenHeatmap(FakeScope(), "a b c d")
    yield widget
    widget.close()


# One widget for all examples on purpose: what one leaves behind, the next meets.
MANY = settings(max_examples=2_000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SOME_TEXT = st.text(st.characters(codec=None), max_size=20)
FEATURE = st.one_of(
    st.builds(
        "{}/{}".format, st.sampled_from(["resid_post.0", "resid_post.1", "mlp_in.0"]), st.integers(-2, WIDTH + 2)
    ),
    st.just(""),
    SOME_TEXT,
)
SCALAR = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), SOME_TEXT)
EDIT = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(["ablate", "scale", "clamp", "steer", "patch", "", None, 1]),
        "feature": FEATURE,
        "value": st.one_of(st.integers(-3, 3), SCALAR),
        "positions": st.one_of(st.none(), st.lists(st.integers(-1, 5), max_size=4), SCALAR),
        "error": st.sampled_from(["keep", "drop", "x", None]),
        "relative": SCALAR,
    },
)
JSON = st.recursive(SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SOME_TEXT, inner, max_size=3))
STATE = st.fixed_dictionaries(
    {},
    optional={
        "prompt": st.one_of(SOME_TEXT, JSON),
        "features": st.one_of(st.lists(FEATURE, max_size=4), JSON),
        "edits": st.one_of(st.lists(EDIT, max_size=3), JSON),
        "error_term": st.one_of(st.sampled_from(["kept", "dropped"]), JSON),
        "site": st.one_of(st.sampled_from(["resid_post.0", "resid_post.1", ""]), JSON),
        "fill": st.one_of(st.sampled_from(["error", "surprise"]), FEATURE, JSON),
        "selection": st.one_of(st.integers(-2, 6), JSON),
        "positions": st.one_of(st.lists(st.integers(-1, 6), max_size=4), JSON),
    },
)


KNOWN = st.builds("{}/{}".format, st.sampled_from(["resid_post.0", "resid_post.1"]), st.integers(0, WIDTH - 1))
GOOD_EDIT = st.fixed_dictionaries(
    {"kind": st.sampled_from(["ablate", "scale", "clamp", "steer"]), "feature": KNOWN, "value": st.floats(-9, 9)},
    optional={"positions": st.just([0]), "error": st.sampled_from(["keep", "drop"]), "relative": st.booleans()},
)
GOOD_STATE = st.fixed_dictionaries(
    {"prompt": st.text(st.characters(codec=None), min_size=1, max_size=20)},
    optional={
        "features": st.lists(KNOWN, max_size=4, unique=True),
        "edits": st.lists(GOOD_EDIT, max_size=3),
        "error_term": st.sampled_from(["kept", "dropped"]),
        "site": st.sampled_from(["resid_post.0", "resid_post.1", ""]),
        "fill": st.sampled_from(["error", "surprise"]) | KNOWN,
        "selection": st.integers(0, 30),
    },
)
OUTCOMES: Counter[str] = Counter()


@given(state=STATE | GOOD_STATE)
@MANY
def test_generated_requests_meet_only_our_errors(live: TokenHeatmap, state: dict[str, Any]) -> None:
    live.comm.sent.clear()
    run(live, "x", **state)
    assert live.wait(10)
    reply = live.comm.reply("x")
    assert reply is not None
    OUTCOMES[reply["type"]] += 1
    assert reply["type"] in ("ok", "error")
    assert not reply.get("what", "").startswith("Unexpected"), reply
    check_sound(live)


def test_the_generated_requests_were_good_and_bad_ones() -> None:
    """The control of the test above: neither all refused at the door nor all harmless."""
    assert OUTCOMES["ok"] > 500
    assert OUTCOMES["error"] > 500


TRAITS = "prompt features edits error_term site fill selection theme height text_face lanes".split()


@given(name=st.sampled_from(TRAITS), value=st.one_of(JSON, STATE, st.lists(FEATURE), st.lists(EDIT)))
@MANY
def test_generated_values_of_traits_raise_only_our_errors(live: TokenHeatmap, name: str, value: Any) -> None:
    live.comm.sent.clear()
    before = getattr(live, name)
    try:
        setattr(live, name, value)
    except SaewidgetsError:
        assert getattr(live, name) == before
    assert live.wait(10)
    assert live.error is None or not live.error["what"].startswith("Unexpected")
    live.comm.update({name: value})
    check_sound(live)


def check_sound(widget: TokenHeatmap) -> None:
    """What holds at rest, whatever came before: traits and picture say the same, and the picture can be sent."""
    payload = picture(widget.comm.updates[-1]["_payload"]) if "_payload" in (widget.comm.updates or [{}])[-1] else None
    shown = widget.payload
    assert payload is None or payload.prompt == shown.prompt
    assert (widget.prompt, widget.site, widget.fill, widget.selection) == (
        shown.prompt, shown.site, shown.fill, shown.selection,
    )  # fmt: skip
    assert tuple(filter(None, widget.features)) == tuple(f.id for f in shown.features)
    assert len(widget.edits) == shown.n_edits
    assert widget._wanted is widget._shown
