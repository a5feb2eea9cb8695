"""`TrainingMonitor`: a dictionary while it is trained, with pause, resume, stop and the sparsity in hand."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import traitlets

from saewidgets.errors import WidgetError
from saewidgets.payloads import Context, TrainingPayload, encode
from saewidgets.widgets import checks
from saewidgets.widgets.checks import Checked, refuse_unknown
from saewidgets.widgets.forming import Forming
from saewidgets.widgets.jobs import GUARD, Job, Token
from saewidgets.widgets.recorder import Recorder
from saewidgets.widgets.shown import ShownWidget

if TYPE_CHECKING:
    from saewidgets.dictionaries.train import Snapshot, Trainer

# Seconds between two pictures, and between two looks at the run.
PICTURE, LOOK = 0.2, 0.05
# Seconds that `close` waits for the update in progress.
END = 30.0

_SCALES = checks.one_of("log", "linear")
_ACTIONS = checks.one_of("start", "pause", "resume", "stop", "sparsity")


class TrainingMonitor(ShownWidget):
    """Loss and its parts, L0, FVU, dead share, densities and a few features of a dictionary, while it is trained.

    Training runs in a thread of its own: the kernel stays free, and closing the widget ends the run after the present
    update. Pictures come at most five times a second and have a bounded size, however long the run.

    Args:
        trainer: A `Trainer`, or a `TrainingPayload` for a view without one.
        start: Whether to start at once; otherwise the view has a button, and `start()` does it.
        features: Indices of the features to watch; `None` for the first few that fire in several contexts.
        scale: `"log"` or `"linear"`: the axis of the losses.
        theme: `"auto"` follows the host; `"light"`, `"dark"`.
        height: Reserved height in px before the first picture.
        bundle: How the code gets to the front end; leave it.
        unknown: None are accepted.

    Raises:
        SaewidgetsError: It is no trainer.
        TypeError: Unknown argument.

    Example:
        >>> import torch, saewidgets as sw
        >>> from saewidgets.dictionaries.train import TensorSource, Trainer, TrainingPlan
        >>> x = torch.randn(500, 8, generator=torch.Generator().manual_seed(0))
        >>> trainer = Trainer(TrainingPlan("topk", d_dict=16, k=2, steps=20, batch_size=50), TensorSource(x), "embed")
        >>> with sw.TrainingMonitor(trainer) as monitor:
        ...     monitor.wait(60), monitor.payload.phase
        (True, 'finished')
    """

    _view = traitlets.Unicode("training", read_only=True).tag(sync=True)
    scale = Checked("log", _SCALES).tag(sync=True)

    _front_traits: ClassVar[tuple[str, ...]] = ("scale",)
    _view_checks: ClassVar[dict[str, checks.Check]] = {"scale": _SCALES}
    _messages: ClassVar[dict[str, str]] = {**ShownWidget._messages, "train": "_on_train"}

    def __init__(
        self,
        trainer: Trainer | TrainingPayload,
        *,
        start: bool = True,
        features: Sequence[int] | None = None,
        scale: str | None = None,
        theme: str = "auto",
        height: int = 480,
        bundle: str = "auto",
        **unknown: object,
    ) -> None:
        refuse_unknown(TrainingMonitor, unknown)
        self._trainer: Trainer | None = None
        self._threads: tuple[threading.Thread, ...] = ()
        self._ended = threading.Event()
        self._failure: Exception | None = None
        view = {"scale": scale}
        if isinstance(trainer, TrainingPayload):
            super().__init__(trainer, theme=theme, height=height, bundle=bundle, view=view)
            self.live = False
            return
        _refuse_other(trainer)
        from saewidgets.dictionaries.train.trainer import DENSITY_EDGES

        self._trainer = trainer
        self._recorder, self._context = Recorder(DENSITY_EDGES), _context(trainer)
        self._forming = Forming(_sites(trainer), trainer.plan.d_dict, features)
        super().__init__(self._payload_of(trainer.state), theme=theme, height=height, bundle=bundle, view=view)
        if start:
            self.start()

    # -- the run -------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start training, or go on after `stop`; a run that somebody else started is only watched.

        Raises:
            WidgetError: There is no trainer, or the widget is closed.
        """
        trainer = self._need_trainer()
        if self._ended.is_set():  # the last run is being wrapped up
            self.wait(END)
        with GUARD:
            if any(thread.is_alive() for thread in self._threads):
                return
            self._ended.clear()
            self._failure = None
            mine = trainer.state.phase not in ("running", "paused", "finished")
            train = threading.Thread(target=self._train, args=(trainer, mine), name="saewidgets-training", daemon=True)
            watch = threading.Thread(target=self._watch, args=(trainer,), name="saewidgets-watching", daemon=True)
            self._threads = (train, watch)
            for thread in self._threads:
                thread.start()

    def pause(self) -> None:
        """Hold after the present update."""
        self._need_trainer().pause()

    def resume(self) -> None:
        """Go on after `pause`."""
        self._need_trainer().resume()

    def stop(self) -> None:
        """End the run after the present update; `start` goes on."""
        self._need_trainer().stop()

    def set_sparsity(self, value: float) -> None:
        """Change the sparsity coefficient, or k, from the next update on.

        Raises:
            TrainingError: The value is out of range.
        """
        trainer = self._need_trainer()
        trainer.set_sparsity(value)
        if not any(thread.is_alive() for thread in self._threads):
            self._push(trainer.state)

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the run ended and its last picture is there; `False` when `timeout` seconds were not enough."""
        end = None if timeout is None else time.monotonic() + timeout
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(None if end is None else max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        """End the run after the present update, and free everything but the last picture."""
        if not self._ready:  # one that could not be made
            return
        trainer, self._trainer = self._trainer, None
        self._ended.set()
        if trainer is not None and any(thread.is_alive() for thread in self._threads):
            trainer.stop()
        super().close()
        self.wait(END)

    def _need_trainer(self) -> Trainer:
        if self._trainer is None:
            why = "This widget is closed" if self.closed else "This view was opened from a file"
            raise WidgetError(f"{why} and has no trainer.", "Make a new one: sw.TrainingMonitor(trainer).")
        return self._trainer

    def _train(self, trainer: Trainer, mine: bool) -> None:
        """In the training thread: the run itself, or, where it is somebody else's, waiting for its end."""
        try:
            if mine:
                trainer.run(every=max(1, trainer.plan.steps))
            while not mine and trainer.state.phase in ("running", "paused") and not self._ended.wait(LOOK):
                pass
        except Exception as error:
            self._failure = error
        finally:
            self._ended.set()

    def _watch(self, trainer: Trainer) -> None:
        """In the watching thread: pictures while it runs, and the last one when it has ended."""
        try:
            self._look(trainer)
        except Exception as error:
            self._failure = error
            trainer.stop()
        self._threads[0].join(END)
        if self._trainer is not None:
            self._finish(trainer)

    def _look(self, trainer: Trainer) -> None:
        """Look often, show seldom."""
        shown: tuple[Any, ...] = ()
        due = time.monotonic()
        while not self._ended.wait(LOOK):
            if self.closed:  # a host may close the comm without a word
                trainer.stop()
                return
            state = trainer.state
            self._recorder.add(state)
            key = (state.step, state.phase, state.sparsity)
            if key != shown and time.monotonic() >= due:
                shown, due = key, time.monotonic() + PICTURE
                self._forming.read(trainer)
                self._push(state)

    def _finish(self, trainer: Trainer) -> None:
        error = self._failure
        if error is None:
            self._forming.read(trainer, now=True)
        self._push(trainer.state, phase="failed" if error is not None else None)
        if error is not None:
            with GUARD:
                self._remember(error)
                if not self.closed:
                    with self._setting():
                        self.error = checks.describe(error)

    # -- pictures ------------------------------------------------------------------------------------------------------

    def _push(self, state: Snapshot, phase: str | None = None) -> None:
        self._recorder.add(state)
        payload = self._payload_of(state, phase)
        with GUARD:
            if self.closed:
                return
            payload = self._viewed(payload, self._view_now())
            raw = encode(payload)
            with self._setting():
                self._put(payload, raw)

    def _payload_of(self, state: Snapshot, phase: str | None = None) -> TrainingPayload:
        assert self._trainer is not None
        plan = self._trainer.plan
        name = f"{plan.architecture}, {plan.d_dict} features at {_sites(self._trainer)}"
        return self._recorder.payload(state, name, plan.counted, self._forming.features, self._context, phase)

    # -- what comes over the comm --------------------------------------------------------------------------------------

    def _on_train(self, request_id: Any, content: dict[str, Any]) -> None:
        trainer = self._need_trainer()
        action = _ACTIONS("action", content.get("action"))
        if action != "sparsity":
            getattr(self, action)()
            self._post({"type": "ok", "id": request_id, "result": None})
            return
        value = content.get("value")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise WidgetError(f"sparsity is {checks.brief(value)}.", "It must be a number.")
        # Not here: it waits for the update in progress, and the kernel must not.
        work = partial(self._sparsity_job, trainer, value, request_id)
        self._runner.submit("train", Job(work, partial(self._save_failed, request_id), request_id, True))

    def _sparsity_job(self, trainer: Trainer, value: float, request_id: Any, token: Token) -> None:
        self.set_sparsity(value)
        self._post({"type": "ok", "id": request_id, "result": None})

    def __repr__(self) -> str:
        """One short line, for places that show text."""
        shown = self._picture
        return f"TrainingMonitor({shown.name!r}, {shown.phase}, step {shown.step} of {shown.n_steps})"


def _refuse_other(trainer: Any) -> None:
    if not all(hasattr(trainer, name) for name in ("run", "state", "examples", "set_sparsity", "plan")):
        raise WidgetError(
            f"A monitor of a {type(trainer).__name__}.", "Give a Trainer (sw.make_trainer) or a TrainingPayload."
        )


def _sites(trainer: Trainer) -> str:
    read, written = trainer.sites
    names = " + ".join(map(str, read))
    return names if written == read else f"{names} to {' + '.join(map(str, written))}"


def _context(trainer: Trainer) -> Context:
    plan = trainer.plan
    sparsity = f"k {plan.k}" if plan.counted else f"sparsity {plan.coefficient:g}"
    line = f"{plan.architecture}, {plan.d_dict} features, {sparsity}, batches of {plan.batch_size} tokens"
    code = "import saewidgets as sw\nsw.TrainingMonitor(trainer)"
    return Context(_sites(trainer), f"{line}, seed {plan.seed}", seed=plan.seed, code=code)
