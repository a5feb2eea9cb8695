"""Attention-output SAEs: the bias is subtracted, the config of the same name says where it reads."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from saewidgets.dictionaries import load_dictionary
from saewidgets.errors import DictionaryError
from tests.dictionaries.formats.hand import Arrays, agree, arrays, relu, write_torch

KEYS = ("W_enc", "W_dec", "b_enc", "b_dec")


def write(folder: Path, made: Arrays, run: str = "gpt2-small_L5_Hcat_z_v9", **config: Any) -> Path:
    write_torch(folder / f"{run}.pt", {key: made[key] for key in KEYS})
    known = {"act_size": made["W_enc"].shape[0], "dict_size": made["W_enc"].shape[1], "layer": 5}
    (folder / f"{run}_cfg.json").write_text(json.dumps(known | {"act_name": "blocks.5.attn.hook_z"} | config))
    return folder / f"{run}.pt"


def formula(made: Arrays) -> tuple[np.ndarray, np.ndarray]:
    f = relu((made["x"] - made["b_dec"]) @ made["W_enc"] + made["b_enc"])
    return f, f @ made["W_dec"] + made["b_dec"]


@pytest.mark.parametrize(("d_in", "d_dict"), [(5, 12), (6, 6), (7, 3)])
def test_the_bias_is_subtracted(tmp_path: Path, d_in: int, d_dict: int) -> None:
    made = arrays(1, d_in, d_dict)
    dictionary = load_dictionary(write(tmp_path, made))
    assert str(dictionary.site_in) == "attn_z.5"
    agree(dictionary, made["x"], *formula(made))


def test_a_folder_of_several_runs(tmp_path: Path) -> None:
    made = arrays(2)
    write(tmp_path, made)
    agree(load_dictionary(tmp_path), made["x"], *formula(made))
    write(tmp_path, made, "gpt2-small_L6_Hcat_z_v9", act_name="blocks.6.attn.hook_z")
    with pytest.raises(DictionaryError, match="2 dictionaries"):
        load_dictionary(tmp_path)
    assert str(load_dictionary(tmp_path / "gpt2-small_L6_Hcat_z_v9.pt").site_in) == "attn_z.6"


def test_bfloat16(tmp_path: Path) -> None:
    made = {name: torch.tensor(v).bfloat16().double().numpy() for name, v in arrays(3).items()}
    path = write(tmp_path, made)
    torch.save({key: torch.tensor(made[key]).bfloat16() for key in KEYS}, path)
    agree(load_dictionary(path), made["x"], *formula(made))


@pytest.mark.parametrize(
    ("config", "word"),
    [({"act_name": None}, "site="), ({"act_name": "blocks.5.attn.hook_q"}, "site="), ({"act_size": 6}, "act_size"),
     ({"dict_size": 13}, "dict_size")],
)  # fmt: skip
def test_configs_that_do_not_say_or_do_not_fit(tmp_path: Path, config: dict[str, Any], word: str) -> None:
    with pytest.raises(DictionaryError, match=word):
        load_dictionary(write(tmp_path, arrays(4), **config))


def test_wrong_weights(tmp_path: Path) -> None:
    for key, value, word in (
        ("b_enc", np.zeros(11), "bias"),
        ("W_dec", np.full((12, 5), np.nan), "finite"),
        ("b_dec", np.zeros(4), "b_dec"),
    ):
        path = write(tmp_path, arrays(5) | {key: value})
        with pytest.raises(DictionaryError, match=word):
            load_dictionary(path)


def test_without_its_config_it_is_of_no_known_format(tmp_path: Path) -> None:
    made = arrays(6)
    path = write(tmp_path, made)
    path.with_name("gpt2-small_L5_Hcat_z_v9_cfg.json").unlink()
    with pytest.raises(DictionaryError):
        load_dictionary(path)
    agree(load_dictionary(path, "attn_z.5", format="ckkissane_attn"), made["x"], *formula(made))
