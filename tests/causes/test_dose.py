"""Dose and response against brute force: plain runs of every text, one by one; controls; matched KL; stopping."""

import numpy as np
import pytest
import torch

import saewidgets as sw
from saewidgets.causes import dose_response, dose_responses, measuring
from saewidgets.causes.dose import DoseResponse
from saewidgets.causes.outcome import promoted, read_words, words_of
from saewidgets.errors import EditError, FeatureError, PromptError
from saewidgets.interventions.writes import make_writes
from saewidgets.runs.control import RandomDirection, like_edits
from saewidgets.runs.sampling import Sampling
from saewidgets.runs.writer import Request, write_texts

FEATURE, PROMPTS = "resid_post.2/131", ["Mira saw a", "In the morning Tom"]
WORDS = [" May", " June"]
STRENGTHS = (-6.0, 4.0, 8.0)


@pytest.fixture(scope="module")
def scope():
    return sw.demo()


@pytest.fixture(scope="module")
def found(scope) -> DoseResponse:
    doses = {s: [sw.steer(FEATURE, s)] for s in STRENGTHS}
    return dose_response(scope, doses, PROMPTS, WORDS, n_controls=2, seeds=[3, 4], max_new_tokens=6, seed=1)


def measure(scope, text, writes):
    """Effect, KL and surprise summed over the new tokens of a text: two full forwards, float64."""
    ids = torch.tensor(text)
    base = scope.model.trace(text).logits[0].double().log_softmax(-1)
    edited = scope.model.trace(text, writes=writes).logits[0].double().log_softmax(-1)
    wanted = [scope.model.tokenizer(w, add_special_tokens=False)["input_ids"][0] for w in WORDS]

    def sums(start):
        p, q = base[start - 1 : -1], edited[start - 1 : -1]
        kl = (p.exp() * (p - q)).sum()
        return [float(q[:, wanted].exp().sum()), float(kl), -float(p.gather(1, ids[start:, None]).sum())]

    return sums


def brute(scope, edits, direction=None):
    """Means over prompts and seeds, text by text, with writes made anew for each whole text."""
    total, n = np.zeros(3), 0
    for prompt in PROMPTS:
        ids = scope.model.tokenize(prompt)
        for seed in (3, 4):
            stream = write_texts(
                scope.model, scope.dictionaries,
                Request(prompt, ids, ((tuple(edits), None),), (seed,), 6, Sampling(), directions=(direction,)),
            )  # fmt: skip
            for _ in stream:
                pass
            (text,) = stream.generations
            writes = make_writes(edits, scope.dictionaries, scope.model, len(text.token_ids))
            if direction is not None:
                writes = {site: RandomDirection(write, direction) for site, write in writes.items()}
            total += measure(scope, list(text.token_ids), writes)(len(ids))
            n += len(text.token_ids) - len(ids)
    effect, kl, surprise = total / n
    return effect, kl, np.exp(surprise)


def test_the_edit_against_plain_runs(scope, found):
    for k, s in enumerate(STRENGTHS):
        expected = brute(scope, [sw.steer(FEATURE, s)])
        np.testing.assert_allclose(
            (found.effect[0, k], found.kl[0, k], found.perplexity[0, k]), expected, rtol=2e-3, atol=1e-5
        )
    base = brute(scope, [])
    np.testing.assert_allclose((found.base_effect, found.base_perplexity), (base[0], base[2]), rtol=2e-3, atol=1e-5)
    assert found.kl[0, 2] > 0.1 > found.kl[0, 1] and found.effect[0, 2] > 10 * found.base_effect
    assert (found.n_texts, found.n_tokens, found.conditions.prompts, found.conditions.error) == (4, 6, 2, "kept")


def test_the_controls_against_plain_runs(scope, found):
    assert found.names == ("edit", "direction 1", "direction 2", "feature 1", "feature 2")
    bases = []
    for prompt in PROMPTS:
        text = scope.generate(prompt, seed=3, max_new_tokens=6)
        bases.append(scope.run_ids(text.token_ids, sites=["resid_post.2"]).features["resid_post.2"].to_dense())
    counts = {"resid_post.2": (torch.cat(bases) != 0).sum(0)}
    for i in range(2):
        for k, s in enumerate(STRENGTHS):
            edit = [sw.steer(FEATURE, s)]
            turned = brute(scope, edit, direction=2 + i)
            row = (found.effect[1 + i, k], found.kl[1 + i, k], found.perplexity[1 + i, k])
            np.testing.assert_allclose(row, turned, rtol=2e-3, atol=1e-5)
            like = like_edits(edit, counts, torch.Generator().manual_seed(2 + i))
            assert like[0].feature != edit[0].feature and like[0].value == s
            row = (found.effect[3 + i, k], found.kl[3 + i, k], found.perplexity[3 + i, k])
            np.testing.assert_allclose(row, brute(scope, like), rtol=2e-3, atol=1e-5)


