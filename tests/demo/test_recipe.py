"""The recipe, in a size that takes seconds: it runs from end to end, and a killed run ends in the same bytes."""

import dataclasses

import pytest

from saewidgets.demo import recipe, training
from saewidgets.demo.load import load_dictionaries, load_model, load_tokenizer
from saewidgets.demo.training import ModelPlan
from saewidgets.dictionaries.train.topk import TopKPlan

PLAN = ModelPlan(
    hidden=32,
    layers=2,
    heads=2,
    mlp=48,
    vocabulary=900,
    context=64,
    short=32,
    steps=24,
    cooldown=12,
    polish=18,
    phases=(("drill", 6, 8), ("polish", 8, 10), ("drill", 12, 14)),
    tokens_per_step=256,
    checkpoints=(8,),
    early=8,
    dictionary_rows=32,
    save_every=4,
)
BOOK = {
    "resid_post.0": TopKPlan(d_dict=64, k=4, steps=20, batch_size=128, batch_topk=True),
    "resid_post.1@small": TopKPlan(d_dict=32, k=4, steps=20, batch_size=128, prefixes=(8,)),
    "mlp_in.1": TopKPlan(d_dict=64, k=4, steps=20, batch_size=128),
}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(recipe, "TOKENIZER_DOCUMENTS", 400)
    monkeypatch.setattr(recipe, "MERGES", 100)


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_it_runs_from_end_to_end_and_resumes_to_the_same_bytes(tmp_path, monkeypatch):
    recipe.run(PLAN, BOOK, tmp_path / "work", tmp_path / "assets", None)
    whole = contents(tmp_path / "assets")
    assert set(load_dictionaries(tmp_path / "assets" / "dictionaries")) == set(BOOK)
    assert load_model(tmp_path / "assets" / "model").config.num_hidden_layers == 2
    assert len(load_tokenizer(tmp_path / "assets" / "model")) == 900

    class Killed(Exception):
        pass

    batch = training.batch

    def killed_at(step):
        def run(rows, number, plan):
            if number == step:
                raise Killed
            return batch(rows, number, plan)

        return run

    for step in (5, 17):
        with monkeypatch.context() as patch:
            patch.setattr(training, "batch", killed_at(step))
            with pytest.raises(Killed):
                recipe.run(PLAN, BOOK, tmp_path / "work again", tmp_path / "again", None)
    recipe.run(PLAN, BOOK, tmp_path / "work again", tmp_path / "again", None)
    assert contents(tmp_path / "again") == whole


def test_another_seed_gives_other_weights(tmp_path):
    for seed in (0, 1):
        plan = dataclasses.replace(PLAN, seed=seed, steps=2, cooldown=1, polish=2, phases=(), checkpoints=(1,), early=1)
        recipe.run(plan, {}, tmp_path / f"work {seed}", tmp_path / f"assets {seed}", None, until="model")
    first, second = (contents(tmp_path / f"assets {seed}")["model/model.safetensors"] for seed in (0, 1))
    assert first != second
