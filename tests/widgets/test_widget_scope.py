"""The widget on a real scope (a tiny random Llama): what it shows is what `scope.run` computes."""

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saewidgets.interventions import ablate, from_json, scale
from saewidgets.payloads import decode, encode
from saewidgets.widgets import TokenHeatmap, jobs
from tests.runs.conftest import module, tiny
from tests.widgets.fakes import picture
from tests.widgets.test_widget_protocol import run

__all__ = ["module", "tiny"]  # fixtures

PROMPT = "a red boat"


@pytest.fixture
def no_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests follow each other at once."""
    monkeypatch.setattr(jobs.Pace, "delay", lambda self, now: 0.0)


def test_it_shows_what_the_scope_computes(tiny: Any) -> None:
    with TokenHeatmap(tiny, PROMPT) as widget:
        assert len(widget.features) == 3
        strongest = widget.features[0]
        edit = {"kind": "ablate", "feature": strongest, "value": None, "positions": None, "error": "keep"}
        run(widget, 1, edits=[edit])
        assert widget.wait(30)
        assert widget.comm.reply(1)["type"] == "ok"
        payload = picture(widget.comm.updates[-1]["_payload"])
        edited = tiny.run(PROMPT, [ablate(strongest)])
        assert payload.control is not None
        np.testing.assert_array_equal(payload.features[0].after, edited.activation(strongest).numpy())
        widget.undo()
        assert widget.wait(30)
        base = tiny.run(PROMPT)
        np.testing.assert_array_equal(widget.payload.features[0].values, base.activation(strongest).numpy())
        assert widget.payload.predictions.after is None
        assert list(widget.to_frame().columns)[:2] == ["position", "token"]


def test_error_of_the_model_is_told(tiny: Any) -> None:
    with TokenHeatmap(tiny, PROMPT) as widget:
        for number, prompt in enumerate(["", "x" * 1_000]):
            run(widget, number, prompt=prompt)
            assert widget.wait(30)
            reply = widget.comm.reply(number)
            assert reply["type"] == "error"
            assert not reply["what"].startswith("Unexpected")
            assert widget.payload.prompt == PROMPT


def test_an_idle_burst_on_the_model_ends_in_the_last(tiny: Any) -> None:
    with TokenHeatmap(tiny, PROMPT) as widget:
        for number in range(100):
            run(widget, number, prompt=f"text {number}")
        assert widget.wait(30)
        assert widget.prompt == "text 99"
        assert np.array_equal(widget.payload.surprise, tiny.run("text 99").surprise.numpy())


def test_four_widgets_in_four_threads_show_their_own(tiny: Any, no_pace: None) -> None:
    widgets = [TokenHeatmap(tiny, PROMPT) for _ in range(4)]
    wrong: list[str] = []

    def play(number: int) -> None:
        widget = widgets[number]
        for turn in range(8):
            prompt = f"text {number} {turn}"
            run(widget, turn, prompt=prompt, edits=[{"kind": "scale", "feature": "resid_post.1/3", "value": turn}])
            widget.wait(30)
            expected = tiny.run(prompt, [scale("resid_post.1/3", turn)])
            if widget.prompt != prompt or not np.allclose(
                widget.payload.surprise_after, expected.surprise.numpy(), atol=1e-4
            ):
                wrong.append(prompt)

    threads = [threading.Thread(target=play, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []
    for widget in widgets:
        widget.close()


def test_the_code_makes_the_same_view(tiny: Any) -> None:
    import saewidgets

    edits = [ablate("resid_post.1/3", positions=[1]), scale("resid_post.0/1", 2.5)]
    with TokenHeatmap(tiny, PROMPT, ["resid_post.1/3"], edits=edits, error_term="dropped", selection=2) as widget:
        with eval(widget.code().splitlines()[-1], {"sw": saewidgets, "scope": tiny}) as again:
            assert encode(again.payload) == encode(widget.payload)


FEATURE = st.builds(
    "{}/{}".format, st.sampled_from(["resid_post.0", "resid_post.1", "mlp_in.2", "mlp_in.9"]), st.integers(0, 45)
)
EDIT = st.fixed_dictionaries(
    {"kind": st.sampled_from(["ablate", "scale", "clamp", "steer"]), "feature": FEATURE},
    optional={
        "value": st.floats(width=32) | st.integers(-10, 10),
        "positions": st.none() | st.lists(st.integers(0, 12), max_size=3),
        "relative": st.booleans(),
    },
)
STATE = st.fixed_dictionaries(
    {"prompt": st.text(st.characters(codec=None), max_size=12)},
    optional={
        "edits": st.lists(EDIT, max_size=2),
        "features": st.lists(FEATURE, max_size=2, unique=True),
        "error_term": st.sampled_from(["kept", "dropped"]),
        "selection": st.integers(0, 12),
    },
)


@given(states=st.lists(STATE, min_size=2, max_size=2))
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_generated_prompts_and_edits_meet_only_our_errors(tiny: Any, no_pace: None, states: list[Any]) -> None:
    with TokenHeatmap(tiny, PROMPT, ["resid_post.1/3"]) as widget:
        for number, state in enumerate(states):
            run(widget, number, **state)
            assert widget.wait(30)
            reply = widget.comm.reply(number)
            assert not reply.get("what", "").startswith("Unexpected"), reply
            if reply["type"] == "ok":
                assert widget.edits == from_json(state.get("edits", widget.edits))
                assert decode(encode(widget.payload)).prompt == widget.prompt
