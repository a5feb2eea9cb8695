"""Every architecture finds the directions that are there, and ships a dictionary in the units of the data."""

import dataclasses

import pytest
import torch

from saewidgets.dictionaries import Dictionary
from saewidgets.dictionaries.crosscoder import Crosscoder
from saewidgets.dictionaries.train import TensorSource, Trainer, TrainingPlan
from saewidgets.dictionaries.train.loop import Loop
from saewidgets.sites import Site
from tests.dictionaries.train.worlds import fvu, l0, recovered, world

SITE = Site("resid_post", 0)
DIRECTIONS, X = world()
TRAINING, TEST = X[2000:], X[:2000]
USUAL = {"d_dict": 40, "k": 3, "steps": 1000, "batch_size": 256, "learning_rate": 5e-3, "dead_after": 10_000}
FREE = {"decoder_norm": "free", "subtract_b_dec": False}

# architecture -> options, least share recovered, greatest FVU, and its L0 (least, greatest)
BARS = {
    "relu": ({"sparsity": 0.6}, 0.9, 0.10, (3, 6)),
    "relu, free rows": ({"sparsity": 0.6, **FREE}, 0.9, 0.10, (3, 6)),
    "gated": ({"sparsity": 2.0}, 0.9, 0.07, (2.5, 4)),
    "topk": ({}, 0.9, 0.06, (3, 3)),
    "topk, multi": ({"multi_k": True}, 0.75, 0.08, (2.9, 3)),
    "batchtopk": ({}, 0.9, 0.05, (2.8, 3.2)),
    "matryoshka": ({"prefixes": (24,)}, 0.7, 0.12, (2.8, 3.2)),
    "feature_choice": ({}, 0.95, 0.13, (2.6, 3.4)),
    "jumprelu": ({}, 0.85, 0.09, (2.5, 3.4)),
    "p_anneal": ({"sparsity": 0.5}, 0.9, 0.07, (3, 4.5)),
    "prolu": ({"sparsity": 0.5}, 0.9, 0.08, (2.8, 4)),
    "switch": ({"experts": 2, "d_dict": 80, "balance": 1.0}, 0.6, 0.10, (2.9, 3)),
}


def train(name: str, x: torch.Tensor, y: torch.Tensor | None = None, **options) -> Dictionary:
    plan = TrainingPlan(name.split(",")[0], **{**USUAL, **options})
    out = None if y is None else "mlp_out.0"
    return Trainer(plan, TensorSource(x, y), "resid_post.0" if y is None else "mlp_in.0", out).run()


@pytest.mark.parametrize("name", BARS)
def test_it_finds_the_true_directions(name):
    options, share, left, (least, greatest) = BARS[name]
    trained = train(name, TRAINING, **options)
    assert recovered(trained, DIRECTIONS) >= share
    assert fvu(trained, TEST) <= left
    assert least <= l0(trained, TEST) <= greatest


def test_one_step_finds_nothing():
    """The control: the bars above can be missed."""
    trained = train("topk", TRAINING, steps=1)
    assert recovered(trained, DIRECTIONS) < 0.3
    assert fvu(trained, TEST) > 0.3


@pytest.mark.parametrize(
    ("name", "skip", "options"),
    [("topk", False, {"k": 8}), ("relu", True, {"sparsity": 0.3}), ("jumprelu", False, {"sparsity": 0.2})],
)
def test_a_transcoder_writes_another_space(name, skip, options):
    weights = torch.randn(24, 10, generator=torch.Generator().manual_seed(1))
    y = (X @ weights).relu() + 1
    trained = train(name, TRAINING, y[2000:], skip=skip, **options)
    assert trained.architecture == ("skip_transcoder" if skip else "transcoder")
    assert (str(trained.site_in), str(trained.site_out), trained.d_out) == ("mlp_in.0", "mlp_out.0", 10)
    assert fvu(trained, TEST, y[:2000]) < 0.22


def test_a_skip_connection_takes_what_is_linear():
    weights = torch.randn(24, 10, generator=torch.Generator().manual_seed(1))
    y = X @ weights
    with_skip, without = (
        train("topk", TRAINING, y[2000:], skip=skip, k=1, d_dict=20, steps=500) for skip in (True, False)
    )
    assert fvu(with_skip, TEST, y[:2000]) < 0.02 < 0.2 < fvu(without, TEST, y[:2000])


@pytest.mark.parametrize("name", ["relu", "relu, free rows", "gated", "topk", "jumprelu", "prolu", "switch"])
def test_folding_the_scale_gives_the_same_function(name):
    """What the loop computes on scaled activations is what the dictionary computes on raw ones."""
    plan = TrainingPlan(name.split(",")[0], **{**USUAL, **BARS[name][0], "steps": 40})
    loop = Loop(plan, TensorSource(37 * TRAINING))
    for _ in range(40):
        loop.advance()
    sample = loop.source.sample(64)
    expected = loop.architecture.loss(loop.params, loop.buffers, loop._scaled(sample), loop.frame, loop._moment())
    dictionary = loop.finish(((SITE,), (SITE,)))
    found = dictionary.reconstruct(sample.x)
    torch.testing.assert_close(found, expected.output.detach() * loop.frame.y_scale, rtol=1e-4, atol=1e-2)
    if plan.decoder_norm == "unit":
        torch.testing.assert_close(dictionary.directions.norm(dim=1), torch.ones(plan.d_dict))


