"""What every test gets: no way to the outside network, a reason when there is no GPU, one scope for the session."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from typing import Any

# Before transformers or huggingface_hub are imported: both read these once. Child processes inherit them.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")

import pytest
from hypothesis import settings

from tests.browser import chromium_path

# The tests write half a million small files; on some disks one takes a hundred times what it takes in memory.
MEMORY, ROOM = "/dev/shm", 8 << 30
if "TMPDIR" not in os.environ and os.path.isdir(MEMORY) and shutil.disk_usage(MEMORY).free > ROOM:
    os.environ["TMPDIR"], tempfile.tempdir = MEMORY, None

# The same examples each time, on a machine however busy: a failure is then a fault of the code.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile("steady")


class OutsideNetwork(AssertionError):
    """A test tried to reach a machine other than this one."""


def _is_local(address: Any) -> bool:
    if not isinstance(address, tuple):  # the path of a Unix socket
        return True
    host = str(address[0])
    return host in ("", "localhost", "::1", "0.0.0.0", "::") or host.startswith("127.")


@pytest.fixture(autouse=True, scope="session")
def _no_outside_network() -> Iterator[None]:
    """Sockets connect to this machine only; names of other machines are not looked up."""
    connect, connect_ex, look_up = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def guarded(original: Any) -> Any:
        def call(self: socket.socket, address: Any) -> Any:
            if not _is_local(address):
                raise OutsideNetwork(f"A test tried to connect to {address!r}.")
            return original(self, address)

        return call

    def guarded_look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name is not None and not _is_local((name, 0)) and name != socket.gethostname():
            raise OutsideNetwork(f"A test tried to look up {name!r}.")
        return look_up(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded(connect))
        patch.setattr(socket.socket, "connect_ex", guarded(connect_ex))
        patch.setattr(socket, "getaddrinfo", guarded_look_up)
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch  # only now: most runs of a few tests need no torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device: torch.cuda.is_available() is False"))


@pytest.fixture(scope="session")
def scope() -> Any:
    """The embedded model with its dictionaries, loaded once; a test must leave it as it found it."""
    import saewidgets

    return saewidgets.demo()


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the Chromium to drive."""
    found = chromium_path()
    if found is None:
        pytest.fail("No Chromium found. `make e2e` installs one; CHROMIUM=/path names one.")
    return found
