"""What a feature dashboard is made of: what atlas and dictionary know, the label's meters, a text of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from saewidgets.errors import WidgetError, shorten
from saewidgets.figures.text import count
from saewidgets.payloads import Context, Estimate, FeatureDashboardPayload, HeatmapPayload, Histogram, LabelMeter
from saewidgets.sites import FeatureId
from saewidgets.widgets.feature_request import DashboardRequest, edits_of, feature_id, label_text

if TYPE_CHECKING:
    from saewidgets.atlas.atlas import Atlas
    from saewidgets.scope import Scope
    from saewidgets.widgets.jobs import Token

# Tokens of a text whose predictions come without being asked for.
POSITIONS = 60
NO_MODEL = "No model: make the dashboard from a scope to type a text."


def chosen_in(view: Any, opened: Callable[[str], None]) -> Callable[[], None]:
    """Call a function with each feature that is chosen in a widget.

    Args:
        view: A widget with a trait `feature` or `fill`.
        opened: What to call with the id.

    Returns:
        A function that ends it.

    Raises:
        WidgetError: The widget has no such trait.
    """
    name = next((name for name in ("feature", "fill") if getattr(view, "has_trait", lambda _: False)(name)), None)
    if name is None:
        raise WidgetError(f"No feature is chosen in a {type(view).__name__}.", "Follow a heatmap, a report or a table.")

    def changed(change: Any) -> None:
        # "", and the fills that are no feature: "error" and "surprise".
        if "/" in str(change.new):
            opened(change.new)

    view.observe(changed, name)
    return partial(view.unobserve, changed, name)


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
        found[meter.label.feature] = tuple(meter_of(m) for m in meter.meters if isfinite(m.score.value))
    return found


def meter_of(meter: Any) -> LabelMeter:
    """A number of a `TruthMeter` as the dashboard draws it."""
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


def example_text(payload: FeatureDashboardPayload) -> str:
    """The text of the strongest example, "" where there is none."""
    group = next((group for group in payload.groups if group.kind == "top"), None)
    if group is None:
        return ""
    passage = group.passages[0]
    words = passage.text[: passage.peak + 12]
    # The last text of the context: special tokens, in their frames, end others.
    ends = [i for i, t in enumerate(words) if len(t) > 2 and t[0] == "‹" and t[-1] == "›"]
    start = max((i + 1 for i in ends if i < passage.peak), default=0)
    stop = min((i for i in ends if i > passage.peak), default=len(words))
    return "".join(words[start:stop]).strip()


def passage_effects(
    scope: Any, atlas: Any, feature: str, context: int, position: int, check: Callable[[], None]
) -> dict[str, Any]:
    """What the next tokens of an example owe to a feature, for the tokens that are shown of it.

    Args:
        scope: The model with the feature's dictionary.
        atlas: That holds the context.
        feature: Its id.
        context: Of the atlas.
        position: Where the example stands in it.
        check: Called between forwards.

    Returns:
        `change`, `low`, `high`: nats for each shown token but the last of the context.

    Raises:
        AtlasError: There is no such context.
    """
    from saewidgets.atlas.shown import span
    from saewidgets.explain.token_effects import token_effects

    ids = atlas.token_ids(context)
    start, end = span(position, len(ids))
    found = token_effects(scope, feature, ids[:end], check=check)
    numbers = {"change": found.change, "low": found.low, "high": found.high}
    return {name: np.round(values[start:].astype(float), 4).tolist() for name, values in numbers.items()}


def _refuse_stranger(scope: Scope, feature: str) -> None:
    from saewidgets.errors import FeatureError

    found = FeatureId.parse(feature)
    dictionary = scope.dictionaries.get(found.dictionary)
    if dictionary is None or found.index >= dictionary.d_dict:
        raise FeatureError(f"There is no feature {feature}.", scope.loaded)


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
        words = f"{dictionary.describe()}, {count(dictionary.d_dict)} features at {key}, {dictionary.scale_name}"
        return Context(f"{scope.name} · {scope.model.n_layers} layers", words, version=__version__)
    assert atlas is not None
    site = atlas.manifest.sites[atlas.manifest.site(key)]
    words = f"{site.architecture}, {count(site.d_dict)} features at {key}"
    return Context(atlas.manifest.model, words, version=__version__)


def typed(
    scope: Scope, request: DashboardRequest, *, whole: bool, token: Token, progress: Any = None
) -> HeatmapPayload:
    """The text of one's own with the feature on it, before and after the slider.

    Args:
        scope: The model with the feature's dictionary.
        request: What to show.
        whole: With the control of an edit, and with the predictions after many tokens; else those after the last.
        token: Of the job.
        progress: Called with (done, total, note) while the control runs.

    Raises:
        SaewidgetsError: The text cannot be run.
    """
    from saewidgets.runs.heatmap import HeatmapRequest, heatmap_payload

    key = FeatureId.parse(request.feature).dictionary
    asked = HeatmapRequest(
        request.text, (request.feature,), edits_of(request), site=key, fill=request.feature,
        positions=request.positions + tuple(range(POSITIONS) if whole else ()),
    )  # fmt: skip
    found = heatmap_payload(scope, asked, control=whole, glance=True, check=token.check, progress=progress)
    # The other dictionaries were not read.
    return replace(found, sites=tuple(site for site in found.sites if site.key == key), labels=())
