"""The decoder map: neighbours stay neighbours, the same each time, dead directions have no place."""

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import saewidgets as sw
from saewidgets.errors import FeatureError, LabelError
from saewidgets.explain.decoder_map import decoder_map

GROUPS, EACH, D = 6, 20, 16


def scope_of(directions: np.ndarray) -> Any:
    """As much of a scope as a map asks for."""
    rows = torch.tensor(directions, dtype=torch.float32)
    dictionary = SimpleNamespace(d_dict=len(rows), rows=lambda index: rows[index])
    return SimpleNamespace(dictionaries={"s": dictionary}, key=lambda key: key)


@pytest.fixture(scope="module")
def planted() -> np.ndarray:
    """Directions about six centres, of any length."""
    random = np.random.default_rng(0)
    centres = np.repeat(random.normal(size=(GROUPS, D)), EACH, axis=0)
    return (centres + 0.15 * random.normal(size=centres.shape)) * random.uniform(0.1, 30, (GROUPS * EACH, 1))


def nearest(places: np.ndarray, n: int) -> np.ndarray:
    """`[features, n]` brute force, by distance."""
    far = np.linalg.norm(places[:, None] - places[None], axis=-1)
    np.fill_diagonal(far, np.inf)
    return far.argsort(1)[:, :n]


def test_like_directions_lie_together(planted: np.ndarray) -> None:
    places = decoder_map(scope_of(planted), "s").to_numpy()
    group = np.arange(len(places)) // EACH
    assert (group[nearest(places, 5)] == group[:, None]).mean() > 0.99, "cosine, not length, makes the groups"
    assert np.abs(places).max() == pytest.approx(1)
    shuffled = places[np.random.default_rng(1).permutation(len(places))]
    assert (group[nearest(shuffled, 5)] == group[:, None]).mean() < 0.5


def test_neighbours_of_the_embedded_model_are_kept() -> None:
    scope = sw.demo()
    places = decoder_map(scope, "resid_post.2@small")
    directions = scope.dictionaries["resid_post.2@small"].directions.double().numpy()
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    true, shown = nearest(unit, 10), nearest(places.to_numpy(), 10)
    kept = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(true.tolist(), shown.tolist(), strict=True)])
    assert kept > 5 * 10 / len(places), f"{kept:.2f} of ten neighbours; by chance {10 / len(places):.2f}"
    assert places.index[3] == "resid_post.2@small/3"


def test_the_same_each_time_and_another_with_another_seed(planted: np.ndarray) -> None:
    first, again = (decoder_map(scope_of(planted), "s", seed=1) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_a_direction_without_length_has_no_place(planted: np.ndarray) -> None:
    dead = planted.copy()
    dead[[4, 50]] = 0
    places = decoder_map(scope_of(dead), "s")
    assert np.flatnonzero(places["map_x"].isna()).tolist() == [4, 50]
    assert np.isfinite(places.drop(["s/4", "s/50"])).all().all()


def test_some_features_only(planted: np.ndarray) -> None:
    some = decoder_map(scope_of(planted), ["s/3", *(f"s/{i}" for i in range(20, 32))])
    assert list(some.index[:2]) == ["s/3", "s/20"] and np.isfinite(some).all().all()


def test_too_few_and_no_library(planted: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FeatureError, match="7 features with a direction"):
        decoder_map(scope_of(planted[:7]), "s")
    monkeypatch.setitem(sys.modules, "openTSNE", None)
    with pytest.raises(LabelError, match=r"saewidgets\[map\]"):
        decoder_map(scope_of(planted), "s")
