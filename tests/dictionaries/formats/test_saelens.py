"""SAELens folders, read: every architecture and normalisation against float64, what is open, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from saewidgets.dictionaries import load_dictionary
from saewidgets.dictionaries.formats import fields
from saewidgets.errors import DictionaryError
from tests.dictionaries.formats.hand import Arrays, above, agree, arrays, greatest, relu, tensors

D, M, K = 5, 12, 3
KEYS = ("W_enc", "W_dec", "b_enc", "b_dec")
METADATA = {"sae_lens_version": "6.54.12", "model_name": "tiny", "hook_name": "blocks.1.hook_resid_post"}
OLD = {"hook_name": "blocks.1.hook_resid_post", "sae_lens_version": "5.11.0"}
IN_TMP = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
TOPK = ("topk", "abstopk", "batchtopk", "matryoshka_batchtopk")
TRANSCODERS = ("transcoder", "skip_transcoder", "jumprelu_transcoder", "jumprelu_skip_transcoder")
SAES = ("standard", "gated", "jumprelu", *TOPK)


def made_for(architecture: str, seed: int = 0, d_out: int | None = None) -> Arrays:
    """Arrays of one architecture, under the names of the files."""
    made = arrays(seed, D, M, d_out)
    more = {"r_mag": arrays(seed + 1)["b_enc"] / 4, "b_gate": made["b_enc"], "b_mag": arrays(seed + 2)["b_enc"]}
    names = {"W_enc", "W_dec", "b_dec"} | ({"b_gate", "b_mag", "r_mag"} if architecture == "gated" else {"b_enc"})
    names |= {"threshold"} if "jumprelu" in architecture else set()
    names |= {"W_skip"} if "skip" in architecture else set()
    made["W_skip"] = np.ascontiguousarray(made["W_skip"].T)
    return {name: {**more, **made}[name] for name in names}


def write(folder: Path, made: Arrays, stored: torch.dtype = torch.float32, **config: Any) -> Path:
    folder.mkdir(exist_ok=True)
    save_file(tensors(made, stored), folder / "sae_weights.safetensors")
    usual = {"architecture": "standard", "d_in": D, "d_sae": M, "normalize_activations": "none", "metadata": METADATA}
    (folder / "cfg.json").write_text(json.dumps({**usual, **config}))
    return folder


def inputs(seed: int = 0) -> np.ndarray:
    return arrays(seed + 7)["x"]


def acts(architecture: str, made: Arrays, z: np.ndarray, unit: bool = False) -> np.ndarray:
    """Activations of what the encoder reads."""
    h = z @ made["W_enc"] + made.get("b_enc", 0)
    if architecture == "gated":
        magnitude = relu(z @ (made["W_enc"] * np.exp(made["r_mag"])) + made["b_mag"])
        return np.where(z @ made["W_enc"] + made["b_gate"] > 0, magnitude, 0)
    h = h * np.linalg.norm(made["W_dec"], axis=1) if unit else h
    if architecture == "abstopk":
        return greatest(h, K, np.abs(h))
    if architecture == "topk":
        return relu(greatest(h, K))
    if "batchtopk" in architecture:
        return relu(greatest(relu(h).reshape(1, -1), K * len(h))).reshape(h.shape)
    return above(h, made["threshold"]) if "jumprelu" in architecture else relu(h)


@given(seed=st.integers(0, 10_000), architecture=st.sampled_from(SAES), subtract=st.booleans(), unit=st.booleans())
@IN_TMP
def test_every_autoencoder(tmp_path: Path, seed: int, architecture: str, subtract: bool, unit: bool) -> None:
    made, x = made_for(architecture, seed), inputs(seed)
    unit = unit and architecture in TOPK
    f = acts(architecture, made, x - made["b_dec"] * subtract, unit)
    rows = made["W_dec"] / np.linalg.norm(made["W_dec"], axis=1, keepdims=True) if unit else made["W_dec"]
    options = {"k": K, "rescale_acts_by_decoder_norm": unit} if architecture in TOPK else {}
    write(tmp_path, made, architecture=architecture, apply_b_dec_to_input=subtract, **options)
    dictionary = load_dictionary(tmp_path)
    agree(dictionary, x, f, f @ rows + made["b_dec"], 2e-5)
    assert dictionary.architecture == architecture and dictionary.reads_context == ("batch" in architecture)


@given(seed=st.integers(0, 10_000), architecture=st.sampled_from(TRANSCODERS), d_out=st.sampled_from([D, 3]))
@IN_TMP
def test_every_transcoder(tmp_path: Path, seed: int, architecture: str, d_out: int) -> None:
    made, x = made_for(architecture, seed, d_out), inputs(seed)
    metadata = {**METADATA, "hook_name": "blocks.2.mlp.hook_in", "hook_name_out": "blocks.2.hook_mlp_out"}
    options = {"apply_b_dec_to_input": False, "d_out": d_out, "metadata": metadata}
    dictionary = load_dictionary(write(tmp_path, made, architecture=architecture, **options))
    f = acts(architecture, made, x)
    skipped = x @ made["W_skip"].T if "skip" in architecture else 0.0
    agree(dictionary, x, f, f @ made["W_dec"] + made["b_dec"] + skipped, 2e-5)
    assert [str(dictionary.site_in), str(dictionary.site_out)] == ["mlp_in.2", "mlp_out.2"]


def norm_of(kind: str, x: np.ndarray) -> tuple[np.ndarray, Any, Any]:
    """What the encoder reads, and the factor and shift that undo it."""
    if kind == "constant_norm_rescale":
        size = np.linalg.norm(x, axis=1, keepdims=True) / D**0.5
        return x / size, size, 0.0
    if kind == "layer_norm":
        mean, spread = x.mean(1, keepdims=True), x.std(1, ddof=1, keepdims=True)
        return (x - mean) / (spread + 1e-5), spread, mean
    return (x * 0.4, 1 / 0.4, 0.0) if kind == "expected_average_only_in" else (x, 1.0, 0.0)


@pytest.mark.parametrize("kind", ["none", None, False, "constant_norm_rescale", "layer_norm"])
@pytest.mark.parametrize("architecture", ["standard", "gated", "topk", "jumprelu"])
def test_norms(tmp_path: Path, kind: Any, architecture: str) -> None:
    made, x = made_for(architecture), inputs()
    write(tmp_path, made, architecture=architecture, normalize_activations=kind, k=K, metadata=OLD)
    z, factor, shift = norm_of(str(kind), x)
    f = acts(architecture, made, z - made["b_dec"])
    agree(load_dictionary(tmp_path), x, f, (f @ made["W_dec"] + made["b_dec"]) * factor + shift)


@pytest.mark.parametrize("architecture", SAES)
@pytest.mark.parametrize("said_by", ["scaler", "argument", "folded"])
def test_an_average_factor(tmp_path: Path, architecture: str, said_by: str) -> None:
    """In the scaler of a training checkpoint, by argument, or folded as SAELens does it: the same numbers."""
    made, x, s = made_for(architecture), inputs(), 0.4
    f = acts(architecture, made, x * s - made["b_dec"], architecture in TOPK)
    rows = np.linalg.norm(made["W_dec"], axis=1, keepdims=True) if architecture in TOPK else 1.0
    expected = (f @ (made["W_dec"] / rows) + made["b_dec"]) / s
    options = {"architecture": architecture, "k": K, "rescale_acts_by_decoder_norm": True}
    if said_by == "folded":
        folded = {"W_enc": made["W_enc"] * s, "W_dec": made["W_dec"] / s, "b_dec": made["b_dec"] / s}
        write(tmp_path, {**made, **folded}, **options)
        scale = 1 / s if architecture in TOPK else 1.0  # then |row| is measured in other units, and so is f
        agree(load_dictionary(tmp_path), x, f * scale, expected, 2e-5)
        return
    write(tmp_path, made, **options, normalize_activations="expected_average_only_in")
    with pytest.raises(DictionaryError, match=r"norm factor.*norm_factor="):
        load_dictionary(tmp_path)
    if said_by == "scaler":
        (tmp_path / "activation_scaler.json").write_text('{"scaling_factor": 0.4, "has_whitening": false}')
    dictionary = load_dictionary(tmp_path, norm_factor=None if said_by == "scaler" else s)
    agree(dictionary, x, f, expected, 2e-5)
    assert ("activation_scaler" if said_by == "scaler" else "argument norm_factor") in str(dictionary.card)
    assert not any("factor" in sentence for sentence in dictionary.card.warnings)


@pytest.mark.parametrize("kind", ["expected_average_only_in", True])
def test_a_lost_factor_is_assumed_only_if_asked_for(tmp_path: Path, kind: Any) -> None:
    write(tmp_path, made_for("standard"), normalize_activations=kind, metadata=OLD)
    (tmp_path / "activation_scaler.json").write_text('{"scaling_factor": null}')
    card = load_dictionary(tmp_path, strict=False).card
    assert "SAELens applies nothing then" in str(card) and "not in its files" in card.warnings[0]


def test_a_factor_that_the_config_denies_is_a_question(tmp_path: Path) -> None:
    write(tmp_path, made_for("standard"))
    (tmp_path / "activation_scaler.json").write_text('{"scaling_factor": 0.4}')
    with pytest.raises(DictionaryError, match="norm_factor="):
        load_dictionary(tmp_path)
    assert load_dictionary(tmp_path, norm_factor=1.0).norm.factor == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("architecture", SAES)
@pytest.mark.parametrize("subtract", [False, True])
@pytest.mark.parametrize("factor", [None, 0.5])
def test_whitening(tmp_path: Path, architecture: str, subtract: bool, factor: float | None) -> None:
    made, x, s = made_for(architecture), inputs(), factor or 1.0
    rng = np.random.default_rng(5)
    mean, matrix = rng.normal(size=D), rng.normal(size=(D, D)) + 2 * np.eye(D)
    inverse = np.linalg.inv(matrix)
    options = {"apply_b_dec_to_input": subtract, "normalize_activations": "covariance_whitening", "k": K,
               "rescale_acts_by_decoder_norm": True}  # fmt: skip
    write(tmp_path, made, architecture=architecture, **options)
    with pytest.raises(DictionaryError, match=r"activation_whitening\.safetensors"):
        load_dictionary(tmp_path)
    assert "none is applied" in load_dictionary(tmp_path, strict=False).card.warnings[-1]
    stored = {"mean": mean, "matrix": matrix, "inverse_matrix": inverse}
    save_file(tensors(stored, torch.float64), tmp_path / "activation_whitening.safetensors")
    (tmp_path / "activation_scaler.json").write_text(json.dumps({"scaling_factor": factor, "has_whitening": True}))
    z = (x * s - mean) @ matrix
    f = acts(architecture, made, z - made["b_dec"] * subtract, architecture in TOPK)
    rows = np.linalg.norm(made["W_dec"], axis=1, keepdims=True) if architecture in TOPK else 1.0
    output = ((f @ (made["W_dec"] / rows) + made["b_dec"]) @ inverse + mean) / s
    agree(load_dictionary(tmp_path), x, f, output, 1e-4)
    (tmp_path / "activation_scaler.json").write_text('{"has_whitening": false}')
    with pytest.raises(DictionaryError, match=r"activation_whitening"):  # left behind by an earlier checkpoint
        load_dictionary(tmp_path)


def test_matching_pursuit(tmp_path: Path) -> None:
    made, x = arrays(0), inputs()
    W = made["W_dec"] / np.linalg.norm(made["W_dec"], axis=1, keepdims=True)
    W, b = W.astype(np.float32).astype(np.float64), made["b_dec"]
    options = {"architecture": "matching_pursuit", "max_iterations": None, "residual_threshold": 0.5}
    for subtract in (True, False):
        write(tmp_path, {"W_dec": W, "b_dec": b}, **options, apply_b_dec_to_input=subtract)
        f = np.zeros((len(x), M))
        for row, token in zip(f, x, strict=True):
            left = token - b * subtract
            for _ in range(D):
                match = relu(W @ left)
                i, support = int(match.argmax()), set(np.flatnonzero(row))
                row[i] += match[i]
                left = left - match[i] * W[i]
                if set(np.flatnonzero(row)) == support or np.linalg.norm(left) < 0.5:
                    break
        agree(load_dictionary(tmp_path), x, f, f @ W + b * subtract, 1e-4)


def temporal(d_dict: int = 8, width: int = 4, tied: bool = True) -> Arrays:
    rng = np.random.default_rng(3)
    made = {"W_dec": rng.normal(size=(d_dict, D)), "b_dec": rng.normal(size=D)}
    made |= {} if tied else {"W_enc": rng.normal(size=(D, d_dict))}
    for part, rows in (("q_target", width), ("k_ctx", width), ("v_ctx", d_dict), ("c_proj", d_dict)):
        made[f"attn_layers.0.{part}.weight"] = rng.normal(size=(rows, d_dict)) * 2
        made[f"attn_layers.0.{part}.bias"] = rng.normal(size=rows)
    return {name: value.astype(np.float32).astype(np.float64) for name, value in made.items()}


TEMPORAL = {"architecture": "temporal", "d_sae": 8, "n_heads": 2, "n_attn_layers": 1, "kval_topk": 3}


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("subtract", [False, True])
@pytest.mark.parametrize("kind", ["relu", "topk"])
def test_temporal(tmp_path: Path, tied: bool, subtract: bool, kind: str) -> None:
    from tests.dictionaries.formats.test_temporal_saes import formula

    made, x, s = temporal(tied=tied), arrays(4)["x"], 2.0
    options = {**TEMPORAL, "tied_weights": tied, "apply_b_dec_to_input": subtract, "sae_diff_type": kind,
               "normalize_activations": "constant_scalar_rescale", "activation_normalization_factor": s}  # fmt: skip
    dictionary = load_dictionary(write(tmp_path, made, **options))
    # The other library's formula with another bias: what is subtracted comes first, what is added last.
    renamed = {"W_dec": "D", "W_enc": "E"}
    theirs = {renamed.get(name, name): value for name, value in made.items()} | {"b": made["b_dec"] * subtract}
    f, output = formula(theirs, x, 1, s, 3 if kind == "topk" else 0)
    output = output + (made["b_dec"] * (not subtract and not tied)) / s
    agree(dictionary, x, f, output, 2e-5)


def test_a_batchtopk_checkpoint_is_a_jumprelu_with_its_threshold(tmp_path: Path) -> None:
    made, x = made_for("batchtopk"), inputs()
    write(tmp_path, made, architecture="batchtopk", k=2.0, rescale_acts_by_decoder_norm=True)
    save_file({**tensors(made), "topk_threshold": torch.tensor(0.7, dtype=torch.float64)},
              tmp_path / "sae_weights.safetensors")  # fmt: skip
    assert "Pass threshold=0.7" in load_dictionary(tmp_path).card.warnings[0]
    norm = np.linalg.norm(made["W_dec"], axis=1)
    f = above(((x - made["b_dec"]) @ made["W_enc"] + made["b_enc"]) * norm, 0.7)
    dictionary = load_dictionary(tmp_path, threshold=0.7)
    agree(dictionary, x, f, (f / norm) @ made["W_dec"] + made["b_dec"])
    assert not dictionary.reads_context and not dictionary.card.warnings
    write(tmp_path, made, architecture="batchtopk", k=2.0)
    with pytest.raises(DictionaryError, match="decoder_norm="):
        load_dictionary(tmp_path)
    assert "never set" in load_dictionary(tmp_path, decoder_norm="unit").card.warnings[0]


def test_a_matryoshka_says_its_prefixes_and_may_have_been_trained_with_a_broken_k(tmp_path: Path) -> None:
    details = {"k": 6.5, "matryoshka_widths": [3, 12]}
    metadata = {**METADATA, "training_architecture": "matryoshka_batchtopk", "training_architecture_details": details}
    card = str(load_dictionary(write(tmp_path, made_for("jumprelu"), architecture="jumprelu", metadata=metadata)).card)
    assert "prefixes" in card and "[3, 12]" in card and "matryoshka_batchtopk" in card


def test_an_old_checkpoint_keeps_the_logarithm_of_its_threshold(tmp_path: Path) -> None:
    made, x = made_for("jumprelu"), inputs()
    old = {name: value for name, value in made.items() if name != "threshold"}
    write(tmp_path, {**old, "log_threshold": np.log(made["threshold"])}, architecture="jumprelu")
    f = acts("jumprelu", made, x - made["b_dec"])
    agree(load_dictionary(tmp_path), x, f, f @ made["W_dec"] + made["b_dec"])


LEGACY = {"architecture": None, "metadata": None, "normalize_activations": None, "dtype": "torch.float32"}


def test_fine_tuning_factors_multiply_what_is_decoded(tmp_path: Path) -> None:
    made, x = made_for("standard"), inputs()
    factors = np.abs(arrays(8)["b_enc"]) + 0.5
    old = {**LEGACY, "hook_point": "blocks.8.hook_resid_pre"}
    write(tmp_path, {**made, "scaling_factor": factors}, **old)
    with pytest.raises(DictionaryError, match="finetuning_scaling_factor"):
        load_dictionary(tmp_path)
    write(tmp_path, {**made, "scaling_factor": factors}, **old, finetuning_scaling_factor=True)
    f = acts("standard", made, x - made["b_dec"])
    agree(load_dictionary(tmp_path), x, f, (f * factors) @ made["W_dec"] + made["b_dec"])
    write(tmp_path, {**made, "scaling_factor": np.ones(M)}, **old)
    agree(load_dictionary(tmp_path), x, f, f @ made["W_dec"] + made["b_dec"])


def test_old_names_and_defaults(tmp_path: Path) -> None:
    made, x = made_for("topk"), inputs()
    kwargs = {"center_writing_weights": True}
    write(tmp_path, made, **{**LEGACY, "architecture": "standard"}, hook_point="blocks.8.attn.hook_z",
          hook_point_head_index=4, activation_fn_str="topk", activation_fn_kwargs={"k": K},
          model_from_pretrained_kwargs=kwargs)  # fmt: skip
    dictionary = load_dictionary(tmp_path)
    f = acts("topk", made, x - made["b_dec"])
    agree(dictionary, x, f, f @ made["W_dec"] + made["b_dec"])
    assert str(dictionary.site_in) == "attn_z.8" and "n_heads * d_head" in str(dictionary.card)
    head, centred = dictionary.card.warnings
    assert "head 4" in head and "centered()" in centred


@pytest.mark.parametrize(
    ("metadata", "site"),
    [({"hook_name": "blocks.3.hook_mlp_in", "hf_hook_name": "model.layers.3.mlp.input"}, "mlp_in.3"),
     ({"hook_name": None, "hf_hook_name": "model.layers.3"}, "resid_post.3"),
     ({"hook_name": "model.layers.3.self_attn.o_proj.input"}, "attn_z.3"),
     ({"hook_name": None, "hf_hook_name": "model.layers.3.mlp", "model_name": "google/gemma-2-2b"}, None)],
)  # fmt: skip
def test_sites(tmp_path: Path, metadata: dict[str, Any], site: str | None) -> None:
    write(tmp_path, made_for("standard"), metadata={**METADATA, **metadata})
    if site is None:  # what Gemma's MLP returns is normalised before it is added: no site
        with pytest.raises(DictionaryError, match="site="):
            load_dictionary(tmp_path)
    else:
        assert str(load_dictionary(tmp_path).site_in) == site


def test_bfloat16_stays_on_disk_and_is_computed_in_float32(tmp_path: Path) -> None:
    made, x = made_for("jumprelu"), inputs()
    made = {name: torch.tensor(value).bfloat16().double().numpy() for name, value in made.items()}
    dictionary = load_dictionary(write(tmp_path, made, torch.bfloat16, architecture="jumprelu", dtype="bfloat16"))
    assert dictionary.W_enc.dtype == torch.bfloat16  # type: ignore[attr-defined]
    f = acts("jumprelu", made, x - made["b_dec"])
    agree(dictionary, x, f, f @ made["W_dec"] + made["b_dec"], 2e-5)


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("standard", {"architecture": "gated"}, "lacks 'b_gate, b_mag, r_mag'"),
    ("gated", {"architecture": None}, "lacks 'b_enc'"),
    ("jumprelu", {"architecture": "standard"}, "also holds 'threshold'"),
    ("standard", {"architecture": "jumprelu"}, "lacks 'threshold'"),
    ("standard", {"architecture": ["x"]}, "architecture"),
    ("standard", {"architecture": "crosscoder"}, "Known: standard"),
    ("standard", {"activation_fn_str": "tanh-relu"}, "tanh-relu"),
    ("standard", {"activation_fn_str": 3}, "function 3"),
    ("topk", {"architecture": "topk"}, "Pass k="),
    ("topk", {"architecture": "topk", "k": M + 1}, f"k = {M + 1}"),
    ("topk", {"architecture": "topk", "k": 2.5}, "no whole number"),
    ("standard", {"normalize_activations": "z_score"}, "z_score"),
    ("standard", {"normalize_activations": ["x"]}, "normalisation"),
    ("standard", {"normalize_activations": True}, "'True' is not read"),
    ("standard", {"reshape_activations": "flat"}, "reshape_activations"),
    ("standard", {"apply_b_dec_to_input": "no"}, "apply_b_dec_to_input = 'no'"),
    ("standard", {"metadata": []}, "no SAELens config|Pass site="),
    ("transcoder", {"architecture": "transcoder", "d_out": 4}, "d_out = 4"),
    ("transcoder", {"architecture": "transcoder", "apply_b_dec_to_input": True}, "Pass subtract_b_dec="),
    ("transcoder", {"architecture": "transcoder", "normalize_activations": "layer_norm"}, "cannot be undone"),
    ("skip_transcoder", {"architecture": "transcoder"}, "also holds 'W_skip'"),
    ("standard", {"d_sae": M - 1}, "d_sae = 11"),
    ("topk", {"architecture": "topk", "k": 1, "rescale_acts_by_decoder_norm": 1}, "neither true nor false"),
]


@pytest.mark.parametrize(("architecture", "changes", "words"), REFUSED)
def test_what_is_open_or_contradicts_itself_is_refused(
    tmp_path: Path, architecture: str, changes: dict[str, Any], words: str
) -> None:
    metadata = {**METADATA, "hook_name_out": "blocks.1.hook_mlp_out"}
    write(tmp_path, made_for(architecture), **{"metadata": metadata, **changes})
    with pytest.raises(DictionaryError, match=words):
        load_dictionary(tmp_path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"n_heads": 3}, "heads"), ({"n_attn_layers": 2}, "attn_layers.1"), ({"n_attn_layers": 10**9}, "layers"),
     ({"kval_topk": None}, "Pass k="), ({"sae_diff_type": "jump"}, "jump"), ({"tied_weights": False}, "W_enc"),
     ({"normalize_activations": "covariance_whitening"}, "whitened")],
)  # fmt: skip
def test_a_temporal_config_that_does_not_fit(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(DictionaryError, match=words):
        load_dictionary(write(tmp_path, temporal(), **{**TEMPORAL, **changes}))


@pytest.mark.parametrize("name", ["sparse_autoencoder.pkl.gz", "session.pkl"])
def test_a_pickle_is_refused_with_the_way_to_convert_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x80\x04cos\nsystem\n")
    for place in (tmp_path, tmp_path / name):
        with pytest.raises(DictionaryError, match=r"runs code.*save_file to sae_weights\.safetensors"):
            load_dictionary(place)
    load_dictionary(write(tmp_path, made_for("standard")))  # beside the real files it is nobody's business


def test_what_saelens_notes_of_the_training_is_no_config() -> None:
    fields.check({"metadata": {"training_architecture_details": {"k": 6.5}}}, "cfg.json")
    with pytest.raises(DictionaryError, match=r"k = 6\.5"):
        fields.check({"metadata": {"k": 6.5}}, "cfg.json")
