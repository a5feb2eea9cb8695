"""Sparse features from blocks of columns: the dense activations of a million features never exist at once."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.sparse import SparseActivations

Block = tuple[slice, Tensor, Tensor]


def encode_in_blocks(
    blocks: Iterable[Block], activation: Activation, value_scale: Tensor | None, n_tokens: int
) -> SparseActivations:
    """What `activation` keeps of all columns.

    Args:
        blocks: Columns, values `[tokens, columns]` and gates of the same shape, in order of the columns.
        activation: Of the whole dictionary.
        value_scale: `[d_dict]` that multiplies what is kept.
        n_tokens: Number of tokens.

    Returns:
        The same as `SparseActivations.from_dense(activation(pre, gate) * value_scale)`.
    """
    found = _ranked(blocks, activation) if activation.k is not None else _thresholded(blocks, activation)
    rows, index, value, d_dict = found
    if value_scale is not None:
        value = value * value_scale[index]
    kept = value != 0
    rows, index, value = rows[kept], index[kept], value[kept]
    order = (rows * d_dict + index).argsort()
    counts = torch.bincount(rows, minlength=n_tokens)
    indptr = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return SparseActivations(indptr.cpu(), index[order].cpu(), value[order].float().cpu(), d_dict)


def _thresholded(blocks: Iterable[Block], activation: Activation) -> tuple[Tensor, Tensor, Tensor, int]:
    rows, index, value, end = [], [], [], 0
    for part, pre, gate in blocks:
        f = activation.part(part)(pre, gate)
        row, column = f.nonzero(as_tuple=True)
        rows.append(row)
        index.append(column + part.start)
        value.append(f[row, column])
        end = part.stop
    return torch.cat(rows), torch.cat(index), torch.cat(value), end


def _ranked(blocks: Iterable[Block], activation: Activation) -> tuple[Tensor, Tensor, Tensor, int]:
    """The k best of all blocks are among the k best of each."""
    values, gates, indices, end = [], [], [], 0
    for part, pre, gate in blocks:
        best = activation.ranked(gate)
        values.append(pre.gather(-1, best))
        gates.append(gate.gather(-1, best))
        indices.append(best + part.start)
        end = part.stop
    pre, gate, index = (torch.cat(parts, -1) for parts in (values, gates, indices))
    best = activation.ranked(gate)
    value = activation.signed(pre.gather(-1, best))
    rows = torch.arange(len(value), device=value.device)[:, None].expand_as(value)
    return rows.flatten(), index.gather(-1, best).flatten(), value.flatten(), end
