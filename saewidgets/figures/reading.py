"""What the figures read out of a heatmap payload: which fill, which scale, which predictions, what changed."""

from dataclasses import dataclass

import numpy as np

from saewidgets.figures.palette import letter
from saewidgets.figures.text import plain
from saewidgets.payloads.arrays import Array
from saewidgets.payloads.heatmap import ChosenFeature, HeatmapPayload, SiteView

# A change below this share of a feature's maximum is not marked: it is rounding, not an effect.
CHANGED = 0.01


@dataclass(frozen=True, slots=True)
class Copy:
    """What one copy of the strip shows; there are two, before and after, when there are edits.

    Args:
        name: `"before"`, `"after"`, or "" for the only one.
        fill: `[T]` what fills the tokens.
        maximum: Value of the strongest fill.
        lanes: For each chosen feature `[T]` activations.
        removed: For each chosen feature `[T]` activations that the edits took away.
        changed: `[T]` whether the edits changed a chosen feature's activation at the token.
    """

    name: str
    fill: Array
    maximum: float
    lanes: tuple[Array, ...]
    removed: tuple[Array, ...]
    changed: Array


def copies(payload: HeatmapPayload) -> list[Copy]:
    """The strip without the edits and, where there are edits, under them."""
    features = payload.features
    edited = payload.n_edits > 0 or any(feature.after is not None for feature in features)
    nothing = np.zeros(len(payload.tokens), np.float32)
    base = tuple(feature.values for feature in features)
    fill, maximum = fills(payload, after=False)
    before = Copy("before" if edited else "", fill, maximum, base, (nothing,) * len(base), nothing > 0)
    if not edited:
        return [before]
    lanes = tuple(f.values if f.after is None else f.after for f in features)
    removed = tuple(np.where((after <= 0) & (row > 0), row, 0) for row, after in zip(base, lanes, strict=True))
    return [before, Copy("after", *fills(payload, after=True), lanes, removed, changed(payload))]


def chosen(payload: HeatmapPayload) -> ChosenFeature | None:
    """The chosen feature that fills the tokens, `None` when something else does."""
    return next((feature for feature in payload.features if feature.id == payload.fill), None)


def site(payload: HeatmapPayload) -> SiteView | None:
    """The dictionary in view."""
    return next((view for view in payload.sites if view.key == payload.site), None)


def fill_name(payload: HeatmapPayload) -> str:
    """What fills the tokens, in words."""
    feature = chosen(payload)
    if feature is not None:
        return f"feature {letter(feature.slot)}, {plain(feature.label, 60) or plain(feature.id, 60)}"
    return {"error": "the error's share of the activation", "surprise": "surprise in nats"}.get(payload.fill, "nothing")


def fills(payload: HeatmapPayload, after: bool) -> tuple[Array, float]:
    """What fills the tokens, and the value of the strongest step.

    Args:
        payload: Of a heatmap.
        after: Under the edits instead of without them.

    Returns:
        `[T]` values and their maximum: the feature's own, 1 for an error share, the prompt's greatest surprise.
    """
    feature, view = chosen(payload), site(payload)
    nothing = np.zeros(len(payload.tokens), np.float32)
    if feature is not None:
        values = feature.after if after and feature.after is not None else feature.values
        return values, feature.maximum
    if payload.fill == "error" and view is not None:
        return (view.error_after if after and view.error_after is not None else view.error), 1.0
    if payload.fill == "surprise":
        both = [payload.surprise] + ([payload.surprise_after] if payload.surprise_after is not None else [])
        return both[-1] if after else both[0], float(max((row.max(initial=0) for row in both), default=0.0))
    return nothing, 0.0


def changed(payload: HeatmapPayload) -> Array:
    """`[T]` whether the edits changed a chosen feature's activation at the token."""
    result = np.zeros(len(payload.tokens), bool)
    for feature in payload.features:
        if feature.after is not None:
            result |= np.abs(feature.after.astype(float) - feature.values) > CHANGED * max(feature.maximum, 1e-9)
    return result


def peaks(feature: ChosenFeature, n: int = 1) -> list[int]:
    """Positions of the feature's `n` greatest activations without edits, greatest first; inactive ones left out.

    Position 0 is left out as well: what models hold there is no reading of the token.
    """
    best = np.argsort(-feature.values[1:], kind="stable")[:n] + 1
    return [position for position in best.tolist() if feature.values[position] > 0]


def prediction_row(payload: HeatmapPayload) -> int | None:
    """Row of the predictions after the selected token, or after the last token before it that has some."""
    rows = np.flatnonzero(payload.predictions.positions <= payload.selection)
    return int(rows[-1]) if len(rows) else None
