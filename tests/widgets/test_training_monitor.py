"""The monitor of a run: it trains off the main thread, is steered from both sides, stays small, and ends clean."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from saewidgets.errors import TrainingError, WidgetError
from saewidgets.payloads import encode
from saewidgets.sites import Site
from saewidgets.widgets import TrainingMonitor
from saewidgets.widgets import open as open_view
from saewidgets.widgets.forming import Forming, forming
from saewidgets.widgets.recorder import MAX_POINTS, Recorder, seconds_left
from tests.view_factory import make_training
from tests.widgets.fakes import picture

EDGES = [-5 + 0.25 * i for i in range(21)]


@dataclass(frozen=True)
class Shot:
    """A snapshot of a run that is not there."""

    step: int
    steps: int = 1000
    phase: str = "running"
    loss: float = 2.0
    parts: Any = None
    l0: float = 8.0
    fvu: float = 0.5
    dead: float = 0.1
    density: tuple[int, ...] = (1,) * 20
    silent: int = 3
    tokens: int = 0
    tokens_per_second: float = 1000.0
    learning_rate: float = 1e-3
    sparsity: float = 5.0


class FakeTrainer:
    """Steps that last a millisecond, with what a monitor asks of a trainer."""

    def __init__(self, steps: int = 10_000, fail_at: int | None = None) -> None:
        self.plan = SimpleNamespace(
            architecture="relu", d_dict=64, counted=False, k=8, coefficient=5.0, batch_size=10, seed=0, steps=steps
        )
        self.sites = ((Site.parse("resid_post.1"),),) * 2
        self.fail_at, self.step, self.sparsity = fail_at, 0, 5.0
        self.going, self.stopping, self.running = threading.Event(), False, False
        self.going.set()
        self.threads: set[str] = set()
        self.asked: list[tuple[int, ...]] = []

    @property
    def state(self) -> Shot:
        done = self.step >= self.plan.steps
        idle = "finished" if done else "stopped" if self.step else "ready"
        phase = ("running" if self.going.is_set() else "paused") if self.running else idle
        parts = {"error": 1.5, "sparsity": 0.5}
        loss = 10.0 / max(1, self.step) if self.step else float("nan")
        return Shot(self.step, self.plan.steps, phase, loss, parts, tokens=10 * self.step, sparsity=self.sparsity)

    def run(self, callback: Any = None, every: int = 50) -> None:
        self.threads.add(threading.current_thread().name)
        self.running, self.stopping = True, False
        try:
            while self.step < self.plan.steps and not self.stopping:
                self.going.wait()
                if self.stopping:
                    break
                if self.step == self.fail_at:
                    raise TrainingError("The loss is nan at step 20.", "Lower learning_rate.")
                time.sleep(0.001)
                self.step += 1
        finally:
            self.running = False

    def pause(self) -> None:
        self.going.clear()

    def resume(self) -> None:
        self.going.set()

    def stop(self) -> None:
        self.stopping = True
        self.going.set()

    def set_sparsity(self, value: float) -> None:
        if not 0 <= value < 100:
            raise TrainingError(f"Sparsity {value}.", "It is a number from 0.")
        self.sparsity = value

    def examples(self, features: Sequence[int], count: int = 3, window: int = 8) -> dict[int, tuple[Any, ...]]:
        self.asked.append(tuple(features))
        one = SimpleNamespace(tokens=(" Tom", " gave"), activations=(0.5, 2.0), position=1)
        return {feature: (one, one) if feature % 2 else () for feature in features}


def until(holds: Callable[[], Any], seconds: float = 20) -> None:
    """Wait for a state."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.005)


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name in ("saewidgets-training", "saewidgets-watching")]


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    until(lambda: not threads())


def reply(monitor: TrainingMonitor, request_id: int) -> dict[str, Any]:
    until(lambda: monitor.comm.reply(request_id))
    found: dict[str, Any] = monitor.comm.reply(request_id)
    return found


