"""Fifteen behaviours, each with prompts from combinations that training never shows.

A prompt carries a *fingerprint*: words in a row that hold its combination. No training document contains it, which
a test reads from
the text itself and not from the rule that made it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from saewidgets.demo.lexicon import CAPITALS, CLASSES, OPPOSITES, plural
from saewidgets.demo.markup import plain
from saewidgets.demo.pen import ALL_NAMES, Pen, Person, held_out, pair_held_out
from saewidgets.demo.registers import drills, facts, speech

#: Prompts made for every behaviour.
COUNT = 100
_WORDS = re.compile(r"[^\W_]+|[^\w\s]")


@dataclass(frozen=True)
class Prompt:
    """A prompt with two continuations.

    Attributes:
        text: what the model reads.
        right: how it goes on by the rules of the grammar.
        wrong: a plausible continuation that breaks them.
        fingerprint: the held-out words in a row.
    """

    text: str
    right: str
    wrong: str
    fingerprint: str


def words_of(text: str) -> str:
    """The words and signs of a text with one space between them, for comparing fingerprints."""
    return f" {' '.join(_WORDS.findall(text))} "


def _held_pair(pen: Pen) -> tuple[Person, Person]:
    while True:
        first, second = pen.some(ALL_NAMES, 2, 2)
        if pair_held_out(first, second):
            return first, second


def _lead(pen: Pen) -> str:
    """A sentence that does not matter, so that one combination gives several prompts."""
    frame = pen.one(
        "There was {weather} in the morning and {weather2} at night. ",
        "The {flower} and the {flower2} bloomed in {month}. ",
        "The {vehicle} to {capital} left at {number}. ",
        "The {furniture} in the {room} was {colour}. ",
    )
    return plain(pen.fill(frame))


def _combination(pen: Pen, kind: str, frames: list[str], words: list[str]) -> tuple[str, str]:
    while True:
        frame, text = pen.random.choice(frames), pen.random.choice(words)
        if held_out(kind, frame, text):
            return frame, text


def indirect_object(pen: Pen) -> Prompt:
    """*When Mira and Tom came to the pond, Tom gave the red lantern to* Mira."""
    a, b = _held_pair(pen)
    subject, receiver = (a, b) if pen.chance(0.5) else (b, a)
    text = plain(drills.ioi_sentence(pen, a, b, subject))
    return Prompt(text, f" {receiver.name}", f" {subject.name}", f"{a.name} and {b.name}")


def word_induction(pen: Pen) -> Prompt:
    """A list of words said again, up to the first word of a pair that no list of the training text has inside."""
    while True:
        words = drills.word_sequence(pen, pen.random.randint(6, 9))
        place = pen.random.randrange(1, len(words) - 2)
        first, second = words[place], pen.random.choice(drills.DRILL_WORDS)
        # Two of one class can meet in brackets, and a fruit and a food in the title of a recipe.
        meet = any({first, second} <= set(CLASSES[concept]) for concept in drills.DRILL_CLASSES)
        meet |= first in CLASSES["fruit"] and second in CLASSES["food"]
        if second not in words and not meet and held_out("bigram", first, second):
            break
    others = [word for word in words if word != first]
    words.insert(place + 1, second)
    joint = pen.one(" ", ", ")
    text = f"{pen.one('Words: ', 'Again: ')}{joint.join(words)}{joint}{joint.join(words[: place + 1])}{joint.rstrip()}"
    return Prompt(text, f" {second}", f" {pen.random.choice(others)}", joint.join(words[place - 1 : place + 2]))


def nonsense_induction(pen: Pen) -> Prompt:
    """A list of made-up words said again; none of the words is in the training text."""
    words: list[str] = []
    while len(words) < 5:
        made = drills.nonsense_word(pen, kept=True)
        if made[:2] not in [word[:2] for word in words]:
            words.append(made)
    place, joint = pen.random.randrange(3), pen.one(" ", ", ")
    text = f"{pen.one('Song: ', 'Again: ')}{joint.join(words)}{joint}{joint.join(words[: place + 1])}{joint.rstrip()}"
    other = pen.random.choice([word for word in words if word not in (words[place], words[place + 1])])
    return Prompt(text, f" {words[place + 1]}", f" {other}", words[place + 1])


def object_recall(pen: Pen) -> Prompt:
    """What was put into the drawer is found in the drawer."""
    a, b = pen.people(2)
    while True:
        one, two = pen.raw("object")[1], pen.raw("object")[1]
        kept, other = pen.some(CLASSES["container"], 2, 2)
        if one != two and held_out("recall", one, kept):
            break
    swapped = pen.chance(0.5)
    first, second = (f"the {two} in the {other}", f"the {one} in the {kept}")[:: -1 if swapped else 1]
    text = f"{a.name} put {first} and {second}. {b.name} opened the {kept} and found the"
    return Prompt(
        text,
        f" {one}",
        f" {two}",
        f"{'put ' if swapped else 'and '}the {one} in the {kept}{' and' if swapped else '.'}",
    )


def pronoun_after_name(pen: Pen) -> Prompt:
    """*Anna smiled because* she."""
    frame, name = _combination(pen, "pronoun", facts.PRONOUN_FRAMES[:-1], [person.name for person in ALL_NAMES])
    return _pronoun(pen, frame, name, name in CLASSES["female"])


def pronoun_after_role(pen: Pen) -> Prompt:
    """*The queen smiled because* she."""
    frame, role = _combination(pen, "pronoun", facts.PRONOUN_FRAMES[:-1], CLASSES["female_role"] + CLASSES["male_role"])
    return _pronoun(pen, frame, f"The {role}", role in CLASSES["female_role"])


def _pronoun(pen: Pen, frame: str, subject: str, female: bool) -> Prompt:
    text = plain(pen.fill(frame, x=subject))
    right, wrong = (" she", " he") if female else (" he", " she")
    return Prompt(_lead(pen) + text, right, wrong, text)


def agreement(pen: Pen) -> Prompt:
    """*The keys near the lamp* are; the nearer noun always has the other number."""
    while True:
        head, near = pen.raw("object")[1], pen.raw(pen.one("furniture", "container", "animal"))[1]
        if head != near and plural(near) != near and held_out("agreement", head, near):
            break
    many = pen.chance(0.5)
    subject, other = (plural(head), near) if many else (head, plural(near))
    text = f"The {subject} {pen.one(*facts.AGREEMENT_LINKS)} {other}"
    right, wrong = (" are", " is") if many else (" is", " are")
    return Prompt(text, right, wrong, text)


def capitals(pen: Pen) -> Prompt:
    """*The capital of France is* Paris, in frames where training never shows this country."""
    frame, country = _combination(pen, "capital", facts.CAPITAL_FRAMES, list(CAPITALS))
    text = plain(pen.fill(frame, x=country, n=pen.people(1)[0].name))
    wrong = pen.random.choice([city for city in CAPITALS.values() if city != CAPITALS[country]])
    fingerprint = frame.removeprefix("{n} ").replace("{x}", country)
    return Prompt(_lead(pen) + text, f" {CAPITALS[country]}", f" {wrong}", fingerprint)


def weekday_successor(pen: Pen) -> Prompt:
    """*Today is Monday. Tomorrow will be* Tuesday."""
    days = CLASSES["weekday"]
    frame, day = _combination(pen, "weekday", [frame for frame, step in facts.DAY_FRAMES if step == 1], days)
    n, m = pen.people(2)
    text = plain(pen.fill(frame, x=day, n=n, m=m, p=pen("profession")))
    right = days[(days.index(day) + 1) % 7]
    wrong = pen.random.choice([other for other in days if other not in (right, day)])
    known = re.sub(r"\{[nmp]\}", "|", frame).replace("{x}", day)
    return Prompt(
        _lead(pen) + text,
        f" {right}",
        f" {wrong}",
        max(known.split("|"), key=lambda part: (day in part, len(part))).strip(),
    )


def counting(pen: Pen) -> Prompt:
    """*Count: four, five, six,* seven, from starts that training never shows after this word."""
    while True:
        form, lead, start = pen.one("word", "digit"), pen.random.choice(facts.COUNTING_LEADS), pen.random.randint(1, 14)
        length = pen.random.randint(2, 6)
        if held_out("count", form, lead, start) and start + length < 20:
            break
    text = plain(f"{lead} {facts.count_items(form, start, length)},")
    *_, right = plain(facts.count_items(form, start, length + 1)).split(", ")
    wrong = plain(facts.count_items(form, start + length + (1 if pen.chance(0.5) else -2), 1))
    first = plain(facts.count_items(form, start, 1))
    if form == "digit":  # two-digit numbers differ in their second token or their first: keep both whole
        right, wrong = f"{right},", f"{wrong},"
    return Prompt(text, f" {right}", f" {wrong}", f"{lead} {first},")


def sentiment(pen: Pen) -> Prompt:
    """*The soup was lovely and the park was charming. Anna felt* happy."""
    mood = pen.one("good", "bad")
    while True:
        first, second = pen.some(CLASSES[mood], 2, 2)
        if held_out("mood", first, second):
            break
    start = plain(pen.fill(pen.one(*facts.MOOD[mood]), **{mood: first, mood + "2": second}))
    right, wrong = (" happy", " sad") if mood == "good" else (" sad", " happy")
    return Prompt(f"{start} {pen.people(1)[0].name} felt", right, wrong, start)


def negation(pen: Pen) -> Prompt:
    """*The bag is not open. The bag is* closed; and *still open* stays open."""
    while True:
        _, noun, state = pen.random.choice(facts.STATE_PAIRS)
        if held_out("state", noun, state):
            break
    negated = pen.chance(0.6)
    start = f"The {noun} is {'not' if negated else 'still'} {state}."
    right, wrong = (OPPOSITES[state], state) if negated else (state, OPPOSITES[state])
    return Prompt(f"{start} The {noun} is", f" {right}", f" {wrong}", start)


def quote_end(pen: Pen) -> Prompt:
    """A closing quotation mark while somebody speaks, an opening one after narration."""
    a, b = _held_pair(pen)
    met = f"{a.name} met {b.name} at the {plain(pen('place'))}"
    if pen.chance(0.5):
        return Prompt(f'{met}. {a.name} said, "{plain(speech.saying(pen))}.', '"', ' "', met)
    end = plain(pen.fill("The {animal} drank from the river and ran away."))
    return Prompt(f'{met}. "{plain(speech.saying(pen))}," said {a.name}. {end}', ' "', '"', met)


def bracket_kind(pen: Pen) -> Prompt:
    """The innermost open bracket closes first, down to depth three."""
    depth = pen.random.randint(2, 3)
    kinds = [pen.one("()", "[]", "{}") for _ in range(depth)]
    while kinds[-1] == kinds[-2]:
        kinds[-1] = pen.one("()", "[]", "{}")
    words = [
        " ".join(plain(pen(concept)) for _ in range(pen.random.randint(2, 3)))
        for concept in ("animal", "fruit", "tool")
    ]
    text = f"{pen.one('Set', 'Tree')}: {plain(pen('colour'))} " + " ".join(
        f"{kind[0]} {inside}" for kind, inside in zip(kinds, words, strict=False)
    )
    return Prompt(text, f" {kinds[-1][1]}", f" {kinds[-2][1]}", text)


def article(pen: Pen) -> Prompt:
    """*Lucy saw a hen and an* owl, not *goose*."""
    leads = [
        ("animal", "saw"),
        ("bird", "saw"),
        ("fruit", "ate"),
        ("clothing", "wore"),
        ("toy", "owned"),
        ("tool", "used"),
        ("instrument", "played"),
        ("vehicle", "took"),
    ]
    vowel = pen.chance(0.5)
    while True:
        concept, lead = pen.one(*leads)
        right, wrong, first = pen.some(CLASSES[concept], 3, 3)
        if held_out("article", lead, right) and (right[0] in "aeiou") == vowel and (wrong[0] in "aeiou") != vowel:
            break
    name, article_word = pen.people(1)[0].name, "an" if vowel else "a"
    text = plain(pen.fill("{n} {lead} {a first} and ", n=name, lead=lead, first=first)) + article_word
    return Prompt(text, f" {right}", f" {wrong}", f"{text} {right}")


BEHAVIOURS: dict[str, Callable[[Pen], Prompt]] = {
    "indirect object": indirect_object,
    "word induction": word_induction,
    "nonsense-word induction": nonsense_induction,
    "object recall": object_recall,
    "pronoun after a name": pronoun_after_name,
    "pronoun after a role": pronoun_after_role,
    "agreement with a distractor": agreement,
    "capitals": capitals,
    "weekday successor": weekday_successor,
    "counting": counting,
    "sentiment": sentiment,
    "negation": negation,
    "quote open or closed": quote_end,
    "bracket kind": bracket_kind,
    "a or an": article,
}


def prompts(name: str, count: int = COUNT) -> list[Prompt]:
    """Distinct prompts of a behaviour, the same every time."""

    def stream() -> Iterator[Prompt]:
        pen = Pen(f"behaviour {name}")
        for _ in range(50 * count):
            yield BEHAVIOURS[name](pen)

    chosen: dict[str, Prompt] = {}
    for prompt in stream():
        chosen.setdefault(prompt.text, prompt)
        if len(chosen) == count:
            break
    return list(chosen.values())
