"""The server extension on a real Jupyter Server with a real kernel: the socket itself is asked."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from saewidgets import server

# A server, a kernel and a websocket in one process, so that the server's end of the connection can be looked at.
SCRIPT = """
import asyncio, gc, json, os, socket, sys, tempfile
home = tempfile.mkdtemp()
for name in ("CONFIG", "DATA", "RUNTIME"):
    os.environ[f"JUPYTER_{name}_DIR"] = home
from jupyter_server.serverapp import ServerApp
from jupyter_server.services.kernels.websocket import KernelWebsocketHandler
from tornado.httpclient import AsyncHTTPClient
from tornado.websocket import websocket_connect

async def main(app):
    app.init_ioloop()
    client, base = AsyncHTTPClient(), f"127.0.0.1:{app.port}"
    made = await client.fetch(f"http://{base}/api/kernels", method="POST", body=json.dumps({"name": "python3"}))
    kernel = json.loads(made.body)["id"]
    socket_to = await websocket_connect(f"ws://{base}/api/kernels/{kernel}/channels?session_id=x")
    (handler,) = [o for o in gc.get_objects() if isinstance(o, KernelWebsocketHandler)]
    raw = handler.ws_connection.stream.socket
    print("nodelay:", bool(raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
    socket_to.close()
    await app.kernel_manager.shutdown_kernel(kernel, now=True)

app = ServerApp()
app.initialize(sys.argv[1:], find_extensions=False)
app.io_loop.run_sync(lambda: main(app))
"""
OPTIONS = "--port=0 --ip=127.0.0.1 --no-browser --allow-root --IdentityProvider.token=".split()
OPTIONS += ["--ServerApp.disable_check_xsrf=True"]


@pytest.mark.parametrize("enabled", [True, False])
def test_the_kernel_socket_has_nodelay_only_when_the_extension_is_on(enabled: bool) -> None:
    option = f"--ServerApp.jpserver_extensions=saewidgets.server={enabled}"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *OPTIONS, option], capture_output=True, text=True, timeout=120, check=False
    )
    assert f"nodelay: {enabled}" in done.stdout, done.stderr[-2000:]
    assert ("TCP_NODELAY is set" in done.stderr) == enabled


def test_a_second_call_changes_nothing() -> None:
    calls: list[object] = []

    class Handler:
        def open(self, kernel_id: str) -> str:
            return kernel_id

        def set_nodelay(self, value: bool) -> None:
            calls.append(value)

    for _ in range(3):
        server.send_at_once(Handler)
    assert Handler().open("k") == "k"
    assert calls == [True]


def test_the_extension_point_names_the_module() -> None:
    (point,) = server._jupyter_server_extension_points()
    assert point == {"module": "saewidgets.server"}
    assert json.dumps(point)
    assert SimpleNamespace(**point).module == server.__name__
