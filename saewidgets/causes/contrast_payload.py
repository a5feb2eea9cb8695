"""A contrast, and what was made of it, as the view draws it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from saewidgets.causes.concepts import ConceptBottleneck
from saewidgets.causes.contrast import Contrast
from saewidgets.causes.separation import N_SHUFFLES
from saewidgets.causes.shown import foot
from saewidgets.payloads import (
    ContrastBottleneck,
    ContrastConfound,
    ContrastFeature,
    ContrastMeasure,
    ContrastPayload,
    ContrastProbe,
)


def contrast_payload(
    found: Contrast, positive: Sequence[str], negative: Sequence[str], pool: str, listed: int
) -> ContrastPayload:
    """The table of features with its controls and confounds.

    Args:
        found: The contrast.
        positive: Its prompts as they were given.
        negative: Those of the other set.
        pool: As in `contrast`.
        listed: How many features are shown.
    """
    frame = found.frame
    rows = [
        ContrastFeature(
            r["feature"], r["label"], r["auroc"], r["low"], r["high"], r["frequency_first"], r["frequency_second"],
            r["mean_first"], r["mean_second"], r["confound"], bool(r["beats_control"]),
        )
        for r in frame.head(listed).to_dict("records")
    ]  # fmt: skip
    confounds = [
        ContrastConfound(r["confound"], r["first"], r["second"], r["auroc"], r["low"], r["high"], bool(r["flagged"]))
        for r in found.confounds().to_dict("records")
    ]
    shuffled, random = (float(frame[name].max()) if len(frame) else 0.0 for name in ("shuffled", "random_dictionary"))
    return ContrastPayload(
        tuple(positive), tuple(negative), tuple(rows), len(frame), int(frame["beats_control"].sum()),
        int(frame["confound"].str.contains("position").sum()), shuffled, random, N_SHUFFLES,
        len(found.pooled.features) - 1, tuple(confounds), found.verdict, foot(found.scope, found.key), pool,
    )  # fmt: skip


def probe_payload(found: Contrast, features: Sequence[str]) -> tuple[ContrastProbe, ...]:
    """A probe on chosen features beside its controls."""
    rows = found.probe(features=features).to_dict("records")
    return tuple(
        ContrastProbe(r["inputs"], int(r["k"]), r["accuracy"], r["low"], r["high"], bool(r["control"])) for r in rows
    )


def bottleneck_payload(made: ConceptBottleneck, texts: Sequence[str]) -> ContrastBottleneck:
    """A bottleneck with the scores of every prompt.

    Args:
        made: The bottleneck.
        texts: The prompts it was made of, in order.
    """
    scores, curve = made.scores(list(texts)), made.curve()
    held = np.zeros(len(texts), np.uint8)
    held[list(made.held_out)] = 1
    measures = []
    for r in made.metrics().to_dict("records"):
        ends = (None if math.isnan(r[end]) else r[end] for end in ("low", "high"))
        measures.append(ContrastMeasure(str(r["measure"]), r["accuracy"], *ends))
    readers = [" ".join(f"{w:+.2f} {made.key}/{i}" for i, w in zip(c.index, c.weights, strict=True)).replace("-", "−")
               for c in made.concepts]  # fmt: skip
    corrected, accuracy, low, high, control = (
        curve[name].to_numpy() for name in ("corrected", "accuracy", "low", "high", "control")
    )
    return ContrastBottleneck(
        tuple(c.name for c in made.concepts), tuple(readers), scores.to_numpy(), tuple(made.predict(scores)), held,
        tuple(measures), corrected, accuracy, low, high, control,
    )  # fmt: skip
