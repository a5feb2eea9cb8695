"""Dialogue: the past tense outside the quotation marks, the present tense and the first person inside, up to depth three."""

from __future__ import annotations

from saewidgets.demo.lexicon import VERBS, plural
from saewidgets.demo.markup import mark
from saewidgets.demo.pen import Pen, Person, upper, word
from saewidgets.demo.registers.story import EVENTS, sentence

SAYINGS = [
    "I like the {colour} {object}",
    "I am {feeling} today",
    "my {object} is {quality}",
    "we want to see the {animal}",
    "I think the {object} is in the {container}",
    "you can have my {colour} {object}",
    "we are going to the {place}",
    "I always eat {food} with {food2}",
    "this {fruit} tastes {good}",
    "my {her_family} is {a profession}",
    "our {his_family} lives in {country}",
    "I know the way to the {place}",
    "the {animal} sleeps in the {room}",
    "you look {feeling}",
    "please bring me the {tool}",
    "I have {number} {objects}",
    "we play the {instrument} on {weekday}",
    "I cannot find my {clothing}",
    "you are my friend",
    "there is {weather} over the {place}",
    "let us take the {vehicle}",
    "I hear {a bird} in the {place}",
    "the {flower} smells {good}",
    "my {body} hurts",
    "I need {a tool} and {a tool2}",
    "I see {a size} {animal}",
    "we leave on {weekday}",
    "the {profession} is in the {room}",
    "I am afraid of the {animal}",
    "your {clothing} looks {good}",
    "this {place} is {good}",
    "I hope the {vehicle} comes at {number}",
]
ASKS = [
    "where is my {object}",
    "do you like the {animal}",
    "can you see the {bird}",
    "are you {feeling}",
    "is the {object} {state}",
    "do we have any {food}",
    "who is at the {place}",
    "will you come on {weekday}",
    "may I have {a fruit}",
]
ADVERBS = ["", "", "", " {manner}"]


def saying(pen: Pen, question: bool = False) -> str:
    """What one person says, without marks of quotation or an end."""
    concept, noun = pen.raw("object")
    bound = {"objects": mark("plural", word(concept, plural(noun)))}
    return upper(pen.fill(pen.one(*(ASKS if question else SAYINGS)), **bound))


def speaks(pen: Pen) -> str:
    """A verb of speaking in the past."""
    return mark("speech,verb", pen.one(*VERBS["speak"])[1])


def quoted(text: str, quote: str = '"', depth: int = 1) -> str:
    """Text in quotation marks, labelled with its depth."""
    labels = "quote" if depth == 1 else f"quote,quote{depth}"
    return mark(labels, f"{quote}{text}{quote}")


def turn(pen: Pen, a: Person) -> str:
    """One turn of a dialogue."""
    asks = pen.chance(0.25)
    said = [saying(pen) for _ in range(pen.one(0, 0, 1, 2))]
    last = mark("question", saying(pen, True)) if asks else saying(pen)
    end = "?" if asks else "."
    adverb = pen.fill(pen.one(*ADVERBS))
    if pen.chance(0.5):
        return f"{a} {speaks(pen)}{adverb}, " + quoted(". ".join([*said, last]) + end)
    return quoted(". ".join([*said, last]) + ("?" if asks else ",")) + f" {speaks(pen)} {a}{adverb}."


def nested(pen: Pen) -> str:
    """Somebody tells what somebody told, to depth two or three; the marks close in the right order."""
    a, b, c, _ = pen.people(4)
    inner = saying(pen) + "."
    if pen.chance(0.5):
        inner = f"{c} wrote, " + quoted(inner, depth=3)
    inner = f"{b} told me, " + quoted(inner, "'", depth=2)
    return f"{a} {speaks(pen)}, " + quoted(inner)


def dialogue(pen: Pen) -> str:
    """Two persons talk; narration in between is in the past tense and never in quotes."""
    a, b = pen.people(2)
    parts = [
        pen.fill(
            pen.one("{a} met {b} at the {place}.", "{a} and {b} sat in the {room}.", "{a} came into the {room}."),
            a=a,
            b=b,
        )
    ]
    for number in range(pen.random.randint(2, 5)):
        parts.append(turn(pen, (a, b)[number % 2]))
        if pen.chance(0.45):
            parts.append(sentence(pen, pen.one(*EVENTS), a, b, pen.chance(0.5)))
    return " ".join(parts[pen.one(0, 0, 1) :])


def tales(pen: Pen) -> str:
    """Two or three nested tellings."""
    return " ".join(nested(pen) for _ in range(pen.random.randint(1, 3)))
