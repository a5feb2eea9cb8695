"""200 widgets made, used and closed: none alive, no thread, no comm, and the process no larger."""

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil
import pytest
from ipywidgets.widgets.widget import _instances

from saewidgets.errors import SaewidgetsError
from saewidgets.widgets import TokenHeatmap, carrier
from tests.widgets.fakes import FakeComm, FakeScope, alive

N, WARM = 200, 50
LIMIT = 10_000  # bytes a widget may cost
PROMPTS = [" ".join("x" * n) for n in (900, 1_000, 1_100)]

pytestmark = pytest.mark.usefixtures("fakes")


def use(scope: FakeScope, number: int) -> TokenHeatmap:
    """A closed widget that had a payload of some 100 kB, a request with edits, and one that failed."""
    widget = TokenHeatmap(scope, PROMPTS[number % 3])
    edits = [{"kind": "ablate", "feature": "resid_post.1/0"}]
    widget.comm.receive({"type": "run", "id": 1, "state": {"edits": edits}})
    widget.comm.receive({"type": "run", "id": 2, "state": {"prompt": 7}})
    widget.selection = number % 100
    assert widget.wait(10)
    widget.close()
    return widget


def slope(act: Callable[[int], object]) -> float:
    """Bytes of resident memory that one call adds, by least squares over the calls after a warm-up."""
    process, sizes, counts = psutil.Process(), [], []
    for number in range(N):
        act(number)
        FakeComm.opened.clear()  # the fake's own log
        if number >= WARM and number % 10 == 0:
            gc.collect()
            counts.append(number)
            sizes.append(process.memory_info().rss)
    return float(np.polyfit(counts, sizes, 1)[0])


def test_200_widgets_leave_nothing(fake_scope: FakeScope) -> None:
    before = set(_instances)
    references: list[Any] = []

    def act(number: int) -> None:
        references.append(weakref.ref(use(fake_scope, number)))

    grown = slope(act)
    gc.collect()
    assert sum(reference() is not None for reference in references) == 0
    left = {key: w for key, w in _instances.items() if key not in before}
    assert list(left.values()) in ([], list(carrier._carriers.values()))
    assert not alive()
    assert grown <= LIMIT


def test_a_leak_is_seen(fake_scope: FakeScope) -> None:
    """The control: a program that keeps the encoded payload of each widget is over the limit by far."""
    kept: list[bytes] = []

    def act(number: int) -> None:
        widget = use(fake_scope, number)
        kept.append(bytes(bytearray(widget._payload)))

    assert slope(act) > 3 * LIMIT


def test_a_widget_that_is_not_closed_is_seen(fake_scope: FakeScope) -> None:
    """The control of the weak references: ipywidgets keeps what nobody closed."""
    reference = weakref.ref(TokenHeatmap(fake_scope, "a b"))
    FakeComm.opened.clear()
    gc.collect()
    widget = reference()
    assert widget is not None
    widget.close()


def test_a_widget_that_failed_to_be_made_leaves_nothing(fake_scope: FakeScope) -> None:
    carrier.carriers("heatmap")
    before, comms = set(_instances), len(FakeComm.opened)
    for prompt in ("", "boom", 7):
        for options in ({}, {"theme": "x"}, {"features": ["x"]}):
            with pytest.raises((SaewidgetsError, RuntimeError)):
                TokenHeatmap(fake_scope, prompt, **options)
    gc.collect()
    assert set(_instances) == before
    assert len(FakeComm.opened) == comms


def test_closing_frees_the_scope() -> None:
    scope = FakeScope()
    reference = weakref.ref(scope)
    widget = use(scope, 0)
    del scope
    gc.collect()
    assert reference() is None, "a closed widget holds its scope"
    assert widget.payload.prompt == PROMPTS[0]


def test_a_thread_ends_with_its_work(fake_scope: FakeScope) -> None:
    with TokenHeatmap(fake_scope, "a b") as widget:
        assert not alive(), "an idle widget has no thread"
        widget.comm.receive({"type": "run", "id": 1, "state": {"prompt": "x"}})
        assert widget.wait(5)
        for thread in alive():
            thread.join(5)
        assert not alive()
