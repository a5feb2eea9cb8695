"""Our own files and SAELens folders: round trips, conventions, refusals, damage."""

import json
import struct

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from saewidgets.dictionaries import Dictionary, load_dictionary
from saewidgets.errors import DictionaryError, SaewidgetsError
from tests.dictionaries.test_dictionary import make


@pytest.mark.parametrize("kind", ["relu", "topk", "jumprelu"])
@pytest.mark.parametrize("d_out", [None, 5])
def test_our_form_is_lossless(tmp_path, kind, d_out):
    dictionary, *_ = make(kind, d_out=d_out)
    dictionary.save(tmp_path / "d.safetensors")
    loaded = load_dictionary(tmp_path / "d.safetensors")
    for name in ("W_enc", "W_dec", "b_enc", "b_dec"):
        assert torch.equal(getattr(loaded, name), getattr(dictionary, name))
    x = torch.randn(5, 6)
    assert torch.equal(loaded.encode(x), dictionary.encode(x))
    assert (loaded.site_in, loaded.site_out) == (dictionary.site_in, dictionary.site_out)
    assert "site_in" in str(loaded.card)


def saelens(folder, config=None, **tensors):
    rng = np.random.default_rng(3)
    weights = {"W_enc": (6, 20), "W_dec": (20, 6), "b_enc": (20,), "b_dec": (6,)}
    made = {n: torch.tensor(rng.normal(size=s), dtype=torch.float32) for n, s in weights.items()}
    made.update({n: t for n, t in tensors.items() if t is not None})
    save_file({n: t for n, t in made.items() if n not in [k for k, v in tensors.items() if v is None]},
              str(folder / "sae_weights.safetensors"))  # fmt: skip
    base = {"architecture": "standard", "d_in": 6, "d_sae": 20, "apply_b_dec_to_input": True,
            "normalize_activations": "none", "metadata": {"hook_name": "blocks.2.hook_resid_post"}}  # fmt: skip
    (folder / "cfg.json").write_text(json.dumps({**base, **(config or {})}))
    return {n: t.double().numpy() for n, t in made.items()}


def test_a_saelens_folder_gives_its_authors_numbers(tmp_path):
    w = saelens(tmp_path)
    sae = load_dictionary(tmp_path)
    assert str(sae.site_in) == "resid_post.2"
    x = np.random.default_rng(0).normal(size=(4, 6))
    expected = np.maximum((x - w["b_dec"]) @ w["W_enc"] + w["b_enc"], 0)
    np.testing.assert_allclose(sae.encode(torch.tensor(x)).numpy(), expected, atol=1e-5)
    assert "cfg.json: apply_b_dec_to_input" in str(sae.card)


def test_decoder_norms_of_a_training_topk_are_folded(tmp_path):
    w = saelens(tmp_path, {"architecture": "topk", "k": 3, "rescale_acts_by_decoder_norm": True})
    sae = load_dictionary(tmp_path)
    x = np.random.default_rng(0).normal(size=(4, 6))
    norm = np.linalg.norm(w["W_dec"], axis=1)
    h = ((x - w["b_dec"]) @ w["W_enc"] + w["b_enc"]) * norm
    f = np.where(h >= np.sort(h, axis=1)[:, -3:][:, :1], np.maximum(h, 0), 0)
    np.testing.assert_allclose(sae.encode(torch.tensor(x)).numpy(), f, atol=1e-4)
    expected = (f / norm) @ w["W_dec"] + w["b_dec"]
    np.testing.assert_allclose(sae.reconstruct(torch.tensor(x)).numpy(), expected, atol=1e-4)


def test_a_legacy_topk_says_standard_and_is_topk(tmp_path):
    saelens(tmp_path, {"metadata": None, "hook_point": "blocks.8.hook_resid_pre", "activation_fn_str": "topk",
                       "activation_fn_kwargs": {"k": 6}})  # fmt: skip
    sae = load_dictionary(tmp_path)
    assert repr(sae.activation) == "TopK 6"
    assert str(sae.site_in) == "resid_pre.8"


