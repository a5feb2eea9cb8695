"""Probing, absorption, matching, monosemanticity and robustness against independent references."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from saewidgets.errors import DictionaryError
from saewidgets.evaluate import (
    absorption,
    jaccard,
    main_features,
    match,
    monosemanticity,
    probe,
    splitting,
    to_saebench,
)
from saewidgets.evaluate.probing import logistic_regression
from tests.runs.conftest import random_dictionary


@pytest.mark.parametrize("seed", range(4))
def test_logistic_regression_finds_the_minimum_scipy_finds(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(60, 3))
    y = x @ [1.0, -2.0, 0.5] + rng.normal(size=60) > 0.3

    def loss(w):
        z = (2 * y - 1) * (x @ w[:-1] + w[-1])
        return np.logaddexp(0, -z).sum() + 0.5 * 0.7 * w[:-1] @ w[:-1]

    expected = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-10}).x
    found = logistic_regression(torch.tensor(x), torch.tensor(y), l2=0.7).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_a_concept_in_one_feature_is_found_by_the_1_sparse_probe():
    rng = torch.Generator().manual_seed(0)
    labels = torch.rand(400, generator=rng) < 0.4
    features = torch.rand(400, 12, generator=rng)
    features[:, 7] = labels * 1.0 + 0.05 * torch.randn(400, generator=rng)
    spread = torch.randn(12, 6, generator=rng)
    results = {(r.inputs, r.k): r for r in probe(features, features @ spread, labels, ks=(1, 2))}
    assert results["features", 1].index == (7,)
    assert results["features", 1].accuracy > 0.97 > results["channels", 1].accuracy
    assert results["all channels", 6].accuracy >= results["channels", 1].accuracy
    alone = probe(features, None, labels, ks=(1, 2))
    assert alone == [results["features", 1], results["features", 2]]
    with pytest.raises(DictionaryError, match="400 and 3 examples"):
        probe(features, features[:3], labels)
    with pytest.raises(DictionaryError, match="one class"):
        probe(features, features, torch.ones(400, dtype=torch.bool))


def absorbed(x, f, rows, p, main):
    """SAEBench's rule for one example at a time."""
    p = p / np.linalg.norm(p)
    shares, full = [], []
    for xi, fi in zip(x, f, strict=True):
        proj = {j: fi[j] * (rows[j] @ p) for j in range(len(fi))}
        cos = {j: rows[j] @ p / np.linalg.norm(rows[j]) for j in range(len(fi))}
        whole, own = xi @ p, sum(proj[j] for j in main)
        rest = sorted((proj[j] for j in proj if j not in main and cos[j] >= 0.1 and proj[j] > 0), reverse=True)[:3]
        taken = sum(rest)
        if whole <= 0 or own >= whole or taken / whole < 0.4:
            shares.append(0.0)
        elif own <= 0:
            shares.append(1.0)
        else:
            a = min(taken, whole - own)
            shares.append(a / (a + own))
        best = max((proj[j] for j in proj if j not in main and cos[j] >= 0.025), default=0.0)
        full.append(all(fi[j] == 0 for j in main) and whole > 0 and best / whole >= 0.4)
    return np.array(shares), np.mean(full)


@pytest.mark.parametrize("seed", range(10))
def test_absorption_is_the_rule_of_saebench(seed):
    rng = np.random.default_rng(seed)
    rows, p = rng.normal(size=(9, 5)), rng.normal(size=5)
    f = np.maximum(rng.normal(size=(40, 9)), 0)
    f[rng.random(40) < 0.3, :2] = 0
    x = f @ rows + 0.2 * rng.normal(size=(40, 5))
    shares, full = absorbed(x, f, rows, p, [0, 1])
    found = absorption(*(torch.tensor(a) for a in (x, f, rows, p)), main=[0, 1])
    np.testing.assert_allclose(found.fractions.numpy(), shares, atol=1e-9)
    assert found.score == pytest.approx(shares.mean()) and found.full == pytest.approx(full)


def test_a_child_that_speaks_for_its_parent_is_absorption():
    parent, child = np.eye(4)[0], np.eye(4)[1]
    rows = torch.tensor(np.array([parent, (parent + child) / np.sqrt(2), np.eye(4)[2]]))
    x = torch.tensor(np.array([parent, parent + child]))
    split = torch.tensor([[1.0, 0, 0], [0, np.sqrt(2), 0]])
    found = absorption(x, split, rows, torch.tensor(parent), main=[0])
    assert found.fractions.tolist() == [0.0, 1.0] and found.full == 0.5 and found.absorbers.tolist()[1] == 1


