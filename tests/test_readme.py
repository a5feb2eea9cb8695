"""What the README tells a user to type, typed."""

import json
import re
from pathlib import Path

import torch
from safetensors.torch import save_file

from tests.dictionaries.hub_server import Repository, serve
from tests.runs.conftest import byte_tokenizer

README = (Path(__file__).parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_example_on_the_embedded_model_does_what_its_comments_say(capsys):
    (example,) = [block for block in BLOCKS if "sw.TokenHeatmap" in block and "sw.demo()" in block]
    names: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), names)
    table = names["run"].difference(names["edited"]).predictions(n=50).set_index("token")
    assert table.loc[" Mira", "before"] > 0.9
    assert table.loc[" Mira", "after"] < 0.1
    strongest = names["run"].top(position=-1, n=2, dictionary="resid_post.1@small")["feature"]
    assert strongest.iloc[0] == "resid_post.1@small/29"
    assert "Mira" in capsys.readouterr().out


def random_saelens(folder, hook):
    """A folder as sae-lens wrote it in its second version."""
    shapes = {"W_enc": (6, 24), "W_dec": (24, 6), "b_enc": (24,), "b_dec": (6,)}
    weights = {name: torch.randn(shape, generator=torch.Generator().manual_seed(0)) for name, shape in shapes.items()}
    save_file(weights, folder / "sae_weights.safetensors")
    config = {"architecture": "standard", "d_in": 6, "d_sae": 24, "hook_name": hook, "normalize_activations": "none"}
    (folder / "cfg.json").write_text(json.dumps(config | {"apply_b_dec_to_input": True}))


def test_a_dictionary_is_trained_judged_and_swept_as_it_says(tmp_path, monkeypatch, capsys):
    (example,) = [block for block in BLOCKS if "train_dictionary" in block]
    names: dict[str, object] = {}
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), names)
    table = names["report"].table()
    assert "PCA" in str(table.index) and table["FVU"].iloc[0] < 1
    assert names["mine"].d_dict == 256 and (tmp_path / "atlas" / "atlas.json").is_file()
    assert names["atlas"].n_tokens("resid_post.2") > 500
    assert "density" in capsys.readouterr().out


def test_the_example_on_gpt2_runs_on_local_files_of_the_same_format(tmp_path, monkeypatch):
    """The hub is a server on this machine; the lines are the README's."""
    from transformers import GPT2Config, GPT2LMHeadModel

    (example,) = [block for block in BLOCKS if "hub:" in block]
    model = GPT2LMHeadModel(GPT2Config(vocab_size=257, n_embd=6, n_layer=9, n_head=2, n_positions=64))
    model.save_pretrained(tmp_path / "gpt2")
    byte_tokenizer().save_pretrained(tmp_path / "gpt2")
    folder = "blocks.8.hook_resid_pre"
    random_saelens(tmp_path, folder)
    files = {f"{folder}/{name}": (tmp_path / name).read_bytes() for name in ("cfg.json", "sae_weights.safetensors")}
    monkeypatch.chdir(tmp_path)
    with serve(tmp_path / "cache", monkeypatch) as hub:
        hub.repositories["jbloom/GPT2-Small-SAEs-Reformatted"] = Repository(files)
        exec(compile(example.replace("openai-community/gpt2", str(tmp_path / "gpt2")), "README.md", "exec"), {})
        assert hub.downloads() == list(files)
    assert (tmp_path / "cabinet.html").stat().st_size > 50_000
