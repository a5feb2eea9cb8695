"""Cross-layer transcoders of circuit-tracer, Gemma Scope 2 and llamascopium, and llamascopium's crosscoders."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from saewidgets.dictionaries import load_dictionary
from saewidgets.dictionaries.clt import CrossLayerTranscoder
from saewidgets.errors import DictionaryError
from tests.dictionaries.formats.hand import agree, relu, write_safetensors

Arrays = dict[str, np.ndarray]


def make(n: int = 3, d: int = 5, m: int = 12, seed: int = 2) -> Arrays:
    """W_dec[s, t] is what layer s writes at layer t; those with t < s are no part of a transcoder."""
    rng = np.random.default_rng(seed)
    shapes = {
        "W_enc": (n, d, m),
        "W_dec": (n, n, m, d),
        "b_enc": (n, m),
        "b_dec": (n, d),
        "W_skip": (n, d, d),
        "x": (n, 8, d),
    }
    made = {name: rng.normal(size=shape) for name, shape in shapes.items()} | {"threshold": rng.uniform(0.2, 1, (n, m))}
    return {name: value.astype(np.float32).astype(np.float64) for name, value in made.items()}


def formula(
    made: Arrays, threshold: Any = None, skip: bool = False, s_in: Any = 1.0, s_out: Any = 1.0, gate: Any = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    n = len(made["x"])
    s_in, s_out = (np.broadcast_to(s, n)[:, None, None] for s in (s_in, s_out))
    h = np.einsum("lbd,ldm->lbm", made["x"] * s_in, made["W_enc"]) + made["b_enc"][:, None]
    f = relu(h) if threshold is None else np.where(h * gate > threshold[:, None], relu(h), 0.0)
    output = (
        np.stack([sum(f[s] @ made["W_dec"][s, t] for s in range(t + 1)) for t in range(n)]) + made["b_dec"][:, None]
    )
    return f, output / s_out + (np.einsum("lbd,lde->lbe", made["x"], made["W_skip"]) if skip else 0.0)


def circuit_tracer(folder: Path, made: Arrays, kind: str = "", **config: Any) -> Path:
    n = len(made["x"])
    for i in range(n):
        encoder = {f"W_enc_{i}": made["W_enc"][i].T, f"b_enc_{i}": made["b_enc"][i], f"b_dec_{i}": made["b_dec"][i]}
        encoder |= {f"threshold_{i}": made["threshold"][i]} if "jump" in kind else {}
        encoder |= {f"W_skip_{i}": made["W_skip"][i]} if "skip" in kind else {}
        write_safetensors(folder / f"W_enc_{i}.safetensors", encoder)
        write_safetensors(folder / f"W_dec_{i}.safetensors", {f"W_dec_{i}": made["W_dec"][i, i:].transpose(1, 0, 2)})
    base = {
        "model_kind": "cross_layer_transcoder",
        "feature_input_hook": "hook_resid_mid",
        "feature_output_hook": "hook_mlp_out",
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(base | config))
    return folder


def gemma_scope_2(folder: Path, made: Arrays, kind: str = "") -> Path:
    for i in range(len(made["x"])):
        named = {"w_enc": made["W_enc"][i], "w_dec": made["W_dec"][i].transpose(1, 0, 2), "b_enc": made["b_enc"][i],
                 "b_dec": made["b_dec"][i], "threshold": made["threshold"][i]}  # fmt: skip
        named |= {"affine_skip_connection": made["W_skip"][i]} if "skip" in kind else {}
        write_safetensors(folder / f"params_layer_{i}.safetensors", named)
    return folder


def llamascopium(folder: Path, made: Arrays, averages: dict[str, float], **changes: Any) -> Path:
    n = len(made["x"])
    hooks = {
        side: [f"blocks.{i}.{hook}" for i in range(n)]
        for side, hook in (("in", "hook_resid_mid"), ("out", "hook_mlp_out"))
    }
    config = {"sae_type": "clt", "act_fn": "jumprelu", "norm_activation": "dataset-wise",
        "sparsity_include_decoder_norm": True,
              "hook_points_in": hooks["in"], "hook_points_out": hooks["out"], "top_k": 2} | changes  # fmt: skip
    named = {"W_E": made["W_enc"], "b_E": made["b_enc"]}
    if config["act_fn"] == "jumprelu":
        named["activation_function.log_jumprelu_threshold"] = np.log(made["threshold"])
    for t in range(n):
        named |= {f"W_D.{t}": made["W_dec"][: t + 1, t], f"b_D.{t}": made["b_dec"][t]}
    named |= {f"dataset_average_activation_norm.{hook}": np.array(v) for hook, v in averages.items()}
    write_safetensors(folder / "sae_weights.safetensors", named)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize(("n", "d", "m"), [(3, 5, 12), (2, 6, 6), (1, 4, 3)])
@pytest.mark.parametrize("kind", ["", "jump", "skip", "jump skip"])
def test_circuit_tracer(tmp_path: Path, n: int, d: int, m: int, kind: str) -> None:
    made = make(n, d, m)
    dictionary = load_dictionary(circuit_tracer(tmp_path / "c", made, kind))
    assert isinstance(dictionary, CrossLayerTranscoder)
    assert [str(site) for site in dictionary.sites_in] == [f"resid_mid.{i}" for i in range(n)]
    assert [str(site) for site in dictionary.sites_out] == [f"mlp_out.{i}" for i in range(n)]
    agree(dictionary, made["x"], *formula(made, made["threshold"] if "jump" in kind else None, "skip" in kind))


def test_circuit_tracer_refuses_missing_layers_and_half_thresholds(tmp_path: Path) -> None:
    folder = circuit_tracer(tmp_path / "c", make(), "jump")
    (folder / "W_dec_2.safetensors").rename(folder / "elsewhere")
    with pytest.raises(DictionaryError, match="W_dec_2"):
        load_dictionary(folder)
    (folder / "elsewhere").rename(folder / "W_dec_2.safetensors")
    mixed = circuit_tracer(tmp_path / "d", make())
    (mixed / "W_enc_1.safetensors").write_bytes((folder / "W_enc_1.safetensors").read_bytes())
    with pytest.raises(DictionaryError, match="Only some layers"):
        load_dictionary(mixed)
    (folder / "W_enc_1.safetensors").unlink()
    with pytest.raises(DictionaryError, match=r"layers \[0, 2\]"):
        load_dictionary(folder)


@pytest.mark.parametrize("kind", ["", "skip"])
def test_gemma_scope_2_counts_every_layer(tmp_path: Path, kind: str) -> None:
    made = make(4)
    dictionary = load_dictionary(gemma_scope_2(tmp_path / "clt" / "width_262k_l0_medium", made, kind))
    assert isinstance(dictionary, CrossLayerTranscoder)
    assert (dictionary.n_layers, str(dictionary.sites_in[3]), str(dictionary.sites_out[3])) == (
        4,
        "mlp_in.3",
        "mlp_out.3",
    )
    agree(dictionary, made["x"], *formula(made, made["threshold"], "skip" in kind))


def test_gemma_scope_2_refuses_a_missing_layer(tmp_path: Path) -> None:
    folder = gemma_scope_2(tmp_path / "c", make())
    (folder / "params_layer_2.safetensors").unlink()
    with pytest.raises(DictionaryError, match="For 2 layers it must be"):
        load_dictionary(folder)
    (folder / "params_layer_1.safetensors").rename(folder / "params_layer_5.safetensors")
    with pytest.raises(DictionaryError, match="all from 0 on"):
        load_dictionary(folder)


def norm(made: Arrays) -> np.ndarray:
    """[n, 1, m]: norm of what each feature writes at all layers together."""
    n = len(made["x"])
    return np.stack([np.sqrt((made["W_dec"][s, s:] ** 2).sum((0, 2))) for s in range(n)])[:, None]


@pytest.mark.parametrize("included", [False, True])
@pytest.mark.parametrize("kind", ["relu", "jumprelu"])
def test_llamascopium_folds_its_norms(tmp_path: Path, included: bool, kind: str) -> None:
    made = make()
    averages = {f"blocks.{i}.hook_resid_mid": 4.0 + i for i in range(3)} | {
        f"blocks.{i}.hook_mlp_out": 7.0 - i for i in range(3)
    }
    folder = llamascopium(tmp_path, made, averages, act_fn=kind, sparsity_include_decoder_norm=included)
    s_in, s_out = (5**0.5 / np.array(v) for v in ([4.0, 5, 6], [7.0, 6, 5]))
    threshold = made["threshold"] if kind == "jumprelu" else None
    agree(
        load_dictionary(folder),
        made["x"],
        *formula(made, threshold, False, s_in, s_out, norm(made) if included else 1.0),
    )


def test_llamascopium_inference_files_are_raw(tmp_path: Path) -> None:
    made = make()
    folder = llamascopium(tmp_path, made, {}, norm_activation="inference", act_fn="relu")
    agree(load_dictionary(folder), made["x"], *formula(made))


@pytest.mark.parametrize(
    ("changes", "words"),
    [({}, "norm_factor="), ({"norm_activation": "token-wise"}, "token-wise"), ({"norm_activation": "inference",
        "act_fn": "topk"}, "ranked"),
     ({"norm_activation": "inference", "hook_points_in": None}, "hook_points_in"),
     ({"norm_activation": "inference", "hook_points_in": ["a", "b", "c"]}, "hook_points_in"),
     ({"norm_activation": "inference", "hook_points_out": ["blocks.0.hook_mlp_out"]}, "sites_out")],
)  # fmt: skip
def test_llamascopium_refuses(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(DictionaryError, match=words):
        load_dictionary(llamascopium(tmp_path, make(), {}, **changes))


@pytest.mark.parametrize("averaged", [False, True])
def test_llamascopium_crosscoders_sum_their_biases(tmp_path: Path, averaged: bool) -> None:
    rng = np.random.default_rng(5)
    shapes = {"W_E": (2, 5, 12), "b_E": (2, 12), "W_D": (2, 12, 5), "b_D": (2, 5), "x": (9, 2, 5)}
    made = {name: rng.normal(size=shape).astype(np.float32).astype(np.float64) for name, shape in shapes.items()}
    x = made.pop("x")
    hooks = ["blocks.3.hook_resid_post", "blocks.6.hook_resid_post"]
    config = {"sae_type": "crosscoder", "act_fn": "relu", "hook_points": hooks,
              "norm_activation": "dataset-wise" if averaged else "inference"}  # fmt: skip
    averages = {
        f"dataset_average_activation_norm.{hook}": np.array(v) for hook, v in zip(hooks, (4.0, 9.0), strict=True)
    }
    write_safetensors(tmp_path / "sae_weights.safetensors", made | (averages if averaged else {}))
    (tmp_path / "config.json").write_text(json.dumps(config))
    s = 5**0.5 / np.array([4.0, 9.0])[:, None] if averaged else np.ones((2, 1))
    f = relu(np.einsum("bnd,ndm->bm", x * s, made["W_E"]) + made["b_E"].sum(0))
    dictionary = load_dictionary(tmp_path)
    assert str(dictionary.site_in) == "resid_post.3"
    given = torch.tensor(x, dtype=torch.float32)
    np.testing.assert_allclose(dictionary.encode(given).numpy(), f, atol=1e-5)
    output = (np.einsum("bm,nmd->bnd", f, made["W_D"]) + made["b_D"]) / s
    np.testing.assert_allclose(dictionary.reconstruct(given).numpy(), output, atol=1e-4)
    (tmp_path / "config.json").write_text(json.dumps(config | {"act_fn": "topk", "top_k": 3}))
    with pytest.raises(DictionaryError, match="differ by place"):
        load_dictionary(tmp_path)
