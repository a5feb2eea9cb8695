"""Sampling against float64 numpy, and draws against their distribution."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from saewidgets.runs.sampling import Draws, Sampling


def reference(logits, temperature, top_k, top_p, min_p):
    """Probabilities, one token after the other."""
    p = np.exp(logits / temperature - (logits / temperature).max())
    p /= p.sum()
    order = np.argsort(-p, kind="stable")
    kept = list(order if top_k is None else order[:top_k])
    q = p[kept] / p[kept].sum()
    if top_p < 1:
        kept = [token for token, before in zip(kept, np.cumsum(q) - q, strict=True) if before < top_p]
    kept = [token for token in kept if p[token] >= min_p * p[kept[0]]]
    result = np.zeros_like(p)
    result[kept] = p[kept] / p[kept].sum()
    return result


@given(
    st.integers(0, 10_000),
    st.floats(0.2, 3),
    st.none() | st.integers(1, 40),
    st.sampled_from([1.0, 0.9, 0.5, 0.01]),
    st.sampled_from([0.0, 0.05, 0.5, 1.0]),
)
def test_probabilities_follow_their_definition(seed, temperature, top_k, top_p, min_p):
    logits = np.random.default_rng(seed).normal(size=30).astype(np.float32) * 2
    found = Sampling(temperature, top_k, top_p, min_p).log_probabilities(torch.tensor(logits)[None])[0].exp()
    expected = reference(logits.astype(np.float64), temperature, top_k, top_p, min_p)
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-6)


def test_tokens_are_drawn_as_often_as_they_are_probable():
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0, -torch.inf])
    seeds = list(range(8000))
    counts = np.bincount(Draws(Sampling(), seeds).next(logits.expand(len(seeds), -1)), minlength=5)
    p = logits.double().softmax(-1).numpy()
    assert counts[4] == 0
    expected = len(seeds) * p[:4]
    assert ((counts[:4] - expected) ** 2 / expected).sum() < 16.3  # chi-squared of 3, p = 0.001


def test_rows_of_one_seed_share_their_noise():
    logits = torch.randn(50, generator=torch.Generator().manual_seed(0))
    draws = Draws(Sampling(), [7, 7, 8])
    drawn = torch.stack([draws.next(logits.expand(3, -1)) for _ in range(40)])
    assert torch.equal(drawn[:, 0], drawn[:, 1])
    assert (drawn[:, 0] != drawn[:, 2]).any()
    again = Draws(Sampling(), [8])
    assert torch.equal(torch.stack([again.next(logits[None])[0] for _ in range(40)]), drawn[:, 2])


@pytest.mark.parametrize("temperature", [0, 0.0])
def test_greedy(temperature):
    assert Draws(Sampling(temperature), [1]).next(torch.tensor([[1.0, 3.0, 2.0]])).item() == 1
