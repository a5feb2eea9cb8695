"""Transcoder sets of circuit-tracer: which layer, which way round, which activation."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from saewidgets.dictionaries import load_dictionary
from saewidgets.errors import DictionaryError
from tests.dictionaries.formats.hand import Arrays, above, agree, arrays, greatest, relu, write_safetensors

CONFIG = {"model_kind": "transcoder_set", "model_name": "Qwen/Qwen3-0.6B", "feature_input_hook": "mlp.hook_in",
          "feature_output_hook": "mlp.hook_out"}  # fmt: skip


def write(folder: Path, sets: dict[int, Arrays], kind: str = "", old: bool = False, **config: Any) -> Path:
    for layer, made in sets.items():
        named = {"W_enc": made["W_enc"].T, "W_dec": made["W_dec"].T if old else made["W_dec"]}
        named |= {key: made[key] for key in ("b_enc", "b_dec")}
        named |= {"activation_function.threshold": made["threshold"]} if "jump" in kind else {}
        named |= {"W_skip": made["W_skip"].T} if "skip" in kind else {}
        write_safetensors(folder / f"layer_{layer}.safetensors", named)
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG | config))
    return folder


def hidden(made: Arrays) -> np.ndarray:
    return made["x"] @ made["W_enc"] + made["b_enc"]


@pytest.mark.parametrize("shape", [(5, 12, 5), (5, 12, 3), (6, 6, 6)])
@pytest.mark.parametrize("kind", ["", "jump", "skip", "jump skip"])
def test_matrices_skip_and_threshold(tmp_path: Path, shape: tuple[int, int, int], kind: str) -> None:
    made = arrays(1, *shape)
    f = above(hidden(made), made["threshold"]) if "jump" in kind else relu(hidden(made))
    output = f @ made["W_dec"] + made["b_dec"] + (made["x"] @ made["W_skip"] if "skip" in kind else 0)
    dictionary = load_dictionary(write(tmp_path / "s", {4: made}, kind))
    assert (str(dictionary.site_in), str(dictionary.site_out)) == ("mlp_in.4", "mlp_out.4")
    agree(dictionary, made["x"], f, output)


def test_the_turned_decoder_of_version_0_1(tmp_path: Path) -> None:
    made = arrays(2)
    f = relu(hidden(made))
    agree(load_dictionary(write(tmp_path / "s", {0: made}, old=True)), made["x"], f, f @ made["W_dec"] + made["b_dec"])


@pytest.mark.parametrize("in_file", [False, True])
def test_topk_keeps_negative_values(tmp_path: Path, in_file: bool) -> None:
    made = arrays(3)
    made["b_enc"] -= 6  # so that some of the greatest are negative
    folder = write(tmp_path / "s", {0: made}, activation="topk", **({} if in_file else {"k": 3}))
    if in_file:
        from safetensors.torch import load_file, save_file

        save_file(load_file(folder / "layer_0.safetensors") | {"k": torch.tensor(3)}, folder / "layer_0.safetensors")
    f = greatest(hidden(made), 3)
    assert (f < 0).any()
    agree(load_dictionary(folder), made["x"], f, f @ made["W_dec"] + made["b_dec"])


def test_one_layer_of_several_is_chosen_or_asked_for(tmp_path: Path) -> None:
    sets = {layer: arrays(layer) for layer in (0, 3, 12)}
    folder = write(tmp_path / "s", sets)
    x = torch.zeros(1, 5)
    for chosen in (load_dictionary(folder, site="mlp_in.12"), load_dictionary(folder / "layer_12.safetensors")):
        assert str(chosen.site_out) == "mlp_out.12"
        np.testing.assert_allclose(chosen.encode(x)[0].numpy(), relu(sets[12]["b_enc"]), atol=1e-6)
    with pytest.raises(DictionaryError, match=r"layers 0, 3, 12.*site="):
        load_dictionary(folder)
    with pytest.raises(DictionaryError, match=r"no layer 5.*layers 0, 3, 12"):
        load_dictionary(folder, site="mlp_in.5")
    assert str(load_dictionary(folder, strict=False).site_in) == "mlp_in.0"


@pytest.mark.parametrize(
    ("hooks", "model", "sites"),
    [(("hook_resid_mid", "hook_mlp_out"), "google/gemma-2-2b", ("resid_mid.4", "mlp_out.4")),
     (("ln2.hook_normalized", "hook_mlp_out"), "meta-llama/Llama-3.2-1B", ("mlp_in.4", "mlp_out.4")),
     (("model.layers.{}.mlp.input", "model.layers.{}.mlp.output"), "Qwen/Qwen3-0.6B", ("mlp_in.4", "mlp_out.4"))],
)  # fmt: skip
def test_hooks_of_either_kind(tmp_path: Path, hooks: tuple[str, str], model: str, sites: tuple[str, str]) -> None:
    config = {"feature_input_hook": hooks[0], "feature_output_hook": hooks[1], "model_name": model}
    dictionary = load_dictionary(write(tmp_path / "s", {4: arrays()}, **config))
    assert (str(dictionary.site_in), str(dictionary.site_out)) == sites
    assert bool(dictionary.card.warnings) == ("normalized" in hooks[0])


@pytest.mark.parametrize(
    ("config", "words"),
    [({"model_name": "google/gemma-3-1b"}, "site_out="), ({"feature_input_hook": None}, "site="),
     ({"activation": "topk"}, "k="), ({"activation": "gelu"}, "gelu"), ({"activation": "jumprelu"}, "threshold"),
     ({"activation": "topk", "k": 0}, "k="), ({"activation": "topk", "k": 99}, "99")],
)  # fmt: skip
def test_what_is_open_or_not_read_is_refused(tmp_path: Path, config: dict[str, Any], words: str) -> None:
    with pytest.raises(DictionaryError, match=words):
        load_dictionary(write(tmp_path / "s", {4: arrays()}, **config))


def test_a_config_that_only_points_elsewhere_says_where(tmp_path: Path) -> None:
    folder = write(tmp_path / "s", {}, transcoders=["hf://owner/repo/layer_0.safetensors"])
    with pytest.raises(DictionaryError, match=r"hf://owner/repo/layer_0"):
        load_dictionary(folder)
