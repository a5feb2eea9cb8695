"""Judging a label blind: questions go to the front end, the key stays in Python, the score becomes a meter."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from saewidgets.errors import LabelError, WidgetError
from saewidgets.payloads import LabelMeter, encode
from saewidgets.widgets import checks
from saewidgets.widgets import feature_parts as parts
from saewidgets.widgets.jobs import GUARD, Job, Token

if TYPE_CHECKING:
    from saewidgets.explain import Example, Key, Sheet

# Questions of each kind; contexts looked at for texts without the feature; tokens on each side that are shown.
ASKED, LOOKED, NEAR = 10, 60, 12
# What stands behind the name of a number that the user measured.
BY_YOU = "by you"


class Judging:
    """Mixed into `FeatureDashboard`, before `BaseWidget`."""

    _quiz: tuple[str, str, Sheet, Key] | None = None

    def _on_quiz(self: Any, request_id: Any, content: dict[str, Any]) -> None:
        """Questions about the label in view; not here, for texts are run."""
        shown = self._picture
        if self._scope is None or self._atlas is None or shown.live_note:
            raise WidgetError("Judging needs the model and an atlas.", "Give a scope and atlas=.")
        if not shown.label:
            raise LabelError("There is no label to judge.", "Write one first.")
        work = partial(self._quiz_job, shown.id, shown.label, request_id)
        self._runner.submit("quiz", Job(work, partial(self._save_failed, request_id), request_id, True))

    def _quiz_job(self: Any, feature: str, label: str, request_id: Any, token: Token) -> None:
        from saewidgets.explain import Label, blind_quiz

        active, quiet = _examples(self._scope, self._atlas, feature, token)
        sheet, key = blind_quiz(Label(feature, label), active, quiet, n=ASKED)
        token.check()
        self._quiz = (feature, label, sheet, key)
        questions = [{"kind": kind, "text": text} for kind, text in sheet.questions]
        self._post({"type": "ok", "id": request_id, "result": {"label": label, "questions": questions}})

    def _on_answers(self: Any, request_id: Any, content: dict[str, Any]) -> None:
        """Grade a sheet: once, and only while its label stands."""
        from saewidgets.explain import grade

        answers = checks.answers("answers", content.get("answers"))
        quiz, self._quiz = self._quiz, None
        if quiz is None or quiz[:2] != (self._picture.id, self._picture.label):
            raise LabelError("These answers are of no open sheet.", "Begin again.")
        feature, _, sheet, key = quiz
        made = tuple(replace(parts.meter_of(m), name=f"{m.name} {BY_YOU}") for m in grade(sheet, key, answers))
        with GUARD:
            self._meters[feature] = (*(m for m in self._picture.meters if not _own(m)), *made)
            payload = self._viewed(self._picture, {})
            with self._setting():
                self._put(payload, encode(payload))
        scores = [{"name": m.name, "value": m.score.value, "n": m.n} for m in made]
        self._post({"type": "ok", "id": request_id, "result": {"scores": scores}})


def _own(meter: LabelMeter) -> bool:
    return meter.name.endswith(BY_YOU)


def _examples(scope: Any, atlas: Any, feature: str, token: Token) -> tuple[list[Example], list[Example]]:
    """Short texts with the feature, from all its intervals, and without it."""
    from saewidgets.explain.chosen import choose_one
    from saewidgets.explain.examples import examples_of

    swept, draw = atlas.feature(feature), np.random.default_rng()
    fires = list(dict.fromkeys(swept.examples["context"].tolist()))
    fires = [fires[i] for i in draw.permutation(len(fires))[: 2 * ASKED]]
    others = draw.choice(atlas.n_contexts, min(LOOKED, atlas.n_contexts), replace=False).tolist()
    chosen = choose_one(scope, feature)

    def run(contexts: list[int]) -> list[Example]:
        found = []
        for context in contexts:
            token.check()
            found += examples_of(scope, chosen, [atlas.token_ids(context)])[0]
        return found

    active = [_around(example, example.position) for example in run(fires) if abs(example.value) > 0]
    quiet = [_around(example, int(draw.integers(len(example.tokens)))) for example in run(others)]
    return active, [example for example in quiet if not np.abs(example.spoken).max() > 0]


def _around(example: Example, position: int) -> Example:
    """The tokens near one."""
    start, end = max(0, position - NEAR), position + NEAR + 1
    special = tuple(i - start for i in example.special if start <= i < end)
    return replace(
        example, tokens=example.tokens[start:end], activations=example.activations[start:end],
        ids=example.ids[start:end], special=special,
    )  # fmt: skip
