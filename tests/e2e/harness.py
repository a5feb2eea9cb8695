"""Real servers on loopback and a real browser, for tests and benchmarks: started, watched, and torn down whole.

One Jupyter server serves JupyterLab and Notebook 7. A `Watch` writes down what a page asks of the network and says on
its console. Nothing here waits for a time: every wait is for a state.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

# A windowed notebook takes views out of the page; the news and the list of extensions would be asked of the network.
LAB_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none", "recordTiming": False},
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/apputils-extension/themes": {"adaptive-theme": False},
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}
START_SECONDS = 60.0


# ---------------------------------------------------------------------------------------------------------- processes


@dataclass(frozen=True)
class Server:
    """A running server: where it answers, and the folder it serves."""

    url: str
    token: str
    folder: Path
    process: subprocess.Popen[bytes]

    def address(self, path: str) -> str:
        """The address of a page, token included."""
        return f"{self.url}{path}{'&' if '?' in path else '?'}token={self.token}"


def wait_until(ready: Callable[[], Any], what: str, seconds: float = START_SECONDS) -> Any:
    """Ask until the answer is true, and return it.

    Raises:
        TimeoutError: It never was.
    """
    end = time.monotonic() + seconds
    while not (answer := ready()):
        if time.monotonic() > end:
            raise TimeoutError(f"Not within {seconds:g} s: {what}.")
        time.sleep(0.05)
    return answer


def wait_for_server(running: subprocess.Popen[bytes], log: Path, ready: Callable[[], Any]) -> Any:
    """What `ready` says once the server answers; its log when it does not."""

    def asked() -> Any:
        if running.poll() is not None:
            raise RuntimeError("It ended.")
        return ready()

    try:
        return wait_until(asked, "the server answers")
    except (RuntimeError, TimeoutError) as error:
        raise RuntimeError(f"{error} Its log ends:\n{log.read_text(errors='replace')[-4000:]}") from error


@contextmanager
def process(command: Sequence[str], folder: Path, log: Path, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program, and end it with every process it started."""
    with log.open("wb") as output:
        running = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            yield running
        finally:
            end_family(running)


def end_family(running: subprocess.Popen[bytes]) -> None:
    """End a process and all below it: kindly, then by force."""
    family: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        family = psutil.Process(running.pid).children(recursive=True)
    running.terminate()
    with suppress(subprocess.TimeoutExpired):
        running.wait(10)
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    psutil.wait_procs(family, 5)
    running.kill()
    running.wait()


@contextmanager
def jupyter(home: Path, *, options: Sequence[str] = ()) -> Iterator[Server]:
    """A Jupyter server with JupyterLab and Notebook 7 on a free port of loopback.

    Args:
        home: An empty folder; configuration, data and kernel connections stay inside.
        options: More options for the server.
    """
    folders = {name: home / name for name in ("config", "data", "runtime", "ipython", "settings", "workspaces", "work")}
    for path in folders.values():
        path.mkdir(parents=True, exist_ok=True)
    for name, values in LAB_SETTINGS.items():
        file = folders["settings"] / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values), encoding="utf-8")
    token = secrets.token_hex(16)
    command = [
        sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1",
        "--ServerApp.port=0", f"--ServerApp.root_dir={folders['work']}", f"--IdentityProvider.token={token}",
        "--LabApp.expose_app_in_browser=True", "--JupyterNotebookApp.expose_app_in_browser=True",
        "--LabApp.news_url=", "--LabApp.extension_manager=readonly", *options,
    ]  # fmt: skip
    env = {
        "JUPYTER_CONFIG_DIR": str(folders["config"]),
        "JUPYTER_DATA_DIR": str(folders["data"]),
        "JUPYTER_RUNTIME_DIR": str(folders["runtime"]),
        "JUPYTERLAB_SETTINGS_DIR": str(folders["settings"]),
        "JUPYTERLAB_WORKSPACES_DIR": str(folders["workspaces"]),
        "IPYTHONDIR": str(folders["ipython"]),
        "JUPYTER_PLATFORM_DIRS": "1",
    }
    log = home / "server.log"
    with process(command, folders["work"], log, **env) as running:

        def address() -> str | None:
            for file in folders["runtime"].glob("jpserver-*.json"):
                with suppress(OSError, ValueError):  # it is still being written
                    url = str(json.loads(file.read_text(encoding="utf-8"))["url"]).rstrip("/")
                    return url if answers(f"{url}/api", token) else None
            return None

        url = wait_for_server(running, log, address)
        yield Server(url, token, folders["work"], running)


