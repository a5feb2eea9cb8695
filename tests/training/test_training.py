"""Training on a model: streams, resuming, strategies. On a tiny random model, and end to end on the embedded one."""

import itertools

import numpy as np
import pytest
import torch

import saewidgets as sw
from saewidgets.corpus import Corpus
from saewidgets.demo.grammar import documents
from saewidgets.dictionaries.crosscoder import Crosscoder
from saewidgets.dictionaries.train import TrainingPlan
from saewidgets.errors import CorpusError, SiteError, TrainingError
from saewidgets.model import TracedModel
from saewidgets.sites import Site
from saewidgets.training import (
    cluster,
    make_trainer,
    related,
    resume_training,
    sentences,
    train_dictionary,
    train_layer_groups,
)
from saewidgets.training.end_to_end import EndToEndSource
from saewidgets.training.reader import Reader
from saewidgets.training.stream import ModelSource
from tests.model import tiny

SITE = Site("resid_post", 1)
ROWS = np.random.default_rng(0).integers(1, tiny.VOCAB, (60, 20))
SMALL = {"d_dict": 32, "k": 4, "steps": 20, "batch_size": 128, "context": 20}


@pytest.fixture(scope="module")
def model():
    return TracedModel.wrap(tiny.make("llama"))


@pytest.fixture(scope="module")
def demo():
    return sw.demo().model


def source(model, rows=ROWS, sites=(SITE,), site_out=None, **options):
    return ModelSource(model, Reader(Corpus(rows), 4), sites, site_out, **options)


def drain(stream, n, batches):
    return [stream.next(n) for _ in range(batches)]


# -------------------------------------------------------------------------------------------------------------- streams


def test_a_stream_holds_every_token_once_and_no_first_position(model):
    stream = source(model, buffer=10_000)
    found = torch.cat([sample.x for sample in drain(stream, 57, 20)])
    true = model.trace(ROWS, [SITE], logits=False).values[SITE][:, 1:].flatten(0, 1)
    assert len(found) == len(true) == 60 * 19
    order = [t[:, :3].double().sum(1).argsort() for t in (found, true)]
    torch.testing.assert_close(found[order[0]], true[order[1]], rtol=1e-5, atol=1e-5)
    assert not torch.allclose(found, true)  # shuffled
    assert not torch.equal(stream.next(57).x, found[:57])  # and otherwise in the next round


def test_the_buffer_is_bounded_and_refilled(model):
    stream = source(model, buffer=160)
    sizes = set()
    for _ in range(30):
        stream.next(32)
        sizes.add(len(stream._x))
    assert max(sizes) <= 8 * 19 and stream.position()["first"] > 0


def test_a_stream_gives_pairs_and_several_sites(model):
    pairs = source(model, sites=(Site("mlp_in", 1),), site_out=Site("mlp_out", 1), buffer=10_000).next(64)
    mlp = model.module.model.layers[1].mlp
    torch.testing.assert_close(mlp(pairs.x), pairs.y, rtol=1e-4, atol=1e-4)
    both = source(model, sites=(Site("resid_post", 0), SITE), buffer=10_000)
    assert both.widths == (16, 16) and both.next(8).x.shape == (8, 32)
    pooled = source(model, sites=(Site("resid_post", 0), SITE), buffer=10_000, pooled=True)
    assert pooled.widths == (16,) and len(pooled._x) == 2 * 60 * 19


@pytest.mark.parametrize("buffer", [160, 10_000])
@pytest.mark.parametrize("taken", [0, 3, 11, 25])
def test_a_stream_is_taken_up_where_it_was_left(model, buffer, taken):
    one = source(model, buffer=buffer)
    drain(one, 40, taken)
    place = one.position()
    expected = drain(one, 40, 15)
    other = source(model, buffer=buffer)
    other.seek(place)
    assert all(torch.equal(a.x, b.x) for a, b in zip(expected, drain(other, 40, 15), strict=True))


def test_an_iterator_of_texts_ends_the_run():
    traced = TracedModel.wrap(tiny.make("llama", vocab_size=64), tiny.tokenizer(bos=True))
    texts = ("one two three four five six seven" for _ in range(90))
    trainer = make_trainer(traced, SITE, texts, buffer=600, **{**SMALL, "steps": 1000})
    trainer.run()
    assert trainer.state.phase == "finished" and 0 < trainer.state.step < 1000


def test_too_little_text_is_said(model):
    with pytest.raises(TrainingError, match="batch_size"):
        train_dictionary(model, SITE, ROWS[:3], **SMALL)
    with pytest.raises(CorpusError):
        train_dictionary(model, SITE, [], **SMALL)


# ----------------------------------------------------------------------------------------------------------- public way


