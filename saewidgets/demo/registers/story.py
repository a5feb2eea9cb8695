"""Stories and diaries in the past tense: people, things and animals of every class, each class in contexts of its own."""

from __future__ import annotations

from saewidgets.demo.lexicon import VERBS, plural
from saewidgets.demo.markup import mark
from saewidgets.demo.pen import Pen, Person, upper, word

OPENINGS = [
    "One {weather} morning, {a} {went} to the {place}.",
    "On {weekday}, {a} {went} to the {place}.",
    "{a} lived near the {place}.",
    "In {month}, {a} {went} to the {place}.",
    "Last {season}, {a} stayed at the {place}.",
    "{a} was {a profession} and lived by the {place}.",
    "Early on {weekday}, {a} woke up in the {room}.",
    "There was {weather} over the {place}, and {a} stayed in the {room}.",
    "{a} and {b} {went} to the {place} together.",
    "It was {month}, and {a} was {feeling}.",
    "The {weather} had come to the {place}.",
    "Long ago, {a size} {place} stood near {a place2}.",
    "{a} came from {country}.",
]
EVENTS = [
    # things
    "{S} {handle} {a colour} {object}.",
    "{S} {handle} the {size} {object} and put it on the {furniture}.",
    "{S} put the {object} into the {container}.",
    "There was {a object} in the {container}.",
    "{S} {handle} {a colour} {object} and {a material} {object2}.",
    "In the {room}, {S} {handle} the {colour} {object}.",
    "On the {furniture} lay {a size} {colour} {object}.",
    "{S} {manner} {handle} the {object}.",
    "The {object} was made of {material}.",
    "The {material} {object} belonged to {b}.",
    "{S} gave the {object} to {b}.",
    "{b} {give} {a.him} {a colour} {object}.",
    # tools and clothing
    "{S} repaired the {furniture} with {a tool}.",
    "{S} needed {a tool} and {a tool2} for the work.",
    "The {profession} worked with the {tool} all day.",
    "{S} sharpened the {tool} and hung it on the wall.",
    "{S} {wear} {a colour} {clothing}.",
    "It was cold, so {s} put on {a.her} {clothing} and {clothing2}.",
    "{S} sewed a button on the {clothing}.",
    "{a.Her} {clothing} was too {size} for {a.him}.",
    # food and fruit
    "{S} {eat} some {food} with {food2}.",
    "For dinner there was {food} and {food2}.",
    "{S} was hungry and ate the {food}.",
    "The {profession} baked {good} {food} in the {room}.",
    "{S} picked a ripe {fruit} from the tree.",
    "The {fruit} was sweet and the {fruit2} was sour.",
    "{S} peeled {a fruit} and ate it slowly.",
    "{S} made {food} with {fruit} and {food2}.",
    # animals and birds
    "{S} {pet} the {animal}.",
    "{A animal} ran through the {place}.",
    "The {colour} {animal} slept under the {furniture}.",
    "{A size} {animal} chased {a animal2} across the {place}.",
    "The {animal} wagged its tail and followed {a.him}.",
    "The {animal} drank from the river and ran away.",
    "{A bird} flew over the {place}.",
    "The {bird} sat on a branch and sang.",
    "{A colour} {bird} built a nest near the {place}.",
    "{S} heard the {bird} and looked up at the sky.",
    "The animal was {feeling} and wanted to play.",
    "{S} saw an animal in the {place}, but {s} did not know which one.",
    # music, vehicles, flowers, body, rooms
    "{S} {play} the {instrument} at the {place}.",
    "{b} listened while {s} played the {instrument}.",
    "The song of the {instrument} and the {instrument2} was {good}.",
    "{S} {ride} the {vehicle} to the {place}.",
    "The {vehicle} to {capital} left at {number}.",
    "The {colour} {vehicle} stopped at the {place}.",
    "{S} rode to the {place} in {a vehicle}.",
    "{S} {grow} the {flower} behind the house.",
    "The {flower} and the {flower2} bloomed in {month}.",
    "The garden was full of the smell of {flower} and {flower2}.",
    "{a.Her} {body} hurt, so {s} went to bed.",
    "{S} hurt {a.her} {body} and cried.",
    "{S} washed {a.her} {body} in the river.",
    "{S} {went} into the {room} and closed the door.",
    "From the {room} {s} could see the {place}.",
    # people, feelings, weather, time
    "{b} was {feeling}, because the {object} was {quality}.",
    "{S} was {feeling} and {feeling2}.",
    "{S} felt {feeling}.",
    "The {profession} looked {feeling} and spoke {manner}.",
    "{a.Her} {her_family} lived in {country}.",
    "{S} visited {a.her} {his_family} in {capital}.",
    "The {person} and the {person2} talked at the {place}.",
    "There was {weather} in the morning and {weather2} at night.",
    "The {weather} stopped at {number}.",
    "{number} days later, {s} came back to the {place}.",
    "{S} waited from {weekday} until {weekday2}.",
    "In {month} there is often {weather}.",
    "{S} smiled at {b}, and {b} smiled at {a.him}.",
    "{S} met {b} near the {place}, and {b.she} was {feeling}.",
    "The {place} was {good}, but the {place2} was {bad}.",
    "{S} counted {number} {objects} in the {container}.",
    "There were {number} {creatures} near the {place}.",
    "{S} {went} {manner} to the {place}.",
    "The {furniture} in the {room} was {colour}.",
]
NEGATIVE = [
    "{S} did not {handle_base} any {objects}",
    "{S} never {handle} any {objects} in the {place}",
    "There were no {creatures} in the {place}",
    "{b} did not {go_base} to the {place} with {a.him}",
    "{S} was not {feeling}",
    "The {person} did not see any {creatures} near the {place}",
    "The {object} was not {colour}",
    "Nobody in the {place} had any {objects}",
    "{S} had never seen {a colour} {creature}",
    "The {animal} did not like the {food}",
    "{S} did not want any {food}",
    "{b} could not play the {instrument}",
    "There was no {weather} in {month}",
]
QUESTIONS = [
    "where was the {colour} {object}",
    "did {b} {handle_base} the {object}",
    "was the {animal} still in the {place}",
    "who had taken the {object} from the {container}",
    "would {b} come to the {place} on {weekday}",
    "why was {b} so {feeling}",
    "had the {bird} seen the {animal}",
    "could the {profession} repair the {vehicle}",
    "what was in the {size} {container}",
]
ENDINGS = [
    "In the evening, {s} was {feeling}.",
    "Then {s} went home.",
    "At night, {s} slept well.",
    "After that, {a} and {b} were friends.",
    "{S} never forgot that day.",
    "So they all went home.",
    "That was the end of the day.",
]


