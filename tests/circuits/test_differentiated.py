"""Graphs of architectures that no table knows: by automatic differentiation, the same numbers."""

from typing import Any

import numpy as np
import pytest
import transformers as hf

import saewidgets.model.freeze as room
from saewidgets.circuits import head_edges, measure
from saewidgets.circuits.experiment import Experiment
from saewidgets.circuits.nodes import FEATURE
from saewidgets.errors import CircuitError, ModelError
from saewidgets.scope import Scope
from tests.circuits import cases
from tests.model import tiny

IDS = tiny.prompt(3, 9)
LLAMA = {
    "resid_pre": "model.layers.{layer}.input",
    "attn_z": "model.layers.{layer}.self_attn.o_proj.input",
    "attn_out": "model.layers.{layer}.self_attn.output",
    "resid_mid": "model.layers.{layer}.post_attention_layernorm.input",
    "mlp_in": "model.layers.{layer}.mlp.input",
    "mlp_out": "model.layers.{layer}.mlp.output",
    "resid_post": "model.layers.{layer}.output",
    "final": "model.norm.output",
}
# Norms stand behind attention and MLP, and nowhere before them.
OLMO = {key: value for key, value in LLAMA.items() if key != "resid_mid"} | {
    "attn_out": "model.layers.{layer}.post_attention_layernorm.output",
    "mlp_out": "model.layers.{layer}.post_feedforward_layernorm.output",
}


@pytest.mark.parametrize("kind", ["topk", "skip", "cross-skip"])
@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_both_ways_give_one_graph(family: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scope, dictionaries = cases.scope(family), cases.transcoders(kind)
    one = scope.attribute(IDS, [5, 9], dictionaries=dictionaries)
    monkeypatch.setattr(room, "_is_known", lambda model: False)
    other = scope.attribute(IDS, [5, 9], dictionaries=dictionaries)
    assert "explicit gradients" in one.method and "automatic differentiation" in other.method
    assert one.columns.ids == other.columns.ids
    largest = np.abs(one.adjacency).max()
    assert np.abs((one.adjacency - other.adjacency).toarray()).max() <= 1e-5 * largest
    assert np.allclose(one.columns.bias, other.columns.bias, atol=1e-4)
    assert other.residual < 1e-5


def unknown(name: str) -> Scope:
    options: dict[str, Any] = {
        "vocab_size": tiny.VOCAB, "hidden_size": 16, "num_hidden_layers": tiny.LAYERS, "num_attention_heads": 2,
        "num_key_value_heads": 2, "intermediate_size": 24, "max_position_embeddings": 32, "pad_token_id": 0,
    }  # fmt: skip
    import torch

    torch.manual_seed(0)
    if name == "phi3":
        module: Any = hf.Phi3ForCausalLM(hf.Phi3Config(**options)).eval()
    else:
        module = hf.Olmo2ForCausalLM(hf.Olmo2Config(**options)).eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.15)
    sites = LLAMA if name == "phi3" else OLMO
    return Scope(module, cases.transcoders("skip"), tokenizer=tiny.tokenizer(), sites=sites)


@pytest.mark.parametrize("name", ["phi3", "olmo2"])
def test_an_architecture_without_a_table(name: str) -> None:
    """Its edges are what changes in the model itself."""
    scope = unknown(name)
    graph = scope.attribute(IDS, [5, 9])
    assert "automatic differentiation" in graph.method and graph.residual < 1e-5 and graph.complete
    c = graph.columns
    rng = np.random.default_rng(0)
    nodes = [c.ids[n] for n in rng.permutation(np.flatnonzero((c.kind == FEATURE) & (c.layer < 2)))[:4]]
    found = measure(Experiment(scope, graph), [*nodes, "token@3", "error.0@4"], propagation="direct", controls=2).table
    largest = np.abs(graph.adjacency).max()
    assert np.abs(found["predicted"] - found["measured"]).max() <= 3e-5 * largest
    assert found["measured"].abs().max() > 1e-2 * largest
    with pytest.raises(CircuitError, match="cannot be told apart"):
        head_edges(scope, graph, c.ids[-1])


def test_what_cannot_be_frozen_at_all() -> None:
    scope = Scope(
        tiny.make("llama"), tokenizer=tiny.tokenizer(),
        sites={"resid_post": "model.layers.{layer}.output", "mlp_in": "model.layers.{layer}.mlp.input",
               "mlp_out": "model.layers.{layer}.mlp.output"},
    )  # fmt: skip
    with pytest.raises(ModelError, match="cannot be frozen"):
        scope.attribute(IDS, 5, dictionaries=cases.transcoders("relu"))
