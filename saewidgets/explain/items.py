"""Questions about a label with known answers: texts to recognise (detection), marks to check (fuzzing)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from saewidgets.explain.examples import Example

DETECTION, FUZZING = "detection", "fuzzing"
# Tokens count as active from this share of an example's greatest activation.
_SHARE = 0.3


@dataclass(frozen=True)
class Item:
    """One question.

    Args:
        kind: "detection": is the feature active in the text? "fuzzing": are the marked tokens those it is active on?
        text: Plain, or with marks.
        answer: The truth.
    """

    kind: str
    text: str
    answer: bool


def split(examples: Sequence[Example], threshold: float = 0.0) -> tuple[list[Example], list[Example]]:
    """Examples on which the feature is active, and those on which it is not."""
    active = [example for example in examples if abs(example.value) > threshold]
    return active, [example for example in examples if abs(example.value) <= threshold]


def detection_items(active: Sequence[Example], quiet: Sequence[Example], n: int = 50, seed: int = 0) -> list[Item]:
    """At most `n` texts, as many with the feature as without: Paulo et al. 2410.13928."""
    draw = np.random.default_rng([seed, 1])
    half = min(n // 2, len(active), len(quiet))
    yes, no = (_some(examples, half, draw) for examples in (active, quiet))
    return [Item(DETECTION, e.text, True) for e in yes] + [Item(DETECTION, e.text, False) for e in no]


def fuzzing_items(active: Sequence[Example], n: int = 50, seed: int = 0) -> list[Item]:
    """At most `n` marked texts: half with the active tokens marked, half with as many tokens on which it is silent.

    An example is used once; one without enough silent tokens only for right marks.
    """
    draw = np.random.default_rng([seed, 2])
    right: list[Item] = []
    wrong: list[Item] = []
    for example in _some(active, len(active), draw):
        on = example.active(_SHARE)
        silent = [i for i in np.flatnonzero(example.activations == 0).tolist() if i not in example.special]
        if len(wrong) < len(right) and len(silent) >= len(on):
            marks = sorted(int(i) for i in draw.choice(silent, len(on), replace=False))
            wrong.append(Item(FUZZING, example.marked(marks), False))
        else:
            right.append(Item(FUZZING, example.marked(on), True))
    half = min(n // 2, len(right), len(wrong))
    return right[:half] + wrong[:half]


def _some(examples: Sequence[Example], n: int, draw: np.random.Generator) -> list[Example]:
    return [examples[i] for i in draw.permutation(len(examples))[:n]]
