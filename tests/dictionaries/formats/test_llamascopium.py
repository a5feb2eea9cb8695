"""llamascopium and lm_saes: both sets of names, the decoder norm in the selection, scales in and out."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saewidgets.dictionaries import load_dictionary
from saewidgets.errors import DictionaryError
from tests.dictionaries.formats.hand import Arrays, above, agree, arrays, greatest, relu, write_safetensors

HOOK = "blocks.5.hook_resid_post"
CONFIG: dict[str, Any] = {
    "sae_type": "sae", "hook_point_in": HOOK, "hook_point_out": HOOK, "act_fn": "jumprelu",
    "norm_activation": "dataset-wise",
    "sparsity_include_decoder_norm": True, "use_decoder_bias": True, "top_k": 3,
}  # fmt: skip
OLD = {"W_E": "encoder.weight", "b_E": "encoder.bias", "W_D": "decoder.weight", "b_D": "decoder.bias",
       "activation_function.log_jumprelu_threshold": "log_jumprelu_threshold"}  # fmt: skip


def write(
    folder: Path,
    made: Arrays,
    averages: dict[str, float] | None = None,
    old: bool = False,
    drop: str = "",
    **changes: Any,
) -> Path:
    named = {"W_E": made["W_enc"], "b_E": made["b_enc"], "W_D": made["W_dec"], "b_D": made["b_dec"]}
    if changes.get("act_fn", "jumprelu") == "jumprelu":
        named["activation_function.log_jumprelu_threshold"] = np.log(made["threshold"])
    if old:
        named = {OLD[key]: value.T if value.ndim == 2 else value for key, value in named.items()}
    for hook, average in ({HOOK: 7.0} if averages is None else averages).items():
        named[f"dataset_average_activation_norm.{hook}"] = np.array(average)
    write_safetensors(folder / "sae_weights.safetensors", {key: value for key, value in named.items() if key != drop})
    (folder / "config.json").write_text(json.dumps(CONFIG | changes))
    return folder


def hidden(made: Arrays, s: float = 5**0.5 / 7) -> np.ndarray:
    return made["x"] * s @ made["W_enc"] + made["b_enc"]


@pytest.mark.parametrize(("d_in", "d_dict"), [(5, 12), (6, 6), (9, 4)])
@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("included", [False, True])
def test_names_shapes_and_the_decoder_norm(tmp_path: Path, d_in: int, d_dict: int, old: bool, included: bool) -> None:
    made = arrays(1, d_in, d_dict)
    s = d_in**0.5 / 7
    h = hidden(made, s)
    f = above(h, np.exp(np.log(made["threshold"])), h * np.linalg.norm(made["W_dec"], axis=1) if included else h)
    folder = write(tmp_path, made, old=old, sparsity_include_decoder_norm=included)
    agree(load_dictionary(folder), made["x"], f, (f @ made["W_dec"] + made["b_dec"]) / s)


@pytest.mark.parametrize("included", [False, True])
@pytest.mark.parametrize("kind", ["relu", "topk"])
def test_other_activations(tmp_path: Path, kind: str, included: bool) -> None:
    made = arrays(2)
    h = hidden(made)
    gate = h * np.linalg.norm(made["W_dec"], axis=1) if included else h
    f = relu(h) if kind == "relu" else relu(greatest(h, 3, gate))
    folder = write(tmp_path, made, act_fn=kind, sparsity_include_decoder_norm=included)
    agree(load_dictionary(folder), made["x"], f, (f @ made["W_dec"] + made["b_dec"]) * 7 / 5**0.5)


def test_batchtopk_depends_on_the_batch_until_a_threshold_is_given(tmp_path: Path) -> None:
    made = arrays(3)
    folder = write(tmp_path, made, act_fn="batchtopk")
    with pytest.raises(DictionaryError, match="threshold="):
        load_dictionary(folder)
    h = hidden(made)
    f = above(h, 0.5, h * np.linalg.norm(made["W_dec"], axis=1))
    agree(load_dictionary(folder, threshold=0.5), made["x"], f, (f @ made["W_dec"] + made["b_dec"]) * 7 / 5**0.5)


def test_a_transcoder_has_two_factors_and_may_have_no_bias(tmp_path: Path) -> None:
    made = arrays(4)
    out = "blocks.5.hook_mlp_out"
    folder = write(tmp_path, made, {HOOK: 4.0, out: 9.0}, hook_point_out=out, use_decoder_bias=False, drop="b_D")
    h = hidden(made, 5**0.5 / 4)
    f = above(h, made["threshold"], h * np.linalg.norm(made["W_dec"], axis=1))
    dictionary = load_dictionary(folder)
    assert str(dictionary.site_out) == "mlp_out.5"
    agree(dictionary, made["x"], f, f @ made["W_dec"] * 9 / 5**0.5)


def test_inference_files_are_raw_and_token_norms_are_undone(tmp_path: Path) -> None:
    made = arrays(5)
    gate = np.linalg.norm(made["W_dec"], axis=1)
    h = hidden(made, 1.0)
    f = above(h, made["threshold"], h * gate)
    dictionary = load_dictionary(write(tmp_path / "a", made, {}, norm_activation="inference"))
    assert dictionary.card.warnings
    agree(dictionary, made["x"], f, f @ made["W_dec"] + made["b_dec"])
    scale = np.linalg.norm(made["x"], axis=1, keepdims=True) / 5**0.5
    h = made["x"] / scale @ made["W_enc"] + made["b_enc"]
    f = above(h, made["threshold"], h * gate)
    dictionary = load_dictionary(write(tmp_path / "b", made, {}, norm_activation="token-wise"))
    agree(dictionary, made["x"], f, (f @ made["W_dec"] + made["b_dec"]) * scale)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"sae_type": "lorsa"}, "lorsa"), ({"sae_type": "molt"}, "molt"), ({"use_glu_encoder": True}, "gated"),
     ({"norm_activation": "batch-wise"}, "batch-wise"), ({"averages": {}}, "norm_factor="),
     ({"averages": {HOOK: 0.0}}, "above 0"),
     ({"act_fn": "gelu"}, "gelu"), ({"drop": "b_E"}, "lacks 'b_E'"), ({"act_fn": "topk", "top_k": None}, "k=")],
)  # fmt: skip
def test_what_is_open_or_not_read_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(DictionaryError, match=words):
        load_dictionary(write(tmp_path, arrays(), **changes))


def test_sharded_checkpoints_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "sae_weights.dcp").mkdir()
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    with pytest.raises(DictionaryError, match=r"\.dcp.*save_pretrained"):
        load_dictionary(tmp_path)
