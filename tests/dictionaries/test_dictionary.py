"""The canonical record against plain float64 numpy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from saewidgets.dictionaries import Activation, FeedForward
from saewidgets.errors import DictionaryError
from saewidgets.sites import Site

SITE = Site("resid_post", 1)


def make(kind: str, seed: int = 0, d_in: int = 6, d_dict: int = 20, d_out: int | None = None, subtract: bool = False):
    rng = np.random.default_rng(seed)
    d_out = d_out or d_in
    weights = {
        "W_enc": rng.normal(size=(d_in, d_dict)),
        "W_dec": rng.normal(size=(d_dict, d_out)),
        "b_enc": rng.normal(size=d_dict) * 0.3,
        "b_dec": rng.normal(size=d_out) * 0.3,
    }
    threshold = rng.uniform(0, 1, d_dict)
    activation = Activation(kind, k=4, threshold=torch.tensor(threshold, dtype=torch.float32))
    dictionary = FeedForward(
        **{n: torch.tensor(w, dtype=torch.float32) for n, w in weights.items()},
        activation=activation,
        site_in=SITE,
        site_out=SITE if d_out == d_in else Site("mlp_out", 1),
        b_in=torch.tensor(weights["b_dec"], dtype=torch.float32) if subtract else None,
    )
    return dictionary, {n: w.astype(np.float32).astype(np.float64) for n, w in weights.items()}, threshold


def formula(kind, weights, threshold, x, subtract):
    pre = (x - weights["b_dec"] if subtract else x) @ weights["W_enc"] + weights["b_enc"]
    if kind == "relu":
        f = np.maximum(pre, 0)
    elif kind == "jumprelu":
        f = np.where(pre > threshold.astype(np.float32), np.maximum(pre, 0), 0)
    else:
        kth = np.sort(pre, axis=-1)[:, -4][:, None]
        f = np.where(pre >= kth, np.maximum(pre, 0), 0)
    return f, f @ weights["W_dec"] + weights["b_dec"]


@pytest.mark.parametrize("kind", ["relu", "topk", "jumprelu"])
@pytest.mark.parametrize("subtract", [False, True])
@given(seed=st.integers(0, 10_000))
def test_encode_and_decode_follow_the_formula(kind, subtract, seed):
    dictionary, weights, threshold = make(kind, seed, subtract=subtract)
    x = np.random.default_rng(seed + 1).normal(size=(7, 6)).astype(np.float32)
    f, reconstruction = formula(kind, weights, threshold, x.astype(np.float64), subtract)
    np.testing.assert_allclose(dictionary.encode(torch.tensor(x)).numpy(), f, atol=1e-5)
    np.testing.assert_allclose(dictionary.reconstruct(torch.tensor(x)).numpy(), reconstruction, atol=1e-4)
    np.testing.assert_allclose(dictionary.error(torch.tensor(x)).numpy(), x - reconstruction, atol=1e-4)


def test_the_threshold_is_strict_and_topk_takes_no_negatives():
    jump = Activation("jumprelu", threshold=torch.tensor(1.0))
    assert jump(torch.tensor([1.0, 1.0001])).tolist() == pytest.approx([0.0, 1.0001])
    assert Activation("topk", k=3)(torch.tensor([-1.0, 2.0, -3.0])).tolist() == [0.0, 2.0, 0.0]


@pytest.mark.parametrize("subtract", [False, True])
def test_centering_is_folded_exactly(subtract):
    dictionary, *_ = make("topk", subtract=subtract)
    x = torch.randn(5, 6) + 3
    centred = x - x.mean(-1, keepdim=True)
    torch.testing.assert_close(dictionary.centered().encode(x), dictionary.encode(centred), atol=1e-5, rtol=1e-5)
    assert (dictionary.encode(x) != dictionary.encode(centred)).any()


def test_a_transcoder_needs_its_target():
    dictionary, *_ = make("relu", d_out=5)
    x = torch.zeros(2, 6)
    with pytest.raises(DictionaryError, match="target"):
        dictionary.error(x)
    assert dictionary.error(x, torch.zeros(2, 5)).shape == (2, 5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"b_enc": torch.zeros(3)}, "b_enc"),
        ({"b_dec": torch.zeros(3)}, "b_dec"),
        ({"W_dec": torch.zeros(3, 6)}, "W_dec"),
        ({"W_enc": torch.zeros(6)}, "matrices"),
        ({"b_enc": torch.full((20,), float("nan"))}, "not finite"),
        ({"activation": Activation("jumprelu", threshold=torch.zeros(3))}, "threshold"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(change, message):
    dictionary, *_ = make("relu")
    names = ("W_enc", "W_dec", "b_enc", "b_dec", "activation", "site_in", "site_out")
    fields = {name: getattr(dictionary, name) for name in names}
    with pytest.raises(DictionaryError, match=message):
        FeedForward(**{**fields, **change})


@pytest.mark.parametrize("bad", [("topk", {"k": 0}), ("topk", {}), ("jumprelu", {}), ("softmax", {})])
def test_activations_that_say_too_little(bad):
    kind, arguments = bad
    with pytest.raises(DictionaryError):
        Activation(kind, **arguments)
