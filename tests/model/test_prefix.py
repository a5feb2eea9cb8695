"""The prefix cache: equal to a full run, never stale, bounded."""

import random

import pytest
import torch

from saewidgets.model import TracedModel, prefix
from saewidgets.sites import Site
from tests.model import tiny

CLOSE = {"rtol": 1e-4, "atol": 1e-4}


def at(positions, factor):
    """A write at some positions of the prompt, whatever part of it a pass sees."""

    def write(value, _values, offset):
        value = value.clone()
        for position in positions:
            if offset <= position < offset + value.shape[1]:
                value[:, position - offset] *= factor
        return value

    return write


def assert_same(one, other):
    torch.testing.assert_close(one.logits, other.logits, **CLOSE)
    assert one.values.keys() == other.values.keys()
    for site in one.values:
        torch.testing.assert_close(one.values[site], other.values[site], **CLOSE, msg=str(site))
        torch.testing.assert_close(one.before[site], other.before[site], **CLOSE, msg=str(site))
    assert torch.equal(one.ids, other.ids)


def changed(ids, rng):
    """What a person does to a prompt: change, insert, delete, append, cut; mostly near the end."""
    ids, where = list(ids), int(len(ids) * rng.random() ** 0.4)
    kind = rng.choice(["change", "insert", "delete", "append", "cut"])
    new = rng.randrange(1, tiny.VOCAB)
    if kind == "change":
        ids[where] = new
    elif kind == "insert":
        ids.insert(where, new)
    elif kind == "append":
        ids.append(new)
    elif kind == "delete":
        del ids[where]
    else:
        del ids[max(1, where) :]
    return ids[: tiny.CONTEXT - 1] if len(ids) > 2 else tiny.prompt(rng.randrange(99))


def test_random_editing_equals_full_runs(pair):
    """Prompts, edits, first positions and read sites all vary; the cache never shows."""
    rng = random.Random(7)
    full = TracedModel(pair.traced.module, family=pair.traced._family, cache_bytes=0)
    sites = ["resid_pre.0", "attn_out.1", "resid_post.2", "final"]
    ids, reused = tiny.prompt(1), 0
    for _ in range(60):
        ids = changed(ids, rng)
        writes, key, first = {}, None, 0
        if rng.random() < 0.6:
            # Few different edits, so that keys come back under other prompts.
            positions = rng.choice([(1, 4), (5,), (9, 11), (12,), (20,)])
            site = rng.choice([Site("resid_post", 0), Site("mlp_out", 1), Site("attn_out", 1)])
            key, first = (positions, str(site)), positions[0]
            writes = {site: at(positions, 3.0)}
        read = sites if rng.random() < 0.7 else rng.sample(sites, rng.randrange(4))
        trace = pair.traced.trace(ids, read, writes, key=key, first_edit=first)
        assert_same(trace, full.trace(ids, read, writes))
        assert full.trace(ids).reused == 0
        reused += trace.reused
    assert reused > 200


def test_the_same_prompt_again_runs_nothing(llama):
    ids = tiny.prompt()
    runs = []
    handle = llama.traced.module.model.layers[0].register_forward_hook(lambda *_: runs.append(1))
    first = llama.traced.trace(ids, ["resid_post.1"])
    again = llama.traced.trace(ids, ["resid_post.1"])
    handle.remove()
    assert len(runs) == 1
    assert again.reused == len(ids)
    assert torch.equal(first.logits, again.logits)


def test_an_edit_at_the_end_costs_the_suffix(llama):
    ids, seen = tiny.prompt(), []
    llama.traced.trace(ids)
    last = llama.traced.module.model.layers[2]
    handle = last.register_forward_hook(lambda _m, args, _o: seen.append(args[0].shape[1]))
    trace = llama.traced.trace([*ids[:-1], 3])
    handle.remove()
    assert (trace.reused, seen) == (len(ids) - 1, [1])


