"""What a feature dashboard is made of: what atlas and dictionary know, the label's meters, a text of one's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from saewidgets.errors import WidgetError, shorten
from saewidgets.payloads import Context, Estimate, FeatureDashboardPayload, HeatmapPayload, Histogram, LabelMeter
from saewidgets.sites import FeatureId
from saewidgets.widgets import checks

if TYPE_CHECKING:
    from saewidgets.atlas.atlas import Atlas
    from saewidgets.interventions import Edit
    from saewidgets.scope import Scope
    from saewidgets.widgets.jobs import Token

NO_MODEL = "No model: make the dashboard from a scope to type a text."


@dataclass(frozen=True, slots=True)
class DashboardRequest:
    """What a dashboard should show. Hashable.

    Args:
        feature: Its id.
        text: A text of one's own; "" for none.
        scale: Factor of the feature in it: 1 leaves it alone, 0 ablates it.
        positions: Predictions after these positions too (long texts).
    """

    feature: str
    text: str = ""
    scale: float = 1.0
    positions: tuple[int, ...] = ()


def feature_id(name: str, value: Any) -> str:
    """The id of one feature.

    Raises:
        FeatureError: It is none.
    """
    return str(FeatureId.parse(value if isinstance(value, FeatureId) else checks.word(name, value)))


def factor(name: str, value: Any) -> float:
    """A factor of a feature.

    Raises:
        WidgetError: It is no number from 0 to 100.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        raise WidgetError(f"{name} is {checks.brief(value)}.", "It must be a number from 0 (ablate) to 100.")
    return float(value)


def label_text(name: str, value: Any) -> str:
    """A label on one line: control characters become spaces.

    Raises:
        WidgetError: It is no string, or a long one.
    """
    if not isinstance(value, str) or len(value) > 2_000:
        raise WidgetError(f"{name} is {checks.brief(value)}.", "It must be a string of at most 2000 characters.")
    return "".join(c if c.isprintable() or ord(c) > 0xFF else " " for c in value).strip()


def meters_of(scores: Any) -> dict[str, tuple[LabelMeter, ...]]:
    """Meters by feature, from what `saewidgets.explain.truth_meter` returned.

    Args:
        scores: One `TruthMeter`, several, or none.

    Raises:
        WidgetError: It is something else.
    """
    if scores is None:
        return {}
    found = {}
    for meter in [scores] if hasattr(scores, "meters") else scores if isinstance(scores, Iterable) else [scores]:
        if not hasattr(meter, "meters") or not hasattr(meter, "label"):
            raise WidgetError(f"scores holds a {type(meter).__name__}.", "Give what sw.explain.truth_meter returns.")
        found[meter.label.feature] = tuple(_meter(m) for m in meter.meters if isfinite(m.score.value))
    return found


def _meter(meter: Any) -> LabelMeter:
    score = meter.score
    random = meter.random.value if meter.random is not None and isfinite(meter.random.value) else None
    return LabelMeter(meter.name, Estimate(score.value, score.low, score.high), random, score.n)


def labels_of(labels: Any) -> tuple[dict[str, str], dict[str, str]]:
    """Texts and origins by feature, from a mapping, or from `saewidgets.explain.Label`s."""
    if labels is None:
        return {}, {}
    if isinstance(labels, Mapping):
        return {feature_id("labels", k): label_text("labels", v) for k, v in labels.items()}, {}
    origins = {label.feature: _origin(label) for label in labels}
    return {label.feature: label.text for label in labels}, origins


def _origin(label: Any) -> str:
    lines = len(label.evidence)
    by = "you" if label.source == "user" else label.source
    return f"label by {by}" + (f" · evidence: {lines} line{'s' * (lines != 1)}" if lines else "")


