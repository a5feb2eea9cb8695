"""`FeatureDashboard`: one feature: where it fires, what it writes, what is near it, and a text of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

import traitlets

from saewidgets.errors import WidgetError
from saewidgets.payloads import FeatureDashboardPayload, RelatedFeature, encode
from saewidgets.payloads.feature_dashboard import GROUPS
from saewidgets.sites import FeatureId
from saewidgets.widgets import checks
from saewidgets.widgets import feature_parts as parts
from saewidgets.widgets import feature_request as requests
from saewidgets.widgets.base import BaseWidget, Step
from saewidgets.widgets.blind import Judging
from saewidgets.widgets.cache import ByIdentity, RunCache, cache_of
from saewidgets.widgets.checks import Checked, refuse_unknown
from saewidgets.widgets.feature_request import DashboardRequest
from saewidgets.widgets.history import History
from saewidgets.widgets.jobs import GUARD, Job, Token

if TYPE_CHECKING:
    from saewidgets.atlas.atlas import Atlas
    from saewidgets.runs import Run
    from saewidgets.scope import Scope

_CHECKS: dict[str, checks.Check] = {
    "feature": requests.feature_id,
    "text": checks.text,
    "scale": requests.factor,
    "steer": requests.strength,
    "positions": checks.position_list,
}
_VIEW_CHECKS: dict[str, checks.Check] = {
    "shown": checks.one_of(*GROUPS),
    "position": checks.whole(-1, checks.MAX_POSITION),
}
_RELATED = ("near", "together", "alike")


class FeatureDashboard(Judging, BaseWidget):
    """One feature of a dictionary: its label, examples, histogram, tokens, neighbours, and a box to type into.

    `feature`, `text`, `scale` and `steer` can be set from Python too. So can `atlas`: the `report` of a sweep may give
    a newer one each time. `label` is kept in `scope.labels`, or in `labels` of the widget where there is no scope.

    Args:
        source: A scope; an atlas for a dashboard without a model; or a `FeatureDashboardPayload`.
        feature: `"resid_post.2/903"`; needed but with a payload.
        atlas: An atlas that holds the feature: without one, what it fires on is not known.
        text: The text in the box, or a run of it; `None` for the strongest example.
        scale: Factor of the feature in that text: 0 ablates it.
        steer: Added to the feature at every token of it, in units of activation.
        labels: Feature id -> a text, or a `saewidgets.explain.Label`.
        scores: What `saewidgets.explain.truth_meter` returned, or several.
        shown: Examples in view: `"interval"`, `"top"`, `"random"`.
        position: Token of the text whose prediction is in view; -1 for the last.
        theme: `"auto"` follows the host; `"light"`, `"dark"`.
        height: Reserved height in px before the picture.
        bundle: How the code gets to the front end; leave it.
        unknown: None are accepted.

    Raises:
        SaewidgetsError: No such feature, an atlas of another dictionary, or a text that cannot be run.
        TypeError: Unknown argument.

    Example:
        >>> import saewidgets as sw
        >>> with sw.FeatureDashboard(sw.demo(), "resid_post.2/17", text="Mira saw a red boat.") as view:
        ...     len(view.payload.near), view.payload.live.prompt
        (5, 'Mira saw a red boat.')
    """

    _view = traitlets.Unicode("feature_dashboard", read_only=True).tag(sync=True)
    feature = Checked("", requests.feature_id).tag(sync=True)
    text = Checked("", checks.text).tag(sync=True)
    scale = Checked(1.0, requests.factor).tag(sync=True)
    steer = Checked(0.0, requests.strength).tag(sync=True)
    label = Checked("", requests.label_text).tag(sync=True)
    shown = Checked("interval", _VIEW_CHECKS["shown"]).tag(sync=True)
    position = Checked(-1, _VIEW_CHECKS["position"]).tag(sync=True)

    _front_traits: ClassVar[tuple[str, ...]] = ("shown", "position")
    _messages: ClassVar[dict[str, str]] = {
        "run": "_on_run", "undo": "_on_undo", "redo": "_on_redo", "positions": "_on_positions", "label": "_on_label",
        "effect": "_on_effect", "quiz": "_on_quiz", "answers": "_on_answers",
        "cancel": "_on_cancel", "save": "_on_save", "payload": "_on_payload", "bundle": "_on_bundle",
    }  # fmt: skip

    def __init__(
        self,
        source: Scope | Atlas | FeatureDashboardPayload,
        feature: str | FeatureId | None = None,
        *,
        atlas: Atlas | None = None,
        text: str | Run | None = None,
        scale: float = 1.0,
        steer: float = 0.0,
        labels: Any = None,
        scores: Any = None,
        shown: str | None = None,
        position: int | None = None,
        theme: str = "auto",
        height: int = 720,
        bundle: str = "auto",
        **unknown: object,
    ) -> None:
        refuse_unknown(FeatureDashboard, unknown)
        self._scope, self._atlas, self._cache = None, atlas, RunCache()
        self._followed: list[Callable[[], None]] = []
        self._own_labels, self._origins = parts.labels_of(labels)
        self._meters = parts.meters_of(scores)
        view = {k: _VIEW_CHECKS[k](k, v) for k, v in (("shown", shown), ("position", position)) if v is not None}
        step: Step | None = None
        if isinstance(source, FeatureDashboardPayload):
            if feature is not None or text is not None or atlas is not None:
                raise WidgetError("A payload has its feature and text already.", "Give a scope to choose them.")
            payload = self._viewed(source, view)
        else:
            self._take(source)
            if feature is None:
                raise WidgetError(
                    "A dashboard needs a feature.", "Write sw.FeatureDashboard(scope, 'resid_post.2/17')."
                )
            name = requests.feature_id("feature", feature)
            words = self._example_text(name) if text is None else checks.text("text", getattr(text, "prompt", text))
            request = DashboardRequest(name, words, requests.factor("scale", scale), requests.strength("steer", steer))
            *_, payload = self._pictures(request, Token(), None)
            payload = self._viewed(payload, view)
            step = Step(request, History((self._undoable(request),)), {})
        traits = self._traits_of(payload, step.request if step else None)
        super().__init__(payload, step, theme=theme, height=height, bundle=bundle, traits=traits)

    def _take(self, source: Any) -> None:
        """Keep what the dashboard is made from.

        Raises:
            WidgetError: It is neither a scope nor an atlas.
        """
        if hasattr(source, "dictionaries") and hasattr(source, "run"):
            self._scope, self._cache = source, cache_of(source)
            source.labels.update(self._own_labels)
            self._own_labels = source.labels
        elif _is_atlas(source):
            self._atlas = source
        else:
            what = f"A dashboard of a {type(source).__name__}."
            raise WidgetError(what, "Give a scope, an sw.Atlas, or a FeatureDashboardPayload.")

    @property
    def atlas(self) -> Atlas | None:
        """What is known of where features fire. Setting it shows the feature as that atlas has it.

        Raises:
            WidgetError: It is none, or the view was opened from a file.
        """
        return self._atlas

    @atlas.setter
    def atlas(self, atlas: Atlas) -> None:
        if not _is_atlas(atlas):
            raise WidgetError(f"An atlas that is a {type(atlas).__name__}.", "Give sw.Atlas.open(folder).")
        with GUARD:
            request = self._need_model().request
            self._atlas = atlas
            self._want(request, None)

    def follow(self, view: Any) -> Self:
        """Open whichever feature is clicked in another view: a chip of a heatmap, a row of a table, one of a report.

        Args:
            view: A widget that has the id of the chosen feature as `feature`, or as `fill`.

        Returns:
            This dashboard. It follows until it is closed.

        Raises:
            WidgetError: Nothing is chosen in such a view, or this one was opened from a file.

        Example:
            >>> import saewidgets as sw
            >>> scope, text = sw.demo(), "Mira saw a red boat."
            >>> with sw.TokenHeatmap(scope, text) as heatmap:
            ...     with sw.FeatureDashboard(scope, heatmap.features[0], text=text).follow(heatmap) as view:
            ...         heatmap.fill = heatmap.features[2]  # a click on its letter
            ...         view.wait(60), view.feature == heatmap.features[2]
            (True, True)
        """
        self._need_model()
        self._followed.append(parts.chosen_in(view, self._clicked))
        return self

    def _clicked(self, feature: str) -> None:
        # What is wrong with it is said in this view, not in the one that was clicked.
        if feature != self._need_model().request.feature:
            self._want(self._request({"feature": feature}), None)

    @property
    def labels(self) -> Mapping[str, str]:
        """Feature id -> label: those of the scope where there is one."""
        return self._own_labels

    # -- requests ------------------------------------------------------------------------------------------------------

    def _request(self, state: dict[str, Any]) -> DashboardRequest:
        """The newest wanted request with what `state` changes, checked."""
        before: DashboardRequest = self._need_model().request
        changed = {name: _CHECKS[name](name, state[name]) for name in _CHECKS if state.get(name) is not None}
        request = replace(before, **changed)
        if request.text != before.text and "positions" not in changed:
            request = replace(request, positions=())
        # Another feature is looked at before it is changed.
        if request.feature != before.feature:
            request = replace(request, scale=changed.get("scale", 1.0), steer=changed.get("steer", 0.0))
        return request

    @traitlets.observe("feature", "text", "scale", "steer")  # type: ignore[untyped-decorator]
    def _on_set(self, change: Any) -> None:
        self._want_set(change)

    def _pictures(self, request: DashboardRequest, token: Token, progress: Any) -> Iterator[FeatureDashboardPayload]:
        still = self._still(request.feature)
        token.check()
        call = requests.code(request, self._scope is not None, self._atlas is not None)
        still = replace(still, context=replace(still.context, code=call), position=-1)
        if self._scope is None or still.live_note or not request.text:
            yield self._viewed(still, {})
            return
        for whole in (False, True):
            yield self._viewed(replace(still, live=self._typed(request, whole, token, progress)), {})

    def _still(self, feature: str) -> FeatureDashboardPayload:
        """What does not depend on the text; kept, for it is asked for at each key."""
        key = ("feature", feature, ByIdentity(self._atlas), *self._identity(feature))
        found: FeatureDashboardPayload | None = self._cache.get(key)
        if found is None:
            self._compare(FeatureId.parse(feature).dictionary)
            found = parts.still(feature, self._atlas, self._scope)
            self._cache.put(key, found)
        return found

    def _compare(self, key: str) -> None:
        """Compare the atlas with the scope, once for each dictionary."""
        if self._scope is None or self._atlas is None or key not in self._scope.dictionaries:
            return
        pair = ("same", key, ByIdentity(self._atlas), ByIdentity(self._scope.dictionaries[key]))
        if self._cache.get(pair) is None:
            parts.refuse_other(self._atlas, self._scope, key)
            self._cache.put(pair, True)

    def _typed(self, request: DashboardRequest, whole: bool, token: Token, progress: Any) -> Any:
        assert self._scope is not None
        key = ("text", request, whole, *self._identity(request.feature))
        found = self._cache.get(key)
        if found is None:
            found = parts.typed(self._scope, request, whole=whole, token=token, progress=progress)
            self._cache.put(key, found)
        return found

    def _identity(self, feature: str) -> tuple[ByIdentity, ...]:
        if self._scope is None:
            return ()
        dictionary = self._scope.dictionaries.get(FeatureId.parse(feature).dictionary)
        return ByIdentity(self._scope.model), ByIdentity(dictionary)

    def _example_text(self, feature: str) -> str:
        """The strongest example, "" where there is none or no model to run it."""
        if self._scope is None:
            return ""
        still = self._still(feature)
        return "" if still.live_note else parts.example_text(still)

    def _is_urgent(self, request: DashboardRequest) -> bool:
        before = self._need_model().request
        return bool(request.text == before.text)

    def _undoable(self, request: DashboardRequest) -> Any:
        return request.feature, request.scale, request.steer

    def _restored(self, request: DashboardRequest, state: Any) -> DashboardRequest:
        feature, scale, steer = state
        return replace(request, feature=feature, scale=scale, steer=steer)

    def _is_drag(self, before: Any, after: Any) -> bool:
        return bool(before[0] == after[0])

    # -- the label -----------------------------------------------------------------------------------------------------

    @traitlets.observe("label")  # type: ignore[untyped-decorator]
    def _on_named(self, change: Any) -> None:
        if not self._is_setting:
            self._name(self.feature, change.new)

    def _on_label(self, request_id: Any, content: dict[str, Any]) -> None:
        feature = requests.feature_id("feature", content.get("feature"))
        if feature != self._picture.id:
            raise WidgetError(f"The label is for {feature}.", f"{self._picture.id} is in view.")
        self._name(feature, requests.label_text("label", content.get("text")))
        self._post({"type": "ok", "id": request_id, "result": None})

    def _name(self, feature: str, label: str) -> None:
        """Keep a label, "" for none, and show it."""
        with GUARD:
            if label != self._picture.label:  # what was measured is of the other words
                self._meters.pop(feature, None)
                self._picture = replace(self._picture, meters=())
            self._own_labels.pop(feature, None)
            self._origins.pop(feature, None)
            if label:
                self._own_labels[feature] = label
                self._origins[feature] = "label by you"
            payload = self._viewed(replace(self._picture, label="", label_note=""), {})
            with self._setting():
                error = self.error
                self._put(payload, encode(payload))
                self.label, self.error = payload.label, error

    # -- examples ------------------------------------------------------------------------------------------------------

    def _on_effect(self, request_id: Any, content: dict[str, Any]) -> None:
        """What the tokens of an example owe to the feature; not here, for it runs the model."""
        context, position = (checks.whole(0, 2**32)(name, content.get(name)) for name in ("context", "position"))
        if self._scope is None or self._atlas is None or self._picture.live_note:
            raise WidgetError("Effects need the model and an atlas.", "Give a scope and atlas=.")
        work = partial(self._effect_job, self._picture.id, context, position, request_id)
        self._runner.submit("effect", Job(work, partial(self._save_failed, request_id), request_id, True))

    def _effect_job(self, feature: str, context: int, position: int, request_id: Any, token: Token) -> None:
        key = ("effect", feature, context, position, ByIdentity(self._atlas), *self._identity(feature))
        found = self._cache.get(key)
        if found is None:
            found = parts.passage_effects(self._scope, self._atlas, feature, context, position, token.check)
            self._cache.put(key, found)
        self._post({"type": "ok", "id": request_id, "result": found})

    # -- what is shown -------------------------------------------------------------------------------------------------

    def _viewed(self, payload: FeatureDashboardPayload, view: dict[str, Any]) -> FeatureDashboardPayload:
        """The payload with the labels of now, and the view where it fits."""
        n = len(payload.live.tokens) if payload.live is not None else 0
        fields: dict[str, Any] = {k: v for k, v in view.items() if k == "shown" or -1 <= v < n}
        if payload.id in self._own_labels:
            fields["label"] = self._own_labels[payload.id]
            fields["label_note"] = self._origins.get(payload.id, payload.label_note)
        if payload.id in self._meters:
            fields["meters"] = self._meters[payload.id]
        for name in _RELATED:
            fields[name] = tuple(map(self._labelled, getattr(payload, name)))
        return replace(payload, **fields)

    def _labelled(self, feature: RelatedFeature) -> RelatedFeature:
        label = self._own_labels.get(feature.id, feature.label)
        return feature if label == feature.label else replace(feature, label=label)

    def _traits_of(self, payload: FeatureDashboardPayload, request: DashboardRequest | None) -> dict[str, Any]:
        text = payload.live.prompt if payload.live is not None else ""
        scale = payload.live.features[0].scale if payload.live is not None and payload.live.features else 1.0
        asked: dict[str, Any] = {"text": text, "scale": scale or 0.0}
        if request:
            asked = {"text": request.text, "scale": request.scale, "steer": request.steer}
        return {"feature": payload.id, "label": payload.label, "shown": payload.shown, "position": payload.position,
                **asked}  # fmt: skip

    def _front_value(self, name: str, value: Any) -> Any:
        return _VIEW_CHECKS[name](name, value)

    def _release(self) -> None:
        for stop in self._followed:
            stop()
        self._followed.clear()
        self._scope, self._atlas, self._cache, self._shown, self._wanted = None, None, RunCache(0), None, None

    def __repr__(self) -> str:
        """One short line, for places that show text."""
        return f"FeatureDashboard({self._picture.id!r}, {self._picture.label!r})"


def _is_atlas(source: Any) -> bool:
    return hasattr(source, "manifest") and hasattr(source, "feature")
