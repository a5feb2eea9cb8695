"""The truth meter: how far a label can be trusted, each number with its interval and beside a random feature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from saewidgets.errors import LabelError
from saewidgets.explain.bootstrap import Interval, interval
from saewidgets.explain.chosen import Chosen, choose_one
from saewidgets.explain.contexts import Texts, active_contexts, as_rows
from saewidgets.explain.examples import Example, examples_of
from saewidgets.explain.items import DETECTION, FUZZING, Item, detection_items, fuzzing_items, split
from saewidgets.explain.judges import Judge, ask
from saewidgets.explain.labels import Label
from saewidgets.explain.steered import steered_texts

if TYPE_CHECKING:
    from saewidgets.scope import Scope

SENSITIVITY, OUTPUT = "sensitivity", "output"


@dataclass(frozen=True)
class Meter:
    """One number of the truth meter.

    Args:
        name: "detection", "fuzzing", "sensitivity" or "output".
        score: Of the label on its feature.
        random: The same label on a random feature; None where that was not measured.
        chance: What guessing gives; None where guessing is not defined.
    """

    name: str
    score: Interval
    random: Interval | None = None
    chance: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the interval lies above chance, and above the interval of the random feature."""
        floor = max(self.chance or 0.0, self.random.high if self.random is not None else 0.0)
        return self.score.low > floor  # False for NaN


@dataclass(frozen=True)
class TruthMeter:
    """All that was measured of one label.

    Args:
        label: The label.
        meters: One number each.
        random: Id of the random feature.
    """

    label: Label
    meters: tuple[Meter, ...]
    random: str

    def __getitem__(self, name: str) -> Meter:
        """One of them by name.

        Raises:
            LabelError: It was not measured.
        """
        for meter in self.meters:
            if meter.name == name:
                return meter
        known = ", ".join(meter.name for meter in self.meters)
        raise LabelError(f"{name!r} was not measured.", f"There is {known}.")

    def to_frame(self) -> pd.DataFrame:
        """One row a meter: value, low, high, n, random, random_low, random_high, chance, holds."""
        empty = Interval(float("nan"), float("nan"), float("nan"), 0)
        rows = []
        for meter in self.meters:
            other, score = meter.random or empty, meter.score
            chance = float("nan") if meter.chance is None else meter.chance
            rows.append((meter.name, score.value, score.low, score.high, score.n, other.value, other.low, other.high,
                         chance, meter.holds))  # fmt: skip
        columns = ["meter", "value", "low", "high", "n", "random", "random_low", "random_high", "chance", "holds"]
        return pd.DataFrame(rows, columns=columns).set_index("meter")


def judged(items: Sequence[Item], label: str, judge: Judge, draws: int = 1000, seed: int = 0) -> Interval:
    """Balanced accuracy of a judge who knows only the label: mean of the shares right on true and on false items."""
    right = [(item.answer, (ask(judge, label, item.text) >= 0.5) == item.answer) for item in items]
    return interval([[ok for answer, ok in right if answer is truth] for truth in (True, False)], draws, seed)


def judge_examples(
    label: Label, examples: Sequence[Example], judge: Judge, random: Sequence[Example] = (), *,
    n: int = 50, threshold: float = 0.0, draws: int = 1000, seed: int = 0,
) -> list[Meter]:  # fmt: skip
    """Detection and fuzzing on examples from anywhere: an atlas, a file, another tool.

    Args:
        label: What is judged.
        examples: Contexts on some of which the feature is active.
        judge: `(label, text) -> bool or score`.
        random: Contexts of a random feature, on which the same label is judged.
        n: Greatest number of items of each kind.
        threshold: Absolute activation above which the feature counts as active.
        draws: Bootstrap resamples.
        seed: Of choices and resamples.

    Returns:
        One meter for each kind that the examples allow.
    """
    meters = []
    for name in (DETECTION, FUZZING):
        scored = []
        for active, quiet in (split(examples, threshold), split(random, threshold)):
            items = detection_items(active, quiet, n, seed) if name == DETECTION else fuzzing_items(active, n, seed)
            scored.append(judged(items, label.text, judge, draws, seed) if items else None)
        if scored[0] is not None:
            meters.append(Meter(name, scored[0], scored[1], 0.5))
    return meters


