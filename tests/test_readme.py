"""What the README tells a user to type, typed."""

import re
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_example_on_the_embedded_model_does_what_its_comments_say(capsys):
    (example,) = [block for block in BLOCKS if "sw.demo()" in block]
    names: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), names)
    table = names["run"].difference(names["edited"]).predictions(n=50).set_index("token")
    assert table.loc[" Mira", "before"] > 0.9
    assert table.loc[" Mira", "after"] < 0.1
    strongest = names["run"].top(position=-1, n=2, dictionary="resid_post.1@small")["feature"]
    assert strongest.iloc[0] == "resid_post.1@small/29"
    assert "Mira" in capsys.readouterr().out


def test_the_example_on_gpt2_runs_on_local_files_of_the_same_format(tmp_path, monkeypatch):
    """The hub's two files are stood in for by local ones; the lines are the README's."""
    import huggingface_hub
    from transformers import GPT2Config, GPT2LMHeadModel

    from tests.dictionaries.test_formats import saelens
    from tests.runs.conftest import byte_tokenizer

    (example,) = [block for block in BLOCKS if "hub:" in block]
    model = GPT2LMHeadModel(GPT2Config(vocab_size=257, n_embd=6, n_layer=9, n_head=2, n_positions=64))
    model.save_pretrained(tmp_path / "gpt2")
    byte_tokenizer().save_pretrained(tmp_path / "gpt2")
    folder = tmp_path / "hub" / "blocks.8.hook_resid_pre"
    folder.mkdir(parents=True)
    saelens(folder, {"metadata": {"hook_name": "blocks.8.hook_resid_pre"}})
    asked = []

    def download(repository, file):
        asked.append((repository, file))
        return str(tmp_path / "hub" / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.chdir(tmp_path)
    exec(compile(example.replace("openai-community/gpt2", str(tmp_path / "gpt2")), "README.md", "exec"), {})
    assert {repository for repository, _ in asked} == {"jbloom/GPT2-Small-SAEs-Reformatted"}
    assert (tmp_path / "cabinet.html").stat().st_size > 50_000
