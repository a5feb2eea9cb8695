"""Copy drills: the indirect object, words, nonsense words and objects to recall. The second half of a copy carries ``copy``."""

from __future__ import annotations

from saewidgets.demo.lexicon import CLASSES, GROUPS
from saewidgets.demo.markup import mark
from saewidgets.demo.pen import Pen, held_out, upper, word

IOI_FRAMES = [
    "When {a} and {b} {came} to the {place}, {s} {gave} the {thing} to",
    "{a} and {b} {came} to the {place}. {s} {gave} the {thing} to",
    "After {a} and {b} had been at the {place}, {s} {gave} {a_thing} to",
    "Then {a} and {b} {came} to the {place}, and {s} {gave} the {thing} to",
    "On {weekday}, {a} and {b} met at the {place}. {s} {gave} the {thing} to",
    "While {a} and {b} were in the {room}, {s} {gave} {a_thing} to",
]
CAME, GAVE = ["went", "came", "walked"], ["gave", "handed", "passed", "brought"]
DRILL_CLASSES = [*GROUPS["object"], *GROUPS["creature"], "food", "furniture", "place", "vehicle"]
DRILL_WORDS = sorted({noun for concept in DRILL_CLASSES for noun in CLASSES[concept]})
_WORD_CLASS = {noun: concept for concept in CLASSES for noun in CLASSES[concept]}
ONSETS, VOWELS = "b d f g k l m n p r s t v z".split(), "a e i o u".split()
SYLLABLES = [onset + vowel for onset in ONSETS for vowel in VOWELS]


def thing(pen: Pen) -> tuple[str, str]:
    """An object with an adjective or without, with *the* left out and with *a* put before it."""
    text = pen.fill(pen.one("{object}", "{colour} {object}", "{size} {object}", "{material} {object}"))
    return text, pen.fill("{a x}", x=text)


def ioi_sentence(pen: Pen, a: object, b: object, subject: object) -> str:
    """One sentence in which the receiver is the one of the two who is not the subject; the receiver is left out."""
    plain_thing, a_thing = thing(pen)
    bound = {
        "came": mark("verb", pen.one(*CAME)),
        "gave": mark("verb", pen.one(*GAVE)),
        "thing": plain_thing,
        "a_thing": a_thing,
    }
    return pen.fill(pen.one(*IOI_FRAMES), a=a, b=b, s=subject, **bound)


def ioi(pen: Pen) -> str:
    """One to three indirect-object sentences; no held-out pair of names meets."""
    parts = []
    for _ in range(pen.random.randint(1, 3)):
        a, b = pen.people(2)
        subject, receiver = (a, b) if pen.chance(0.5) else (b, a)
        parts.append(ioi_sentence(pen, a, b, subject) + " " + mark("copy", str(receiver)) + ".")
        if pen.chance(0.4):
            parts.append(
                pen.fill(
                    pen.one(
                        "{r} thanked {s}.",
                        "{r} was {happy}.",
                        "So {r} had the gift, and {s} was {feeling}.",
                        "{r} smiled at {s}.",
                    ),
                    r=receiver,
                    s=subject,
                )
            )
    return " ".join(parts)


def word_sequence(pen: Pen, count: int) -> list[str]:
    """Different words of which no two neighbours are a held-out bigram."""
    chosen: list[str] = []
    while len(chosen) < count:
        noun = pen.random.choice(DRILL_WORDS)
        if noun not in chosen and not (chosen and held_out("bigram", chosen[-1], noun)):
            chosen.append(noun)
    return chosen


def nonsense_word(pen: Pen, kept: bool = False) -> str:
    """A word of two or three syllables; `kept` asks for one of the held-out words, which training never shows."""
    while True:
        made = "".join(pen.random.choice(SYLLABLES) for _ in range(pen.one(2, 2, 3)))
        if held_out("nonsense", made) == kept:
            return made


