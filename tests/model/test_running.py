"""Running: early stop, failing writes, threads, one lock."""

import copy
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from saewidgets.errors import EditError, PromptError, SiteError
from saewidgets.model import TracedModel
from saewidgets.sites import Site
from tests.model import tiny

IDS = tiny.prompt()


def count_blocks(module):
    ran = []
    handles = [
        block.register_forward_pre_hook(lambda *_, i=i: ran.append(i)) for i, block in enumerate(module.model.layers)
    ]
    handles.append(module.lm_head.register_forward_pre_hook(lambda *_: ran.append("head")))
    return ran, handles


# A block counts as run once it is entered.
@pytest.mark.parametrize(
    ("site", "blocks"),
    [("embed", []), ("resid_pre.1", [0, 1]), ("attn_z.1", [0, 1]), ("resid_post.1", [0, 1]), ("final", [0, 1, 2])],
)
def test_stops_after_the_last_site_read(llama, site, blocks):
    ran, handles = count_blocks(llama.traced.module)
    stopped = llama.traced.trace(IDS, [site, "embed"], logits=False)
    assert stopped.logits is None
    assert ran == blocks
    llama.traced.prefixes.clear()
    ran.clear()
    whole = llama.traced.trace(IDS, [site])
    assert ran == [0, 1, 2, "head"]
    for handle in handles:
        handle.remove()
    assert torch.equal(stopped.values[Site.parse(site)], whole.values[Site.parse(site)])


def test_a_write_after_the_last_site_read_is_not_run(llama):
    def never(*_):
        raise AssertionError("ran")

    llama.traced.trace(IDS, ["resid_post.0"], {Site("resid_post", 2): never}, logits=False)
    with pytest.raises(AssertionError, match="ran"):
        llama.traced.trace(IDS, ["resid_post.0"], {Site("resid_post", 2): never})


class Odd(Exception):
    def __init__(self, one, two):
        super().__init__(one, two)


@pytest.mark.parametrize("error", [Odd(1, 2), EditError("No.", "Try."), KeyboardInterrupt(), StopIteration(3)])
@pytest.mark.parametrize("stream", ["embed", "resid_pre", "resid_mid", "attn_out"])
def test_a_failing_write_comes_out_as_it_is(llama, error, stream):
    site = Site(stream, None if stream == "embed" else 1)
    expected = llama.traced.trace(IDS).logits

    def fail(*_):
        raise error

    with pytest.raises(type(error)) as caught:
        llama.traced.trace(IDS, ["resid_post.2"], {site: fail})
    assert caught.value is error
    llama.traced.prefixes.clear()
    assert torch.equal(llama.traced.trace(IDS).logits, expected)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(llama.traced.lock.acquire, timeout=1).result()
        pool.submit(llama.traced.lock.release).result()


@pytest.mark.parametrize("result", [None, 3, "x", torch.zeros(1), torch.zeros(1, 14, 15)])
def test_a_write_of_another_shape_is_refused(llama, result):
    with pytest.raises(EditError, match=r"write at mlp_out\.1 returned"):
        llama.traced.trace(IDS, [], {Site("mlp_out", 1): lambda *_: result})


@pytest.mark.parametrize("grad", [False, True])
def test_a_write_of_the_value_itself_changes_nothing(pair, grad):
    expected = pair.traced.trace(IDS).logits
    writes = {site: lambda value, *_: value for site in pair.traced.sites()}
    trace = pair.traced.trace(IDS, pair.traced.sites(), writes, grad=grad)
    assert torch.equal(trace.logits, expected)
    assert all(trace.before[site] is trace.values[site] for site in trace.values)


@pytest.mark.parametrize(
    ("ids", "says"),
    [
        ([], "empty"),
        ([[]], "empty"),
        ([[1, 2], [3]], "token ids"),
        ("text", "token ids"),
        (None, "token ids"),
        ([1.5], "not ids"),
        ([True], "not ids"),
        ([[[1]]], "not ids"),
        ([-1], r"-1 is outside the vocabulary of 61"),
        ([61], r"61 is outside"),
        ([2**70], "token ids"),
        ([1] * 33, r"33 tokens; this model reads 32\."),
    ],
)
def test_ids_that_are_none_are_refused(llama, ids, says):
    with pytest.raises(PromptError, match=says):
        llama.traced.trace(ids)


def test_unknown_sites_are_refused(llama):
    for site in ("resid_post.3", Site("resid_post", 9), "nowhere", 7):
        with pytest.raises(SiteError, match=r"It has embed, .*resid_post\.0-2"):
            llama.traced.trace(IDS, [site])
    with pytest.raises(SiteError, match="no site"):
        llama.traced.trace(IDS, [], {Site("mlp_out", 3): lambda value, *_: value})


def shaken(traced, expected, threads, runs):
    """Many runs from many threads; how many went wrong, and how."""
    problems = []

    def work(seed):
        for i in range(runs):
            ids = tiny.prompt((seed * runs + i) % len(expected))
            try:
                trace = traced.trace(ids, ["resid_post.1"], {Site("mlp_out", 0): lambda v, *_: v * 1.5})
                value = trace.values[Site("resid_post", 1)]
                right, logits = expected[(seed * runs + i) % len(expected)]
                if not (torch.equal(value, right) and torch.equal(trace.logits, logits)):
                    problems.append("wrong value")
            except Exception as error:
                problems.append(type(error).__name__)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return problems


class NoLock:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


@pytest.fixture
def busy():
    """A model, right answers, and threads that take turns far more often than usual."""
    traced = TracedModel.wrap(tiny.make("llama"))
    write = {Site("mlp_out", 0): lambda v, *_: v * 1.5}
    runs = [traced.trace(tiny.prompt(seed), ["resid_post.1"], write) for seed in range(7)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield traced, [(run.values[Site("resid_post", 1)], run.logits) for run in runs]
    sys.setswitchinterval(interval)


def test_four_threads_times_fifty_runs(busy):
    traced, expected = busy
    assert shaken(traced, expected, threads=4, runs=50) == []


def test_two_wrappers_of_one_module_share_the_lock(busy):
    traced, expected = busy
    other = TracedModel.wrap(traced.module)
    assert other is not traced
    assert other.lock is traced.lock
    assert TracedModel.wrap(traced) is traced
    assert TracedModel.wrap(copy.deepcopy(traced.module)).lock is not traced.lock
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(shaken, model, expected, 2, 15) for model in (traced, other)]
        assert [job.result() for job in both] == [[], []]


@pytest.mark.filterwarnings("ignore")
def test_control_without_the_lock_runs_break_each_other(busy):
    traced, expected = busy
    traced.lock = NoLock()
    assert len(shaken(traced, expected, threads=4, runs=10)) > 3


def test_the_lock_is_re_entrant_and_held_during_a_run(llama):
    free = []

    def write(value, *_):
        with ThreadPoolExecutor(1) as pool:
            free.append(pool.submit(llama.traced.lock.acquire, blocking=False).result())
        return value

    with llama.traced.lock:
        llama.traced.trace(IDS, [], {Site("resid_post", 0): write})
    assert free == [False]


def test_locks_go_with_their_modules():
    import gc
    import weakref

    module = tiny.make("gpt2")
    traced = TracedModel.wrap(module)
    traced.trace(IDS, ["resid_post.1"])
    gone = weakref.ref(module)
    del module, traced
    gc.collect()
    assert gone() is None
