"""The structural metrics against plain PyTorch hooks and float64 numpy, written from the formulas alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

import saewidgets as sw
from saewidgets.corpus import Corpus
from saewidgets.dictionaries import Activation, Norm
from saewidgets.errors import CorpusError, DictionaryError
from saewidgets.evaluate import evaluate
from saewidgets.evaluate import run as evaluating
from saewidgets.evaluate.metrics import METRICS, interval, values
from saewidgets.evaluate.sums import COLUMNS, LOSS_COLUMNS, TABLE, Sums
from tests.runs.conftest import WIDTH, random_dictionary

ROWS = np.random.default_rng(0).integers(1, 250, (24, 12))


@pytest.fixture(scope="module")
def scope(tiny):
    plain = random_dictionary("resid_post.0", 1)
    signed = dataclasses.replace(random_dictionary("resid_post.1", 2), activation=Activation("abstopk", k=5))
    normed = dataclasses.replace(random_dictionary("resid_post.1", 3), norm=Norm("layer_norm"))
    transcoder = random_dictionary("mlp_in.1", 4, out="mlp_out.1", kind="relu")
    return sw.Scope(
        tiny.model,
        {"resid_post.0": plain, "resid_post.1": signed, "resid_post.1@normed": normed, "mlp_in.1": transcoder},
    )


def forward(module, ids, block=None, stream=None, new=None, seen=None):
    """Logits of the plain module; `seen` collects values, `new` takes the place of one."""
    hooks = []
    layers = module.model.layers

    def at_block(n, name):
        def hook(_, args, output):
            value = output[0] if isinstance(output, tuple) else output
            if seen is not None:
                seen[f"{name}.{n}"] = value.double()
            if new is not None and (n, name) == (block, stream):
                changed = new.to(value.dtype)
                return (changed, *output[1:]) if isinstance(output, tuple) else changed
            return None

        return hook

    for n, layer in enumerate(layers):
        hooks.append(layer.register_forward_hook(at_block(n, "resid_post")))
        hooks.append(layer.mlp.register_forward_hook(at_block(n, "mlp_out")))
        if seen is not None:
            hooks.append(
                layer.mlp.register_forward_pre_hook(lambda _, args, n=n: seen.update({f"mlp_in.{n}": args[0].double()}))
            )
    try:
        with torch.no_grad():
            return module(input_ids=torch.from_numpy(ids), use_cache=False).logits.double()
    finally:
        for hook in hooks:
            hook.remove()


def reference(scope, key, held, fit):
    """Every metric of `METRICS`, by the book."""
    module, dictionary = scope.model.module, scope.dictionaries[key]
    site = str(dictionary.site_out)
    stream, block = site.split(".")
    seen: dict[str, torch.Tensor] = {}
    clean = forward(module, held, seen=seen)
    x, y = seen[str(dictionary.site_in)], seen[site]
    f = dictionary.encode(x.float()).double()
    z = dictionary.reconstruct(x.float()).double()
    inside = np.ones(held.shape, bool)
    inside[:, 0] = False
    Y, Z, F = (a.numpy()[inside] for a in (y, z, f))
    E = Y - Z
    out = {
        "FVU": (E**2).sum() / ((Y - Y.mean(0)) ** 2).sum(),
        "MSE": (E**2).sum(1).mean(),
        "NMSE": ((E**2).sum(1) / (Y**2).sum(1)).mean(),
        "cosine": ((Y * Z).sum(1) / np.linalg.norm(Y, axis=1) / np.linalg.norm(Z, axis=1)).mean(),
        "L2 ratio": (np.linalg.norm(Z, axis=1) / np.linalg.norm(Y, axis=1)).mean(),
        "gamma": (Z**2).sum() / (Y * Z).sum(),
        "L0": (F != 0).sum(1).mean(),
        "L1": np.abs(F).sum(1).mean(),
    }
    before: dict[str, torch.Tensor] = {}
    forward(module, fit, seen=before)
    mean = before[site][:, 1:].reshape(-1, WIDTH).mean(0)
    keep = torch.zeros(held.shape, dtype=torch.bool)
    keep[:, 0] = True

    def losses(new):
        changed = torch.where(keep[..., None], y, new)
        log_q = forward(module, held, int(block), stream, changed)[:, :-1].log_softmax(-1)
        return log_q

    targets = torch.from_numpy(held[:, 1:])
    log_p = clean[:, :-1].log_softmax(-1)

    def ce(log_q):
        return float(-log_q.gather(2, targets[..., None])[:, 1:, 0].mean())

    def kl(log_q):
        return float((log_p.exp() * (log_p - log_q)).sum(-1)[:, 1:].mean())

    spliced, zero, middle = losses(z), losses(torch.zeros_like(y)), losses(mean.expand_as(y))
    out |= {
        "CE": ce(spliced), "CE without": ce(log_p), "KL": kl(spliced),
        "CE recovered (zero)": (ce(zero) - ce(spliced)) / (ce(zero) - ce(log_p)),
        "CE recovered (mean)": (ce(middle) - ce(spliced)) / (ce(middle) - ce(log_p)),
        "KL recovered (zero)": (kl(zero) - kl(spliced)) / kl(zero),
        "KL recovered (mean)": (kl(middle) - kl(spliced)) / kl(middle),
    }  # fmt: skip
    return out, (F != 0).mean(0)


@pytest.fixture(scope="module")
def report(scope):
    return evaluate(scope, ROWS, batch=4, draws=50)


KEYS = ["resid_post.0", "resid_post.1", "resid_post.1@normed", "mlp_in.1"]


@pytest.mark.parametrize("key", KEYS)
def test_every_metric_equals_its_formula(scope, report, key):
    fit = np.concatenate([ROWS[0:4], ROWS[8:12], ROWS[16:20]])
    held = np.concatenate([ROWS[4:8], ROWS[12:16], ROWS[20:24]])
    expected, density = reference(scope, key, held, fit)
    rows = {row["metric"]: row for row in report.rows if row["dictionary"] == key and row["kind"] == "dictionary"}
    assert set(expected) == {metric.name for metric in METRICS}
    for name, value in expected.items():
        # The model computes in float32, whichever side runs it: the loss differs where its rounding does.
        tolerance = 1e-6 if metric_of(name).group != "Loss" else 5e-4
        assert rows[name]["value"] == pytest.approx(value, rel=tolerance), name
        assert rows[name]["low"] <= rows[name]["value"] <= rows[name]["high"]
    np.testing.assert_allclose(report.density(key), density)
    assert rows["dead"]["value"] == (density == 0).mean()


def metric_of(name):
    return next(metric for metric in METRICS if metric.name == name)


def test_the_parts_that_fit_are_not_the_parts_that_are_measured():
    stream = Corpus(ROWS).batches(4)
    fit, rest = evaluating._split(stream, 4)
    fitted = {part.first for part in fit}
    assert fitted.isdisjoint(part.first for part in rest)
    short, rest = evaluating._split(Corpus(ROWS[:4]).batches(4), 4)
    assert [len(part) for part in (*short, *rest)] == [2, 2]


def test_every_table_carries_its_baselines(report):
    frame = report.to_frame()
    for key in KEYS:
        kinds = frame[frame["dictionary"] == key]["kind"].unique().tolist()
        assert kinds == ["dictionary", "PCA", "random", "frozen decoder"]
    assert {"definition", "mask", "window"} <= set(frame.columns)
    assert (frame["window"] == "132 tokens in contexts of 12").all()
    assert "FVU" in report._repr_html_()


@pytest.mark.parametrize("key", KEYS)
def test_a_report_is_what_the_widget_draws(report, key):
    payload = report.to_payload(key)
    assert payload.baselines == ("PCA", "random", "frozen decoder")
    frame = report.to_frame()
    own = frame[(frame["dictionary"] == key) & (frame["kind"] == "dictionary")].set_index("metric")
    for measure in payload.measures:
        assert measure.estimate.value == pytest.approx(own.loc[measure.name, "value"])
    assert payload.density.total == 40
    with pytest.raises(DictionaryError, match="Several"):
        report.to_payload()
    with pytest.raises(DictionaryError, match="No 'x'"):
        report.to_payload("x")


def random_sums(seed, documents=7, d_dict=9, d_out=5, tokens=60):
    rng = np.random.default_rng(seed)
    owners = rng.integers(0, documents, tokens)
    f = torch.tensor(np.maximum(rng.normal(size=(tokens, d_dict)), 0))
    y = torch.tensor(rng.normal(size=(tokens, d_out)) + 30)
    z = y + torch.tensor(rng.normal(size=(tokens, d_out))) * 0.3
    losses = {name: torch.tensor(np.abs(rng.normal(size=tokens)) + 0.1) for name in LOSS_COLUMNS}
    return owners, f, y, z, losses


@pytest.mark.parametrize("seed", range(5))
def test_batches_and_order_do_not_matter(seed):
    owners, f, y, z, losses = random_sums(seed)
    whole = Sums.empty(9, 5)
    whole.add(owners, f, z, y)
    whole.add_losses(owners, losses)
    parts = []
    for piece in np.array_split(np.random.default_rng(seed).permutation(60), 4):
        part = Sums.empty(9, 5)
        part.add(owners[piece], f[piece], z[piece], y[piece])
        part.add_losses(owners[piece], {name: loss[piece] for name, loss in losses.items()})
        parts.append(part)
    total = Sums.empty(9, 5)
    for part in parts[::-1]:
        total.merge(part)
    one, two = values(whole.table()), values(total.table())
    for name in one:
        assert one[name] == pytest.approx(two[name], rel=1e-12), name
    assert (whole.fired == total.fired).all()
    order = [total.documents[d] for d in whole.documents]
    np.testing.assert_allclose(whole.table(), total.table()[order], rtol=1e-9)


def test_the_bootstrap_resamples_documents():
    owners, f, y, z, losses = random_sums(3)
    sums = Sums.empty(9, 5)
    sums.add(owners, f, z, y)
    sums.add_losses(owners, losses)
    table = sums.table()
    assert interval(table, 200, seed=1) == interval(table, 200, seed=1) != interval(table, 200, seed=2)
    rng = np.random.default_rng(7)
    drawn = [values(table[rng.integers(0, len(table), len(table))])["L0"] for _ in range(4000)]
    low, high = interval(table, 4000, seed=0)["L0"]
    assert low == pytest.approx(np.quantile(drawn, 0.025), rel=0.02)
    assert high == pytest.approx(np.quantile(drawn, 0.975), rel=0.02)
    assert interval(table[:1], 100, seed=0) == {}


@pytest.mark.parametrize(
    ("kind", "fvu", "one_minus_nmse"), [("mean", 1.0, 0.882), ("shrunk", 0.01, 0.999), ("shifted", 0.249, 0.970)]
)
def test_the_definitions_that_are_mixed_up_stay_apart(kind, fvu, one_minus_nmse):
    """FVU about the global mean, and the error relative to zero (OpenAI's), on x = mean + noise with a long mean."""
    rng = np.random.default_rng(0)
    middle = rng.normal(size=64)
    middle *= np.sqrt(64 * 7.5) / np.linalg.norm(middle)
    y = torch.tensor(middle + rng.normal(size=(40_000, 64)))
    z = {"mean": y.mean(0).expand_as(y), "shrunk": y.mean(0) + 0.9 * (y - y.mean(0)), "shifted": y + 0.499}[kind]
    sums = Sums.empty(1, 64)
    sums.add(np.zeros(len(y), int), torch.zeros(len(y), 1), z, y)
    found = values(sums.table())
    assert found["FVU"] == pytest.approx(fvu, abs=2e-3)
    assert 1 - found["NMSE"] == pytest.approx(one_minus_nmse, abs=3e-3)


def test_columns_are_named_once():
    assert TABLE == (*COLUMNS, *LOSS_COLUMNS, "spread")
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_neighbours_are_brute_force(scope):
    dictionary = scope.dictionaries["mlp_in.1"]
    rows = dictionary.directions.double()
    rows = rows / rows.norm(dim=1, keepdim=True)
    cosine = (rows @ rows.T).fill_diagonal_(-1)
    np.testing.assert_allclose(evaluating.neighbours(dictionary), cosine.max(1).values.numpy(), atol=1e-6)


def test_too_little_text_is_refused(scope):
    with pytest.raises(CorpusError, match="more text"):
        evaluate(scope, ROWS[:1], "resid_post.0")


def test_without_losses_and_baselines(scope):
    report = evaluate(scope, ROWS, "resid_post.0", losses=False, baselines=False, batch=4, contexts=4, draws=0)
    metrics = set(report.to_frame()["metric"])
    assert "FVU" in metrics and not any(name.startswith(("CE", "KL")) for name in metrics)
    assert report.to_payload().measure("L0").estimate.low is None
