"""Propagation modes and error policy of every analysis, against plain hooks and against what `scope.run` gives."""

import numpy as np
import pytest
import torch

import saewidgets as sw
from saewidgets.causes import Noise, ablation, ablation_curve, patch_map, path_patch, shapley
from saewidgets.errors import EditError
from saewidgets.sites import Site
from tests.model import oracle
from tests.model.tiny import LAYERS, make, prompt, tokenizer

MODES = ("free", "frozen_attention", "direct")
CLEAN, CORRUPT = prompt(0, 6), prompt(0, 6)
CORRUPT[2] = CORRUPT[2] % 60 + 1
TARGET = (7, 11)
KEY = "resid_post.1@small"
PROMPT = "The queen went home when"


def metric(logits):
    return float(logits[-1, TARGET[0]].double() - logits[-1, TARGET[1]].double())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_a_cell_restores_what_the_same_edit_does_in_that_mode(family, mode):
    """The edits have their own oracle for each mode: `tests/interventions`."""
    scope = sw.Scope(make(family), tokenizer=tokenizer())
    found = patch_map(scope, CLEAN, CORRUPT, TARGET, kinds=["attention", "mlp"], controls=1, propagation=mode)
    assert {found.conditions.propagation} == set(found.to_frame()["propagation"]) == {mode}
    base = metric(scope.run_ids(CORRUPT).logits)
    span = metric(scope.run_ids(CLEAN).logits) - base
    changed = 0
    for row in found.to_frame().itertuples():
        edit = sw.patch(row.node, scope.run_ids(CLEAN, sites=[]), positions=[row.position])
        expected = (metric(scope.run_ids(CORRUPT, edits=[edit], propagation=mode).logits) - base) / span
        assert row.restored == pytest.approx(expected, abs=2e-3)
        changed += abs(row.restored) > 1e-3
    assert changed > 4


@pytest.mark.parametrize("mode", MODES)
def test_exact_ablation_is_the_edit_in_that_mode(small, mode):
    found = ablation(small, "the cat", 40, top=4, controls=1, propagation=mode).to_frame()
    base = float(small.run("the cat").logits[-1, 40])
    for row in found.itertuples():
        run = small.run("the cat", [sw.ablate(row.feature, positions=list(row.positions))], propagation=mode)
        assert row.effect == pytest.approx(base - float(run.logits[-1, 40]), abs=2e-3)
    assert found["effect"].abs().max() > 0.05 and set(found["propagation"]) == {mode}


def test_what_is_direct_is_linear():
    """Then gradient, its integral and the effect are one number, and Shapley values are the effects."""
    scope = sw.demo()
    for error in ("kept", "dropped"):
        options = {"dictionary": KEY, "top": 4, "controls": 1, "propagation": "direct", "error": error}
        frame = ablation(scope, PROMPT, " she", **options).to_frame().set_index("feature")
        for name in ("influence", "integrated"):
            assert frame[name].to_numpy() == pytest.approx(frame["effect"], abs=2e-3)
        shares = shapley(scope, PROMPT, " she", **options).to_frame().set_index("feature")["shapley"]
        assert shares.to_numpy() == pytest.approx(frame.loc[shares.index, "effect"], abs=2e-3)


@pytest.mark.parametrize("mode", MODES)
def test_influence_is_the_slope_of_that_mode(small, mode):
    """Finite differences: the effect of taking out a hundredth of a feature."""
    frame = ablation(small, "the cat", 40, top=3, controls=1, propagation=mode).to_frame()
    for row in frame.itertuples():
        places = list(row.positions)
        edits = [sw.scale(row.feature, s, positions=places) for s in (0.98, 1.02)]
        ends = [small.run("the cat", [edit], propagation=mode) for edit in edits]
        low, high = (float(run.logits[-1, 40].double()) for run in ends)
        assert row.influence == pytest.approx((high - low) / 0.04, abs=0.05 * max(1, abs(row.influence)))


