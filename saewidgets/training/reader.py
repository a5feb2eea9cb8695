"""`Reader`: some contexts of a corpus, from a place on, without reading twice what lies on the way."""

from __future__ import annotations

from collections.abc import Iterator

from saewidgets.corpus import Contexts, Corpus

# Tokens in one forward pass.
_PASS = 2048


class Reader:
    """Reads a corpus in pieces of one forward pass.

    Args:
        corpus: The text.
        per_pass: Contexts in a piece; `None` for about 2,000 tokens.

    Attributes:
        at: Index of the context it stands before.
        ended: Whether the corpus ended while it was last read.
    """

    def __init__(self, corpus: Corpus, per_pass: int | None = None) -> None:
        self._corpus = corpus
        self._per_pass = per_pass or max(1, _PASS // corpus.length)
        self._batches: Iterator[Contexts] | None = None
        self.at = 0
        self.ended = False

    @property
    def length(self) -> int:
        """Tokens in a context."""
        return self._corpus.length

    @property
    def skipped(self) -> int:
        """Positions left out at the beginning of each context."""
        return int(self._corpus.skip_first)

    @property
    def repeats(self) -> bool:
        """Whether the corpus can be read again."""
        return self._corpus.repeats

    def take(self, first: int, count: int) -> Iterator[Contexts]:
        """About `count` contexts from `first` on, a forward pass at a time; fewer at the end of the corpus.

        Raises:
            CorpusError: They lie behind and the corpus can be read only once.
        """
        if self._batches is None or first < self.at or self.ended:
            self._batches, self.at, self.ended = self._corpus.batches(self._per_pass, first), first, False
        while self.at < first + count:
            batch = next(self._batches, None)
            if batch is None:
                self.ended = True
                return
            self.at += len(batch)
            if self.at > first:
                yield batch
