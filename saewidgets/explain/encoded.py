"""`Encoded`: one dictionary on one prompt, with what each of its activations writes into the stream."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from saewidgets.dictionaries import Dictionary
from saewidgets.dictionaries.sparse import SparseActivations
from saewidgets.model import Trace


@dataclass(frozen=True, eq=False)
class Encoded:
    """One dictionary on one prompt of T tokens. Its `n` activations are numbered as in `sparse`.

    Args:
        key: The dictionary's key.
        dictionary: Itself.
        sparse: Its activations.
        scale: `[T, 1]` that multiplies what it writes, `None` for 1.
    """

    key: str
    dictionary: Dictionary
    sparse: SparseActivations
    scale: Tensor | None

    def written(self, entries: Tensor | None = None) -> Tensor:
        """`[T, d_out]`: what some activations (all by default) write together.

        Taking them out, error kept, is subtracting this at `site_out`.
        """
        entries = torch.arange(len(self.sparse.index)) if entries is None else entries.cpu()
        device = self.dictionary.device
        terms = self._directions(entries) * self.sparse.value[entries].to(device)[:, None]
        total = torch.zeros(self.sparse.n_tokens, self.dictionary.d_out, device=device, dtype=terms.dtype)
        total.index_add_(0, self.sparse.rows[entries].to(device), terms)
        return total

    def along(self, gradient: Tensor) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        """`[n]`: a gradient `[T, d_out]` along what each activation writes: gradient times activation."""
        directions = self._directions(torch.arange(len(self.sparse.index)))
        slope = gradient.to(directions.device, directions.dtype)[self.sparse.rows.to(directions.device)]
        found = (directions * slope).sum(1) * self.sparse.value.to(directions.device)
        return found.float().cpu().numpy()

    def _directions(self, entries: Tensor) -> Tensor:
        """`[entries, d_out]`: what one unit of each writes at its token."""
        rows = self.dictionary.rows(self.sparse.index[entries])
        if self.scale is None:
            return rows
        return rows * self.scale[self.sparse.rows[entries].to(self.scale.device)]


@torch.no_grad()
def encode_prompt(key: str, dictionary: Dictionary, trace: Trace, row: int = 0) -> Encoded:
    """Encode one row of a trace that has read the dictionary's `site_in`."""
    x = trace.values[dictionary.site_in][row].detach().to(dictionary.device)
    return Encoded(key, dictionary, dictionary.encode_sparse(x), dictionary.scale(x))
