"""Generation under edits: on every family, token by token, against full forwards under plain hooks."""

import threading
import time

import pytest
import torch

import saewidgets as sw
from saewidgets.errors import EditError, ModelError, PromptError
from saewidgets.interventions.algebra import at_places
from saewidgets.runs.sampling import Sampling
from saewidgets.runs.writer import Request, write_texts
from saewidgets.sites import Site
from tests.interventions import plain
from tests.interventions.test_families import strongest
from tests.model import oracle, tiny

IDS = tuple(tiny.prompt())
POST = Site("resid_post", 1)
CLOSE = {"atol": 3e-5, "rtol": 3e-4}


def write(world, edits=(), n=8, propagation="free", seeds=(0,), sampling=None, ids=IDS, versions=None, **more):
    """The texts of a request from token ids, without end-of-text tokens unless they come."""
    versions = versions or ((tuple(edits), None),)
    sampling = sampling or Sampling(temperature=0.0)
    request = Request("", ids, versions, seeds, n, sampling, propagation=propagation, **more)
    return write_texts(world.scope.model, world.scope.dictionaries, request)


def finished(stream):
    for _ in stream:
        pass
    return stream.generations


def test_greedy_text_is_that_of_transformers(world):
    (text,) = finished(write(world, n=12))
    with torch.no_grad():
        expected = world.plain.generate(torch.tensor([IDS]), max_new_tokens=12, do_sample=False, pad_token_id=0)
    assert list(text.token_ids) == expected[0].tolist()


