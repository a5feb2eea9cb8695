"""What comes over the comm: traits it may write, and a table of messages, each answered exactly once."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from saewidgets.errors import WidgetError
from saewidgets.payloads import encode
from saewidgets.widgets import carrier, checks
from saewidgets.widgets.jobs import GUARD, Job, Token

# No request carries buffers; more than this is refused unread.
MAX_BUFFERS = 1_000_000


class Requests:
    """Mixed into `BaseWidget`, before anywidget."""

    _messages: ClassVar[dict[str, str]] = {
        "run": "_on_run",
        "undo": "_on_undo",
        "redo": "_on_redo",
        "positions": "_on_positions",
        "search": "_on_search",
        "cancel": "_on_cancel",
        "save": "_on_save",
        "payload": "_on_payload",
        "bundle": "_on_bundle",
    }

    def notify_change(self: Any, change: Any) -> None:
        """Tell front end and observers of a change, one thread at a time."""
        with GUARD:
            super().notify_change(change)  # type: ignore[misc]

    def set_state(self: Any, sync_data: dict[str, Any]) -> None:
        """Take from the front end only what it may write, and correct it where it is wrong."""
        if self.closed:
            return
        good, bad = {}, []
        with GUARD:
            for name, value in sync_data.items():
                if name not in self._front_traits:
                    continue
                try:
                    good[name] = self._front_value(name, value)
                except Exception:
                    bad.append(name)
            super().set_state(good)  # type: ignore[misc]
            if bad:
                self.send_state(bad)

    def _post(self: Any, content: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        if not self.closed:
            self.send(content, buffers)

    def _handle_custom_msg(self: Any, content: Any, buffers: Any) -> None:
        """Answer one message; called by ipywidgets in whatever thread the comm uses."""
        if self.closed:
            return
        request_id = _id(content)
        try:
            kind = content.get("type") if isinstance(content, dict) else None
            handler = self._messages.get(kind) if isinstance(kind, str) else None
            if handler is None:
                raise WidgetError(f"Unknown request {checks.brief(kind)}.", f"Known: {', '.join(self._messages)}.")
            if sum(memoryview(b).nbytes for b in buffers or ()) > MAX_BUFFERS:
                raise WidgetError("The request carries too much data.", f"At most {MAX_BUFFERS} bytes.")
            with self._home():
                getattr(self, handler)(request_id, content)
        except Exception as error:
            self._refused(request_id, error)

    def _refused(self: Any, request_id: Any, error: Exception) -> None:
        self._remember(error)
        self._post({"type": "error", "id": request_id, **checks.describe(error)})

    def _on_run(self: Any, request_id: Any, content: dict[str, Any]) -> None:
        self._need_model()
        state = content.get("state")
        if not isinstance(state, dict):
            raise WidgetError(f"The state is {checks.brief(state)}.", "It must be an object.")
        self._want(self._request(state), request_id)
        self._runner.give_way()

    def _on_undo(self: Any, request_id: Any, content: dict[str, Any]) -> None:
        self._need_model()
        self._step("back", request_id)

    def _on_redo(self: Any, request_id: Any, content: dict[str, Any]) -> None:
        self._need_model()
        self._step("forth", request_id)

    def _on_positions(self: Any, request_id: Any, content: dict[str, Any]) -> None:
        self._need_model()
        positions = checks.position_list("positions", content.get("positions"))
        self._want(self._request({"positions": positions}), request_id)

    def _on_search(self: Any, request_id: Any, content: dict[str, Any]) -> None:
        self._need_model()
        query = checks.word("query", content.get("query"))
        site = content.get("site")
        hits = self._search(query, None if site in (None, "") else checks.word("site", site))
        features = [{"id": str(feature), "label": label} for feature, label in hits]
        self._post({"type": "ok", "id": request_id, "result": {"features": features}})

    def _on_cancel(self: Any, request_id: Any, content: dict[str, Any]) -> None:
        # Unknown or finished: nothing to stop, and the answer to that request was or will be sent.
        if request_id is not None:
            self._runner.cancel(request_id)

    def _on_save(self: Any, request_id: Any, content: dict[str, Any]) -> None:
        format = checks.one_of(*self._save_formats())("format", content.get("format"))
        job = Job(partial(self._save_job, format, request_id), partial(self._save_failed, request_id), request_id, True)
        self._runner.submit(f"save {format}", job)

    def _save_formats(self) -> tuple[str, ...]:
        """Formats of files that the front end may ask for."""
        return "html", "svg", "png", "pdf", "sae"

    def _save_job(self: Any, format: str, request_id: Any, token: Token) -> None:
        data = self._file(format)
        token.check()
        result = {"format": format, "name": f"{self._view}.{format}"}
        self._post({"type": "ok", "id": request_id, "result": result}, [data])

    def _save_failed(self: Any, request_id: Any, error: Exception) -> None:
        from saewidgets.errors import Cancelled

        if isinstance(error, Cancelled):
            self._post({"type": "cancelled", "id": request_id})
        else:
            self._refused(request_id, error)

    def _on_payload(self: Any, request_id: Any, content: dict[str, Any]) -> None:
        reply = {"type": "payload", "id": request_id, "revision": self._revision}
        self._post(reply, [encode(self.payload)])

    def _on_bundle(self: Any, request_id: Any, content: dict[str, Any]) -> None:
        reply, code = carrier.answer(content)
        self._post(reply, [code])


def _id(content: Any) -> Any:
    """The id to answer under; anything but a short string or a plain number is not echoed."""
    value = content.get("id") if isinstance(content, dict) else None
    if isinstance(value, str) and len(value) <= 100:
        return value
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53 else None