def sensitivity(fitting: Sequence[Example], threshold: float = 0.0, draws: int = 1000, seed: int = 0) -> Interval:
    """Share of texts written to fit the label on which the feature is active (2509.23717)."""
    return interval([[abs(example.value) > threshold for example in fitting]], draws, seed)


def output_match(
    texts: Sequence[str], label: str, others: Sequence[str], judge: Judge, draws: int = 1000, seed: int = 0
) -> Interval:
    """How often a judge finds that the label fits what the amplified feature writes better than other labels do.

    Ties share the point.
    """
    points = []
    for text in texts:
        own, rest = ask(judge, label, text), [ask(judge, other, text) for other in others]
        points.append(0.0 if own < max(rest) else 1 / (1 + rest.count(own)))
    return interval([points], draws, seed)


def truth_meter(
    scope: Scope, label: Label, contexts: Texts, judge: Judge, *, fitting: Texts = (), prompts: Texts = (),
    others: Sequence[str] = (), n: int = 50, threshold: float = 0.0, draws: int = 1000, seed: int = 0,
) -> TruthMeter:  # fmt: skip
    """Measure a label.

    Detection and fuzzing need contexts on which the feature is active and others on which it is not; sensitivity needs
    `fitting`; the output score needs `prompts` and `others`. What cannot be measured is left out. The random feature
    is one of the same dictionary that is active on about as many of the contexts.

    Args:
        scope: A model with its dictionaries.
        label: What is measured.
        contexts: Texts that no one looked at when writing the label.
        judge: `(label, text) -> bool or score`: `word_judge`, a language model, a person.
        fitting: Texts written to fit the label, by someone who does not know the feature.
        prompts: Beginnings that are continued with the feature amplified.
        others: Other labels, to tell this one from.
        n: Greatest number of items of each kind.
        threshold: Absolute activation above which the feature counts as active.
        draws: Bootstrap resamples.
        seed: Of choices, continuations and resamples.

    Returns:
        The meters.

    Raises:
        FeatureError: No such feature.
        LabelError: The judge answers with something else than a bool or a score.

    Example:
        >>> import saewidgets as sw
        >>> from saewidgets.explain import word_judge
        >>> texts = [f"Tom came in {w}." for w in ("May", "March", "June", "a boat", "the park", "the house")]
        >>> label = Label("mlp_in.0/23", '"May", "March", "June"')
        >>> truth_meter(sw.demo(), label, texts, word_judge)["detection"].score.value
        1.0
    """
    chosen = choose_one(scope, label.feature)
    rows = as_rows(scope, contexts)
    other = _like(active_contexts(scope, chosen.key, rows), int(chosen.index), seed)
    both = Chosen(chosen.key, chosen.dictionary, torch.tensor([int(chosen.index), other]))
    examples = examples_of(scope, both, rows)
    meters = judge_examples(label, examples[0], judge, examples[1], n=n, threshold=threshold, draws=draws, seed=seed)
    if len(fitting):
        own, random = (sensitivity(e, threshold, draws, seed) for e in examples_of(scope, both, fitting))
        meters.append(Meter(SENSITIVITY, own, random))
    if len(prompts) and len(others):
        scores = []
        for feature, found in zip(both.names, examples, strict=True):
            value = max(example.value for example in found)
            texts = steered_texts(scope, feature, prompts, 2 * value, n=n, seed=seed)
            scores.append(output_match(texts, label.text, others, judge, draws, seed))
        meters.append(Meter(OUTPUT, scores[0], scores[1], 1 / (1 + len(others))))
    return TruthMeter(label, tuple(meters), both.names[1])


def _like(counts: np.ndarray[tuple[int], np.dtype[np.int64]], index: int, seed: int) -> int:
    """One of the twenty other features whose number of active contexts is nearest."""
    order = np.argsort(np.abs(counts - counts[index]), kind="stable")
    pool = [int(i) for i in order if i != index and counts[i]][:20] or [int(i) for i in order if i != index][:20]
    return int(np.random.default_rng([seed, 3]).choice(pool)) if pool else index
