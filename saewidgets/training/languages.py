"""Formal languages with exact labels (Menon et al. 2410.11767): Dyck-2, arithmetic expressions, a small grammar.

A dictionary of a model trained on such a language can be held against the truth: what each token is, and how deep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from saewidgets.errors import CorpusError, shorten

_PAIRS = (("(", ")"), ("[", "]"))
# An English context-free grammar with probabilities: (weight, right side); words are in lower case.
_GRAMMAR: dict[str, tuple[tuple[float, tuple[str, ...]], ...]] = {
    "S": ((1.0, ("NP", "VP")),),
    "NP": ((0.5, ("DET", "NOUN")), (0.3, ("DET", "ADJ", "NOUN")), (0.2, ("NP", "PP"))),
    "VP": ((0.4, ("VERB", "NP")), (0.3, ("VERB",)), (0.3, ("VERB", "PP"))),
    "PP": ((1.0, ("PREP", "NP")),),
}
_WORDS = {
    "DET": ("the", "a", "this", "every"),
    "NOUN": ("boat", "fox", "key", "river", "teacher", "garden"),
    "ADJ": ("red", "old", "quiet", "small"),
    "VERB": ("sees", "finds", "takes", "follows"),
    "PREP": ("near", "with", "behind", "under"),
}
_DEEPEST = 12


@dataclass(frozen=True)
class Sentence:
    """A sentence of a formal language.

    Args:
        tokens: Its symbols.
        kinds: What each is: a bracket's type and side, "number", "operator", a part of speech.
        depths: How many constructs are open at each.
    """

    tokens: tuple[str, ...]
    kinds: tuple[str, ...]
    depths: tuple[int, ...]

    @property
    def text(self) -> str:
        """The symbols, parted by spaces."""
        return " ".join(self.tokens)


Marked = list[tuple[str, str, int]]


def sentences(language: str, count: int, seed: int = 0, longest: int = 64) -> Iterator[Sentence]:
    """Sentences of a language.

    Args:
        language: `"dyck"`, `"expr"` or `"english"`.
        count: How many.
        seed: The same seed gives the same sentences.
        longest: Symbols at most.

    Yields:
        Sentences.

    Raises:
        CorpusError: No such language.

    Example:
        >>> first = next(sentences("dyck", 1, seed=3))
        >>> first.depths[0], first.depths[-1], len(first.tokens) == len(first.kinds)
        (1, 1, True)
    """
    if language not in LANGUAGES:
        raise CorpusError(f"No language {shorten(language)}.", f"There are {', '.join(LANGUAGES)}.")
    random = Random(f"{language} {seed}")
    while count > 0:
        marked = LANGUAGES[language](random)
        if len(marked) <= longest:
            count -= 1
            yield Sentence(*(tuple(column) for column in zip(*marked, strict=True)))


def _dyck(random: Random) -> Marked:
    """Balanced brackets of two types; the depth of a bracket counts itself."""
    marked: Marked = []
    opened: list[int] = []
    while not marked or opened:
        if not opened or (random.random() < 0.48 and len(opened) < _DEEPEST):
            opened.append(random.randrange(2))
            side, depth = 0, len(opened)
            kind = opened[-1]
        else:
            side, depth = 1, len(opened)
            kind = opened.pop()
        name = ("round", "square")[kind] + (" open", " close")[side]
        marked.append((_PAIRS[kind][side], name, depth))
    return marked


def _expr(random: Random, depth: int = 0) -> Marked:
    """Prefix expressions: an operator and its operands, or a digit."""
    if depth and (random.random() < 0.55 or depth >= _DEEPEST):
        return [(str(random.randrange(10)), "number", depth)]
    operator, operands = random.choice((("neg", 1), ("add", 2), ("mul", 2), ("if", 3)))
    marked: Marked = [(operator, f"operator of {operands}", depth)]
    for _ in range(operands):
        marked += _expr(random, depth + 1)
    return marked


def _english(random: Random, symbol: str = "S", depth: int = 0) -> Marked:
    """Sentences of a context-free grammar; the depth is that of the parse tree."""
    if symbol in _WORDS:
        return [(random.choice(_WORDS[symbol]), symbol.lower(), depth)]
    rules = _GRAMMAR[symbol] if depth < _DEEPEST else _GRAMMAR[symbol][:1]
    chosen = random.choices([right for _, right in rules], [weight for weight, _ in rules])[0]
    return [token for part in chosen for token in _english(random, part, depth + 1)]


LANGUAGES: dict[str, Callable[[Random], Marked]] = {"dyck": _dyck, "expr": _expr, "english": _english}
