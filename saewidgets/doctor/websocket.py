"""Can a widget talk to its kernel? That goes through a websocket, which proxies like to refuse."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from os import urandom
from urllib.parse import parse_qs, urlsplit

from saewidgets.doctor.check import Check, ask
from saewidgets.doctor.jupyter import Lab

SECONDS = 10.0
# A websocket of every Jupyter Server since 2.0, which needs no kernel.
PATH = "api/events/subscribe"


@dataclass(frozen=True)
class Server:
    """A Jupyter server.

    Args:
        url: Its address, with a slash at the end.
        token: What it asks for; empty for none.
    """

    url: str
    token: str = ""


def running(lab: Lab | None) -> list[Server]:
    """The servers of this user on this machine, as `jupyter server list` knows them.

    Args:
        lab: From `find_lab`.
    """
    if lab is None:
        return []
    try:
        found = json.loads(ask([lab.python, "-m", "jupyter_server", "list", "--jsonlist"]).out or "[]")
    except ValueError:
        return []
    return [Server(str(entry["url"]), str(entry.get("token", ""))) for entry in found if entry.get("url")]


def named(url: str) -> Server:
    """A server by the address that stands in the browser, with or without `?token=`.

    Args:
        url: Such as `https://hub.example/user/me/lab?token=…`.
    """
    try:
        parts = urlsplit(url)
    except ValueError:  # told with everything else that is no address
        return Server(url)
    base = parts.path.partition("/lab")[0].partition("/tree")[0].rstrip("/")
    token = parse_qs(parts.query).get("token", [""])[0]
    return Server(f"{parts.scheme}://{parts.netloc}{base}/", token)


def websockets(servers: Sequence[Server]) -> list[Check]:
    """Open a websocket to each server.

    Args:
        servers: From `running`, or `named`.
    """
    if not servers:
        todo = "Start JupyterLab and call this again; behind a proxy or hub, with --url and the browser's address."
        return [Check("websocket", "note", "no Jupyter server of yours runs here, so none was tried", todo)]
    return [_try(server) for server in servers]


def _try(server: Server) -> Check:
    try:
        plain, upgraded = _status(server, "api", False), _status(server, PATH, True)
    except (OSError, HTTPException, ValueError) as error:
        found = f"{server.url} cannot be reached ({error})"
        return Check("websocket", "fault", found, "Is the server running, and is this its address?")
    if upgraded == 101:
        return Check("websocket", "ok", server.url)
    if plain >= 300:
        found = f"{server.url} answers {plain}: this is no Jupyter server, or it wants a login first"
        return Check("websocket", "fault", found, "Give the address up to /lab, with ?token=….")
    if upgraded in (401, 403):
        todo = "Give the address with ?token=…; `jupyter server list` shows it."
        return Check("websocket", "fault", f"{server.url} refuses the websocket without its token ({upgraded})", todo)
    todo = (
        "Something between browser and server refuses websockets, so widgets stay still and kernels seem to hang. Let "
        "the proxy pass the headers Upgrade and Connection (nginx: proxy_http_version 1.1; proxy_set_header Upgrade "
        '$http_upgrade; proxy_set_header Connection "upgrade"); a firewall or VPN: ask for wss:// to be allowed.'
    )
    return Check("websocket", "fault", f"{server.url} answers pages ({plain}), but no websocket ({upgraded})", todo)


def _status(server: Server, path: str, upgrade: bool) -> int:
    """What is answered to a plain request, or to one that asks for a websocket; 101 opens it."""
    parts = urlsplit(server.url)
    made = {"http": HTTPConnection, "https": HTTPSConnection}.get(parts.scheme)
    if made is None or not parts.hostname:
        raise ValueError("an address begins with http:// or https://")
    connection = made(parts.hostname, parts.port, timeout=SECONDS)
    headers = {"Authorization": f"token {server.token}"} if server.token else {}
    if upgrade:
        key = b64encode(urandom(16)).decode()
        headers |= {
            "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key
        }  # fmt: skip
    try:
        connection.request("GET", f"{parts.path}{path}", headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()
