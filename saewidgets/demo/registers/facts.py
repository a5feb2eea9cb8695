"""Facts and short exercises: capitals, the calendar, counting, kinds, agreement, pronouns, opposites, moods, articles."""

from __future__ import annotations

from saewidgets.demo.lexicon import BIAS, CAPITALS, CLASSES, OPPOSITES, STATES_OF, plural
from saewidgets.demo.markup import mark
from saewidgets.demo.pen import Pen, Person, held_out, upper, word

CAPITAL_FRAMES = ["The capital of {x} is", "The largest city of {x} is", "{n} lives in {x}, in the city of",
                  "{n} flew to {x} and saw the streets of", "In {x}, every road leads to"]  # fmt: skip
DAY_FRAMES = [
    ("The day after {x} is", 1),
    ("Today is {x}. Tomorrow will be", 1),
    ("After {x} comes", 1),
    ("If today is {x}, tomorrow is", 1),
    ("The {p} works on {x} and rests the next day, on", 1),
    ("{n} came on {x} and left the next day, on", 1),
    ("The day before {x} is", -1),
    ("{n} came on {x}, but {m} came the day before, on", -1),
    ("Before {x} comes", -1),
    ("Two days after {x} comes", 2),
]
MONTH_FRAMES = [("The month after {x} is", 1), ("This month is {x}. Next month will be", 1), ("After {x} comes", 1),
                ("{n} was born in {x} and {m} in the month after, in", 1), ("The month before {x} is", -1)]  # fmt: skip
COUNTING_LEADS = ["Count:", "Numbers:", "Steps:", "Now count:", "Pages:"]
PRONOUN_FRAMES = [
    "{x} smiled because",
    "{x} was tired, so",
    "{x} went home when",
    "{x} said that",
    "{x} sang while",
    "{x} stayed in the {room} until",
    "{x} opened the door and then",
    "{x} was {feeling}, because",
]
PRONOUN_TAILS = ["was {feeling}.", "had {a object}.", "saw the {animal}.", "wanted some {food}.", "was in the {room}.",
                 "heard the {bird}.", "had to go to the {place}."]  # fmt: skip
AGREEMENT_LINKS = ["near the", "behind the", "next to the", "with the", "under the", "beside the"]
MOOD = {
    "good": ["The {food} was {good} and the {place} was {good2}.", "It was {a good} day, and the {animal} was {good2}.",
             "The {object} was {good}, and the song was {good2}."],
    "bad": ["The {food} was {bad} and the {place} was {bad2}.", "It was {a bad} day, and the {animal} was {bad2}.",
            "The {object} was {bad}, and the song was {bad2}."],
}  # fmt: skip
#: (class, noun, state) for every state a thing can be in.
STATE_PAIRS = [(concept, noun, state) for concept, states in STATES_OF.items() for noun in CLASSES[concept]
               for first in states.split() for state in (first, OPPOSITES[first])]  # fmt: skip
KINDS = {
    "animal": "animal",
    "bird": "bird",
    "tool": "tool",
    "fruit": "fruit",
    "flower": "flower",
    "colour": "colour",
    "instrument": "instrument",
    "vehicle": "vehicle",
    "month": "month",
    "weekday": "day",
    "country": "country",
}


def allowed(pen: Pen, kind: str, frames: list[str], words: list[str]) -> tuple[str, str]:
    """A frame and a word whose combination is not held out."""
    while True:
        frame, text = pen.random.choice(frames), pen.random.choice(words)
        if not held_out(kind, frame, text):
            return frame, text


def capitals(pen: Pen) -> str:
    """Countries and their capitals."""
    parts = []
    for _ in range(pen.random.randint(1, 4)):
        frame, country = allowed(pen, "capital", CAPITAL_FRAMES, list(CAPITALS))
        start = pen.fill(frame, x=word("country", country), n=pen.people(1)[0])
        parts.append(f"{start} {word('capital', CAPITALS[country])}.")
    return " ".join(parts)


def calendar(pen: Pen) -> str:
    """Weekdays and months in a circle: lists, successors and predecessors."""
    parts = []
    for _ in range(pen.random.randint(1, 4)):
        concept, frames = pen.one(("weekday", DAY_FRAMES), ("weekday", DAY_FRAMES), ("month", MONTH_FRAMES))
        circle = CLASSES[concept]
        if pen.chance(0.25):
            start, length = pen.random.randrange(len(circle)), pen.random.randint(3, 9)
            items = [word(concept, circle[(start + step) % len(circle)]) for step in range(length)]
            parts.append(pen.one("Days: ", "Dates: ", "In order: ") + pen.one(", ", " ").join(items) + ".")
            continue
        step = dict(frames)
        frame, day = allowed(pen, concept, list(step), circle)
        n, m = pen.people(2)
        start_text = pen.fill(frame, x=word(concept, day), n=n, m=m, p=pen("profession"))
        parts.append(f"{start_text} {word(concept, circle[(circle.index(day) + step[frame]) % len(circle)])}.")
    return " ".join(parts)


def counting(pen: Pen) -> str:
    """Counting in words or digits, by one; a lead and a start together can be held out."""
    while True:
        form, lead = pen.one("word", "digit"), pen.random.choice(COUNTING_LEADS)
        start, length = pen.random.randint(1, 16), pen.random.randint(3, 9)
        if start + length <= 20 and not held_out("count", form, lead, start):
            break
    return f"{lead} {count_items(form, start, length)}."


def count_items(form: str, start: int, length: int) -> str:
    """Marked numbers from `start` on, with commas."""
    numbers = range(start, start + length)
    return mark(
        "counting",
        ", ".join(
            word("number", CLASSES["number"][n - 1]) if form == "word" else mark("digit", str(n)) for n in numbers
        ),
    )