@contextmanager
def marimo(app: Path, home: Path) -> Iterator[Server]:
    """`marimo run` of one app."""
    port = free_port()
    options = ["--headless", "--no-token", "--host", "127.0.0.1", "--port", str(port)]
    command = [sys.executable, "-m", "marimo", "--yes", "run", str(app), *options]
    env = {"XDG_CONFIG_HOME": str(home / "config"), "XDG_CACHE_HOME": str(home / "cache"),
           "XDG_STATE_HOME": str(home / "state"), "MARIMO_SKIP_UPDATE_CHECK": "1"}  # fmt: skip
    log = home / "marimo.log"
    with process(command, home, log, **env) as running:
        server = Server(f"http://127.0.0.1:{port}", "", home, running)
        wait_for_server(running, log, lambda: answers(f"{server.url}/health", ""))
        yield server


@contextmanager
def voila(folder: Path, home: Path) -> Iterator[Server]:
    """Voila over a folder of notebooks, each a page that runs its cells in a kernel of its own."""
    port = free_port()
    # Notebook 7's extension wants parts of JupyterLab that Voila does not have, and complains.
    command = [
        sys.executable, "-m", "voila", str(folder), "--no-browser", "--Voila.ip=127.0.0.1", f"--port={port}",
        "--VoilaConfiguration.extension_denylist=@jupyter-notebook/lab-extension",
    ]  # fmt: skip
    env = {"JUPYTER_CONFIG_DIR": str(home / "config"), "JUPYTER_DATA_DIR": str(home / "data"),
           "JUPYTER_RUNTIME_DIR": str(home / "runtime"), "IPYTHONDIR": str(home / "ipython"),
           "JUPYTER_PLATFORM_DIRS": "1"}  # fmt: skip
    log = home / "voila.log"
    with process(command, folder, log, **env) as running:
        server = Server(f"http://127.0.0.1:{port}", "", folder, running)
        wait_for_server(running, log, lambda: answers(f"{server.url}/voila/tree", ""))
        yield server


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str, token: str) -> bool:
    """Whether a server says 200 here."""
    request = urllib.request.Request(url, headers={"Authorization": f"token {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=5) as reply:
            return int(reply.status) == 200
    except (urllib.error.URLError, OSError):
        return False


# ------------------------------------------------------------------------------------------------------------ browser


@dataclass
class Watch:
    """What a page asked of the network and wrote on its console."""

    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def attach(self, page: Page) -> None:
        """Listen to a page from now on."""
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("websocket", lambda socket: self.requests.append(socket.url))
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.errors.append(f"{error.name}: {error.message}\n{error.stack}"))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")

    def ours(self) -> list[str]:
        """Errors that come from code of a widget, which hosts load from a `blob:` or `data:` address."""
        return [error for error in self.errors if "blob:" in error or "data:" in error]

    def outside(self) -> list[str]:
        """Requests that left this machine, or tried to."""
        return [url for url in self.requests if not is_inside(url)]


def is_inside(url: str) -> bool:
    """Whether an address is this machine's, or no address at all (`data:`, `blob:`, `about:`)."""
    parts = urlsplit(url)
    return parts.scheme in ("data", "blob", "about", "file") or parts.hostname in ("127.0.0.1", "localhost", "::1")


@contextmanager
def chromium(executable: str, *options: str) -> Iterator[Browser]:
    """A headless Chromium that can look up no name but this machine's."""
    offline = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=[*offline, *options])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def new_page(browser: Browser, watch: Watch, **options: Any) -> Iterator[Page]:
    """A page in a context of its own, watched."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 1400}, "device_scale_factor": 1, **options})
    context.set_default_timeout(20_000)
    try:
        page = context.new_page()
        watch.attach(page)
        yield page
    finally:
        context.close()
