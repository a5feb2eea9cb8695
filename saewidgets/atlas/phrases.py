"""Where a phrase stands in the texts of an atlas, and which examples lie beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from saewidgets.atlas.keys import Array

if TYPE_CHECKING:
    from saewidgets.atlas.atlas import Atlas


@dataclass(frozen=True, eq=False)
class Occurrences:
    """Places of one phrase, in the order of the corpus.

    Args:
        context: `[n]` int64.
        first, last: `[n]` int64, tokens it begins and ends in.
        length: Tokens of a context.
    """

    context: Array
    first: Array
    last: Array
    length: int

    def beside(self, context: Array, position: Array, reach: int = 0) -> Array:
        """`[m]` whether an occurrence lies within `reach` tokens of each place.

        Args:
            context: `[m]` contexts of the places.
            position: `[m]` tokens in them.
            reach: 0 for places inside the phrase.
        """
        if not len(self.context):
            return np.zeros(len(context), bool)
        # Of one phrase the last tokens rise with the first ones: the latest that begins early enough reaches furthest.
        starts = self.context * self.length + self.first
        ends = np.minimum(position.astype(np.int64) + reach, self.length - 1)
        at = np.searchsorted(starts, context.astype(np.int64) * self.length + ends, "right") - 1
        found = np.maximum(at, 0)
        result: Array = (at >= 0) & (self.context[found] == context) & (self.last[found] + reach >= position)
        return result


class Phrases:
    """Looks for phrases in the texts of an atlas; capitals do not count.

    Args:
        atlas: The atlas.
    """

    def __init__(self, atlas: Atlas) -> None:
        self._atlas = atlas
        self._known: dict[str, Occurrences] = {}

    @cached_property
    def tokens(self) -> Array:
        """`[vocabulary]` tokens in lower case."""
        vocabulary = self._atlas.vocabulary
        return np.array([token.lower() for token in vocabulary.strings(range(len(vocabulary)))] or [""], object)

    def beginning(self, word: str) -> Array:
        """`[vocabulary]` whether each token begins with a word, spaces aside."""
        word = word.strip().lower()
        return np.array([bool(word) and token.strip().startswith(word) for token in self.tokens], bool)

    def find(self, phrase: str, check: Callable[[], None] = lambda: None) -> Occurrences:
        """Every place of a phrase.

        Args:
            phrase: Any text; an empty one is nowhere.
            check: Called once a context; what it raises ends the search.
        """
        phrase = phrase.strip().lower()
        if phrase not in self._known:
            rows = list(self._places(phrase, check)) if phrase else []
            found = np.array(rows, np.int64).reshape(-1, 3)
            if len(self._known) >= 32:
                self._known.pop(next(iter(self._known)))
            self._known[phrase] = Occurrences(found[:, 0], found[:, 1], found[:, 2], self._atlas.manifest.length)
        return self._known[phrase]

    def _places(self, phrase: str, check: Callable[[], None]) -> list[tuple[int, int, int]]:
        tokens, found = self.tokens, []
        for begin, ids in self._atlas.contexts():
            for row, line in enumerate(tokens[np.clip(ids, 0, len(tokens) - 1)].tolist()):
                check()
                text = "".join(line)
                at = text.find(phrase)
                if at < 0:
                    continue
                ends = np.cumsum([len(token) for token in line])
                while at >= 0:
                    first, last = np.searchsorted(ends, (at, at + len(phrase) - 1), "right").tolist()
                    found.append((begin + row, first, last))
                    at = text.find(phrase, at + 1)
        return found