def repeated(pen: Pen, words: list[str], lead: str, joint: str) -> str:
    """A sequence twice, the second time under the label ``copy``, started at a random place now and then."""
    start = pen.random.randrange(len(words) - 2) if pen.chance(0.5) else 0
    again = words[start:]
    text = lead + joint.join(words)
    for _ in range(pen.one(1, 1, 2)):
        text += joint + mark("copy", joint.join(again))
    return mark("drill", text)


def word_copy(pen: Pen) -> str:
    """A list of words said again in the same order."""
    words = [word(_WORD_CLASS[noun], noun) for noun in word_sequence(pen, pen.random.randint(4, 12))]
    return repeated(pen, words, pen.one("Words: ", "Again: ", "Say "), pen.one(" ", " ", ", ")) + "."


def nonsense_copy(pen: Pen) -> str:
    """A list of nonsense words said again."""
    words = [mark("nonsense", nonsense_word(pen)) for _ in range(pen.random.randint(3, 8))]
    return repeated(pen, words, pen.one("Song: ", "Again: ", "Spell "), pen.one(" ", " ", ", ")) + "."


def spell_story(pen: Pen) -> str:
    """A nonsense word with a meaning, used again."""
    a, b = pen.people(2)
    made = mark("nonsense", nonsense_word(pen))
    again = mark("copy,nonsense", made)
    return upper(pen.fill(pen.one(
        "{a} had {a animal} called {m}. Every day {a.she} called {r}, and {b} called {r} too.",
        "In the land of {m} there was {a place}. {a} loved the land of {r}. {b} came to the land of {r} in {month}.",
        "The word of the day is {m}. Say {r}. {a} said {r}, and {b} said {r}.",
    ), a=a, b=b, m=made, r=again))  # fmt: skip


def recall(pen: Pen) -> str:
    """Things put into different places and found there again."""
    a, b = pen.people(2)
    (first, one), (second, two) = (pen.raw("object") for _ in range(2))
    kept, other = pen.some(CLASSES["container"], 2, 2)
    while one == two or held_out("recall", one, kept) or held_out("recall", two, other):
        (first, one), (second, two) = (pen.raw("object") for _ in range(2))
    one, two = word(first, one), word(second, two)
    kept, other = word("container", kept), word("container", other)
    asked, answer = (kept, one) if pen.chance(0.5) else (other, two)
    start = pen.fill(pen.one("{a} put the {one} in the {kept} and the {two} in the {other}.",
                             "The {one} is in the {kept}. The {two} is in the {other}.",
                             "{a} hid the {one} in the {kept}. {b} hid the {two} in the {other}."),
                     a=a, b=b, one=one, two=two, kept=kept, other=other)  # fmt: skip
    middle = pen.one("", "", pen.fill(" {b} was {feeling}.", b=b), pen.fill(" Then there was {weather}."))
    end = pen.fill(pen.one("{b} opened the {asked} and found the {answer}.", "In the {asked} {a} found the {answer}.",
                           "Later {a} looked into the {asked} and saw the {answer}."),
                   a=a, b=b, asked=asked, answer=mark("copy", answer))  # fmt: skip
    return f"{start}{middle} {end}"


def brackets(pen: Pen) -> str:
    """Words in nested brackets of three kinds, to depth four: the closers must come in the right order."""
    kinds = ["()", "[]", "{}"]
    depth_words = {1: "animal", 2: "fruit", 3: "tool", 4: "number"}

    def group(depth: int, kind: str) -> str:
        inside = [pen(depth_words[depth]) for _ in range(pen.random.randint(1, 3))]
        if depth < 4 and pen.chance(0.75):
            inside.insert(pen.random.randint(0, len(inside)), group(depth + 1, pen.one(*kinds)))
        opener, closer = kind[0], kind[1]
        return mark(f"bracket,bracket{depth}", f"{opener} {' '.join(inside)} {closer}")

    lead = pen.one("Set: ", "Tree: ", "")
    return (
        lead + " ".join(f"{pen('colour')} {group(1, pen.one(*kinds))}" for _ in range(pen.random.randint(1, 3))) + "."
    )
