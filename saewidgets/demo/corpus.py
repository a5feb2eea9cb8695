"""Documents as rows of token ids: ``<|start|>`` first, documents parted by ``<|end|>``."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from transformers import PreTrainedTokenizerFast

from saewidgets.demo.grammar import Document, documents
from saewidgets.demo.labels import token_labels


def encode(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> list[list[int]]:
    """Token ids of every text, without special tokens."""
    encodings = tokenizer.backend_tokenizer.encode_batch(texts, add_special_tokens=False)
    return [encoding.ids for encoding in encodings]


def training_rows(
    tokenizer: PreTrainedTokenizerFast, split: str, count: int, length: int, chunk: int = 5000
) -> np.ndarray:
    """The first `count` rows of a split, each ``<|start|>`` and then `length` - 1 tokens of the endless stream.

    Returns:
        uint16 ``[count, length]``.
    """
    rows = np.empty((count, length), np.uint16)
    rows[:, 0] = tokenizer.bos_token_id
    stream: Iterator[Document] = documents(split)
    buffer: list[int] = []
    filled = 0
    while filled < count:
        for ids in encode(tokenizer, [document.text for document in itertools.islice(stream, chunk)]):
            buffer += [*ids, tokenizer.eos_token_id]
        take = min(len(buffer) // (length - 1), count - filled)
        rows[filled : filled + take, 1:] = np.array(buffer[: take * (length - 1)], np.uint16).reshape(take, length - 1)
        filled, buffer = filled + take, buffer[take * (length - 1) :]
    return rows


def labelled_rows(
    tokenizer: PreTrainedTokenizerFast, split: str, count: int, length: int
) -> tuple[np.ndarray, list[list[frozenset[str]]]]:
    """Rows of a split that is not ``train``, with the labels of every token.

    A row holds whole documents and is padded with END.

    Returns:
        Token ids ``[count, length]`` and, for each, the set of its labels (empty for the special tokens).
    """
    rows = np.full((count, length), tokenizer.eos_token_id, np.int64)
    labels: list[list[frozenset[str]]] = []
    stream = documents(split)
    waiting: tuple[list[int], list[frozenset[str]]] | None = None
    for row in rows:
        row[0] = tokenizer.bos_token_id
        names: list[frozenset[str]] = [frozenset()]
        while True:
            ids, marks = waiting or token_labels(tokenizer, next(stream))
            if len(names) + len(ids) > length:
                waiting = (ids, marks) if len(ids) < length - 1 else None
                break
            waiting = None
            row[len(names) : len(names) + len(ids)] = ids
            names += [*marks, frozenset()]
        labels.append((names + [frozenset()] * length)[:length])
    return rows, labels
