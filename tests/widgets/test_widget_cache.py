"""The cache of recent results and the history of steps."""

import gc
import weakref
from typing import Any

import numpy as np
import pytest

from saewidgets.widgets import TokenHeatmap
from saewidgets.widgets.cache import ByIdentity, RunCache, cache_of, size_of
from saewidgets.widgets.history import LIMIT, History
from tests.payload_factory import make_payload
from tests.widgets.fakes import FakeScope


def test_the_bound_holds_and_the_least_recently_used_goes_first() -> None:
    payload = make_payload(50)
    one = size_of(payload)
    cache = RunCache(3 * one)
    for name in "abc":
        cache.put(name, payload)
    assert cache.get("a") is payload
    cache.put("d", payload)
    assert [cache.get(name) is None for name in "abcd"] == [False, True, False, False]
    assert cache.size == 3 * one <= cache.bound
    cache.put("d", payload)
    assert (len(cache), cache.size) == (3, 3 * one)
    cache.put("big", make_payload(500))
    assert cache.get("big") is None
    assert len(cache) == 3
    cache.clear()
    assert (len(cache), cache.size) == (0, 0)


def test_size_counts_what_arrays_and_strings_take() -> None:
    payload = make_payload(2_000, texts=["word"] * 2_000)
    arrays = sum(v.nbytes for v in vars_of(payload) if isinstance(v, np.ndarray))
    assert arrays < size_of(payload) < 4 * arrays + 2_000 * 100


def vars_of(record: Any) -> list[Any]:
    values = []
    for name in record.__dataclass_fields__:
        value = getattr(record, name)
        for item in value if isinstance(value, tuple) else (value,):
            values += vars_of(item) if hasattr(item, "__dataclass_fields__") else [item]
    return values


def test_identity_is_a_key() -> None:
    a, b = [], []
    assert ByIdentity(a) == ByIdentity(a)
    assert ByIdentity(a) != ByIdentity(b)
    assert len({ByIdentity(a), ByIdentity(a), ByIdentity(b)}) == 2


def test_widgets_of_a_scope_share_results_and_a_replaced_dictionary_is_another_key() -> None:
    scope = FakeScope()
    TokenHeatmap(scope, "a b").close()
    forwards = scope.forwards
    TokenHeatmap(scope, "a b", selection=0, fill="surprise").close()
    assert scope.forwards == forwards
    scope.dictionaries["resid_post.0"] = type(scope.dictionaries["resid_post.0"])(d_dict=64)
    TokenHeatmap(scope, "a b").close()
    assert scope.forwards == forwards + 1
    other = FakeScope()
    TokenHeatmap(other, "a b").close()
    assert other.forwards == 1


def test_a_cached_result_shows_the_view_that_was_asked() -> None:
    scope = FakeScope()
    with TokenHeatmap(scope, "a b c", selection=2):
        pass
    with TokenHeatmap(scope, "a b c", selection=1, site="resid_post.0", fill="resid_post.1/0") as widget:
        assert (widget.selection, widget.site, widget.fill) == (1, "resid_post.0", "error")
    with TokenHeatmap(scope, "a b c", ["resid_post.1/0"], selection=1, fill="resid_post.1/0") as widget:
        assert widget.fill == "resid_post.1/0"


def test_the_cache_goes_with_its_scope() -> None:
    scope = FakeScope()
    cache = weakref.ref(cache_of(scope))
    assert cache_of(scope) is cache()
    with TokenHeatmap(scope, "a b"):
        pass
    del scope
    gc.collect()
    assert cache() is None


def test_history_is_a_bounded_value() -> None:
    history = History((0,))
    for state in range(1, 3 * LIMIT):
        history = history.record(state)
    assert len(history.states) == LIMIT
    assert history.state == 3 * LIMIT - 1
    assert (history.undo_depth, history.redo_depth) == (LIMIT - 1, 0)
    back = history.back().back()
    assert (back.state, back.redo_depth) == (3 * LIMIT - 3, 2)
    assert back.record("new").redo_depth == 0
    assert back.record(back.state) is back
    assert back.forth().forth().forth().state == history.state
    assert History(("a",)).back().forth().state == "a"
    assert History(("a",)).record("b", merge=True).states == ("a", "b"), "the first state is never replaced"
    assert History(("a", "b"), 1).record("c", merge=True).states == ("a", "c")


@pytest.mark.parametrize("name", ["features", "edits"])
def test_1000_steps_keep_the_history_bounded(name: str) -> None:
    scope = FakeScope()
    with TokenHeatmap(scope, "a b") as widget:
        for i in range(1_000):
            key = f"resid_post.{i % 2}/{i % 64}"
            value: Any = [key] if name == "features" else [{"kind": "ablate", "feature": key}]
            widget.comm.receive({"type": "run", "id": i, "state": {name: value}})
        assert widget.wait(30)
        assert widget.undo_depth == LIMIT - 1
