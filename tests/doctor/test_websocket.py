"""Websockets: a real Jupyter server, servers that refuse, and addresses that lead nowhere."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from saewidgets.doctor.jupyter import Lab
from saewidgets.doctor.websocket import PATH, Server, named, running, websockets


@contextmanager
def proxy(upgrade: int, plain: int = 200) -> Iterator[str]:
    """A server that answers pages with one status and websockets with another."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(upgrade if self.headers.get("Upgrade") == "websocket" else plain)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/user/me/"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("upgrade", "plain", "state", "said"),
    [
        (101, 200, "ok", ""),
        (400, 200, "fault", "no websocket (400)"),
        (502, 200, "fault", "no websocket (502)"),
        (200, 200, "fault", "no websocket (200)"),
        (403, 200, "fault", "token"),
        (404, 404, "fault", "no Jupyter server"),
        (302, 302, "fault", "login"),
    ],
)
def test_what_is_answered(upgrade, plain, state, said):
    with proxy(upgrade, plain) as url:
        (check,) = websockets([Server(url)])
    assert check.state == state
    assert said in check.found and bool(check.remedy) == (state == "fault")
    if "no websocket" in said:
        assert "proxy_set_header Upgrade" in check.remedy


def test_nobody_answers():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (check,) = websockets([Server(f"http://127.0.0.1:{port}/")])
    assert check.state == "fault" and "cannot be reached" in check.found


@pytest.mark.parametrize("url", ["", "localhost:8888", "ftp://127.0.0.1/", "http://", "http://[::1"])
def test_no_address(url):
    try:
        server = named(url)
    except ValueError:
        pytest.fail("an address with a fault is a check, no exception")
    (check,) = websockets([server])
    assert check.state == "fault"


def test_none_runs():
    (check,) = websockets([])
    assert check.state == "note" and "Start JupyterLab" in check.remedy
    assert running(None) == []


@pytest.mark.parametrize(
    ("given", "url", "token"),
    [
        ("http://localhost:8888/lab?token=abc", "http://localhost:8888/", "abc"),
        ("https://hub.example/user/me/lab/tree/a.ipynb", "https://hub.example/user/me/", ""),
        ("https://hub.example/user/me/", "https://hub.example/user/me/", ""),
        ("http://localhost:8888/tree?token=abc", "http://localhost:8888/", "abc"),
        ("http://localhost:8888", "http://localhost:8888/", ""),
    ],
)
def test_the_address_in_the_browser(given, url, token):
    assert named(given) == Server(url, token)


@pytest.mark.slow
def test_a_jupyter_server(tmp_path, monkeypatch):
    """Found by `jupyter server list`, opened with its token, refused without."""
    for name in ("RUNTIME_DIR", "DATA_DIR", "CONFIG_DIR"):
        monkeypatch.setenv(f"JUPYTER_{name}", str(tmp_path / name))
    lab = Lab(sys.executable)
    assert running(lab) == []
    command = [sys.executable, "-m", "jupyter_server", "--no-browser", "--ServerApp.ip=127.0.0.1", "--port=0",
               f"--ServerApp.root_dir={tmp_path}", *(["--allow-root"] if os.name == "posix" else [])]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path) as process:
        try:
            end = time.monotonic() + 120
            while not (found := running(lab)) and time.monotonic() < end:
                assert process.poll() is None, "the server ended"
                time.sleep(0.5)
            (server,) = found
            assert server.token
            (check,) = websockets([server])
            assert (check.state, check.found) == ("ok", server.url)
            (check,) = websockets([Server(server.url)])
            assert check.state == "fault" and "token" in check.found
            assert PATH.startswith("api/")
        finally:
            process.terminate()
