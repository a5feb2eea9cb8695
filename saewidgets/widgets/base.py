"""The base of every widget: the traits of `docs/protocol.md`, publishing, errors, history, closing."""

from __future__ import annotations

import threading
import time
import traceback
import uuid
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Self

import anywidget
import traitlets

from saewidgets.errors import Cancelled, SaewidgetsError, WidgetError
from saewidgets.payloads import encode
from saewidgets.payloads.packed import pack
from saewidgets.widgets import carrier, checks, output
from saewidgets.widgets.checks import Checked
from saewidgets.widgets.history import History
from saewidgets.widgets.home import home
from saewidgets.widgets.jobs import GUARD, Job, JobRunner, Token
from saewidgets.widgets.requests import Requests

# A payload larger than this is not part of the state that a notebook may save: the front end asks for it.
PAYLOAD_IN_STATE = 1_000_000
# One larger than this is packed in the state: a third of a notebook's bytes, but some milliseconds in the browser.
PACKED_FROM = 16_000
# Changes of the same edit's value within this many seconds are one step of undo: a slider is being dragged.
ONE_STEP = 0.6


def in_state(raw: bytes) -> bytes:
    """What of a picture a notebook may keep; a small one, which a key press waits for, as it is."""
    if len(raw) > PAYLOAD_IN_STATE:
        return b""
    return pack(raw) if len(raw) > PACKED_FROM else raw


@dataclass(frozen=True, slots=True)
class Step:
    """A request, the history that holds once it is shown, and the view (selection and the like) when it was made."""

    request: Any
    history: History
    view: Mapping[str, Any]


