"""The page of formats: every format is on it, and its examples give the cards that it shows."""

from __future__ import annotations

import ast
import io
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from saewidgets.dictionaries import load_dictionary
from saewidgets.dictionaries.load import _FORMATS
from tests.dictionaries.formats.hand import FIXTURES
from tests.dictionaries.hub_server import Repository, serve

PAGE = (Path(__file__).parents[2] / "docs" / "dictionary-formats.md").read_text("utf-8")
EXAMPLE = re.compile(r"### ([^\n]+)\n(?:(?!\n### |\n## ).)*?```python\n(.*?)```\s+```text\n(.*?)\n```", re.DOTALL)
EXAMPLES = {heading: (code, card) for heading, code, card in EXAMPLE.findall(PAGE)}
# What stands in for the real files: a fixture of the same layout, and what its config says differently here.
STAND_INS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "Gemma Scope": ("gemma_scope__jumprelu_npz/layer_5/width_16k/average_l0_10", {}),
    "Gemma Scope 2": ("gemma_scope_2__jumprelu/resid_post/layer_5_width_16k_l0_small", {}),
    "Llama Scope": ("llama_scope__jumprelu/Llama3_1-8B-Base-L15R-8x", {}),
    "Qwen Scope": ("qwen_scope__topk_pt", {}),
    "SAELens": ("saelens_legacy__v2_standard", {"hook_point": "blocks.8.hook_resid_pre", "model_name": "gpt2-small"}),
    "EleutherAI": ("sparsify__topk/layers.5", {}),
    "Goodfire": ("goodfire__standard_pth", {}),
    "OpenAI": ("openai__topk_v5", {}),
}


def call(code: str) -> tuple[str, dict[str, Any]]:
    """Path and arguments of the `load_dictionary` of an example."""
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    made = next(node for node in calls if ast.unparse(node.func) == "sw.load_dictionary")
    arguments = {word.arg: ast.literal_eval(word.value) for word in made.keywords if word.arg}
    return ast.literal_eval(made.args[0]), arguments


def files(heading: str) -> dict[str, bytes]:
    """What stands in, by path below the folder of the dictionary."""
    place, changes = STAND_INS[heading]
    root = FIXTURES / place
    found = {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
    found = {name: data for name, data in found.items() if name not in ("expected.npz", "meta.json")}
    if changes:
        found["cfg.json"] = json.dumps(json.loads(found["cfg.json"]) | changes).encode()
    return {name: twice_as_wide(data) for name, data in found.items()} if heading == "Qwen Scope" else found


def twice_as_wide(data: bytes) -> bytes:
    """The stand-in of Qwen Scope has 48 features, of which the repository's name would keep 50."""
    state, wide = torch.load(io.BytesIO(data), weights_only=True), io.BytesIO()
    wider = {
        "W_enc": state["W_enc"].repeat(2, 1),
        "W_dec": state["W_dec"].repeat(1, 2),
        "b_enc": state["b_enc"].repeat(2),
    }
    torch.save(state | wider, wide)
    return wide.getvalue()


def shown(heading: str, folder: Path, patch: pytest.MonkeyPatch) -> str:
    """The card of an example without what depends on the very file: revision and hashes."""
    path, arguments = call(EXAMPLES[heading][0])
    if path.startswith("hub:"):
        owner, repository, *rest = path.removeprefix("hub:").split("/")
        rest = rest[:-1] if rest and rest[-1] in files(heading) else rest
        served = {"/".join([*rest, name]): data for name, data in files(heading).items()}
        with serve(folder / "cache", patch) as hub:
            hub.repositories[f"{owner}/{repository}"] = Repository(served)
            card = load_dictionary(path, **arguments).card
    else:
        for name, data in files(heading).items():
            target = folder / Path(path).parent / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        patch.chdir(folder)
        card = load_dictionary(path, **arguments).card
    return str(replace(card, findings=tuple(f for f in card.findings if f.question != "revision"), paths=()))


@pytest.mark.parametrize("name", [module.NAME for module in _FORMATS])
def test_every_format_is_on_the_page(name: str) -> None:
    module = next(module for module in _FORMATS if module.NAME == name)
    assert f"| [`{name}`](#format-{name}) |" in PAGE
    assert f"## Format {name}\n\n```{{eval-rst}}\n.. automodule:: {module.__name__}\n" in PAGE


def test_nothing_else_is_on_the_page() -> None:
    listed = re.findall(r"^\| \[`(\w+)`\]\(#", PAGE, re.MULTILINE)
    assert sorted(listed) == sorted(module.NAME for module in _FORMATS)


def test_every_layout_of_the_hub_has_an_example() -> None:
    assert set(EXAMPLES) == set(STAND_INS)


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="the fixtures of other libraries lie beside the clone")
@pytest.mark.parametrize("heading", STAND_INS)
def test_an_example_gives_the_card_that_is_shown(heading: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(heading, tmp_path, monkeypatch) == EXAMPLES[heading][1]