def test_a_run_in_a_folder_goes_on_to_the_same_bits(model, tmp_path):
    options = {**SMALL, "buffer": 500, "architecture": "batchtopk"}
    whole = train_dictionary(model, SITE, ROWS, **options)
    trainer = make_trainer(model, SITE, ROWS, **options)
    next(iter(trainer.steps(7)))
    trainer.save(tmp_path)
    resumed = resume_training(tmp_path, model, ROWS)
    assert resumed.state.step == 7
    again = train_dictionary(model, SITE, ROWS, folder=tmp_path, **options)
    for name in ("W_enc", "W_dec", "b_enc", "b_dec"):
        assert torch.equal(getattr(again, name), getattr(whole, name))
    assert torch.equal(resumed.run().W_enc, whole.W_enc)
    with pytest.raises(TrainingError, match="another plan"):
        train_dictionary(model, SITE, ROWS, folder=tmp_path, **{**options, "k": 5})
    with pytest.raises(TrainingError, match="not the activations"):
        resume_training(tmp_path, model, ROWS[:, ::-1].copy() * 0 + 3 + ROWS // 2)


def test_names_of_shapes(model):
    transcoder = train_dictionary(model, "mlp_in.1", ROWS, "transcoder", **SMALL)
    assert (transcoder.architecture, str(transcoder.site_out)) == ("transcoder", "mlp_out.1")
    skip = train_dictionary(model, "mlp_in.1", ROWS, "skip_transcoder", **SMALL)
    assert skip.W_skip is not None and skip.W_skip.abs().sum() > 0
    crosscoder = train_dictionary(model, ["resid_post.0", "resid_post.1"], ROWS, "crosscoder", **SMALL)
    assert isinstance(crosscoder, Crosscoder) and crosscoder.activation.kind == "relu"
    module_path = train_dictionary(model, "model.layers.1", ROWS, **SMALL)
    assert module_path.site_in == SITE


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((SITE, ROWS, "transcoder"), {}, TrainingError, "site_out"),
        ((SITE, ROWS, "crosscoder"), {}, TrainingError, "several"),
        ((SITE, ROWS, "softmax"), {}, TrainingError, "architecture"),
        ((SITE, ROWS), {"speed": 3}, TrainingError, "speed"),
        (("resid_post.9", ROWS), {}, SiteError, "resid_post.9"),
        ((SITE, ROWS), {"end_to_end": "kl", "tilt": 1.0}, TrainingError, "tilt"),
        ((["embed", "resid_post.1"], ROWS), {"site_out": "mlp_out.1"}, TrainingError, "crosscoder"),
        ((["resid_post.0", "resid_post.1"], ROWS, "switch"), {}, TrainingError, "switch"),
    ],
)
def test_what_cannot_be_trained_is_said(model, arguments, options, error, message):
    with pytest.raises(error, match=message):
        train_dictionary(model, *arguments, **{**SMALL, **options})


def test_saving_and_calling_back(model, tmp_path):
    steps = []
    options = {**SMALL, "steps": 110}
    train_dictionary(
        model, SITE, ROWS, folder=tmp_path, save_every=30, callback=lambda s: steps.append(s.step), **options
    )
    assert steps == [50, 100, 110]
    assert resume_training(tmp_path, model, ROWS).state.step == 110


# ----------------------------------------------------------------------------------------------------------- end to end


def test_the_end_to_end_error_is_the_divergence_of_the_predictions(model):
    """Against plain forwards of the module with a hook, float64."""
    stream = EndToEndSource(model, Corpus(ROWS), SITE, contexts=3, downstream=0.5)
    sample = stream.next(60)
    output = (sample.x + 0.3 * torch.randn(sample.x.shape, generator=torch.Generator().manual_seed(1))).requires_grad_()
    loss = sample.fidelity(output)
    (gradient,) = torch.autograd.grad(loss.mean(), output)
    ids, module = torch.tensor(ROWS[:3]), model.module

    def forward(replace):
        kept = {}

        def hook(_module, _inputs, out):
            value = out[0] if isinstance(out, tuple) else out
            value = torch.cat([value[:, :1], replace.view(3, 19, -1)], 1) if replace is not None else value
            return (value, *out[1:]) if isinstance(out, tuple) else value

        def keep(_module, _inputs, out):
            kept["last"] = out[0] if isinstance(out, tuple) else out

        handles = [
            module.model.layers[1].register_forward_hook(hook),
            module.model.layers[2].register_forward_hook(keep),
        ]
        logits = module(input_ids=ids).logits[:, 1:]
        for handle in handles:
            handle.remove()
        return logits.double().log_softmax(-1), kept["last"][:, 1:].double()

    leaf = output.detach().clone().requires_grad_()
    (clean, stream_clean), (changed, stream_changed) = forward(None), forward(leaf)
    kl = (clean.exp() * (clean - changed)).sum(-1).mean()
    later = (stream_changed - stream_clean).pow(2).sum(-1).mean() / stream_clean.pow(2).sum(-1).mean()
    expected = kl + 0.5 * later
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-4)
    (wanted,) = torch.autograd.grad(expected, leaf)
    torch.testing.assert_close(gradient, wanted, rtol=1e-3, atol=1e-6)
    assert all(parameter.grad is None for parameter in module.parameters())


