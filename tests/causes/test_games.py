"""Shapley values against all orders written out, their sums, and a report against a float64 twin."""

import itertools

import numpy as np
import pytest
import torch

from saewidgets.causes import shapley
from saewidgets.causes.games import estimated_values, exact_values
from saewidgets.errors import FeatureError


def random_game(players, seed=0):
    value = np.random.default_rng(seed).normal(size=1 << players)
    return lambda masks: value[np.asarray(masks, int)]


def by_orders(game, players):
    """The definition: the mean gain over all orders."""
    found = np.zeros(players)
    orders = list(itertools.permutations(range(players)))
    for order in orders:
        mask = 0
        for i in order:
            found[i] += (game([mask | 1 << i])[0] - game([mask])[0]) / len(orders)
            mask |= 1 << i
    return found


@pytest.mark.parametrize("players", [1, 2, 3, 5])
def test_exact_values_are_the_mean_over_all_orders(players):
    game = random_game(players)
    found = exact_values(game, players)
    np.testing.assert_allclose(found, by_orders(game, players), atol=1e-12)
    assert found.sum() == pytest.approx(float(game([(1 << players) - 1])[0] - game([0])[0]), abs=1e-12)


def test_estimated_values_add_up_and_close_in():
    game, true = random_game(7), exact_values(random_game(7), 7)
    whole = float(game([127])[0] - game([0])[0])
    few, wide = estimated_values(game, 7, 50, seed=1)
    many, narrow = estimated_values(game, 7, 3200, seed=1)
    for found in (few, many):
        assert found.sum() == pytest.approx(whole, abs=1e-9)
    assert (np.abs(many - true) < 4 * narrow).all() and (np.abs(few - true) < 4 * wide).all()
    np.testing.assert_allclose(narrow.mean() / wide.mean(), 1 / 8, rtol=0.25)  # the error falls with the root
    asked = []
    estimated_values(lambda masks: asked.extend(masks) or game(masks), 7, 50, seed=1)
    assert len(asked) == len(set(asked))


def test_a_report_is_the_game_of_taking_features_out(small, twin):
    ids, dictionary = small.model.tokenize("the cat"), small.dictionaries["resid_post.1"]
    report = shapley(small, "the cat", 40, top=4, controls=2)
    players = [int(name.split("/")[1]) for name in report.to_frame()["feature"]]

    def game(masks):
        values = []
        for mask in masks:
            out = [i for bit, i in enumerate(players) if not mask >> bit & 1]

            def change(x, out=out):
                h = dictionary.encode(x.float()).double()
                h[0] = 0  # the begin-of-sequence token is left alone
                return x - h[:, out] @ dictionary.directions[out].double()

            with torch.no_grad():
                values.append(float(twin(ids, change)[0][-1, 40]))
        return np.array(values)

    np.testing.assert_allclose(report.to_frame()["shapley"], by_orders(game, 4), atol=1e-3)
    assert report.exact and abs(report.gap) < 1e-4
    assert report.value - report.without == pytest.approx(float(game([15])[0] - game([0])[0]), abs=1e-3)
    assert np.abs(report.to_frame()["shapley"]).max() > 0.1
    text = report.paragraph()
    assert f"{report.value:.2f}" in text and "the cat" in text and "error kept, free propagation, 1 prompt" in text
    for row in report.to_frame().itertuples():
        assert f"{row.feature} at" in text and f"{abs(row.shapley):.2f}" in text


def test_beyond_twelve_players_there_is_an_error_bar(small):
    report = shapley(small, "the cat sat on", 40, top=13, orders=6, controls=1)
    frame = report.to_frame()
    assert not report.exact and len(frame) == 13 and (frame["error_of_mean"] > 0).any()
    assert abs(report.gap) < 1e-3 and "±" in report.paragraph() and "estimated" in report.paragraph()


def test_players_must_be_active(small):
    active = {i for i in range(40) if float(small.run("ba").activation(f"resid_post.1/{i}")[1:].abs().sum())}
    quiet = min(set(range(40)) - active)
    with pytest.raises(FeatureError, match="not active"):
        shapley(small, "ba", features=[f"resid_post.1/{quiet}"])
    chosen = [f"resid_post.1/{i}" for i in sorted(active)[:2]]
    assert set(shapley(small, "ba", features=chosen, controls=1).to_frame()["feature"]) == set(chosen)
