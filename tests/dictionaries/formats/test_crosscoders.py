"""Crosscoders of two families: keys of compiled models, code normalisation, input norms folded, refusals."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from saewidgets.dictionaries import load_dictionary
from saewidgets.errors import DictionaryError
from tests.dictionaries.formats.hand import agree, relu

Arrays = dict[str, np.ndarray]


def make(n: int = 2, d: int = 5, m: int = 12, seed: int = 1) -> Arrays:
    rng = np.random.default_rng(seed)
    shapes = {"W_enc": (n, d, m), "W_dec": (n, m, d), "b_enc": (m,), "b_dec": (n, d), "x": (9, n, d), "mean": (n, d)}
    made = {name: rng.normal(size=shape) for name, shape in shapes.items()} | {"std": rng.uniform(0.5, 2, (n, d))}
    return {name: value.astype(np.float32).astype(np.float64) for name, value in made.items()}


def tensor(value: Any) -> torch.Tensor:
    return torch.tensor(np.ascontiguousarray(value), dtype=torch.float32)


def pair(folder: Path, made: Arrays, config: dict[str, Any] | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    weights = {
        "W_enc": made["W_enc"],
        "W_dec": made["W_dec"].transpose(1, 0, 2),
        "b_enc": made["b_enc"],
        "b_dec": made["b_dec"],
    }
    torch.save({key: tensor(value) for key, value in weights.items()}, folder / "cc_weights.pt")
    (folder / "cfg.json").write_text(
        json.dumps({"hook_point": "blocks.14.hook_resid_pre"} if config is None else config)
    )
    return folder


def sof(
    folder: Path, made: Arrays, config: dict[str, Any] | None = None, code: int | None = 1, prefix: str = "",
        safe: bool = True,
    **other: torch.Tensor,
) -> Path:  # fmt: skip
    folder.mkdir(exist_ok=True)
    named = {"encoder.weight": made["W_enc"], "encoder.bias": made["b_enc"], "decoder.weight": made["W_dec"],
             "decoder.bias": made["b_dec"]}  # fmt: skip
    tensors = {key: tensor(value) for key, value in named.items()} | other
    tensors |= {} if code is None else {"code_normalization_id": torch.tensor(code)}
    tensors = {f"{prefix}{key}": value for key, value in tensors.items()}
    if safe:
        save_file(tensors, folder / "model.safetensors")
    else:
        torch.save(tensors, folder / "ae.pt")
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    return folder


def formula(
    made: Arrays, x: np.ndarray | None = None, threshold: np.ndarray | float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    x = made["x"] if x is None else x
    h = relu(np.einsum("bnd,ndm->bm", x, made["W_enc"]) + made["b_enc"])
    f = np.where(h > threshold, h, 0.0)
    return f, np.einsum("bm,nmd->bnd", f, made["W_dec"]) + made["b_dec"]


@pytest.mark.parametrize(("n", "d", "m"), [(2, 5, 12), (2, 6, 6), (3, 4, 3), (2, 2, 2)])
def test_two_models(tmp_path: Path, n: int, d: int, m: int) -> None:
    made = make(n, d, m)
    dictionary = load_dictionary(pair(tmp_path / "a", made))
    assert str(dictionary.site_in) == "resid_pre.14"
    assert "mean norm" in dictionary.card.warnings[0]
    agree(dictionary, made["x"], *formula(made))


def test_a_norm_factor_is_applied_and_undone(tmp_path: Path) -> None:
    made = make()
    dictionary = load_dictionary(pair(tmp_path / "a", made), norm_factor=0.25)
    f, output = formula(made, made["x"] * 0.25)
    agree(dictionary, made["x"], f, output / 0.25)
    assert dictionary.card.warnings == ()


@pytest.mark.parametrize("prefix", ["", "_orig_mod."])
@pytest.mark.parametrize("safe", [False, True])
@pytest.mark.parametrize("shape", [(2, 5, 12), (3, 4, 4), (2, 2, 2)])
def test_names_of_compiled_models(tmp_path: Path, prefix: str, safe: bool, shape: tuple[int, int, int]) -> None:
    made = make(*shape)
    dictionary = load_dictionary(sof(tmp_path / "a", made, prefix=prefix, safe=safe), site="resid_post.13")
    agree(dictionary, made["x"], *formula(made))


def norms(made: Arrays, code: int) -> np.ndarray:
    each = np.linalg.norm(made["W_dec"], axis=2)
    return {1: each.sum(0), 2: (each**2).sum(0) ** 0.5, 3: 2 * (each**2).sum(0) ** 0.5 + 0.3 * each.sum(0),
            4: np.ones(each.shape[1])}[code]  # fmt: skip


@pytest.mark.parametrize("code", [1, 2, 3, 4])
def test_batchtopk_compares_normalised_codes(tmp_path: Path, code: int) -> None:
    made = make()
    made["W_dec"][:, 4] = 0  # a feature that writes nothing is never active, unless codes are not normalised
    config = {"code_normalization_alpha_sae": 2.0, "code_normalization_alpha_cc": 0.3}
    other = {"k": torch.tensor(3), "threshold": torch.tensor(2.5)}
    dictionary = load_dictionary(sof(tmp_path / "a", made, config, code, **other), site="resid_post.13")
    with np.errstate(divide="ignore"):
        threshold = 2.5 / norms(made, code)
    agree(dictionary, made["x"], *formula(made, threshold=threshold))


def test_a_threshold_that_was_never_set_is_asked_for(tmp_path: Path) -> None:
    made = make()
    folder = sof(tmp_path / "a", made, k=torch.tensor(3), threshold=torch.tensor(-1.0))
    with pytest.raises(DictionaryError, match="threshold="):
        load_dictionary(folder, site="resid_post.13")
    dictionary = load_dictionary(folder, site="resid_post.13", threshold=1.0)
    agree(dictionary, made["x"], *formula(made, threshold=1.0 / norms(made, 1)))


@pytest.mark.parametrize("per_layer", [False, True])
@pytest.mark.parametrize("relative", [False, True])
def test_input_norms_are_folded(tmp_path: Path, per_layer: bool, relative: bool) -> None:
    made = make()
    scale = np.float32([0.5, 0.3]) if per_layer else np.float32(0.4)
    other = {"activation_mean": tensor(made["mean"]), "activation_std": tensor(made["std"]),
        "target_rms": torch.tensor(1.0),
             "activation_global_scale": torch.tensor(scale)}  # fmt: skip
    config = {} if relative else {"keep_relative_variance": False}
    dictionary = load_dictionary(sof(tmp_path / "a", made, config, **other), site="resid_post.13")
    by = scale.reshape(-1, 1).astype(np.float64) if relative else 1 / made["std"]
    f, output = formula(made, (made["x"] - made["mean"]) * by)
    agree(dictionary, made["x"], f, output / by + made["mean"], tolerance=1e-4)


def test_norms_that_are_not_set_do_nothing(tmp_path: Path) -> None:
    made = make()
    nan = torch.full((2, 5), float("nan"))
    other = {
        "activation_mean": nan,
        "activation_std": nan.clone(),
        "activation_global_scale": torch.ones(2),
        "target_rms": torch.tensor(1.0),
    }
    agree(load_dictionary(sof(tmp_path / "a", made, **other), site="resid_post.13"), made["x"], *formula(made))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"config": {"latent_processor": "x"}}, "latent_processor"), ({"config": {"encoder_layers": [0]}},
        "encoder_layers"),
     ({"extra": torch.ones(2)}, "extra"), ({"threshold": torch.tensor(1.0), "code": 5}, "decoupled"),
     ({"threshold": torch.ones(2), "code": 5}, "decoupled"), ({"threshold": torch.tensor(1.0), "code": 9},
         "decoder_norm=")],
)  # fmt: skip
def test_what_is_open_or_not_read_is_refused(tmp_path: Path, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(DictionaryError, match=words):
        load_dictionary(sof(tmp_path / "a", make(), **arguments), site="resid_post.13")


def test_no_file_says_where_it_reads(tmp_path: Path) -> None:
    for folder in (sof(tmp_path / "a", make()), pair(tmp_path / "b", make(), {})):
        with pytest.raises(DictionaryError, match="site="):
            load_dictionary(folder)