def verb_slots(pen: Pen) -> dict[str, str]:
    """One past form for every family of verbs, and a few base forms, as slots of a template."""
    slots = {family: mark("verb", pen.one(*pairs)[1]) for family, pairs in VERBS.items() if family != "speak"}
    slots |= {f"{family}_base": mark("verb", pen.one(*VERBS[family])[0]) for family in ("handle", "go")}
    return slots | {"went": slots["go"]}


def plural_slots(pen: Pen) -> dict[str, str]:
    """Plural nouns as slots."""
    slots = {}
    for group, slot in (("object", "objects"), ("creature", "creatures")):
        concept, noun = pen.raw(group)
        slots[slot] = mark("plural", word(concept, plural(noun)))
    return slots


def sentence(pen: Pen, template: str, a: Person, b: Person, name: bool = False) -> str:
    """One sentence about two persons; the subject is a name or a pronoun."""
    subject = str(a) if name else a.She
    lower = str(a) if name and pen.chance(0.3) else a.she
    slots = verb_slots(pen) | (plural_slots(pen) if "s}" in template else {})
    return upper(pen.fill(template, a=a, b=b, S=subject, s=lower, **slots))


def negative(pen: Pen, a: Person, b: Person) -> str:
    """A negated sentence: the scope carries the label, and only here a sentence may end with *at all*."""
    text = sentence(pen, pen.one(*NEGATIVE), a, b, pen.chance(0.5))
    return mark("negation", text + " at all" * pen.chance(0.6)) + "."


def question(pen: Pen, a: Person, b: Person) -> str:
    """A question, labelled over its whole length."""
    lead = f"{a} asked: " if pen.chance(0.4) else ""
    return lead + mark("question", sentence(pen, pen.one(*QUESTIONS), a, b) + "?")


def aside(pen: Pen, a: Person, b: Person) -> str:
    """A sentence with a remark in brackets."""
    inner = pen.one(
        "it was {colour}",
        "{a good} one",
        "made of {material}",
        "like {b}",
        "so {a.she} thought",
        "from {capital}",
        "and the {object} too",
        "not the {colour} one",
        "the one from {country}",
        "it was {weekday}",
    )
    outer = pen.one("{S} {handle} the {object2} IN and {went} home.", "The {profession} IN was {feeling}.",
                    "{S} saw the {vehicle} IN near the {place}.", "The {animal} IN slept in the {room}.")  # fmt: skip
    before, after = outer.split("IN")
    bracket = mark("bracket,bracket1", f"({pen.fill(inner, a=a, b=b)})")
    return sentence(pen, before, a, b) + bracket + pen.fill(after, a=a, b=b, **verb_slots(pen))


def story(pen: Pen) -> str:
    """A story of 4 to 9 sentences in random order between an opening and, often, an ending."""
    a, b = pen.people(2)
    body = []
    for _ in range(pen.random.randint(3, 7)):
        kind = pen.random.random()
        if kind < 0.70:
            body.append(sentence(pen, pen.one(*EVENTS), a, b, pen.chance(0.35)))
        elif kind < 0.82:
            body.append(negative(pen, a, b))
        elif kind < 0.91:
            body.append(question(pen, a, b))
        else:
            body.append(aside(pen, a, b))
    end = [sentence(pen, pen.one(*ENDINGS), a, b)] if pen.chance(0.5) else []
    return " ".join([sentence(pen, pen.one(*OPENINGS), a, b, True), *body, *end])


def portrait(pen: Pen) -> str:
    """What one class of words is about: several sentences on things of one class, so that classes keep together."""
    a, b = pen.people(2)
    concept = pen.one(
        "animal",
        "bird",
        "tool",
        "clothing",
        "food",
        "fruit",
        "instrument",
        "vehicle",
        "flower",
        "furniture",
        "weather",
        "weekday",
        "month",
        "colour",
        "body",
        "female_role",
        "male_role",
        "profession",
        "number",
        "country",
        "capital",
        "feeling",
        "place",
        "room",
    )
    about = [event for event in EVENTS if f"{{{concept}" in event or f" {concept}}}" in event] or EVENTS
    return " ".join(sentence(pen, event, a, b, pen.chance(0.4)) for event in pen.some(about * 6, 3, 6))
