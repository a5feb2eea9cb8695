"""Conventions the embedded model does not have: other shapes of Llama, tokenizers, norms and nonlinearities."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import saewidgets as sw
from saewidgets.dictionaries import Activation, FeedForward, Norm
from saewidgets.runs.heatmap import HeatmapRequest, heatmap_payload
from saewidgets.sites import Site
from tests.engine.program import differences, run_engine

TEXTS = ["Mira's red boat isn't  here.\n\nTom said 42.", " Ünï 😀 they'll  go", "x"]
D = 32


def other_tokenizer() -> PreTrainedTokenizerFast:
    """As GPT-2's: its own pattern, a space before the text, merges for every token, bos and eos around."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=330, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet)
    tokenizer.train_from_iterator([*TEXTS, "they'll say that Mira isn't there; Tom's boat is red."] * 4, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")


def other_model() -> LlamaForCausalLM:
    """Untied, with heads that share keys and are wider than the stream in sum, weights that float16 cannot hold."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=340, hidden_size=D, intermediate_size=48, num_hidden_layers=3, num_attention_heads=8,
        num_key_value_heads=2, head_dim=6, max_position_embeddings=64, tie_word_embeddings=False, rope_theta=500.0,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    for parameter in model.parameters():
        parameter.data.mul_(4)
    return model


def sae(site: str, activation: Activation, *, to: str = "", **more: Any) -> FeedForward:
    draw = torch.Generator().manual_seed(len(site) + len(activation.kind))
    d_in = 48 if site.startswith("attn_z") else D

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=draw)

    values = {name: random(*value) if isinstance(value, tuple) else value for name, value in more.items()}
    return FeedForward(
        random(d_in, 64), random(64, d_in), random(64) / 4, random(d_in) / 4, activation,
        Site.parse(site), Site.parse(to or site), architecture=activation.kind, **values,
    )  # fmt: skip


def dictionaries() -> dict[str, FeedForward]:
    above = torch.linspace(0.5, 2, 64)
    return {
        "embed": sae("embed", Activation("relu"), b_in=(D,)),
        "resid_pre.0": sae("resid_pre.0", Activation("topk", k=5), norm=Norm("layer_norm")),
        "attn_z.0": sae("attn_z.0", Activation("jumprelu", threshold=torch.tensor(0.5)), b_in=(48,)),
        "resid_mid.0": sae("resid_mid.0", Activation("abstopk", k=6), norm=Norm("factor", 0.5), row_scale=above),
        "mlp_in.0": sae("mlp_in.0", Activation("topk", k=4, rectify=False), to="mlp_out.0", W_skip=(D, D)),
        "resid_post.0": sae("resid_post.0", Activation("groupmax", k=8), norm=Norm("token_norm"), value_scale=above),
        "mlp_out.1": sae("mlp_out.1", Activation("prolu", threshold=-above), gate_scale=above),
        "resid_post.1": sae("resid_post.1", Activation("batchtopk", k=3)),
        "final": sae("final", Activation("identity"), row_scale=torch.tensor(0.5)),
    }


@pytest.fixture(scope="module")
def other() -> sw.Scope:
    return sw.Scope(other_model(), dictionaries(), tokenizer=other_tokenizer(), labels={"embed/3": "three"})


def test_runs(other: sw.Scope, tmp_path: Path) -> None:
    requests = [HeatmapRequest(text, ("embed/3", "final/1"), site="embed") for text in TEXTS]
    for request, found in zip(requests, run_engine(tmp_path, other, requests, list(other.dictionaries)), strict=True):
        run = other.run(request.prompt)
        assert found.ids == list(run.token_ids)
        assert np.abs(found.logits - run.logits.numpy()).max() < 1e-3
        assert found.payload is not None
        assert differences(heatmap_payload(other, request), found.payload) == []


@pytest.mark.parametrize("key", dictionaries())
@pytest.mark.parametrize("dropped", [False, True])
def test_edits(other: sw.Scope, tmp_path: Path, key: str, dropped: bool) -> None:
    """Each convention with every kind of edit: the way from a change of features to what is written."""
    used = other.run(TEXTS[0]).features[key].index.unique().tolist()
    one, two, three = (f"{key}/{i}" for i in used[:3])
    edits = (
        sw.ablate(one), sw.scale(two, 2.0, positions=[1, 3]), sw.clamp(one, 1.5, positions=[2], when_active=True),
        sw.steer(three, 0.5, relative=True), sw.steer(two, -1.0),
    )  # fmt: skip
    term = "dropped" if dropped else "kept"
    requests = [HeatmapRequest(TEXTS[0], (one, two), edits, term, site=key, seed=3)]
    found = run_engine(tmp_path, other, requests, list(other.dictionaries))[0]
    assert found.payload is not None
    assert differences(heatmap_payload(other, requests[0], control=True), found.payload) == []
