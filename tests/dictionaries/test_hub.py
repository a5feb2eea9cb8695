"""Dictionaries from a hub: only what is needed is asked for, a broken download never leaves half a file."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save

from saewidgets.dictionaries import load_dictionary
from saewidgets.dictionaries.hub import fetch
from saewidgets.dictionaries.hubname import HubName
from saewidgets.errors import DictionaryError
from tests.dictionaries.hub_server import CHUNK, Hub, Repository, serve

SHAPES = {"W_enc": (6, 40), "W_dec": (40, 6), "b_enc": (40,), "b_dec": (6,)}
SCOPE = "google/gemma-scope-2b-pt-res"
PLACE = "layer_20/width_16k/average_l0_71"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serve(tmp_path / "cache", monkeypatch) as running:
        yield running


def weights(seed: int = 0) -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(seed)
    return {name: torch.tensor(rng.normal(size=shape), dtype=torch.float32) for name, shape in SHAPES.items()}


def npz(seed: int = 0) -> bytes:
    import io

    file = io.BytesIO()
    np.savez(
        file, **{name: value.numpy() for name, value in weights(seed).items()}, threshold=np.full(40, 0.3, np.float32)
    )
    return file.getvalue()


def saelens(seed: int = 0) -> dict[str, bytes]:
    config = {"architecture": "standard", "d_in": 6, "d_sae": 40, "hook_name": "blocks.3.hook_resid_post"}
    return {"cfg.json": json.dumps(config).encode(), "sae_weights.safetensors": save(weights(seed))}


def under(folder: str, files: dict[str, bytes]) -> dict[str, bytes]:
    return {f"{folder}/{name}": content for name, content in files.items()}


CODE = b"raise SystemExit('code of a stranger ran')"


def test_a_saelens_folder_costs_two_downloads(hub: Hub) -> None:
    files = under("blocks.3", saelens()) | {
        "blocks.3/sparsity.safetensors": save({"sparsity": torch.zeros(40)}),
        "blocks.3/modeling_x.py": CODE,
        "blocks.4/cfg.json": b"{}",
        "README.md": b"#",
    }
    hub.repositories["owner/saes"] = Repository(files)
    dictionary = load_dictionary("hub:owner/saes/blocks.3")
    assert hub.downloads() == ["blocks.3/cfg.json", "blocks.3/sae_weights.safetensors"]
    assert str(dictionary.site_in) == "resid_post.3"
    assert torch.equal(dictionary.directions, weights()["W_dec"])
    revision = dictionary.card.findings[0]
    assert (revision.answer, revision.where) == (Repository({}).commit, "hub, revision main")
    assert not any(".py" in path for _, path, _ in hub.log)
    asked = len(hub.log)
    load_dictionary("hub:owner/saes/blocks.3")
    assert hub.downloads() == ["blocks.3/cfg.json", "blocks.3/sae_weights.safetensors"]
    assert len([entry for entry in hub.log[asked:] if entry[0] == "GET" and "/resolve/" in entry[1]]) == 0


def test_gemma_scope_is_read_by_the_name_of_its_repository(hub: Hub) -> None:
    hub.repositories[SCOPE] = Repository(
        {f"{PLACE}/params.npz": npz(), "layer_20/width_16k/average_l0_9/params.npz": npz(1)}
    )
    dictionary = load_dictionary(f"hub:{SCOPE}/{PLACE}")
    assert hub.downloads() == [f"{PLACE}/params.npz"]
    assert (str(dictionary.site_in), dictionary.card.format) == ("resid_post.20", "gemma_scope")
    with pytest.raises(DictionaryError, match=r"average_l0_71/, average_l0_9/"):
        load_dictionary(f"hub:{SCOPE}/layer_20")
    transcoders = "google/gemma-scope-9b-pt-transcoders"
    hub.repositories[transcoders] = Repository({"layer_7/width_16k/average_l0_11/params.npz": npz()})
    dictionary = load_dictionary(f"hub:{transcoders}/layer_7")  # one way down
    assert (str(dictionary.site_in), str(dictionary.site_out)) == ("mlp_in.7", "mlp_out.7")


def test_a_training_checkpoint_of_saelens_comes_with_its_norm_factor(hub: Hub) -> None:
    config = {"architecture": "standard", "hook_name": "blocks.3.hook_resid_post",
              "normalize_activations": "expected_average_only_in"}  # fmt: skip
    files = saelens() | {"cfg.json": json.dumps(config).encode(), "activation_scaler.json": b'{"scaling_factor": 0.5}'}
    hub.repositories["owner/saes"] = Repository(under("a", files))
    dictionary = load_dictionary("hub:owner/saes/a")
    assert "activation_scaler.json" in str(dictionary.card)
    torch.testing.assert_close(dictionary.directions, weights()["W_dec"] * 2)


def test_llama_scope_keeps_its_config_above_its_weights(hub: Hub) -> None:
    config = {
        "hook_point_in": "blocks.15.hook_resid_post", "act_fn": "jumprelu", "jump_relu_threshold": 0.2,
        "dataset_average_activation_norm": {"in": 5.0, "out": 5.0},
    }  # fmt: skip
    values = weights()
    tensors = {
        "encoder.weight": values["W_enc"].T.contiguous(), "encoder.bias": values["b_enc"],
        "decoder.weight": values["W_dec"].T.contiguous(), "decoder.bias": values["b_dec"],
    }  # fmt: skip
    folder = "Llama3_1-8B-Base-L15R-8x"
    files = {
        f"{folder}/hyperparams.json": json.dumps(config).encode(),
        f"{folder}/lm_config.json": b"{}",
        f"{folder}/checkpoints/final.safetensors": save(tensors),
    }
    hub.repositories["fnlp/Llama3_1-8B-Base-LXR-8x"] = Repository(files)
    dictionary = load_dictionary(f"hub:fnlp/Llama3_1-8B-Base-LXR-8x/{folder}")
    assert hub.downloads() == [f"{folder}/hyperparams.json", f"{folder}/checkpoints/final.safetensors"]
    assert (dictionary.card.format, str(dictionary.site_in)) == ("llama_scope", "resid_post.15")


def test_of_a_set_only_the_layer_is_fetched(hub: Hub) -> None:
    config = b"model_kind: transcoder_set\nfeature_input_hook: mlp.hook_in\nfeature_output_hook: mlp.hook_out\n"
    files = {f"layer_{i}.safetensors": save(weights(i)) for i in range(3)} | {"config.yaml": config}
    hub.repositories["owner/set"] = Repository(files)
    dictionary = load_dictionary("hub:owner/set", site="mlp_in.1")
    assert hub.downloads() == ["config.yaml", "layer_1.safetensors"]
    assert torch.equal(dictionary.directions, weights(1)["W_dec"])
    dictionary = load_dictionary("hub:owner/set/layer_2.safetensors")
    assert str(dictionary.site_in) == "mlp_in.2"
    assert torch.equal(dictionary.directions, weights(2)["W_dec"])
    with pytest.raises(DictionaryError, match=r"several dictionaries.*layer_0\.safetensors"):
        load_dictionary("hub:owner/set")


LAYOUTS = {
    # what is in the repository, what is named, which layer, what is fetched, and what is then loaded
    "sparsify": (["layers.10/cfg.json", "layers.10/sae.safetensors", "layers.10/optimizer.pt", "config.json"],
                 "layers.10", None, ["layers.10/cfg.json", "layers.10/sae.safetensors"], "layers.10"),
    "overcomplete": (["state_dict.pt", "README.md"], "", None, ["state_dict.pt"], "state_dict.pt"),
    "goodfire": (["README.md", "SAE-l19.pth", "feature_labels.csv"], "", None, ["SAE-l19.pth"], "SAE-l19.pth"),
    "qwen by file": (["layer0.sae.pt", "layer1.sae.pt"], "layer1.sae.pt", None, ["layer1.sae.pt"], "layer1.sae.pt"),
    "qwen by layer": (["layer0.sae.pt", "layer1.sae.pt"], "", 0, ["layer0.sae.pt"], "layer0.sae.pt"),
    "dictionary_learning": (["a/trainer_0/ae.pt", "a/trainer_0/config.json", "a/trainer_0/eval.json",
        "a/trainer_0/checkpoints/ae_1.pt"],
                            "a", None, ["a/trainer_0/config.json", "a/trainer_0/ae.pt"], "a/trainer_0"),
    "ckkissane": (["x_v9.pt", "x_v9_cfg.json", "y.pt", "y_cfg.json"], "x_v9.pt", None, ["x_v9_cfg.json", "x_v9.pt"],
        "x_v9.pt"),
    "crosscoder": (["ae.pt", "config.json", "model.safetensors"], "", None, ["config.json", "model.safetensors"], ""),
    "clt": (["config.yaml", "W_enc_0.safetensors", "W_enc_1.safetensors", "W_dec_0.safetensors",
        "W_dec_1.safetensors", "README.md"],
            "", None, ["config.yaml", "W_enc_0.safetensors", "W_enc_1.safetensors", "W_dec_0.safetensors",
                "W_dec_1.safetensors"], ""),
    "gemma scope 2": (["clt/width_1m/params_layer_0.safetensors", "clt/width_1m/params_layer_1.safetensors",
        "resid_post/x/config.json"],
                      "clt", None, ["clt/width_1m/params_layer_0.safetensors",
                          "clt/width_1m/params_layer_1.safetensors"], "clt/width_1m"),
    "temporal": (["layer_12/temporal/conf.yaml", "layer_12/temporal/latest_ckpt.safetensors",
        "layer_12/topk/conf.yaml"],
                 "layer_12/temporal", None, ["layer_12/temporal/conf.yaml",
                     "layer_12/temporal/latest_ckpt.safetensors"], "layer_12/temporal"),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_only_the_files_of_a_layout_are_fetched(hub: Hub, layout: str) -> None:
    files, folder, layer, wanted, loaded = LAYOUTS[layout]
    hub.repositories["owner/repo"] = Repository({name: name.encode() for name in files})
    fetched = fetch(f"hub:owner/repo/{folder}".rstrip("/"), layer)
    assert hub.downloads() == wanted
    assert fetched.path.parts[-1 - len(Path(loaded).parts) :] == (Repository({}).commit, *Path(loaded).parts)
    assert fetched.path.exists()


def test_a_revision_is_a_commit_on_the_card(hub: Hub) -> None:
    hub.repositories["owner/saes"] = Repository(saelens(), refs=("main", "v1"))
    commit = Repository({}).commit
    for revision in ("v1", commit):
        finding = load_dictionary(f"hub:owner/saes@{revision}").card.findings[0]
        assert (finding.answer, finding.where) == (commit, f"hub, revision {revision}")
    with pytest.raises(DictionaryError, match="no such revision"):
        load_dictionary("hub:owner/saes@v2")


@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.5, 0.99])
def test_a_download_that_breaks_off_is_taken_up_again(hub: Hub, fraction: float) -> None:
    files = under("a", saelens())
    hub.repositories["owner/saes"] = Repository(files)
    hub.cuts["a/sae_weights.safetensors"] = [fraction]
    dictionary = load_dictionary("hub:owner/saes/a")
    assert torch.equal(dictionary.directions, weights()["W_dec"])
    ranges = [asked for verb, path, asked in hub.log if verb == "GET" and path.endswith("sae_weights.safetensors")]
    done = int(len(files["a/sae_weights.safetensors"]) * fraction) // CHUNK * CHUNK
    assert ranges == [None, f"bytes={done}-" if done else None]


@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.5, 0.99])
def test_a_download_that_never_ends_leaves_no_half_file(hub: Hub, tmp_path: Path, fraction: float) -> None:
    hub.repositories["owner/saes"] = Repository(under("a", saelens()))
    hub.cuts["a/sae_weights.safetensors"] = [fraction] * 40
    with pytest.raises(DictionaryError, match=r"cannot be fetched|damaged"):
        load_dictionary("hub:owner/saes/a")
    assert left_of(tmp_path, "sae_weights.safetensors", len(saelens()["sae_weights.safetensors"])) == []
    hub.cuts.clear()
    assert torch.equal(load_dictionary("hub:owner/saes/a").directions, weights()["W_dec"])


def left_of(root: Path, name: str, size: int) -> list[Path]:
    """Files at a final place that are not whole."""
    found = [path for path in root.rglob("*") if path.is_file()]
    return [path for path in found if path.name == name or (path.parent.name == "blobs" and path.stat().st_size > size)]


def test_the_control_of_half_files_sees_one(tmp_path: Path) -> None:
    (tmp_path / "sae_weights.safetensors").write_bytes(b"half")
    assert left_of(tmp_path, "sae_weights.safetensors", 10)


@pytest.mark.parametrize("fault", ["longer", "shorter", "other bytes"])
def test_wrong_length_and_wrong_content_are_refused(hub: Hub, tmp_path: Path, fault: str) -> None:
    hub.repositories["owner/saes"] = Repository(under("a", saelens()))
    path, good = "a/sae_weights.safetensors", saelens()["sae_weights.safetensors"]
    hub.swaps[path] = {"longer": good + b"12345", "shorter": good[:-5], "other bytes": good[:-5] + b"12345"}[fault]
    with pytest.raises(DictionaryError, match="arrived damaged"):
        load_dictionary("hub:owner/saes/a")
    assert not list(tmp_path.rglob("sae_weights.safetensors"))
    hub.swaps.clear()
    assert torch.equal(load_dictionary("hub:owner/saes/a").directions, weights()["W_dec"])


def test_a_declared_length_that_lies_does_no_harm(hub: Hub) -> None:
    hub.repositories["owner/saes"] = Repository(under("a", saelens()))
    hub.lengths["a/sae_weights.safetensors"] = 1000
    assert torch.equal(load_dictionary("hub:owner/saes/a").directions, weights()["W_dec"])


@pytest.mark.parametrize(
    ("error", "words"),
    [((404, "RepoNotFound"), "no repository"), ((401, "GatedRepo"), "gated"), ((403, "GatedRepo"), "gated"),
     ((401, ""), r"not open to you \(401\)"), ((403, ""), r"not open to you \(403\)"),
     ((500, ""), "cannot be fetched")],
)  # fmt: skip
def test_what_the_hub_refuses_is_said_in_a_sentence(hub: Hub, error: tuple[int, str], words: str) -> None:
    hub.repositories["owner/saes"] = Repository(saelens(), error=error)
    with pytest.raises(DictionaryError, match=words):
        load_dictionary("hub:owner/saes")


def test_missing_folders_and_files_are_named(hub: Hub) -> None:
    hub.repositories["owner/saes"] = Repository(under("a", saelens()))
    with pytest.raises(DictionaryError, match="no such folder or file"):
        load_dictionary("hub:owner/saes/b")
    with pytest.raises(DictionaryError, match=r"is not there.*sae_weights\.safetensors"):
        load_dictionary("hub:owner/saes/a/other.safetensors")
    with pytest.raises(DictionaryError, match="no repository"):
        load_dictionary("hub:owner/none")


def test_a_huge_config_is_not_fetched(hub: Hub) -> None:
    hub.repositories["owner/saes"] = Repository(saelens() | {"cfg.json": b" " * (1 << 20) + b"{}"})
    with pytest.raises(DictionaryError, match=r"cfg\.json.*1048578 bytes"):
        load_dictionary("hub:owner/saes")
    assert hub.downloads() == []


def test_without_the_hub_the_cache_answers(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    hub.repositories["owner/saes"] = Repository(under("a", saelens()))
    load_dictionary("hub:owner/saes/a")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    asked = len(hub.log)
    finding = load_dictionary("hub:owner/saes/a").card.findings[0]
    assert (finding.answer, finding.where) == (Repository({}).commit, "cache; the hub was not reached")
    with pytest.raises(DictionaryError, match="cannot be fetched"):
        load_dictionary("hub:owner/saes/b")
    with pytest.raises(DictionaryError, match="cannot be fetched"):
        load_dictionary("hub:owner/saes/a@v3")
    assert len(hub.log) == asked


BAD_NAMES = [
    "hub:x", "hub:../x", "hub:../x/y", "hub:org/name@../../ref", "hub:org/name/../../../etc", "hub:C:\\x",
    "hub:\\\\server\\share",
    "hub:" + "a" * 300 + "/b", "hub:huggingf\u0430\u0441\u0435/x", "hub:a/b/c d", "hub:a/b//c", "hub:/a/b",
    "hub:a/b/.git/config",
    "hub:a--b/c", "hub:a/b..c", "hub:a/b@", "hub:a/b@main@x", "hub:a/b?x=1", "hub:a/b#x", "hub:a/b\n",
    "hub:a/b/c\0", "hub:a/b.git",
    "hub:a/b/" + "c/" * 9, "hub:https://a/b", "hub:a/%2e%2e/b", "hub:a/b@-x", "hub:a/b/~x", "hub:a/b/" + "c" * 600,
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_bad_name_is_refused_before_any_request(hub: Hub, name: str) -> None:
    with pytest.raises(DictionaryError, match="no hub path"):
        load_dictionary(name)
    assert hub.log == []


def test_good_names_are_read() -> None:
    assert HubName.parse("hub:a/b") == HubName("a/b")
    attention = "gpt2-small_L5_Hcat_z_lr1.20e-03_l11.80e+00_ds24576_bs4096_dc1.00e-06_rsanthropic_rie25000_nr4_v9.pt"
    assert HubName.parse(f"hub:a/b/{attention}").folder == attention
    assert HubName.parse("hub:a/b.c_d/e/layers.10.mlp@refs/pr/7") == HubName("a/b.c_d", "e/layers.10.mlp", "refs/pr/7")
    assert HubName.parse("hub:Qwen/SAE-W32K-L0_50/layer0.sae.pt").folder == "layer0.sae.pt"
