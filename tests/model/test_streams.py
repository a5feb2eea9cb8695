"""Every stream of every family: values, gradients and writes equal to plain hooks."""

import pytest
import torch

from saewidgets.errors import SiteError
from saewidgets.sites import STREAMS, Site
from tests.model import oracle, tiny

IDS = tiny.prompt()
CLOSE = {"rtol": 1e-5, "atol": 1e-6}


def change(value, _values, offset):
    """A write whose effect depends on value, feature and position."""
    rows = torch.arange(value.shape[1]).view(1, -1, 1) + offset
    columns = torch.linspace(-1, 1, value.shape[2])
    return value * 1.25 + 0.1 * columns * (rows % 3)


def test_every_stream_is_there(pair):
    streams = {site.stream for site in pair.traced.sites()}
    missing = {"resid_mid"} if not hasattr(pair.plain, "transformer") and _parallel(pair.plain) else set()
    assert streams == set(STREAMS) - missing - {"attn_pattern"}
    assert {site.stream for site in pair.traced.patterns()} == {"attn_pattern"}
    assert len(pair.traced.sites()) == (7 - len(missing)) * tiny.LAYERS + 2


def _parallel(module):
    return getattr(module.config, "use_parallel_residual", False)


def test_values_equal_hooks(pair):
    sites = list(pair.traced.sites())
    trace = pair.traced.trace(IDS, sites)
    expected = oracle.run(pair.plain, IDS, sites)
    for site in sites:
        torch.testing.assert_close(trace.values[site], expected.values[site], rtol=0, atol=0, msg=str(site))
        assert trace.before[site] is trace.values[site]
    assert torch.equal(trace.logits, expected.logits)


def test_logits_without_edits_are_bit_identical(pair):
    for seed in range(5):
        ids = tiny.prompt(seed, tokens=3 + 5 * seed)
        pair.traced.prefixes.clear()
        with torch.no_grad():
            expected = pair.plain(torch.tensor([ids])).logits
        assert torch.equal(pair.traced.trace(ids).logits, expected)


def test_gradients_equal_hooks(pair):
    sites = list(pair.traced.sites())
    trace = pair.traced.trace(IDS, sites, grad=True)
    expected = oracle.run(pair.plain, IDS, sites, grad=True)
    ours = torch.autograd.grad(goal(trace.logits), [trace.values[s] for s in sites])
    theirs = torch.autograd.grad(goal(expected.logits), [expected.values[s] for s in sites])
    for site, a, b in zip(sites, ours, theirs, strict=True):
        torch.testing.assert_close(a, b, **CLOSE, msg=str(site))
        assert a.abs().max() > 0


def goal(logits):
    return (logits[0, -1, 7] - logits[0, -1, 11]) + logits[0, 3].logsumexp(-1)


@pytest.mark.parametrize("stream", [stream for stream in STREAMS if stream != "attn_pattern"])
def test_writes_equal_hooks(pair, stream):
    site = Site(stream, None if stream in ("embed", "final") else 1)
    if site not in pair.traced.sites():
        with pytest.raises(SiteError, match=r"no site 'resid_mid\.1'"):
            pair.traced.trace(IDS, [site])
        return
    sites = list(pair.traced.sites())
    trace = pair.traced.trace(IDS, sites, {site: change})
    expected = oracle.run(pair.plain, IDS, sites, {site: change})
    assert not torch.equal(trace.before[site], trace.values[site])
    # Moved through an addition by the oracle, written as it is by us: equal up to rounding.
    close = {"rtol": 1e-4, "atol": 2e-5} if stream == "resid_mid" else {"rtol": 0, "atol": 0}
    for other in sites:
        torch.testing.assert_close(trace.values[other], expected.values[other], **close, msg=str(other))
        torch.testing.assert_close(trace.before[other], expected.before[other], **close, msg=str(other))
    torch.testing.assert_close(trace.logits, expected.logits, **close)
    assert not torch.equal(trace.logits, pair.traced.trace(IDS).logits)


def test_many_writes_and_their_gradients_equal_hooks(pair):
    sites = list(pair.traced.sites())
    writes = {site: change for site in sites if site.layer == 1}
    trace = pair.traced.trace(IDS, sites, writes, grad=True)
    expected = oracle.run(pair.plain, IDS, sites, writes, grad=True)
    torch.testing.assert_close(trace.logits, expected.logits, rtol=1e-4, atol=1e-4)
    ours = torch.autograd.grad(goal(trace.logits), [trace.values[s] for s in sites], retain_graph=True)
    theirs = torch.autograd.grad(goal(expected.logits), [expected.values[s] for s in sites], retain_graph=True)
    for site, a, b in zip(sites, ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5, msg=str(site))
    ours = torch.autograd.grad(goal(trace.logits), [trace.before[s] for s in sites])
    theirs = torch.autograd.grad(goal(expected.logits), [expected.before[s] for s in sites])
    for site, a, b in zip(sites, ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5, msg=str(site))


def test_a_write_sees_what_was_read_before_it(llama):
    seen = {}

    def write(value, values, offset):
        seen.update(values)
        return value

    reads = ["resid_post.0", "mlp_in.1", "resid_post.2"]
    trace = llama.traced.trace(IDS, reads, {Site("mlp_out", 1): write})
    assert set(seen) == {Site("resid_post", 0), Site("mlp_in", 1)}
    assert seen[Site("mlp_in", 1)] is trace.values[Site("mlp_in", 1)]


def test_gradients_of_a_frozen_model(llama):
    frozen = tiny.make("llama").requires_grad_(False)
    traced = type(llama.traced).wrap(frozen)
    site = Site("resid_mid", 1)
    trace = traced.trace(IDS, [site], grad=True)
    expected = llama.traced.trace(IDS, [site], grad=True)
    ours = torch.autograd.grad(goal(trace.logits), trace.values[site])[0]
    torch.testing.assert_close(ours, torch.autograd.grad(goal(expected.logits), expected.values[site])[0], **CLOSE)


def test_a_batch_is_its_rows(pair):
    rows = [tiny.prompt(seed) for seed in range(3)]
    batch = pair.traced.trace(torch.tensor(rows), ["resid_post.1"])
    for row, ids in enumerate(rows):
        one = pair.traced.trace(ids, ["resid_post.1"])
        torch.testing.assert_close(batch.logits[row], one.logits[0], rtol=1e-4, atol=1e-5)
    assert batch.ids.tolist() == rows