class BaseWidget(Requests, output.Outputs, anywidget.AnyWidget):
    """What all widgets share. A subclass says what a request is, how its payload is made and which traits show it.

    Args:
        payload: The first picture.
        step: The request it answers; `None` for a payload without a model.
        theme: `"auto"`, `"light"` or `"dark"`.
        height: Reserved height in px before the first picture is drawn, 40 to 4000.
        bundle: How the code gets to the front end: `"auto"`, `"carrier"` or `"inline"`.
        traits: First values of the subclass's traits.
    """

    _view = traitlets.Unicode(read_only=True).tag(sync=True)
    _esm = traitlets.Unicode().tag(sync=True)
    _bundle = traitlets.Unicode().tag(sync=True)
    # A closed widget would serialise as itself and break the state of the whole notebook; its `ref` is always a string.
    _carrier = traitlets.Any().tag(sync=True, to_json=carrier.refs)
    _payload = traitlets.Bytes().tag(sync=True)
    _revision = traitlets.Int(0).tag(sync=True)
    theme = Checked("auto", checks.one_of("auto", "light", "dark")).tag(sync=True)
    height = Checked(360, checks.whole(40, 4000)).tag(sync=True)
    error = traitlets.Dict(default_value=None, allow_none=True).tag(sync=True)
    undo_depth = traitlets.Int(0).tag(sync=True)
    redo_depth = traitlets.Int(0).tag(sync=True)
    live = traitlets.Bool(False).tag(sync=True)

    # Traits that a front end may write, each with a check against the picture in `_front_value`.
    _front_traits: ClassVar[tuple[str, ...]] = ()
    _ready = False
    # The widget that this one is a panel of: it keeps the history of all its panels.
    _leader: Any = None
    #: The links that it is in, see `saewidgets.link`.
    links: tuple[Any, ...] = ()

    def __init__(
        self, payload: Any, step: Step | None, *, theme: str, height: int, bundle: str, traits: Mapping[str, Any]
    ) -> None:
        self.last_error: BaseException | None = None
        self._picture, self._shown, self._wanted = payload, step, step
        self._runner, self._home = JobRunner(), home()
        self._setter: int | None = None
        self._recorded_at = float("-inf")
        self._display_id = f"saewidgets-{uuid.uuid4().hex}"
        raw = encode(payload)
        super().__init__(
            theme=theme,
            height=height,
            _payload=in_state(raw),
            _revision=1,
            **carrier.delivery(bundle, self._view),
            **{"live": step is not None, **traits},
        )
        self._own_layout = self.layout
        self._ready = True

    # -- what a subclass says ------------------------------------------------------------------------------------------

    def _pictures(self, request: Any, token: Token, progress: Any) -> Iterator[Any]:
        """Payloads that answer a request: the first one fast, later ones refined."""
        raise NotImplementedError

    def _is_urgent(self, request: Any) -> bool:
        """Whether the request need not wait for a pause in a burst: it is no key stroke, or its answer is at hand."""
        raise NotImplementedError

    def _viewed(self, payload: Any, view: dict[str, Any]) -> Any:
        """The payload with these values of `_front_traits`, where they fit."""
        raise NotImplementedError

    def _traits_of(self, payload: Any, request: Any) -> dict[str, Any]:
        """Values of the traits that go with a picture."""
        raise NotImplementedError

    def _undoable(self, request: Any) -> Hashable:
        """The part of a request that undo steps through."""
        raise NotImplementedError

    def _restored(self, request: Any, state: Any) -> Any:
        """The request with its undoable part replaced."""
        raise NotImplementedError

    def _front_value(self, name: str, value: Any) -> Any:
        """The value of a trait that the front end sent, checked against the picture."""
        raise NotImplementedError

    def _is_drag(self, before: Any, after: Any) -> bool:
        """Whether two undoable states differ only in numbers."""
        return False

    # -- for people ----------------------------------------------------------------------------------------------------

    @property
    def payload(self) -> Any:
        """The last good picture as data, with the present selection."""
        with GUARD:
            return self._viewed(self._picture, self._view_now())

    @property
    def closed(self) -> bool:
        """Whether the widget was closed, by us or by its host."""
        return carrier.is_closed(self)

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the picture is up to date; `False` when `timeout` seconds were not enough."""
        return self._runner.wait(timeout)

    def undo(self) -> None:
        """One step back, if there is one."""
        self._step("back", None)

    def redo(self) -> None:
        """One step forth, if there is one."""
        self._step("forth", None)

    def close(self) -> None:
        """Free everything but the last picture: comm, layout, thread, and the hold on the scope."""
        if not self._ready or self.comm is None:
            return
        self._runner.close()
        with GUARD:
            super().close()
            self._own_layout.close()
            self.__dict__.pop("_repr_mimebundle_", None)  # ipywidgets hides it; a closed widget still has a picture
            self._release()
            self._carrier = self.last_error = None

    def _release(self) -> None:
        """Let go of what the subclass holds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _view_now(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._front_traits}

    # -- requests and pictures -----------------------------------------------------------------------------------------

    def _want_set(self, change: Any) -> None:
        """What was set from Python; a value that is refused goes back to what it was."""
        if self._is_setting:
            return
        try:
            self._want(self._request({change.name: change.new}), None)
        except Exception:
            with self._setting():
                setattr(self, change.name, change.old)
            raise

    def _want(self, request: Any, request_id: Any, history: History | None = None) -> None:
        """Make a request true; the newest wins."""
        with GUARD:
            self._need_model()
            step = Step(request, history or self._recorded(request), self._view_now())
            urgent = self._is_urgent(request)
            self._wanted = step
            self._runner.submit(
                "run",
                Job(
                    partial(self._run, step, request_id),
                    partial(self._failed, step, request_id),
                    request_id,
                    urgent,
                ),
            )

    def _need_model(self) -> Step:
        """What is wanted now.

        Raises:
            WidgetError: There is no model to ask.
        """
        if self._wanted is None:
            why = "This widget is closed" if self.closed else "This view was opened from a file"
            raise WidgetError(f"{why} and has no model.", "Make a new one from a scope.")
        return self._wanted

    def _recorded(self, request: Any) -> History:
        history, state, now = self._need_model().history, self._undoable(request), time.monotonic()
        if state == history.state:
            return history
        merge = now - self._recorded_at < ONE_STEP and self._is_drag(history.state, state)
        self._recorded_at = now
        return history.record(state, merge=merge)

    def _begin(self) -> None:
        """Make the picture of a new widget whole, in the background."""
        step = self._need_model()
        self._want(step.request, None, step.history)

    def _step(self, direction: str, request_id: Any) -> None:
        if self._leader is not None:
            self._leader._step(direction, None)
            self._post({"type": "ok", "id": request_id, "result": None})
            return
        with GUARD:
            wanted = self._need_model()
            history: History = getattr(wanted.history, direction)()
            self._recorded_at = float("-inf")
            self._want(self._restored(wanted.request, history.state), request_id, history)

    def _run(self, step: Step, request_id: Any, token: Token) -> None:
        for payload in self._pictures(step.request, token, partial(self._progress, request_id)):
            self._publish(step, payload, token)
        if request_id is not None:
            self._post({"type": "ok", "id": request_id, "result": None})

    def _progress(self, request_id: Any, done: int, total: int, note: str) -> None:
        # Called while the scope's lock is held: no GUARD here.
        self._post({"type": "progress", "id": request_id, "done": done, "total": total, "note": note})

    def _publish(self, step: Step, payload: Any, token: Token) -> None:
        moved = self._moved(step)
        viewed = self._viewed(payload, moved)
        raw = encode(viewed)
        with GUARD:
            token.check()  # under the lock: from here on no newer request can come in between
            if self.closed:
                return
            if (late := self._moved(step)) != moved:
                viewed = self._viewed(payload, late)
                raw = encode(viewed)
            self._shown = step
            with self._setting():
                self._put(viewed, raw)
                self._show(step, viewed)

    def _moved(self, step: Step) -> dict[str, Any]:
        """What the user changed in the view since she asked: it is newer than the request."""
        return {name: value for name, value in self._view_now().items() if step.view.get(name, value) != value}

    def _put(self, payload: Any, raw: bytes) -> None:
        """Make this the good picture; call it with the lock, while setting."""
        self._picture = payload
        self._payload = in_state(raw)
        self._revision += 1
        self.error = None

    def _show(self, step: Step, payload: Any) -> None:
        """Set the traits that go with a picture."""
        history = (self._leader or step).history
        self.undo_depth, self.redo_depth = history.undo_depth, history.redo_depth
        for name, value in self._traits_of(payload, step.request).items():
            setattr(self, name, value)

    def _failed(self, step: Step, request_id: Any, error: Exception) -> None:
        """Answer a request that failed or was replaced; the picture and what belongs to it stay."""
        with GUARD:
            newest = self._wanted is step
            stopped = isinstance(error, Cancelled) or not newest
            if newest and not self.closed and self._shown is not None:
                self._wanted = self._shown
                with self._setting():
                    self._show(self._shown, self._viewed(self._picture, self._view_now()))
                    if not stopped:
                        self._remember(error)
                        self.error = checks.describe(error)
        if request_id is not None:
            said = {"type": "cancelled"} if stopped else {"type": "error", **checks.describe(error)}
            self._post({**said, "id": request_id})

    def _remember(self, error: BaseException) -> None:
        # As text: frames would keep alive what they hold, tensors or what a stranger sent.
        if not isinstance(error, SaewidgetsError):
            error.add_note("".join(traceback.format_exception(error)))
        error.__cause__ = error.__context__ = None
        self.last_error = error.with_traceback(None)

    @contextmanager
    def _setting(self) -> Iterator[None]:
        """Set traits in one message, without taking them for requests of the user."""
        previous, self._setter = self._setter, threading.get_ident()
        try:
            with self.hold_sync():
                yield
        finally:
            self._setter = previous

    @property
    def _is_setting(self) -> bool:
        return not self._ready or self._setter == threading.get_ident()
