"""Who says whether a label fits a text: any callable `(label, text) -> bool or score`; here one that needs no model."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TypeAlias

from saewidgets.errors import LabelError, shorten

Judge: TypeAlias = Callable[[str, str], "bool | float"]
"""Gets a label's text and a text, in which tokens may stand between << and >>; from 0.5 on it says yes."""

_WORD = re.compile(r"\w+")
_QUOTED = re.compile(r'"([^"]*)"')
_MARKED = re.compile(r"<<(.*?)>>", re.DOTALL)
_EMPTY = frozenset(
    "a an and or of the in on at to for with by from as is are be that this it its text texts word words token tokens"
    " inside about which when where".split()
)


def word_judge(label: str, text: str) -> bool:
    """Whether a word of the label stands in the text, or between the marks if there are any.

    Words in quotation marks are looked for as they are, without regard to case; other words of the label by their stem
    (months, month). Weak on labels that describe, exact on labels that list tokens, as `common_tokens` writes them.

    Example:
        >>> word_judge("months", "in a <<month>> or two"), word_judge('"May"', "in <<June>>, not in May")
        (True, False)
    """
    where = " ".join(_MARKED.findall(text)) if "<<" in text else text
    quoted = [w.casefold() for part in _QUOTED.findall(label) for w in _WORD.findall(part)]
    there = [w.casefold() for w in _WORD.findall(where)]
    if quoted:
        return not set(quoted).isdisjoint(there)
    wanted = {_stem(w) for w in map(str.casefold, _WORD.findall(label)) if w not in _EMPTY}
    return not wanted.isdisjoint(map(_stem, there))


def _stem(word: str) -> str:
    for end in ("ing", "ies", "es", "ed", "s"):
        if word.endswith(end) and len(word) > len(end) + 2:
            return word[: -len(end)]
    return word


def ask(judge: Judge, label: str, text: str) -> float:
    """A judge's answer as a score from 0 to 1.

    Raises:
        LabelError: It is something else.
    """
    answer = judge(label, text)
    # numpy's booleans and tensors of one number count as well.
    value = getattr(answer, "item", lambda: answer)()
    if not isinstance(value, bool | int | float) or not math.isfinite(value) or not 0 <= value <= 1:
        raise LabelError(f"The judge answered {shorten(answer)}.", "Return a bool, or a score from 0 to 1.")
    return float(value)
