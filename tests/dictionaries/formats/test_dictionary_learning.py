"""dictionary_learning: every class against its formula, decoder norm and thresholds, what a config must say."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from saewidgets.dictionaries import load_dictionary
from saewidgets.errors import DictionaryError
from tests.dictionaries.formats.hand import Arrays, above, agree, arrays, greatest, relu, tensors

TRAINER = {"layer": 3, "submodule_name": "resid_post_layer_3", "lm_name": "pythia-70m"}
CLASSES = [
    "AutoEncoder", "AutoEncoderNew", "GatedAutoEncoder", "AutoEncoderTopK", "BatchTopKSAE", "JumpReluAutoEncoder",
    "MatryoshkaBatchTopKSAE",
]  # fmt: skip
SHAPES = [(5, 12), (6, 6), (7, 3)]


def make(seed: int = 0, d_in: int = 5, d_dict: int = 12) -> Arrays:
    rng = np.random.default_rng(100 + seed)
    more = {name: rng.normal(size=d_dict) * 0.5 for name in ("r_mag", "gate_bias", "mag_bias")}
    made = arrays(seed, d_in, d_dict) | more
    return {name: value.astype(np.float32).astype(np.float64) for name, value in made.items()}


def state(kind: str, made: Arrays, threshold: float = 0.5, k: int = 2) -> dict[str, torch.Tensor]:
    """What the library saves, in its order of sides."""
    linear = {"encoder.weight": made["W_enc"].T, "encoder.bias": made["b_enc"], "decoder.weight": made["W_dec"].T}
    plain = {name: made[name] for name in ("W_enc", "W_dec", "b_enc", "b_dec")}
    number = {"k": torch.tensor(k, dtype=torch.int32), "threshold": torch.tensor(threshold)}
    if kind == "AutoEncoder":
        return tensors(linear | {"bias": made["b_dec"]})
    if kind == "AutoEncoderNew":
        return tensors(linear | {"decoder.bias": made["b_dec"]})
    if kind == "GatedAutoEncoder":
        del linear["encoder.bias"]
        gate = {name: made[name] for name in ("r_mag", "gate_bias", "mag_bias")}
        return tensors(linear | gate | {"decoder_bias": made["b_dec"]})
    if kind in ("AutoEncoderTopK", "BatchTopKSAE"):
        return tensors(linear | {"b_dec": made["b_dec"]}) | number
    if kind == "JumpReluAutoEncoder":
        return tensors(plain | {"threshold": made["threshold"]})
    d_dict = len(made["b_enc"])
    return tensors(plain) | number | {"group_sizes": torch.tensor([1, d_dict - 1])}


def formula(kind: str, made: Arrays, threshold: float = 0.5, k: int = 2) -> tuple[np.ndarray, np.ndarray]:
    c = made["x"] if kind in ("AutoEncoderNew", "JumpReluAutoEncoder") else made["x"] - made["b_dec"]
    h = c @ made["W_enc"] + made["b_enc"]
    if kind == "AutoEncoder":
        f = relu(h) * np.linalg.norm(made["W_dec"], axis=1)
        unit = made["W_dec"] / np.linalg.norm(made["W_dec"], axis=1, keepdims=True)
        return f, f @ unit + made["b_dec"]
    if kind == "AutoEncoderNew":
        f = relu(h)
    elif kind == "GatedAutoEncoder":
        gate = c @ made["W_enc"] + made["gate_bias"] > 0
        f = gate * relu(c @ made["W_enc"] * np.exp(made["r_mag"]) + made["mag_bias"])
    elif kind == "AutoEncoderTopK":
        f = greatest(relu(h), k)
    else:
        f = above(h, made["threshold"] if kind == "JumpReluAutoEncoder" else threshold)
    return f, f @ made["W_dec"] + made["b_dec"]


def write(folder: Path, saved: dict[str, torch.Tensor], kind: str | None, **more: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(saved, folder / "ae.pt")
    if kind is not None:
        (folder / "config.json").write_text(json.dumps({"trainer": TRAINER | {"dict_class": kind, **more}}))
    return folder


@pytest.mark.parametrize(("d_in", "d_dict"), SHAPES)
@pytest.mark.parametrize("kind", CLASSES)
def test_every_class(tmp_path: Path, kind: str, d_in: int, d_dict: int) -> None:
    made = make(1, d_in, d_dict)
    dictionary = load_dictionary(write(tmp_path, state(kind, made), kind))
    assert dictionary.card.format == "dictionary_learning"
    assert str(dictionary.site_in) == "resid_post.3"
    agree(dictionary, made["x"], *formula(kind, made))


@pytest.mark.parametrize("kind", CLASSES)
def test_bfloat16(tmp_path: Path, kind: str) -> None:
    made = {name: torch.tensor(v).bfloat16().double().numpy() for name, v in make(2).items()}
    saved = {name: v.bfloat16() if v.is_floating_point() else v for name, v in state(kind, made).items()}
    agree(load_dictionary(write(tmp_path, saved, kind)), made["x"], *formula(kind, made))


def test_decoder_norm(tmp_path: Path) -> None:
    made = make(3)
    path = write(tmp_path, state("AutoEncoder", made), "AutoEncoder")
    f = relu((made["x"] - made["b_dec"]) @ made["W_enc"] + made["b_enc"])
    raw = load_dictionary(path, decoder_norm="raw")
    agree(raw, made["x"], f, f @ made["W_dec"] + made["b_dec"])
    norms = load_dictionary(path).directions.norm(dim=1)
    torch.testing.assert_close(norms, torch.ones_like(norms))
    with pytest.raises(DictionaryError, match="'raw' or 'unit'"):
        load_dictionary(path, decoder_norm="both")


@pytest.mark.parametrize("kind", ["BatchTopKSAE", "MatryoshkaBatchTopKSAE"])
def test_a_threshold_that_was_never_set(tmp_path: Path, kind: str) -> None:
    made = make(4)
    path = write(tmp_path, state(kind, made, -1.0), kind)
    with pytest.raises(DictionaryError, match="threshold="):
        load_dictionary(path)
    agree(load_dictionary(path, threshold=0.7), made["x"], *formula(kind, made, 0.7))
    loose = load_dictionary(path, strict=False)
    agree(loose, made["x"], *formula(kind, made, 0.0))
    assert "-1" in loose.card.warnings[0]


def test_a_topk_by_its_threshold(tmp_path: Path) -> None:
    made = make(5)
    path = write(tmp_path, state("AutoEncoderTopK", made), "AutoEncoderTopK")
    agree(load_dictionary(path, threshold=0.5), made["x"], *formula("BatchTopKSAE", made, 0.5))
    agree(load_dictionary(path, k=4), made["x"], *formula("AutoEncoderTopK", made, k=4))


def test_a_topk_from_before_there_was_a_threshold(tmp_path: Path) -> None:
    made = make(6)
    saved = state("AutoEncoderTopK", made)
    del saved["threshold"]
    agree(load_dictionary(write(tmp_path, saved, "AutoEncoderTopK")), made["x"], *formula("AutoEncoderTopK", made))


def test_a_jumprelu_that_subtracts(tmp_path: Path) -> None:
    made = make(7)
    path = write(tmp_path, state("JumpReluAutoEncoder", made), "JumpReluAutoEncoder")
    f = above((made["x"] - made["b_dec"]) @ made["W_enc"] + made["b_enc"], made["threshold"])
    agree(load_dictionary(path, subtract_b_dec=True), made["x"], f, f @ made["W_dec"] + made["b_dec"])


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if kind != "AutoEncoderNew"])
def test_without_a_config(tmp_path: Path, kind: str) -> None:
    made = make(8)
    path = write(tmp_path, state(kind, made), None)
    with pytest.raises(DictionaryError, match=r"site=|architecture="):
        load_dictionary(path)
    given = {"architecture": kind} if kind in ("AutoEncoderTopK", "BatchTopKSAE") else {}
    agree(load_dictionary(path, "mlp_out.1", **given), made["x"], *formula(kind, made))
    if given:
        with pytest.raises(DictionaryError, match="architecture="):
            load_dictionary(path, "mlp_out.1")


def test_a_checkpoint_uses_the_config_above(tmp_path: Path) -> None:
    made = make(9)
    write(tmp_path, state("BatchTopKSAE", make(10)), "BatchTopKSAE")
    (tmp_path / "checkpoints").mkdir()
    torch.save(state("BatchTopKSAE", made), tmp_path / "checkpoints" / "ae_100.pt")
    agree(load_dictionary(tmp_path / "checkpoints" / "ae_100.pt"), made["x"], *formula("BatchTopKSAE", made))


@pytest.mark.parametrize(
    ("name", "site"),
    [("resid_post_layer_3", "resid_post.3"), ("mlp_out_layer_3", "mlp_out.3"), ("attention_out_layer_3", "attn_out.3")],
)
def test_the_place_in_the_config(tmp_path: Path, name: str, site: str) -> None:
    path = write(tmp_path, state("AutoEncoder", make(11)), "AutoEncoder", submodule_name=name)
    assert str(load_dictionary(path).site_in) == site


def test_a_layer_alone_is_no_place(tmp_path: Path) -> None:
    path = write(tmp_path, state("AutoEncoder", make(12)), "AutoEncoder", submodule_name=None)
    with pytest.raises(DictionaryError, match="site="):
        load_dictionary(path)


@pytest.mark.parametrize(
    ("kind", "key", "value", "word"),
    [
        ("AutoEncoder", "bias", torch.zeros(4), "b_dec|b_in"),
        ("AutoEncoder", "encoder.bias", torch.zeros(11), "bias"),
        ("AutoEncoder", "decoder.weight", torch.full((5, 12), torch.nan), "finite"),
        ("GatedAutoEncoder", "r_mag", torch.zeros(11), "r_mag"),
        ("GatedAutoEncoder", "r_mag", torch.full((12,), 1e4), "finite"),
        ("AutoEncoderTopK", "k", torch.tensor(0), "k"),
        ("AutoEncoderTopK", "k", torch.tensor([2, 3]), "."),
        ("BatchTopKSAE", "threshold", torch.tensor(torch.nan), "finite"),
        ("JumpReluAutoEncoder", "threshold", torch.zeros(11), "threshold"),
        ("MatryoshkaBatchTopKSAE", "group_sizes", torch.tensor([1, 2]), "group_sizes"),
        ("MatryoshkaBatchTopKSAE", "threshold", torch.zeros(12), "threshold="),
    ],
)
def test_damaged_weights(tmp_path: Path, kind: str, key: str, value: torch.Tensor, word: str) -> None:
    with pytest.raises(DictionaryError, match=word):
        load_dictionary(write(tmp_path, state(kind, make(13)) | {key: value}, kind))


@pytest.mark.parametrize("kind", CLASSES)
def test_a_missing_tensor(tmp_path: Path, kind: str) -> None:
    for key in state(kind, make(14)):
        saved = {name: value for name, value in state(kind, make(14)).items() if name != key}
        if (kind, key) == ("AutoEncoderTopK", "threshold"):
            continue  # older files lack it
        with pytest.raises(DictionaryError):
            load_dictionary(write(tmp_path, saved, kind), format="dictionary_learning")


@pytest.mark.parametrize(("kind", "word"), [("GatedAutoEncoder", "lacks"), ("CrossCoder", "not read"), (7, "not read")])
def test_a_config_of_another_class(tmp_path: Path, kind: Any, word: str) -> None:
    with pytest.raises(DictionaryError, match=word):
        load_dictionary(write(tmp_path, state("AutoEncoder", make(15)), kind))


def test_a_config_of_another_width(tmp_path: Path) -> None:
    with pytest.raises(DictionaryError, match="dict_size"):
        load_dictionary(write(tmp_path, state("AutoEncoder", make(16)), "AutoEncoder", dict_size=13))
