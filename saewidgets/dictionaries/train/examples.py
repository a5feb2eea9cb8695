"""Where features fire most in a few contexts: what a trainer shows of features as they form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from saewidgets.dictionaries.interface import Dictionary
from saewidgets.dictionaries.train.source import Probe


@dataclass(frozen=True)
class Example:
    """A context in which a feature fires.

    Args:
        feature: Its index.
        value: Its activation at `position`, the greatest in this context.
        position: Which of `tokens`.
        tokens: A window of the context, as strings.
        activations: The feature on each of them.
    """

    feature: int
    value: float
    position: int
    tokens: tuple[str, ...]
    activations: tuple[float, ...]


@torch.no_grad()
def examples(
    dictionary: Dictionary, probe: Probe, features: Sequence[int], count: int, window: int
) -> dict[int, tuple[Example, ...]]:
    """The contexts in which each feature is strongest.

    Args:
        dictionary: Its features.
        probe: Contexts, all of one length.
        features: Indices.
        count: Contexts for each, the strongest first.
        window: Tokens on either side of the strongest one.

    Returns:
        Feature -> examples; fewer than `count` if it fires in fewer contexts.
    """
    length = len(probe.tokens[0])
    chosen = torch.tensor(list(features), dtype=torch.int64, device=probe.x.device)
    # A context at a time: the dense activations of all would be the largest thing in memory.
    parts = [dictionary.encode(part)[:, chosen].cpu() for part in probe.x.split(length)]
    found = {}
    for column, feature in enumerate(features):
        acts = torch.stack([part[:, column] for part in parts])
        best = acts.max(1).values.argsort(descending=True, stable=True)[:count].tolist()
        found[feature] = tuple(_example(feature, acts[i], probe.tokens[i], window) for i in best if acts[i].max() > 0)
    return found


def _example(feature: int, acts: Tensor, tokens: tuple[str, ...], window: int) -> Example:
    peak = int(acts.argmax())
    first = max(0, peak - window)
    part = slice(first, peak + window + 1)
    return Example(feature, float(acts[peak]), peak - first, tokens[part], tuple(acts[part].tolist()))
