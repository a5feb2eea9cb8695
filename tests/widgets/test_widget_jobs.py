"""Pace, latest wins, cancel, and threads that end; the clock of the 200 key strokes is simulated."""

import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from saewidgets import payloads
from saewidgets.errors import Cancelled
from saewidgets.widgets import base, jobs
from saewidgets.widgets.jobs import Job, JobRunner, Pace, Token
from tests.widgets.fakes import FakeScope, alive
from tests.widgets.test_widget_protocol import make, run


class Typist:
    """Presses keys at given times of a simulated clock; time passes in waits and in forwards."""

    def __init__(self, times: list[float], press: Callable[[int], None]) -> None:
        self.now, self._keys, self._press, self._pressing = 0.0, list(enumerate(times)), press, False

    def clock(self) -> float:
        return self.now

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while self._keys and self._keys[0][1] <= end:
            number, at = self._keys.pop(0)
            self.now = max(self.now, at)
            self._press(number)
        self.now = end

    def wait(self, condition: threading.Condition, seconds: float) -> None:
        # A real wait ends when a key is pressed: stop at the next one.
        following = self._keys[0][1] - self.now if self._keys else seconds
        self.pass_time(max(0.0, min(seconds, following)))


def simulate(gap: float, keys: int, forward: float, pace: Pace | None = None) -> tuple[list[tuple[float, int]], float]:
    """Starts of the jobs as (time, key), and the time of the last key."""
    started: list[tuple[float, int]] = []
    done = threading.Event()
    times = [i * gap for i in range(1, keys)]

    def press(number: int) -> None:
        def work(token: Token) -> None:
            started.append((typist.now, number))
            typist.pass_time(forward)
            token.check()
            if number == keys - 1:
                done.set()

        runner.submit("run", Job(work, lambda error: None, number))

    typist = Typist(times, lambda n: press(n + 1))
    runner = JobRunner(pace, typist.clock, typist.wait)
    with runner._changed:  # the first key is pressed before the thread gets to run
        press(0)
    if keys > 1:
        # Keys pressed while no job is pending must wake a thread: let time go on from here.
        for _ in range(10 * keys):
            if runner.wait(5) and typist._keys:
                typist.pass_time(typist._keys[0][1] - typist.now)
            elif not typist._keys:
                break
    assert runner.wait(5)
    assert done.is_set()
    return started, times[-1] if times else 0.0


@pytest.mark.parametrize("forward", [0.0, 0.02, 0.3, 0.9, 1.7])
def test_200_key_strokes_in_ten_seconds_cost_at_most_twelve_forwards(forward: float) -> None:
    started, last_key = simulate(0.05, 200, forward)
    assert len(started) <= 12
    assert started[0] == (0.0, 0), "the first key waits for nothing"
    assert started[-1][1] == 199, "the last text is the last picture"
    assert started[-1][0] - last_key <= max(0.11, forward + 0.01)


def test_without_pace_they_cost_as_many_as_there_are_keys() -> None:
    started, _ = simulate(0.05, 200, 0.0, Pace(0.0, 0.0))
    assert len(started) == 200


def test_a_slow_typist_waits_for_nothing() -> None:
    started, _ = simulate(0.3, 10, 0.02)
    assert [number for _, number in started] == list(range(10))
    assert all(abs(at - number * 0.3) < 1e-9 for at, number in started)


@pytest.mark.parametrize("prompt_only", [True, False])
def test_a_burst_of_100_ends_in_the_last(prompt_only: bool) -> None:
    scope = FakeScope(delay=0.01)
    widget, comm = make(scope)
    forwards = scope.forwards
    for i in range(100):
        state: dict[str, Any] = {"prompt": f"text number {i}"}
        if not prompt_only:
            state["edits"] = [{"kind": "scale", "feature": "resid_post.1/0", "value": i}]
        run(widget, i, **state)
    assert widget.wait(20)
    assert widget.prompt == widget.payload.prompt == "text number 99"
    kinds = [comm.reply(i)["type"] for i in range(100)]
    assert kinds[-1] == "ok"
    assert set(kinds[:-1]) <= {"cancelled", "ok"}
    assert scope.forwards - forwards <= (8 if prompt_only else 24)
    assert not alive()
    widget.close()


def test_a_late_result_never_replaces_a_newer_one() -> None:
    scope = FakeScope()
    widget, comm = make(scope)
    entered, go = threading.Event(), threading.Event()
    scope.on_forward = lambda: (entered.set(), go.wait(5))
    run(widget, "old", prompt="old text")
    assert entered.wait(5)
    run(widget, "new", prompt="new text")
    go.set()
    assert widget.wait(5)
    assert [u["prompt"] for u in comm.updates if "prompt" in u] == ["new text"]
    assert (comm.reply("old")["type"], comm.reply("new")["type"]) == ("cancelled", "ok")
    widget.close()