def test_sites_not_stored_are_computed(llama):
    ids = tiny.prompt()
    llama.traced.trace(ids, ["resid_post.1"])
    assert llama.traced.trace(ids, ["resid_post.0"]).reused == 0
    llama.traced.trace(ids[:-1], ["embed", "resid_pre.0"], logits=False)
    # That run had no keys of any block: it may not lend anything to one that goes further.
    assert llama.traced.trace([*ids[:-1], 5], ["embed", "resid_pre.0"], logits=False).reused == 0


def test_a_stopped_run_lends_to_runs_no_deeper(llama):
    ids = tiny.prompt()
    llama.traced.trace(ids, ["resid_post.0", "resid_post.1"], logits=False)
    again = llama.traced.trace([*ids[:-1], 5], ["resid_post.0"], logits=False)
    assert again.reused == len(ids) - 1
    expected = llama.plain.model(torch.tensor([[*ids[:-1], 5]]), output_hidden_states=True).hidden_states[1]
    torch.testing.assert_close(again.values[Site("resid_post", 0)], expected, **CLOSE)
    assert llama.traced.trace([*ids[:-1], 5], ["resid_post.0"]).reused == 0


def test_writes_without_a_key_share_nothing(llama):
    ids, site = tiny.prompt(), Site("resid_post", 0)
    llama.traced.trace(ids)
    for _ in range(2):
        assert llama.traced.trace(ids, [], {site: at([2], 2.0)}).reused == 0
    # No key of the caller can be taken for "no writes".
    assert llama.traced.trace(ids, [], {site: at([2], 2.0)}, key=()).reused == 0


def test_a_key_shares_only_with_itself(llama):
    ids, site = tiny.prompt(), Site("resid_post", 0)
    llama.traced.trace(ids, [], {site: at([2], 2.0)}, key="two")
    assert llama.traced.trace(ids, [], {site: at([2], 2.0)}, key="two").reused == len(ids)
    assert llama.traced.trace(ids, [], {site: at([2], 5.0)}, key="five").reused == 0
    assert llama.traced.trace(ids, []).reused == 0
    assert llama.traced.trace(ids, [], {site: at([4], 5.0)}, key="late", first_edit=4).reused == 4


def test_control_a_stale_prefix_is_off(pair, monkeypatch):
    """The comparison above would notice: take over one token too many and it fails."""
    ids = tiny.prompt()
    other = [*ids[:6], ids[6] % (tiny.VOCAB - 1) + 1, *ids[7:]]
    pair.traced.trace(ids)
    monkeypatch.setattr(prefix, "_common", lambda a, b: 8)
    stale = pair.traced.trace(other).logits
    with torch.no_grad():
        assert (stale - pair.plain(torch.tensor([other])).logits).abs().max() > 1e-2
    pair.traced.prefixes.clear()


def test_what_a_caller_does_to_results_stays_with_the_caller(llama):
    ids, site = tiny.prompt(), Site("resid_post", 1)
    first = llama.traced.trace(ids, [site])
    kept = first.values[site].clone()
    for _ in range(2):
        trace = llama.traced.trace(ids, [site])
        torch.testing.assert_close(trace.values[site], kept, rtol=0, atol=0)
        trace.values[site].zero_()
        trace.logits.zero_()
        first.values[site].zero_()


def test_what_a_caller_does_to_joined_logits_stays_with_the_caller(llama):
    ids = tiny.prompt()
    llama.traced.trace(ids[:-2])
    for end in (-1, None, -1, None):
        trace = llama.traced.trace(ids[:end])
        assert trace.reused >= len(ids) - 2
        expected = llama.plain(torch.tensor([ids[:end]])).logits
        torch.testing.assert_close(trace.logits, expected, **CLOSE)
        trace.logits.zero_()


def test_prompts_that_begin_alike_share_their_logits(llama):
    ids = tiny.prompt()
    for end in range(10, len(ids) + 1):
        llama.traced.trace(ids[:end])
    *_, last, longest = (entry.logits for entry in llama.traced.prefixes._entries.values())
    assert [part.shape[1] for part in longest] == [10, *[1] * (len(ids) - 10)]
    assert [part.data_ptr() for part in longest[:-1]] == [part.data_ptr() for part in last]
    # A view of a few rows would keep all of the part in memory: those are copied.
    for end, shared in ((8, True), (3, False)):
        llama.traced.trace([*ids[:end], 1 + ids[end] % (tiny.VOCAB - 1)])
        *_, newest = (entry.logits for entry in llama.traced.prefixes._entries.values())
        assert [part.shape[1] for part in newest] == [end, 1]
        assert (newest[0].untyped_storage().data_ptr() == longest[0].untyped_storage().data_ptr()) is shared


