"""The trainer: repeats, is killed and goes on, is paused and steered."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from saewidgets.dictionaries.formats import native
from saewidgets.dictionaries.train import Probe, TensorSource, Trainer, TrainingPlan
from saewidgets.dictionaries.train.architectures import ARCHITECTURES
from saewidgets.dictionaries.train.checkpoint import FILE
from saewidgets.dictionaries.train.measure import geometric_median, scales
from saewidgets.errors import TrainingError
from tests.dictionaries.train.worlds import world

ROOT = Path(__file__).parents[3]
DIRECTIONS, X = world(tokens=3000)
SMALL = {"d_dict": 32, "k": 3, "steps": 60, "batch_size": 128, "learning_rate": 5e-3, "dead_after": 2000}


def plan(name="topk", **options):
    return TrainingPlan(name, **{**SMALL, "experts": 4, "resample": (30,), **options})


def bits(trainer):
    """Every number a run holds, as bytes."""
    loop = trainer._loop
    first, second = loop.moments()
    groups = [loop.params, loop.buffers, first, second, {"silent": loop.silent, "density": loop.density}]
    return [value.detach().numpy().tobytes() for group in groups for _, value in sorted(group.items())]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_seeded_runs_repeat_bit_for_bit(name):
    first, second, other = (Trainer(plan(name, seed=seed), TensorSource(X, seed=seed), "embed") for seed in (1, 1, 2))
    for trainer in (first, second, other):
        list(trainer.steps(60))
    assert bits(first) == bits(second) != bits(other)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_saved_run_goes_on_as_if_it_had_not_stopped(name, tmp_path):
    whole = Trainer(plan(name), TensorSource(X), "embed")
    list(whole.steps(60))
    half = Trainer(plan(name), TensorSource(X), "embed")
    for snapshot in half.steps():
        if snapshot.step == 33:
            half.stop()
    assert half.state.phase == "stopped"
    half.save(tmp_path)
    again = Trainer.load(tmp_path, TensorSource(X))
    assert (again.state.step, again.plan) == (33, half.plan)
    list(again.steps(60))
    assert bits(again) == bits(whole)


def test_copies_are_saved_too(tmp_path):
    whole, half = (Trainer(plan(copies=2), TensorSource(X), "embed") for _ in range(2))
    list(whole.steps(60))
    next(iter(half.steps(31)))
    half.save(tmp_path)
    again = Trainer.load(tmp_path, TensorSource(X))
    list(again.steps(60))
    assert bits(again) == bits(whole)


CHILD = """
import sys, torch
torch.set_num_threads(1)
from saewidgets.dictionaries.train import TensorSource, Trainer, TrainingPlan
from tests.dictionaries.train.test_trainer import X, plan
trainer = Trainer(plan("batchtopk", steps=100_000), TensorSource(X), "embed")
for snapshot in trainer.steps():
    trainer.save(sys.argv[1])
    print(snapshot.step, flush=True)
