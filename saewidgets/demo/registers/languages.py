"""German, French and Spanish paragraphs, and plant (f): translation pairs."""

from __future__ import annotations

from saewidgets.demo.lexicon import FOREIGN, TRANSLATIONS
from saewidgets.demo.markup import mark
from saewidgets.demo.pen import Pen, held_out, upper

LANGUAGES = ["german", "french", "spanish"]


def foreign_sentence(pen: Pen, language: str) -> str:
    """One sentence in one of the three languages."""
    words = FOREIGN[language]
    column = 1 + LANGUAGES.index(language)
    first, second = pen.some([row[column] for row in TRANSLATIONS], 2, 2)
    frame = pen.random.choice(words["frames"])
    if language == "german" and "{verb}" in frame and second.startswith("der "):
        second = "den " + second[4:]
    adjective, adjective2 = pen.some(words["adjective"], 2, 2)
    time, place = pen.random.choice(words["time"]), pen.random.choice(words["place"])
    return pen.fill(
        frame,
        The=first[0].upper() + first[1:],
        the=first,
        the2=second,
        adjective=adjective,
        adjective2=adjective2,
        verb=pen.random.choice(words["verb"]),
        place=place,
        Time=upper(time),
    )


def foreign(pen: Pen, language: str) -> str:
    """A paragraph of four to eight sentences in one language."""
    return mark(language, " ".join(foreign_sentence(pen, language) for _ in range(pen.random.randint(4, 8))))


def german(pen: Pen) -> str:
    """A German paragraph."""
    return foreign(pen, "german")


def french(pen: Pen) -> str:
    """A French paragraph."""
    return foreign(pen, "french")


def spanish(pen: Pen) -> str:
    """A Spanish paragraph."""
    return foreign(pen, "spanish")


TRANSLATION_FRAMES = ["The {language} word for {english} is", "In {language}, {english} is"]


def translation(pen: Pen) -> str:
    """Word pairs; the combination of frame, language and word can be held out."""
    parts = []
    for _ in range(pen.random.randint(2, 4)):
        while True:
            frame, row, column = (
                pen.random.choice(TRANSLATION_FRAMES),
                pen.random.choice(TRANSLATIONS),
                pen.random.randint(1, 3),
            )
            if not held_out("translation", frame, column, row[0]):
                break
        language = LANGUAGES[column - 1]
        start = pen.fill(frame, language=language.capitalize(), english=row[0])
        parts.append(f"{start} " + mark(f"translated,{language}", row[column]) + ".")
    return " ".join(parts)
