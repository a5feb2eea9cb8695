"""Dunefsky's transcoders: the input's bias is subtracted, another is added; objects are refused."""

import argparse
from pathlib import Path

import numpy as np
import pytest
import torch

from saewidgets.dictionaries import load_dictionary
from saewidgets.errors import DictionaryError
from tests.dictionaries.formats.hand import Arrays, agree, arrays, relu, tensors, write_safetensors

NAME = "final_sparse_autoencoder_gpt2-small_blocks.8.ln2.hook_normalized_12"


def make(seed: int = 0, d_in: int = 5, d_dict: int = 12, d_out: int | None = None) -> Arrays:
    made = arrays(seed, d_in, d_dict, d_out)
    return made | {"b_dec_out": made["b_dec"], "b_dec": np.linspace(-1, 1, d_in).astype(np.float32).astype(float)}


def state(made: Arrays) -> Arrays:
    return {key: made[key] for key in ("W_enc", "W_dec", "b_enc", "b_dec", "b_dec_out")}


def save(path: Path, made: Arrays, **more: object) -> Path:
    torch.save({"state_dict": tensors(state(made)), **more}, path)
    return path


def formula(made: Arrays) -> tuple[np.ndarray, np.ndarray]:
    f = relu((made["x"] - made["b_dec"]) @ made["W_enc"] + made["b_enc"])
    return f, f @ made["W_dec"] + made["b_dec_out"]


@pytest.mark.parametrize(("d_in", "d_dict", "d_out"), [(5, 12, 5), (6, 6, 6), (7, 3, 7), (5, 12, 8)])
def test_two_biases(tmp_path: Path, d_in: int, d_dict: int, d_out: int) -> None:
    made = make(1, d_in, d_dict, d_out)
    dictionary = load_dictionary(save(tmp_path / f"{NAME}.pt", made))
    assert (str(dictionary.site_in), str(dictionary.site_out)) == ("mlp_in.8", "mlp_out.8")
    agree(dictionary, made["x"], *formula(made))
    assert "without them" in dictionary.card.warnings[0]
    assert [path.name for path in dictionary.card.paths] == [f"{NAME}.pt"]


def test_saved_again_as_the_refusal_says(tmp_path: Path) -> None:
    made = make(2)
    with pytest.raises(DictionaryError, match=r"Namespace.*safetensors"):
        load_dictionary(save(tmp_path / f"{NAME}.pt", made, cfg=argparse.Namespace(d_in=5)))
    write_safetensors(tmp_path / "again" / f"{NAME}.safetensors", state(made))
    agree(load_dictionary(tmp_path / "again"), made["x"], *formula(made))


def test_a_file_of_another_name_is_asked_for_its_place(tmp_path: Path) -> None:
    made = make(3)
    path = save(tmp_path / "transcoder.pt", made)
    with pytest.raises(DictionaryError, match="site="):
        load_dictionary(path)
    assert str(load_dictionary(path, "mlp_in.3").site_out) == "mlp_out.3"
    assert str(load_dictionary(path, "resid_mid.3", site_out="resid_post.3").site_out) == "resid_post.3"
    agree(load_dictionary(path, strict=False), made["x"], *formula(made))


def test_bfloat16(tmp_path: Path) -> None:
    made = {name: torch.tensor(v).bfloat16().double().numpy() for name, v in make(4).items()}
    write_safetensors(tmp_path / f"{NAME}.safetensors", state(made), torch.bfloat16)
    agree(load_dictionary(tmp_path), made["x"], *formula(made))


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [("b_enc", np.zeros(11), "bias"), ("W_dec", np.full((12, 5), np.nan), "finite"), ("b_dec", np.zeros(4), "b_in"),
     ("b_dec_out", np.zeros(4), "b_dec")],
)  # fmt: skip
def test_wrong_files(tmp_path: Path, key: str, value: np.ndarray, word: str) -> None:
    with pytest.raises(DictionaryError, match=word):
        load_dictionary(save(tmp_path / f"{NAME}.pt", make(5) | {key: value}))


def test_a_damaged_storage_is_said(tmp_path: Path) -> None:
    path = save(tmp_path / f"{NAME}.pt", make(6))
    data = bytearray(path.read_bytes())
    place = data.find(torch.tensor(make(6)["b_enc"], dtype=torch.float32).numpy().tobytes())
    data[place] ^= 255
    path.write_bytes(data)
    with pytest.raises(DictionaryError, match=r"hecksum|damaged"):
        load_dictionary(path)
