"""`TokenHeatmap`: a prompt coloured by features, edited in place, with predictions before and after."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import traitlets

from saewidgets.errors import FeatureError, WidgetError
from saewidgets.payloads import HeatmapPayload
from saewidgets.widgets import checks
from saewidgets.widgets.asked import CHECKS, comment, dragged, first_request, refuse_other, slots, with_view
from saewidgets.widgets.base import BaseWidget, Step
from saewidgets.widgets.cache import ByIdentity, RunCache, cache_of
from saewidgets.widgets.checks import Checked, refuse_unknown
from saewidgets.widgets.history import History
from saewidgets.widgets.jobs import Token
from saewidgets.widgets.livepage import live_page
from saewidgets.widgets.output import Code, written

if TYPE_CHECKING:
    from saewidgets.interventions import Edit
    from saewidgets.runs.heatmap import HeatmapRequest
    from saewidgets.scope import Scope

# From this many dictionaries out of view the first picture is made without them.
GLANCE = 4
# Seconds between such a first picture and the work for the whole one, one more forward of what changed: longer than
# there is between two keys of a fast typist, so that a burst pays for first pictures only.
PAUSE = 0.06
_WANTS = ("prompt", "features", "edits", "error_term")


def _edits_json(edits: Sequence[Edit], _: object) -> list[dict[str, Any]]:
    if not edits:
        return []
    from saewidgets.interventions import to_json

    return to_json(edits)


class TokenHeatmap(BaseWidget):
    """Text coloured by chosen features; prompt and features are edited in place and everything follows.

    `prompt`, `features`, `edits` and `error_term` can be set from Python too: the picture follows in the background
    (`wait()` waits for it). `site`, `fill` and `selection` are what the view shows of it.

    Args:
        source: A scope, or a `HeatmapPayload` for a view without a model.
        prompt: The text; needed with a scope.
        features: Feature ids such as `"resid_post.2/17"`; `None` for the three strongest at the last token.
        site: Key of the dictionary in view.
        edits: What is done to features: `sw.ablate(...)`, `sw.scale(...)`, ...
        error_term: `"kept"` or `"dropped"`: the dictionary's error term under the edits.
        theme: `"auto"` follows the host; `"light"`, `"dark"`.
        height: Reserved height in px before the first picture.
        text_face: `"serif"` or `"mono"`, the face of the model's text.
        lanes: `"full"`: lanes on every line; `"compact"`: on the focused one.
        fill: What fills the tokens: a chosen feature's id, `"error"` or `"surprise"`.
        selection: Selected token position; `None` for the last.
        bundle: How the code gets to the front end; leave it.
        unknown: None are accepted.

    Raises:
        SaewidgetsError: The first picture cannot be made; the message says why.
        TypeError: Unknown argument.

    Example:
        >>> import saewidgets as sw
        >>> with sw.TokenHeatmap(sw.demo(), "Mira saw a red boat.") as view:
        ...     len(view.features)
        3
    """

    _view = traitlets.Unicode("heatmap", read_only=True).tag(sync=True)
    prompt = Checked("", CHECKS["prompt"]).tag(sync=True)
    features = Checked((), CHECKS["features"]).tag(sync=True, to_json=lambda value, _: list(value))
    edits = Checked((), CHECKS["edits"]).tag(sync=True, to_json=_edits_json)
    error_term = Checked("kept", CHECKS["error_term"]).tag(sync=True)
    site = Checked("", CHECKS["site"]).tag(sync=True)
    fill = Checked("", CHECKS["fill"]).tag(sync=True)
    selection = Checked(0, CHECKS["selection"]).tag(sync=True)
    text_face = Checked("serif", checks.one_of("serif", "mono")).tag(sync=True)
    lanes = Checked("full", checks.one_of("full", "compact")).tag(sync=True)

    _front_traits: ClassVar[tuple[str, ...]] = ("site", "fill", "selection")

    def __init__(
        self,
        source: Scope | HeatmapPayload,
        prompt: str | None = None,
        features: Sequence[str] | None = None,
        *,
        site: str | None = None,
        edits: Sequence[Edit] = (),
        error_term: str = "kept",
        theme: str = "auto",
        height: int = 360,
        text_face: str = "serif",
        lanes: str = "full",
        fill: str | None = None,
        selection: int | None = None,
        bundle: str = "auto",
        **unknown: object,
    ) -> None:
        refuse_unknown(TokenHeatmap, unknown)
        self._scope: Scope | None = None
        self._cache = RunCache(0)
        step: Step | None = None
        view = {"site": site, "fill": fill, "selection": selection}
        if isinstance(source, HeatmapPayload):
            if prompt is not None or features is not None or edits:
                raise WidgetError("A payload has its prompt and features already.", "Give a scope to choose them.")
            payload = source
            for name, value in view.items():
                if value is not None:
                    payload = with_view(payload, name, CHECKS[name](name, value))
        else:
            refuse_other(source)
            self._scope, self._cache = source, cache_of(source)
            request = first_request(source, prompt, features, view, edits, error_term)
            # In this thread: marimo runs a cell again at every change, and each would start one.
            *_, payload = self._pictures(request, Token(), None)
            step = Step(request, History((self._undoable(request),)), {})
        values = self._traits_of(payload, step.request if step else None)
        traits = {**values, "text_face": text_face, "lanes": lanes}
        super().__init__(payload, step, theme=theme, height=height, bundle=bundle, traits=traits)

    # -- requests ------------------------------------------------------------------------------------------------------

    def _request(self, state: dict[str, Any]) -> HeatmapRequest:
        """The newest wanted request with what `state` changes, checked.

        Raises:
            SaewidgetsError: A value is of the wrong type or out of range.
        """
        before: HeatmapRequest = self._need_model().request
        changed = {name: CHECKS[name](name, state[name]) for name in CHECKS if state.get(name) is not None}
        request = replace(before, **{"site": self.site, "fill": self.fill, "selection": self.selection, **changed})
        if request.prompt != before.prompt and "positions" not in changed:
            request = replace(request, positions=())
        self._refuse_strangers(request)
        return request

    def _refuse_strangers(self, request: HeatmapRequest) -> None:
        """Features and sites this scope does not have are refused before a job is made of them."""
        assert self._scope is not None
        if request.site:
            self._scope.key(request.site)
        for name in (*filter(None, request.features), *(str(f) for edit in request.edits for f in edit.features)):
            key, _, index = name.rpartition("/")
            dictionary = self._scope.dictionaries.get(key)
            if dictionary is None or int(index) >= dictionary.d_dict:
                raise FeatureError(f"There is no feature {name}.", self._scope.loaded)

    @traitlets.observe(*_WANTS)  # type: ignore[untyped-decorator]
    def _on_set(self, change: Any) -> None:
        self._want_set(change)

    def _pictures(self, request: HeatmapRequest, token: Token, progress: Any) -> Iterator[HeatmapPayload]:
        scope = self._scope
        if scope is None:
            return
        from saewidgets.runs.heatmap import heatmap_payload, in_view

        key = self._key(request)
        view = {"site": request.site, "fill": request.fill, "selection": request.selection}
        final = self._cache.get((key, True))
        if final is not None:
            yield self._viewed(final, view)
            return
        first = self._cache.get((key, False))
        if first is None:
            site = scope.key(request.site) if request.site else scope.default_site
            shown = in_view(scope, site, request.features)
            # A key stroke should be seen at once: the dictionaries nobody looks at follow a moment later.
            if progress is not None and len(scope.dictionaries) - len(shown) >= GLANCE:
                yield heatmap_payload(scope, request, glance=True, check=token.check)
                # Work done now would keep the picture from leaving the process, and a next key would make it void.
                time.sleep(PAUSE)
                token.check()
            first = heatmap_payload(scope, request, control=False, check=token.check, progress=progress)
            self._cache.put((key, not request.edits), first)
        yield self._viewed(first, view)
        if request.edits:
            final = heatmap_payload(scope, request, control=True, check=token.check, progress=progress)
            self._cache.put((key, True), final)
            yield self._viewed(final, view)

    def _key(self, request: HeatmapRequest) -> Any:
        """What the numbers depend on: not on the view's site and fill, nor on its selection.

        A long prompt has predictions at some tokens only; the front end asks for others by `positions`.
        """
        assert self._scope is not None
        dictionaries = tuple((key, ByIdentity(d)) for key, d in self._scope.dictionaries.items())
        return replace(request, site="", fill="", selection=0), ByIdentity(self._scope.model), dictionaries

    def _is_urgent(self, request: HeatmapRequest) -> bool:
        same_text = request.prompt == self._need_model().request.prompt
        return same_text or self._cache.get((self._key(request), True)) is not None

    def _undoable(self, request: HeatmapRequest) -> Any:
        return request.features, request.edits

    def _restored(self, request: HeatmapRequest, state: Any) -> HeatmapRequest:
        features, edits = state
        return replace(request, features=features, edits=edits)

    def _is_drag(self, before: Any, after: Any) -> bool:
        (old_features, old), (new_features, new) = before, after
        if old_features != new_features or len(old) != len(new):
            return False
        return all(dragged(a) == dragged(b) for a, b in zip(old, new, strict=True))

    def _search(self, query: str, site: str | None) -> list[tuple[str, str]]:
        assert self._scope is not None
        return self._scope.search(query, key=site, limit=20)

    # -- what is shown -------------------------------------------------------------------------------------------------

    def _viewed(self, payload: HeatmapPayload, view: dict[str, Any]) -> HeatmapPayload:
        """The payload with site, fill and selection replaced where it has what they name."""
        for name, value in view.items():
            try:
                payload = with_view(payload, name, value)
            except WidgetError:
                continue
        return payload

    def _traits_of(self, payload: HeatmapPayload, request: HeatmapRequest | None) -> dict[str, Any]:
        values = {name: getattr(payload, name) for name in ("prompt", *self._front_traits)}
        if request is None:
            return {**values, "features": slots(payload), "error_term": payload.context.error}
        return {**values, "features": request.features, "edits": request.edits, "error_term": request.error_term}

    def _front_value(self, name: str, value: Any) -> Any:
        value = CHECKS[name](name, value)
        coming = self._wanted.request.features if self._wanted is not None else ()
        if name != "fill" or not value or value not in coming:
            with_view(self._picture, name, value)
        return value

    @traitlets.validate("site", "fill", "selection")  # type: ignore[untyped-decorator]
    def _valid_view(self, proposal: Any) -> Any:
        """Refuse what the picture does not have."""
        return proposal.value if self._is_setting else self._front_value(proposal.trait.name, proposal.value)

    def _release(self) -> None:
        self._scope, self._cache, self._shown, self._wanted = None, RunCache(0), None, None

    def to_html(self, path: str | Path | None = None, *, live: bool | Sequence[str] = False) -> str | Path:
        """One offline page with the view: hover, feature switching and selection work without a kernel.

        Args:
            path: Where to write it; `None` returns the text.
            live: Put the model inside (Llama family, up to 5 M parameters), so that the prompt and the edits can be
                changed in the page, computed there; with the dictionaries in view, and those of these keys.

        Returns:
            The page, or the path written.

        Raises:
            FigureError: The page cannot be made; with `live`, the model, tokenizer or a dictionary is of another kind
                or too large.
            SiteError: No dictionary of such a key.
            DiskError: The file cannot be written.

        Example:
            >>> import saewidgets as sw
            >>> with sw.TokenHeatmap(sw.demo(), "Mira saw a red boat.") as view:
            ...     len(view.to_html(live=True)) < 5_000_000
            True
        """
        if live is False:
            return super().to_html(path)
        request = None if self._shown is None else self._shown.request
        return written(path, live_page(self._scope, request, self.payload, () if live is True else live))

    def code(self) -> Code:
        """Python that makes this view again: version, scope, prompt, features, edits, selection.

        Returns:
            The text; at the end of a cell it prints as it is.
        """
        shown = self.payload
        call = shown.context.code
        if self._shown is not None:
            from saewidgets.runs.heatmap import code

            view = {"site": shown.site, "fill": shown.fill, "selection": shown.selection}
            call = code(replace(self._shown.request, **view))
        context = shown.context
        return Code(
            f"import saewidgets as sw  # {context.version}\n"
            f"# scope: {comment(context.model)}, {comment(context.dictionaries)}; seed {context.seed}\n{call}"
        )

    def __repr__(self) -> str:
        """One short line, for places that show text."""
        shown = self._picture
        text = shown.prompt if len(shown.prompt) <= 40 else shown.prompt[:39] + "…"
        return f"TokenHeatmap({text!r}, {len(shown.tokens)} tokens)"
