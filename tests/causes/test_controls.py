"""Ablation and its controls; a trained dictionary beside a random one; the sign of the ablate-top-K curve."""

import numpy as np
import pytest
import torch

import saewidgets as sw
from saewidgets.causes import ablation, ablation_curve, contrast, patch_map, random_like, shapley
from saewidgets.demo.behaviours import BEHAVIOURS, prompts
from saewidgets.errors import CorpusError, EditError

KEY = "resid_post.1@small"
ASKED = [
    "When Mira and Tom came to the pond, Tom gave the red lantern to",
    "The queen went home when",
    "The German word for cat is",
    "The basket is not open. The basket is",
]
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SAMPLE = [prompt.text for name in BEHAVIOURS for prompt in prompts(name, 2)]


@pytest.fixture(scope="module")
def rivals():
    """Nine random dictionaries: one to stand in for the trained one, eight to stand beside it."""
    return random_like(sw.demo(), KEY, SAMPLE[::2], 9, seed=1)


@pytest.fixture(scope="module")
def fake(rivals):
    return sw.Scope(sw.demo().model, {KEY: rivals[0]}, name="random")


@pytest.mark.parametrize("by", ["feature", "activation"])
def test_effects_are_exact_ablations(small, twin, by):
    ids, dictionary = small.model.tokenize("the cat"), small.dictionaries["resid_post.1"]
    frame = ablation(small, "the cat", 40, top=5, by=by, controls=2).to_frame()
    with torch.no_grad():
        base = float(twin(ids)[0][-1, 40])
        for row in frame.itertuples():
            index = int(row.feature.split("/")[1])

            def change(x, row=row, index=index):
                y, h = x.clone(), dictionary.encode(x.float()).double()
                for t in row.positions:
                    y[t] -= h[t, index] * dictionary.directions[index].double()
                return y

            assert row.effect == pytest.approx(base - float(twin(ids, change)[0][-1, 40]), abs=1e-3)
    assert len(frame) == 5 and (by == "feature" or {len(p) for p in frame["positions"]} == {1})
    assert frame["influence"].abs().is_monotonic_decreasing and frame["effect"].abs().max() > 0.05
    assert set(frame["error"]) == {"kept"} and set(frame["propagation"]) == {"free"} and set(frame["prompts"]) == {1}
    assert (frame["like_low"] <= frame["like_high"]).all() and (frame["direction_low"] < frame["direction_high"]).all()


@pytest.mark.timeout(900)
def test_trained_features_beat_their_controls_and_random_ones_do_not(fake, rivals):
    """A random dictionary would do so on one prompt in nine by chance."""
    wins = {"trained": 0, "random": 0}
    for prompt in ASKED:
        for name, scope in (("trained", sw.demo()), ("random", fake)):
            found = ablation(scope, prompt, dictionary=KEY, top=3, steps=1, controls=2, randoms=rivals[1:])
            wins[name] += not found.verdict.startswith("Nothing beats the control")
    assert wins["trained"] >= 3 and wins["random"] <= 1, wins


@pytest.mark.timeout(900)
def test_every_report_says_so_of_a_random_dictionary(fake, rivals):
    options = {"dictionary": KEY, "randoms": rivals[1:], "controls": 2}
    shares = [shapley(fake, prompt, top=2, **options) for prompt in ASKED[1:]]
    maps = []
    for i in (0, 1, 2):
        pair = [f"Today is {DAYS[day]}. Tomorrow will be" for day in (i, i + 3)]
        answers = (f" {DAYS[i + 1]}", f" {DAYS[i + 4]}")
        maps.append(patch_map(fake, *pair, answers, kinds=["features"], top=3, **options))
    names = ("Mira", "Tom", "Ida", "Leo", "Nora", "Max")
    sets = [[f"{name} saw {what}." for name in names] for what in ("a red boat", "a red cart")]
    for reports in (shares, maps, [contrast(fake, *sets, **options)]):
        said = [report.verdict for report in reports]
        # One in nine is right by chance.
        assert sum(not text.startswith("Nothing beats the control") for text in said) <= len(said) // 3, said
    real = shapley(sw.demo(), ASKED[1], top=2, **options)
    assert not real.verdict.startswith("Nothing") and abs(real.gap) < 1e-3


@pytest.mark.timeout(900)
def test_influence_finds_more_than_activation_does():
    """The sign of Shu et al. 2025 with its interval, on the embedded model."""
    curve = ablation_curve(sw.demo(), SAMPLE, "resid_post.2@small", (1, 2), at="all", steps=1, controls=1)
    for other in ("activation", "random", "bottom"):
        gap = curve.difference(other, "influence")
        assert (gap["low"] > 0).all(), (other, gap)
    frame = curve.to_frame().set_index(["ranking", "k"])
    assert (frame["low"] <= frame["ratio"]).all() and (frame["ratio"] <= frame["high"]).all()
    assert set(frame["prompts"]) == {len(SAMPLE)}
    print(frame[["ratio", "low", "high"]].round(3), curve.difference().round(3), curve.verdict)


def test_a_curve_takes_out_what_it_says(small, twin):
    ids, dictionary = small.model.tokenize("the cat"), small.dictionaries["resid_post.1"]
    curve = ablation_curve(small, ["the cat"], "resid_post.1", (1, 3), controls=1)
    with torch.no_grad():
        logits, x = twin(ids)
        token = int(logits[-1].argmax())
        h = dictionary.encode(x.float()).double()[-1]
        for j, k in enumerate((1, 3)):
            top = h.argsort(descending=True)[:k]

            def change(x, top=top):
                y = x.clone()
                y[-1] -= h[top] @ dictionary.directions[top].double()
                return y

            after = twin(ids, change)[0][-1].softmax(-1)
            ratio = float(after[token] / logits[-1].softmax(-1)[token])
            assert curve.ratio[0, curve.rankings.index("activation"), j] == pytest.approx(ratio, rel=1e-3)
            assert curve.kept[0, curve.rankings.index("activation"), j] == (int(after.argmax()) == token)
    assert np.isfinite(curve.ratio).all()


def test_controls_must_exist(small):
    for n in (0, -1, True, 1.5):
        with pytest.raises(EditError, match="draw"):
            ablation(small, "the cat", controls=n)
    with pytest.raises(CorpusError, match="one token"):
        random_like(small, "resid_post.1", ["b"], 1)
    with pytest.raises(EditError):
        ablation_curve(small, ["the cat"], at="end")
    with pytest.raises(EditError):
        ablation_curve(small, ["the cat"], controls=1).difference("luck")
