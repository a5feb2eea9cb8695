"""Attention patterns, held normalisations, and passes under plain hooks, on every family."""

import pytest
import torch

from saewidgets.errors import EditError, ModelError, PromptError
from saewidgets.interventions import ablate
from saewidgets.model import TracedModel
from saewidgets.model.attention import attend
from saewidgets.model.hooks import controlled, unwrapped
from saewidgets.scope import Scope
from saewidgets.sites import Site
from tests.model import tiny
from tests.model.conftest import pair_of

IDS = tiny.prompt()
CLOSE = {"rtol": 1e-5, "atol": 2e-6}


def test_patterns_are_those_of_transformers(pair):
    eager = tiny.make(next(name for name in tiny.FAMILIES if pair_of(name) is pair))
    eager.set_attn_implementation("eager")
    with torch.no_grad():
        expected = eager(torch.tensor([IDS]), output_attentions=True)
    trace = pair.traced.trace(IDS, pair.traced.patterns())
    for layer, pattern in enumerate(expected.attentions):
        assert torch.equal(trace.values[Site("attn_pattern", layer)], pattern)
    assert torch.equal(trace.logits, expected.logits)


def test_a_pass_under_hooks_reads_what_a_trace_reads(pair):
    sites = (*pair.traced.sites(), *pair.traced.patterns())
    hooks, trace = (pair.traced.trace(IDS, sites, scales=scales) for scales in (True, False))
    assert hooks.values.keys() == trace.values.keys()
    for site, value in trace.values.items():
        assert torch.equal(hooks.values[site], value), site
    assert torch.equal(hooks.logits, trace.logits)


def test_its_own_scales_held_change_nothing_and_others_do(pair):
    own = pair.traced.trace(IDS, scales=True)
    norms = [name for name, part in pair.plain.named_modules() if "Norm" in type(part).__name__]
    assert set(own.scales) == {name for name in norms if not name.endswith(("q_norm", "k_norm"))}
    torch.testing.assert_close(pair.traced.trace(IDS, scales=own.scales).logits, own.logits, **CLOSE)
    other = pair.traced.trace(tiny.prompt(1), scales=True)
    assert (pair.traced.trace(IDS, scales=other.scales).logits - own.logits).abs().max() > 1e-3


@pytest.mark.parametrize("cached", [True, False])
def test_a_text_that_grows_is_the_text_as_a_whole(pair, cached):
    growth = pair.traced.grow(cached)
    found = [growth.advance(torch.tensor([IDS[:9], IDS[:9]]))]
    found += [growth.advance(torch.tensor([[token], [token]])) for token in IDS[9:]]
    with torch.no_grad():
        expected = pair.plain(torch.tensor([IDS])).logits[0, 8:]
    for row in (0, 1):
        torch.testing.assert_close(torch.stack(found)[:, row], expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(PromptError, match="33 tokens"):
        growth.advance(torch.tensor([[1] * 19] * 2))
    assert growth.length == 14


def test_what_a_growing_text_leaves_can_be_differentiated(llama):
    rotary = llama.traced.module.model.rotary_emb
    # As one that stretches its frequencies with the length of the text does.
    handle = rotary.register_forward_pre_hook(lambda part, _args: setattr(part, "inv_freq", part.inv_freq * 1.0))
    try:
        logits = llama.traced.grow().advance(torch.tensor([IDS]))
    finally:
        handle.remove()
    assert not rotary.inv_freq.is_inference()
    assert not logits.is_inference()
    weight = torch.ones((), requires_grad=True)
    ((logits * weight).square().sum() * rotary.inv_freq.sum()).backward()
    assert weight.grad > 0


def test_the_model_is_plain_while_it_is_unwrapped(llama):
    module = llama.traced.module
    wrapped = [part for part in module.modules() if "forward" in part.__dict__]
    controllers = [part.__dict__["forward"] for part in wrapped]
    assert wrapped

    def fail():
        with unwrapped(controlled(module)):
            assert not any("forward" in part.__dict__ for part in module.modules())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert controllers == [part.__dict__["forward"] for part in wrapped]


def test_a_model_without_known_attention_says_so():
    module = tiny.make("llama")
    traced = TracedModel.wrap(module, tiny.tokenizer(), sites={"resid_post": "model.layers.{layer}.output"})
    scope = Scope(traced)
    assert traced.patterns() == ()
    for propagation in ("frozen_attention", "direct"):
        with pytest.raises(EditError, match="cannot be frozen"):
            scope.run_ids(IDS, propagation=propagation)
    with pytest.raises(Exception, match=r"no site 'attn_pattern\.1'"):
        scope.run_ids(IDS, edits=[ablate("pattern.1.0")])


def test_attention_with_sinks_is_refused():
    with pytest.raises(EditError, match="sinks"):
        attend(None, torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2), None, s_aux=torch.ones(1))


def test_a_model_that_is_elsewhere_does_not_grow_texts():
    empty = TracedModel.__new__(TracedModel)
    empty.module = torch.nn.Linear(2, 2, device="meta")
    with pytest.raises(ModelError, match="remote"):
        empty.grow()
