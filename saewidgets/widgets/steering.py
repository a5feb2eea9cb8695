"""`Steering`: what a model writes as it is, steered, and under controls, while it writes; what each strength buys."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import traitlets

from saewidgets.errors import Cancelled, WidgetError
from saewidgets.payloads import KeptRun, SteeringPayload, encode
from saewidgets.payloads.steering import CONTROLS
from saewidgets.widgets import checks, feature_parts
from saewidgets.widgets import steering_parts as parts
from saewidgets.widgets import steering_request as requests
from saewidgets.widgets.asked import comment
from saewidgets.widgets.base import BaseWidget, Step
from saewidgets.widgets.cache import RunCache, cache_of
from saewidgets.widgets.checks import Checked, refuse_unknown
from saewidgets.widgets.history import History
from saewidgets.widgets.jobs import GUARD, Token
from saewidgets.widgets.output import Code
from saewidgets.widgets.steering_kept import Kept
from saewidgets.widgets.steering_request import CHECKS, SteeringRequest
from saewidgets.widgets.steering_work import Work

if TYPE_CHECKING:
    from saewidgets.atlas.atlas import Atlas
    from saewidgets.interventions import Edit
    from saewidgets.interventions.targets import Target
    from saewidgets.scope import Scope

# Seconds that the first cell waits for texts; what takes longer goes on in the background.
FIRST = 0.4
_CONTROL = checks.one_of(*CONTROLS)
_WANTS = (
    "prompt", "edits", "mode", "place", "seed", "temperature", "max_new_tokens", "frozen", "target", "propagation",
)  # fmt: skip


def _edits(name: str, value: Any) -> tuple[Edit, ...]:
    return requests.of_edits(value)[0]


class Steering(Work, Kept, BaseWidget):
    """Texts with and without steering beside each other, token by token, with controls and dose-response curves.

    All of `prompt`, `edits`, `mode`, `place`, `seed`, `temperature`, `max_new_tokens`, `frozen`, `target` and
    `propagation` can be set from Python too: the texts follow in the background, the curves after them (`wait()`
    waits for both).

    Args:
        source: A scope, or a `SteeringPayload` for a view without a model.
        prompt: What all texts go on from; needed with a scope. A `Run` stands for its prompt; messages with role and
            content go through the tokenizer's chat template.
        edits: One a slider: `sw.steer`, `sw.clamp` or `sw.scale`, all alike, of features, groups or directions.
        mode: Without edits: what sliders will do: `"additive"`, `"clamp"`, `"scale"`.
        place: Without edits: where: `"prompt"`, `"new"`, `"both"`.
        seed: Of the draws of texts; curves use this one and those after it.
        temperature: 0 takes the likeliest token.
        max_new_tokens: Of a text.
        frozen: Whether to write one more text, its attention within the prompt frozen.
        target: Words whose probability is the effect; empty for those the first slider promotes.
        propagation: How edits travel in the curves: `"free"`, `"frozen_attention"` (within the prompt), or `"direct"`
            (along texts written without edits): see `causes.dose_response`.
        prompts: Texts that the curves go on from; empty for `prompt`.
        n_seeds: Texts of each for the curves.
        n_controls: Random directions of the same norm, and as many random features of like density.
        atlas: Where densities and what features fire on are looked up.
        theme: `"auto"` follows the host; `"light"`, `"dark"`.
        height: Reserved height in px before the picture.
        bundle: How the code gets to the front end; leave it.
        unknown: None are accepted.

    Raises:
        SaewidgetsError: An edit, a word or the prompt does not fit; the message says why.
        TypeError: Unknown argument.

    Example:
        >>> import saewidgets as sw
        >>> edits = [sw.steer("resid_post.2/17", 4.0)]
        >>> with sw.Steering(sw.demo(), "Mira saw a", edits, max_new_tokens=4, n_seeds=1, n_controls=1) as view:
        ...     view.wait(60), [text.role for text in view.payload.texts]
        (True, ['base', 'steered', 'direction', 'feature'])
    """

    _view = traitlets.Unicode("steering", read_only=True).tag(sync=True)
    control = Checked("direction", _CONTROL).tag(sync=True)
    prompt = Checked("", CHECKS["prompt"])
    edits = Checked((), _edits)
    mode = Checked("additive", CHECKS["mode"])
    place = Checked("both", CHECKS["place"])
    seed = Checked(0, CHECKS["seed"])
    temperature = Checked(1.0, CHECKS["temperature"])
    max_new_tokens = Checked(40, CHECKS["max_new_tokens"])
    frozen = Checked(False, CHECKS["frozen"])
    target = Checked((), CHECKS["target"])
    propagation = Checked("free", CHECKS["propagation"])

    _front_traits: ClassVar[tuple[str, ...]] = ("control",)
    _messages: ClassVar[dict[str, str]] = {
        "run": "_on_run", "undo": "_on_undo", "redo": "_on_redo", "search": "_on_search", "keep": "_on_keep",
        "drop": "_on_drop", "stop": "_on_stop", "cancel": "_on_cancel", "save": "_on_save", "payload": "_on_payload",
        "bundle": "_on_bundle",
    }  # fmt: skip

    def __init__(
        self,
        source: Scope | SteeringPayload,
        prompt: Any = None,
        edits: Sequence[Edit] = (),
        *,
        mode: str | None = None,
        place: str | None = None,
        seed: int = 0,
        temperature: float = 1.0,
        max_new_tokens: int = 40,
        frozen: bool = False,
        target: Sequence[str | int] | str = (),
        propagation: str = "free",
        prompts: Sequence[Any] = (),
        n_seeds: int = 4,
        n_controls: int = 6,
        atlas: Atlas | None = None,
        theme: str = "auto",
        height: int = 720,
        bundle: str = "auto",
        **unknown: object,
    ) -> None:
        refuse_unknown(Steering, unknown)
        self._scope: Scope | None = None
        self._cache = RunCache(0)
        self._kept: tuple[KeptRun, ...] = ()
        self._targets: dict[str, Target] = {}
        self._followed: list[Callable[[], None]] = []
        look: dict[str, Any] = {"theme": theme, "height": height, "bundle": bundle}
        if isinstance(source, SteeringPayload):
            if prompt is not None or edits:
                raise WidgetError("A payload has its prompt and edits already.", "Give a scope to choose them.")
            self._kept = source.kept
            super().__init__(source, None, traits=self._traits_of(source, None), **look)
            return
        if not hasattr(source, "dictionaries") or not hasattr(source, "generate"):
            what = f"Steering of a {type(source).__name__}."
            raise WidgetError(what, "Give a scope (sw.Scope, sw.demo()) or a SteeringPayload.")
        if prompt is None:
            raise WidgetError("Steering needs a prompt.", "Write sw.Steering(scope, 'Some text').")
        self._scope, self._cache = source, cache_of(source)
        n = checks.whole(1, 1000)("n_seeds", n_seeds), checks.whole(0, 1000)("n_controls", n_controls)
        self._options = parts.Options(tuple(CHECKS["prompt"]("prompts", p) for p in prompts), *n, atlas)
        found, kind, where = requests.of_edits(edits)
        given = {"prompt": getattr(prompt, "prompt", prompt), "mode": mode or kind, "place": place or where,
                 "seed": seed, "temperature": temperature, "max_new_tokens": max_new_tokens, "frozen": frozen,
                 "target": target, "propagation": propagation}  # fmt: skip
        if edits and (given["mode"], given["place"]) != (kind, where):
            raise WidgetError("The edits say themselves what they do and where.", "Leave out mode and place.")
        request = SteeringRequest(**{name: CHECKS[name](name, value) for name, value in given.items()}, edits=found)
        parts.refuse_strangers(source, request)
        self._learn(request)
        payload, whole = self._first(request)
        step = Step(request, History((self._undoable(request),)), {})
        super().__init__(payload, step, traits=self._traits_of(payload, request), **look)
        if not whole:
            self._begin()

    def _first(self, request: SteeringRequest) -> tuple[SteeringPayload, bool]:
        """What there is after a moment, and whether it is all."""
        end = time.monotonic() + FIRST
        pictures = self._pictures(request, Token(), None)
        for payload in pictures:
            if payload.phase != "writing" or time.monotonic() > end:
                return payload, payload.phase == "finished"
        raise AssertionError("no picture")

    # -- for people ----------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Stop writing or measuring, before the next token; what there is stays."""
        self._runner.stop("run")

    def follow(self, view: Any) -> Self:
        """Add a slider for whichever feature is clicked in another view: a heatmap, a table, a report.

        Args:
            view: A widget that has the id of the chosen feature as `feature`, or as `fill`.

        Returns:
            This view. It follows until it is closed.

        Raises:
            WidgetError: Nothing is chosen in such a view, or this one was opened from a file.
        """
        self._need_model()
        self._followed.append(feature_parts.chosen_in(view, self._clicked))
        return self

    def _clicked(self, feature: str) -> None:
        request: SteeringRequest = self._need_model().request
        have = [{"id": name, "value": e.value} for name, e in
                zip(requests.slider_ids(request.edits), request.edits, strict=True)]  # fmt: skip
        if all(slider["id"] != feature for slider in have):
            self._want(self._request({"sliders": [*have, {"id": feature, "value": request.neutral}]}), None)

    def _on_stop(self, request_id: Any, content: dict[str, Any]) -> None:
        self._need_model()
        self.stop()
        self._post({"type": "ok", "id": request_id, "result": None})

    # -- requests ------------------------------------------------------------------------------------------------------

    def _learn(self, request: SteeringRequest) -> None:
        """Remember what is steered with, so that a slider can come back by its name."""
        for name, edit in zip(requests.slider_ids(request.edits), request.edits, strict=True):
            if edit.feature is None:
                self._targets[name] = edit.target

    def _request(self, state: dict[str, Any]) -> SteeringRequest:
        """The newest wanted request with what `state` changes, checked.

        Raises:
            SaewidgetsError: A value is of the wrong type or out of range.
        """
        before: SteeringRequest = self._need_model().request
        if state.get("edits") is not None:
            edits, mode, place = requests.of_edits(state["edits"])
            request = replace(before, edits=edits, mode=mode, place=place)
        else:
            request = requests.with_state(before, state, self._targets)
        assert self._scope is not None
        parts.refuse_strangers(self._scope, request)
        self._learn(request)
        return request

    @traitlets.observe(*_WANTS)  # type: ignore[untyped-decorator]
    def _on_set(self, change: Any) -> None:
        self._want_set(change)

    def _failed(self, step: Step, request_id: Any, error: Exception) -> None:
        """As elsewhere; what was written when it was stopped stays, and says so."""
        with GUARD:
            mine = self._wanted is step and self._shown is step
            super()._failed(step, request_id, error)
            if not mine or self.closed or self._picture.phase == "finished":
                return
            cut = tuple(replace(t, finished=t.finished or "cancelled") for t in self._picture.texts)
            payload = replace(self._picture, texts=cut, phase="stopped")
            with self._setting():
                said = None if isinstance(error, Cancelled) else self.error
                self._put(payload, encode(payload))
                self.error = said

    def _is_urgent(self, request: SteeringRequest) -> bool:
        return bool(request.prompt == self._need_model().request.prompt)

    def _undoable(self, request: SteeringRequest) -> Any:
        return request.edits, request.mode, request.place

    def _restored(self, request: SteeringRequest, state: Any) -> SteeringRequest:
        edits, mode, place = state
        return replace(request, edits=edits, mode=mode, place=place)

    def _is_drag(self, before: Any, after: Any) -> bool:
        (old, *how), (new, *now) = before, after
        return bool(how == now and [e.target for e in old] == [e.target for e in new])

    def _search(self, query: str, site: str | None) -> list[tuple[str, str]]:
        assert self._scope is not None
        key = self._scope.key(site) if site else self._scope.default_site
        hits = dict(self._scope.search(query, key=key, limit=20))
        for name, label in parts.search_atlas(self._options.atlas, self._scope, query, key, 20):
            hits.setdefault(name, label)
        return list(hits.items())[:20]

    # -- what is shown -------------------------------------------------------------------------------------------------

    def _viewed(self, payload: SteeringPayload, view: dict[str, Any]) -> SteeringPayload:
        fields: dict[str, Any] = {} if payload.kept is self._kept else {"kept": self._kept}
        labels = {} if self._scope is None else self._scope.labels
        if any(labels.get(s.id, s.label) != s.label for s in payload.sliders):
            fields["sliders"] = tuple(replace(s, label=labels.get(s.id, s.label)) for s in payload.sliders)
        if view.get("control", payload.control) != payload.control:
            fields["control"] = view["control"]
        return replace(payload, **fields) if fields else payload

    def _traits_of(self, payload: SteeringPayload, request: SteeringRequest | None) -> dict[str, Any]:
        source: Any = payload if request is None else request
        values = {name: getattr(source, name) for name in _WANTS if name != "edits"}
        if values["propagation"] not in requests.PROPAGATIONS:  # of a file
            values["propagation"] = "free"
        return {**values, "control": payload.control, "edits": () if request is None else request.edits}

    def _front_value(self, name: str, value: Any) -> Any:
        return _CONTROL(name, value)

    def _release(self) -> None:
        for stop in self._followed:
            stop()
        self._followed.clear()
        self._targets.clear()
        self._scope, self._cache, self._shown, self._wanted = None, RunCache(0), None, None

    def code(self) -> Code:
        """Python that makes this view again: version, scope, prompt, edits, seed.

        Returns:
            The text; at the end of a cell it prints as it is.
        """
        context = self._picture.context
        return Code(
            f"import saewidgets as sw  # {context.version}\n"
            f"# scope: {comment(context.model)}, {comment(context.dictionaries)}; seed {context.seed}\n{context.code}"
        )

    def __repr__(self) -> str:
        """One short line, for places that show text."""
        shown = self._picture
        text = shown.prompt if len(shown.prompt) <= 40 else shown.prompt[:39] + "…"
        return f"Steering({text!r}, {len(shown.sliders)} sliders)"
