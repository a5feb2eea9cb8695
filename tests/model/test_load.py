"""Where models come from, and what is refused."""

import nnsight
import pytest
import torch

from saewidgets.errors import ModelError, PromptError
from saewidgets.model import TracedModel, load
from tests.model import tiny

IDS = tiny.prompt()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "tiny"
    tiny.make("llama").save_pretrained(path)
    tiny.tokenizer().save_pretrained(path)
    return path


def test_a_folder(folder, llama):
    traced = TracedModel.wrap(str(folder))
    assert torch.equal(traced.trace(IDS).logits, llama.traced.trace(IDS).logits)
    assert traced.tokenize("abc") == llama.traced.tokenize("abc")
    assert traced.name == str(folder)


def test_a_folder_as_another_dtype(folder):
    assert TracedModel.wrap(str(folder), dtype="bfloat16").dtype == torch.bfloat16
    with pytest.raises(ModelError, match="Unknown dtype 'bfloat17'"):
        TracedModel.wrap(tiny.make("llama"), dtype="bfloat17")


def test_a_module_in_memory():
    module = tiny.make("gpt2").train()
    traced = TracedModel.wrap(module, tiny.tokenizer())
    assert traced.module is module
    assert not module.training
    assert (traced.n_layers, traced.d_model, traced.vocab_size, traced.context_length) == (3, 16, 61, 32)
    assert (traced.device.type, traced.dtype, traced.bos_id, traced.family) == ("cpu", torch.float32, 0, "gpt2")
    assert repr(traced) == "TracedModel('GPT2LMHeadModel', gpt2, 3 blocks of width 16)"


def test_an_nnsight_model(llama):
    module = tiny.make("llama")
    wrapped = nnsight.TransformersModel(module, tokenizer=tiny.tokenizer(), task="text-generation", dispatch=True)
    traced = TracedModel.wrap(wrapped)
    assert traced.module is module
    assert traced.tokenize("abc") == llama.traced.tokenize("abc")
    assert torch.equal(traced.trace(IDS).logits, llama.traced.trace(IDS).logits)
    # The user's own traces go on working beside ours.
    with wrapped.trace(input_ids=torch.tensor([IDS])):
        theirs = nnsight.save(wrapped.model.layers[1].output)
    assert torch.equal(theirs, traced.trace(IDS, ["resid_post.1"]).values[traced.site("resid_post.1")])


def test_a_traced_model_stays_itself(llama):
    assert TracedModel.wrap(llama.traced) is llama.traced
    other = TracedModel.wrap(llama.traced, tiny.tokenizer(bos=True))
    assert other.module is llama.traced.module
    assert other.tokenizer is not llama.traced.tokenizer


HOSTILE = [
    "",
    " ",
    ".",
    "..",
    "../x",
    "./x",
    "/etc/passwd",
    "~/model",
    "C:\\models\\gpt2",
    "a\\b",
    "a/b/c",
    "a//b",
    "/a",
    "a/",
    "-a",
    "a..b",
    "a--b",
    "gpt2\n",
    "gpt2\x00",
    "gpt 2",
    "gрt2",  # a Cyrillic letter
    "gpt２",  # a full-width digit
    "http://example.com/x",
    "file:///etc/passwd",
    "<script>alert(1)</script>",
    "x" * 300,
    "a/" + "b" * 300,
    "user@host:x",
    "a?b",
    "a%2e%2e",
    "$(id)",
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("remote", [False, True])
def test_names_that_are_no_hub_id_never_leave_this_file(name, remote, monkeypatch, tmp_path):
    def called(*_args, **_options):
        raise AssertionError("looked up")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(load, "_load_module", called)
    monkeypatch.setattr(load, "_load_tokenizer", called)
    monkeypatch.setattr(nnsight, "TransformersModel", called)
    if name in (".", ".."):
        match = "not a hub id|has no config.json"
    else:
        match = "not a hub id|nor a hub id|has no config.json"
    with pytest.raises(ModelError, match=match) as caught:
        TracedModel.wrap(name, remote=remote)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("name", ["gpt2", "openai-community/gpt2", "google/gemma-2-2b", "a", "A1/b_c.d-e"])
def test_control_hub_ids_are_looked_up(name, monkeypatch):
    monkeypatch.setattr(load, "_load_module", lambda *_: tiny.make("llama"))
    monkeypatch.setattr(load, "_load_tokenizer", lambda *_: tiny.tokenizer())
    assert TracedModel.wrap(name).name == name


@pytest.mark.parametrize("remote", [False, True])
def test_offline_or_misspelt_names_the_id_and_the_ways_out(remote):
    with pytest.raises(ModelError) as caught:
        TracedModel.wrap("openai-community/gtp2", remote=remote)
    message = str(caught.value)
    for part in ("openai-community/gtp2", "spelling", "network", "folder", "tokenizer="):
        assert part in message


def test_code_that_comes_with_a_model_is_not_run(tmp_path):
    (tmp_path / "config.json").write_text(
        '{"model_type": "own", "auto_map": {"AutoConfig": "own.C", "AutoModelForCausalLM": "own.M"}}'
    )
    (tmp_path / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ModelError, match="Cannot load the model"):
        TracedModel.wrap(str(tmp_path))
    assert not (tmp_path / "ran").exists()


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(ModelError, match=r"has no config\.json"):
        TracedModel.wrap(str(tmp_path))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelError, match="Cannot load the model"):
        TracedModel.wrap(str(tmp_path))


def test_a_folder_without_a_tokenizer(tmp_path):
    tiny.make("llama").save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="tokenizer"):
        TracedModel.wrap(str(tmp_path))
    assert TracedModel.wrap(str(tmp_path), tiny.tokenizer()).tokenize("a")


@pytest.mark.parametrize("model", [None, 7, object(), {"model": 1}, torch.zeros(3)])
def test_things_that_are_no_model(model):
    with pytest.raises(ModelError, match="as a model"):
        TracedModel.wrap(model)


def test_a_device_that_is_not_there():
    with pytest.raises(ModelError, match="Cannot move the model"):
        TracedModel.wrap(tiny.make("llama"), device="cuda:99")
    with pytest.raises(ModelError, match="device_map"):
        TracedModel.wrap(tiny.make("llama"), device_map="auto")


def test_a_model_without_logits():
    module = tiny.make("llama").model
    with pytest.raises(ModelError):
        TracedModel.wrap(module)


def test_tokenize(llama):
    traced = llama.traced
    assert len(traced.tokenize("abc")) == 3
    assert traced.tokenize("a\ud800b") == traced.tokenize("a\ufffdb")
    assert traced.tokenize("\ud83d\ude00") == traced.tokenize("\U0001f600")
    assert TracedModel.wrap(traced, tiny.tokenizer(bos=True)).tokenize("abc") == (0, *traced.tokenize("abc"))
    gemma = TracedModel.wrap(tiny.make("gemma2"), tiny.tokenizer())
    assert gemma.tokenize("abc") == (0, *traced.tokenize("abc"))


@pytest.mark.parametrize("text", ["", None, 7, b"bytes", ["a"]])
def test_a_prompt_that_is_no_text(llama, text):
    with pytest.raises(PromptError):
        llama.traced.tokenize(text)


def test_a_prompt_longer_than_the_context(llama):
    with pytest.raises(PromptError, match=r"^40 tokens; this model reads 32\. Shorten the prompt\.$"):
        llama.traced.tokenize("a" * 40)


def test_no_tokenizer():
    with pytest.raises(ModelError, match="no tokenizer"):
        TracedModel.wrap(tiny.make("llama")).tokenize("a")
