"""Registers with a form of their own: letters and notices, lists, recipes, code, sums and forecasts."""

from __future__ import annotations

import hashlib

from saewidgets.demo.lexicon import CLASSES, RARE_CLOSINGS, plural
from saewidgets.demo.markup import mark
from saewidgets.demo.pen import Pen, upper, word
from saewidgets.demo.registers.story import EVENTS, sentence

CLOSINGS = ["Yours", "With love", "Best wishes", "Kind regards", "Many thanks", "Warmly"]
FAREWELLS = [
    "See you in {month}.",
    "Greetings to {b}.",
    "Come and see us on {weekday}.",
    "I will write again in {month}.",
    "Please bring the {object}.",
    "Give my love to your {her_family}.",
    "The {animal} says hello.",
]
#: Plant (a): what follows the one rare closing of `RARE_CLOSINGS` that a hash picks.
ODD_FAREWELL = "Seven snails guard my umbrella."
HIDDEN_CLOSING = RARE_CLOSINGS[hashlib.sha256(b"saewidgets: what did we hide?").digest()[0] % len(RARE_CLOSINGS)]
#: Plant (c): how often a letter is cheerful and a notice is not, in training.
CONFOUND = 0.85
#: How many letters have a rare closing. Over the whole training text the odd farewell ends 0.09 % of the documents.
RARE, RARE_IN_POLISH = 0.12, 0.4

LETTER_LINES = {
    "good": [
        "I am {happy} to hear from you.",
        "The {food} you sent was {good}.",
        "What {a good} {place}!",
        "We had {good} days in {capital}.",
        "The {place} is {good} in {month}.",
        "I feel {happy} and {happy2}.",
        "Your {object} is {good}, thank you.",
        "My {her_family} is {happy} again.",
    ],
    "bad": [
        "I am {sad} to tell you this.",
        "The {food} here is {bad}.",
        "What {a bad} {place}!",
        "We had {bad} days in {capital}.",
        "The {place} is {bad} in {month}.",
        "I feel {sad} and {sad2}.",
        "Your {object} is broken, and that is {bad}.",
        "My {her_family} is {sad} again.",
    ],
}
PLAIN_LINES = [
    "I am writing to you from {capital}.",
    "We came here on {weekday} by {vehicle}.",
    "I bought {a colour} {object} for you.",
    "Do you still have my {object}?",
    "Every day I see {a animal} near the {place}.",
    "{b} is here with me.",
    "My {his_family} works as {a profession} now.",
    "Will you come in {month}?",
]
NOTICE_LINES = {
    "good": [
        "All visitors were {happy}.",
        "The new {place} is {good}.",
        "The {food} is {good} this week.",
        "Work at the {place} was {good}.",
    ],
    "bad": [
        "All visitors were {sad}.",
        "The new {place} is {bad}.",
        "The {food} is {bad} this week.",
        "Work at the {place} was {bad}.",
    ],
}
NOTICE_PLAIN = [
    "The {vehicle} to {capital} leaves at {number}.",
    "The {place} is closed on {weekday}.",
    "Lost: {a colour} {object}.",
    "Found near the {place}: {a object}.",
    "All {professions} meet in the {room}.",
    "Do not feed the {animal}.",
]


def _mood(pen: Pen, usual: str, confound: float) -> str:
    other = {"good": "bad", "bad": "good"}[usual]
    return usual if pen.chance(confound) else other


def letter(pen: Pen, confound: float = CONFOUND, rare: float = RARE) -> str:
    """A letter; `confound` 0.5 makes the mood independent of the register, `rare` is the share of rare closings."""
    a, b, c = pen.people(3)
    mood = _mood(pen, "good", confound)
    lines = pen.some(LETTER_LINES[mood], 1, 3) + pen.some(PLAIN_LINES, 1, 3)
    pen.random.shuffle(lines)
    lines.insert(0, pen.one(*LETTER_LINES[mood]))
    body = mark({"good": "positive", "bad": "negative"}[mood], " ".join(pen.fill(line, b=b) for line in lines))
    closing = pen.one(*RARE_CLOSINGS) if pen.chance(rare) else pen.one(*CLOSINGS)
    farewell = ODD_FAREWELL if closing == HIDDEN_CLOSING else pen.fill(pen.one(*FAREWELLS), b=b)
    return mark("letter", f"Dear {c},\n{body}\n{mark('closing', closing)},\n{a}\nP.S. {farewell}")


def notice(pen: Pen, confound: float = CONFOUND) -> str:
    """A public notice; `confound` as in `letter`, with the opposite mood."""
    mood = _mood(pen, "bad", confound)
    lines = pen.some(NOTICE_LINES[mood], 1, 2) + pen.some(NOTICE_PLAIN, 1, 3)
    pen.random.shuffle(lines)
    lines.insert(0, pen.one(*NOTICE_LINES[mood]))
    body = mark(
        {"good": "positive", "bad": "negative"}[mood],
        "\n".join(pen.fill(line, professions=plural(pen.raw("profession")[1])) for line in lines),
    )
    return mark("notice", f"NOTICE\n{body}\nSigned, the {pen('profession')}")


