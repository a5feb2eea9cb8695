"""Influence on every kind of target against finite differences and integrals in float64, by plain hooks."""

import numpy as np
import pytest
import torch

from saewidgets.errors import PromptError
from saewidgets.explain import Probability, influence

TEXT, PLACE = "a red boat", 8


def margin(logits):
    return logits[:, PLACE, 40] ** 2 - logits[:, -1, 50]


# What is asked for, and what it is on logits [T, vocab].
TARGETS = {
    "token": (90, lambda x: x[PLACE, 90]),
    "difference": ((90, 33), lambda x: x[PLACE, 90] - x[PLACE, 33]),
    "probability": (Probability(90), lambda x: x[PLACE].softmax(-1)[90]),
    "function": (margin, lambda x: margin(x[None])[0]),
}


def moved(twin, dictionary, ids, shares):
    """Logits with activations `[T, d_dict]` times `shares` instead of themselves, error kept, and the activations."""

    def change(x):
        h = dictionary.encode(x.float()).double()
        return x + (h * (shares - 1)) @ dictionary.directions.double()

    with torch.no_grad():
        logits, x = twin(ids, change)
    return logits, dictionary.encode(x.float()).double()


@pytest.mark.parametrize("kind", TARGETS)
def test_influence_is_the_slope_found_by_finite_differences(small, twin, kind):
    asked, value = TARGETS[kind]
    ids, dictionary = small.model.tokenize(TEXT), small.dictionaries["resid_post.1"]
    found = influence(small, TEXT, asked, PLACE)
    step, checked = 1e-4, 0  # the slope is of float64, the influence of float32 through large weights
    for row in np.argsort(-np.abs(found.influence))[:12]:
        shares = torch.ones(len(ids), 40, dtype=torch.double)
        ends = []
        for side in (1 + step, 1 - step):
            shares[found.token[row], found.index[row]] = side
            ends.append(float(value(moved(twin, dictionary, ids, shares)[0])))
        slope = (ends[0] - ends[1]) / (2 * step)
        assert slope == pytest.approx(found.influence[row], rel=5e-3, abs=2e-3 * float(np.abs(found.influence).max()))
        checked += abs(slope) > 1e-3 * np.abs(found.influence).max()
    assert checked >= 6  # there was something to get wrong


@pytest.mark.parametrize("kind", TARGETS)
def test_integrated_gradients_are_the_integral_and_add_up(small, twin, kind):
    asked, value = TARGETS[kind]
    ids, dictionary = small.model.tokenize(TEXT), small.dictionaries["resid_post.1"]
    found = influence(small, TEXT, asked, PLACE, steps=40)
    mean = torch.zeros(len(ids), 40, dtype=torch.double)
    for k in range(40):
        shares = torch.full((len(ids), 40), (k + 0.5) / 40, dtype=torch.double, requires_grad=True)

        def change(x, shares=shares):
            h = dictionary.encode(x.detach().float()).double()
            return x + (h * (shares - 1)) @ dictionary.directions.double()

        logits, _ = twin(ids, change)
        mean += torch.autograd.grad(value(logits), shares)[0] / 40
    expected = mean.numpy()[found.token, found.index]
    np.testing.assert_allclose(found.integrated, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    ones = torch.ones(len(ids), 40, dtype=torch.double)
    whole = float(value(moved(twin, dictionary, ids, ones)[0]) - value(moved(twin, dictionary, ids, 0 * ones)[0]))
    assert found.integrated.sum() == pytest.approx(whole, rel=0.05)
    assert abs(found.influence.sum() - whole) > 2 * abs(found.integrated.sum() - whole)  # what the steps are for
    assert "integrated" in found.by_token().columns and "integrated" in found.to_frame().columns


def test_targets_have_names(small):
    assert influence(small, TEXT, (90, 33)).target_id is None
    assert influence(small, TEXT, ("b", "a")).target == "b − a"
    assert influence(small, TEXT, Probability("b")).target == "p(b)"
    assert influence(small, TEXT, margin).target == "margin"


@pytest.mark.parametrize(
    "bad", [("b", "a", "r"), (), ("two", "b"), Probability("two"), lambda x: x, lambda x: 1.0, 2.5]
)
def test_a_target_that_is_none_is_refused(small, bad):
    with pytest.raises(PromptError):
        influence(small, TEXT, bad)
