"""Concepts of a bottleneck set while the model runs: what it predicts then, beside what random edits make of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from saewidgets.causes.concepts import ConceptBottleneck
from saewidgets.explain.chosen import words
from saewidgets.interventions import Edit
from saewidgets.interventions.text import to_code
from saewidgets.payloads import ContrastCorrection
from saewidgets.runs.control import control_bands
from saewidgets.runs.run import kl_divergence

N_WORDS = 5


def correct(
    bottleneck: ConceptBottleneck, text: str, values: Mapping[str, float], *, prompt: int = 0, controls: int = 8,
    seed: int = 0, check: Callable[[], None] = lambda: None,
) -> ContrastCorrection:  # fmt: skip
    """Set concepts of one text and run the model: see `ConceptBottleneck.intervene`.

    Controls: the same edits on random features that are active on about as many tokens, and the same change of every
    activation in a random direction. The error term is kept; everything after the edit is computed anew.

    Args:
        bottleneck: Where the concepts come from.
        text: The prompt.
        values: Concept -> score wanted, 0 to 1. Concepts that read the same features add up.
        prompt: Number of the text, kept in the result.
        controls: Random features, and random directions.
        seed: Of the draws.
        check: Called between forwards; raises to stop.

    Returns:
        Next tokens before and after, the concepts as they read under the edits, and the bottleneck's answer.

    Raises:
        EditError: No such concept, or a value outside 0 to 1.
    """
    scope, names = bottleneck.scope, [concept.name for concept in bottleneck.concepts]
    made = [bottleneck.intervene(text, name, value) for name, value in values.items()]
    edits: tuple[Edit, ...] = tuple(edit for few in made for edit in few)
    base, edited = scope.run(text), scope.run(text, edits)
    check()
    last = base.n_tokens - 1
    log_p, log_q = (run.log_probabilities([last]) for run in (base, edited))
    best = torch.maximum(log_p, log_q)[0].argsort(descending=True, stable=True)[:N_WORDS]
    band = control_bands(scope, base, edits, [last], best[None], seed, check, None, controls)
    scores = bottleneck.scores([text], edits)
    wanted = [float(values.get(name, -1)) for name in names]
    before, after = ([float(p) for p in log[0, best].exp()] for log in (log_p, log_q))
    return ContrastCorrection(
        prompt, _row(wanted), _row(scores.iloc[0]), bottleneck.predict(scores)[0], tuple(words(scope, best.tolist())),
        _row(before), _row(after), band.low[0], band.high[0], float(kl_divergence(log_p, log_q)[0]),
        float(max(band.kl_features.max(initial=0), band.kl_directions.max(initial=0))), to_code(edits),
    )  # fmt: skip


def _row(values: Any) -> np.ndarray[Any, Any]:
    return np.asarray(values, np.float32)