def test_a_request_that_comes_while_a_picture_is_packed_is_newer(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the last forward and before the picture is published: only the check under the lock sees it."""
    widget, comm = make(FakeScope())
    packed: list[object] = []

    def encode(payload: Any) -> bytes:
        packed.append(payload)
        if len(packed) == 1:
            run(widget, "new", prompt="new text")
        return payloads.encode(payload)

    monkeypatch.setattr(base, "encode", encode)
    run(widget, "old", prompt="old text")
    assert widget.wait(5)
    assert [u["prompt"] for u in comm.updates if "prompt" in u] == ["new text"]
    assert (comm.reply("old")["type"], comm.reply("new")["type"]) == ("cancelled", "ok")
    widget.close()


def test_lanes_do_not_replace_each_other_and_errors_are_reported() -> None:
    runner, log = JobRunner(), []
    gate = threading.Event()

    def fail(token: Token) -> None:
        raise ValueError("no")

    runner.submit("a", Job(lambda t: gate.wait(5), log.append, urgent=True))
    runner.submit("b", Job(lambda t: log.append("b"), log.append, urgent=True))
    runner.submit("c", Job(fail, log.append, urgent=True))
    gate.set()
    assert runner.wait(5)
    assert log[0] == "b"
    assert isinstance(log[1], ValueError)


def test_a_lane_is_stopped_whoever_asked() -> None:
    runner, going, failed = JobRunner(), threading.Event(), []

    def work(token: Token) -> None:
        going.set()
        while True:
            token.check()

    assert not runner.stop("run")
    runner.submit("run", Job(work, failed.append, None, True))
    assert going.wait(20)
    assert not runner.stop("save")
    runner.submit("save", Job(lambda token: None, failed.append, None, True))
    assert runner.stop("save"), "it waits behind the other"
    assert runner.stop("run") and runner.wait(20)
    assert [type(error) for error in failed] == [Cancelled, Cancelled]


def test_a_closed_runner_takes_nothing_and_its_thread_ends() -> None:
    runner, log = JobRunner(), []
    entered = threading.Event()

    def work(token: Token) -> None:
        entered.set()
        while True:
            token.check()

    runner.submit("a", Job(work, log.append))
    assert entered.wait(5)
    runner.submit("b", Job(work, log.append))
    runner.close()
    assert runner.wait(5)
    assert [type(e) for e in log] == [Cancelled, Cancelled]
    assert runner.submit("a", Job(work, log.append)).stopped
    assert not runner.cancel("x")


def test_a_job_that_ends_the_thread_does_not_end_the_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    runner, log = JobRunner(), []

    def leave(token: Token) -> None:
        raise SystemExit

    runner.submit("a", Job(leave, log.append))
    assert runner.wait(5)
    runner.submit("a", Job(lambda t: log.append("alive"), log.append))
    assert runner.wait(5)
    assert log == ["alive"]


def test_an_error_that_cannot_be_reported_does_not_end_the_thread(caplog: pytest.LogCaptureFixture) -> None:
    runner, log = JobRunner(), []

    def no_comm(error: Exception) -> None:
        raise OSError("the comm is gone")

    gate = threading.Event()
    runner.submit("a", Job(lambda t: gate.wait(5) and 1 / 0, no_comm, urgent=True))
    runner.submit("b", Job(lambda t: log.append("b"), no_comm, urgent=True))
    gate.set()
    assert runner.wait(5)
    assert log == ["b"]
    assert "could not be reported" in caplog.text


def test_a_script_that_ends_while_a_job_runs_ends_well() -> None:
    """torch aborts a process whose thread is in the middle of a forward when Python ends."""
    import subprocess
    import sys

    script = (
        "import saewidgets as sw\n"
        "view = sw.Steering(sw.demo(), 'Mira saw a', [sw.steer('resid_post.2/131', 8)])\n"
        "assert not view.wait(0.2), 'it is still measuring'\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_a_thread_waits_for_the_next_key_and_holds_nothing_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_LINGER", 30.0)
    runner, threads = JobRunner(), []

    class Held:
        def work(self, token: Token) -> None:
            threads.append(threading.get_ident())

    held = [Held(), Held()]
    references = [weakref.ref(one) for one in held]
    while held:
        one = held.pop()
        runner.submit("run", Job(one.work, lambda error: None))
        del one
        assert runner.wait(5)
    gc.collect()
    assert threads[0] == threads[1], "a second thread was made"
    assert [reference() for reference in references] == [None, None]
    runner.close()
    assert not alive()
