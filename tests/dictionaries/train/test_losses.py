"""The loss and the gradients of every architecture against plain float64 numpy and finite differences."""

import numpy as np
import pytest
import torch

from saewidgets.dictionaries.train import TrainingPlan, chosen
from saewidgets.dictionaries.train.architectures import architecture_of, feature_choice, p_anneal
from saewidgets.dictionaries.train.core import Batch, Frame, Moment, risk

N, D_IN, D_OUT, M, K = 9, 6, 6, 12, 3
LAMBDA, SHARE = 0.37, 0.7


def relu(a):
    return np.maximum(a, 0)


def make(architecture, transcodes=False, widths=(D_IN,), **options):
    """A frame, float64 parameters away from their first values, and a batch."""
    plan = TrainingPlan(architecture, d_dict=M, k=K, **options)
    rng = np.random.default_rng(3)
    frame = Frame(plan, widths, transcodes, torch.ones(D_IN), torch.ones(D_OUT), torch.zeros(D_OUT), 2.5, 1.0)
    functions = architecture_of(plan)
    params, buffers = functions.initial(frame, torch.Generator().manual_seed(0))
    params = {n: (v.double() + torch.tensor(rng.normal(size=v.shape) * 0.3)) for n, v in params.items()}
    for value in params.values():
        value.requires_grad_()
    x = torch.tensor(rng.normal(size=(N, D_IN)))
    y = torch.tensor(rng.normal(size=(N, D_OUT))) if transcodes else x
    batch = Batch(x, y, lambda output: (y - output).pow(2).sum(1))
    return functions, frame, params, {n: v.double() if v.is_floating_point() else v for n, v in buffers.items()}, batch


def as_numpy(params):
    return {name: value.detach().numpy().copy() for name, value in params.items()}


# ----------------------------------------------------------------------------------------------- numpy, from the papers


def read(p, x, frame):
    return x - p["b_dec"] if frame.plan.subtract_b_dec and not frame.transcodes else x


def decode(p, f, x):
    return f @ p["W_dec"] + p["b_dec"] + (x @ p["W_skip"] if "W_skip" in p else 0)


def error(p, f, x, y):
    return ((y - decode(p, f, x)) ** 2).sum(1).mean()


def norms(p, frame):
    if len(frame.widths) > 1:
        edges = np.cumsum(frame.widths)[:-1]
        return sum(np.linalg.norm(part, axis=1) for part in np.split(p["W_dec"], edges, axis=1))
    return np.linalg.norm(p["W_dec"], axis=1) if frame.plan.decoder_norm == "free" else np.ones(M)


def kept(pre, mask):
    return np.where(mask, relu(pre), 0)


def top_rows(pre, k):
    return pre >= np.sort(pre, axis=1)[:, -k][:, None]


def top_all(pre, k):
    return (pre >= np.sort(pre.ravel())[-k * len(pre)]) & (pre > 0)


