"""Sparse activations against dense tensors."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from saewidgets.errors import FeatureError
from saewidgets.runs import SparseActivations


def dense(seed: int, tokens: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(tokens, width, generator=generator)
    return x * (torch.rand(tokens, width, generator=generator) < 0.3)


@given(st.integers(0, 9999), st.integers(1, 9), st.integers(1, 12))
def test_dense_and_back(seed, tokens, width):
    x = dense(seed, tokens, width)
    sparse = SparseActivations.from_dense(x)
    assert torch.equal(sparse.to_dense(), x)
    assert torch.equal(sparse.counts, (x != 0).sum(1))
    for index in range(width):
        assert torch.equal(sparse.feature(index), x[:, index])


@given(st.integers(0, 9999), st.integers(2, 9))
def test_head_and_join_are_inverse(seed, tokens):
    x = dense(seed, tokens, 7)
    sparse = SparseActivations.from_dense(x)
    for cut in range(tokens + 1):
        tail = SparseActivations.from_dense(x[cut:])
        assert torch.equal(SparseActivations.join(sparse.head(cut), tail).to_dense(), x)


@given(st.integers(0, 9999), st.integers(1, 6))
def test_strongest_is_a_sort(seed, n):
    x = dense(seed, 3, 9)
    sparse = SparseActivations.from_dense(x)
    for position in range(3):
        index, value = sparse.strongest(position, n)
        expected = x[position].abs().sort(descending=True).values[: min(n, int((x[position] != 0).sum()))]
        assert torch.equal(value.abs(), expected)
        assert torch.equal(x[position][index], value)


def test_a_feature_that_is_not_there():
    with pytest.raises(FeatureError, match="this dictionary has 7"):
        SparseActivations.from_dense(dense(0, 2, 7)).feature(7)