def test_it_trains_off_the_main_thread_and_shows_it() -> None:
    trainer = FakeTrainer(steps=400)
    with TrainingMonitor(trainer) as monitor:
        assert monitor.live
        assert monitor.wait(30)
        shown = monitor.payload
        assert (shown.phase, shown.step, shown.n_steps, shown.tokens) == ("finished", 400, 400, 4000)
        assert trainer.threads == {"saewidgets-training"}
        assert threads() == []
        assert list(shown.charts) == ["loss", "L0", "FVU", "dead"]
        assert [curve.name for curve in shown.charts["loss"]] == ["loss", "error", "sparsity"]
        np.testing.assert_allclose(shown.curves[0].values, 10.0 / shown.steps)
        assert shown.density.outside == 3
        np.testing.assert_allclose(shown.density.edges, EDGES)
        assert [feature.id for feature in shown.features] == [f"resid_post.1/{i}" for i in (1, 3, 5, 7)]
        assert shown.features[0].passages[0].text == (" Tom", " gave")
        assert len(monitor.to_frame()) == len(shown.steps)
        # What the front end got last is the same picture.
        pictures = [update["_payload"] for update in monitor.comm.updates if "_payload" in update]
        assert picture(pictures[-1]).phase == "finished"


def test_at_most_five_pictures_a_second() -> None:
    with TrainingMonitor(FakeTrainer(steps=1200)) as monitor:
        began = time.monotonic()
        assert monitor.wait(60)
        seconds = time.monotonic() - began
        pictures = [update for update in monitor.comm.updates if "_payload" in update]
        assert 2 <= len(pictures) <= 5 * seconds + 3


def test_pause_resume_stop_and_sparsity_from_the_front_end() -> None:
    trainer = FakeTrainer()
    with TrainingMonitor(trainer) as monitor:
        until(lambda: monitor.payload.phase == "running" and monitor.payload.step > 0)
        monitor.comm.receive({"type": "train", "id": 1, "action": "pause"})
        assert reply(monitor, 1)["type"] == "ok"
        until(lambda: monitor.payload.phase == "paused")
        held = trainer.step
        monitor.comm.receive({"type": "train", "id": 2, "action": "sparsity", "value": 2.5})
        assert reply(monitor, 2)["type"] == "ok"
        until(lambda: monitor.payload.sparsity == 2.5)
        assert monitor.payload.changed_to.tolist() == [2.5]
        assert trainer.step <= held + 1
        monitor.comm.receive({"type": "train", "id": 3, "action": "resume"})
        until(lambda: trainer.step > held + 5)
        monitor.comm.receive({"type": "train", "id": 4, "action": "stop"})
        assert monitor.wait(20)
        assert monitor.payload.phase == "stopped"
        monitor.comm.receive({"type": "train", "id": 5, "action": "start"})
        assert reply(monitor, 5)["type"] == "ok"
        stopped_at = trainer.step
        until(lambda: trainer.step > stopped_at and monitor.payload.phase == "running")


def test_the_same_from_python() -> None:
    trainer = FakeTrainer()
    with TrainingMonitor(trainer, start=False) as monitor:
        assert (monitor.payload.phase, threads()) == ("ready", [])
        monitor.set_sparsity(3.0)
        assert monitor.payload.sparsity == 3.0
        with pytest.raises(TrainingError, match="from 0"):
            monitor.set_sparsity(-1)
        monitor.start()
        monitor.start()
        assert len(threads()) == 2, "a second start changes nothing"
        until(lambda: trainer.step > 3)
        monitor.pause()
        until(lambda: monitor.payload.phase == "paused")
        monitor.resume()
        monitor.stop()
        assert monitor.wait(20)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"action": "explode"},
        {"action": 7},
        {"action": ["stop"]},
        {"action": "__init__"},
        {"action": "sparsity"},
        {"action": "sparsity", "value": "5"},
        {"action": "sparsity", "value": True},
        {"action": "sparsity", "value": None},
        {"action": "sparsity", "value": -1},
        {"action": "sparsity", "value": 1e300},
        {"action": "sparsity", "value": float("nan")},
    ],
)
def test_a_front_end_that_lies_gets_an_error_and_changes_nothing(content: dict[str, Any]) -> None:
    trainer = FakeTrainer()
    with TrainingMonitor(trainer, start=False) as monitor:
        monitor.comm.receive({"type": "train", "id": 9, **content})
        assert reply(monitor, 9)["type"] == "error"
        assert (trainer.sparsity, trainer.step, threads()) == (5.0, 0, [])
        for message in ("run", "undo", "search", "positions"):
            monitor.comm.receive({"type": message, "id": message})
            assert reply(monitor, message)["type"] == "error"  # type: ignore[arg-type]
        monitor.comm.update({"scale": "cubic", "live": False, "_payload": b"x"})
        assert (monitor.scale, monitor.live) == ("log", True)
        monitor.comm.update({"scale": "linear"})
        assert monitor.payload.scale == "linear"


