"""Gemma Scope's npz files: streams by repository, both orientations, embeddings, refusals."""

from pathlib import Path

import numpy as np
import pytest

from saewidgets.dictionaries import load_dictionary
from saewidgets.errors import DictionaryError
from tests.dictionaries.formats.hand import Arrays, above, agree, arrays

PLACE = "layer_7/width_16k/average_l0_71"
KEYS = ("W_enc", "W_dec", "b_enc", "b_dec", "threshold")


def write(folder: Path, made: Arrays, **other: np.ndarray) -> Path:
    folder.mkdir(parents=True)
    np.savez(folder / "params.npz", **{key: made[key].astype(np.float32) for key in KEYS}, **other)
    return folder


def formula(made: Arrays, factor: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    f = above(made["x"] * factor @ made["W_enc"] + made["b_enc"], made["threshold"])
    return f, f @ made["W_dec"] / factor + made["b_dec"]


@pytest.mark.parametrize(
    ("repository", "site_in", "site_out"),
    [("res", "resid_post.7", "resid_post.7"), ("mlp", "mlp_out.7", "mlp_out.7"), ("att", "attn_z.7", "attn_z.7"),
     ("transcoders", "mlp_in.7", "mlp_out.7")],
)  # fmt: skip
@pytest.mark.parametrize("shape", [(5, 12), (6, 6), (9, 4)])
def test_stream_and_layer_stand_in_the_path(
    tmp_path: Path, repository: str, site_in: str, site_out: str, shape: tuple[int, int]
) -> None:
    made = arrays(1, *shape)
    folder = write(tmp_path / f"gemma-scope-9b-it-{repository}" / PLACE, made)
    dictionary = load_dictionary(folder)
    assert (str(dictionary.site_in), str(dictionary.site_out)) == (site_in, site_out)
    agree(dictionary, made["x"], *formula(made))


def test_a_transcoder_may_write_at_another_width(tmp_path: Path) -> None:
    made = arrays(2, 5, 12, 3)
    dictionary = load_dictionary(write(tmp_path / "gemma-scope-2b-pt-transcoders" / PLACE, made))
    assert (dictionary.d_in, dictionary.d_dict, dictionary.d_out) == (5, 12, 3)
    agree(dictionary, made["x"], *formula(made))


def test_lower_case_keys_and_turned_matrices_are_read_by_their_shape(tmp_path: Path) -> None:
    made = arrays(3)
    (tmp_path / "a").mkdir()
    turned = {"w_enc": made["W_enc"].T, "w_dec": made["W_dec"].T} | {key: made[key] for key in KEYS[2:]}
    np.savez(tmp_path / "a" / "params.npz", **{key: value.astype(np.float32) for key, value in turned.items()})
    agree(load_dictionary(tmp_path / "a", site="resid_post.2"), made["x"], *formula(made))


@pytest.mark.parametrize(("size", "width"), [("2b", 2304), ("9b", 3584)])
def test_embeddings_are_scaled_by_the_width_of_the_model(tmp_path: Path, size: str, width: int) -> None:
    made = arrays(4)
    made["x"] *= width**0.5
    folder = write(tmp_path / f"gemma-scope-{size}-pt-res" / "embedding" / "width_4k" / "average_l0_6", made)
    dictionary = load_dictionary(folder)
    assert str(dictionary.site_in) == "embed"
    agree(dictionary, made["x"], *formula(made, width**-0.5), tolerance=1e-4)
    assert "norm_factor=" in dictionary.card.warnings[0]
    made["x"] /= width**0.5
    agree(load_dictionary(folder, norm_factor=1.0), made["x"], *formula(made))


def test_an_embedding_of_real_width_needs_no_warning(tmp_path: Path) -> None:
    made = arrays(5, 2304, 6)
    folder = write(tmp_path / "embedding" / "width_4k" / "average_l0_6", made)
    dictionary = load_dictionary(folder)
    assert dictionary.card.warnings == ()
    agree(dictionary, made["x"], *formula(made, 1 / 48), tolerance=1e-4)


def test_a_copied_folder_asks_for_its_site(tmp_path: Path) -> None:
    folder = write(tmp_path / PLACE, arrays())
    with pytest.raises(DictionaryError, match="site="):
        load_dictionary(folder)
    assert str(load_dictionary(folder, site="mlp_out.3").site_in) == "mlp_out.3"
    assert str(load_dictionary(folder, site="mlp_in.3").site_out) == "mlp_out.3"
    assumed = load_dictionary(folder, strict=False)
    assert str(assumed.site_in) == "resid_post.7"
    assert any(finding.where.startswith("assumed") for finding in assumed.card.findings)


def test_what_nothing_here_would_use_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "gemma-scope-2b-pt-res" / PLACE, arrays(), scaling_factor=np.full(12, 2.0))
    with pytest.raises(DictionaryError, match="scaling_factor"):
        load_dictionary(folder)


def test_a_matrix_that_fits_no_bias_is_refused(tmp_path: Path) -> None:
    made = arrays() | {"b_enc": np.zeros(7)}
    with pytest.raises(DictionaryError, match="7 numbers"):
        load_dictionary(write(tmp_path / "gemma-scope-2b-pt-res" / PLACE, made))
