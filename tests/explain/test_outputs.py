"""Token change, mutual information and influence against the formulas in float64."""

import math

import numpy as np
import pytest
import torch

from saewidgets.errors import Cancelled, CorpusError, FeatureError, PromptError
from saewidgets.explain import contexts, influence, mutual_information, token_change, token_effects, vocabulary
from saewidgets.explain.head import head_of
from saewidgets.interventions import ablate
from saewidgets.runs.control import like_edits
from tests.explain.conftest import Twin

TEXTS = ["a red boat", "the cat sat on the mat", "b", "naïve 北京", "once more", "the red red red cat"]


def clamped(twin, dictionary, ids, index, value):
    """Logits under `x + (value - f) d` at every position."""

    def change(x):
        f = dictionary.encode(x.float()).double()[:, index]
        return x + (value - f)[:, None] * dictionary.directions[index].double()

    with torch.no_grad():
        return twin(ids, change)[0]


def test_token_change_is_the_mean_and_its_error(small, twin):
    dictionary, rows = small.dictionaries["resid_post.1"], [small.model.tokenize(text) for text in TEXTS]
    with torch.no_grad():
        changes = torch.stack(
            [(clamped(twin, dictionary, ids, 7, 3.0) - twin(ids)[0]).mean(0) for ids in rows]
        ).numpy()  # fmt: skip
    found = token_change(small, "resid_post.1/7", TEXTS, 3.0)
    np.testing.assert_allclose(found.mean, changes.mean(0), atol=2e-4)
    np.testing.assert_allclose(found.error, changes.std(0, ddof=1) / math.sqrt(len(TEXTS)), atol=2e-4)
    assert np.abs(changes).max() > 0.1  # there is something to see
    frame = found.to_frame(3)
    best = np.argsort(-changes.mean(0))
    assert frame["id"].tolist() == [*best[:3], *best[::-1][:3]]
    assert len(found.to_frame(None)) == 257


def test_token_change_does_not_depend_on_the_batch(small, monkeypatch):
    whole = token_change(small, "resid_post.1/7", TEXTS, 3.0)
    monkeypatch.setattr(contexts, "_TOKENS", 1)
    alone = token_change(small, "resid_post.1/7", TEXTS, 3.0)
    np.testing.assert_allclose(whole.mean, alone.mean, atol=1e-4)
    np.testing.assert_allclose(whole.error, alone.error, atol=1e-4)


def test_token_change_clamps_at_the_greatest_activation_by_default(small):
    dictionary = small.dictionaries["resid_post.1"]
    best = 0.0
    for text in TEXTS:
        ids = small.model.tokenize(text)
        x = small.model.trace(ids, ["resid_post.1"]).values[dictionary.site_in][0]
        best = max(best, float(dictionary.encode(x)[1:, 7].max()))
    assert best > 0
    assert token_change(small, "resid_post.1/7", TEXTS).value == pytest.approx(best, rel=1e-5)
    one = token_change(small, "resid_post.1/7", TEXTS[:1], 1.0)
    assert np.isnan(one.error).all() and one.contexts == 1


def test_token_change_refuses_what_it_cannot_do(small):
    quiet = next(
        i for i in range(40)
        if not float(small.run("b").activation(f"resid_post.1/{i}")[1:].abs().sum())
    )  # fmt: skip
    with pytest.raises(FeatureError, match="Pass value="):
        token_change(small, f"resid_post.1/{quiet}", ["b"])
    for nothing in ([], [[]], [[1.5]], 7, [None]):
        with pytest.raises(CorpusError):
            token_change(small, "resid_post.1/1", nothing, 1.0)


def test_token_effects_are_an_ablation_and_its_controls(small, twin):
    """Every change of log p, and the range over the same random features, by one float64 run each."""
    dictionary, ids = small.dictionaries["resid_post.1"], small.model.tokenize(TEXTS[1])
    base = small.run_ids(ids)
    counts = {"resid_post.1": torch.bincount(base.features["resid_post.1"].index, minlength=dictionary.d_dict)}
    feature = int(counts["resid_post.1"].argmax())

    def change(index):
        after = clamped(twin, dictionary, ids, index, 0.0).log_softmax(-1) - twin(ids)[0].log_softmax(-1)
        return after[torch.arange(len(ids) - 1), torch.tensor(ids[1:])].numpy()

    found = token_effects(small, f"resid_post.1/{feature}", TEXTS[1], seed=3, controls=5)
    with torch.no_grad():
        np.testing.assert_allclose(found.change, change(feature), atol=2e-4)
        generator = torch.Generator().manual_seed(3)
        edits = [ablate(f"resid_post.1/{feature}")]
        drawn = [like_edits(edits, counts, generator)[0].features[0].index for _ in range(5)]
        others = np.array([change(index) for index in drawn])
    assert np.abs(found.change).max() > 0.01, "there is something to see"
    assert feature not in drawn
    np.testing.assert_allclose(found.low, others.min(0), atol=2e-4)
    np.testing.assert_allclose(found.high, others.max(0), atol=2e-4)
    same = token_effects(small, f"resid_post.1/{feature}", ids, seed=3, controls=5)
    np.testing.assert_array_equal(same.change, found.change)
    assert found.to_frame()["next"].tolist() == list(base.tokens[1:])
    with pytest.raises(FeatureError, match="one token"):
        token_effects(small, "resid_post.1/7", [5])
    stopped = []
    with pytest.raises(Cancelled):
        token_effects(small, "resid_post.1/7", TEXTS[1], check=lambda: stopped.append(1) or _cancel(len(stopped)))
    assert len(stopped) == 2, "it is asked before each forward"


