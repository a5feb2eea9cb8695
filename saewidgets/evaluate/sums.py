"""Sums over tokens, in float64, by document: from them every structural metric follows, in any order of the batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

Array: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"

#: What is added up for each token; e is target minus reconstruction.
COLUMNS = ("n", "l0", "l1", "error", "target", "written", "dot", "nmse", "cosine", "ratio")
LOSS_COLUMNS = ("n_loss", "ce", "ce_sae", "ce_zero", "ce_mean", "kl_sae", "kl_zero", "kl_mean")


@dataclass(eq=False)
class Sums:
    """Mergeable sums of one dictionary over a corpus.

    Args:
        documents: Document index -> row of `columns`, `losses` and `means`.
        columns: `[documents, len(COLUMNS)]`.
        means: `[documents, d_out]`: sum of the target.
        losses: `[documents, len(LOSS_COLUMNS)]`.
        fired: `[d_dict]` tokens on which each feature is not 0.
    """

    documents: dict[int, int]
    columns: Array
    means: Array
    losses: Array
    fired: np.ndarray[Any, np.dtype[np.int64]]

    @classmethod
    def empty(cls, d_dict: int, d_out: int) -> Sums:
        """Nothing added up yet."""
        return cls(
            {},
            np.zeros((0, len(COLUMNS))),
            np.zeros((0, d_out)),
            np.zeros((0, len(LOSS_COLUMNS))),
            np.zeros(d_dict, np.int64),
        )

    def _rows(self, documents: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The row of each document, new ones added."""
        for document in np.unique(documents).tolist():
            self.documents.setdefault(document, len(self.documents))
        missing = len(self.documents) - len(self.columns)
        if missing:
            self.columns, self.means, self.losses = (
                np.vstack([table, np.zeros((missing, table.shape[1]))])
                for table in (self.columns, self.means, self.losses)
            )
        return np.array([self.documents[int(d)] for d in documents], np.int64)

    def add(self, documents: np.ndarray[Any, Any], features: Tensor, written: Tensor, target: Tensor) -> None:
        """Add tokens.

        Args:
            documents: `[n]` document of each token.
            features: `[n, d_dict]` activations.
            written: `[n, d_out]` reconstruction.
            target: `[n, d_out]` what it should be.
        """
        y, z = target.double(), written.double()
        size, found = y.norm(dim=1), z.norm(dim=1)
        dot, error = (y * z).sum(1), (y - z).pow(2).sum(1)
        tiny = torch.finfo(torch.float64).tiny
        rows = torch.stack(
            [
                torch.ones_like(size),
                (features != 0).sum(1).double(),
                features.double().abs().sum(1),
                error,
                size.pow(2),
                found.pow(2),
                dot,
                error / size.pow(2).clamp_min(tiny),
                dot / (size * found).clamp_min(tiny),
                found / size.clamp_min(tiny),
            ],
            1,
        )
        index = self._rows(documents)
        np.add.at(self.columns, index, rows.cpu().numpy())
        np.add.at(self.means, index, y.cpu().numpy())
        self.fired += (features != 0).sum(0).cpu().numpy()

    def add_losses(self, documents: np.ndarray[Any, Any], losses: Mapping[str, Tensor]) -> None:
        """Add loss terms, each `[n]`, by their names in `LOSS_COLUMNS`."""
        index = self._rows(documents)
        rows = torch.stack([losses[name].double() for name in LOSS_COLUMNS], 1)
        np.add.at(self.losses, index, rows.cpu().numpy())

    def merge(self, other: Sums) -> None:
        """Add another part of the same corpus."""
        index = self._rows(np.array(list(other.documents)))
        order = np.array(list(other.documents.values()), np.int64)
        for mine, theirs in ((self.columns, other.columns), (self.means, other.means), (self.losses, other.losses)):
            np.add.at(mine, index, theirs[order])
        self.fired += other.fired

    def table(self) -> Array:
        """`[documents, ...]`: `COLUMNS`, `LOSS_COLUMNS`, and the variance of the target about its global mean."""
        n = self.columns[:, :1]
        mean = self.means.sum(0) / n.sum()
        spread = self.columns[:, [COLUMNS.index("target")]] - 2 * (self.means @ mean)[:, None] + n * (mean @ mean)
        return np.hstack([self.columns, self.losses, spread])


#: Columns of `Sums.table`.
TABLE = (*COLUMNS, *LOSS_COLUMNS, "spread")
