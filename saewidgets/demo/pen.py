"""The pen every document is written with: seeded choices, slot filling, and the global hold-out."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from saewidgets.demo.lexicon import CLASSES, GROUPS
from saewidgets.demo.markup import BAR, OPEN, mark, plain

T = TypeVar("T")
_SLOT = re.compile(r"\{(?:([aA]) )?([A-Za-z_]+?)(\d?)(?:\.(\w+))?\}")
_FIRST = re.compile(f"^((?:{OPEN}[^{BAR}]*{BAR})*)(.)")
_CLASS_LABELS = {name: name for name in CLASSES} | {
    name: f"{group},{name}" for group, names in GROUPS.items() for name in names
}
# Classes that are parts of another one carry its label, not one of their own.
_CLASS_LABELS |= {
    "quality": "state",
    "her_family": _CLASS_LABELS["female_role"],
    "his_family": _CLASS_LABELS["male_role"],
}
#: One combination in this many is kept out of training, everywhere.
HOLD_OUT = 8


def held_out(kind: str, *parts: object) -> bool:
    """Whether a combination belongs to the test side, the same for every drill, process and run."""
    return zlib.crc32(repr((kind, *map(str, parts))).encode()) % HOLD_OUT == 0


def word(concept: str, text: str) -> str:
    """A word with the labels of its class and of the groups its class belongs to."""
    return mark(_CLASS_LABELS[concept], text)


def article(text: str) -> str:
    """``a`` or ``an``, as the (possibly marked) text that follows asks."""
    return "an" if plain(text)[0] in "aeiouAEIOU" else "a"


def upper(text: str) -> str:
    """The (possibly marked) text with its first visible letter in upper case."""
    return _FIRST.sub(lambda match: match.group(1) + match.group(2).upper(), text, count=1)


@dataclass(frozen=True)
class Person:
    """A named person; the properties give the marked words for her or him."""

    name: str
    female: bool

    def __str__(self) -> str:
        """The marked name."""
        return word("female" if self.female else "male", self.name)

    @property
    def she(self) -> str:
        """Subject pronoun."""
        return "she" if self.female else "he"

    @property
    def She(self) -> str:
        """Subject pronoun at the start of a sentence."""
        return self.she.capitalize()

    @property
    def her(self) -> str:
        """Possessive pronoun."""
        return "her" if self.female else "his"

    @property
    def Her(self) -> str:
        """Possessive pronoun at the start of a sentence."""
        return self.her.capitalize()

    @property
    def him(self) -> str:
        """Object pronoun."""
        return "her" if self.female else "him"


ALL_NAMES = [Person(name, True) for name in CLASSES["female"]] + [Person(name, False) for name in CLASSES["male"]]


def pair_held_out(first: Person, second: Person) -> bool:
    """Whether two names never meet in training, in either order."""
    return held_out("pair", *sorted((first.name, second.name)))


class Pen:
    """Seeded choices over the lexicon.

    Attributes:
        random: the generator; two pens with the same seed write the same.
    """

    def __init__(self, seed: int | str) -> None:
        """Start a pen from a seed."""
        self.random = Random(seed)

    def one(self, *options: T) -> T:
        """One of several options."""
        return self.random.choice(options)

    def some(self, options: list[T], low: int, high: int) -> list[T]:
        """Between `low` and `high` different options, in random order."""
        return self.random.sample(options, self.random.randint(low, high))

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.random.random() < probability

    def raw(self, concept: str) -> tuple[str, str]:
        """A word of a class or group, as (class, text)."""
        name = self.random.choice(GROUPS[concept]) if concept in GROUPS else concept
        return name, self.random.choice(CLASSES[name])

    def __call__(self, concept: str) -> str:
        """A marked word of a class or group."""
        return word(*self.raw(concept))

    def people(self, count: int) -> list[Person]:
        """Different persons of whom no two are a held-out pair."""
        chosen: list[Person] = []
        while len(chosen) < count:
            person = self.random.choice(ALL_NAMES)
            if person not in chosen and not any(pair_held_out(person, other) for other in chosen):
                chosen.append(person)
        return chosen

    def fill(self, template: str, **bound: object) -> str:
        """Fill the slots of a template.

        ``{animal}`` draws a word of the class, ``{animal2}`` another one, the same slot again gives the same word;
        ``{a animal}``
        puts the article before it; ``{x.she}`` reads a property of a bound value.
        """

        def value(match: re.Match[str]) -> str:
            determiner, concept, digit, attribute = match.groups()
            slot = concept + digit
            if slot not in bound:
                used = set(map(str, bound.values()))
                drawn = self(concept)
                while drawn in used:
                    drawn = self(concept)
                bound[slot] = drawn
            text = str(getattr(bound[slot], attribute) if attribute else bound[slot])
            if determiner:
                chosen = article(text)
                text = f"{chosen.capitalize() if determiner == 'A' else chosen} {text}"
            return text

        return _SLOT.sub(value, template)
