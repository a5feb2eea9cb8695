"""Which concept one single feature detects per token.

A threshold for every (feature, concept) is chosen on the first split, the feature of every concept on the second,
and its F1 is
taken from the third; nothing is chosen on what is reported.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from saewidgets.dictionaries import Dictionary

SPLITS = ("concepts threshold", "concepts choice", "concepts score")


@dataclass(frozen=True)
class Detector:
    """One feature as a detector of one concept.

    Attributes:
        key: the dictionary.
        index: the feature.
        threshold: it says yes strictly above this activation.
        f1: on the split named by the caller.
    """

    key: str
    index: int
    threshold: float
    f1: float


@dataclass(frozen=True)
class Split:
    """Labelled tokens, special tokens left out.

    Attributes:
        x: activations by site ``[n, d]``.
        truth: ``[n, concepts]``, bool.
    """

    x: dict[str, Tensor]
    truth: np.ndarray


@torch.no_grad()
def best_thresholds(features: Tensor, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The best F1 of every feature for every concept, and the threshold that gives it.

    Args:
        features: activations ``[n, d_dict]``.
        truth: ``[n, concepts]``.

    Returns:
        F1 and thresholds, both ``[d_dict, concepts]``.
    """
    values, positives = features.T.contiguous().numpy(), truth.sum(0)
    f1 = np.zeros((len(values), truth.shape[1]))
    thresholds = np.full_like(f1, np.inf)
    for feature, strengths in enumerate(values):
        active = np.flatnonzero(strengths > 0)
        if len(active) == 0:
            continue
        order = active[np.argsort(-strengths[active], kind="stable")]
        hits = truth[order].cumsum(0)
        scores = 2 * hits / (np.arange(1, len(order) + 1)[:, None] + positives)
        last = scores.argmax(0)
        f1[feature] = scores[last, np.arange(truth.shape[1])]
        ordered = np.append(strengths[order], 0.0)
        thresholds[feature] = (ordered[last] + ordered[last + 1]) / 2
    return f1, thresholds


@torch.no_grad()
def f1_at(features: Tensor, truth: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """F1 of every feature for every concept at given thresholds, ``[d_dict, concepts]``."""
    values, positives = features.T.contiguous().numpy(), truth.sum(0)
    f1 = np.zeros(thresholds.shape)
    for feature, strengths in enumerate(values):
        active = np.flatnonzero(strengths > 0)
        said = strengths[active, None] > thresholds[feature]
        f1[feature] = 2 * (said & truth[active]).sum(0) / np.maximum(said.sum(0) + positives, 1)
    return f1


@dataclass(frozen=True)
class Scores:
    """Every feature of a dictionary as a detector of every concept, arrays ``[d_dict, concepts]``.

    Attributes:
        thresholds: chosen on the first split.
        choice: F1 on the second, to choose by.
        final: F1 on the third, to report.
    """

    thresholds: np.ndarray
    choice: np.ndarray
    final: np.ndarray


def scores(dictionary: Dictionary, splits: list[Split]) -> Scores:
    """Thresholds from the first split, F1 on the other two."""
    site = str(dictionary.site_in)
    _, thresholds = best_thresholds(dictionary.encode(splits[0].x[site]), splits[0].truth)
    choice, final = (f1_at(dictionary.encode(split.x[site]), split.truth, thresholds) for split in splits[1:])
    return Scores(thresholds, choice, final)


def detectors(by_key: dict[str, Scores]) -> list[Detector]:
    """For every concept the feature that is best on the second split, with its F1 on the third."""
    found = []
    for concept in range(next(iter(by_key.values())).choice.shape[1]):
        key = max(by_key, key=lambda key: by_key[key].choice[:, concept].max())
        index = int(by_key[key].choice[:, concept].argmax())
        threshold, f1 = (float(array[index, concept]) for array in (by_key[key].thresholds, by_key[key].final))
        found.append(Detector(key, index, threshold, f1))
    return found


@torch.no_grad()
def score(detector: Detector, dictionaries: dict[str, Dictionary], split: Split, concept: int) -> Detector:
    """The detector with its F1 on a split."""
    dictionary = dictionaries[detector.key]
    said = (dictionary.encode(split.x[str(dictionary.site_in)])[:, detector.index] > detector.threshold).numpy()
    truth = split.truth[:, concept]
    f1 = 2 * (said & truth).sum() / max(said.sum() + truth.sum(), 1)
    return Detector(detector.key, detector.index, detector.threshold, float(f1))