@pytest.mark.parametrize("name", ["relu, free rows", "topk", "jumprelu"])
def test_a_crosscoder_reads_several_sites(name):
    """Two sites with features in common, at different scales; and features of one site only."""
    other = torch.nn.functional.normalize(torch.randn(32, 24, generator=torch.Generator().manual_seed(9)), dim=1)
    own = torch.linalg.lstsq(DIRECTIONS.T, (X - 0.5).T).solution.T  # not the strengths, but linear in them
    second = 8 * (own @ other)
    options = {**USUAL, "steps": 500, **BARS[name][0]}
    plan = TrainingPlan(name.split(",")[0], **{**options, "d_dict": 64, "k": 6})
    source = TensorSource(torch.cat([X, second], 1)[2000:], widths=(24, 24))
    trainer = Trainer(plan, source, ["resid_post.0", "resid_post.1"])
    trained = trainer.run()
    assert isinstance(trained, Crosscoder) and [str(s) for s in trained.sites] == ["resid_post.0", "resid_post.1"]
    both = torch.stack([X, second], 1)[:2000]
    left = (both - trained.reconstruct(both)).pow(2).sum((0, 2)) / (both - both.mean(0)).pow(2).sum((0, 2))
    assert float(left.max()) < 0.5
    sample = source.sample(128)
    loop = trainer._loop
    expected = loop.architecture.loss(loop.params, loop.buffers, loop._scaled(sample), loop.frame, loop._moment())
    raw = (expected.output.detach() * loop.frame.y_scale).unflatten(1, (2, 24))
    torch.testing.assert_close(trained.reconstruct(sample.x.unflatten(1, (2, 24))), raw, rtol=1e-3, atol=1e-3)


def test_a_token_alone_and_in_a_batch_has_the_same_features():
    trained = train("batchtopk", TRAINING, steps=300)
    torch.testing.assert_close(trained.encode(TEST[:1]), trained.encode(TEST)[:1])


def test_a_matryoshka_prefix_reconstructs_better_than_as_many_other_features():
    nested, flat = (
        train(n, TRAINING, **({"prefixes": (8,)} if n == "matryoshka" else {})) for n in ("matryoshka", "batchtopk")
    )

    def prefix_fvu(dictionary):
        f = dictionary.encode(TEST)
        f[:, 8:] = 0
        left = TEST - dictionary.decode(f)
        return float(left.pow(2).sum() / (TEST - TEST.mean(0)).pow(2).sum())

    assert prefix_fvu(nested) < prefix_fvu(flat) - 0.05


def test_switch_balances_its_experts():
    plan = TrainingPlan("switch", **{**USUAL, "d_dict": 80, "experts": 4, "balance": 1.0, "steps": 400})
    balanced = Trainer(plan, TensorSource(TRAINING), "embed")
    list(balanced.steps(400))
    assert balanced.state.parts["balance"] < 1.05
    loose = Trainer(dataclasses.replace(plan, balance=0.0), TensorSource(TRAINING), "embed")
    list(loose.steps(400))
    assert balanced.state.parts["balance"] < loose.state.parts["balance"]


def test_copies_align():
    together, apart = [], []
    for align, found in ((20.0, together), (0.0, apart)):
        plan = TrainingPlan("topk", **{**USUAL, "copies": 2, "align": align, "steps": 300})
        trainer = Trainer(plan, TensorSource(TRAINING), "embed")
        trainer.run()
        first, second = (trainer.dictionary(copy).directions for copy in (0, 1))
        found.append(float((first @ second.T).max(1).values.mean()))
    assert together[0] > apart[0] + 0.05


def test_fine_tuning_begins_where_the_dictionary_was():
    for name in ("topk", "relu", "batchtopk", "jumprelu", "prolu"):
        options = BARS[name][0]
        general = train(name, TRAINING, **{**options, "steps": 200})
        plan = TrainingPlan(name, **{**USUAL, **options, "steps": 50, "tilt": 0.1})
        tuned = Trainer(plan, TensorSource(5 * TRAINING[:4000] + 1), "resid_post.0", start=general)
        torch.testing.assert_close(
            tuned.dictionary().reconstruct(TEST), general.reconstruct(TEST), rtol=1e-3, atol=1e-3
        )


def test_tilted_risk_serves_the_tail():
    """A rare direction, in one of 60 tokens, far from the others."""
    rare = TRAINING.clone()
    rare[::60] = 0.2 * rare[::60] + 4 * torch.nn.functional.normalize(torch.ones(24), dim=0)
    general = train("topk", TRAINING, steps=600)

    def worst(tilt):
        plan = TrainingPlan("topk", **{**USUAL, "steps": 300, "tilt": tilt})
        tuned = Trainer(plan, TensorSource(rare), "resid_post.0", start=general).run()
        return float((rare - tuned.reconstruct(rare)).pow(2).sum(1).quantile(0.995))

    assert worst(0.5) < worst(0.0)


def test_resampling_and_auxk_revive_dead_features():
    def after(**options):
        plan = TrainingPlan("topk", **{**USUAL, "d_dict": 48, "steps": 600, "dead_after": 5000, "aux": 0.0, **options})
        trainer = Trainer(plan, TensorSource(TRAINING), "embed")
        with torch.no_grad():  # half of them are never among the k greatest; the other half is too few
            trainer._loop.params["b_enc"][:24] = -2
        return trainer.run(), trainer.state.dead

    (left, dead), (auxk, few_dead), (resampled, _) = after(), after(aux=1 / 32), after(resample=(100, 200, 300))
    assert dead > 0.4 > 0.2 > few_dead
    assert recovered(auxk, DIRECTIONS) > 0.8 > 0.7 > recovered(left, DIRECTIONS)
    assert fvu(auxk, TEST) < 0.09 < 0.12 < fvu(left, TEST) > fvu(resampled, TEST) + 0.02
