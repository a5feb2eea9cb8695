"""Steering vectors against numpy and plain hooks."""

import numpy as np
import pytest
import torch

import saewidgets as sw
from saewidgets.errors import DictionaryError, EditError, FeatureError
from saewidgets.runs.effects import Effects, fit
from saewidgets.sites import Site
from tests.runs.test_run import plain

POSITIVE, NEGATIVE = ["the red boat", "a red sun"], ["the old cat", "one dog", "no"]


def test_a_sum_of_features_steers_as_its_features_do(tiny):
    direction = sw.feature_direction(tiny, {"resid_post.1/3": 2.0, "resid_post.1/8": -1.0})
    rows = tiny.dictionaries["resid_post.1"].W_dec
    np.testing.assert_allclose(direction.vector, (2 * rows[3] - rows[8]).numpy(), atol=1e-6)
    one = tiny.run("the red boat", [sw.steer(direction, 1.5)])
    two = tiny.run("the red boat", [sw.steer("resid_post.1/3", 3.0), sw.steer("resid_post.1/8", -1.5)])
    torch.testing.assert_close(one.logits, two.logits, atol=1e-4, rtol=1e-4)
    assert str(sw.feature_direction(tiny, "mlp_in.2/3").site) == "mlp_out.2"
    assert sw.feature_direction(tiny, sw.Group(["resid_post.1/3"], "x")).name == "x"
    with pytest.raises(FeatureError, match="one site"):
        sw.feature_direction(tiny, ["resid_post.1/3", "resid_post.0/3"])
    with pytest.raises(FeatureError, match="no feature"):
        sw.feature_direction(tiny, "resid_post.1/999")


@pytest.mark.parametrize("last", [False, True])
def test_difference_of_means(tiny, module, last):
    found = sw.difference_of_means(tiny, "resid_post.1", POSITIVE, NEGATIVE, last=last)
    means = []
    for texts in (POSITIVE, NEGATIVE):
        rows = [plain(module, tiny.model.tokenize(text))[1]["resid_post.1"][0].double().numpy() for text in texts]
        means.append(np.concatenate([x[-1:] if last else x[1:] for x in rows]).mean(0))
    np.testing.assert_allclose(found.vector, means[0] - means[1], atol=1e-5)
    with pytest.raises(EditError, match="list of texts"):
        sw.difference_of_means(tiny, "resid_post.1", [], NEGATIVE)


def test_the_fit_is_ridge_regression():
    draw = np.random.default_rng(0)
    x, matrix, bias = draw.normal(size=(60, 5)), draw.normal(size=(5, 7)), draw.normal(size=7)
    y = x @ matrix + bias
    found, constant, explained = fit(torch.tensor(x), torch.tensor(y), 1e-9)
    np.testing.assert_allclose(found, matrix, atol=1e-6)
    np.testing.assert_allclose(constant, bias, atol=1e-6)
    assert explained == pytest.approx(1)
    noisy = y + draw.normal(size=y.shape)
    found, constant, explained = fit(torch.tensor(x), torch.tensor(noisy), 0.3)
    centred, target = x - x.mean(0), noisy - noisy.mean(0)
    penalty = 0.3 * np.mean(np.square(centred).sum(0))
    stacked = np.concatenate([centred, np.sqrt(penalty) * np.eye(5)])
    expected, *_ = np.linalg.lstsq(stacked, np.concatenate([target, np.zeros((5, 7))]), rcond=None)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    left = target - centred @ expected
    assert explained == pytest.approx(1 - (left**2).sum() / (target**2).sum())


def made_effects():
    draw = torch.Generator().manual_seed(0)
    matrix = torch.randn(16, 40, generator=draw, dtype=torch.float64)
    bias = torch.randn(40, generator=draw, dtype=torch.float64)
    return Effects("resid_post.1", Site("resid_post", 1), matrix, bias, 1.0, 9)


@pytest.mark.parametrize("general", [0.0, 1.0])
def test_targeted_steering_follows_its_formula(general):
    effects = made_effects()
    found = sw.targeted_direction(effects, {"resid_post.1/3": 1.0, "resid_post.1/9": -2.0}, general=general)
    m, b = effects.matrix.numpy(), effects.bias.numpy()
    towards, anyway = m[:, 3] - 2 * m[:, 9], m @ b
    v = towards / np.linalg.norm(towards) - general * anyway / np.linalg.norm(anyway)
    np.testing.assert_allclose(found.vector, v / np.linalg.norm(v), atol=1e-6)
    with pytest.raises(FeatureError, match="not on"):
        sw.targeted_direction(effects, "resid_post.0/3")


def test_guided_steering_aims_at_the_features_that_tell_texts_apart(tiny):
    effects = made_effects()
    found = sw.guided_direction(
        tiny, effects, POSITIVE, NEGATIVE, n_positive=2, n_negative=1, max_density=0.4, general=0.5
    )
    dictionary = tiny.dictionaries["resid_post.1"]
    sides, first = [], np.zeros(40, bool)
    for texts in (POSITIVE, NEGATIVE):
        dense = [tiny.run(text).features["resid_post.1"].to_dense().double().numpy() for text in texts]
        for f in dense:
            first |= f[0] > 0
        sides.append(np.concatenate([f[1:] for f in dense]))
    difference = sides[0].mean(0) - sides[1].mean(0)
    difference[first | ((np.concatenate(sides) > 0).mean(0) > 0.4)] = 0
    order = np.argsort(difference)
    target = np.zeros(40)
    target[order[-2:]], target[order[0]] = difference[order[-2:]], difference[order[0]]
    assert (target != 0).sum() == 3 and dictionary.d_dict == 40
    m, b = effects.matrix.numpy(), effects.bias.numpy()
    towards, anyway = m @ target, m @ b
    v = towards / np.linalg.norm(towards) - 0.5 * anyway / np.linalg.norm(anyway)
    np.testing.assert_allclose(found.vector, v / np.linalg.norm(v), atol=1e-5)


def test_effects_are_measured_on_what_was_written(tiny):
    effects = sw.fit_effects(tiny, "resid_post.1", ["the red boat"], n_vectors=6, max_new_tokens=8, strength=3.0)
    assert effects.matrix.shape == (16, 40) and effects.bias.shape == (40,) and effects.n_vectors == 6
    assert effects.matrix.abs().max() > 0 and effects.explained <= 1
    again = sw.fit_effects(tiny, "resid_post.1", ["the red boat"], n_vectors=6, max_new_tokens=8, strength=3.0)
    assert torch.equal(effects.matrix, again.matrix)
    with pytest.raises(DictionaryError, match="autoencoder"):
        sw.fit_effects(tiny, "mlp_in.2", ["the red boat"])


def test_a_vector_that_aims_at_a_feature_raises_it_more_than_a_random_one(tiny):
    """On the vectors' own map: the sign that the method promises, with its control."""
    effects = sw.fit_effects(
        tiny, "resid_post.1", ["the red boat", "a cat"], n_vectors=24, max_new_tokens=6, strength=3.0
    )
    index = int(effects.matrix.norm(dim=0).argmax())
    aimed = torch.tensor(sw.targeted_direction(effects, f"resid_post.1/{index}").vector).double()
    effect = (aimed @ effects.matrix)[index]
    random = torch.nn.functional.normalize(torch.randn(50, 16, dtype=torch.float64), dim=1) @ effects.matrix
    assert effect > random[:, index].mean() + 2 * random[:, index].std() / 50**0.5