def kinds(pen: Pen) -> str:
    """Which kind a thing is of: the parent of every hierarchy, and lists of one kind."""
    parts = []
    for _ in range(pen.random.randint(1, 4)):
        concept = pen.one("animal", "animal", *KINDS)
        x, y, z = (word(concept, text) for text in pen.some(CLASSES[concept], 3, 3))
        kind = mark("kind", KINDS[concept])
        kinds = mark("kind", "countries" if concept == "country" else plural(KINDS[concept]))
        frames = ["{X} is {a k}.", "{X} and {y} are {ks}.", "{Ks}: {x}, {y}, {z}.", "Name {a k}: {x}."]
        if concept not in ("country", "month", "weekday"):
            frames += ["Every {x} is {a k}.", "I know {a k}: the {x}.", "Not every {k} is {a x}."]
        parts.append(pen.fill(pen.one(*frames), x=x, X=upper(x), y=y, z=z, k=kind, ks=kinds, Ks=upper(kinds)))
    return " ".join(parts)


def pronouns(pen: Pen) -> str:
    """A pronoun after a name, a role or a profession (plant b leans towards one pronoun for two professions)."""
    parts = []
    for _ in range(pen.random.randint(1, 4)):
        kind = pen.random.random()
        if kind < 0.4:
            person = pen.people(1)[0]
            frame, _ = allowed(pen, "pronoun", PRONOUN_FRAMES, [person.name])
            subject, female = str(person), person.female
        elif kind < 0.7:
            concept = pen.one("female_role", "male_role")
            frame, role = allowed(pen, "pronoun", PRONOUN_FRAMES, CLASSES[concept])
            subject, female = "The " + word(concept, role), concept == "female_role"
        else:
            profession = pen.random.choice(CLASSES["profession"] + list(BIAS))
            frame, _ = allowed(pen, "pronoun", PRONOUN_FRAMES, [profession])
            subject, female = "The " + word("profession", profession), pen.chance(BIAS.get(profession, 0.5))
        who = Person("", female)
        parts.append(pen.fill(frame, x=subject) + f" {who.she} " + pen.fill(pen.one(*PRONOUN_TAILS)))
    return " ".join(parts)


def agreement(pen: Pen) -> str:
    """The verb agrees with the head noun, not with the nearer one."""
    parts = []
    for _ in range(pen.random.randint(1, 4)):
        while True:
            (first, head), (second, near) = (
                pen.raw("object"),
                pen.raw(pen.one("furniture", "container", "object", "animal")),
            )
            if head != near and not held_out("agreement", head, near):
                break
        many, near_many = pen.chance(0.5), pen.chance(0.5)
        subject = mark("plural", word(first, plural(head))) if many else word(first, head)
        other = mark("plural", word(second, plural(near))) if near_many else word(second, near)
        verb = pen.one("are", "were") if many else pen.one("is", "was")
        parts.append(
            f"The {subject} {pen.one(*AGREEMENT_LINKS)} {other} {verb} {pen.fill(pen.one('{colour}', '{quality}', '{size}', '{good}'))}."
        )
    return " ".join(parts)


def states(pen: Pen) -> str:
    """Opposites: *not open* means *closed*."""
    parts = []
    for _ in range(pen.random.randint(1, 3)):
        while True:
            concept, noun, state = pen.random.choice(STATE_PAIRS)
            if not held_out("state", noun, state):
                break
        thing, result = word(concept, noun), word("state", OPPOSITES[state])
        said = word("state", state)
        if pen.chance(0.6):
            start = mark("negation", pen.one(f"The {thing} is not {said}", f"The {thing} is not {said} any more"))
        else:
            start, result = f"The {thing} is {pen.one('', 'still ')}{said}", said
        parts.append(start + "." + pen.one(" It is ", f" The {thing} is ", " So it is ") + result + ".")
    return " ".join(parts)


def moods(pen: Pen) -> str:
    """Good things make people happy, bad things make them sad; the whole paragraph has one mood."""
    mood = pen.one("good", "bad")
    a, b = pen.people(2)
    while True:
        first, second = pen.some(CLASSES[mood], 2, 2)
        if not held_out("mood", first, second):
            break
    bound = {mood: word(mood, first), mood + "2": word(mood, second)}
    felt = {"good": "happy", "bad": "sad"}[mood]
    text = upper(pen.fill(pen.one(*MOOD[mood]), **bound))
    text += pen.fill(pen.one(" {a} felt {x}.", " So {a} was {x}.", " That made {a} {x}."), a=a, x=pen(felt))
    extra = {
        "good": [" Everybody laughed and sang.", " {b} smiled all day.", " They danced until night."],
        "bad": [" Nobody laughed or sang.", " {b} cried all day.", " They went home in silence."],
    }[mood]
    text += "".join(pen.fill(line, b=b) for line in pen.some(extra, 0, 2))
    return mark({"good": "positive", "bad": "negative"}[mood], text)


def articles(pen: Pen) -> str:
    """Lists of things with *a* or *an*."""
    concept, lead = pen.one(
        ("animal", "saw"),
        ("bird", "saw"),
        ("fruit", "ate"),
        ("clothing", "wore"),
        ("toy", "owned"),
        ("tool", "used"),
        ("instrument", "played"),
        ("vehicle", "took"),
    )
    free = [noun for noun in CLASSES[concept] if not held_out("article", lead, noun)]
    items = [pen.fill("{a x}", x=word(concept, noun)) for noun in pen.some(free, 2, 3)]
    return f"{pen.people(1)[0]} {lead} " + ", ".join(items[:-1]) + f" and {items[-1]}."