def still(feature: str, atlas: Atlas | None, scope: Scope | None) -> FeatureDashboardPayload:
    """All of a dashboard but the text of one's own and the labels.

    Raises:
        AtlasError, FeatureError: No such feature.
    """
    key = FeatureId.parse(feature).dictionary
    loaded = scope is not None and key in scope.dictionaries
    fields: dict[str, Any] = {"histogram": Histogram(np.zeros(0), np.zeros(0, np.int64), log=True)}
    if scope is not None and (atlas is None or loaded):
        _refuse_stranger(scope, feature)
    if atlas is not None:
        from saewidgets.atlas.shown import swept_fields

        fields |= swept_fields(atlas, feature)
    if loaded and scope is not None:
        from saewidgets.explain.written import written_fields

        fields |= written_fields(scope, feature)
        if atlas is not None and fields["n_tokens"] and not fields["n_active"]:
            fields["nearest_live"] = next((f for f in fields["near"] if atlas.feature(f.id).n_active), None)
    else:
        why = f"{key} is not loaded." if scope is not None else "No model."
        fields |= {"written_note": f"{why} The dictionary's weights are not in the atlas.", "live_note": NO_MODEL}
        if scope is not None:
            fields["live_note"] = f"{key} is not loaded in this scope."
    return FeatureDashboardPayload(feature, _context(key, atlas, scope if loaded else None), **fields)


def _refuse_stranger(scope: Scope, feature: str) -> None:
    from saewidgets.errors import FeatureError

    found = FeatureId.parse(feature)
    dictionary = scope.dictionaries.get(found.dictionary)
    if dictionary is None or found.index >= dictionary.d_dict:
        known = ", ".join(f"{key} (0 to {d.d_dict - 1})" for key, d in scope.dictionaries.items())
        raise FeatureError(f"There is no feature {feature}.", f"Loaded: {known or 'none'}.")


def refuse_other(atlas: Atlas, scope: Scope, key: str) -> None:
    """Raise where atlas and scope have different dictionaries under one key.

    Raises:
        WidgetError: They have.
    """
    from saewidgets.atlas.fingerprint import of_dictionary

    swept = next((site for site in atlas.manifest.sites if site.key == key), None)
    if swept is not None and swept.fingerprint != of_dictionary(scope.dictionaries[key]):
        raise WidgetError(
            f"The atlas was made with another dictionary at {shorten(key)}.",
            "Sweep with this scope, or give sw.FeatureDashboard the atlas alone.",
        )


def _context(key: str, atlas: Atlas | None, scope: Scope | None) -> Context:
    from saewidgets import __version__

    if scope is not None:
        dictionary = scope.dictionaries[key]
        words = f"{dictionary.describe()}, {_thousands(dictionary.d_dict)} features at {key}, {dictionary.scale_name}"
        return Context(f"{scope.name} · {scope.model.n_layers} layers", words, version=__version__)
    assert atlas is not None
    site = atlas.manifest.sites[atlas.manifest.site(key)]
    words = f"{site.architecture}, {_thousands(site.d_dict)} features at {key}"
    return Context(atlas.manifest.model, words, version=__version__)


def _thousands(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")


def edits_of(request: DashboardRequest) -> tuple[Edit, ...]:
    """What the slider does to the feature."""
    from saewidgets.interventions import ablate, scale

    if request.scale == 1:
        return ()
    return (ablate(request.feature) if request.scale == 0 else scale(request.feature, request.scale),)


def typed(
    scope: Scope, request: DashboardRequest, *, control: bool, token: Token, progress: Any = None
) -> HeatmapPayload:
    """The text of one's own with the feature on it, before and after the slider.

    Raises:
        SaewidgetsError: The text cannot be run.
    """
    from saewidgets.runs.heatmap import HeatmapRequest, heatmap_payload

    key = FeatureId.parse(request.feature).dictionary
    asked = HeatmapRequest(
        request.text, (request.feature,), edits_of(request), site=key, fill=request.feature, positions=request.positions
    )
    found = heatmap_payload(scope, asked, control=control, glance=True, check=token.check, progress=progress)
    # The other dictionaries were not read.
    return replace(found, sites=tuple(site for site in found.sites if site.key == key), labels=())


def code(request: DashboardRequest, with_scope: bool, with_atlas: bool) -> str:
    """Python that shows this view again.

    Example:
        >>> print(code(DashboardRequest("resid_post.2/17", "A boat.", 0.0), True, True))
        sw.FeatureDashboard(scope, 'resid_post.2/17', atlas=atlas, text='A boat.', scale=0.0)
    """
    arguments = ["scope" if with_scope else "atlas", repr(request.feature)]
    arguments += ["atlas=atlas"] if with_scope and with_atlas else []
    arguments += [f"text={request.text!r}"] if request.text else []
    arguments += [f"scale={request.scale!r}"] if request.scale != 1 else []
    return f"sw.FeatureDashboard({', '.join(arguments)})"
