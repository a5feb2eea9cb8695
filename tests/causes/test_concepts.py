"""The concept bottleneck: its regressions at their optimum, interventions that reach their value, the oracle curve."""

import numpy as np
import pytest
import torch

from saewidgets.causes import concept_bottleneck
from saewidgets.causes.sparse_linear import chosen_inputs, sparse_softmax
from saewidgets.errors import CorpusError, EditError

WORDS = ("cat", "boat", "mat", "hat", "dog", "cup", "bed", "fox")
TEXTS = [f"{a} {b} {c}" for a in ("zz", "pp") for b in ("QQ", "mm") for c in WORDS]
TRUTH = {"zz": [t.startswith("zz") for t in TEXTS], "qq": ["QQ" in t for t in TEXTS]}
ANSWERS = ["both" if z and q else "one" if z or q else "none" for z, q in zip(*TRUTH.values(), strict=True)]


def test_the_penalised_softmax_is_at_its_optimum():
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(60, 7, generator=draw).double()
    y = (x[:, 0] > 0).long() + (x[:, 1] > 0.5).long()
    weights, bias = sparse_softmax(x, y, 3, 0.05, 4000)
    residual = (x @ weights + bias).softmax(1) - torch.nn.functional.one_hot(y, 3)
    slope = x.T @ residual / 60
    kept = weights != 0
    torch.testing.assert_close(slope[kept], -0.05 * weights[kept].sign(), atol=1e-6, rtol=0)
    assert (slope[~kept].abs() <= 0.05 + 1e-6).all() and residual.mean(0).abs().max() < 1e-6
    assert 0 < int(kept.sum()) < kept.numel()


def test_the_path_keeps_what_was_planted():
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(200, 50, generator=draw).double()
    y = 3 * x[:, 7] - 3 * x[:, 30] + 0.3 * torch.randn(200, generator=draw) > 0
    assert chosen_inputs(x, y, 2).tolist() == [7, 30]
    assert len(chosen_inputs(x, y, 5)) <= 5


@pytest.fixture(scope="module")
def made(small):
    return concept_bottleneck(small, TEXTS, TRUTH, ANSWERS, "resid_post.1", features=6)


def test_correcting_concepts_repairs_the_answer(made):
    curve = made.curve()
    assert curve["corrected"].tolist() == [0, 1, 2]
    assert curve["accuracy"].is_monotonic_increasing and curve["accuracy"].iloc[-1] == 1  # an answer is its concepts
    assert curve["control"].iloc[-1] < 0.8  # those of another text do not
    metrics = made.metrics().set_index("measure")
    assert metrics.loc["answer", "accuracy"] == curve["accuracy"].iloc[0]
    assert metrics.loc["shuffled concepts", "accuracy"] < 0.8 and metrics.loc["answer", "texts"] == int(0.3 * 32)
    assert {"concept zz", "concept qq", "dense probe", "commonest answer"} <= set(metrics.index)
    assert made.predict(np.array([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])) == ["both", "one", "none"]
    assert made.to_frame().groupby("concept").size().max() <= 6


def test_an_intervention_sets_the_concept_while_the_model_runs(small, made):
    for value in (0.9, 0.02, 1.0):
        edits = made.intervene(TEXTS[3], "zz", value)
        before, after = made.scores([TEXTS[3]]), made.scores([TEXTS[3]], edits)
        assert after["zz"].iloc[0] == pytest.approx(min(value, 1 - 1e-4), abs=2e-3)
        assert abs(before["zz"].iloc[0] - value) > 0.05 or value == 1.0
    run = small.run(TEXTS[3], made.intervene(TEXTS[3], "zz", 0.02))
    assert float(small.run(TEXTS[3]).difference(run).kl.max()) > 1e-4  # the model goes on differently
    dictionary = small.dictionaries["resid_post.1"]
    x = small.model.trace(list(run.token_ids), ["resid_post.1"]).values[dictionary.site_in][0]
    pooled = dictionary.encode(x)[1:].mean(0).double().numpy()
    logits = {c.name: float(pooled[c.index] @ c.weights + c.bias) for c in made.concepts}
    assert made.scores([TEXTS[3]])["zz"].iloc[0] == pytest.approx(1 / (1 + np.exp(-logits["zz"])), abs=1e-5)


def test_what_makes_no_bottleneck_is_refused(small, made):
    with pytest.raises(CorpusError, match="lengths"):
        concept_bottleneck(small, TEXTS, TRUTH, ANSWERS[:-1])
    with pytest.raises(CorpusError, match="one value"):
        concept_bottleneck(small, TEXTS, {"all": [True] * 32}, ANSWERS)
    with pytest.raises(EditError, match="No concept"):
        made.intervene(TEXTS[0], "cats", 1)
    with pytest.raises(EditError, match="between"):
        made.intervene(TEXTS[0], "zz", 2)
