"""A comm that records, and a scope without a model: numpy only, so that a thousand requests cost a second."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from saewidgets.errors import PromptError, SiteError
from saewidgets.payloads import (
    ChosenFeature,
    Context,
    Control,
    HeatmapPayload,
    Predictions,
    SiteView,
    Sparse,
    Tokens,
    decode,
)
from saewidgets.payloads.codec import MAGIC
from saewidgets.payloads.packed import unpack
from saewidgets.widgets import base, carrier, jobs

WIDTH = 64
K = 3


def picture(state: bytes) -> Any:
    """The payload in a widget's state, packed or as it is."""
    raw = bytes(state)
    return decode(raw if raw.startswith(MAGIC) else unpack(raw, base.PAYLOAD_IN_STATE))


class FakeComm:
    """Keeps what was sent; `receive` plays the front end."""

    opened: ClassVar[list[FakeComm]] = []

    def __init__(self, **arguments: Any) -> None:
        self.comm_id = arguments.get("comm_id") or uuid.uuid4().hex
        self.open_message = arguments
        self.sent: list[tuple[dict[str, Any], list[bytes]]] = []
        self._closed = False
        self._callback: Any = None
        FakeComm.opened.append(self)

    def on_msg(self, callback: Any) -> None:
        self._callback = callback

    def send(self, data: dict[str, Any], buffers: Any = None) -> None:
        assert not self._closed, "sent on a closed comm"
        self.sent.append((data, list(buffers or ())))

    def close(self, *_: Any, **__: Any) -> None:
        self._closed = True
        self._callback = None

    def receive(self, content: Any, buffers: Any = ()) -> None:
        """A custom message from the front end."""
        self._message({"method": "custom", "content": content}, buffers)

    def update(self, state: dict[str, Any]) -> None:
        """A trait change from the front end."""
        self._message({"method": "update", "state": state, "buffer_paths": []}, ())

    def _message(self, data: dict[str, Any], buffers: Any) -> None:
        if self._callback is not None:
            self._callback({"content": {"data": data}, "buffers": list(buffers)})

    @property
    def replies(self) -> list[dict[str, Any]]:
        """Custom messages sent, oldest first."""
        return [data["content"] for data, _ in list(self.sent) if data["method"] == "custom"]

    def reply(self, request_id: Any) -> dict[str, Any] | None:
        """The final answer to a request."""
        final = [r for r in self.replies if r.get("id") == request_id and r["type"] != "progress"]
        assert len(final) <= 1, f"request {request_id!r} was answered {len(final)} times: {final}"
        return final[0] if final else None

    @property
    def updates(self) -> list[dict[str, Any]]:
        """States sent, oldest first, buffers put back."""
        result = []
        for data, buffers in list(self.sent):
            if data["method"] == "update":
                state = dict(data["state"])
                for path, buffer in zip(data["buffer_paths"], buffers, strict=True):
                    state[path[0]] = buffer
                result.append(state)
        return result


class FakeScope:
    """What a heatmap asks of a scope, and how often; `runs.heatmap.heatmap_payload` is replaced by `build`."""

    def __init__(self, delay: float = 0.0, keys: tuple[str, ...] = ("resid_post.0", "resid_post.1")) -> None:
        self.dictionaries = {key: SimpleNamespace(d_dict=WIDTH) for key in keys}
        self.model = SimpleNamespace(name="fake")
        self.default_site = keys[-1]
        self.loaded = f"Loaded: {', '.join(f'{key} (0 to {WIDTH - 1})' for key in keys)}."
        self.lock = threading.RLock()
        self.delay, self.forwards = delay, 0
        self.threads: set[str] = set()
        self.on_forward: Any = lambda: None

    def key(self, site: str) -> str:
        if site not in self.dictionaries:
            raise SiteError(f"No dictionary at {site}.", "Look again.")
        return site

    def run(self, prompt: str) -> None:
        raise AssertionError("the fake builder runs nothing")

    def search(self, query: str, key: str | None = None, limit: int = 20) -> list[tuple[str, str]]:
        key = self.key(key or self.default_site)
        return [(f"{key}/{i}", f"label {i}") for i in range(WIDTH) if query in f"label {i}"][:limit]

    def forward(self, check: Any) -> None:
        """One forward pass."""
        check()
        with self.lock:
            self.forwards += 1
            self.threads.add(threading.current_thread().name)
            self.on_forward()
            if self.delay:
                time.sleep(self.delay)
        check()


