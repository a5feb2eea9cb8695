"""The trainer, on worlds whose true dictionary is known."""

import dataclasses

import pytest
import torch

from saewidgets.demo.measure import fvu
from saewidgets.dictionaries import Dictionary
from saewidgets.dictionaries.train.topk import TopKPlan, train_topk

PLAN = TopKPlan(d_dict=40, k=3, steps=700, batch_size=256, rate=5e-3)


@pytest.fixture(scope="module")
def world():
    """Three of 32 true directions in 16 dimensions, positive strengths."""
    generator = torch.Generator().manual_seed(5)
    directions = torch.nn.functional.normalize(torch.randn(32, 16, generator=generator), dim=1)
    active = torch.rand(6000, 32, generator=generator).topk(3, dim=1).indices
    strengths = torch.zeros(6000, 32).scatter(1, active, 1 + torch.rand(6000, 3, generator=generator))
    return directions, strengths @ directions + 2.0


def recovered(dictionary: Dictionary, directions: torch.Tensor) -> float:
    return float(((directions @ dictionary.directions.T).max(1).values > 0.9).float().mean())


def test_it_finds_the_true_directions(world):
    directions, x = world
    trained = train_topk(x[:5000], "resid_post.0", PLAN)
    assert fvu(trained.reconstruct(x[5000:]), x[5000:]) < 0.2
    assert recovered(trained, directions) > 0.7
    untrained = train_topk(x[:5000], "resid_post.0", dataclasses.replace(PLAN, steps=1))
    assert recovered(untrained, directions) < 0.2
    torch.testing.assert_close(trained.directions.norm(dim=1), torch.ones(40))


def test_batch_topk_ships_one_threshold_with_about_k_features(world):
    _, x = world
    trained = train_topk(x[:5000], "resid_post.0", dataclasses.replace(PLAN, batch_topk=True))
    assert trained.activation.kind == "jumprelu"
    assert trained.architecture == "batchtopk"
    assert 2 < float((trained.encode(x[5000:]) > 0).float().sum(1).mean()) < 4
    assert fvu(trained.reconstruct(x[5000:]), x[5000:]) < 0.15


def test_a_matryoshka_prefix_reconstructs_better_than_the_same_number_of_other_features(world):
    _, x = world
    nested = train_topk(x[:5000], "resid_post.0", dataclasses.replace(PLAN, prefixes=(8,)))
    features = nested.encode(x[5000:])
    first, last = features.clone(), features.clone()
    first[:, 8:] = 0
    last[:, :-8] = 0
    assert fvu(nested.decode(first), x[5000:]) < fvu(nested.decode(last), x[5000:])


def test_units_of_the_data_do_not_matter(world):
    _, x = world
    small, large = (train_topk(a, "resid_post.0", dataclasses.replace(PLAN, steps=50)) for a in (x, 64 * x))
    torch.testing.assert_close(64 * small.reconstruct(x), large.reconstruct(64 * x), rtol=1e-3, atol=1e-2)


def test_a_transcoder_writes_another_space(world):
    _, x = world
    y = (x @ torch.randn(16, 10, generator=torch.Generator().manual_seed(1))).relu()
    trained = train_topk(x[:5000], "mlp_in.0", dataclasses.replace(PLAN, k=8), y[:5000], "mlp_out.0")
    assert (trained.architecture, str(trained.site_out), trained.d_out) == ("transcoder", "mlp_out.0", 10)
    assert fvu(trained.reconstruct(x[5000:]), y[5000:]) < 0.3


def test_the_same_seed_gives_the_same_file(world, tmp_path):
    _, x = world
    for name in ("a", "b"):
        train_topk(x, "resid_post.0", dataclasses.replace(PLAN, steps=30)).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
