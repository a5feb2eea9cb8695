"""`Corpus`: text in any of its usual forms as rows of token ids of one length.

Documents are joined, parted by the separator, and cut into contexts, each beginning with BOS, as language models are
trained. Training, evaluation and the atlas all read text through here, so they mean the same by "the n-th context".
Nothing here imports torch.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from saewidgets.errors import CorpusError, shorten

Ids: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"
Mask: TypeAlias = "np.ndarray[Any, np.dtype[np.bool_]]"

# Texts handed to the tokenizer at a time: it works on them in parallel.
_TEXTS = 256
_SUFFIXES = (".txt", ".jsonl", ".parquet")


@dataclass(frozen=True, eq=False)
class Contexts:
    """Some consecutive contexts of a corpus.

    Args:
        first: Index of the first one in the corpus.
        ids: `[n, length]` token ids.
        documents: `[n, length]` index of the document each token is of; a separator belongs to the one it ends, BOS
            and padding to none (-1).
        mask: `[n, length]`: False for padding, and for position 0 if the corpus leaves it out.
    """

    first: int
    ids: Ids
    documents: Ids
    mask: Mask

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def n_tokens(self) -> int:
        """Tokens that count: where `mask` is True."""
        return int(self.mask.sum())


class Corpus:
    """Text packed into contexts of one length, read again from the start as often as wanted.

    Args:
        source: An iterable of strings; token ids `[n, length]` (taken as they are, a row a document); a path to a
            `.txt` (a line a document), `.jsonl` or `.parquet` file; or a `datasets` dataset.
        tokenizer: A Hugging Face tokenizer; not needed for token ids.
        length: Tokens in a context; that of the rows for token ids.
        bos: Id each context begins with, `None` for none. "auto": the tokenizer's, if it has one.
        separator: Id between documents. "auto": the tokenizer's end of sequence, if it has one.
        column: Column of a table, or key of a `.jsonl` line, that holds the text (or a list of token ids).
        skip_first: Leave position 0 out of `mask`: its activations are unlike all others in most models.

    Raises:
        CorpusError: The source is none of these, or holds nothing.

    Example:
        >>> corpus = Corpus(np.arange(12).reshape(3, 4))
        >>> [len(batch) for batch in corpus.batches(2)], next(corpus.batches(2)).mask[0].tolist()
        ([2, 1], [False, True, True, True])
    """

    def __init__(
        self,
        source: Any,
        tokenizer: Any = None,
        length: int = 128,
        *,
        bos: int | str | None = "auto",
        separator: int | str | None = "auto",
        column: str = "text",
        skip_first: bool = True,
    ) -> None:
        self.skip_first = skip_first
        self._rows = _as_rows(source)
        self._repeats, self._begun = not isinstance(source, Iterator), False
        if self._rows is not None:
            self.length = int(self._rows.shape[1])
            return
        self.length = length
        self._bos = _special(bos, tokenizer, "bos_token_id")
        self._separator = _special(separator, tokenizer, "eos_token_id")
        if length < 2:
            raise CorpusError(f"Contexts of {shorten(length)} tokens.", "A context has at least 2.")
        self._documents = _documents(source, column)
        self._size = len(source) if isinstance(source, Sized) and not isinstance(source, str) else None
        self._tokenizer = tokenizer

    @classmethod
    def of(cls, source: Any, tokenizer: Any = None, length: int = 128, **options: Any) -> Corpus:
        """`source` itself if it is a corpus, otherwise a corpus of it (arguments as of the class)."""
        return source if isinstance(source, Corpus) else cls(source, tokenizer, length, **options)

    @property
    def repeats(self) -> bool:
        """Whether it can be read more than once: not where the source is an iterator."""
        return self._repeats

    def n_contexts(self) -> int | None:
        """Contexts in it: exactly for token ids, from its first documents for a list; `None` for what must be read.

        Example:
            >>> Corpus(np.arange(12).reshape(3, 4)).n_contexts()
            3
        """
        if self._rows is not None:
            return len(self._rows)
        if self._size is None or not self._repeats:
            return None
        lengths = [len(tokens) for tokens in itertools.islice(self._tokenized(), _TEXTS)]
        ends = len(lengths) * (self._separator is not None)
        room = self.length - (self._bos is not None)
        return math.ceil((sum(lengths) + ends) / max(len(lengths), 1) * self._size / room)

    def batches(self, size: int, start: int = 0) -> Iterator[Contexts]:
        """The contexts in order, `size` at a time (the last batch may hold fewer).

        Args:
            size: Contexts in a batch.
            start: Index of the first context wanted.

        Yields:
            Batches. Text is read while they are taken; nothing is kept.

        Raises:
            CorpusError: The source cannot be read, or there is no context at all.
        """
        if self._begun and not self._repeats:
            raise CorpusError("An iterator can be read only once.", "Pass a list, a file or a dataset.")
        self._begun = True
        rows = self._given() if self._rows is not None else self._packed()
        rows = itertools.islice(rows, start, None)
        found = start > 0
        for first in itertools.count(start, size):
            batch = list(itertools.islice(rows, size))
            if not batch:
                break
            found = True
            ids, documents = (np.stack([row[side] for row in batch]) for side in (0, 1))
            mask = documents >= 0
            mask[:, 0] = not self.skip_first
            yield Contexts(first, ids, documents, mask)
        if not found:
            raise CorpusError("The corpus holds no text.", "Check the path and the column.")

    def _given(self) -> Iterator[tuple[Ids, Ids]]:
        assert self._rows is not None
        for index, row in enumerate(self._rows):
            yield row.astype(np.int64), np.full(self.length, index)

    def _packed(self) -> Iterator[tuple[Ids, Ids]]:
        """Rows of ids and of document indices; the last is padded with the separator."""
        first = [] if self._bos is None else [self._bos]
        room = self.length - len(first)
        ids: list[int] = []
        owners: list[int] = []
        for index, tokens in enumerate(self._tokenized()):
            ids += [*tokens, *([] if self._separator is None else [self._separator])]
            owners += [index] * (len(ids) - len(owners))
            whole = len(ids) // room * room
            for at in range(0, whole, room):
                yield _row(first, ids[at : at + room], owners[at : at + room])
            ids, owners = ids[whole:], owners[whole:]
        if ids:
            blank = room - len(ids)
            filler = 0 if self._separator is None else self._separator
            yield _row(first, ids + [filler] * blank, owners + [-1] * blank)

    def _tokenized(self) -> Iterator[Sequence[int]]:
        documents = iter(self._documents())
        while some := list(itertools.islice(documents, _TEXTS)):
            texts = [text for text in some if isinstance(text, str)]
            if texts and self._tokenizer is None:
                raise CorpusError("Text needs a tokenizer.", "Pass tokenizer=, or token ids [n, length].")
            # Not verbose: a text longer than the model's context is cut by us, and no cause for a warning.
            found = self._tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"] if texts else []
            encoded = iter(found)
            for document in some:
                yield next(encoded) if isinstance(document, str) else [int(i) for i in document]

    def __repr__(self) -> str:
        return f"Corpus(contexts of {self.length} tokens)"


def _special(given: int | str | None, tokenizer: Any, name: str) -> int | None:
    found = getattr(tokenizer, name, None) if given == "auto" else given
    if found is not None and (isinstance(found, bool) or not isinstance(found, int)):
        raise CorpusError(f"{shorten(found)} is no token id.", 'Pass an id, None, or "auto".')
    return found


def _row(first: list[int], ids: list[int], owners: list[int]) -> tuple[Ids, Ids]:
    return np.array(first + ids, np.int64), np.array([-1] * len(first) + owners, np.int64)


def _as_rows(source: Any) -> Ids | None:
    """Token ids `[n, length]`, or `None` if the source is something else."""
    if not hasattr(source, "shape") or not hasattr(source, "dtype"):
        nested = isinstance(source, (list, tuple)) and source and isinstance(source[0], (list, tuple))
        if not (nested and source[0] and isinstance(source[0][0], int)) or len({len(row) for row in source}) > 1:
            return None
    rows = np.asarray(source)
    if rows.ndim != 2 or rows.dtype.kind not in "iu" or 0 in rows.shape:
        raise CorpusError(
            f"An array of {rows.dtype} {shorten(rows.shape)} is no corpus.", "Pass token ids [n, length], integers."
        )
    return rows


def _documents(source: Any, column: str) -> Callable[[], Iterator[str | Sequence[int]]]:
    """A function that starts reading from the beginning each time."""
    if isinstance(source, (str, Path)):
        return _file(Path(source), column)
    if not isinstance(source, Iterable):
        raise CorpusError(
            f"{shorten(source)} is no corpus.", "Pass strings, token ids [n, length], a file, or a dataset."
        )
    return lambda: (_text(item, column, f"item {index}") for index, item in enumerate(source))


def _text(item: Any, column: str, where: str) -> str | Sequence[int]:
    if isinstance(item, Mapping):
        if column not in item:
            raise CorpusError(
                f"{where} has no {shorten(column)}, but {shorten(', '.join(map(str, item)))}.", "Name it with column=."
            )
        item = item[column]
    if isinstance(item, str):
        # Lone surrogates, which no encoding can write, become U+FFFD.
        return item.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(item, (list, tuple, np.ndarray)) and all(isinstance(i, (int, np.integer)) for i in item):
        return item  # type: ignore[return-value]
    raise CorpusError(f"{where} is {shorten(item)}.", "Every document is a text or a list of token ids.")


def _file(path: Path, column: str) -> Callable[[], Iterator[str | Sequence[int]]]:
    if path.suffix not in _SUFFIXES or not path.is_file():
        what = (
            f"There is no file {shorten(str(path))}." if not path.is_file() else f"{shorten(path.name)} is no corpus."
        )
        raise CorpusError(what, f"Name a file that ends in {', '.join(_SUFFIXES)}, or pass a list of strings.")
    return {".txt": lambda: _lines(path), ".jsonl": lambda: _jsonl(path, column)}.get(
        path.suffix, lambda: _parquet(path, column)
    )


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", errors="replace") as file:
        yield from (line.rstrip("\r\n") for line in file if line.strip())


def _jsonl(path: Path, column: str) -> Iterator[str | Sequence[int]]:
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                item = json.loads(line)
            except (ValueError, RecursionError):
                raise CorpusError(
                    f"Line {number} of {shorten(path.name)} is no JSON.", "A line holds one object."
                ) from None
            yield _text(item, column, f"Line {number} of {shorten(path.name)}")


def _parquet(path: Path, column: str) -> Iterator[str | Sequence[int]]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise CorpusError("Reading .parquet needs pyarrow.", "pip install pyarrow") from None
    try:
        file = ParquetFile(path)
    except (ArrowException, OSError) as error:
        raise CorpusError(f"{shorten(path.name)} is no Parquet file ({shorten(error)}).") from None
    with file:
        names = file.schema_arrow.names
        if column not in names:
            raise CorpusError(
                f"{shorten(path.name)} has no column {shorten(column)}, but {shorten(', '.join(names))}.",
                "Name it with column=.",
            )
        for batch in file.iter_batches(_TEXTS, columns=[column]):
            for index, item in enumerate(batch.column(0).to_pylist()):
                yield _text(item, column, f"Row {index} of {shorten(path.name)}")
