"""End-to-end SAEs: rows divided by their norms, the place in the keys, several places in one file."""

from pathlib import Path

import numpy as np
import pytest
import torch

from saewidgets.dictionaries import load_dictionary
from saewidgets.errors import DictionaryError
from tests.dictionaries.formats.hand import Arrays, agree, arrays, relu, write_torch


def state(made: Arrays, hook: str = "blocks-6-hook_resid_pre") -> Arrays:
    parts = {
        "encoder.0.weight": made["W_enc"].T, "encoder.0.bias": made["b_enc"],
        "decoder.weight": made["W_dec"].T, "decoder.bias": made["b_dec"],
    }  # fmt: skip
    return {f"{hook}.{name}": value for name, value in parts.items()}


def formula(made: Arrays) -> tuple[np.ndarray, np.ndarray]:
    f = relu(made["x"] @ made["W_enc"] + made["b_enc"])
    return f, f @ (made["W_dec"] / np.linalg.norm(made["W_dec"], axis=1, keepdims=True)) + made["b_dec"]


@pytest.mark.parametrize(("d_in", "d_dict"), [(5, 12), (6, 6), (7, 3)])
def test_rows_are_normalised_when_it_runs(tmp_path: Path, d_in: int, d_dict: int) -> None:
    made = arrays(1, d_in, d_dict)
    write_torch(tmp_path / "samples_4.pt", state(made))
    dictionary = load_dictionary(tmp_path)
    assert str(dictionary.site_in) == str(dictionary.site_out) == "resid_pre.6"
    agree(dictionary, made["x"], *formula(made))
    np.testing.assert_allclose(dictionary.directions.norm(dim=1), 1, atol=1e-6)


def test_a_direction_of_zeros_stays_zeros(tmp_path: Path) -> None:
    made = arrays(2)
    made["W_dec"][3] = 0
    write_torch(tmp_path / "s.pt", state(made))
    dictionary = load_dictionary(tmp_path / "s.pt")
    assert not dictionary.directions[3].any()
    assert bool(dictionary.reconstruct(torch.tensor(made["x"], dtype=torch.float32)).isfinite().all())


def test_several_places_in_one_file(tmp_path: Path) -> None:
    made, other = arrays(3), arrays(4)
    write_torch(tmp_path / "s.pt", state(made) | state(other, "blocks-10-hook_resid_pre"))
    with pytest.raises(DictionaryError, match=r"blocks-10-hook_resid_pre.*site="):
        load_dictionary(tmp_path / "s.pt")
    with pytest.raises(DictionaryError, match="site="):
        load_dictionary(tmp_path / "s.pt", site="resid_pre.2")
    for site, weights in (("resid_pre.6", made), ("blocks.10.hook_resid_pre", other)):
        agree(load_dictionary(tmp_path / "s.pt", site=site), weights["x"], *formula(weights))


def test_bfloat16(tmp_path: Path) -> None:
    made = {name: torch.tensor(v).bfloat16().double().numpy() for name, v in arrays(5).items()}
    torch.save({key: torch.tensor(v).bfloat16() for key, v in state(made).items()}, tmp_path / "s.pt")
    agree(load_dictionary(tmp_path / "s.pt"), made["x"], *formula(made))


def test_a_hook_that_is_no_site_of_ours(tmp_path: Path) -> None:
    made = arrays(6)
    write_torch(tmp_path / "s.pt", state(made, "layers-0-weights"))
    with pytest.raises(DictionaryError, match="site="):
        load_dictionary(tmp_path / "s.pt")
    agree(load_dictionary(tmp_path / "s.pt", site="mlp_out.0"), made["x"], *formula(made))


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [("encoder.0.bias", np.zeros(11), "bias"), ("decoder.weight", np.full((5, 12), np.inf), "finite"),
     ("encoder.0.weight", np.zeros((12, 4)), "reads 4"), ("decoder.bias", np.zeros(4), "b_dec")],
)  # fmt: skip
def test_wrong_files(tmp_path: Path, key: str, value: np.ndarray, word: str) -> None:
    write_torch(tmp_path / "s.pt", state(arrays(7)) | {f"blocks-6-hook_resid_pre.{key}": value})
    with pytest.raises(DictionaryError, match=word):
        load_dictionary(tmp_path / "s.pt")
