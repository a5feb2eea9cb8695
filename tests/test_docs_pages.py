"""What the tour, the recipes and the pages of errors tell a user to type, typed; and what they say is printed."""

import re
from pathlib import Path

import pytest

import saewidgets as sw
from tests.pages import DOCS, blocks, same_words
from tests.runs.conftest import byte_tokenizer

# Never run here: a cluster (the same lines run in tests/atlas/test_cluster.py) and the service behind NDIF.
ELSEWHERE = ("how-to/cluster.md", "how-to/ndif.md")
PAGES = ["tour.md", *sorted(f"how-to/{path.name}" for path in (DOCS / "how-to").glob("*.md"))]
ERRORS = sorted(path.stem for path in (DOCS / "errors").glob("*.md"))


def stand_ins(folder: Path) -> dict[str, str]:
    """Models of the hub -> tiny random ones of the same architecture on this disk."""
    from transformers import OPTConfig, OPTForCausalLM, Qwen3Config, Qwen3ForCausalLM

    shape = {"vocab_size": 257, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    qwen = Qwen3Config(**shape, intermediate_size=32, num_key_value_heads=1, head_dim=8)
    opt = OPTConfig(**shape, ffn_dim=32, word_embed_proj_dim=16)
    models = {"Qwen/Qwen3-0.6B": Qwen3ForCausalLM(qwen), "facebook/opt-125m": OPTForCausalLM(opt)}
    for name, model in models.items():
        model.save_pretrained(folder / name)
        byte_tokenizer().save_pretrained(folder / name)
    return {name: str(folder / name) for name in models}


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if page not in ELSEWHERE and blocks(page)])
def test_a_page_does_what_it_says(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sw.demo().dictionaries["resid_post.2"].save("my-saelens-folder", format="saelens")
    models = stand_ins(tmp_path / "models") if "own-model" in page else {}
    names: dict[str, object] = {}
    for block in blocks(page):
        for name, local in models.items():
            block = block.replaced(name, local)
        printed = block.run(names)
        assert same_words(printed, block.output), f"{page}:{block.line} printed\n{printed}"
    for view in names.values():
        if hasattr(view, "close") and hasattr(view, "payload"):
            assert not getattr(view, "error", ""), f"{page}: a view shows an error"
            view.close()


@pytest.mark.parametrize("page", ELSEWHERE)
def test_a_page_that_runs_elsewhere_is_python(page):
    found = blocks(page)
    assert found
    for block in found:
        compile(block.code, page, "exec")


@pytest.mark.parametrize("error", ERRORS)
def test_the_wrong_code_raises_what_the_page_shows_and_the_right_code_runs(error, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wrong, right = blocks(f"errors/{error}.md")
    names: dict[str, object] = {}
    with pytest.raises(sw.SaewidgetsError) as raised:
        wrong.run(names)
    assert type(raised.value).__name__ == error

    def told(text: str) -> list[str]:
        return re.sub(r"\d+ bytes\)", "bytes)", text).split()  # sizes of files move with the version

    assert told(f"{error}: {raised.value}") == told(wrong.output or "")
    right.run(names)


def test_a_page_that_says_something_else_is_noticed():
    assert same_words("a  b\n", "a b\n") and same_words("a", None)
    assert not same_words("a", "b") and not same_words("a", "")
