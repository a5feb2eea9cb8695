"""The vocabulary projection against the formula in float64, in three families of models."""

import copy
import dataclasses

import numpy as np
import pytest
import scipy.stats
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM, GPT2Config, GPT2LMHeadModel

import saewidgets as sw
from saewidgets.errors import FeatureError, ModelError, SiteError
from saewidgets.explain import head, vocabulary, vocabulary_projection
from tests.runs.conftest import byte_tokenizer, random_dictionary

K = 7


def shaken(module):
    """No weight at its initial value: gains are not 1, biases not 0."""
    draw = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(torch.randn(weight.shape, generator=draw) * 0.3)
    return module.eval()


def gpt2():
    config = GPT2Config(vocab_size=257, n_embd=16, n_layer=2, n_head=2, n_positions=64)
    return shaken(GPT2LMHeadModel(config))


def gemma2():
    config = Gemma2Config(
        vocab_size=257, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, max_position_embeddings=64,
    )  # fmt: skip
    return shaken(Gemma2ForCausalLM(config))


def rms(rows):
    return rows / np.sqrt((rows**2).mean(1, keepdims=True))


def centre(rows):
    return rows - rows.mean(1, keepdims=True)


def weights(module):
    return {name: value.detach().double().numpy() for name, value in module.state_dict().items()}


def by_the_book(kind, module, directions):
    """`LN(d) @ W_U`, written for each family from its own definition of the norm."""
    w = weights(module)
    if kind == "llama":
        return rms(directions) * w["model.norm.weight"] @ w["lm_head.weight"].T
    if kind == "gpt2":
        return rms(centre(directions)) * w["transformer.ln_f.weight"] @ w["lm_head.weight"].T
    if kind == "gemma2":
        return rms(directions) * (1 + w["model.norm.weight"]) @ w["lm_head.weight"].T
    if kind == "llama heads":
        return (
            rms(directions @ w["model.layers.1.self_attn.o_proj.weight"].T)
            * w["model.norm.weight"]
            @ w["lm_head.weight"].T
        )
    if kind == "gpt2 heads":  # Conv1D: x @ W
        through = directions @ w["transformer.h.1.attn.c_proj.weight"]
        return rms(centre(through)) * w["transformer.ln_f.weight"] @ w["lm_head.weight"].T
    assert kind == "gemma2 heads"  # a norm stands between the heads and the residual stream
    through = rms(directions @ w["model.layers.1.self_attn.o_proj.weight"].T)
    through = through * (1 + w["model.layers.1.post_attention_layernorm.weight"])
    return rms(through) * (1 + w["model.norm.weight"]) @ w["lm_head.weight"].T


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gemma2", "llama heads", "gpt2 heads", "gemma2 heads"])
def test_the_projection_is_the_formula(kind, uneven):
    family, _, heads = kind.partition(" ")
    module = {"llama": lambda: uneven, "gpt2": gpt2, "gemma2": gemma2}[family]()
    site = "attn_z.1" if heads else "resid_post.1"
    scope = sw.Scope(module, random_dictionary(site, 3), tokenizer=byte_tokenizer())
    dictionary = scope.dictionaries[site]
    z = by_the_book(kind, module, dictionary.directions.double().numpy())
    found = vocabulary_projection(scope, site, K)
    order = np.argsort(-z, axis=1)
    np.testing.assert_array_equal(found.promoted, order[:, :K])
    np.testing.assert_array_equal(found.suppressed, order[:, ::-1][:, :K])
    np.testing.assert_allclose(found.promoted_logits, np.take_along_axis(z, order[:, :K], 1), rtol=2e-4, atol=2e-4)
    np.testing.assert_allclose(found.skew, scipy.stats.skew(z, axis=1), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found.kurtosis, scipy.stats.kurtosis(z, axis=1), rtol=1e-3, atol=1e-3)


def test_leaving_the_final_norm_out_would_show(small, uneven):
    """Regression of a peer: the logit lens without the final norm ranks other tokens."""
    directions = small.dictionaries["resid_post.1"].directions.double().numpy()
    naive = np.argsort(-(directions @ weights(uneven)["lm_head.weight"].T), axis=1)[:, :K]
    found = vocabulary_projection(small, "resid_post.1", K).promoted
    assert (naive != found).any(1).mean() > 0.9


