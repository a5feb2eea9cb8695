"""The synthetic world has the structure it promises."""

import pytest
import torch

from saewidgets.dictionaries.train import TensorSource, Trainer, TrainingPlan
from saewidgets.errors import TrainingError
from saewidgets.evaluate import match
from saewidgets.teach import World

WORLD = World()
DRAWN = WORLD.draw(40_000, seed=1)


def test_activations_are_sums_of_the_directions():
    clean = DRAWN.strengths @ WORLD.directions
    assert float((DRAWN.x - clean).std()) == pytest.approx(WORLD.noise, rel=0.02)
    torch.testing.assert_close(WORLD.directions.norm(dim=1), torch.ones(WORLD.features))


def test_rates_hierarchy_and_pair():
    present = DRAWN.strengths != 0
    plain = present[:, 6:].float().mean(0)
    assert float(plain.min()) > 0.04 and float(plain.max()) < 0.06
    parent, child = present[:, 0], present[:, 1]
    assert not (child & ~parent).any()
    assert float(child.sum() / parent.sum()) == pytest.approx(WORLD.child, abs=0.03)
    agree = (present[:, 2] & present[:, 3]).sum() / present[:, 2].sum()
    assert float(agree) == pytest.approx(WORLD.together, abs=0.02)


def test_the_circle_has_angles():
    circle = DRAWN.strengths[:, 4:6]
    there = circle.norm(dim=1) > 0
    torch.testing.assert_close(circle[there].norm(dim=1), torch.ones(int(there.sum())))
    assert float(circle[there].mean(0).norm()) < 0.06
    assert float(WORLD.directions[4] @ WORLD.directions[5]) == pytest.approx(0, abs=1e-6)


def test_seeds():
    assert torch.equal(WORLD.draw(50, seed=3).x, WORLD.draw(50, seed=3).x)
    assert not torch.equal(WORLD.draw(50, seed=3).x, WORLD.draw(50, seed=4).x)
    assert match(World(seed=1).directions, WORLD.directions).shared < 0.2


@pytest.mark.parametrize("options", [{"features": 5}, {"rate": 0.0}, {"child": 1.5}, {"d": 1}])
def test_impossible_worlds_are_refused(options):
    with pytest.raises(TrainingError):
        World(**options)


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_no_dictionary_of_the_same_seed_begins_with_the_answer(seed):
    world = World(features=64, seed=seed)
    plan = TrainingPlan("topk", d_dict=64, k=4, seed=seed)
    begun = Trainer(plan, TensorSource(world.draw(2_000, seed=1).x), "embed").dictionary()
    chance = torch.randn(64, world.d, generator=torch.Generator().manual_seed(123))
    assert match(world.directions, begun.directions).mean < match(world.directions, chance).mean + 0.1
