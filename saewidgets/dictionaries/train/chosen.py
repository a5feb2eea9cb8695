"""Encoding and decoding with a few chosen features, and gradients that touch only those.

A dense decoder multiplies mostly zeros: at 32 of 4,096 features it costs a hundred times what is needed, and so do the
gradients of both matrices. Sums over chosen entries are `embedding_bag`s, which add in a fixed order, so runs repeat
bit for bit. Where many features are active (early, when each fires on half of the tokens) matrices are faster;
`Everything` stands for `Entries` then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

# Share of active entries above which a dense matrix is faster.
_DENSE = 0.1
# One in so many rows says whether it is.
_SOME = 8


@dataclass(frozen=True, eq=False)
class Entries:
    """Places of a matrix `[rows, columns]`, sorted by row; values come as `[n]`.

    Args:
        row: `[n]`.
        column: `[n]`.
        rows: Number of rows.
        columns: Number of columns.
    """

    row: Tensor
    column: Tensor
    rows: int
    columns: int

    @classmethod
    def of_rows(cls, index: Tensor, columns: int) -> Entries:
        """From `[rows, k]` columns of every row."""
        row = torch.arange(len(index), device=index.device).repeat_interleave(index.shape[1])
        return cls(row, index.flatten(), len(index), columns)

    @classmethod
    def of_flat(cls, index: Tensor, rows: int, columns: int) -> Entries:
        """From places in the flattened matrix, in rising order."""
        return cls(index.div(columns, rounding_mode="floor"), index % columns, rows, columns)

    def where(self, kept: Tensor) -> Entries:
        """Only some entries."""
        return Entries(self.row[kept], self.column[kept], self.rows, self.columns)

    def counts(self, kept: Tensor) -> Tensor:
        """`[columns]`: entries of each column where `kept` is True."""
        return torch.bincount(self.column[kept], minlength=self.columns)

    def column_sums(self, values: Tensor) -> Tensor:
        """`[columns]`."""
        return torch.bincount(self.column, weights=values, minlength=self.columns).to(values.dtype)

    def spread(self, vector: Tensor) -> Tensor:
        """What `vector` `[columns]` holds for each entry."""
        return vector[self.column]

    def times(self, values: Tensor, matrix: Tensor) -> Tensor:
        """`[rows, d]`: the sparse matrix with these values times `matrix` `[columns, d]`."""
        starts = _starts(self.row, self.rows)
        return embedding_bag(self.column, matrix, starts, per_sample_weights=values, mode="sum")

    def transposed_times(self, values: Tensor, matrix: Tensor) -> Tensor:
        """`[columns, d]`: its transpose times `matrix` `[rows, d]`."""
        order = self.column.argsort(stable=True)
        starts = _starts(self.column, self.columns)
        return embedding_bag(self.row[order], matrix, starts, per_sample_weights=values[order], mode="sum")

    def products(self, left: Tensor, right: Tensor) -> Tensor:
        """At each entry the product of a row of `left` `[rows, d]` and one of `right` `[columns, d]`."""
        with torch.enable_grad():  # it is the gradient of `times`, which the bag computes without a matrix
            values = left.new_zeros(len(self.row), requires_grad=True)
            return torch.autograd.grad(self.times(values, right.detach()), values, left)[0]


@dataclass(frozen=True)
class Everything:
    """All places of a matrix; values come as `[rows, columns]`. The methods are those of `Entries`."""

    rows: int
    columns: int

    def counts(self, kept: Tensor) -> Tensor:
        """`[columns]`."""
        parts = kept.view(torch.uint8).split(255)  # bytes hold 255; adding them is 20 times as fast as whole numbers
        return torch.stack([part.sum(0, dtype=torch.uint8) for part in parts]).sum(0)

    def column_sums(self, values: Tensor) -> Tensor:
        """`[columns]`."""
        return values.sum(0)

    def spread(self, vector: Tensor) -> Tensor:
        """The vector, which is broadcast."""
        return vector

    def times(self, values: Tensor, matrix: Tensor) -> Tensor:
        """`[rows, d]`."""
        return values @ matrix

    def transposed_times(self, values: Tensor, matrix: Tensor) -> Tensor:
        """`[columns, d]`."""
        return values.T @ matrix

    def products(self, left: Tensor, right: Tensor) -> Tensor:
        """`[rows, columns]`."""
        return left @ right.T


Places: TypeAlias = Entries | Everything
Choose: TypeAlias = Callable[[Tensor, Tensor, Tensor], tuple[Places, Tensor]]
"""`(x, W_enc, b_enc) -> (places, their pre-activations)`."""


def _starts(index: Tensor, size: int) -> Tensor:
    counts = torch.bincount(index, minlength=size)
    return counts.cumsum(0) - counts


class Encode(torch.autograd.Function):
    """`(x, shift, W_enc, b_enc, places, values) -> values`: what was chosen, with its gradients.

    Gradients reach the shift `[d_in]`, the weights and the bias; the data get none.
    """

    @staticmethod
    def forward(
        ctx: Any, read: Tensor, shift: Tensor | None, W_enc: Tensor, b_enc: Tensor, places: Places, values: Tensor
    ) -> Tensor:
        """The values, as they are: not a copy and no view, so that they can be rectified in place."""
        ctx.places, ctx.shifted = places, shift is not None
        ctx.save_for_backward(read, W_enc)
        ctx.mark_dirty(values)
        return values

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        """Sums over the places."""
        read, W_enc = ctx.saved_tensors
        to_b = ctx.places.column_sums(gradients[0])
        to_W = ctx.places.transposed_times(gradients[0], read).T.contiguous()
        # The shift is shared by all tokens: the sum over them of `values @ W_enc.T` needs only the sums of columns.
        return None, -(W_enc @ to_b) if ctx.shifted else None, to_W, to_b, None, None


class Decode(torch.autograd.Function):
    """`(values, W_dec, places) -> [rows, d_out]`."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, W_dec: Tensor, places: Places) -> Tensor:
        """The sum of the chosen rows."""
        ctx.places = places
        ctx.save_for_backward(values, W_dec)
        return places.times(values, W_dec)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        """Products of rows to the values, the transpose to the rows."""
        values, W_dec = ctx.saved_tensors
        g = gradients[0].contiguous()
        to_rows = ctx.places.transposed_times(values, g) if ctx.needs_input_grad[1] else None
        return ctx.places.products(g, W_dec), to_rows, None


