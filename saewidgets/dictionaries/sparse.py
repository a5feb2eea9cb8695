"""Sparse feature activations of a prompt: CSR by token."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from saewidgets.errors import FeatureError


@dataclass(frozen=True, eq=False)
class SparseActivations:
    """The features of one dictionary on one prompt, only those that are not zero.

    Args:
        indptr: `[tokens + 1]` int64, start of each token's entries.
        index: `[n]` int64 feature index, rising within a token.
        value: `[n]` activation.
        d_dict: Number of features of the dictionary.
    """

    indptr: Tensor
    index: Tensor
    value: Tensor
    d_dict: int

    @classmethod
    def from_dense(cls, dense: Tensor) -> SparseActivations:
        """From `[tokens, d_dict]`; zeros are left out, negative activations are kept."""
        dense = dense.detach()
        rows, index = dense.nonzero(as_tuple=True)
        counts = torch.bincount(rows, minlength=dense.shape[0])
        indptr = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return cls(indptr.cpu(), index.cpu(), dense[rows, index].float().cpu(), dense.shape[1])

    @property
    def n_tokens(self) -> int:
        """Number of tokens."""
        return len(self.indptr) - 1

    @property
    def counts(self) -> Tensor:
        """`[tokens]` number of active features (L0)."""
        return self.indptr.diff()

    @cached_property
    def rows(self) -> Tensor:
        """`[n]` token position of each entry."""
        return torch.from_numpy(np.repeat(np.arange(self.n_tokens), np.diff(self.indptr.numpy())))

    def to_dense(self) -> Tensor:
        """`[tokens, d_dict]`."""
        dense = torch.zeros(self.n_tokens, self.d_dict)
        dense[self.rows, self.index] = self.value
        return dense

    def feature(self, index: int) -> Tensor:
        """`[tokens]` activations of one feature.

        Raises:
            FeatureError: The dictionary has no such feature.
        """
        if not 0 <= index < self.d_dict:
            raise FeatureError(f"Feature {index}: this dictionary has {self.d_dict}.", "Count from 0.")
        # numpy: a view asks at every key press, and a call of torch costs more than the few numbers.
        hit = np.flatnonzero(self.index.numpy() == index)
        column = np.zeros(self.n_tokens, np.float32)
        column[np.searchsorted(self.indptr.numpy(), hit, "right") - 1] = self.value.numpy()[hit]
        return torch.from_numpy(column)

    def head(self, n: int) -> SparseActivations:
        """The first `n` tokens."""
        end = int(self.indptr.numpy()[n])
        return SparseActivations(self.indptr[: n + 1], self.index[:end], self.value[:end], self.d_dict)

    def strongest(self, position: int, n: int) -> tuple[Tensor, Tensor]:
        """Index and value of the `n` strongest features of one token, by descending |activation|."""
        start, end = int(self.indptr[position]), int(self.indptr[position + 1])
        order = self.value[start:end].abs().argsort(descending=True, stable=True)[:n] + start
        return self.index[order], self.value[order]

    @staticmethod
    def join(first: SparseActivations, second: SparseActivations) -> SparseActivations:
        """Tokens of `first`, then those of `second`."""
        indptr = first.indptr.numpy(), second.indptr.numpy()[1:] + len(first.index)
        index, value = (first.index.numpy(), second.index.numpy()), (first.value.numpy(), second.value.numpy())
        joined = [torch.from_numpy(np.concatenate(pair)) for pair in (indptr, index, value)]
        return SparseActivations(joined[0], joined[1], joined[2], first.d_dict)

    @property
    def nbytes(self) -> int:
        """Memory it holds."""
        return self.indptr.nbytes + self.index.nbytes + self.value.nbytes