def auxk(p, frozen, pre, x, y, f, frame, dead):
    """The dead features' part of the loss; the error they explain carries no gradient."""
    left = y - decode(frozen["p"], frozen["f"], x)
    strength = np.where(dead, pre, -np.inf)
    k = min(frame.d_out // 2, dead.sum())
    chosen = np.where(top_rows(strength, k) & dead, relu(pre), 0)
    return ((left - chosen @ p["W_dec"]) ** 2).sum(1).mean() / (left**2).sum(1).mean()


def features(p, x, frame):
    """Pre-activations and features."""
    name = frame.plan.architecture
    c = read(p, x, frame)
    if name == "gated":
        gate = c @ p["W_enc"] + p["b_gate"]
        return gate, (gate > 0) * relu(c @ (p["W_enc"] * np.exp(p["r_mag"])) + p["b_mag"])
    if name == "prolu":
        m = c @ p["W_enc"]
        return m, m * (m > 0) * (m + p["b_enc"] > 0)
    if name == "switch":
        logits = (x - p["b_router"]) @ p["W_router"]
        prob = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        expert, pre = prob.argmax(1), c @ p["W_enc"]
        mine = np.arange(M)[None] // (M // frame.plan.experts) == expert[:, None]
        mask = top_rows(np.where(mine, pre, -np.inf), K) & mine
        return pre, kept(pre, mask) * prob.max(1, keepdims=True)
    pre = c @ p["W_enc"] + p["b_enc"]
    if name == "jumprelu":
        return pre, pre * (pre > np.exp(p["log_threshold"]))
    if name == "topk":
        return pre, kept(pre, top_rows(pre, K))
    if name in ("batchtopk", "matryoshka"):
        return pre, kept(pre, top_all(pre, K))
    if name == "feature_choice":
        budget = feature_choice.budgets(frame.plan, K, N).numpy()
        order = (-pre).argsort(0).argsort(0)
        return pre, kept(pre, order < budget)
    return pre, relu(pre)


def loss(p, frozen, x, y, frame, dead=None):
    plan = frame.plan
    pre, f = features(p, x, frame)
    if plan.architecture == "matryoshka":
        total = np.mean([error(p, np.where(np.arange(M) < size, f, 0), x, y) for size in plan.nested])
    else:
        total = error(p, f, x, y)
    if plan.architecture in ("relu", "prolu"):
        total += LAMBDA * (f @ norms(p, frame)).mean()
    if plan.architecture == "p_anneal":
        power = p_anneal.power_at(SHARE, plan)
        total += LAMBDA * frozen["factor"] * ((f + 0.01) ** power - 0.01**power).sum(1).mean()
    if plan.architecture == "gated":
        opened = relu(pre)
        decoder = p if plan.decoder_norm == "free" else frozen["p"]
        total += LAMBDA * (opened @ norms(p, frame)).mean() + ((y - decode(decoder, opened, x)) ** 2).sum(1).mean()
    if plan.architecture == "jumprelu":
        total += LAMBDA * 2.5 / D_OUT * (pre > np.exp(p["log_threshold"])).sum(1).mean()
    if plan.architecture == "switch":
        logits = (x - p["b_router"]) @ p["W_router"]
        prob = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        share = np.bincount(prob.argmax(1), minlength=plan.experts) / N
        total += plan.balance * plan.experts * (share * prob.mean(0)).sum()
    if plan.multi_k:
        total += error(p, kept(pre, top_rows(pre, min(4 * K, M))), x, y) / 8
    if dead is not None and plan.counted:
        total += plan.aux * frame.variance * auxk(p, frozen, pre, x, y, f, frame, dead)
    return total


CASES = {
    "relu": {},
    "relu, bias not subtracted, free rows": {"subtract_b_dec": False, "decoder_norm": "free"},
    "relu transcoder": {"transcodes": True},
    "relu skip transcoder": {"transcodes": True, "skip": True},
    "relu crosscoder": {"widths": (2, 2, 2), "decoder_norm": "free"},
    "gated": {},
    "gated, free rows": {"decoder_norm": "free"},
    "gated transcoder": {"transcodes": True},
    "gated skip transcoder, free rows": {"transcodes": True, "skip": True, "decoder_norm": "free"},
    "gated crosscoder, free rows": {"widths": (2, 2, 2), "decoder_norm": "free"},
    "topk": {},
    "topk multi": {"multi_k": True},
    "topk skip transcoder": {"transcodes": True, "skip": True},
    "batchtopk": {},
    "batchtopk crosscoder": {"widths": (3, 3)},
    "matryoshka": {"prefixes": (3, 7)},
    "feature_choice": {"zipf": 0.7},
    "jumprelu": {"threshold": 0.3},
    "jumprelu transcoder": {"threshold": 0.3, "transcodes": True},
    "p_anneal": {},
    "prolu": {},
    "switch": {"experts": 3},
}
STRAIGHT_THROUGH = {"jumprelu": "log_threshold", "prolu": "b_enc"}


@pytest.mark.parametrize("dense", [0.0, 1.0])
@pytest.mark.parametrize("some_dead", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_loss_and_gradients(case, some_dead, dense, monkeypatch):
    monkeypatch.setattr(chosen, "_DENSE", dense)  # always matrices, or always entries
    name = case.split()[0].rstrip(",")
    functions, frame, params, buffers, batch = make(name, **CASES[case])
    dead = np.arange(M) % 3 == 0 if some_dead and name != "switch" else None
    now = Moment(SHARE, LAMBDA, K, None if dead is None else torch.tensor(dead))
    outcome = functions.loss(params, buffers, batch, frame, now)
    x, y, p = batch.x.numpy(), batch.y.numpy(), as_numpy(params)
    frozen = {"p": p, "f": features(p, x, frame)[1], "factor": 1.0}
    if name == "p_anneal":  # the coefficient was rescaled so that the penalty kept its value
        f, power = frozen["f"], p_anneal.power_at(SHARE, frame.plan)
        frozen["factor"] = ((f + 0.01) ** 1 - 0.01).sum() / ((f + 0.01) ** power - 0.01**power).sum()
    np.testing.assert_allclose(float(outcome.loss.detach()), loss(p, frozen, x, y, frame, dead), rtol=1e-9)
    np.testing.assert_array_equal(outcome.fired, (frozen["f"] > 0).sum(0))
    outcome.loss.backward()
    for key, value in params.items():
        if key == STRAIGHT_THROUGH.get(name):
            continue
        expected = np.zeros(p[key].shape)
        for at in np.ndindex(p[key].shape):
            sides = []
            for step in (1e-6, -1e-6):
                moved = {n: v.copy() for n, v in p.items()}
                moved[key][at] += step
                sides.append(loss(moved, frozen, x, y, frame, dead))
            expected[at] = (sides[0] - sides[1]) / 2e-6
        found = np.zeros_like(expected) if value.grad is None else value.grad.numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7, err_msg=f"{case}: {key}")


@pytest.mark.parametrize("decoder_norm", ["unit", "free"])
def test_the_gate_of_gated_moves_the_decoder_only_where_rows_are_free(decoder_norm):
    functions, frame, params, buffers, batch = make("gated", decoder_norm=decoder_norm)
    outcome = functions.loss(params, buffers, batch, frame, Moment(SHARE, LAMBDA, K))
    p, x = as_numpy(params), batch.x.numpy()
    opened = relu(features(p, x, frame)[0])
    left = x - decode(p, opened, x)
    assert float(outcome.parts["gate"].detach()) == pytest.approx((left**2).sum(1).mean())
    to_rows, to_bias = -2 * opened.T @ left / N, 2 * left.mean(0)
    assert abs(to_rows).max() > 0.1
    # b_dec is also in the input of the encoder: what it does there is the same for both.
    by_input = -2 * ((-left @ p["W_dec"].T) * (opened > 0)).mean(0) @ p["W_enc"].T
    free = decoder_norm == "free"
    rows, bias = torch.autograd.grad(
        outcome.parts["gate"], (params["W_dec"], params["b_dec"]), allow_unused=True, materialize_grads=True
    )
    np.testing.assert_allclose(rows.numpy(), to_rows * free, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(bias.numpy(), by_input - to_bias * free, rtol=1e-9, atol=1e-12)


def gradient_at_features(p, x, y, f):
    """d error / d f, from the formula of the squared error."""
    return 2 * (decode(p, f, x) - y) @ p["W_dec"].T / N


@pytest.mark.parametrize("dense", [0.0, 1.0])
def test_jumprelu_thresholds_get_the_straight_through_gradient(dense, monkeypatch):
    monkeypatch.setattr(chosen, "_DENSE", dense)
    functions, frame, params, buffers, batch = make("jumprelu", threshold=0.3, bandwidth=0.8)
    functions.loss(params, buffers, batch, frame, Moment(SHARE, LAMBDA, K)).loss.backward()
    p, x = as_numpy(params), batch.x.numpy()
    pre, f = features(p, x, frame)
    theta, eps = np.exp(p["log_threshold"]), 0.8
    kernel = np.abs((pre - theta) / eps) < 0.5
    assert 5 < kernel.sum() < kernel.size
    g = gradient_at_features(p, x, x, f)
    by_theta = (-(theta / eps) * kernel * g - LAMBDA * 2.5 / D_OUT / N / eps * kernel).sum(0)
    np.testing.assert_allclose(params["log_threshold"].grad.numpy(), by_theta * theta, rtol=1e-9)


def test_jumprelu_can_aim_at_an_l0():
    functions, frame, params, buffers, batch = make("jumprelu", threshold=0.3, target_l0=4.0)
    outcome = functions.loss(params, buffers, batch, frame, Moment(SHARE, LAMBDA, K))
    l0 = float(outcome.fired.sum()) / N
    assert float(outcome.parts["sparsity"].detach()) == pytest.approx((l0 / 4 - 1) ** 2)
    expected = float(outcome.parts["error"].detach()) + LAMBDA * 2.5 * (l0 / 4 - 1) ** 2
    assert float(outcome.loss.detach()) == pytest.approx(expected)


@pytest.mark.parametrize("dense", [0.0, 1.0])
def test_prolu_bias_gets_the_gradient_of_a_relu(dense, monkeypatch):
    monkeypatch.setattr(chosen, "_DENSE", dense)
    functions, frame, params, buffers, batch = make("prolu")
    functions.loss(params, buffers, batch, frame, Moment(SHARE, LAMBDA, K)).loss.backward()
    p, x = as_numpy(params), batch.x.numpy()
    _, f = features(p, x, frame)
    expected = ((f > 0) * (gradient_at_features(p, x, x, f) + LAMBDA / N)).sum(0)
    np.testing.assert_allclose(params["b_enc"].grad.numpy(), expected, rtol=1e-9)


def test_ghost_gradients_reach_dead_features_only():
    functions, frame, params, buffers, batch = make("relu", ghost=True)
    dead = torch.arange(M) % 4 == 0
    plain = functions.loss(params, buffers, batch, frame, Moment(SHARE, LAMBDA, K)).loss
    outcome = functions.loss(params, buffers, batch, frame, Moment(SHARE, LAMBDA, K, dead))
    assert float(outcome.parts["ghost"].detach()) == pytest.approx(float(outcome.parts["error"].detach()))
    names = list(params)
    extra = torch.autograd.grad(outcome.loss - plain, params.values())
    grads = dict(zip(names, extra, strict=True))
    assert (grads["W_dec"][~dead] == 0).all() and (grads["W_enc"][:, ~dead].abs() < 1e-12).all()
    # numpy: half of the error's length, in the direction the exponentials write; rescaled to the value of the error
    p, x = as_numpy(params), batch.x.numpy()
    pre, f = features(p, x, frame)
    left = x - decode(p, f, x)

    def ghost(W_dec, fixed):
        written = np.exp(pre[:, dead.numpy()]) @ W_dec[dead.numpy()]
        scale = fixed if fixed is not None else np.linalg.norm(left, axis=1) / 2 / np.linalg.norm(written, axis=1)
        return ((left - written * scale[:, None]) ** 2).sum(1).mean(), scale

    value, scale = ghost(p["W_dec"], None)
    moved = p["W_dec"].copy()
    moved[4, 2] += 1e-6
    slope = (ghost(moved, scale)[0] - value) / 1e-6 * ((left**2).sum(1).mean() / value)
    assert float(grads["W_dec"][4, 2]) == pytest.approx(slope, rel=1e-4)


def test_aligned_copies_pay_for_features_of_their_own():
    functions, frame, params, buffers, batch = make("topk", copies=3, align=0.6)
    now = Moment(SHARE, LAMBDA, K)
    outcome = functions.loss(params, buffers, batch, frame, now)
    p, x = as_numpy(params), batch.x.numpy()
    total = 0.0
    for copy in range(3):
        own = {n.split(".")[1]: v for n, v in p.items() if n.startswith(f"{copy}.")}
        total += loss(own, {"p": own, "f": None, "factor": 1.0}, x, x, frame)
    unit = [p[f"{c}.W_dec"] / np.linalg.norm(p[f"{c}.W_dec"], axis=1, keepdims=True) for c in range(3)]
    match = [(unit[a] @ unit[b].T).max(1).mean() for a, b in ((0, 1), (0, 2), (1, 2))]
    assert float(outcome.loss.detach()) == pytest.approx(total + 0.6 * (1 - np.mean(match)), rel=1e-9)
    assert outcome.fired.shape == (3 * M,)


def test_tilted_risk():
    losses = torch.tensor([1.0, 2.0, 6.0], dtype=torch.float64)
    assert float(risk(losses, 0)) == 3
    assert float(risk(losses, 0.5)) == pytest.approx(np.log(np.exp(0.5 * losses.numpy()).mean()) / 0.5)
    assert float(risk(losses, 1e-6)) == pytest.approx(3, abs=1e-4)


def test_budgets_of_feature_choice():
    plan = TrainingPlan("feature_choice", d_dict=8, k=2, zipf=1.0)
    budgets = feature_choice.budgets(plan, 2, 100)
    assert budgets.sum() == pytest.approx(200, abs=4) and (budgets.diff() <= 0).all()
    assert budgets[0] / budgets[3] == pytest.approx(4, rel=0.05)


def test_counts_of_features_that_fire_on_more_tokens_than_a_byte_holds():
    kept = torch.rand(1000, 5, generator=torch.Generator().manual_seed(0)) < torch.tensor([1.0, 0.9, 0.5, 0.01, 0.0])
    expected = kept.numpy().astype(np.int64).sum(0)
    assert expected[0] == 1000
    np.testing.assert_array_equal(chosen.Everything(1000, 5).counts(kept).numpy(), expected)
    places, values = chosen.sparse_or_all(kept.float()[:, 3:], kept[:, 3:])
    assert isinstance(places, chosen.Entries)
    np.testing.assert_array_equal(places.counts(values > 0).numpy(), expected[3:])