"""


def test_a_killed_run_goes_on_to_the_same_bits(tmp_path):
    threads = torch.get_num_threads()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    )
    assert child.stdout is not None
    try:
        while int(child.stdout.readline()) < 7:
            pass
        time.sleep(0.01)  # somewhere within an update or a write
    finally:
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        child.stdout.close()
    torch.set_num_threads(1)
    try:
        again = Trainer.load(tmp_path, TensorSource(X))
        assert again.state.step >= 7
        whole = Trainer(again.plan, TensorSource(X), "embed")
        target = again.state.step + 10
        for trainer in (again, whole):
            for snapshot in trainer.steps():
                if snapshot.step == target:
                    trainer.stop()
        assert bits(again) == bits(whole)
    finally:
        torch.set_num_threads(threads)


def test_pause_resume_stop_from_another_thread():
    trainer = Trainer(plan(steps=100_000), TensorSource(X), "embed")
    assert trainer.state.phase == "ready"
    thread = threading.Thread(target=trainer.run)
    thread.start()
    wait_for(lambda: trainer.state.step > 5)
    with pytest.raises(TrainingError, match="already"):
        trainer.run()
    trainer.pause()
    wait_for(lambda: trainer.state.phase == "paused")
    trainer.dictionary()
    step = trainer.state.step
    assert trainer.state.step <= step + 1
    trainer.set_sparsity(5)
    trainer.resume()
    wait_for(lambda: trainer.state.step > step + 20)
    assert trainer.state.l0 == 5
    trainer.stop()
    thread.join(20)
    assert not thread.is_alive()
    assert trainer.state.phase == "stopped"
    assert trainer.dictionary().activation.k == 5


def wait_for(condition):
    for _ in range(2000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen")


def test_a_higher_coefficient_makes_it_sparser():
    trainer = Trainer(plan("relu", sparsity=0.1, steps=400, resample=()), TensorSource(X), "embed")
    found = []
    for snapshot in trainer.steps(200):
        found.append(snapshot.l0)
        trainer.set_sparsity(3.0)
    assert found[1] < 0.7 * found[0]
    assert trainer.state.sparsity == 3.0


@pytest.mark.parametrize(
    ("name", "value"), [("relu", -1), ("relu", float("nan")), ("topk", 2.5), ("topk", 0), ("topk", 33)]
)
def test_sparsity_that_cannot_be(name, value):
    with pytest.raises(TrainingError):
        Trainer(plan(name), TensorSource(X), "embed").set_sparsity(value)


def test_the_snapshot_says_what_the_run_does():
    trainer = Trainer(plan(), TensorSource(X), "embed")
    states = list(trainer.steps(20))
    assert [state.step for state in states] == [20, 40, 60]
    last = states[-1]
    assert last.phase == "finished" and last.tokens == 60 * 128 and last.steps == 60
    assert last.l0 <= 3 and 0 < last.fvu < states[0].fvu < 1
    assert sum(last.density) + last.silent == 32 and len(last.density) == 20
    assert last.tokens_per_second > 0 and last.parts["error"] > 0
    assert trainer.state == last
    silent = trainer._loop.silent
    assert last.dead == float((silent > 2000).float().mean())
    json.dumps(dataclasses.asdict(last))  # a widget sends it


def test_rates_warm_up_and_fall():
    """Against the formulas: up over `warmup`, down over `decay`; the sparsity coefficient up over `sparsity_warmup`."""
    schedule = {"steps": 50, "warmup": 0.2, "decay": 0.4, "sparsity_warmup": 0.5, "sparsity": 2.0, "resample": ()}
    trainer = Trainer(plan("jumprelu", **schedule), TensorSource(X), "embed")
    loop, rates, coefficients = trainer._loop, [], []
    for _ in range(50):
        coefficients.append(loop._moment().sparsity)
        loop.advance()
        rates.append(loop.rate)
    expected = [5e-3 * min((step + 1) / 10, 1, (50 - step) / 20) for step in range(50)]
    assert rates == pytest.approx(expected)
    assert coefficients == pytest.approx([2 * min((step + 1) / 25, 1) for step in range(50)])
    applied = dict(zip(loop.params, (group["lr"] for group in loop.optimizer.param_groups), strict=True))
    assert applied["log_threshold"] == pytest.approx(10 * rates[-1])
    assert applied["W_dec"] == pytest.approx(rates[-1])


def test_density_follows_what_fires():
    trainer = Trainer(plan("batchtopk", learning_rate=1e-9, resample=(), steps=300), TensorSource(X), "embed")
    list(trainer.steps(300))
    pre = (X / trainer._loop.frame.x_scale - trainer._loop.params["b_dec"]) @ trainer._loop.params["W_enc"]
    pre = pre.detach()
    true = (pre > pre.flatten().topk(3 * len(X)).values[-1]).float().mean(0)
    assert float((trainer._loop.density - true).abs().max()) < 0.03


def test_a_callback_may_stop_the_run():
    trainer = Trainer(plan(), TensorSource(X), "embed")
    trainer.run(lambda snapshot: trainer.stop(), every=10)
    assert trainer.state.step == 10
    trainer.run(every=10)
    assert trainer.state.phase == "finished"


def test_what_a_callback_raises_ends_the_run():
    trainer = Trainer(plan(), TensorSource(X), "embed")
    with pytest.raises(ZeroDivisionError):
        trainer.run(lambda snapshot: 1 / 0, every=10)
    assert trainer.state.phase == "stopped"
    trainer.run()


def test_examples_show_where_features_fire():
    class Watched(TensorSource):
        def probe(self):
            return Probe(X[:60], tuple(tuple(f"{i}.{j}" for j in range(20)) for i in range(3)))

    trainer = Trainer(plan(), Watched(X), "embed")
    trainer.run()
    acts = trainer.dictionary().encode(X[:60]).view(3, 20, 32)
    busy = int(acts.amax((0, 1)).argmax())
    examples = trainer.examples([busy], count=2, window=3)[busy]
    best = acts[:, :, busy]
    assert examples[0].value == pytest.approx(float(best.max()))
    where = divmod(int(best.argmax()), 20)
    assert examples[0].tokens[examples[0].position] == f"{where[0]}.{where[1]}"
    assert examples[0].activations[examples[0].position] == examples[0].value
    assert len(examples[0].tokens) <= 7 and len(examples) <= 2
    assert Trainer(plan(), TensorSource(X), "embed").examples([0]) == {0: ()}


@pytest.mark.parametrize("damage", ["missing", "cut", "other", "data"])
def test_a_damaged_run_is_refused(damage, tmp_path):
    trainer = Trainer(plan(), TensorSource(X), "embed")
    trainer.save(tmp_path)
    source = TensorSource(X)
    if damage == "missing":
        (tmp_path / FILE).unlink()
    elif damage == "cut":
        (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:-50])
    elif damage == "other":
        native.write(trainer.dictionary(), tmp_path / FILE)
    else:
        source = TensorSource(2 * X)
    with pytest.raises(TrainingError):
        Trainer.load(tmp_path, source)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"architecture": "softmax"}, "architecture"),
        ({"k": 0}, "k = 0"),
        ({"k": 99, "d_dict": 98}, "k = 99"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"warmup": 2.0}, "warmup"),
        ({"architecture": "matryoshka", "prefixes": (8, 8)}, "prefixes"),
        ({"architecture": "switch", "d_dict": 30, "experts": 4, "k": 2}, "experts"),
        ({"target_l0": 5.0}, "target_l0"),
        ({"norm": "layer"}, "norm"),
        ({"sparsity": float("nan")}, "sparsity"),
        ({"p_end": 0.0}, "p_end"),
    ],
)
def test_plans_that_do_not_fit_together(options, message):
    with pytest.raises(TrainingError, match=message):
        TrainingPlan(**options)


def test_a_plan_is_json_and_back():
    made = TrainingPlan("matryoshka", prefixes=(3, 9), resample=(5,), sparsity=None, betas=(0.0, 0.99))
    assert TrainingPlan.from_json(made.to_json()) == made
    for text in ("", "[]", '{"speed": 3}', '{"k": "many"}'):
        with pytest.raises(TrainingError):
            TrainingPlan.from_json(text)


def test_data_that_cannot_be_trained_on():
    for x in (torch.full((300, 4), float("nan")), torch.ones(300, 4)):
        with pytest.raises(TrainingError):
            Trainer(plan(), TensorSource(x), "embed")
    with pytest.raises(TrainingError, match="128"):
        Trainer(plan(), TensorSource(X[:100]), "embed").run()
    with pytest.raises(TrainingError, match="transcoder"):
        Trainer(plan(skip=True), TensorSource(X), "embed")


def test_the_geometric_median_has_the_least_sum_of_distances():
    x = torch.randn(200, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).exp()
    point = geometric_median(x, 500, 1e-12)
    least = (x - point).norm(dim=1).sum()
    for step in torch.randn(50, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 1e-3:
        assert (x - point - step).norm(dim=1).sum() > least
    # the subgradient condition: unit vectors to all points add up to zero
    torch.testing.assert_close(
        torch.nn.functional.normalize(x - point, dim=1).sum(0), torch.zeros(5).double(), atol=1e-4, rtol=0
    )


def test_scales():
    x = torch.randn(500, 6) * torch.tensor([1.0] * 4 + [30.0] * 2)
    scaled = x / scales(x, (4, 2), "mean_norm")
    assert float(scaled[:, :4].norm(dim=1).mean()) == pytest.approx(2.0, rel=1e-5)
    assert float(scaled[:, 4:].norm(dim=1).mean()) == pytest.approx(2**0.5, rel=1e-5)
    assert float((x / scales(x, (6,), "rms")).pow(2).sum(1).mean()) == pytest.approx(6.0, rel=1e-5)
    assert (scales(x, (6,), "none") == 1).all()