def words(prompt: str) -> list[str]:
    """Words with the space before them."""
    return [w if i == 0 else f" {w}" for i, w in enumerate(prompt.split(" "))]


def build(
    scope: FakeScope, request: Any, *, control: bool = False, check: Any = lambda: None, progress: Any = None
) -> HeatmapPayload:
    """A payload that is a function of the request, after as many forwards as the true one needs."""
    if not request.prompt:
        raise PromptError("The prompt is empty.", "Type at least one character.")
    if "boom" in request.prompt:
        raise RuntimeError("kaput <b>&\nwith a second line")
    if len(request.prompt) > 50_000:
        raise PromptError(f"The prompt has {len(request.prompt)} characters.", "Shorten it.")
    scope.forward(check)
    if request.edits:
        scope.forward(check)
    text = words(request.prompt)
    n = len(text)
    for edit in request.edits:
        if edit.positions and edit.positions[-1] >= n:
            raise PromptError(f"Position {edit.positions[-1]} is not in the prompt.", f"There are {n} tokens.")
    random = np.random.default_rng(len(request.prompt))
    before = random.random((n, K)).astype("float32")
    features = tuple(
        ChosenFeature(f, "", slot, 1.0, random.random(n), random.random(n) if request.edits else None)
        for slot, f in enumerate(request.features)
        if f
    )
    bands = None
    if control and request.edits:
        for i in range(4):
            if progress is not None:
                progress(i, 4, "control")
            scope.forward(check)
        bands = Control(4, 0, before, before, before[:, :2], before[:, :2])
    sparse = Sparse(np.arange(n + 1), np.arange(n) % WIDTH, random.random(n))
    sites = tuple(SiteView(k, "topk", WIDTH, sparse, np.ones(n), np.zeros(n)) for k in scope.dictionaries)
    fill = request.fill if request.fill in ("error", "surprise", *(f.id for f in features)) else "error"
    return HeatmapPayload(
        prompt=request.prompt,
        tokens=Tokens(tuple(text), np.arange(n), np.zeros(n)),
        sites=sites,
        site=request.site or scope.default_site,
        features=features,
        fill=fill,
        selection=request.selection if 0 <= request.selection < n else n - 1,
        surprise=np.zeros(n),
        predictions=Predictions(
            np.arange(n), ("x",), np.zeros((n, K)), before, before if request.edits else None, None
        ),
        control=bands,
        n_edits=len(request.edits),
        context=Context("fake", "none", request.error_term, seed=request.seed, version="0"),
    )


def default_features(scope: FakeScope, prompt: str, site: str = "", n: int = 3) -> tuple[str, ...]:
    """Three of them."""
    return tuple(f"{site or scope.default_site}/{i}" for i in range(n))


@pytest.fixture
def fake_scope() -> FakeScope:
    """A scope without a model."""
    return FakeScope()


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Recording comms, the fake builder for fake scopes, and a bundle of a few bytes; the carrier is a new one."""
    import saewidgets.runs.heatmap as runs

    monkeypatch.setattr("comm.create_comm", FakeComm)
    for name, fake in {"heatmap_payload": build, "default_features": default_features}.items():
        monkeypatch.setattr(runs, name, _instead(fake, getattr(runs, name)))
    monkeypatch.setattr(carrier, "_text", lambda name: f"export default {{}}  // {name}")
    monkeypatch.setattr(carrier, "_carriers", {})
    monkeypatch.delenv("SAEWIDGETS_BUNDLE", raising=False)
    monkeypatch.setattr(jobs, "_LINGER", 0.02)  # no test waits for the end of a thread
    carrier.file_hash.cache_clear()
    FakeComm.opened.clear()
    yield
    carrier.file_hash.cache_clear()
    FakeComm.opened.clear()
    for hidden in carrier._carriers.values():
        hidden.close()
    deadline = time.monotonic() + 10
    while alive() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert not alive(), "a test left a job thread behind"


def _instead(fake: Any, real: Any) -> Any:
    def call(scope: Any, *arguments: Any, **options: Any) -> Any:
        return (fake if isinstance(scope, FakeScope) else real)(scope, *arguments, **options)

    return call


def alive() -> list[threading.Thread]:
    """Job threads that do not end by themselves."""
    found = [t for t in threading.enumerate() if t.name == "saewidgets-job"]
    for thread in found:
        thread.join(0.2)
    return [thread for thread in found if thread.is_alive()]