def test_nothing_of_the_caller_is_changed(small, uneven):
    """Regression of a peer, which folds norms into the caller's own dictionary."""
    dictionary = small.dictionaries["resid_post.1"]
    tensors = {f.name: getattr(dictionary, f.name) for f in dataclasses.fields(dictionary)}
    before = copy.deepcopy({k: v for k, v in tensors.items() if isinstance(v, torch.Tensor)})
    model = copy.deepcopy(uneven.state_dict())
    versions = {name: value._version for name, value in uneven.named_parameters()}
    vocabulary_projection(small, "resid_post.1")
    assert all(torch.equal(getattr(dictionary, name), value) for name, value in before.items())
    assert all(torch.equal(uneven.state_dict()[name], value) for name, value in model.items())
    assert versions == {name: value._version for name, value in uneven.named_parameters()}
    assert uneven.model.norm.weight.dtype == torch.float32


def test_blocks_and_the_number_asked_change_nothing(small, monkeypatch):
    whole = vocabulary_projection(small, "resid_post.1", 4)
    monkeypatch.setattr(vocabulary, "_BLOCK", 257 * 3)
    monkeypatch.setattr(head, "_BLOCK", 16 * 50)
    parts = vocabulary_projection(small, "resid_post.1", 4)
    np.testing.assert_array_equal(whole.promoted, parts.promoted)
    np.testing.assert_allclose(whole.skew, parts.skew, rtol=1e-5, atol=1e-6)
    one = vocabulary_projection(small, ["resid_post.1/31", "resid_post.1/2"], 4)
    np.testing.assert_array_equal(one.promoted, whole.promoted[[31, 2]])
    assert one.features == ("resid_post.1/31", "resid_post.1/2")


def test_length_does_not_count_and_nothing_says_nothing(small):
    dictionary = small.dictionaries["resid_post.1"]
    rows = dictionary.directions * torch.logspace(-4, 4, 40)[:, None]
    rows[3] = 0
    scaled = sw.Scope(small.model, dataclasses.replace(dictionary, W_dec=rows))
    z, y = (vocabulary_projection(s, "resid_post.1", 5) for s in (small, scaled))
    rest = np.arange(40) != 3
    np.testing.assert_allclose(z.promoted_logits[rest], y.promoted_logits[rest], rtol=1e-4, atol=1e-5)
    assert np.isnan(y.skew[3]) and np.isnan(y.kurtosis[3]) and not y.promoted_logits[3].any()


def test_tokens_are_text(small):
    """Regression of a peer: raw names of the vocabulary ("Ġ", "Ð") instead of what they stand for."""
    every = vocabulary_projection(small, "resid_post.1", 257)
    names = set(every.strings.values())
    assert " " in names and "\n" in names
    assert not names & {"Ġ", "Ċ", "Ð"}
    table = every.tokens("resid_post.1/4")
    assert len(table) == 514 and (table["logit"][:256].to_numpy() >= table["logit"][1:257].to_numpy()).all()


def test_ids_beyond_the_tokenizer_are_no_tokens(uneven):
    module = copy.deepcopy(uneven)
    module.resize_token_embeddings(300)
    with torch.no_grad():
        module.lm_head.weight[257:] = 100 * torch.sign(torch.randn(43, 16))
    scope = sw.Scope(module, random_dictionary("resid_post.1", 2), tokenizer=byte_tokenizer())
    assert vocabulary_projection(scope, "resid_post.1", 5).promoted.max() < 257


class Odd(torch.nn.Module):
    def forward(self, x):
        return x.tanh()


def test_what_cannot_be_projected_is_said(small, tiny, module):
    with pytest.raises(FeatureError, match="40 features"):
        vocabulary_projection(small, "resid_post.1/40")
    with pytest.raises(FeatureError, match="of one dictionary"):
        vocabulary_projection(tiny, ["resid_post.1/1", "resid_post.0/1"])
    with pytest.raises(FeatureError):
        vocabulary_projection(tiny, [])
    with pytest.raises(SiteError):
        vocabulary_projection(small, "resid_post.0")
    with pytest.raises(FeatureError, match="No projection"):
        vocabulary_projection(small, "resid_post.1/3").row("resid_post.1/4")
    with pytest.raises(FeatureError, match="through the MLP"):
        vocabulary_projection(sw.Scope(module, random_dictionary("mlp_in.1", 1)), "mlp_in.1")
    with pytest.raises(ModelError, match="no LayerNorm"):
        head.read_norm(Odd(), 16)


def test_the_public_names():
    assert sw.explain.vocabulary_projection is vocabulary_projection
    assert all(getattr(sw.explain, name).__doc__ for name in sw.explain.__all__)
