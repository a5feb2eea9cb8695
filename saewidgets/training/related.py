"""Text of a sub-domain for a specialised dictionary (Muhamed et al. 2411.00743): documents like a few examples.

Fine-tune on it with `train_dictionary(..., start=general, tilt=...)`.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from saewidgets.errors import CorpusError

_WORD = re.compile(r"\w+")
# Usual constants of BM25: how soon repetition stops counting, and how much length is held against a document.
_K1, _B = 1.5, 0.75


def related(documents: Iterable[str], examples: Sequence[str], count: int) -> list[str]:
    """The documents most like some examples, by BM25 (Robertson and Zaragoza 2009).

    Args:
        documents: The collection; held in memory.
        examples: Texts of the sub-domain.
        count: How many to return.

    Returns:
        Documents that share a word with the examples, the best first.

    Raises:
        CorpusError: No example, or none of them has a word.

    Example:
        >>> related(["the red boat", "a green tree", "boats and a boat on a lake"], ["boat", "lake"], 1)
        ['boats and a boat on a lake']
    """
    query = Counter(word for text in examples for word in _words(text))
    if not query:
        raise CorpusError("The examples hold no word.", "Pass some texts of the sub-domain.")
    texts = list(documents)
    counts = [Counter(_words(text)) for text in texts]
    lengths = [sum(found.values()) for found in counts]
    mean = sum(lengths) / max(1, len(lengths)) or 1.0
    holders = Counter(word for found in counts for word in found.keys() & query.keys())
    rarity = {word: math.log(1 + (len(texts) - n + 0.5) / (n + 0.5)) for word, n in holders.items()}

    def score(index: int) -> float:
        found, penalty = counts[index], _K1 * (1 - _B + _B * lengths[index] / mean)
        return sum(
            query[word] * rarity[word] * found[word] * (_K1 + 1) / (found[word] + penalty)
            for word in sorted(found.keys() & query.keys())
        )

    scores = [score(index) for index in range(len(texts))]
    best = sorted((index for index in range(len(texts)) if scores[index] > 0), key=lambda i: (-scores[i], i))
    return [texts[index] for index in best[:count]]


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
