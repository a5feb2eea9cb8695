"""Case 13: names of hub repositories that lead elsewhere, and a hub that answers with such names.

Downloads themselves are tested in `tests/dictionaries/test_hub.py`, against the same local server.
"""

import ast
import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import saewidgets
from saewidgets.dictionaries import load_dictionary
from saewidgets.errors import DictionaryError, SaewidgetsError
from saewidgets.model.tokens import encode_chat
from tests.attacks.containers import yaml_file
from tests.attacks.tiny import table
from tests.dictionaries.hub_server import Hub, Repository, serve

# What must not stand in a name, and where one could put it.
PIECES = (
    "..", ".", "../..", "/etc/passwd", "C:\\x", "C:/x", "\\\\server\\share", "a\\b", "%2e%2e", "..%2f", "a b", "a\tb",
    "a\nb", "a\0b", "a\x1b[2J", "~", "$HOME", "a;b", "a|b", "a?b=c", "a#b", "a:b", "a@b@c", "*", "'", '"', "<b>", "{a}",
    "\u202ea", "а", "ﬁ", "ı", "\ud800", "a" * 300, "-a", "a--b", "a..b", "http://a", "file:///etc", "",
)  # fmt: skip
PLACES = ("hub:{}/repo", "hub:owner/{}", "hub:owner/{}/folder", "hub:owner/repo/{}/x", "hub:owner/repo@{}")
# Each is a name after all in this place.
LEGAL = {("a--b", "hub:owner/repo/{}/x"), ("a--b", "hub:owner/repo@{}"), ("", "hub:owner/{}"), ("a:b", "")}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serve(tmp_path / "cache", monkeypatch) as running:
        yield running


def names() -> list[str]:
    return [place.format(piece) for place in PLACES for piece in PIECES if (piece, place) not in LEGAL]


def test_names_that_lead_elsewhere_are_refused_before_any_request(hub: Hub) -> None:
    taken = []
    for name in names():
        try:
            load_dictionary(name)
            taken.append(name)
        except DictionaryError as error:
            if hub.log or not str(error).isprintable():
                taken.append(name)
                hub.log.clear()
    assert taken == []


def test_good_names_do_reach_the_hub(hub: Hub) -> None:
    """Control: the log is not just empty."""
    for piece in ("a", "gemma-scope-2b-pt-res", "A.b_c-1", "0"):
        for place in PLACES:
            hub.log.clear()
            with pytest.raises(DictionaryError):
                load_dictionary(place.format(piece))
            assert hub.log, place.format(piece)


@pytest.mark.parametrize("path", ["../../../evil.safetensors", "/evil.safetensors", "a/../../../../evil.safetensors",
                                  "..\\..\\evil.safetensors", "C:\\evil.safetensors"])  # fmt: skip
def test_a_hub_that_lists_files_elsewhere(hub: Hub, tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = next(tiny for tiny in table() if tiny.name == "ours").files["d.safetensors"]
    hub.repositories["owner/repo"] = Repository({path: sound, "d.safetensors": sound})
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    listed = RepoFile(path=path, size=len(sound), oid="0" * 40)
    monkeypatch.setattr(HfApi, "list_repo_tree", lambda *_, **__: iter([listed]))
    before = set(tmp_path.rglob("*"))
    with pytest.raises(DictionaryError):
        load_dictionary("hub:owner/repo")
    written = {entry for entry in set(tmp_path.rglob("*")) - before if entry.is_file()}
    assert all(entry.is_relative_to(tmp_path / "cache") for entry in written)
    assert not list(tmp_path.parent.glob("evil*")) and not Path("/evil.safetensors").exists()


@pytest.mark.parametrize("commit", ["../../x", "main", "0" * 39, "0" * 41, "0" * 39 + "/", ""])
def test_a_hub_that_names_no_commit(hub: Hub, commit: str) -> None:
    hub.repositories["owner/repo"] = Repository({"d.safetensors": b""}, commit=commit)
    with pytest.raises(DictionaryError):
        load_dictionary("hub:owner/repo")
    assert hub.downloads() == []


def test_code_of_a_repository_is_not_fetched(hub: Hub) -> None:
    tiny = next(tiny for tiny in table() if tiny.name == "saelens standard")
    code = {
        "config.json": b'{"auto_map": {"AutoModel": "modeling_evil.Evil"}}', "modeling_evil.py": b"raise SystemExit",
        "setup.py": b"raise SystemExit", "weights.pkl": b"\x80\x04.", "ae.bin": b"\x80\x04.",
    }  # fmt: skip
    hub.repositories["owner/repo"] = Repository(tiny.files | code)
    assert load_dictionary("hub:owner/repo").d_dict
    fetched = hub.downloads()
    assert "sae_weights.safetensors" in fetched
    assert [name for name in fetched if not name.endswith((".json", ".safetensors"))] == []


def test_addresses_inside_a_config_are_not_followed(hub: Hub, tmp_path: Path) -> None:
    """A set of circuit-tracer may list its files as addresses of another repository."""
    config = {"model_kind": "transcoder_set", "model_name": "x", "feature_input_hook": "mlp.hook_in",
              "feature_output_hook": "mlp.hook_out",
              "transcoders": ["hf://evil/repo/layer_0.safetensors", hub.url, "file:///etc/passwd"]}  # fmt: skip
    (tmp_path / "config.yaml").write_bytes(yaml_file(config))
    with pytest.raises(DictionaryError):
        load_dictionary(tmp_path)
    assert hub.log == []


# Arguments that would run a stranger's code or templates, or fetch more than was named.
FORBIDDEN = {"snapshot_download", "apply_chat_template", "hf_hub_url", "urlopen", "urlretrieve"}


def calls(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.keyword) and node.arg == "trust_remote_code":
            safe = isinstance(node.value, ast.Constant) and node.value.value is False
            found += [] if safe else ["trust_remote_code"]
        name: Any = getattr(node, "attr", getattr(node, "id", None))
        found += [name] if name in FORBIDDEN else []
    return found


def test_nothing_of_ours_asks_for_code() -> None:
    folder = Path(saewidgets.__file__).parent
    sources = {path.relative_to(folder): calls(path.read_text(encoding="utf-8")) for path in folder.rglob("*.py")}
    # A chat template is asked for by the user, and rendered in the sandbox that the next test tries.
    assert {str(path): found for path, found in sources.items() if found} == {
        "model/tokens.py": ["apply_chat_template"]
    }
    assert Path("dictionaries/hub.py") in sources


@pytest.mark.parametrize(
    "template",
    [
        "{{ messages.__class__.__mro__[1].__subclasses__() }}",
        "{% for i in range(999999999) %}x{% endfor %}",
        "{{ messages.append(1) }}",
        "{% include '/etc/passwd' %}",
    ],
)
def test_a_chat_template_reaches_nothing(template: str) -> None:
    tokenizer = copy.deepcopy(saewidgets.demo().model.tokenizer)
    chat = [{"role": "user", "content": "Mira saw a boat."}]
    tokenizer.chat_template = "{{ messages[0]['content'] }}"
    assert encode_chat(chat, tokenizer)
    tokenizer.chat_template = template
    with pytest.raises(SaewidgetsError):
        encode_chat(chat, tokenizer)


def test_the_reader_of_calls_sees_them() -> None:
    """Control."""
    assert calls("f(x, trust_remote_code=True)") == ["trust_remote_code"]
    assert calls("f(trust_remote_code=flag); t.apply_chat_template(x)") == ["trust_remote_code", "apply_chat_template"]
    assert calls("f(trust_remote_code=False)") == []