class Spread(torch.autograd.Function):
    """`(vector [columns], places) -> its value at each place`."""

    @staticmethod
    def forward(ctx: Any, vector: Tensor, places: Places) -> Tensor:
        """Look up."""
        ctx.places = places
        return places.spread(vector).clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        """Add up."""
        if isinstance(ctx.places, Everything):
            return gradients[0], None
        return ctx.places.column_sums(gradients[0]), None


def encode(x: Tensor, shift: Tensor | None, W_enc: Tensor, b_enc: Tensor, choose: Choose) -> tuple[Tensor, Places]:
    """Values at the chosen places, and the places."""
    with torch.no_grad():
        read = x if shift is None else x - shift
        places, values = choose(read, W_enc, b_enc)
    return Encode.apply(read, shift, W_enc, b_enc, places, values), places


def decode(values: Tensor, W_dec: Tensor, places: Places) -> Tensor:
    """`[rows, d_out]`."""
    return Decode.apply(values, W_dec, places)


def spread(vector: Tensor, places: Places) -> Tensor:
    """`vector` `[columns]` at each place; for `Everything` the vector itself, which is broadcast."""
    return Spread.apply(vector, places)


def mean_sum(values: Tensor, weights: Tensor | None, places: Places) -> Tensor:
    """Mean over rows of the sum over columns, weighed `[columns]`."""
    if weights is None:
        return values.sum() / places.rows
    if isinstance(places, Everything):  # the columns first: half as many passes over the matrix, there and back
        return values.sum(0) @ weights / places.rows
    return (values * spread(weights, places)).sum() / places.rows


def ranked(pick: Callable[[Tensor], Entries]) -> Choose:
    """A choice among all pre-activations."""

    def choose(read: Tensor, W_enc: Tensor, b_enc: Tensor) -> tuple[Places, Tensor]:
        pre = torch.addmm(b_enc, read, W_enc)
        entries = pick(pre)
        return entries, pre[entries.row, entries.column]

    return choose


def above(level: Tensor | float) -> Choose:
    """All pre-activations above a level `[columns]`, and where these are many, the others too."""

    def choose(read: Tensor, W_enc: Tensor, b_enc: Tensor) -> tuple[Places, Tensor]:
        pre = torch.addmm(b_enc, read, W_enc)
        if _many(_some(pre) > level):
            return Everything(*pre.shape), pre
        return _entries(pre, pre > level)

    return choose


def sparse_or_all(values: Tensor, mask: Tensor) -> tuple[Places, Tensor]:
    """The places of a mask and their values; everything where they are many, by a share of the rows."""
    return (Everything(*mask.shape), values) if _many(_some(mask)) else _entries(values, mask)


def _some(matrix: Tensor) -> Tensor:
    return matrix[: -(-len(matrix) // _SOME)]


def _many(mask: Tensor) -> bool:
    return int(torch.count_nonzero(mask)) > _DENSE * mask.numel()


def _entries(values: Tensor, mask: Tensor) -> tuple[Entries, Tensor]:
    index = mask.flatten().nonzero()[:, 0]
    return Entries.of_flat(index, *mask.shape), values.flatten()[index]


def best_of_rows(pre: Tensor, k: int) -> Entries:
    """The k greatest of every row."""
    return Entries.of_rows(pre.topk(k, dim=1, sorted=False).indices, pre.shape[1])


def best_of_all(pre: Tensor, count: int) -> Entries:
    """The `count` greatest positive ones of the whole matrix."""
    index = pre.flatten().topk(min(count, pre.numel()), sorted=False).indices
    return Entries.of_flat(index[pre.flatten()[index] > 0].sort().values, *pre.shape)


def best_of_columns(pre: Tensor, budgets: Tensor) -> Entries:
    """Of every column its `budgets` `[columns]` greatest positive ones."""
    most = min(int(budgets.max()), len(pre))
    values, rows = pre.topk(most, dim=0)
    kept = (torch.arange(most, device=pre.device)[:, None] < budgets) & (values > 0)
    columns = torch.arange(pre.shape[1], device=pre.device).expand_as(rows)
    return Entries.of_flat((rows[kept] * pre.shape[1] + columns[kept]).sort().values, *pre.shape)
