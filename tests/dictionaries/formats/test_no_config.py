"""Formats without a config – Goodfire, qresearch, Qwen Scope: what they leave out stands in a name, or is asked for."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from saewidgets.dictionaries import load_dictionary
from saewidgets.errors import DictionaryError
from tests.dictionaries.formats.hand import Arrays, agree, arrays, greatest, relu, tensors

K = 2
LAYER = {"goodfire": "Llama-3.1-8B-Instruct-SAE-l19.pth", "qresearch": "R1-SAE-l19.pt", "qwen_scope": "layer19.sae.pt"}
REPOSITORY = "models--Qwen--SAE-Res-Qwen3-1.7B-Base-W32K-L0_2"


def goodfire(made: Arrays) -> Arrays:
    linear = {"weight": (made["W_enc"].T, made["W_dec"].T), "bias": (made["b_enc"], made["b_dec"])}
    return {
        f"{part}_linear.{key}": pair[i] for key, pair in linear.items() for i, part in enumerate(("encoder", "decoder"))
    }


def qresearch(made: Arrays) -> Arrays:
    return {key.replace("_linear", ""): value for key, value in goodfire(made).items()}


def qwen_scope(made: Arrays) -> Arrays:
    return {"W_enc": made["W_enc"].T, "W_dec": made["W_dec"].T, "b_enc": made["b_enc"], "b_dec": made["b_dec"]}


FORMATS = [goodfire, qresearch, qwen_scope]


def formula(made: Arrays, format: str) -> tuple[np.ndarray, np.ndarray]:
    h = relu(made["x"] @ made["W_enc"] + made["b_enc"])
    f = greatest(h, K) if format == "qwen_scope" else h
    return f, f @ made["W_dec"] + made["b_dec"]


def write(root: Path, saved: Arrays, name: str, dtype: torch.dtype = torch.float32) -> Path:
    path = root / REPOSITORY / name
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(tensors(saved, dtype), path)
    return path


@pytest.mark.parametrize(("d_in", "d_dict"), [(5, 12), (6, 6), (7, 3)])
@pytest.mark.parametrize("keys", FORMATS)
def test_layer_and_k_stand_in_names(tmp_path: Path, keys: Callable[[Arrays], Arrays], d_in: int, d_dict: int) -> None:
    made, format = arrays(1, d_in, d_dict), keys.__name__
    path = write(tmp_path, keys(made), LAYER[format])
    for place in (path, path.parent):
        dictionary = load_dictionary(place)
        assert (dictionary.card.format, str(dictionary.site_in)) == (format, "resid_post.19")
        agree(dictionary, made["x"], *formula(made, format))


@pytest.mark.parametrize("keys", FORMATS)
def test_bfloat16(tmp_path: Path, keys: Callable[[Arrays], Arrays]) -> None:
    made = {name: torch.tensor(v).bfloat16().double().numpy() for name, v in arrays(2).items()}
    path = write(tmp_path, keys(made), LAYER[keys.__name__], torch.bfloat16)
    agree(load_dictionary(path), made["x"], *formula(made, keys.__name__))


@pytest.mark.parametrize("keys", [goodfire, qresearch])
def test_a_renamed_file_is_asked_for_its_place(tmp_path: Path, keys: Callable[[Arrays], Arrays]) -> None:
    path = write(tmp_path, keys(arrays(3)), "sae.pt")
    with pytest.raises(DictionaryError, match="site="):
        load_dictionary(path)
    assert str(load_dictionary(path, "resid_post.4").site_in) == "resid_post.4"


def test_k_is_asked_for_elsewhere(tmp_path: Path) -> None:
    made = arrays(4)
    path = tmp_path / "layer3.sae.pt"
    torch.save(tensors(qwen_scope(made)), path)
    with pytest.raises(DictionaryError, match="k="):
        load_dictionary(path)
    agree(load_dictionary(path, k=K), made["x"], *formula(made, "qwen_scope"))


def test_the_layer_of_several(tmp_path: Path) -> None:
    for layer in (0, 1):
        write(tmp_path, qwen_scope(arrays(layer)), f"layer{layer}.sae.pt")
    made = arrays(1)
    agree(load_dictionary(tmp_path / REPOSITORY, "resid_post.1"), made["x"], *formula(made, "qwen_scope"))
    with pytest.raises(DictionaryError, match="2 dictionaries"):
        load_dictionary(tmp_path / REPOSITORY)


@pytest.mark.parametrize("keys", FORMATS)
@pytest.mark.parametrize(
    ("key", "value", "word"),
    [("b_enc", np.zeros(11), "bias"), ("W_dec", np.full((12, 5), np.nan), "finite"), ("b_dec", np.zeros(4), "b_dec"),
     ("b_enc", np.full(12, np.inf), "finite"), ("W_enc", np.zeros((5, 0)), "empty|bias")],
)  # fmt: skip
def test_damaged_weights(
    tmp_path: Path, keys: Callable[[Arrays], Arrays], key: str, value: np.ndarray, word: str
) -> None:
    with pytest.raises(DictionaryError, match=word):
        load_dictionary(write(tmp_path, keys(arrays(5) | {key: value}), LAYER[keys.__name__]))


@pytest.mark.parametrize("keys", FORMATS)
def test_a_missing_tensor(tmp_path: Path, keys: Callable[[Arrays], Arrays]) -> None:
    saved = keys(arrays(6))
    for key in saved:
        path = write(tmp_path, {name: v for name, v in saved.items() if name != key}, LAYER[keys.__name__])
        with pytest.raises(DictionaryError, match=key):
            load_dictionary(path, format=keys.__name__)