def test_an_error_is_shown_and_the_last_picture_stays() -> None:
    with TrainingMonitor(FakeTrainer(fail_at=20)) as monitor:
        assert monitor.wait(20)
        assert monitor.error == {"what": "The loss is nan at step 20.", "todo": "Lower learning_rate."}
        assert (monitor.payload.phase, monitor.payload.step) == ("failed", 20)
        assert len(monitor.payload.curves[0].values) > 0
        assert isinstance(monitor.last_error, TrainingError)
        monitor.to_svg()


def test_an_error_of_the_monitor_itself_stops_the_run() -> None:
    trainer = FakeTrainer()

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no contexts")

    trainer.examples = broken  # type: ignore[method-assign]
    with TrainingMonitor(trainer) as monitor:
        assert monitor.wait(20)
        assert "no contexts" in monitor.error["what"]
        assert not trainer.running


def test_closing_ends_the_run() -> None:
    trainer = FakeTrainer()
    monitor = TrainingMonitor(trainer)
    until(lambda: trainer.step > 3)
    monitor.close()
    assert not trainer.running
    assert threads() == []
    at = trainer.step
    assert monitor.payload.step <= at
    for act in (monitor.start, monitor.pause, monitor.stop):
        with pytest.raises(WidgetError, match="closed"):
            act()
    monitor.close()


def test_a_host_that_closes_the_comm_ends_the_run() -> None:
    trainer = FakeTrainer()
    monitor = TrainingMonitor(trainer)
    until(lambda: trainer.step > 3)
    monitor.comm._closed = True
    until(lambda: not trainer.running)
    monitor.close()


def test_a_paused_run_closes_too() -> None:
    trainer = FakeTrainer()
    monitor = TrainingMonitor(trainer)
    until(lambda: trainer.step > 3)
    monitor.pause()
    monitor.close()
    assert not trainer.running


def test_a_run_of_somebody_else_is_watched_and_not_started() -> None:
    trainer = FakeTrainer(steps=300)
    own = threading.Thread(target=trainer.run)
    own.start()
    until(lambda: trainer.running)
    with TrainingMonitor(trainer) as monitor:
        assert monitor.wait(30)
        assert monitor.payload.phase == "finished"
        assert "saewidgets-training" not in trainer.threads
    own.join()


def test_saved_and_opened_again(tmp_path: Path) -> None:
    with TrainingMonitor(FakeTrainer(steps=50), features=[4, 9]) as monitor:
        assert monitor.wait(20)
        assert [feature.id for feature in monitor.payload.features] == ["resid_post.1/4", "resid_post.1/9"]
        path = monitor.save(tmp_path / "run.sae")
        raw = encode(monitor.payload)
    with open_view(path, theme="dark") as view:
        assert isinstance(view, TrainingMonitor)
        assert (view.live, encode(view.payload)) == (False, raw)
        view.comm.receive({"type": "train", "id": 1, "action": "start"})
        assert reply(view, 1)["what"] == "This view was opened from a file and has no trainer."


def test_what_is_no_trainer() -> None:
    with pytest.raises(WidgetError, match="monitor of a str"):
        TrainingMonitor("trainer")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="Did you mean 'scale'"):
        TrainingMonitor(make_training(), scal="log")
    with pytest.raises(WidgetError, match="scale"):
        TrainingMonitor(make_training(), scale="cubic")


def test_a_real_trainer_is_watched_to_its_end() -> None:
    import torch

    from saewidgets.dictionaries.train import TensorSource, Trainer, TrainingPlan

    x = torch.randn(600, 8, generator=torch.Generator().manual_seed(0))
    trainer = Trainer(TrainingPlan("topk", d_dict=16, k=2, steps=40, batch_size=50), TensorSource(x), "embed")
    with TrainingMonitor(trainer) as monitor:
        assert monitor.wait(60)
        shown, state = monitor.payload, trainer.state
        assert (shown.phase, shown.step, shown.counted, shown.sparsity) == ("finished", 40, True, 2.0)
        assert shown.curves[0].values[-1] == np.float32(state.loss)
        assert shown.density.counts.tolist() == list(state.density)
        assert shown.name == "topk, 16 features at embed"
        assert trainer.dictionary().d_dict == 16