@pytest.mark.parametrize("seed", range(3))
def test_matching_is_the_best_assignment(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    unit = [m / np.linalg.norm(m, axis=1, keepdims=True) for m in (a, b)]
    cosine = unit[0] @ unit[1].T
    best = max(sum(cosine[i, j] for i, j in enumerate(order)) for order in itertools.permutations(range(5)))
    found = match(torch.tensor(a), torch.tensor(b))
    assert found.mean == pytest.approx(best / 5)
    assert found.mmcs == pytest.approx(cosine.max(1).mean())
    shuffled = match(torch.tensor(a), torch.tensor(a[::-1].copy() * 3))
    assert shuffled.mean == pytest.approx(1) and shuffled.shared == 1
    assert shuffled.pairs[:, 1].tolist() == [4, 3, 2, 1, 0]


def test_splitting_counts_children():
    small = torch.eye(3)
    large = torch.tensor([[1, 0.1, 0], [1, -0.1, 0], [0, 1, 0.2], [0.6, 0.6, 0.6]])
    table = splitting(small, large)
    assert table["children"].tolist() == [2, 1, 0]
    assert table["nearest"].tolist()[1] == 2


@pytest.mark.parametrize("seed", range(5))
def test_monosemanticity_is_the_sum_over_pairs(seed):
    rng = np.random.default_rng(seed)
    f, e = np.maximum(rng.normal(size=(20, 6)), 0), rng.normal(size=(20, 4))
    f[:, 5] = 0
    f[3, 5] = 1.0
    unit = e / np.linalg.norm(e, axis=1, keepdims=True)
    found = monosemanticity(torch.tensor(f), torch.tensor(e)).numpy()
    for k in range(5):
        a = (f[:, k] - f[:, k].min()) / (f[:, k].max() - f[:, k].min())
        pairs = list(itertools.combinations(range(20), 2))
        expected = sum(a[n] * a[m] * (unit[n] @ unit[m]) for n, m in pairs) / sum(a[n] * a[m] for n, m in pairs)
        assert found[k] == pytest.approx(expected, rel=1e-9)
    assert np.isnan(found[5])


def test_jaccard_of_sets():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(30, 8)), rng.normal(size=(30, 8))
    a[np.abs(a) < 0.7] = 0
    b[np.abs(b) < 0.7] = 0
    a[0] = b[0] = 0
    found = jaccard(torch.tensor(a), torch.tensor(b)).tolist()
    for row, (x, y) in enumerate(zip(a, b, strict=True)):
        one, two = set(np.flatnonzero(x)), set(np.flatnonzero(y))
        assert found[row] == pytest.approx(len(one & two) / len(one | two) if one | two else 1)


def test_the_adapter_is_the_same_function_with_unit_rows():
    dictionary = random_dictionary("resid_post.1", 0)
    adapter = to_saebench(dictionary, "gpt2")
    x = torch.randn(9, dictionary.d_in, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(adapter(x), dictionary.reconstruct(x), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(adapter.W_dec.norm(dim=1), torch.ones(dictionary.d_dict))
    torch.testing.assert_close(adapter.decode(adapter.encode(x)), adapter(x))
    assert adapter.cfg.hook_name == "blocks.1.hook_resid_post" and adapter.cfg.d_sae == dictionary.d_dict
    with pytest.raises(DictionaryError):
        to_saebench(random_dictionary("mlp_in.1", 0, out="mlp_out.1"), "gpt2")


def test_main_features_are_the_parts_a_concept_is_split_into():
    """Two features share the concept, a third repeats the first: two stand for it; with no gain to make, one does."""
    rng = torch.Generator().manual_seed(0)
    labels = torch.rand(600, generator=rng) < 0.5
    first = labels & (torch.rand(600, generator=rng) < 0.6)
    features = torch.rand(600, 8, generator=rng) * 0.1
    features[:, 3], features[:, 5] = first * 1.0, (labels & ~first) * 1.0
    assert main_features(features, labels) == (3, 5)
    features[:, 5] = 0.9 * features[:, 3]
    assert main_features(features, labels) == (3,)
    assert main_features(features, labels, gain=-1.0, most=4)[:2] == (3, 5)
    with pytest.raises(DictionaryError, match="one class"):
        main_features(features, torch.zeros(600, dtype=torch.bool))
    with pytest.raises(DictionaryError, match="600 examples for 5 labels"):
        main_features(features, labels[:5])