def _cancel(n):
    if n == 2:
        raise Cancelled("stopped")


@pytest.mark.parametrize("chosen", [None, [5, 9, 100, 200, 31]])
def test_mutual_information_is_the_formula(small, chosen, monkeypatch):
    dictionary = small.dictionaries["resid_post.1"]
    z = head_of(small, dictionary).logits(dictionary.directions).double().numpy()
    z = z if chosen is None else z[:, chosen]
    word = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    feature = np.exp(z) / np.exp(z).sum(0, keepdims=True)
    score = word * (np.log(feature) + np.log(40))
    monkeypatch.setattr(vocabulary, "_BLOCK", 257 * 7)  # the sum over features runs over blocks
    found = mutual_information(small, ["resid_post.1/3", "resid_post.1/33"], 4, chosen)
    for row, index in enumerate((3, 33)):
        best = np.argsort(-score[index])[:4]
        ids = best if chosen is None else np.array(chosen)[best]
        assert found.ids[row].tolist() == ids.tolist()
        np.testing.assert_allclose(found.score[row], score[index, best], rtol=1e-5)
        np.testing.assert_allclose(found.given_feature[row], word[index, best], rtol=1e-5)
        np.testing.assert_allclose(found.given_word[row], feature[index, best], rtol=1e-5)
    assert len(found.to_frame()) == 8
    # All terms together are m times the mutual information of features and words, which is not below 0.
    assert score.sum() >= 0


def test_a_word_that_fits_every_feature_is_demoted(small):
    """The reason for the method: the projection alone ranks a word first that all features promote."""
    dictionary = small.dictionaries["resid_post.1"]
    z = head_of(small, dictionary).logits(dictionary.directions).double()
    frequent = int(z.mean(0).argmax())
    word, feature = z.softmax(1), z.softmax(0)
    projected = word.argsort(1, descending=True).argsort(1)[:, frequent].double().mean()
    found = mutual_information(small, "resid_post.1", 257)
    ranks = (found.ids == frequent).argmax(1)
    assert ranks.mean() > float(projected)
    assert float(feature[:, frequent].mean()) == pytest.approx(1 / 40)
    with pytest.raises(FeatureError, match="empty"):
        mutual_information(small, "resid_post.1/1", vocabulary=[])


def test_influence_is_activation_times_gradient(tiny, module):
    """Against autograd through a zero change of the features, in a float64 model with plain hooks."""
    ids, dictionary = tiny.model.tokenize("a red boat"), tiny.dictionaries["resid_post.1"]
    found = influence(tiny, "a red boat", target=90, position=6, dictionaries="resid_post.1")
    delta = torch.zeros(len(ids), 40, dtype=torch.double, requires_grad=True)
    logits, x = Twin(module)(ids, lambda x: x + delta @ dictionary.directions.double())
    [gradient] = torch.autograd.grad(logits[6, 90], delta)
    h = dictionary.encode(x.detach().float()).double()
    expected = (gradient * h).detach().numpy()
    np.testing.assert_allclose(found.influence, expected[found.token, found.index], atol=1e-4, rtol=1e-4)
    assert len(found.index) == int((h != 0).sum())
    frame = found.to_frame().set_index("feature")
    for name, row in frame.iterrows():
        index = int(name.split("/")[1])
        assert row["influence"] == pytest.approx(expected[:, index].mean(), abs=1e-4)
        assert row["activation"] == pytest.approx(float(h[:, index].mean()), abs=1e-4)
    assert frame["influence"].is_monotonic_decreasing
    assert sorted(frame["rank_activation"]) == list(range(1, len(frame) + 1))
    assert frame["rank_influence"].tolist() == list(range(1, len(frame) + 1))
    after = found.token > 6  # a causal model: nothing after the position reaches its logit
    assert after.any() and not found.influence[after].any()


def test_influence_estimates_an_ablation(small, twin):
    """First order: for small activations the logit falls by the influence."""
    ids, dictionary = small.model.tokenize("the cat"), small.dictionaries["resid_post.1"]
    found = influence(small, "the cat", 40)
    with torch.no_grad():
        logits, x = twin(ids)
        h = dictionary.encode(x.float()).double()
        for row in np.argsort(-np.abs(found.influence))[:5]:
            t, i, small_step = found.token[row], found.index[row], 1e-3

            def change(x, t=t, i=i, step=small_step):
                y = x.clone()
                y[t] -= step * h[t, i] * dictionary.directions[i].double()
                return y

            lost = (logits - twin(ids, change)[0])[-1, 40] / small_step
            assert float(lost) == pytest.approx(found.influence[row], rel=0.02, abs=1e-3)


def test_influence_names_its_target(tiny):
    found = influence(tiny, "a red boat")
    assert found.target_id == int(tiny.run("a red boat").logits[-1].argmax()) and found.position == 10
    assert influence(tiny, "a red boat", "b").target == "b"
    assert set(found.dictionary) == set(tiny.dictionaries)
    table = found.by_token()
    assert list(table.columns) == ["feature", "position", "token", "activation", "influence"]
    for bad in ("two", "", 257, -1, True):
        with pytest.raises(PromptError):
            influence(tiny, "a red boat", bad)
    with pytest.raises(PromptError, match="outside"):
        influence(tiny, "a red boat", position=11)
