"""Contrasts: areas and intervals against their definitions, planted confounds, probes and edits."""

import numpy as np
import pytest

from saewidgets.causes import contrast
from saewidgets.causes.auroc import auroc, auroc_interval, hanley_variance
from saewidgets.causes.confounds import confound_table, explained
from saewidgets.errors import CorpusError, EditError

DRAW = np.random.default_rng(0)


def test_auroc_is_the_share_of_pairs():
    values = DRAW.integers(0, 4, (30, 5)).astype(float)  # many ties
    first = DRAW.random(30) < 0.4
    yes, no = values[first][:, None], values[~first][None]
    expected = ((yes > no) + 0.5 * (yes == no)).mean((0, 1))
    np.testing.assert_allclose(auroc(values, first), expected, atol=1e-12)
    many = np.stack([first, ~first])
    np.testing.assert_allclose(auroc(values, many), [expected, 1 - expected], atol=1e-12)


def test_the_interval_solves_its_equation_and_covers():
    value = np.array([0.0, 0.3, 0.5, 0.85, 1.0])
    low, high = auroc_interval(value, 12, 20)
    for v, a, b in zip(value, low, high, strict=True):
        for end in (a, b):
            if 0 < end < 1:
                assert abs(v - end) == pytest.approx(1.959964 * np.sqrt(hanley_variance(end, 12, 20)), rel=1e-4)
        assert a <= v <= b
    assert low[0] == 0 and high[-1] == 1 and low[-1] > 0.7  # no point at the ends
    # Of exponentials, for which the variance is exact: P(x > y) is 3/4 when one mean is three times the other.
    hits = 0
    for _ in range(400):
        values = np.concatenate([DRAW.exponential(3, 15), DRAW.exponential(1, 15)])[:, None]
        found = auroc(values, np.arange(30) < 15)
        a, b = auroc_interval(found, 15, 15)
        hits += a[0] <= 0.75 <= b[0]
    assert 0.92 < hits / 400 < 0.99


def test_a_planted_confound_is_told_from_a_feature_of_the_sets():
    first = np.arange(80) < 40
    length = DRAW.normal(20, 4, 80) + 6 * first
    real = 2.0 * first + DRAW.normal(0, 0.3, 80)
    follows = 0.5 * length + DRAW.normal(0, 0.5, 80)
    features = np.stack([real, follows, real], 1)
    place = np.zeros((80, 3), int)
    place[:, 2] = np.where(first, 3, 9) + DRAW.integers(0, 3, 80)
    values = {"token count": length, "frequency": DRAW.normal(0, 1, 80)}
    flagged = confound_table(values, first).set_index("confound")["flagged"]
    assert flagged["token count"] and not flagged["frequency"]
    raw = auroc(features, first)
    assert (raw > 0.8).all()  # all three tell the sets apart
    frame, names = explained(features, place, values, first)
    assert names == ["", "token count", "position"]
    assert frame["adjusted_token_count"][0] > 0.95 and abs(frame["adjusted_token_count"][1] - 0.5) < 0.15
    assert np.isnan(frame["position_auroc"][0]) or abs(frame["position_auroc"][0] - 0.5) < 0.15


def sentences(n, short, long, seed):
    draw = np.random.default_rng(seed)
    words = ["cat", "boat", "red", "old", "mat", "sat"]
    return [" ".join(draw.choice(words, int(draw.integers(short, long)))) for _ in range(n)]


def test_a_test_set_with_a_confound_is_flagged(small):
    long, short, like = sentences(12, 6, 11, 1), sentences(12, 3, 7, 2), sentences(12, 6, 11, 3)
    found = contrast(small, long, short, "resid_post.1", controls=1)
    table = found.confounds().set_index("confound")
    assert (
        table.loc["token count", "flagged"] and table.loc["token count", "first"] > table.loc["token count", "second"]
    )
    assert "The sets also differ in token count" in found.verdict
    # Words are drawn alike: nothing but length is there to be found.
    assert found.to_frame()["confound"].head(2).str.contains("token count").all()
    fair = contrast(small, long, like, "resid_post.1", controls=1)
    assert not fair.confounds()["flagged"].any() and "also differ" not in fair.verdict
    assert fair.verdict.startswith("Nothing beats the control")


def test_a_contrast_becomes_a_probe_and_edits(small):
    first = [f"{a} {b} zzz" for a in ("the", "a", "my", "no") for b in ("cat", "boat", "mat", "sat")]
    second = [text.replace("zzz", "qqq") for text in first]
    found = contrast(small, first, second, "resid_post.0" if "resid_post.0" in small.dictionaries else None, controls=2)
    frame = found.to_frame()
    row, index = frame.iloc[0], int(frame["feature"].iloc[0].split("/")[1])
    values = [[float(small.run(t).activation(row["feature"])[1:].max()) for t in texts] for texts in (first, second)]
    pairs = [(a > b) + 0.5 * (a == b) for a in values[0] for b in values[1]]
    assert row["auroc"] == pytest.approx(np.mean(pairs), abs=1e-6)
    assert row["mean_first"] == pytest.approx(np.mean(values[0]), abs=1e-4)
    assert row["frequency_second"] == np.mean([v != 0 for v in values[1]])
    assert (row["low"], row["high"]) != (row["auroc"], row["auroc"]) and index < 40
    assert row["first"] == row["second"] == 16
    probes = found.probe((1, 2))
    assert set(probes["inputs"]) == {"features", "channels", "all channels", "random dictionary"}
    assert probes["accuracy"].between(0, 1).all()
    clamped, gone = found.edit(top=2), found.edit("ablate", top=1)
    assert [str(edit.kind) for edit in (*clamped, *gone)] == ["clamp", "clamp", "ablate"]
    raised = frame[frame["auroc"] > 0.5].set_index("feature")["mean_first"]
    assert clamped[0].value == pytest.approx(raised[found.features(1)[0]])
    assert small.run(first[0], clamped).edits == clamped
    with pytest.raises(EditError):
        found.edit("paint")
    with pytest.raises(CorpusError):
        contrast(small, first[:1], second)
