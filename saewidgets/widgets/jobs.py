"""Work off the main thread: the newest job of a lane wins, and a thread exists only while there is work."""

from __future__ import annotations

import atexit
import logging
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field

from saewidgets.errors import Cancelled

_LOG = logging.getLogger(__name__)

# One lock for the state of all widgets, because linked widgets set each other's traits and comm handlers may come from
# any thread (subshells). Never take it while holding a scope's lock.
GUARD = threading.RLock()


# Every runner there is, so that none is in the middle of a forward when Python ends: torch would abort the process.
_RUNNERS: weakref.WeakSet[JobRunner] = weakref.WeakSet()
_LAST = 10.0  # seconds that a job has to notice that Python ends
# Seconds that a thread waits for more work: between two key presses it stays, since a new one costs a millisecond.
_LINGER = 2.0
# Seconds that whoever asks steps aside at most.
_HEAD_START = 0.02


class Token:
    """Tells a job that nobody waits for it any more."""

    __slots__ = ("stopped",)

    def __init__(self) -> None:
        self.stopped = False

    def check(self) -> None:
        """Call between forwards.

        Raises:
            Cancelled: The job was replaced or stopped.
        """
        if self.stopped:
            raise Cancelled("The request was replaced by a newer one or stopped.")


@dataclass(eq=False)
class Job:
    """One piece of work.

    Args:
        work: Called with the job's token in the job thread.
        failed: Called with whatever `work` raised; `Cancelled` too, and for a job that never began.
        key: What `JobRunner.cancel` finds it by.
        urgent: Does not wait for a pause in a burst (cheap work: a cached result).
    """

    work: Callable[[Token], None]
    failed: Callable[[Exception], None]
    key: object = None
    urgent: bool = False
    token: Token = field(default_factory=Token)


class Pace:
    """When a burst's next job may start: after `quiet` seconds without a request, or `longest` after the last start.

    The first request of a burst starts at once, so a single key press waits for nothing, and 200 key strokes in ten
    seconds cost eleven forwards.
    """

    def __init__(self, quiet: float = 0.1, longest: float = 1.0) -> None:
        self.quiet, self.longest = quiet, longest
        self._asked = self._started = float("-inf")
        self._burst = False

    def ask(self, now: float) -> None:
        """A request came."""
        self._burst = now - self._asked < self.quiet
        self._asked = now

    def start(self, now: float) -> None:
        """A job starts."""
        self._started = now

    def delay(self, now: float) -> float:
        """Seconds until a job may start."""
        if not self._burst:
            return 0.0
        return max(0.0, min(self._asked + self.quiet, self._started + self.longest) - now)


