"""The self-check: passes on every family, names what is wrong under a wrong mapping."""

import pytest
import torch

from saewidgets.errors import ModelError
from saewidgets.model import FAMILIES, TracedModel
from tests.model import tiny


def test_every_family_adds_up(pair):
    check = pair.traced.self_check()
    assert check.blocks == tiny.LAYERS
    assert check.worst < 1e-5
    assert {"resid_pre", "attn_out", "mlp_out", "resid_post"} <= set(check.streams)


@pytest.mark.parametrize(
    ("family", "stream", "place", "says"),
    [
        ("llama", "attn_out", "model.layers.{layer}.input_layernorm.output", r"attn_out is not resid_mid\.0"),
        ("llama", "attn_out", "model.layers.{layer}.self_attn.v_proj.output", "different shapes"),
        ("llama", "mlp_out", "model.layers.{layer}.mlp.up_proj.input", r"resid_mid \+ mlp_out is not resid_post\.0"),
        ("llama", "mlp_out", "model.layers.{layer}.self_attn.output", "in the order of their streams: .*mlp"),
        # What Gemma 2 would be without its second pair of norms.
        ("gemma2", "attn_out", "model.layers.{layer}.self_attn.output", r"is not resid_mid\.0: off by"),
        ("gemma2", "mlp_out", "model.layers.{layer}.mlp.output", r"is not resid_post\.0: off by"),
        ("gpt_neox", "mlp_out", "gpt_neox.layers.{layer}.mlp.dense_4h_to_h.input", "different shapes"),
        ("gpt_neox", "attn_out", "gpt_neox.layers.{layer}.attention.dense.input", r"mlp_out is not resid_post\.0"),
        ("gpt2", "resid_post", "transformer.h.{layer}.mlp.output", r"is not resid_post\.0"),
        ("gpt2", "mlp_in", "transformer.h.{layer}.mlp.fc.input", "no module 'transformer.h.0.mlp.fc'"),
    ],
)
def test_a_wrong_table_is_caught(family, stream, place, says):
    module = tiny.make(family)
    right = FAMILIES[module.config.model_type].places
    TracedModel.wrap(module, sites=right)
    with pytest.raises(ModelError, match=says):
        TracedModel.wrap(module, sites={**right, stream: place})


def test_a_parallel_block_is_not_sequential():
    module = tiny.make("gpt_neox")
    with pytest.raises(ModelError, match=r"resid_pre \+ attn_out is not resid_mid\.0"):
        TracedModel.wrap(module, sites=FAMILIES["gpt_neox_sequential"])


def test_a_block_that_does_not_follow_the_last_is_caught():
    module = tiny.make("llama")
    layers = module.model.layers
    layers[1].register_forward_pre_hook(lambda _m, args: (args[0] * 1.01, *args[1:]))
    # The sums inside blocks still hold; the hook runs outside what nnsight sees, between two blocks.
    with pytest.raises(ModelError, match=r"resid_post\.0 is not resid_pre\.1"):
        TracedModel.wrap(module)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_types_are_not_refused_for_rounding(dtype):
    for family in tiny.FAMILIES:
        traced = TracedModel.wrap(tiny.make(family), dtype=dtype)
        assert traced.dtype == dtype
        assert traced.trace(tiny.prompt(), ["resid_post.1"]).logits.dtype == dtype


@pytest.mark.parametrize(
    ("sites", "says"),
    [
        ({"resid": "model.layers.{layer}.output"}, "Unknown stream 'resid'"),
        ({"resid_post": "model.layers.{layer}"}, "which side"),
        ({"resid_post": "model.layers.3.output"}, "number of layers"),
        ({"final": "model.layers.{layer}.output"}, "number of layers"),
        ({"resid_post": 7}, "which side"),
        ({"resid_post": "nowhere.{layer}.output"}, "no module 'nowhere'"),
    ],
)
def test_a_malformed_table_is_refused(sites, says):
    with pytest.raises(ModelError, match=says):
        TracedModel.wrap(tiny.make("llama"), sites=sites)


class Block(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mix, self.act = torch.nn.Linear(8, 8), torch.nn.Linear(8, 8)

    def forward(self, x):
        x = x + self.mix(x).cumsum(1)
        return x + self.act(x).relu()


class Own(torch.nn.Module):
    """A model that no table and no Hugging Face config knows."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = torch.nn.Embedding(20, 8)
        self.stack = torch.nn.ModuleList(Block() for _ in range(2))
        self.head = torch.nn.Linear(8, 20)

    def forward(self, input_ids):
        x = self.tokens(input_ids)
        for block in self.stack:
            x = block(x)
        return self.head(x)


def test_any_module_by_an_explicit_mapping():
    module = Own()
    with pytest.raises(ModelError, match="No table for the architecture 'Own'"):
        TracedModel.wrap(module)
    places = {"embed": "tokens.output", "resid_pre": "stack.{layer}.input", "resid_post": "stack.{layer}.output"}
    traced = TracedModel.wrap(module, sites=places)
    ids = [1, 5, 7]
    trace = traced.trace(ids, ["resid_post.0"], {traced.site("resid_post.0"): lambda value, *_: value * 2})
    with torch.no_grad():
        half = module.stack[0](module.tokens(torch.tensor([ids])))
        expected = module.head(module.stack[1](half * 2))
    assert torch.equal(trace.before[traced.site("resid_post.0")], half)
    assert torch.equal(trace.logits, expected)
    assert (traced.n_layers, traced.family, traced.trace(ids).reused) == (2, "custom", 0)
