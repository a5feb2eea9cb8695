"""A hub of our own on this machine: the part of the protocol that a download needs, a log, and faults on order."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from threading import Thread
from typing import Any
from urllib.parse import unquote

import pytest

# A broken download is taken up after the last whole chunk.
CHUNK = 16


@dataclass
class Repository:
    """Files of one commit; `error` is what every request of it is answered with."""

    files: dict[str, bytes]
    commit: str = "0123456789abcdef0123456789abcdef01234567"
    refs: tuple[str, ...] = ("main",)
    error: tuple[int, str] | None = None


@dataclass
class Hub:
    """What is served, what was asked, what goes wrong.

    `cuts[path]` are fractions at which the next downloads of a file break off; `lengths[path]` is added to the length
    that a download declares; `swaps[path]` is sent in place of the content.
    """

    repositories: dict[str, Repository] = field(default_factory=dict)
    cuts: dict[str, list[float]] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)
    swaps: dict[str, bytes] = field(default_factory=dict)
    log: list[tuple[str, str, str | None]] = field(default_factory=list)
    url: str = ""

    def downloads(self) -> list[str]:
        """Paths whose content was asked for, in order, each once."""
        asked = [path for verb, path, _ in self.log if verb == "GET" and "/resolve/" in path]
        return list(dict.fromkeys(path.split("/resolve/")[1].partition("/")[2] for path in asked))


@contextmanager
def serve(cache: Path, patch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A running hub that `huggingface_hub` takes for the real one, with an empty cache."""
    from huggingface_hub import constants, file_download

    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    patch.setattr(constants, "ENDPOINT", hub.url)
    patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}")
    patch.setattr(constants, "HF_HUB_OFFLINE", False)
    patch.setattr(constants, "HF_HUB_CACHE", str(cache))
    patch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", CHUNK)
    patch.setattr(file_download.time, "sleep", lambda seconds: None)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(self.path.split("?")[0])
        self.hub.log.append((self.command, path, self.headers.get("Range")))
        api = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+)(?:/(.+))?)?", path)
        file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        found = api or file
        repository = self.hub.repositories.get(found[1]) if found else None
        if repository is None:
            return self._fail(404, "RepoNotFound")
        if repository.error:
            return self._fail(*repository.error)
        revision = (api[3] if api else file[2]) or "main"  # type: ignore[index]
        if revision not in (*repository.refs, repository.commit):
            return self._fail(404, "RevisionNotFound")
        if file:
            return self._send_file(repository, file[3])
        if api and api[2] == "tree":
            return self._send_tree(repository, api[4] or "")
        self._send_json({"_id": "0", "id": found[1], "sha": repository.commit})  # type: ignore[index]

    def _send_tree(self, repository: Repository, folder: str) -> None:
        entries: dict[str, dict[str, Any]] = {}
        for path, content in repository.files.items():
            if folder and not path.startswith(f"{folder}/"):
                continue
            rest = PurePosixPath(path[len(folder) :].lstrip("/"))
            here = f"{folder}/{rest.parts[0]}".lstrip("/")
            if len(rest.parts) > 1:
                entries[here] = {"type": "directory", "path": here, "oid": "0" * 40, "size": 0}
                continue
            entries[here] = {"type": "file", "path": here, "oid": "0" * 40, "size": len(content)}
            if not path.endswith((".json", ".yaml", ".py")):
                digest = hashlib.sha256(content).hexdigest()
                entries[here]["lfs"] = {"oid": digest, "size": len(content), "pointerSize": 130}
        if not entries:
            return self._fail(404, "EntryNotFound")
        self._send_json(list(entries.values()))

    def _send_file(self, repository: Repository, path: str) -> None:
        if path not in repository.files:
            return self._fail(404, "EntryNotFound")
        content = repository.files[path]
        etag = hashlib.sha256(content).hexdigest()
        head = self.command == "HEAD"
        content = content if head else self.hub.swaps.get(path, content)
        start = int((self.headers.get("Range") or "bytes=0-")[6:].split("-")[0])
        body = content[start:]
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{etag}"')
        self.send_header("X-Repo-Commit", repository.commit)
        self.send_header("Accept-Ranges", "bytes")
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        declared = len(body) + (0 if head else self.hub.lengths.get(path, 0))
        self.send_header("Content-Length", str(declared))
        self.end_headers()
        if head:
            return
        cuts = self.hub.cuts.get(path)
        if cuts:
            self.wfile.write(body[: max(0, int(len(content) * cuts.pop(0)) - start)])
            self.wfile.flush()
            self.close_connection = True
            return
        self.wfile.write(body)
        self.close_connection = declared != len(body)

    def _send_json(self, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _fail(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", code)
        self.send_header("Content-Length", "0")
        self.end_headers()
