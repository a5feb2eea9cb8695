"""Texts, or rows of token ids, as batches for a forward pass; and what features do on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from saewidgets.dictionaries import Dictionary
from saewidgets.errors import CorpusError, shorten
from saewidgets.explain.chosen import Chosen

if TYPE_CHECKING:
    from saewidgets.scope import Scope

Texts: TypeAlias = Any
"""A text, several, or token ids: `[n, length]` or a list of rows of any lengths."""

# Tokens of one forward, and logits of one forward: 256 MiB.
_TOKENS, _LOGITS = 2048, 1 << 26
# Dense activations in flight: 64 MiB.
_BLOCK = 1 << 24


def as_rows(scope: Scope, contexts: Texts) -> list[tuple[int, ...]]:
    """Token ids of every context.

    Raises:
        CorpusError: There is none, or something that is neither a text nor token ids.
        PromptError: A text is empty or too long.
    """
    if isinstance(contexts, str):
        contexts = [contexts]
    if isinstance(contexts, Tensor):
        contexts = contexts.tolist()
    elif isinstance(contexts, np.ndarray):
        contexts = contexts.tolist()
    if not isinstance(contexts, Iterable):
        raise CorpusError(f"{shorten(contexts)} is no context.", "Give texts, or rows of token ids.")
    rows = [_row(scope, context) for context in contexts]
    if not rows:
        raise CorpusError("There is no context.", "Give at least one text, or one row of token ids.")
    return rows


def _row(scope: Scope, context: Any) -> tuple[int, ...]:
    if isinstance(context, str):
        return scope.model.tokenize(context)
    row = context.tolist() if isinstance(context, Tensor | np.ndarray) else context
    if not isinstance(row, Sequence) or not row or not all(isinstance(i, int | np.integer) for i in row):
        raise CorpusError(f"{shorten(context)} is no context.", "Give texts, or rows of token ids.")
    return tuple(int(i) for i in row)


def batches(rows: Sequence[Sequence[int]], vocabulary: int = 0) -> Iterator[tuple[list[int], Tensor, Tensor]]:
    """Rows of about the same length together, shorter ones filled up at the end, where a causal model never looks.

    Args:
        rows: Token ids.
        vocabulary: Size of the vocabulary if logits are wanted: they bound the batch.

    Yields:
        Indices of the rows, ids `[batch, length]`, and which of them are real `[batch, length]`.
    """
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    while order:
        longest = len(rows[order[-1]])
        size = per_forward(longest, vocabulary)
        part, order = order[-size:], order[:-size]
        ids = torch.tensor([[*rows[i], *[rows[i][-1]] * (longest - len(rows[i]))] for i in part])
        real = torch.arange(longest) < torch.tensor([len(rows[i]) for i in part])[:, None]
        yield part, ids, real


def per_forward(length: int, vocabulary: int = 0) -> int:
    """Contexts of one length in a forward pass; with the size of the vocabulary if logits are wanted."""
    size = _TOKENS // length
    return max(1, min(size, _LOGITS // (length * vocabulary)) if vocabulary else size)


def encode(dictionary: Dictionary, x: Tensor, index: Tensor) -> Tensor:
    """`[batch, tokens, n]` activations of some features of `[batch, tokens, d_in]`; all of them never exist at once."""
    x, index = x.detach().to(dictionary.device), index.to(dictionary.device)
    if dictionary.reads_context:
        return torch.cat([dictionary.encode(row)[..., index] for row in x.split(1)])
    flat = x.reshape(-1, x.shape[-1])
    parts = flat.split(max(1, _BLOCK // dictionary.d_dict))
    return torch.cat([dictionary.encode(part)[:, index] for part in parts]).reshape(*x.shape[:-1], len(index))


@torch.no_grad()
def activations(scope: Scope, chosen: Chosen, rows: Sequence[Sequence[int]]) -> Iterator[tuple[int, Tensor]]:
    """What features do on contexts, one forward pass for all of them.

    Yields:
        Index of a row and its activations `[length, n]`, in no order.
    """
    site = chosen.dictionary.site_in
    for part, ids, _ in batches(rows):
        trace = scope.model.trace(ids, [site], logits=False)
        found = encode(chosen.dictionary, trace.values[site], chosen.index).float().cpu()
        for i, values in zip(part, found, strict=True):
            yield i, values[: len(rows[i])]


@torch.no_grad()
def active_contexts(scope: Scope, key: str, rows: Sequence[Sequence[int]]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """`[d_dict]` on how many contexts each feature is active, in one pass."""
    dictionary = scope.dictionaries[key]
    counts = torch.zeros(dictionary.d_dict, dtype=torch.long)
    for part, ids, _ in batches(rows):
        values = scope.model.trace(ids, [dictionary.site_in], logits=False).values[dictionary.site_in]
        for i, x in zip(part, values, strict=True):
            counts[dictionary.encode_sparse(x[: len(rows[i])].to(dictionary.device)).index.unique()] += 1
    return counts.numpy()