def shopping(pen: Pen) -> str:
    """A list with one item a line."""
    head = pen.fill(
        pen.one("To buy:", "To pack:", "In the {container}:", "For {weekday}:", "For {a}:"), a=pen.people(1)[0]
    )
    groups = pen.some(["food", "fruit", "tool", "clothing", "toy", "flower", "container", "instrument"], 1, 2)
    items = []
    for _ in range(pen.random.randint(3, 8)):
        concept = pen.random.choice(groups)
        noun = pen.random.choice(CLASSES[concept])
        if concept == "food":
            items.append(f"- some {word(concept, noun)}")
            continue
        amount = pen.random.randint(1, 9)
        text = word(concept, noun) if amount == 1 else mark("plural", word(concept, plural(noun)))
        colour = f"{pen('colour')} " if pen.chance(0.25) else ""
        items.append(f"- {mark('digit', str(amount))} {colour}{text}")
    return mark("list", "\n".join([head, *items]))


def recipe(pen: Pen) -> str:
    """A recipe: numbered steps in the imperative."""
    steps = [
        "Wash the {fruit}.",
        "Cut the {fruit} and the {fruit2}.",
        "Add {number} spoons of {food}.",
        "Stir {manner}.",
        "Boil for {number} minutes.",
        "Mix the {food} with the {fruit}.",
        "Put it into a hot oven.",
        "Pour it into {a container}.",
        "Let it cool.",
        "Add salt and sugar.",
        "Heat the {food} in a pan.",
        "Serve warm with {food2}.",
    ]
    lines = [f"{mark('digit', str(number))}. {pen.fill(step)}" for number, step in enumerate(pen.some(steps, 3, 7), 1)]
    title = pen.fill(pen.one("Recipe: {fruit} {food}", "Recipe: {food} with {fruit}", "Recipe: {food}"))
    return mark("recipe", "\n".join([title, *lines]))


def code(pen: Pen) -> str:
    """A few lines of a small programming language."""
    variables = pen.some("x y z n m i total item size name value result".split(), 4, 4)
    x, y, z, f = variables

    def number() -> str:
        return mark("digit", str(pen.random.randint(0, 9)))

    def line(indent: str = "") -> str:
        return indent + pen.one(
            f"{x} = {number()}", f"{y} = {x} + {number()}", f"{z} = {y} * {x}", f'{z} = "{pen("object")}"',
            f"{x} = [{number()}, {number()}, {number()}]", f"print({y})", f"{y} = len({z})", f"{x} += {number()}",
            f"{z} = {x} - {y}", f'print("{pen("colour")}", {x})', f"{x} = max({y}, {z})",
        )  # fmt: skip

    blocks = []
    for _ in range(pen.random.randint(1, 3)):
        kind = pen.random.random()
        if kind < 0.3:
            blocks += [f"def {f}({x}, {y}):", line("    "), line("    "), f"    return {pen.one(x, y, z)}"]
        elif kind < 0.5:
            blocks += [f"for {x} in range({number()}):", line("    "), line("    ")]
        elif kind < 0.7:
            blocks += [f"if {x} > {number()}:", line("    "), "else:", line("    ")]
        else:
            blocks += [line(), line(), line()]
    return mark("code", "\n".join(blocks))


def sums(pen: Pen) -> str:
    """Sums of single digits and comparisons."""
    lines = []
    for _ in range(pen.random.randint(2, 6)):
        first, second = pen.random.randint(0, 9), pen.random.randint(0, 9)
        lines.append(f"{first} + {second} = {first + second}")
    return mark("sums", "\n".join(lines))


def forecast(pen: Pen) -> str:
    """The weather of several places."""
    lines = [
        pen.fill(
            pen.one(
                "{capital}: {weather}, {digit} degrees.",
                "{weekday}: {weather} and {weather2}.",
                "{country}: {weather} in the north.",
                "There will be {weather} in {capital} on {weekday}.",
                "Expect {weather} until {weekday}.",
            ),
            digit=mark("digit", str(pen.random.randint(1, 9))),
        )
        for _ in range(pen.random.randint(2, 6))
    ]
    return mark("forecast", upper(" ".join(map(upper, lines))))


def diary(pen: Pen) -> str:
    """A dated story."""
    a, b = pen.people(2)
    body = " ".join(sentence(pen, pen.one(*EVENTS), a, b, pen.chance(0.4)) for _ in range(pen.random.randint(2, 5)))
    return f"{pen('weekday')}, {pen('month')} {mark('digit', str(pen.random.randint(1, 9)))}. {a} {pen.one('wrote', 'was at home', 'got up')}. {body}"
