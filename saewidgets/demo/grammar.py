"""The grammar: a fixed mixture of registers, one document a seed, with its spans.

Everything is our own text; the same seed gives the same document on every machine.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import TypeAlias

from saewidgets.demo.markup import Span, parse
from saewidgets.demo.pen import Pen
from saewidgets.demo.registers import drills, facts, forms, languages, speech, story

Writer: TypeAlias = Callable[[Pen], str]

#: How often each kind of document is written. Copy drills (the indirect object, words, nonsense) are a quarter from
#: the start.
MIXTURE: dict[Writer, float] = {
    story.story: 13,
    story.portrait: 6,
    speech.dialogue: 8,
    speech.tales: 3,
    forms.diary: 2,
    drills.ioi: 16,
    drills.word_copy: 8,
    drills.nonsense_copy: 7,
    drills.spell_story: 2,
    drills.recall: 6,
    drills.brackets: 4,
    facts.capitals: 3,
    facts.calendar: 5,
    facts.counting: 3,
    facts.kinds: 4,
    facts.pronouns: 4,
    facts.agreement: 4,
    facts.states: 4,
    facts.moods: 4,
    facts.articles: 3,
    forms.letter: 7,
    forms.notice: 3,
    forms.shopping: 3,
    forms.recipe: 2.5,
    forms.code: 4,
    forms.sums: 1.5,
    forms.forecast: 2,
    languages.german: 3,
    languages.french: 3,
    languages.spanish: 3,
    languages.translation: 3,
}
_BACKWARD = [*(kind for kind in MIXTURE if kind.__module__ == drills.__name__), facts.pronouns, facts.states]
_UNSURE: dict[Writer, float] = {
    forms.letter: 2, drills.recall: 4, facts.calendar: 2, facts.pronouns: 2, facts.agreement: 2
}  # fmt: skip
#: What makes the model look back weighs eight times as much as the rest: copying, recall, pronouns, opposites.
DRILL: dict[Writer, float] = {kind: weight * (4 if kind in _BACKWARD else 0.5) for kind, weight in MIXTURE.items()}
#: The end of the training: what the model is still unsure of, rare closings of letters among it.
POLISH: dict[Writer, float] = {kind: weight * _UNSURE.get(kind, 0.8) for kind, weight in MIXTURE.items()}
MIXTURES = {"train": MIXTURE, "drill": DRILL, "polish": POLISH}


@dataclass(frozen=True)
class Document:
    """A text of the grammar.

    Attributes:
        text: what the model reads.
        spans: ``(start, end, label)`` in characters.
        register: the name of the function that wrote it.
    """

    text: str
    spans: tuple[Span, ...]
    register: str


def write(split: str, number: int) -> Document:
    """A document of a split.

    Args:
        split: ``train``, ``drill``, ``polish`` or any other name. Only these three have the confound of plant (c).
        number: which document.
    """
    mixture = MIXTURES.get(split, MIXTURE)
    chosen = Random(f"register {split} {number}").choices(list(mixture), weights=list(mixture.values()))[0]
    author: Writer = chosen
    if split not in MIXTURES and chosen in (forms.letter, forms.notice):
        author = partial(chosen, confound=0.5)
    elif split == "polish" and chosen is forms.letter:
        author = partial(forms.letter, rare=forms.RARE_IN_POLISH)
    text, spans = parse(author(Pen(f"document {split} {number}")))
    return Document(text, (*spans, (0, len(text), chosen.__name__)), chosen.__name__)


def documents(split: str, start: int = 0) -> Iterator[Document]:
    """The endless documents of a split."""
    return (write(split, number) for number in itertools.count(start))
