"""EleutherAI's sparsify: orientation, what is subtracted, signed and grouped activations, places from folder names."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from saewidgets.dictionaries import load_dictionary
from saewidgets.errors import DictionaryError
from tests.dictionaries.formats.hand import FIXTURES, Arrays, agree, arrays, greatest, relu, write_safetensors

CONFIG: dict[str, Any] = {
    "activation": "topk", "expansion_factor": 32, "normalize_decoder": True, "num_latents": 12, "k": 3,
    "multi_topk": False, "skip_connection": False, "transcode": False, "d_in": 5,
}  # fmt: skip
OLD = {key: value for key, value in CONFIG.items() if key not in ("activation", "transcode")} | {"signed": False}


def write(
    root: Path, made: Arrays, config: dict[str, Any], folder: str = "layers.5", dtype: torch.dtype = torch.float32
) -> Path:
    state = {"encoder.weight": made["W_enc"].T, "encoder.bias": made["b_enc"]} | {
        k: made[k] for k in ("W_dec", "b_dec")
    }
    if config.get("skip_connection"):
        state["W_skip"] = made["W_skip"].T
    write_safetensors(root / folder / "sae.safetensors", state, dtype)
    sizes = {"num_latents": made["W_enc"].shape[1], "d_in": made["W_enc"].shape[0]}
    (root / folder / "cfg.json").write_text(json.dumps(config if "num_latents" not in config else config | sizes))
    return root / folder


def pre(made: Arrays, subtract: bool) -> np.ndarray:
    return (made["x"] - (made["b_dec"] if subtract else 0.0)) @ made["W_enc"] + made["b_enc"]


def output(made: Arrays, f: np.ndarray) -> np.ndarray:
    return f @ made["W_dec"] + made["b_dec"]


def grouped(h: np.ndarray, k: int) -> np.ndarray:
    """The greatest of each of k contiguous groups."""
    parts = h.reshape(len(h), k, -1)
    return np.where(parts == parts.max(-1, keepdims=True), parts, 0.0).reshape(h.shape)


@pytest.mark.parametrize(("d_in", "d_dict"), [(5, 12), (6, 6), (7, 3)])
@pytest.mark.parametrize("normalize_decoder", [True, False])
def test_an_sae_subtracts_its_bias(tmp_path: Path, d_in: int, d_dict: int, normalize_decoder: bool) -> None:
    made = arrays(1, d_in, d_dict)
    config = CONFIG | {"k": 2, "normalize_decoder": normalize_decoder}
    dictionary = load_dictionary(write(tmp_path, made, config))
    assert dictionary.card.format == "sparsify"
    assert str(dictionary.site_in) == str(dictionary.site_out) == "resid_post.5"
    f = greatest(relu(pre(made, True)), 2)
    agree(dictionary, made["x"], f, output(made, f))


@pytest.mark.parametrize(("d_in", "d_dict"), [(5, 12), (6, 6)])
@pytest.mark.parametrize("skip", [False, True])
def test_a_transcoder_does_not(tmp_path: Path, d_in: int, d_dict: int, skip: bool) -> None:
    made = arrays(2, d_in, d_dict)
    config = CONFIG | {"transcode": True, "skip_connection": skip}
    dictionary = load_dictionary(write(tmp_path, made, config, "layers.7.mlp"))
    assert (str(dictionary.site_in), str(dictionary.site_out)) == ("mlp_in.7", "mlp_out.7")
    f = greatest(relu(pre(made, False)), 3)
    agree(dictionary, made["x"], f, output(made, f) + (made["x"] @ made["W_skip"] if skip else 0.0))


def test_an_old_transcoder_is_asked_for_its_bias(tmp_path: Path) -> None:
    made = arrays(3)
    path = write(tmp_path, made, OLD | {"skip_connection": True}, "layers.7.mlp")
    with pytest.raises(DictionaryError, match="subtract_b_dec="):
        load_dictionary(path)
    for subtract in (True, False):
        f = greatest(relu(pre(made, subtract)), 3)
        agree(
            load_dictionary(path, subtract_b_dec=subtract), made["x"], f, output(made, f) + made["x"] @ made["W_skip"]
        )


def test_signed_keeps_the_greatest_by_magnitude(tmp_path: Path) -> None:
    made = arrays(4)
    h = pre(made, True)
    f = greatest(h, 3, np.abs(h))
    assert (f < 0).any()
    agree(load_dictionary(write(tmp_path, made, OLD | {"signed": True})), made["x"], f, output(made, f))


def test_groupmax_keeps_one_of_each_group(tmp_path: Path) -> None:
    made = arrays(5)
    f = grouped(relu(pre(made, True)), 4)
    agree(
        load_dictionary(write(tmp_path, made, CONFIG | {"activation": "groupmax", "k": 4})),
        made["x"],
        f,
        output(made, f),
    )


def test_bfloat16(tmp_path: Path) -> None:
    made = {name: torch.tensor(v).bfloat16().double().numpy() for name, v in arrays(6).items()}
    f = greatest(relu(pre(made, True)), 3)
    dictionary = load_dictionary(write(tmp_path, made, CONFIG, dtype=torch.bfloat16))
    assert dictionary.W_enc.dtype == torch.bfloat16  # type: ignore[attr-defined]
    agree(dictionary, made["x"], f, output(made, f))


@pytest.mark.parametrize(
    ("folder", "site"), [("layers.5", "resid_post.5"), ("layers.5.mlp", "mlp_out.5"), ("h.2", "resid_post.2"),
                         ("model.layers.9.self_attn", "attn_out.9"), ("embed_tokens", "embed")]
)  # fmt: skip
def test_the_folder_names_the_place(tmp_path: Path, folder: str, site: str) -> None:
    assert str(load_dictionary(write(tmp_path, arrays(7), CONFIG, folder)).site_in) == site


def test_another_folder_is_asked_for_its_place(tmp_path: Path) -> None:
    path = write(tmp_path, arrays(8), CONFIG, "mine")
    with pytest.raises(DictionaryError, match="site="):
        load_dictionary(path)
    assert str(load_dictionary(path / "sae.safetensors", "mlp_out.3").site_in) == "mlp_out.3"


def test_a_width_of_0_means_the_expansion_factor(tmp_path: Path) -> None:
    path = write(tmp_path, arrays(9, 4, 12), CONFIG)
    for factor, fits in ((3, True), (4, False)):
        (path / "cfg.json").write_text(json.dumps(CONFIG | {"num_latents": 0, "expansion_factor": factor, "d_in": 4}))
        if fits:
            assert load_dictionary(path).d_dict == 12
        else:
            with pytest.raises(DictionaryError, match="features"):
                load_dictionary(path)


@pytest.mark.parametrize("fixture", ["sparsify__topk", "sparsify__skip_transcoder"])
@pytest.mark.skipif(not FIXTURES.is_dir(), reason="the fixtures of other libraries lie beside the clone")
def test_their_list_of_the_greatest_is_ours(fixture: str) -> None:
    with np.load(FIXTURES / fixture / "expected.npz") as known:
        x, top, index = known["x"], known["top_acts"], known["top_indices"]
    theirs = np.zeros((len(x), 48))
    np.put_along_axis(theirs, index, top, -1)
    ours = load_dictionary(FIXTURES / fixture).encode(torch.tensor(x)).numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [("b_enc", np.zeros(11), "bias"), ("W_dec", np.full((12, 5), np.nan), "finite"), ("b_dec", np.zeros(4), "b_dec"),
     ("b_enc", np.full(12, np.inf), "finite"), ("W_dec", np.zeros((11, 5)), "decoder")],
)  # fmt: skip
def test_damaged_weights(tmp_path: Path, key: str, value: np.ndarray, word: str) -> None:
    with pytest.raises(DictionaryError, match=word):
        load_dictionary(write(tmp_path, arrays(10) | {key: value}, CONFIG))


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"activation": "relu"}, "relu"), ({"k": None}, "k="), ({"k": 13}, "k = 13"),
     ({"skip_connection": True}, "W_skip"), ({"transcode": "no"}, "transcode"),
     ({"signed": True, "activation": "groupmax"}, "groupmax")],
)  # fmt: skip
def test_configs_that_do_not_fit(tmp_path: Path, changes: dict[str, Any], word: str) -> None:
    path = write(tmp_path, arrays(11), CONFIG)
    (path / "cfg.json").write_text(json.dumps(CONFIG | changes))
    with pytest.raises(DictionaryError, match=word):
        load_dictionary(path)


def test_a_missing_tensor(tmp_path: Path) -> None:
    path = write(tmp_path, arrays(12), CONFIG)
    made = arrays(12)
    write_safetensors(path / "sae.safetensors", {"encoder.weight": made["W_enc"].T, "encoder.bias": made["b_enc"]})
    with pytest.raises(DictionaryError, match="W_dec"):
        load_dictionary(path)
