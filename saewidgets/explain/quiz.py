"""Judge it yourself, blind: a sheet of shuffled questions, and a key that is kept apart until they are answered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from saewidgets.errors import LabelError, shorten
from saewidgets.explain.bootstrap import interval
from saewidgets.explain.examples import Example
from saewidgets.explain.items import DETECTION, FUZZING, detection_items, fuzzing_items
from saewidgets.explain.labels import Label
from saewidgets.explain.truth import Meter


@dataclass(frozen=True)
class Sheet:
    """What the judge sees: nothing in it tells an answer.

    Args:
        label: The label's text.
        questions: Kind and text of each.
    """

    label: str
    questions: tuple[tuple[str, str], ...]

    @property
    def id(self) -> str:
        """A fingerprint, by which a key is matched with its sheet."""
        return hashlib.sha256(self.to_json().encode("utf-8", "replace")).hexdigest()[:16]

    def to_json(self) -> str:
        """As JSON, to be answered elsewhere."""
        questions = [{"kind": kind, "text": text} for kind, text in self.questions]
        return json.dumps({"label": self.label, "questions": questions}, ensure_ascii=False)

    def to_frame(self) -> pd.DataFrame:
        """Columns kind, text."""
        return pd.DataFrame(self.questions, columns=["kind", "text"])


@dataclass(frozen=True)
class Key:
    """The answers of one sheet; not shown when printed.

    Args:
        sheet: The sheet's `id`.
        answers: One a question.
    """

    sheet: str
    answers: tuple[bool, ...] = field(repr=False)


def blind_quiz(
    label: Label, active: Sequence[Example], quiet: Sequence[Example], n: int = 10, seed: int | None = None
) -> tuple[Sheet, Key]:
    """A sheet on one label and its key.

    Args:
        label: What is judged.
        active: Examples on which the feature is active.
        quiet: Examples on which it is not.
        n: Greatest number of questions of each kind.
        seed: Of choice and order; None for a new one each time, which nobody knows.

    Raises:
        LabelError: There is nothing to ask.

    Example:
        >>> on = [Example(("a", " boat"), [0, 2]), Example(("the", " boat"), [0, 3])]
        >>> off = [Example(("a", " dog"), [0, 0]), Example(("the", " dog"), [0, 0])]
        >>> sheet, key = blind_quiz(Label("resid_post.2/17", "boats"), on, off)
        >>> answers = [text in ("a boat", "the boat") or "<< boat>>" in text for _, text in sheet.questions]
        >>> [(meter.name, meter.score.value) for meter in grade(sheet, key, answers)]
        [('detection', 1.0), ('fuzzing', 1.0)]
    """
    chosen = int(np.random.SeedSequence().entropy or 0) if seed is None else seed  # type: ignore[arg-type]
    items = detection_items(active, quiet, n, chosen) + fuzzing_items(active, n, chosen)
    if not items:
        raise LabelError(f"There is nothing to ask about {label.feature}.", "Give examples with and without it.")
    order = np.random.default_rng([chosen, 4]).permutation(len(items)).tolist()
    # Questions of one kind stand together, each kind in a random order.
    order.sort(key=lambda i: items[i].kind)
    sheet = Sheet(label.text, tuple((items[i].kind, items[i].text) for i in order))
    return sheet, Key(sheet.id, tuple(items[i].answer for i in order))


def grade(sheet: Sheet, key: Key, answers: Sequence[bool | None], draws: int = 1000) -> tuple[Meter, ...]:
    """What the answers are worth: balanced accuracy of each kind. `None` leaves a question out.

    Raises:
        LabelError: The key is of another sheet, or there is not one answer a question.
    """
    if key.sheet != sheet.id or len(key.answers) != len(sheet.questions):
        raise LabelError("The key is of another sheet.", "Grade with the key that came with the sheet.")
    if len(answers) != len(sheet.questions) or not all(a is None or isinstance(a, bool | np.bool_) for a in answers):
        raise LabelError(
            f"The answers are {shorten(list(answers))}.",
            f"Give True, False or None to {len(sheet.questions)} questions.",
        )
    meters = []
    for kind in (DETECTION, FUZZING):
        asked = [
            (truth, bool(answer) == truth)
            for (of, _), truth, answer in zip(sheet.questions, key.answers, answers, strict=True)
            if of == kind and answer is not None
        ]
        if asked:
            groups = [[ok for truth, ok in asked if truth is side] for side in (True, False)]
            meters.append(Meter(kind, interval(groups, draws), chance=0.5))
    return tuple(meters)
