"""Opt-in extension of Jupyter Server: sends what a kernel says at once.

The server leaves Nagle's algorithm on for kernel websockets, so a small message after another waits for the browser's
delayed acknowledgement, some 40 ms. Setting `TCP_NODELAY` about halves the time from key press to picture. Installing
the package changes no server; `docs/server.md` says how to switch it on.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

_MARK = "_saewidgets_nodelay"


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """What Jupyter Server asks for."""
    return [{"module": "saewidgets.server"}]


def _load_jupyter_server_extension(server: Any) -> None:
    """Called by the server when the extension is enabled."""
    from jupyter_server.services.kernels.websocket import KernelWebsocketHandler

    send_at_once(KernelWebsocketHandler)
    server.log.info("saewidgets: TCP_NODELAY is set on kernel websockets.")


def send_at_once(handler: Any) -> None:
    """Make a websocket handler set `TCP_NODELAY` when a connection opens; a second call changes nothing.

    Args:
        handler: Subclass of `tornado.websocket.WebSocketHandler`.
    """
    if getattr(handler.open, _MARK, False):
        return
    opens = handler.open

    @wraps(opens)
    def open(self: Any, *args: Any, **kwargs: Any) -> Any:
        self.set_nodelay(True)
        return opens(self, *args, **kwargs)

    setattr(open, _MARK, True)
    handler.open = open