def test_changed_weights_are_noticed():
    module = tiny.make("gpt2")
    traced, ids = TracedModel.wrap(module), tiny.prompt()
    before = traced.trace(ids).logits
    with torch.no_grad():
        module.transformer.h[1].mlp.c_proj.weight.mul_(2)
    after = traced.trace(ids)
    assert after.reused == 0
    assert not torch.equal(before, after.logits)
    module.transformer.ln_f = module.transformer.ln_f.to(torch.float32)
    module.transformer.ln_f.weight = torch.nn.Parameter(module.transformer.ln_f.weight.detach() * 2)
    assert traced.trace(ids).reused == 0


def test_the_bound_holds_and_the_oldest_goes_first(llama):
    traced = TracedModel(llama.traced.module, family=llama.traced._family, cache_bytes=200_000)
    held = []
    for seed in range(60):
        traced.trace(tiny.prompt(seed), ["resid_post.1"])
        traced.trace(tiny.prompt(0), ["resid_post.1"])
        held.append(traced.prefixes.nbytes)
        assert held[-1] == sum(entry.nbytes for entry in traced.prefixes._entries.values())
    assert max(held) <= 200_000
    assert 1 < len(traced.prefixes) < 40
    assert traced.trace(tiny.prompt(0), ["resid_post.1"]).reused == 14
    assert traced.trace(tiny.prompt(59), ["resid_post.1"]).reused == 14
    assert traced.trace(tiny.prompt(3), ["resid_post.1"]).reused < 14
    traced.prefixes.clear()
    assert (traced.prefixes.nbytes, len(traced.prefixes)) == (0, 0)


def test_an_entry_larger_than_the_bound_is_not_kept(llama):
    traced = TracedModel(llama.traced.module, family=llama.traced._family, cache_bytes=1000)
    traced.trace(tiny.prompt())
    assert len(traced.prefixes) == 0


def test_rotary_angles_that_depend_on_length_share_nothing():
    rope = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
    traced = TracedModel.wrap(tiny.make("llama", rope_parameters=rope))
    for _ in range(2):
        assert traced.trace(tiny.prompt()).reused == 0


def test_a_failed_run_leaves_nothing(llama):
    def fail(*_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        llama.traced.trace(tiny.prompt(), [], {Site("resid_post", 2): fail}, key="fail")
    assert len(llama.traced.prefixes) == 0


def test_runs_in_and_out_of_inference_mode_share(llama):
    ids = tiny.prompt()
    with torch.inference_mode():
        llama.traced.trace(ids, ["resid_mid.1"], {Site("resid_mid", 1): at([0], 2.0)}, key="a")
        llama.traced.trace(ids, ["resid_mid.1"])
    trace = llama.traced.trace([*ids[:-1], 5], ["resid_mid.1"])
    with torch.no_grad():
        expected = llama.plain(torch.tensor([[*ids[:-1], 5]])).logits
    assert trace.reused == len(ids) - 1
    torch.testing.assert_close(trace.logits, expected, **CLOSE)
    assert llama.traced.trace(ids, ["resid_mid.1"], {Site("resid_mid", 1): at([0], 2.0)}, key="a").reused == len(ids)


def test_values_of_a_kept_run_can_be_differentiated_through(llama):
    ids, site, weight = tiny.prompt(), Site("resid_post", 1), torch.ones(1, requires_grad=True)
    for prompt in (ids, [*ids[:-1], 5], ids):
        trace = llama.traced.trace(prompt, [site])
        (trace.values[site] * trace.before[site] * trace.logits.sum() * weight).sum().backward()
    assert weight.grad.isfinite().all()
