"""Nabeshima's Matryoshka SAEs: the authors' scale, and what they write."""

from pathlib import Path

import numpy as np
import pytest
import torch

from saewidgets.dictionaries import FeedForward, load_dictionary
from saewidgets.errors import DictionaryError
from tests.dictionaries.formats.hand import Arrays, agree, arrays, relu, write_torch


def write(path: Path, made: Arrays, average: float = 7.5, **other: np.ndarray) -> Path:
    named = {key: made[key] for key in ("W_enc", "W_dec", "b_enc", "b_dec")}
    write_torch(path, named | {"normalizer.running_avg": np.array([average])} | other)
    return path


@pytest.mark.parametrize(("d_in", "d_dict"), [(5, 12), (6, 6), (9, 4)])
@pytest.mark.parametrize("permuted", [False, True])
def test_activations_are_the_authors(tmp_path: Path, d_in: int, d_dict: int, permuted: bool) -> None:
    made = arrays(1, d_in, d_dict)
    other = {"sq_act_running_avg": np.ones(d_dict)} if permuted else {}
    dictionary = load_dictionary(write(tmp_path / "m.pt", made, **other), site="resid_post.3")
    h = relu(made["x"] * d_in**0.5 / 7.5 @ made["W_enc"] + made["b_enc"])
    acts = h * np.linalg.norm(made["W_dec"], axis=1) * 7.5 / d_dict**0.5
    output = (h @ made["W_dec"] + made["b_dec"]) * 7.5 / d_in**0.5
    agree(dictionary, made["x"], acts, output, tolerance=1e-4)
    assert isinstance(dictionary, FeedForward)
    unit = dictionary.unit_norm().encode(torch.tensor(made["x"], dtype=torch.float32)).numpy()
    np.testing.assert_allclose(unit, h * np.linalg.norm(made["W_dec"], axis=1) * 7.5 / d_in**0.5, atol=1e-4)


def test_a_feature_without_a_direction_writes_nothing(tmp_path: Path) -> None:
    made = arrays(2)
    made["W_dec"][3] = 0
    dictionary = load_dictionary(write(tmp_path / "m.pt", made), site="resid_post.3")
    assert torch.isfinite(dictionary.reconstruct(torch.tensor(made["x"], dtype=torch.float32))).all()


def test_never_trained_and_no_site(tmp_path: Path) -> None:
    with pytest.raises(DictionaryError, match="not above 0"):
        load_dictionary(write(tmp_path / "m.pt", arrays(), average=0.0), site="resid_post.3")
    with pytest.raises(DictionaryError, match="site="):
        load_dictionary(write(tmp_path / "m.pt", arrays()))