# ----------------------------------------------------------------------------------------------------------- recorder


def test_a_long_run_keeps_few_points_and_both_ends() -> None:
    recorder = Recorder(EDGES)
    for step in range(1, 20_001):
        recorder.add(Shot(step, 20_000, loss=1 / step, parts={"error": 1 / step}))
    payload = make_training()
    made = recorder.payload(Shot(20_000, 20_000, parts={}), "x", False, (), payload.context)
    assert MAX_POINTS / 2 <= len(made.steps) <= MAX_POINTS
    assert (made.steps[0], made.steps[-1]) == (1, 20_000)
    assert (np.diff(made.steps.astype(int)) > 0).all()
    np.testing.assert_allclose(made.curves[0].values, 1 / made.steps, rtol=1e-6)
    assert len(encode(made)) < 40_000


def test_snapshots_without_a_number_make_no_point() -> None:
    recorder = Recorder(EDGES)
    shots = [
        Shot(0, loss=float("nan"), parts={}),
        Shot(1, parts={}),
        Shot(1, parts={}),
        Shot(2, loss=float("inf"), parts={}),
    ]
    for shot in shots:
        recorder.add(shot)
    made = recorder.payload(shots[-1], "x", False, (), make_training().context)
    assert made.steps.tolist() == [1]


def test_a_part_that_comes_later_begins_at_zero() -> None:
    recorder = Recorder(EDGES)
    recorder.add(Shot(1, parts={"error": 1.0, "sparsity": 0.5}))
    recorder.add(Shot(2, parts={"error": 1.0, "sparsity": 0.5, "aux": 0.1}, sparsity=4.0))
    made = recorder.payload(Shot(2, parts={}), "x", False, (), make_training().context)
    curves = {curve.name: curve.values.tolist() for curve in made.curves}
    assert curves["aux"] == [0.0, np.float32(0.1)]
    assert (made.changed_at.tolist(), made.changed_to.tolist()) == ([2], [4.0])


def test_time_left() -> None:
    assert seconds_left(replace(Shot(250), tokens=2500, tokens_per_second=100.0)) == 75.0
    assert seconds_left(Shot(0)) is None
    assert seconds_left(replace(Shot(5), tokens_per_second=0.0)) is None
    assert seconds_left(replace(Shot(1200), tokens=5)) == 0.0


def test_forming_without_contexts() -> None:
    found = forming("resid_post.1", {}, {5: 0})
    assert (found[0].id, found[0].passages, found[0].maximum) == ("resid_post.1/5", (), 0.0)


def example(feature: int) -> SimpleNamespace:
    """A context in which a feature fires on its second token."""
    return SimpleNamespace(feature=feature, value=1.0, position=1, tokens=("a", " b"), activations=(0.0, 1.0))


def looked_at(watched: Forming, *firing: int) -> dict[str, int]:
    """Ids with their letters' numbers, after a look at which only these fire."""
    found = SimpleNamespace(examples=lambda features, count: {f: [example(f)] * 2 * (f in firing) for f in features})
    watched.read(found, now=True)  # type: ignore[arg-type]
    return {feature.id: feature.slot for feature in watched.features}


def test_a_silent_feature_makes_room_and_its_letter_comes_last() -> None:
    watched = Forming("s", 64)
    assert looked_at(watched, 1, 2, 3, 4, 5) == {"s/1": 0, "s/2": 1, "s/3": 2, "s/4": 3}
    # Nothing else fires: what was shown stays.
    assert looked_at(watched, 1, 2) == {"s/1": 0, "s/2": 1, "s/3": 2, "s/4": 3}
    assert looked_at(watched, 1, 2, 4, 7, 8) == {"s/1": 0, "s/2": 1, "s/4": 3, "s/7": 4}
    # Letters are used up before a freed one is given again.
    assert looked_at(watched, 10, 11, 12, 13) == {"s/10": 5, "s/11": 6, "s/12": 7, "s/13": 2}
    assert looked_at(watched, 20, 21, 22, 23) == {"s/20": 0, "s/21": 1, "s/22": 3, "s/23": 4}


def test_chosen_features_stay_when_they_are_silent() -> None:
    watched = Forming("s", 64, [9, 3])
    assert looked_at(watched, 1, 2) == {"s/9": 0, "s/3": 1}
