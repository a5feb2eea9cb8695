"""What a page cannot compute is refused by name, when it is made."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import saewidgets as sw
from saewidgets.dictionaries import Activation, FeedForward, MatchingPursuit
from saewidgets.errors import FigureError, SaewidgetsError, SiteError
from saewidgets.interventions import Edit
from saewidgets.payloads import decode, encode
from saewidgets.runs.carry import MAX_PARAMETERS, carry
from saewidgets.runs.carry_tokenizer import javascript, tokenizer_data
from saewidgets.runs.heatmap import HeatmapRequest
from saewidgets.sites import Site

TEXT = "Mira saw a red boat."


def llama(**changes: Any) -> LlamaForCausalLM:
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(**{"vocab_size": 2048, **sizes, **changes})).eval()


def refused(scope: sw.Scope, request: HeatmapRequest | None = None) -> str:
    with pytest.raises(FigureError) as error:
        carry(scope, request or HeatmapRequest(TEXT), list(scope.dictionaries))
    assert error.value.todo
    return error.value.what


def test_models(scope: Any) -> None:
    tokenizer = scope.model.tokenizer

    def why(module: Any) -> str:
        return refused(sw.Scope(module, tokenizer=tokenizer))

    assert "family gpt2" in why(GPT2LMHeadModel(GPT2Config(n_layer=1, n_embd=16, n_head=2, vocab_size=2048)))
    large = why(llama(vocab_size=200_000, hidden_size=32))
    assert f"{MAX_PARAMETERS:,}" in large and "parameters" in large
    assert "bfloat16" in why(llama().to(torch.bfloat16))
    assert "bias" in why(llama(attention_bias=True))
    assert "gelu" in why(llama(hidden_act="gelu"))
    assert "linear" in why(llama(rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 10_000.0}))


def test_weights_that_are_no_numbers(scope: Any) -> None:
    module = llama()
    traced = sw.Scope(module, tokenizer=scope.model.tokenizer)
    module.model.norm.weight.data[0] = torch.nan
    assert "norm" in refused(traced)


def test_dictionaries(scope: Any) -> None:
    pursuit = MatchingPursuit(torch.eye(8, 128), torch.zeros(128), 2, Site.parse("resid_post.1"))
    what = refused(sw.Scope(scope.model, pursuit))
    assert "resid_post.1" in what and "MatchingPursuit" in what


@pytest.mark.parametrize(
    "edit",
    [
        sw.ablate("resid_post.1"),
        sw.ablate("head.1.1"),
        sw.ablate(["resid_post.1/1", "resid_post.1/2"]),
        sw.ablate("resid_post.1/1", mean_over=[TEXT]),
        sw.ablate("resid_post.1/1", latents="re-encode"),
        sw.patch("resid_post.1/1", TEXT),
        sw.ablate("resid_post.1/1", positions="prompt"),
    ],
    ids=repr,
)
def test_edits(scope: Any, edit: Edit) -> None:
    assert repr(edit) in refused(scope, HeatmapRequest(TEXT, edits=(edit,)))


def fast(model: Any, **parts: Any) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    for name, part in parts.items():
        setattr(tokenizer, name, part)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def test_tokenizers() -> None:
    bpe = models.BPE({"a": 0}, [])
    cases = {
        "WordLevel": fast(models.WordLevel({"a": 0}, "a")),
        "byte_fallback": fast(models.BPE({"a": 0}, [], byte_fallback=True)),
        "unk_token": fast(models.BPE({"a": 0}, [], unk_token="a")),
        "Lowercase": fast(bpe, normalizer=normalizers.Lowercase()),
        "Whitespace": fast(bpe, pre_tokenizer=pre_tokenizers.Whitespace()),
        "Split": fast(
            bpe,
            pre_tokenizer=pre_tokenizers.Sequence([pre_tokenizers.Split(" ", "removed"), pre_tokenizers.ByteLevel()]),
        ),
    }
    for word, tokenizer in cases.items():
        with pytest.raises(FigureError, match=word):
            tokenizer_data(tokenizer, None)
    with pytest.raises(FigureError, match="object"):
        tokenizer_data(object(), None)


def test_patterns() -> None:
    assert javascript(r"(?i:'s|'t)|[^\r\n\p{L}]") == r"(?:'[sS]|'[tT])|[^\r\n\p{L}]"
    for pattern in (r"\bword", r"\p{Script=Han}", r"(?<=a)b\h", r"(?i:[a-z])x\G"):
        with pytest.raises(FigureError):
            javascript(pattern)


def test_views_without_a_model(scope: Any) -> None:
    with sw.TokenHeatmap(scope, TEXT) as view:
        saved = sw.TokenHeatmap(decode(encode(view.payload)))
    for widget in (view, saved):
        with pytest.raises(FigureError, match="no model"):
            widget.to_html(live=True)
    saved.close()


def test_unknown_key(scope: Any) -> None:
    with sw.TokenHeatmap(scope, TEXT) as view, pytest.raises(SiteError, match="nowhere"):
        view.to_html(live=["nowhere.1"])


def test_what_goes_in(scope: Any) -> None:
    """The dictionaries in view and those asked for, exact weights, labels of theirs alone; no other site is shown."""
    features = ["resid_post.2/17"]
    with sw.TokenHeatmap(scope, TEXT, features, site="resid_post.1", edits=[sw.ablate("mlp_in.1/3")]) as view:
        page = str(view.to_html(live="attn_out.1"))
    header = json.loads(page.split('id="saewidgets-model">')[1].split("</script>")[0])
    keys = [entry["key"] for entry in header["dictionaries"]]
    assert keys == ["attn_out.1", "mlp_in.1", "resid_post.1", "resid_post.2"]
    assert {name.rpartition("/")[0] for name in header["labels"]} <= set(keys)
    assert {entry["dtype"] for entry in header["tensors"] if len(entry["shape"]) == 2} == {"float16"}
    raw = page.split('id="saewidgets-payload">')[1].split("</script>")[0]
    assert [site.key for site in decode(base64.b64decode(raw)).sites] == keys


def test_float32_where_float16_would_lose(scope: Any) -> None:
    sae = scope.dictionaries["resid_post.1@small"]
    other = replace(sae, W_enc=sae.W_enc * (1 + 1e-5))
    data = json.loads(carry(sw.Scope(scope.model, other), HeatmapRequest(TEXT), ["resid_post.1"]).header)
    kinds = {entry["name"]: entry["dtype"] for entry in data["tensors"]}
    assert kinds["0.encoder"] == "float32" and kinds["0.decoder"] == "float16"


def test_threshold_of_every_shape(scope: Any) -> None:
    """A single threshold stands for all features."""
    draw = torch.Generator().manual_seed(0)
    weights = torch.randn(128, 8, generator=draw), torch.randn(8, 128, generator=draw)
    site = Site.parse("resid_post.1")
    activation = Activation("jumprelu", threshold=torch.tensor(0.25))
    sae = FeedForward(*weights, torch.zeros(8), torch.zeros(128), activation, site, site)
    data = json.loads(carry(sw.Scope(scope.model, sae), HeatmapRequest(TEXT), ["resid_post.1"]).header)
    shapes = {entry["name"]: entry["shape"] for entry in data["tensors"]}
    assert shapes["0.threshold"] == [8]


def test_errors_are_ours() -> None:
    assert issubclass(FigureError, SaewidgetsError)