def test_a_random_direction_is_as_long_and_the_same_at_every_strength(scope):
    x = torch.randn(1, 3, scope.model.d_model)
    moved = []
    for s in (2.0, 6.0):
        write = make_writes([sw.steer(FEATURE, s)], scope.dictionaries)[sw.Site.parse("resid_post.2")]
        moved.append(RandomDirection(write, 5)(x, {}, 0) - x)
        torch.testing.assert_close(moved[-1].norm(dim=-1), (write(x, {}, 0) - x).norm(dim=-1), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(3 * moved[0], moved[1], atol=1e-4, rtol=1e-4)


def test_results_grow_text_by_text_and_end_as_the_whole(scope, found):
    doses = {s: [sw.steer(FEATURE, s)] for s in STRENGTHS}
    parts = list(dose_responses(scope, doses, PROMPTS, WORDS, n_controls=2, seeds=[3, 4], max_new_tokens=6, seed=1))
    assert [(p.n_texts, p.conditions.prompts) for p in parts] == [(1, 1), (2, 1), (3, 2), (4, 2)]
    np.testing.assert_allclose(parts[-1].effect, found.effect, rtol=1e-6)
    assert not np.allclose(parts[0].kl, found.kl, rtol=1e-2)


def test_joined_and_frame(scope, found):
    more = dose_response(scope, {2.0: [sw.steer(FEATURE, 2.0)], 4.0: [sw.steer(FEATURE, 4.0)]}, PROMPTS, WORDS,
                         n_controls=2, seeds=[3, 4], max_new_tokens=6, seed=1)  # fmt: skip
    both = found.joined(more)
    assert both.strengths.tolist() == [-6, 2, 4, 8]
    np.testing.assert_allclose(both.kl[:, 1], more.kl[:, 0])
    np.testing.assert_allclose(both.kl[:, 2], found.kl[:, 1])
    frame = both.to_frame()
    assert len(frame) == 20 and set(frame["error"]) == {"kept"} and set(frame["propagation"]) == {"free"}
    row = frame.query("who == 'feature 2' and strength == 8").iloc[0]
    assert (row["kl"], row["prompts"], row["texts"]) == (both.kl[4, 3], 2, 4)


def test_effect_at_a_matched_kl():
    found = DoseResponse(
        np.array([-1.0, 1.0, 2.0]), np.array([[0.9, 0.3, 0.5]]), np.array([[2.0, 1.0, 3.0]]), np.ones((1, 3)), 0.1, 2.0,
        0, 4, 1, "x", None,
    )  # fmt: skip
    assert found.effect_at(0.5)[0] == pytest.approx(0.2)
    assert found.effect_at(2.0)[0] == pytest.approx(0.4)
    assert found.effect_at(1.0, positive=False)[0] == pytest.approx(0.5)
    assert np.isnan(found.effect_at(3.5)[0])


def test_a_function_of_the_text_and_dropped_errors(scope):
    def length(text):
        return float(len(text.text))

    edits = [sw.steer(FEATURE, 4.0, error="drop")]
    found = dose_response(scope, {4.0: edits}, PROMPTS[0], length, n_controls=0, max_new_tokens=5, seeds=[0, 1])
    texts = scope.generate(PROMPTS[0], edits, max_new_tokens=5, seed=[0, 1])
    assert found.effect[0, 0] == pytest.approx(np.mean([len(t.text) for t in texts]))
    assert (found.target, found.conditions.error) == ("length", "dropped")


def test_frozen_attention_is_another_number(scope):
    doses = {8.0: [sw.steer("resid_post.0/5", 20.0)]}
    kl = [
        float(dose_response(scope, doses, PROMPTS[1], WORDS, n_controls=0, max_new_tokens=4, propagation=p).kl[0, 0])
        for p in ("free", "frozen_attention")
    ]
    assert abs(kl[0] - kl[1]) > 1e-3


def test_a_direct_effect_is_that_of_plain_runs_along_the_base_text(scope):
    """Every number of the edit and of a control against `scope.run_ids`, and linear where nothing else can be."""
    doses = {s: [sw.steer(FEATURE, s, positions="generated")] for s in (4.0, 8.0)}
    options = {"n_controls": 1, "seeds": [3, 4], "max_new_tokens": 6}
    found = dose_response(scope, doses, PROMPTS, WORDS, propagation="direct", **options)
    assert found.conditions.propagation == "direct" and found.n_texts == 4
    wanted = [scope.model.tokenizer(w, add_special_tokens=False)["input_ids"][0] for w in WORDS]
    for k, s in enumerate((4.0, 8.0)):
        effect, kl, surprise, n = 0.0, 0.0, 0.0, 0
        for prompt in PROMPTS:
            for seed in (3, 4):
                text = scope.generate(prompt, seed=seed, max_new_tokens=6)
                places = list(range(text.n_prompt, len(text.token_ids)))
                edits = [sw.steer(FEATURE, s, positions=places)]
                p = scope.run_ids(text.token_ids).logits.double().log_softmax(-1)[text.n_prompt - 1 : -1]
                run = scope.run_ids(text.token_ids, edits=edits, propagation="direct")
                q = run.logits.double().log_softmax(-1)[text.n_prompt - 1 : -1]
                effect += float(q[:, wanted].exp().sum())
                kl += float((p.exp() * (p - q)).sum())
                surprise -= float(q.gather(1, torch.tensor(text.token_ids[text.n_prompt :])[:, None]).sum())
                n += len(q)
        assert found.effect[0, k] == pytest.approx(effect / n, rel=2e-3)
        assert found.kl[0, k] == pytest.approx(kl / n, rel=2e-3, abs=1e-6)
        assert found.perplexity[0, k] == pytest.approx(np.exp(surprise / n), rel=2e-3)
    free = dose_response(scope, doses, PROMPTS, WORDS, **options)
    assert abs(free.kl[0, 1] - found.kl[0, 1]) > 1e-3, "the modes differ"
    assert found.base_effect == pytest.approx(free.base_effect, rel=1e-3)
    with pytest.raises(EditError, match="direct propagation"):
        dose_response(scope, doses, PROMPTS, lambda text: 1.0, propagation="direct")


@pytest.mark.parametrize("propagation", ["free", "frozen_attention", "direct"])
def test_between_two_looks_at_the_flag_the_model_does_little(scope, monkeypatch, propagation):
    """Whatever its size: no forward has more tokens times parameters than the bound, but for one text alone."""
    work = 40
    monkeypatch.setattr(measuring, "_FORWARD_WORK", work * sum(p.numel() for p in scope.model.module.parameters()))
    looks, between, worst = [], [0], [0]

    def check():
        looks.append(1)
        between[0] = 0

    def counted(module, args, kwargs):
        ids = kwargs.get("input_ids", args[0] if args else None)
        between[0] += ids.numel()
        worst[0] = max(worst[0], between[0])

    hook = scope.model.module.register_forward_pre_hook(counted, with_kwargs=True)
    try:
        doses = {s: [sw.steer(FEATURE, s)] for s in STRENGTHS}
        dose_response(
            scope, doses, PROMPTS, WORDS, n_controls=3, max_new_tokens=8, propagation=propagation, check=check
        )
    finally:
        hook.remove()
    # Two forwards may lie between two looks: what is held, or the tokens a batch begins with.
    assert 0 < worst[0] <= 2 * work, f"{worst[0]} tokens without a look"
    assert len(looks) > 20


def test_densities_of_an_atlas_choose_the_control(scope, tmp_path):
    atlas = scope.sweep(["Mira saw a red boat in May.", "Tom met Ada in June."], ["resid_post.2"], tmp_path, length=16,
                        progress=False)  # fmt: skip
    from saewidgets.causes.densities import densities

    edits = [[sw.steer(FEATURE, 1.0)]]
    counts = densities(scope, edits, [], atlas)["resid_post.2"]
    assert counts.tolist() == atlas.stats("resid_post.2")["n_active"].tolist()


def test_it_stops_between_two_tokens(scope):
    calls = []

    def check():
        calls.append(1)
        if len(calls) > 5:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        dose_response(scope, {4.0: [sw.steer(FEATURE, 4.0)]}, "Mira saw a", WORDS, check=check)
    assert len(calls) == 6


def test_promoted_words(scope):
    ids = promoted(scope, sw.FeatureId.parse(FEATURE), 5)
    expected = sw.explain.vocabulary_projection(scope, FEATURE, 5).promoted[0].tolist()
    assert list(ids) == expected
    direction = sw.feature_direction(scope, FEATURE)
    assert promoted(scope, direction, 5) == ids
    both = sw.Group([FEATURE, "resid_post.2/5"])
    total = sw.feature_direction(scope, both)
    assert promoted(scope, both, 3) == promoted(scope, total, 3)
    with pytest.raises(FeatureError, match="is not known"):
        promoted(scope, sw.Direction("resid_pre.1", np.ones(scope.model.d_model)))
    assert read_words(scope, ["May", " May", 7]) == (read_words(scope, ["May"])[0], read_words(scope, [" May"])[0], 7)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"target": []}, PromptError, "0 target words"),
        ({"target": "extraordinary words"}, PromptError, "tokens"),
        ({"target": None}, PromptError, "The target is None"),
        ({"prompts": []}, PromptError, "0 prompts"),
        ({"doses": {}}, PromptError, "0 strengths"),
        ({"n_controls": -1}, EditError, "-1 controls"),
        ({"propagation": "sideways"}, EditError, "sideways"),
    ],
)
def test_what_is_refused(scope, change, error, words):
    arguments = {"doses": {1.0: [sw.steer(FEATURE, 1.0)]}, "prompts": "Mira", "target": WORDS, **change}
    with pytest.raises(error, match=words):
        dose_response(scope, arguments.pop("doses"), arguments.pop("prompts"), arguments.pop("target"), **arguments)


def test_the_name_of_a_target(scope):
    assert words_of(scope, WORDS).name == "May, June"
    assert words_of(scope, [1, 2, 3, 4, 5]).name.endswith("and 2 more")