class JobRunner:
    """Runs the jobs of one widget, one at a time, in a thread that ends some seconds after the last.

    Args:
        pace: Of the jobs that are not urgent.
        clock: Seconds, monotonic.
        wait: `wait(condition, seconds)`, replaced in tests.
    """

    def __init__(
        self,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[threading.Condition, float], object] = threading.Condition.wait,
    ) -> None:
        self._pace, self._clock, self._wait = pace or Pace(), clock, wait
        self._changed = threading.Condition(threading.RLock())
        self._pending: dict[str, Job] = {}
        self._running: tuple[str, Job] | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        _RUNNERS.add(self)

    def submit(self, lane: str, job: Job) -> Token:
        """Queue a job; what is pending or running in the same lane is stopped.

        Args:
            lane: Jobs of one lane replace each other.
            job: The work.

        Returns:
            The job's token; already stopped when the runner is closed.
        """
        replaced: Job | None = None
        with self._changed:
            if self._closed:
                job.token.stopped = True
                return job.token
            if not job.urgent:
                self._pace.ask(self._clock())
            replaced = self._pending.pop(lane, None)
            if self._running is not None and self._running[0] == lane:
                self._running[1].token.stopped = True
            self._pending[lane] = job
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._loop, name="saewidgets-job", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        if replaced is not None:
            self._drop(replaced)
        return job.token

    def give_way(self) -> None:
        """Let the job that was just submitted have the interpreter for a moment.

        After a message the kernel's main thread tidies up for some milliseconds, in which a job that answers a key
        press would not come to its turn: Python changes threads every 5 ms. A job that waits for a pause in a burst is
        not waited for.
        """
        with self._changed:
            if not self._pending or self._pace.delay(self._clock()) <= 0:
                self._changed.wait_for(self._is_idle, _HEAD_START)

    def cancel(self, key: object) -> bool:
        """Stop the job with this key; `False` when there is none."""
        with self._changed:
            if self._running is not None and self._running[1].key == key:
                self._running[1].token.stopped = True
                return True
            lane = next((lane for lane, job in self._pending.items() if job.key == key), None)
            if lane is None:
                return False
            job = self._pending.pop(lane)
            self._changed.notify_all()
        self._drop(job)
        return True

    def stop(self, lane: str) -> bool:
        """Stop what is pending or running in a lane, whoever asked for it; `False` when there is nothing."""
        with self._changed:
            dropped = self._pending.pop(lane, None)
            running = self._running is not None and self._running[0] == lane
            if self._running is not None and running:
                self._running[1].token.stopped = True
            self._changed.notify_all()
        if dropped is not None:
            self._drop(dropped)
        return running or dropped is not None

    def wait(self, timeout: float | None = None) -> bool:
        """Block until there is no work; `False` when `timeout` seconds were not enough."""
        with self._changed:
            return self._changed.wait_for(self._is_idle, timeout)

    def close(self) -> None:
        """Stop everything and accept nothing more; the thread ends at once, or at the next `check` of its job."""
        with self._changed:
            self._closed = True
            dropped = list(self._pending.values())
            self._pending.clear()
            if self._running is not None:
                self._running[1].token.stopped = True
            self._changed.notify_all()
        for job in dropped:
            self._drop(job)

    def _loop(self) -> None:
        try:
            while self._do_next():
                pass
        finally:  # also when a SystemExit in a job ends the thread
            with self._changed:
                if self._thread is threading.current_thread():
                    self._thread = self._running = None
                self._changed.notify_all()

    def _do_next(self) -> bool:
        """Do one job; `False` ends the thread. Nothing of the job is held while the thread waits for another."""
        job = self._next()
        if job is None:
            return False
        try:
            job.token.check()
            job.work(job.token)
        except Exception as error:
            self._report(job, error)
        return True

    def _next(self) -> Job | None:
        """The next job when its time has come; `None` ends the thread."""
        with self._changed:
            self._running = None
            self._changed.notify_all()
            while self._pending or self._lingers():
                if not self._pending:
                    continue
                lane, job = next(iter(self._pending.items()))
                delay = 0.0 if job.urgent else self._pace.delay(self._clock())
                if delay <= 0:
                    del self._pending[lane]
                    if not job.urgent:
                        self._pace.start(self._clock())
                    self._running = (lane, job)
                    return job
                self._wait(self._changed, delay)
            self._thread = None
            return None

    def _is_idle(self) -> bool:
        return not self._pending and self._running is None

    def _lingers(self) -> bool:
        """Wait for work; whether there is some, before the time is over and the runner closed."""
        return self._changed.wait_for(lambda: bool(self._pending) or self._closed, _LINGER) and not self._closed

    def _drop(self, job: Job) -> None:
        job.token.stopped = True
        self._report(job, Cancelled("The request was replaced by a newer one or stopped."))

    @staticmethod
    def _report(job: Job, error: Exception) -> None:
        try:
            job.failed(error)
        except Exception:  # the comm may be gone; the thread must go on
            _LOG.exception("A job's error could not be reported.")


def _end() -> None:
    runners = list(_RUNNERS)
    for runner in runners:
        runner.close()
    for runner in runners:
        runner.wait(_LAST)


atexit.register(_end)
