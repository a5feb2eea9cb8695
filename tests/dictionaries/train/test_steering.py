"""What a user sets decides how sparse it gets, at the default options and whatever the scale of the data."""

import pytest
import torch

from saewidgets.dictionaries.train import TensorSource, Trainer, TrainingPlan
from saewidgets.dictionaries.train.plan import COUNTED
from saewidgets.teach import World
from tests.dictionaries.train.worlds import fvu, l0

WORLD = World()
TRAINING, TEST = WORLD.draw(20_000, seed=1).x, WORLD.draw(4_000, seed=2).x
FREE = {"decoder_norm": "free", "subtract_b_dec": False}
# As given, far away, large and off centre, tiny: scale and offset.
PLACES = {"as drawn": (1.0, 0.0), "large, off centre": (100.0, 300.0), "tiny": (0.001, 0.0)}


def train(architecture, x=TRAINING, **options):
    plan = TrainingPlan(architecture, **{"d_dict": 64, "steps": 800, "batch_size": 512, **options})
    return Trainer(plan, TensorSource(x), "resid_post.0").run()


@pytest.mark.parametrize("architecture", COUNTED)
def test_k_sets_l0(architecture):
    for k in (2, 6):
        trained = train(architecture, k=k, steps=400, experts=2)
        # every k-th place is taken, unless what is left of a token is not positive
        assert 0.8 * k <= l0(trained, TEST) <= 1.1 * k


@pytest.mark.parametrize("architecture", ["relu", "gated", "p_anneal", "prolu", "jumprelu", "jumprelu, free rows"])
def test_a_coefficient_sets_l0(architecture):
    options = FREE if "free" in architecture else {}
    found = [train(architecture.split(",")[0], sparsity=sparsity, **options) for sparsity in (0.1, 0.6, 2.0)]
    dense, middle, sparse = (l0(trained, TEST) for trained in found)
    assert dense > 1.2 * middle > 1.2 * 1.2 * sparse > 1
    assert fvu(found[0], TEST) < fvu(found[1], TEST) < fvu(found[2], TEST) < 0.5


@pytest.mark.parametrize("place", PLACES)
def test_the_usual_jumprelu_is_sparse_at_any_scale(place):
    scale, offset = PLACES[place]
    trained = train("jumprelu", scale * TRAINING + offset)
    assert 2 < l0(trained, scale * TEST + offset) < 8
    assert fvu(trained, scale * TEST + offset) < 0.3


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("target", [2.0, 6.0])
def test_target_l0_is_reached_at_any_scale(target, place):
    scale, offset = PLACES[place]
    trained = train("jumprelu", scale * TRAINING + offset, target_l0=target)
    assert l0(trained, scale * TEST + offset) == pytest.approx(target, rel=0.15)


def test_thresholds_move():
    """The fault this guards against: thresholds that stay where they begin, so that nothing steers L0."""
    moved = []
    for sparsity in (0.02, 3.0):
        plan = TrainingPlan("jumprelu", d_dict=64, steps=400, batch_size=512, sparsity=sparsity)
        trainer = Trainer(plan, TensorSource(TRAINING), "resid_post.0")
        before = trainer._loop.params["log_threshold"].detach().clone()
        trainer.run()
        moved.append(trainer._loop.params["log_threshold"].detach() - before)
    cheap, dear = (float(change.median()) for change in moved)
    assert dear - cheap > 0.2
    assert all(torch.isfinite(change).all() for change in moved)
