"""Gemma Scope 2: places by config or folder names, skip connections as they are stored."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saewidgets.dictionaries import load_dictionary
from saewidgets.errors import DictionaryError
from tests.dictionaries.formats.hand import Arrays, above, agree, arrays, write_safetensors


def write(
    folder: Path, made: Arrays, config: dict[str, Any] | None = None, skip: bool = False, **other: np.ndarray
) -> Path:
    named = {"w_enc": made["W_enc"], "w_dec": made["W_dec"]} | {
        key: made[key] for key in ("b_enc", "b_dec", "threshold")
    }
    named |= {"affine_skip_connection": made["W_skip"]} if skip else {}
    write_safetensors(folder / "params.safetensors", named | other)
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    return folder


def formula(made: Arrays, skip: bool = False) -> tuple[np.ndarray, np.ndarray]:
    f = above(made["x"] @ made["W_enc"] + made["b_enc"], made["threshold"])
    return f, f @ made["W_dec"] + made["b_dec"] + (made["x"] @ made["W_skip"] if skip else 0.0)


@pytest.mark.parametrize(
    ("kind", "site_in", "site_out"),
    [("resid_post", "resid_post.5", "resid_post.5"), ("resid_post_all", "resid_post.5", "resid_post.5"),
     ("attn_out", "attn_out.5", "attn_out.5"), ("mlp_out_all", "mlp_out.5", "mlp_out.5"),
     ("transcoder_all", "mlp_in.5", "mlp_out.5")],
)  # fmt: skip
def test_folder_names_say_the_place_where_the_config_is_missing(
    tmp_path: Path, kind: str, site_in: str, site_out: str
) -> None:
    made = arrays(1)
    dictionary = load_dictionary(write(tmp_path / kind / "layer_5_width_16k_l0_small", made))
    assert (str(dictionary.site_in), str(dictionary.site_out)) == (site_in, site_out)
    agree(dictionary, made["x"], *formula(made))


@pytest.mark.parametrize(
    ("module_in", "module_out", "site_in", "site_out"),
    [("model.layers.9.output", None, "resid_post.9", "resid_post.9"),
     ("model.layers.9.self_attn.o_proj.input", None, "attn_z.9", "attn_z.9"),
     ("model.layers.9.post_attention_layernorm.output", None, "attn_out.9", "attn_out.9"),
     ("model.layers.9.pre_feedforward_layernorm.output", "model.layers.9.post_feedforward_layernorm.output",
      "mlp_in.9", "mlp_out.9"),
     ("model.layers.9.pre_feedforward_layernorm.output", None, "mlp_in.9", "mlp_out.9")],
)  # fmt: skip
def test_the_config_names_modules(
    tmp_path: Path, module_in: str, module_out: str | None, site_in: str, site_out: str
) -> None:
    config = {"model_name": "gemma-v3-270m-pt", "hf_hook_point_in": module_in, "hf_hook_point_out": module_out}
    dictionary = load_dictionary(write(tmp_path / "resid_post" / "layer_5_width_16k_l0_small", arrays(), config))
    assert (str(dictionary.site_in), str(dictionary.site_out)) == (site_in, site_out)


def test_a_module_that_is_no_site_is_refused(tmp_path: Path) -> None:
    config = {"model_name": "gemma-v3-1b-pt", "hf_hook_point_in": "model.layers.9.mlp.output"}  # a norm follows
    folder = write(tmp_path, arrays(), config)
    with pytest.raises(DictionaryError, match=r"Pass site="):
        load_dictionary(folder)
    assert str(load_dictionary(folder, site="mlp_out.9").site_in) == "mlp_out.9"


@pytest.mark.parametrize("shape", [(5, 12, 5), (5, 12, 3), (6, 6, 6)])
def test_the_skip_connection_is_not_transposed(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    made = arrays(2, *shape)
    folder = write(tmp_path / "transcoder" / "layer_3_width_16k_l0_small_affine", made, skip=True)
    dictionary = load_dictionary(folder)
    assert dictionary.architecture == "jumprelu_skip_transcoder"
    agree(dictionary, made["x"], *formula(made, skip=True))


def test_a_skip_connection_that_is_promised_and_missing(tmp_path: Path) -> None:
    with pytest.raises(DictionaryError, match="affine_connection"):
        load_dictionary(
            write(tmp_path, arrays(), {"affine_connection": True, "hf_hook_point_in": "model.layers.1.output"})
        )


def test_unknown_tensors_and_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DictionaryError, match="also holds 'extra'"):
        load_dictionary(write(tmp_path / "a", arrays(), extra=np.zeros(2)))
    with pytest.raises(DictionaryError, match="site="):
        load_dictionary(write(tmp_path / "b", arrays()))
