"""The dictionary in a folder of folders: found if there is one, named if there are several."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from saewidgets.dictionaries import load_dictionary
from saewidgets.errors import DictionaryError

WEIGHTS = {"W_enc": (4, 9), "W_dec": (9, 4), "b_enc": (9,), "b_dec": (4,)}


def write(folder: Path, seed: int = 0) -> Path:
    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(seed)
    tensors = {name: torch.randn(shape, generator=generator) for name, shape in WEIGHTS.items()}
    save_file(tensors, folder / "sae_weights.safetensors")
    (folder / "cfg.json").write_text(json.dumps({"architecture": "standard", "hook_name": "blocks.1.hook_resid_post"}))
    return folder


@pytest.mark.parametrize("below", ["", "a", "a/b", "a/b/c/d"])
def test_one_dictionary_is_found_below(tmp_path: Path, below: str) -> None:
    write(tmp_path / "given" / below)
    (tmp_path / "given" / "notes").mkdir()
    (tmp_path / "given" / ".git").mkdir()
    dictionary = load_dictionary(tmp_path / "given")
    assert dictionary.card.source == str(tmp_path / "given")
    assert {path.parent for path in dictionary.card.paths} == {tmp_path / "given" / below}


def test_five_folders_down_is_too_far(tmp_path: Path) -> None:
    write(tmp_path / "a/b/c/d/e")
    with pytest.raises(DictionaryError, match="no format known"):
        load_dictionary(tmp_path)


def test_several_are_named_and_the_nearest_level_counts(tmp_path: Path) -> None:
    write(tmp_path / "x" / "one")
    write(tmp_path / "x" / "two")
    write(tmp_path / "x" / "two" / "deeper", 1)
    with pytest.raises(DictionaryError, match=r"2 dictionaries.*'x/one', 'x/two'"):
        load_dictionary(tmp_path)
    assert load_dictionary(tmp_path / "x" / "two").card.paths[0].parent == tmp_path / "x" / "two"


def test_the_site_chooses_among_layers(tmp_path: Path) -> None:
    for layer in (0, 1, 11):
        write(tmp_path / f"layer_{layer}", layer)
    assert load_dictionary(tmp_path, site="resid_post.11").card.paths[0].parent.name == "layer_11"
    with pytest.raises(DictionaryError, match="3 dictionaries"):
        load_dictionary(tmp_path)
    with pytest.raises(DictionaryError, match="3 dictionaries"):
        load_dictionary(tmp_path, site="resid_post.2")


def test_a_named_format_is_believed(tmp_path: Path) -> None:
    write(tmp_path / "a")
    assert load_dictionary(tmp_path, format="saelens").card.format == "saelens"
    with pytest.raises(DictionaryError, match=r"npz"):
        load_dictionary(tmp_path, format="gemma_scope")


def test_the_fault_of_the_only_file_is_what_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"\x05\0\0\0\0\0\0\0{")
    with pytest.raises(DictionaryError, match=r"a\.safetensors"):
        load_dictionary(tmp_path)
    (tmp_path / "b.txt").write_text("nothing")
    with pytest.raises(DictionaryError, match="no format known"):
        load_dictionary(tmp_path / "b.txt")


def test_a_wide_folder_is_looked_at_in_part(tmp_path: Path) -> None:
    for i in range(300):
        (tmp_path / f"{i:03}").mkdir()
    write(tmp_path / "000" / "dictionary")
    assert load_dictionary(tmp_path).d_dict == 9


def test_cross_layer_transcoders_of_other_libraries_are_told_what_to_do(tmp_path: Path) -> None:
    coding, training = tmp_path / "coding", tmp_path / "training"
    for folder in (coding, training):
        folder.mkdir()
    encoders = {f"encoder_module.encoders.{i}.weight": torch.ones(9, 4) for i in range(2)}
    decoders = {f"decoder_module.decoders.{i}->1.weight": torch.ones(4, 9) for i in range(2)}
    save_file({**encoders, **decoders}, coding / "clt_checkpoint_latest.safetensors")
    with pytest.raises(DictionaryError, match=r"crosslayer-coding.*layout of circuit-tracer"):
        load_dictionary(coding)
    save_file(encoders, coding / "clt_checkpoint_latest.safetensors")
    with pytest.raises(DictionaryError, match="no format known"):
        load_dictionary(coding)
    weights = {"encoder.weight": (9, 4), "encoder.bias": (9,), "W_decs.0": (9, 4), "post_enc": (2, 9), "b_dec": (4,)}
    save_file({name: torch.ones(shape) for name, shape in weights.items()}, training / "sae.safetensors")
    (training / "cfg.json").write_text(json.dumps({"activation": "topk", "k": 2, "n_targets": 2, "n_sources": 1}))
    with pytest.raises(DictionaryError, match=r"clt-training.*layout of circuit-tracer"):
        load_dictionary(training)
