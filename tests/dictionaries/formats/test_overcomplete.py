"""overcomplete's vision SAEs: every encoder that is read, what a state dict lost is asked for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from saewidgets.dictionaries import load_dictionary
from saewidgets.errors import DictionaryError
from tests.dictionaries.formats.hand import Arrays, above, agree, arrays, greatest, relu, write_safetensors, write_torch

SITE = "resid_post.11"
SHAPES = [(5, 12), (6, 6), (7, 4)]


def unit(W: np.ndarray) -> np.ndarray:
    return W / np.linalg.norm(W, axis=1, keepdims=True)


def layer(made: Arrays, log_scale: float = 0.3) -> Arrays:
    """The dictionary layer as it is saved after `eval()`: rows of norm 1."""
    return {"dictionary._weights": unit(made["W_dec"]), "dictionary.multiplier": np.array(log_scale)}


def linear(made: Arrays) -> Arrays:
    return {"encoder.final_block.0.weight": made["W_enc"].T, "encoder.final_block.0.bias": made["b_enc"]}


def batch_norm(width: int) -> Arrays:
    rng = np.random.default_rng(3)
    parts = {"weight": rng.normal(size=width), "bias": rng.normal(size=width), "running_mean": rng.normal(size=width)}
    parts["running_var"] = rng.uniform(0.3, 2.0, width)
    return {f"encoder.final_block.1.{name}": value for name, value in parts.items()}


def pursuit(x: np.ndarray, D: np.ndarray, k: int) -> np.ndarray:
    f, left = np.zeros((len(x), len(D))), x.copy()
    for _ in range(k):
        match = left @ D.T
        for row, i in enumerate(match.argmax(1)):
            f[row, i] += match[row, i]
            left[row] -= match[row, i] * D[i]
    return f


@pytest.mark.parametrize(("d_in", "d_dict"), SHAPES)
@pytest.mark.parametrize("kind", ["SAE", "TopKSAE", "BatchTopKSAE", "JumpSAE"])
def test_every_nonlinearity(tmp_path: Path, kind: str, d_in: int, d_dict: int) -> None:
    made = arrays(1, d_in, d_dict)
    state = layer(made) | linear(made) | ({"thresholds": np.log(made["threshold"])} if kind == "JumpSAE" else {})
    write_torch(tmp_path / "state_dict.pth", state)
    arguments: dict[str, Any] = {"TopKSAE": {"k": 2}, "BatchTopKSAE": {"threshold": 0.4}}.get(kind, {})
    if kind != "JumpSAE":
        arguments["architecture"] = kind
    h = made["x"] @ made["W_enc"] + made["b_enc"]
    f = {
        "SAE": relu(h), "TopKSAE": relu(greatest(h, 2)), "BatchTopKSAE": above(h, 0.4),
        "JumpSAE": above(h, made["threshold"])
    }[kind]  # fmt: skip
    dictionary = load_dictionary(tmp_path, SITE, **arguments)
    agree(dictionary, made["x"], f, f @ unit(made["W_dec"]) * np.exp(0.3))


@pytest.mark.parametrize(("d_in", "d_dict"), SHAPES)
@pytest.mark.parametrize("name", ["MpSAE", "matching_pursuit"])
def test_matching_pursuit_keeps_signs(tmp_path: Path, name: str, d_in: int, d_dict: int) -> None:
    made = arrays(2, d_in, d_dict)
    write_torch(tmp_path / "mp.pt", layer(made))
    D = unit(made["W_dec"]) * np.exp(0.3)
    f = pursuit(made["x"], D, 2)
    agree(load_dictionary(tmp_path / "mp.pt", SITE, architecture=name, k=2), made["x"], f, f @ D)


def test_a_batch_norm_is_folded(tmp_path: Path) -> None:
    made = arrays(3)
    norm = batch_norm(12)
    write_torch(tmp_path / "s.pt", layer(made) | linear(made) | norm)
    gamma, beta, mean, var = norm.values()
    f = relu((made["x"] @ made["W_enc"] + made["b_enc"] - mean) / np.sqrt(var + 1e-5) * gamma + beta)
    dictionary = load_dictionary(tmp_path / "s.pt", SITE, architecture="SAE")
    agree(dictionary, made["x"], f, f @ unit(made["W_dec"]) * np.exp(0.3), 1e-4)
    assert "batch norm" in str(dictionary.card)


@pytest.mark.parametrize("bias", [False, True])
def test_encoders_made_by_tied_and_untied(tmp_path: Path, bias: bool) -> None:
    made = arrays(4)
    added = {"encoder.bias": made["b_enc"]} if bias else {}
    D, b = unit(made["W_dec"]) * np.exp(0.3), made["b_enc"] if bias else 0.0
    twice = {f"encoder.tied_to.{key.removeprefix('dictionary.')}": value for key, value in layer(made).items()}
    for encoder, W_enc in ((twice, D.T), ({"encoder.weight": made["W_enc"].T}, made["W_enc"])):
        write_torch(tmp_path / "s.pt", layer(made) | encoder | added)
        f = relu(greatest(made["x"] @ W_enc + b, 3))
        agree(load_dictionary(tmp_path / "s.pt", SITE, architecture="topk", k=3), made["x"], f, f @ D)


def test_an_archetypal_dictionary(tmp_path: Path) -> None:
    made = arrays(5)
    rng = np.random.default_rng(5)
    W, C, relax = rng.normal(size=(12, 7)), rng.normal(size=(7, 5)), rng.normal(size=(12, 5)) * 0.1
    state = {"dictionary.W": W, "dictionary.C": C, "dictionary.Relax": relax, "dictionary.multiplier": np.array(-0.2)}
    write_torch(tmp_path / "ra.pt", state | linear(made))
    D = (relu(W) / relu(W).sum(1, keepdims=True) @ C + relax) * np.exp(-0.2)
    f = relu(greatest(made["x"] @ made["W_enc"] + made["b_enc"], 3))
    dictionary = load_dictionary(tmp_path / "ra.pt", SITE, architecture="RATopKSAE", k=3)
    agree(dictionary, made["x"], f, f @ D)
    assert "Relax" in dictionary.card.warnings[0]


def test_what_equals_the_threshold_is_kept(tmp_path: Path) -> None:
    """overcomplete keeps codes >= threshold; one exact case each for BatchTopKSAE and JumpSAE."""
    state = {"dictionary._weights": np.eye(2), "dictionary.multiplier": np.array(0.0)}
    state |= {"encoder.final_block.0.weight": np.eye(2), "encoder.final_block.0.bias": np.zeros(2)}
    x = torch.tensor([[1.0, 0.9999999]])
    write_torch(tmp_path / "s.pt", state)
    assert load_dictionary(tmp_path / "s.pt", SITE, architecture="BatchTopKSAE", threshold=1.0).encode(x).tolist() == [
        [1.0, 0.0]
    ]
    write_torch(tmp_path / "s.pt", state | {"thresholds": np.zeros(2)})
    assert load_dictionary(tmp_path / "s.pt", SITE).encode(x).tolist() == [[1.0, 0.0]]


def test_what_a_state_dict_lost_is_asked_for(tmp_path: Path) -> None:
    made = arrays(6)
    write_torch(tmp_path / "s.pt", layer(made) | linear(made))
    for known, missing in (
        ({}, "architecture"),
        ({"architecture": "TopKSAE"}, "site"),
        ({"architecture": "TopKSAE", "site": SITE}, "k"),
        ({"architecture": "BatchTopKSAE", "site": SITE}, "threshold"),
    ):
        with pytest.raises(DictionaryError, match=f"{missing}="):
            load_dictionary(tmp_path / "s.pt", **known)


def test_rows_that_were_not_normalised(tmp_path: Path) -> None:
    made = arrays(7)
    state = layer(made, 0.0) | linear(made) | {"dictionary._weights": made["W_dec"]}
    write_torch(tmp_path / "s.pt", state)
    f = relu(made["x"] @ made["W_enc"] + made["b_enc"])
    with pytest.raises(DictionaryError, match="decoder_norm="):
        load_dictionary(tmp_path / "s.pt", SITE, architecture="SAE")
    for norm, D in (("raw", made["W_dec"]), ("unit", unit(made["W_dec"]))):
        agree(load_dictionary(tmp_path / "s.pt", SITE, architecture="SAE", decoder_norm=norm), made["x"], f, f @ D)
    assumed = load_dictionary(tmp_path / "s.pt", SITE, strict=False, architecture="SAE")
    agree(assumed, made["x"], f, f @ unit(made["W_dec"]))
    assert "assumed" in str(assumed.card)


def test_bfloat16_and_safetensors(tmp_path: Path) -> None:
    made = arrays(8)
    write_safetensors(tmp_path / "s.safetensors", layer(made, 0.0) | linear(made), torch.bfloat16)
    dictionary = load_dictionary(tmp_path / "s.safetensors", SITE, architecture="SAE", decoder_norm="unit")

    def stored(value: np.ndarray) -> np.ndarray:
        return torch.tensor(value).bfloat16().double().numpy()

    f = relu(made["x"] @ stored(made["W_enc"]) + stored(made["b_enc"]))
    agree(dictionary, made["x"], f, f @ unit(stored(unit(made["W_dec"]))))


WRONG: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"encoder.mlp_blocks.0.0.weight": np.eye(5)}, {"architecture": "SAE"}, "mlp_blocks"),
    ({"encoder.final_block.1.weight": np.ones(12), "encoder.final_block.1.bias": np.ones(12)}, {"architecture": "SAE"},
     "final_block.1"),
    ({"Q": np.ones(4)}, {"architecture": "SAE"}, "Q"),
    ({}, {"architecture": "OMPSAE"}, "OMPSAE"),
    ({}, {"architecture": "JumpSAE"}, "thresholds"),
    ({"thresholds": np.zeros(12)}, {"architecture": "TopKSAE", "k": 2}, "thresholds"),
    ({"thresholds": np.zeros(11)}, {}, "threshold"),
    ({"dictionary.multiplier": np.zeros(3)}, {"architecture": "SAE"}, "no number"),
    ({"dictionary._weights": np.full((12, 5), np.nan)}, {"architecture": "SAE"}, "finite"),
    ({"dictionary._weights": np.ones((11, 5))}, {"architecture": "SAE", "decoder_norm": "unit"}, "encoder"),
    ({}, {"architecture": "SAE", "decoder_norm": "l1"}, "decoder_norm"),
    ({}, {"architecture": "TopKSAE", "k": 13}, "k = 13"),
]  # fmt: skip


@pytest.mark.parametrize("case", WRONG, ids=str)
def test_wrong_files(tmp_path: Path, case: tuple[dict[str, Any], dict[str, Any], str]) -> None:
    extra, arguments, word = case
    made = arrays(9)
    write_torch(tmp_path / "s.pt", layer(made) | linear(made) | extra)
    with pytest.raises(DictionaryError, match=word):
        load_dictionary(tmp_path / "s.pt", SITE, **arguments)


def test_only_matching_pursuit_has_no_encoder(tmp_path: Path) -> None:
    write_torch(tmp_path / "s.pt", layer(arrays(9)))
    with pytest.raises(DictionaryError, match="no tensors"):
        load_dictionary(tmp_path / "s.pt", SITE, architecture="TopKSAE", k=2)