def test_a_dropped_error_is_dropped_before_and_after(small, twin):
    ids, dictionary = small.model.tokenize("the cat"), small.dictionaries["resid_post.1"]
    kept, dropped = (ablation(small, "the cat", 40, top=3, controls=1, error=e) for e in ("kept", "dropped"))
    with torch.no_grad():

        def run(without=None, places=()):
            def change(x):
                h = dictionary.encode(x.float()).double()
                if without is not None:
                    h[list(places), without] = 0
                y = h @ dictionary.directions.double() + dictionary.offset(x.float()).double()
                y[:first] = x[:first]  # a begin-of-sequence token is left alone
                return y

            return float(twin(ids, change)[0][-1, 40])

        first = int(ids[0] == small.model.bos_id)
        assert dropped.value == pytest.approx(run(), abs=1e-3) and abs(dropped.value - kept.value) > 1e-2
        for row in dropped.to_frame().itertuples():
            assert row.effect == pytest.approx(run() - run(int(row.feature.split("/")[1]), row.positions), abs=1e-3)
    assert set(dropped.to_frame()["error"]) == {"dropped"} and "error dropped" in str(dropped.conditions)
    curve = ablation_curve(small, ["the cat"], "resid_post.1", (1,), controls=1, error="dropped")
    assert set(curve.to_frame()["error"]) == {"dropped"} and np.isfinite(curve.ratio).all()


def test_noise_is_what_plain_hooks_give():
    scope, module, embed = sw.Scope(make("llama"), tokenizer=tokenizer()), make("llama"), Site("embed")
    noise = Noise((2, 4), size=2.0, draws=2, seed=3)
    found = patch_map(scope, CLEAN, noise, TARGET, kinds=["mlp"], controls=1)
    sites = [embed, *(Site("mlp_out", layer) for layer in range(LAYERS))]
    clean = oracle.run(module, CLEAN, sites)
    spread = float(clean.values[embed][0, 0 if scope.model.bos_id != CLEAN[0] else 1 :].std()) * 2.0
    generator = torch.Generator().manual_seed(3)
    restored = {}
    for _ in range(2):
        delta = torch.zeros(clean.values[embed][0].shape)
        delta[[2, 4]] = torch.randn(2, delta.shape[1], generator=generator) * spread
        noisy = {embed: lambda value, _v, _o, delta=delta: value + delta}
        low = metric(oracle.run(module, CLEAN, [], noisy).logits[0])
        high = metric(clean.logits[0])
        for layer in range(LAYERS):
            for t in range(6):

                def write(value, _v, _o, layer=layer, t=t):
                    new = value.clone()
                    new[0, t] = clean.values[Site("mlp_out", layer)][0, t]
                    return new

                run = oracle.run(module, CLEAN, [], {**noisy, Site("mlp_out", layer): write})
                share = (metric(run.logits[0]) - low) / (high - low)
                restored[layer, t] = restored.get((layer, t), 0) + share / 2
    for row in found.to_frame().itertuples():
        assert row.restored == pytest.approx(restored[row.layer, row.position], abs=2e-3)
    assert set(found.to_frame()["prompts"]) == {1}
    for wrong in (Noise(()), Noise((9,)), Noise((1,), size=0.0), Noise((1,), draws=0)):
        with pytest.raises(EditError):
            patch_map(scope, CLEAN, wrong, TARGET, kinds=["mlp"], controls=1)


def test_a_control_elsewhere_is_the_same_change_at_another_token():
    from saewidgets.causes.controls import elsewhere

    delta = torch.zeros(6, 4)
    delta[3] = torch.tensor([1.0, -2.0, 0.5, 0.0])
    made = elsewhere(delta, 40, 0, 1)
    places = {int(one.abs().sum(1).argmax()) for one in made}
    assert places == {1, 2, 4, 5}
    assert all(one.abs().sum() == delta.abs().sum() and (one != 0).any(1).sum() == 1 for one in made)
    assert elsewhere(delta[3:4], 5, 0, 0) == []


def test_modes_that_are_none_are_refused(small):
    pair = (CLEAN, CORRUPT, TARGET)
    scope = sw.Scope(make("llama"), tokenizer=tokenizer())
    for options in ({"propagation": "sideways"}, {"error": "lost"}):
        with pytest.raises(EditError):
            patch_map(scope, *pair, kinds=["mlp"], **options)
        with pytest.raises(EditError):
            ablation(small, "the cat", **options)
    with pytest.raises(EditError):
        path_patch(scope, CLEAN, CORRUPT, "mlp_out.0", "logits", TARGET, propagation="sideways")
