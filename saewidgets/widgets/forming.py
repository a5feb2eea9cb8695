"""A few features of a dictionary in training: which, and where they fire now. Takes what a trainer gives; no torch."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from saewidgets.payloads import FormingFeature, Passage

if TYPE_CHECKING:
    from saewidgets.dictionaries.train import Trainer

# Features are looked for among so many; the first few that fire in two contexts stay in view.
CANDIDATES, SHOWN, CONTEXTS, LETTERS = 64, 4, 3, 8
# Contexts are read again after so many seconds, or this many times as long as it took.
EXAMPLES, PATIENCE = 1.5, 20.0


class Forming:
    """Reads contexts now and then, and keeps to the features it has once shown, so that one sees them change.

    Args:
        site: Where features are read: their ids begin with it.
        width: Number of features.
        chosen: Indices to watch; `None` for the first few that fire, one that falls silent making room for another.
    """

    def __init__(self, site: str, width: int, chosen: Sequence[int] | None = None) -> None:
        self._site, self._chosen = site, chosen
        self._slots = {index: slot for slot, index in enumerate(chosen or ())}
        spread = {i * width // CANDIDATES for i in range(CANDIDATES)}
        self._candidates = tuple(chosen) if chosen is not None else tuple(sorted(spread))
        self._free = list(range(LETTERS))
        self._next = float("-inf")
        self.features: tuple[FormingFeature, ...] = ()

    def read(self, trainer: Trainer, now: bool = False) -> None:
        """Read where the features fire, if it is time, or `now`."""
        began = time.monotonic()
        if began < self._next and not now:
            return
        examples = trainer.examples(self._candidates, count=CONTEXTS)
        if self._chosen is None:
            self._choose(examples)
        self.features = forming(self._site, examples, self._slots)
        done = time.monotonic()
        self._next = done + max(EXAMPLES, PATIENCE * (done - began))

    def _choose(self, examples: Mapping[int, Sequence[Any]]) -> None:
        """The silent leave, as far as others fire; letters that they free are given again last."""
        firing = [f for f in self._candidates if f not in self._slots and len(examples[f]) >= 2]
        silent = [f for f in self._slots if not examples[f]]
        for feature in silent[: max(0, len(firing) - SHOWN + len(self._slots))]:
            self._free.append(self._slots.pop(feature))
        for feature in firing[: SHOWN - len(self._slots)]:
            self._slots[feature] = self._free.pop(0)


def forming(site: str, examples: Mapping[int, Sequence[Any]], slots: Mapping[int, int]) -> tuple[FormingFeature, ...]:
    """Features from a trainer's examples.

    Args:
        site: Where they are read.
        examples: Feature -> contexts with `tokens`, `activations` and `position`, the strongest first.
        slots: Feature -> its letter.
    """
    found = []
    for feature, slot in slots.items():
        passages = tuple(Passage(e.tokens, e.activations, e.position) for e in examples.get(feature, ()))
        maximum = max((float(p.values.max(initial=0)) for p in passages), default=0.0)
        found.append(FormingFeature(f"{site}/{feature}", slot, maximum, passages))
    return tuple(found)