def test_end_to_end_training_lowers_the_divergence(demo):
    texts = [document.text for document in itertools.islice(documents("train"), 120)]
    trainer = make_trainer(
        demo, "resid_post.2", texts, d_dict=256, k=12, steps=24, batch_size=512, end_to_end="kl", learning_rate=4e-3
    )
    errors = [snapshot.parts["error"] for snapshot in trainer.steps()]
    assert sum(errors[-4:]) < 0.6 * sum(errors[:4])


def test_end_to_end_resumes_to_the_same_bits(model, tmp_path):
    options = {**SMALL, "end_to_end": "kl+downstream", "steps": 12, "batch_size": 80}
    whole = train_dictionary(model, SITE, ROWS, **options)
    trainer = make_trainer(model, SITE, ROWS, **options)
    next(iter(trainer.steps(5)))
    trainer.save(tmp_path)
    assert torch.equal(resume_training(tmp_path, model, ROWS).run().W_dec, whole.W_dec)


# ----------------------------------------------------------------------------------------------------------- strategies


def test_the_monitor_sees_contexts(demo):
    texts = [document.text for document in itertools.islice(documents("train"), 200)]
    trainer = make_trainer(demo, "resid_post.2", texts, d_dict=128, k=8, steps=30, batch_size=512, learning_rate=4e-3)
    trainer.run()
    density = trainer._loop.density
    busy = density.topk(3).indices.tolist()
    examples = trainer.examples(busy, count=2)
    assert all(len(examples[feature]) == 2 for feature in busy)
    for feature in busy:
        first = examples[feature][0]
        assert first.activations[first.position] == first.value == max(first.activations) > 0
        assert all(isinstance(token, str) for token in first.tokens)


def test_layer_groups(model):
    found = train_layer_groups(model, ["resid_post.0", "resid_post.1", "resid_post.2"], ROWS, 2, **SMALL)
    assert [str(site) for site in found] == ["resid_post.0", "resid_post.1", "resid_post.2"]
    assert all(dictionary.site_in == site for site, dictionary in found.items())
    assert len({dictionary.W_dec.data_ptr() for dictionary in found.values()}) == 2


def test_clusters_are_those_of_complete_linkage():
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    for seed in range(20):
        points = np.random.default_rng(seed).normal(size=(7, 2))
        distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
        for groups in (1, 3, 5, 7):
            labels = fcluster(linkage(squareform(distances), "complete"), groups, "maxclust")
            expected = {tuple(np.flatnonzero(labels == label).tolist()) for label in set(labels)}
            assert set(cluster(torch.tensor(distances), groups)) == expected
    with pytest.raises(TrainingError):
        cluster(torch.zeros(3, 3), 4)


def test_related_documents():
    collection = ["the key is in the boat", "a recipe with flour and eggs", "flour flour flour", "boats", ""]
    assert related(collection, ["bake with flour and eggs"], 2) == [collection[1], collection[2]]
    assert related(collection, ["zebra"], 3) == []
    with pytest.raises(CorpusError):
        related(collection, ["..."], 1)


@pytest.mark.parametrize("language", ["dyck", "expr", "english"])
def test_formal_languages_are_what_their_labels_say(language):
    found = list(sentences(language, 60, seed=4))
    assert found == list(sentences(language, 60, seed=4)) != list(sentences(language, 60, seed=5))
    for sentence in found:
        assert len(sentence.tokens) == len(sentence.kinds) == len(sentence.depths) <= 64
        if language == "dyck":
            opened = []
            for token, kind, depth in zip(sentence.tokens, sentence.kinds, sentence.depths, strict=True):
                if token in "([":
                    opened.append(token)
                    assert depth == len(opened) and kind == ("round open" if token == "(" else "square open")
                else:
                    assert depth == len(opened) and opened.pop() + token in ("()", "[]")
            assert not opened
        elif language == "expr":
            assert _operands(list(sentence.tokens)) == []
        else:
            assert sentence.kinds[0] == "det" and "verb" in sentence.kinds
    with pytest.raises(CorpusError):
        next(sentences("latin", 1))


def _operands(tokens):
    """What is left after one prefix expression."""
    head, rest = tokens[0], tokens[1:]
    for _ in range({"neg": 1, "add": 2, "mul": 2, "if": 3}.get(head, 0)):
        rest = _operands(rest)
    return rest


def test_the_plan_reaches_the_card(model):
    found = train_dictionary(model, SITE, ROWS, **SMALL)
    plan = next(f.answer for f in found.card.findings if f.question == "plan")
    assert TrainingPlan.from_json(plan).k == 4