@pytest.mark.parametrize("positions", [None, "prompt", "generated", [2, 5]])
def test_every_token_is_drawn_from_the_edited_model(world, positions):
    dictionary = world.scope.dictionaries["resid_post.1"]
    index = strongest(dictionary, oracle.run(world.plain, list(IDS), [POST]).values[POST])
    d = torch.randn(16, generator=torch.Generator().manual_seed(4))
    edits = [
        sw.clamp(f"resid_post.1/{index}", 3.0, positions),
        sw.steer(sw.Direction("resid_post.0", d), 0.7, positions),
        sw.scale("head.2.1", 2.0, positions),
    ]
    (text,) = finished(write(world, edits, sampling=Sampling(), n=6))
    ids, end = list(text.token_ids), len(text.token_ids)
    where = {None: range(end), "prompt": range(len(IDS)), "generated": range(len(IDS), end)}
    chosen = list(where[positions] if not isinstance(positions, list) else positions)

    def clamp(x, *_):
        x = x.clone()
        x[:, chosen] += (3.0 - dictionary.encode(x[:, chosen])[..., [index]]) * dictionary.W_dec[index]
        return x

    def push(x, *_):
        x = x.clone()
        x[:, chosen] += 0.7 * d
        return x

    def louder(z, *_):
        z = z.clone()
        z[:, chosen, z.shape[-1] // 2 :] *= 2
        return z

    writes = {POST: clamp, Site("resid_post", 0): push, Site("attn_z", 2): louder}
    logits = oracle.run(world.plain, ids, [], writes).logits[0]
    expected = logits.log_softmax(-1)[len(IDS) - 1 : -1].gather(1, torch.tensor(ids[len(IDS) :])[:, None])[:, 0]
    torch.testing.assert_close(torch.tensor(text.log_probabilities), expected, **CLOSE)
    run = world.scope.replay(text)
    torch.testing.assert_close(run.logits, logits, **CLOSE)


def test_edits_of_generated_tokens_leave_the_first_one(world):
    edits = [sw.steer(sw.Direction("resid_post.0", torch.arange(16.0)), 3.0, "generated")]
    (base,), (edited,) = finished(write(world)), finished(write(world, edits))
    assert base.log_probabilities[0] == pytest.approx(edited.log_probabilities[0], abs=1e-5)
    assert base.log_probabilities[1:] != edited.log_probabilities[1:]


def test_patterns_are_edited_while_text_grows(world):
    edits = [sw.scale("pattern.1.0", 0.3)]
    (text,) = finished(write(world, edits, n=4))
    ids = list(text.token_ids)
    new = plain.base_patterns(world.eager, ids)[1]
    new[:, 0] *= 0.3
    with plain.patterns_put(world.eager, {1: new}), torch.no_grad():
        logits = world.eager(torch.tensor([ids])).logits[0]
    expected = logits.log_softmax(-1)[len(IDS) - 1 : -1].gather(1, torch.tensor(ids[len(IDS) :])[:, None])[:, 0]
    torch.testing.assert_close(torch.tensor(text.log_probabilities), expected, **CLOSE)


def test_frozen_attention_holds_within_the_prompt(world):
    edits = [sw.steer(sw.Direction("resid_post.0", torch.arange(16.0)), 0.5)]
    (text,) = finished(write(world, edits, propagation="frozen_attention", n=3))
    ids = list(text.token_ids)
    # By hand: free patterns of the edited text, but those of the prompt without edits within the prompt.
    held = plain.base_patterns(world.eager, list(IDS))
    shift = {Site("resid_post", 0): lambda x, *_: x + 0.5 * torch.arange(16.0)}
    patterns = {}
    for layer in held:
        free = _pattern(world, ids, shift, patterns, layer)
        free[..., : len(IDS), : len(IDS)] = held[layer]
        patterns[layer] = free
    with plain.patterns_put(world.eager, patterns):
        logits = oracle.run(world.eager, ids, [], shift).logits[0]
    expected = logits.log_softmax(-1)[len(IDS) - 1 : -1].gather(1, torch.tensor(ids[len(IDS) :])[:, None])[:, 0]
    torch.testing.assert_close(torch.tensor(text.log_probabilities), expected, **CLOSE)
    with pytest.raises(EditError, match="frozen"):
        world.scope.replay(text)


def _pattern(world, ids, writes, below, layer):
    """The pattern of one layer, where those of the layers below are put."""
    seen = {}
    handle = plain.attention(world.eager, layer).register_forward_hook(lambda _m, _a, out: seen.update(p=out[1]))
    try:
        with plain.patterns_put(world.eager, below):
            oracle.run(world.eager, ids, [], writes)
    finally:
        handle.remove()
    return seen["p"].clone()


def test_a_batch_of_strengths_and_seeds_is_each_of_them(llama):
    edits = (sw.steer(sw.Direction("resid_post.0", torch.arange(16.0)), 1.0), sw.ablate("head.1.0"))
    strengths, seeds = (0.0, 0.2, 1.0), (3, 5)
    versions = tuple(((edits[0].__class__(edits[0].target, "steer", s), edits[1]), s) for s in strengths)
    many = finished(write(llama, versions=versions, seeds=seeds, sampling=Sampling()))
    assert [(text.strength, text.seed) for text in many] == [(s, seed) for s in strengths for seed in seeds]
    for text, (version, seed) in zip(many, [(v, s) for v in versions for s in seeds], strict=True):
        (alone,) = finished(write(llama, version[0], seeds=(seed,), sampling=Sampling()))
        assert alone.token_ids == text.token_ids
        assert alone.log_probabilities == pytest.approx(text.log_probabilities, abs=1e-4)
    assert len({text.token_ids for text in many}) > 2


def test_text_ends_where_it_should(llama):
    (long,) = finished(write(llama, n=500, sampling=Sampling()))
    assert len(long.token_ids) <= tiny.CONTEXT and long.finished in ("length", "stop")
    texts = finished(write(llama, n=18, seeds=tuple(range(40)), sampling=Sampling()))
    lengths = {text.finished: text for text in texts}
    assert lengths["stop"].token_ids[-1] == 0 and 0 not in lengths["stop"].token_ids[14:-1]
    assert len(lengths["length"].token_ids) == 32
    stop = finished(write(llama, n=8))[0].text[2]
    (cut,) = finished(write(llama, n=8, stop=(stop,)))
    assert cut.finished == "stop" and cut.text.endswith(stop) and cut.text.count(stop) == 1


def test_a_stream_gives_the_text_piece_by_piece(llama):
    stream = write(llama, n=10, seeds=(0, 1), sampling=Sampling())
    pieces = {0: "", 1: ""}
    for token in stream:
        pieces[token.row] += token.text
    assert tuple(pieces.values()) == tuple(text.text for text in stream.generations)


def test_half_a_character_waits_for_its_other_half(tiny_text_scope):
    """A model that must write the two bytes of é, one token each."""
    scope, first, second = tiny_text_scope
    stream = scope.generate("caf", [], max_new_tokens=2, temperature=0, stream=True)
    assert [token.id for token in stream] == [first, second]
    stream = scope.generate("caf", [], max_new_tokens=2, temperature=0, stream=True)
    assert [token.text for token in stream] == ["", "é"]


@pytest.fixture
def tiny_text_scope():
    from tests.runs.conftest import byte_tokenizer

    tokenizer = byte_tokenizer()
    first, second = tokenizer("é", add_special_tokens=False)["input_ids"]

    class Fixed(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = torch.nn.ModuleList([torch.nn.Identity()])
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, input_ids):
            logits = torch.nn.functional.one_hot(input_ids, 300).float() * 0
            nxt = torch.where(input_ids == first, second, first)
            self.blocks[0](logits)
            return logits.scatter(2, nxt[..., None], 5.0)

    scope = sw.Scope(Fixed(), tokenizer=tokenizer, sites={"resid_post": "blocks.{layer}.output"})
    return scope, first, second


def test_cancelled_between_tokens_from_another_thread(llama):
    stream = write(llama, n=18, sampling=Sampling(), seeds=(2,))
    got, began = [], threading.Event()

    def slow(value, *_):
        began.set()
        time.sleep(0.02)
        return value

    stream._writer._writes = {Site("resid_post", 0): slow}
    thread = threading.Thread(target=lambda: got.extend(stream))
    thread.start()
    began.wait()
    stream.cancel()
    thread.join(10)
    assert not thread.is_alive() and len(got) < 18
    (text,) = stream.generations
    assert text.finished == "cancelled" and len(text.token_ids) == 14 + len(got)


def test_the_caller_is_asked_before_every_token(llama):
    asked = []
    stream = write(llama, n=9, cancel=lambda: len(asked) == 4 or asked.append(1))
    assert len(list(stream)) == 4 and stream.generations[0].finished == "cancelled"


def test_nothing_runs_before_the_first_token_and_the_model_is_free_between(llama):
    stream = write(llama, n=4)
    with llama.scope.lock:
        pass
    next(stream)
    got = []
    thread = threading.Thread(target=lambda: got.append(llama.scope.model.trace(IDS).logits))
    thread.start()
    thread.join(30)
    assert len(got) == 1
    before = list(stream)
    assert [token.id for token in before] == list(finished(write(llama, n=4))[0].token_ids[15:])


def test_an_exception_in_the_middle_leaves_the_model_as_it_was(world):
    stream = write(world, n=6)
    next(stream)

    def fail(*_):
        raise KeyError("broken")

    stream._writer._writes = {Site("attn_pattern", 1): fail, POST: fail}
    with pytest.raises(KeyError):
        next(stream)
    module = world.scope.model.module
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
    with torch.no_grad():
        assert torch.equal(module(torch.tensor([IDS])).logits, world.plain(torch.tensor([IDS])).logits)


def test_a_dictionary_that_reads_the_context_sees_all_of_it(llama):
    class Summing(type(llama.scope.dictionaries["resid_post.1"])):
        reads_context = True

        def encode(self, x):
            return super().encode(x.cumsum(-2))

    known = llama.scope.dictionaries["resid_post.1"]
    summing = Summing(**{name: getattr(known, name) for name in known.__dataclass_fields__})
    scope = sw.Scope(llama.scope.model, [summing])
    edits = (sw.ablate("resid_post.1/3"), sw.clamp("resid_post.1/7", 2.0))
    request = Request("", IDS, ((edits, None),), (0,), 5, Sampling(temperature=0.0))
    (text,) = finished(write_texts(scope.model, scope.dictionaries, request))
    run = scope.replay(text)
    expected = run.log_probabilities()[13:-1].gather(1, torch.tensor(text.token_ids[14:])[:, None])[:, 0]
    torch.testing.assert_close(torch.tensor(text.log_probabilities), expected, **CLOSE)


def test_a_conversation_goes_through_the_template(llama, monkeypatch):
    tokenizer = llama.scope.model.tokenizer
    turns = "{% for m in messages %}<{{ m.role[0] | upper }}>{{ m.content }}{% endfor %}"
    template = turns + "{% if add_generation_prompt %}:{% endif %}"
    chat = [{"role": "user", "content": "AB"}]
    with pytest.raises(ModelError, match="no chat template"):
        llama.scope.generate(chat)
    monkeypatch.setattr(tokenizer, "chat_template", template)
    text = llama.scope.generate(chat, max_new_tokens=2)
    assert list(text.token_ids[: text.n_prompt]) == tokenizer("<U>AB:", add_special_tokens=False)["input_ids"]
    monkeypatch.setattr(tokenizer, "chat_template", "{{ raise_exception('roles') }}")
    with pytest.raises(ModelError, match="refuses"):
        llama.scope.generate(chat)
    for bad in ([], [3], [{"role": "user"}], [{"role": "user", "content": 3}], 5):
        with pytest.raises(PromptError, match="conversation"):
            llama.scope.generate(bad)


def test_what_does_not_fit_is_said(llama):
    generate = llama.scope.generate
    for call, error, says in [
        (lambda: generate("a", max_new_tokens=0), PromptError, "new tokens"),
        (lambda: generate("a" * 32), PromptError, "fills"),
        (lambda: generate("a", seed=[]), PromptError, "Seeds"),
        (lambda: generate("a", seed=-1), PromptError, "Seeds"),
        (lambda: generate("a", temperature=float("nan")), PromptError, "temperature"),
        (lambda: generate("a", top_k=0), PromptError, "top_k"),
        (lambda: generate("a", top_p=0), PromptError, "top_p"),
        (lambda: generate("a", strengths=[1.0]), EditError, "strength"),
        (lambda: generate("a", propagation="direct"), EditError, "generated token"),
        (lambda: generate("a", [sw.ablate("embed", positions=[5])]), EditError, "outside the prompt"),
        (lambda: generate("", []), PromptError, "empty"),
    ]:
        with pytest.raises(error, match=says):
            call()


def test_places_of_edits_in_a_finished_text():
    edits = [
        sw.ablate("embed"),
        sw.ablate("embed", positions="prompt"),
        sw.ablate("embed", positions="generated"),
        sw.patch("embed", [1, 2]),
    ]
    placed = at_places(edits, 2, 4)
    assert [edit.positions for edit in placed] == [None, (0, 1), (2, 3), (0, 1)]
    assert [edit.positions for edit in at_places(edits, 2, 2)] == [None, (0, 1), (0, 1)]
