"""A stateful test: any sequence of requests against a model of ten lines."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from saewidgets.interventions import Edit, from_json
from saewidgets.widgets import TokenHeatmap, jobs
from tests.widgets.fakes import FakeScope

PROMPTS = st.sampled_from(["a", "a b", "a b c", "other words here"])
FEATURES = st.lists(st.sampled_from([f"resid_post.{i}/{j}" for i in (0, 1) for j in (0, 1)]), max_size=3, unique=True)
EDITS = st.lists(
    st.builds(
        lambda feature, kind: {"kind": kind, "feature": f"resid_post.1/{feature}"},
        st.integers(0, 3),
        st.sampled_from(["ablate"]),
    ),
    max_size=2,
)

WRONG = st.sampled_from([{"prompt": ""}, {"prompt": "boom"}, {"features": ["x"]}, {"edits": 3}, {"selection": -1}])


class Requests(RuleBasedStateMachine):
    """The widget against a prompt, a list of (features, edits) and a place in it."""

    def __init__(self) -> None:
        super().__init__()
        self.widget = TokenHeatmap(FakeScope(), "a b", [])
        self.prompt = "a b"
        self.steps: list[tuple[tuple[str, ...], tuple[Edit, ...]]] = [((), ())]
        self.place = 0
        self.number = 0

    def send(self, **content: Any) -> int:
        self.number += 1
        self.widget.comm.receive({"id": self.number, **content})
        return self.number

    def settle(self, number: int, kind: str) -> None:
        assert self.widget.wait(10)
        assert self.widget.comm.reply(number)["type"] == kind
        self.widget.comm.sent.clear()

    def record(self, features: Any, edits: Any) -> None:
        step = (tuple(features), from_json(edits))
        if step != self.steps[self.place]:
            self.steps = [*self.steps[: self.place + 1], step][-100:]
            self.place = len(self.steps) - 1

    @rule(prompt=PROMPTS, features=FEATURES, edits=EDITS)
    def run(self, prompt: str, features: list[str], edits: list[dict[str, Any]]) -> None:
        self.settle(self.send(type="run", state={"prompt": prompt, "features": features, "edits": edits}), "ok")
        self.prompt = prompt
        self.record(features, edits)

    @rule(burst=st.lists(PROMPTS, min_size=2, max_size=6))
    def type_quickly(self, burst: list[str]) -> None:
        for prompt in burst:
            number = self.send(type="run", state={"prompt": prompt})
        self.settle(number, "ok")
        self.prompt = burst[-1]

    @rule(prompt=PROMPTS)
    def set_from_python(self, prompt: str) -> None:
        self.widget.prompt = prompt
        assert self.widget.wait(10)
        self.prompt = prompt

    @rule(times=st.integers(1, 4), direction=st.sampled_from(["undo", "redo"]))
    def step(self, times: int, direction: str) -> None:
        for _ in range(times):
            number = self.send(type=direction)
            self.place += 1 if direction == "redo" else -1
            self.place = min(max(self.place, 0), len(self.steps) - 1)
        self.settle(number, "ok")

    @rule(state=WRONG)
    def fail(self, state: dict[str, Any]) -> None:
        self.settle(self.send(type="run", state={**state}), "error")

    @rule(edits=EDITS)
    def fail_after_a_change(self, edits: list[dict[str, Any]]) -> None:
        """A failed request is no step of the history, whatever else it would have changed."""
        self.settle(self.send(type="run", state={"prompt": "boom", "edits": edits, "features": []}), "error")

    @rule()
    def cancel_nothing(self) -> None:
        self.send(type="cancel")

    @invariant()
    def agrees(self) -> None:
        features, edits = self.steps[self.place]
        widget, shown = self.widget, self.widget.payload
        assert (widget.prompt, widget.features, widget.edits) == (self.prompt, features, edits)
        assert (shown.prompt, tuple(f.id for f in shown.features), shown.n_edits) == (self.prompt, features, len(edits))
        assert (widget.undo_depth, widget.redo_depth) == (self.place, len(self.steps) - 1 - self.place)
        assert (shown.control is not None) == bool(edits)

    def teardown(self) -> None:
        self.widget.close()


@pytest.fixture(autouse=True)
def _no_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests follow each other at once."""
    monkeypatch.setattr(jobs.Pace, "delay", lambda self, now: 0.0)


TestRequests = Requests.TestCase
TestRequests.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)
