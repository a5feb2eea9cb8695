"""Llama Scope: raw units, norm factors in and out, what its config leaves open."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from saewidgets.dictionaries import load_dictionary
from saewidgets.errors import DictionaryError
from tests.dictionaries.formats.hand import Arrays, above, agree, arrays, greatest, relu, write_safetensors

CONFIG: dict[str, Any] = {
    "hook_point_in": "blocks.15.hook_resid_post", "hook_point_out": "blocks.15.hook_resid_post",
    "use_decoder_bias": True,
    "norm_activation": "dataset-wise", "act_fn": "jumprelu", "jump_relu_threshold": 0.6, "top_k": 3,
    "sparsity_include_decoder_norm": False, "dataset_average_activation_norm": {"in": 9.0, "out": 9.0},
}  # fmt: skip


def write(folder: Path, made: Arrays, dtype: torch.dtype = torch.float32, **changes: Any) -> Path:
    names = {"encoder.weight": made["W_enc"].T, "encoder.bias": made["b_enc"], "decoder.weight": made["W_dec"].T}
    names |= {"decoder.bias": made["b_dec"]} if changes.get("use_decoder_bias", True) else {}
    write_safetensors(folder / "checkpoints" / "final.safetensors", names, dtype)
    config = {key: value for key, value in (CONFIG | changes).items() if value is not None}
    (folder / "hyperparams.json").write_text(json.dumps(config))
    return folder


def hidden(made: Arrays, s: float) -> np.ndarray:
    return made["x"] @ made["W_enc"] + made["b_enc"] / s


@pytest.mark.parametrize(("d_in", "d_dict"), [(5, 12), (6, 6), (8, 3)])
@pytest.mark.parametrize("average", [1.0, 9.0])
def test_thresholds_are_in_raw_units(tmp_path: Path, d_in: int, d_dict: int, average: float) -> None:
    made = arrays(1, d_in, d_dict)
    folder = write(tmp_path, made, dataset_average_activation_norm={"in": average, "out": average})
    s = d_in**0.5 / average
    f = above(hidden(made, s), 0.6)
    agree(load_dictionary(folder), made["x"], f, f @ made["W_dec"] + made["b_dec"] / s)
    agree(
        load_dictionary(folder / "checkpoints" / "final.safetensors"),
        made["x"],
        f,
        f @ made["W_dec"] + made["b_dec"] / s,
    )


def test_a_transcoder_has_two_factors(tmp_path: Path) -> None:
    made = arrays(2)
    folder = write(
        tmp_path, made, hook_point_in="blocks.3.ln2.hook_normalized", hook_point_out="blocks.3.hook_mlp_out",
        dataset_average_activation_norm={"in": 4.0, "out": 7.0},
    )  # fmt: skip
    s_in, s_out = 5**0.5 / 4, 5**0.5 / 7
    f = above(hidden(made, s_in), 0.6)
    dictionary = load_dictionary(folder)
    agree(dictionary, made["x"], f, f @ made["W_dec"] * s_in / s_out + made["b_dec"] / s_out)
    assert (str(dictionary.site_in), str(dictionary.site_out)) == ("mlp_in.3", "mlp_out.3")


def test_bfloat16_stays_on_disk_and_is_computed_in_float32(tmp_path: Path) -> None:
    made = arrays(3)
    made = {name: torch.tensor(value).bfloat16().double().numpy() for name, value in made.items()}
    dictionary = load_dictionary(write(tmp_path, made, torch.bfloat16))
    f = above(hidden(made, 5**0.5 / 9), 0.6)
    agree(dictionary, made["x"], f, f @ made["W_dec"] + made["b_dec"] / (5**0.5 / 9))


@pytest.mark.parametrize("included", [False, True])
def test_topk_ranks_by_the_decoder_norm_if_it_was_trained_so(tmp_path: Path, included: bool) -> None:
    made = arrays(4)
    h = hidden(made, 5**0.5 / 9)
    gate = h * np.linalg.norm(made["W_dec"], axis=1) if included else h
    f = relu(greatest(h, 3, gate))
    folder = write(tmp_path, made, act_fn="topk", sparsity_include_decoder_norm=included)
    agree(load_dictionary(folder), made["x"], f, f @ made["W_dec"] + made["b_dec"] / (5**0.5 / 9))


def test_bias_relu_and_no_norm(tmp_path: Path) -> None:
    made = arrays(5)
    folder = write(tmp_path / "a", made, act_fn="relu", norm_activation="inference", use_decoder_bias=False)
    f = relu(made["x"] @ made["W_enc"] + made["b_enc"])
    agree(load_dictionary(folder), made["x"], f, f @ made["W_dec"])
    folder = write(tmp_path / "b", made, apply_decoder_bias_to_pre_encoder=True)
    s = 5**0.5 / 9
    f = above((made["x"] - made["b_dec"] / s) @ made["W_enc"] + made["b_enc"] / s, 0.6)
    agree(load_dictionary(folder), made["x"], f, f @ made["W_dec"] + made["b_dec"] / s)


def test_token_wise_norms_are_undone(tmp_path: Path) -> None:
    made = arrays(6)
    scale = np.linalg.norm(made["x"], axis=1, keepdims=True) / 5**0.5
    f = above(made["x"] / scale @ made["W_enc"] + made["b_enc"], 0.6)
    folder = write(tmp_path, made, norm_activation="token-wise")
    agree(load_dictionary(folder), made["x"], f, (f @ made["W_dec"] + made["b_dec"]) * scale)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"dataset_average_activation_norm": None}, "norm_factor="), ({"jump_relu_threshold": None}, "threshold="),
     ({"hook_point_in": None}, "site="), ({"act_fn": "topk", "top_k": None}, "k="),
     ({"use_glu_encoder": True}, "gated"),
     ({"norm_activation": "batch-wise"}, "batch-wise"), ({"act_fn": "gelu"}, "gelu"),
     ({"dataset_average_activation_norm": {"in": 0.0}}, "not above 0"), ({"jump_relu_threshold": "a"}, "no number"),
     ({"dataset_average_activation_norm": [1]}, "no mapping")],
)  # fmt: skip
def test_what_is_open_or_not_read_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(DictionaryError, match=words):
        load_dictionary(write(tmp_path, arrays(), **changes))


def test_arguments_answer(tmp_path: Path) -> None:
    made = arrays(7)
    folder = write(tmp_path, made, dataset_average_activation_norm=None, jump_relu_threshold=None, hook_point_in=None)
    dictionary = load_dictionary(folder, norm_factor=0.5, threshold=0.3, site="resid_mid.2", site_out="resid_mid.2")
    f = above(hidden(made, 0.5), 0.3)
    agree(dictionary, made["x"], f, f @ made["W_dec"] + made["b_dec"] / 0.5)
    assert [finding.where for finding in dictionary.card.findings if finding.where.startswith("argument")] == [
        "argument site", "argument site_out", "argument norm_factor", "argument threshold"
    ]  # fmt: skip