@pytest.mark.parametrize(
    ("config", "tensors", "message"),
    [
        ({"architecture": "gated"}, {}, "gated"),
        ({"architecture": ["x"]}, {}, "architecture"),
        ({"normalize_activations": "layer_norm"}, {}, "layer_norm"),
        ({"normalize_activations": "expected_average_only_in"}, {}, "factor"),
        ({"architecture": "topk"}, {}, "k = None"),
        ({"architecture": "topk", "k": 10**9}, {}, "k = 1000000000"),
        ({"architecture": "topk", "activation_fn_kwargs": 3}, {}, "activation_fn_kwargs = 3"),
        ({"architecture": "jumprelu"}, {}, "threshold"),
        ({"metadata": {}}, {}, "Pass site="),
        ({"metadata": {"hook_name": "../x"}}, {}, "Pass site="),
        ({"metadata": {"hook_name": 3}}, {}, "Pass site="),
        ({"metadata": 3}, {}, "no SAELens config"),
        ({}, {"b_enc": None}, "lacks"),
        ({}, {"W_skip": torch.zeros(6, 6)}, "also holds"),
        ({}, {"scaling_factor": torch.full((20,), 2.0)}, "scaling_factor"),
        ({}, {"b_enc": torch.full((20,), float("inf"))}, "not finite"),
        ({}, {"W_dec": torch.zeros(19, 6)}, "W_dec"),
    ],
)
def test_open_questions_are_refused(tmp_path, config, tensors, message):
    saelens(tmp_path, config, **tensors)
    with pytest.raises(DictionaryError, match=message):
        load_dictionary(tmp_path)


def test_strict_false_does_what_saelens_does(tmp_path):
    saelens(tmp_path, {"normalize_activations": "expected_average_only_in"})
    assert "SAELens applies nothing" in str(load_dictionary(tmp_path, strict=False).card)


def header(entries: object, body: bytes = b"") -> bytes:
    text = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + body


DAMAGED = {
    "empty": b"",
    "short": b"abc",
    "huge length": struct.pack("<Q", 2**63) + b"{}",
    "length beyond the file": struct.pack("<Q", 100) + b"{}",
    "no json": header(b"hello"),
    "deep json": header(b"[" * 100_000),
    "a list": header([1]),
    "a key twice": header(b'{"a":1,"a":1}'),
    "shape lies": header({"W_enc": {"dtype": "F32", "shape": [1000, 1000], "data_offsets": [0, 8]}}, b"\0" * 8),
    "shape overflows": header({"W_enc": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 8]}}, b"\0" * 8),
    "negative": header({"W_enc": {"dtype": "F32", "shape": [-2], "data_offsets": [8, 0]}}, b"\0" * 8),
    "overlap": header({n: {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} for n in "ab"}, b"\0" * 8),
    "unknown dtype": header({"a": {"dtype": "F8", "shape": [2], "data_offsets": [0, 2]}}, b"\0" * 2),
    "bad metadata": header({"__metadata__": {"a": 1}}),
    "too many": header({str(i): {} for i in range(10_001)}),
    "pickle": b"\x80\x04\x95" + b"\0" * 60,
    "zip": b"PK\x03\x04" + b"\0" * 60,
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files_give_one_typed_error(tmp_path, name):
    path = tmp_path / "d.safetensors"
    path.write_bytes(DAMAGED[name])
    with pytest.raises(DictionaryError):
        load_dictionary(path)


def test_truncated_and_mutated_files_never_crash(tmp_path):
    dictionary, *_ = make("jumprelu")
    path = tmp_path / "d.safetensors"
    dictionary.save(path)
    good = path.read_bytes()
    rng = np.random.default_rng(0)
    loaded = 0
    for case in range(3_000):
        bad = bytearray(good)
        if case % 3 == 0:
            bad = bad[: rng.integers(len(bad))]
        else:
            for _ in range(rng.integers(1, 4)):
                bad[rng.integers(min(len(bad), 700))] = rng.integers(256)
        path.write_bytes(bad)
        try:
            loaded += isinstance(load_dictionary(path), Dictionary)
        except SaewidgetsError:
            continue
    assert loaded > 0, "control: some mutants (a changed weight) must still load"


@pytest.mark.parametrize("path", ["no/such", "hub:x", "hub:../x/y", "hub:a/b/../c", "hub:a/b/c d", "hub:huggingfасе/x",
                                  "\0", "hub:" + "a" * 300 + "/b", "hub:C:\\x"])  # fmt: skip
def test_names_that_are_no_place(path):
    with pytest.raises(DictionaryError):
        load_dictionary(path)


def test_an_unknown_format_names_the_known_ones(tmp_path):
    with pytest.raises(DictionaryError, match="saelens"):
        load_dictionary(tmp_path, format="zip")
    with pytest.raises(DictionaryError, match=r"no format known"):
        load_dictionary(tmp_path)


@pytest.mark.parametrize("text", ["", "[" * 10_000, "3", "{", '{"architecture": NaN'])
def test_damaged_configs(tmp_path, text):
    saelens(tmp_path)
    (tmp_path / "cfg.json").write_text(text)
    with pytest.raises(DictionaryError):
        load_dictionary(tmp_path)
