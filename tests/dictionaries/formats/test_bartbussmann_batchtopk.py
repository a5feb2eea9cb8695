"""Bart Bussmann's BatchTopK repository: four types, the norm of each token, a BatchTopK without a threshold."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from saewidgets.dictionaries import load_dictionary
from saewidgets.errors import DictionaryError
from tests.dictionaries.formats.hand import Arrays, above, agree, arrays, greatest, relu, tensors

TYPES = ["vanilla", "topk", "batchtopk", "jumprelu"]
CONFIG: dict[str, Any] = {
    "act_size": 5, "dict_size": 12, "top_k": 2, "input_unit_norm": True, "hook_point": "blocks.8.hook_resid_pre",
    "dtype": "torch.float32", "sae_type": "vanilla",
}  # fmt: skip


def write(folder: Path, made: Arrays, kind: str, dtype: torch.dtype = torch.float32, **more: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    saved = {name: made[name] for name in ("W_enc", "W_dec", "b_enc", "b_dec") if name in made}
    if kind == "jumprelu":
        saved["jumprelu.log_threshold"] = made["log_threshold"]
    torch.save(tensors(saved, dtype), folder / "sae.pt")
    sizes = {"act_size": made["x"].shape[1], "dict_size": len(made["threshold"])}
    (folder / "config.json").write_text(json.dumps(CONFIG | sizes | {"sae_type": kind} | more))
    return folder


def make(seed: int, d_in: int = 5, d_dict: int = 12) -> Arrays:
    made = arrays(seed, d_in, d_dict)
    return made | {"log_threshold": np.log(made["threshold"]).astype(np.float32).astype(np.float64)}


def formula(kind: str, made: Arrays, normed: bool, k: int = 2) -> tuple[np.ndarray, np.ndarray]:
    x = made["x"]
    mean, std = x.mean(1, keepdims=True) * normed, np.where(normed, x.std(1, ddof=1, keepdims=True), 1.0)
    x = (x - mean) / (std + 1e-5 * normed)
    c = (x - made["b_dec"]) @ made["W_enc"]
    if kind == "vanilla":
        f = relu(c + made["b_enc"])
    elif kind == "topk":
        f = greatest(relu(c), k)
    elif kind == "batchtopk":
        f = greatest(relu(c).reshape(1, -1), k * len(x)).reshape(c.shape)
    else:
        f = above(x @ made["W_enc"] + made["b_enc"], np.exp(made["log_threshold"]))
    return f, (f @ made["W_dec"] + made["b_dec"]) * std + mean


@pytest.mark.parametrize(("d_in", "d_dict"), [(5, 12), (6, 6), (7, 4)])
@pytest.mark.parametrize("normed", [True, False])
@pytest.mark.parametrize("kind", TYPES)
def test_every_type(tmp_path: Path, kind: str, normed: bool, d_in: int, d_dict: int) -> None:
    made = make(1, d_in, d_dict)
    dictionary = load_dictionary(write(tmp_path, made, kind, input_unit_norm=normed))
    assert dictionary.card.format == "bartbussmann_batchtopk"
    assert str(dictionary.site_in) == "resid_pre.8"
    assert dictionary.reads_context == (kind == "batchtopk")
    agree(dictionary, made["x"], *formula(kind, made, normed))


@pytest.mark.parametrize("kind", TYPES)
def test_bfloat16(tmp_path: Path, kind: str) -> None:
    made = {name: torch.tensor(v).bfloat16().double().numpy() for name, v in make(2).items()}
    agree(load_dictionary(write(tmp_path, made, kind, torch.bfloat16)), made["x"], *formula(kind, made, True))


def test_a_batchtopk_by_a_threshold(tmp_path: Path) -> None:
    made = make(3)
    path = write(tmp_path, made, "batchtopk", input_unit_norm=False)
    assert "batch" in load_dictionary(path).card.warnings[0]
    dictionary = load_dictionary(path, threshold=0.5)
    f = above((made["x"] - made["b_dec"]) @ made["W_enc"], 0.5)
    agree(dictionary, made["x"], f, f @ made["W_dec"] + made["b_dec"])
    assert not dictionary.reads_context and not dictionary.card.warnings


@pytest.mark.parametrize(
    ("kind", "key", "value", "word"),
    [("vanilla", "b_enc", np.zeros(11), "bias"), ("topk", "W_dec", np.full((12, 5), np.nan), "finite"),
     ("topk", "b_dec", np.zeros(4), "b_dec"), ("jumprelu", "log_threshold", np.zeros(11), "threshold"),
     ("jumprelu", "log_threshold", np.full(12, 1e3), "finite"), ("batchtopk", "W_enc", np.zeros((5, 11)), "encoder")],
)  # fmt: skip
def test_damaged_weights(tmp_path: Path, kind: str, key: str, value: np.ndarray, word: str) -> None:
    with pytest.raises(DictionaryError, match=word):
        load_dictionary(write(tmp_path, make(4) | {key: value}, kind))


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"sae_type": "gated"}, "gated"), ({"top_k": None}, "k="), ({"top_k": 13}, "13"), ({"act_size": 6}, "act_size"),
     ({"hook_point": None}, "site="), ({"input_unit_norm": "yes"}, "input_unit_norm")],
)  # fmt: skip
def test_configs_that_do_not_fit(tmp_path: Path, changes: dict[str, Any], word: str) -> None:
    with pytest.raises(DictionaryError, match=word):
        load_dictionary(write(tmp_path, make(5), "topk", **changes), format="bartbussmann_batchtopk")


def test_a_missing_tensor(tmp_path: Path) -> None:
    for kind, key in (("vanilla", "b_enc"), ("topk", "W_dec")):
        made = {name: value for name, value in make(6).items() if name != key}
        with pytest.raises(DictionaryError, match=key):
            load_dictionary(write(tmp_path, made, kind), format="bartbussmann_batchtopk")
