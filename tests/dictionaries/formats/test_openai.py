"""OpenAI's SAEs: the layer norm that is inferred, the activation in the file, the place in its path."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from saewidgets.dictionaries import load_dictionary
from saewidgets.errors import DictionaryError
from tests.dictionaries.formats.hand import Arrays, agree, arrays, greatest, relu, tensors

TOPK: dict[str, Any] = {"activation": "TopK", "activation_state_dict": {"k": 2, "postact_fn": "ReLU"}}


def write(path: Path, made: Arrays, entries: dict[str, Any], dtype: torch.dtype = torch.float32) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {"encoder.weight": made["W_enc"].T, "decoder.weight": made["W_dec"].T}
    saved = tensors(weights | {"latent_bias": made["b_enc"], "pre_bias": made["b_dec"]}, dtype)
    statistics = {"stats_last_nonzero": torch.zeros(len(made["b_enc"]), dtype=torch.int64)}
    torch.save(saved | statistics | entries, path)
    return path


def formula(made: Arrays, kind: str, k: int = 2) -> tuple[np.ndarray, np.ndarray]:
    x, b = made["x"], made["b_dec"]
    if kind == "ReLU":
        f = relu((x - b) @ made["W_enc"] + made["b_enc"])
        return f, f @ made["W_dec"] + b
    mean, std = x.mean(1, keepdims=True), x.std(1, ddof=1, keepdims=True)
    h = ((x - mean) / (std + 1e-5) - b) @ made["W_enc"] + made["b_enc"]
    f = greatest(h, k) if kind == "Identity" else relu(greatest(h, k))
    return f, (f @ made["W_dec"] + b) * std + mean


@pytest.mark.parametrize(("d_in", "d_dict"), [(5, 12), (6, 6), (7, 3)])
@pytest.mark.parametrize("kind", ["TopK", "ReLU"])
def test_the_norm_goes_with_the_activation(tmp_path: Path, kind: str, d_in: int, d_dict: int) -> None:
    made = arrays(1, d_in, d_dict)
    entries = TOPK if kind == "TopK" else {"activation": "ReLU", "activation_state_dict": {}}
    dictionary = load_dictionary(write(tmp_path / "8.pt", made, entries), "resid_post.8")
    assert dictionary.card.format == "openai"
    agree(dictionary, made["x"], *formula(made, kind))


def test_no_activation_is_relu(tmp_path: Path) -> None:
    made = arrays(2)
    agree(load_dictionary(write(tmp_path / "8.pt", made, {}), "resid_post.8"), made["x"], *formula(made, "ReLU"))


def test_negative_values_without_a_relu_after(tmp_path: Path) -> None:
    made = arrays(3, 7, 3)
    entries = TOPK | {"activation_state_dict": {"k": 2, "postact_fn": "Identity"}}
    f, output = formula(made, "Identity")
    assert (f < 0).any()
    agree(load_dictionary(write(tmp_path / "8.pt", made, entries), "resid_post.8"), made["x"], f, output)


def test_bfloat16(tmp_path: Path) -> None:
    made = {name: torch.tensor(v).bfloat16().double().numpy() for name, v in arrays(4).items()}
    path = write(tmp_path / "8.pt", made, TOPK, torch.bfloat16)
    agree(load_dictionary(path, "resid_post.8"), made["x"], *formula(made, "TopK"))


@pytest.mark.parametrize(
    ("location", "site"),
    [("resid_post_mlp_v5_32k", "resid_post.8"), ("resid_post_attn_v5_128k", "resid_mid.8"),
     ("resid_delta_mlp_v5_32k", "mlp_out.8"), ("resid_delta_attn_v5_32k", "attn_out.8"),
     ("resid_delta_mlp", "mlp_out.8")],
)  # fmt: skip
def test_the_path_names_the_place(tmp_path: Path, location: str, site: str) -> None:
    path = write(tmp_path / location / "autoencoders" / "8.pt", arrays(5), TOPK)
    assert str(load_dictionary(path).site_in) == site


@pytest.mark.parametrize("place", ["8.pt", "mlp_post_act/autoencoders/8.pt", "resid_post_mlp_v5_32k/best.pt"])
def test_another_path_is_asked_for_its_place(tmp_path: Path, place: str) -> None:
    path = write(tmp_path / place, arrays(6), TOPK)
    with pytest.raises(DictionaryError, match="site="):
        load_dictionary(path)


@pytest.mark.parametrize(
    ("entries", "word"),
    [({"activation": "GELU"}, "GELU"), ({"activation": 3}, "3"), ({"activation": "TopK"}, "k="),
     (TOPK | {"activation_state_dict": {"k": 13}}, "13"), (TOPK | {"activation_state_dict": {"k": "two"}}, "two"),
     (TOPK | {"activation_state_dict": {"k": 2, "postact_fn": "GELU"}}, "GELU"), ({"more": torch.ones(2)}, "more"),
     ({"pre_bias": torch.zeros(4)}, "b_dec"), ({"latent_bias": torch.zeros(11)}, "bias"),
     ({"decoder.weight": torch.full((5, 12), torch.nan)}, "finite")],
)  # fmt: skip
def test_files_that_do_not_fit(tmp_path: Path, entries: dict[str, Any], word: str) -> None:
    with pytest.raises(DictionaryError, match=word):
        load_dictionary(write(tmp_path / "8.pt", arrays(7), entries), "resid_post.8")


def test_a_missing_tensor(tmp_path: Path) -> None:
    made = arrays(8)
    torch.save(tensors({"encoder.weight": made["W_enc"].T, "pre_bias": made["b_dec"]}), tmp_path / "8.pt")
    with pytest.raises(DictionaryError, match="latent_bias"):
        load_dictionary(tmp_path / "8.pt", "resid_post.8", format="openai")
