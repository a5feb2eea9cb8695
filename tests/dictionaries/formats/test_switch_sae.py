"""Switch SAEs: one expert a token, what the config does not say is asked for."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saewidgets.dictionaries import load_dictionary
from saewidgets.errors import DictionaryError
from tests.dictionaries.formats.hand import Arrays, agree, arrays, greatest, relu, write_torch

TRAINER = {
    "dict_class": "SwitchAutoEncoder",
    "k": 2,
    "experts": 3,
    "heaviside": False,
    "layer": 8,
    "submodule_name": "resid_post_layer_8",
}


def write(folder: Path, made: Arrays, trainer: dict[str, Any] | None) -> Path:
    keys = {"encoder.weight": made["W_enc"].T, "decoder": made["W_dec"], "router.weight": made["W_router"].T}
    write_torch(folder / "ae.pt", keys | {"b_dec": made["b_dec"], "b_router": made["b_router"]})
    if trainer is not None:
        (folder / "config.json").write_text(json.dumps({"trainer": trainer}))
    return folder / "ae.pt"


def make(d_in: int = 5, d_dict: int = 12, experts: int = 3) -> Arrays:
    rng = np.random.default_rng(9)
    more = {"W_router": rng.normal(size=(d_in, experts)), "b_router": rng.normal(size=d_in)}
    return arrays(1, d_in, d_dict) | {name: v.astype(np.float32).astype(np.float64) for name, v in more.items()}


def formula(made: Arrays, k: int, heaviside: bool) -> tuple[np.ndarray, np.ndarray]:
    logits = (made["x"] - made["b_router"]) @ made["W_router"]
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    size = made["W_dec"].shape[0] // p.shape[1]
    own = np.arange(made["W_dec"].shape[0]) // size == p.argmax(1)[:, None]
    z = relu((made["x"] - made["b_dec"]) @ made["W_enc"]) * own * (1.0 if heaviside else p.max(1, keepdims=True))
    f = greatest(z, k)
    return f, f @ made["W_dec"] + made["b_dec"]


@pytest.mark.parametrize(("d_in", "d_dict", "experts"), [(5, 12, 3), (6, 6, 2), (4, 16, 4), (3, 3, 3)])
@pytest.mark.parametrize("heaviside", [False, True])
def test_one_expert_a_token(tmp_path: Path, d_in: int, d_dict: int, experts: int, heaviside: bool) -> None:
    made = make(d_in, d_dict, experts)
    dictionary = load_dictionary(write(tmp_path, made, TRAINER | {"heaviside": heaviside, "experts": experts}))
    assert str(dictionary.site_in) == "resid_post.8"
    agree(dictionary, made["x"], *formula(made, 2, heaviside))


def test_what_the_file_does_not_say_is_asked_for(tmp_path: Path) -> None:
    made = make()
    path = write(tmp_path, made, None)
    arguments: dict[str, Any] = {}
    for name, value in (("k", 2), ("heaviside", True), ("site", "mlp_out.1")):
        with pytest.raises(DictionaryError, match=f"{name}="):
            load_dictionary(path, **arguments)
        arguments[name] = value
    agree(load_dictionary(path, **arguments), made["x"], *formula(made, 2, True))


def test_a_layer_alone_is_no_place(tmp_path: Path) -> None:
    trainer = {key: value for key, value in TRAINER.items() if key != "submodule_name"}
    with pytest.raises(DictionaryError, match="site="):
        load_dictionary(write(tmp_path, make(), trainer))


def test_experts_that_do_not_divide_the_features(tmp_path: Path) -> None:
    with pytest.raises(DictionaryError, match="experts"):
        load_dictionary(write(tmp_path, make(5, 12, 5), TRAINER))
