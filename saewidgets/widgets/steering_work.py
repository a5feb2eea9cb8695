"""The work behind a `Steering`: the texts as they grow, then the curves."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from saewidgets.payloads import ChatMessage, SteeringPayload
from saewidgets.widgets import steering_parts as parts
from saewidgets.widgets import steering_request as requests
from saewidgets.widgets import steering_texts as texts
from saewidgets.widgets.cache import ByIdentity, RunCache
from saewidgets.widgets.jobs import Token
from saewidgets.widgets.steering_request import SteeringRequest

if TYPE_CHECKING:
    from saewidgets.causes import DoseResponse
    from saewidgets.causes.outcome import Outcome
    from saewidgets.scope import Scope


class Work:
    """Mixed into `Steering`, before `BaseWidget`."""

    _scope: Scope | None
    _cache: RunCache
    _options: parts.Options

    def _viewed(self, payload: SteeringPayload, view: dict[str, Any]) -> SteeringPayload:
        """The payload as it is looked at."""
        raise NotImplementedError

    def _pictures(self, request: SteeringRequest, token: Token, progress: Any) -> Iterator[SteeringPayload]:
        scope = self._scope
        if scope is None:
            return
        began = time.monotonic()
        outcome = self._outcome(request)
        # Texts are written freely, whatever the curves do.
        key = replace(request, propagation="free"), self._options, *self._identity()
        shown: SteeringPayload | None = self._cache.get(("texts", key))
        if shown is None:
            for shown in self._write(request, outcome, token, began):
                yield shown
            assert shown is not None
            self._cache.put(("texts", key), shown)
        call = requests.code(request, self._said())
        shown = replace(shown, propagation=request.propagation, context=replace(shown.context, code=call))
        if outcome is None or not request.edits:
            yield self._viewed(replace(shown, phase="finished"), {})
            return
        yield self._viewed(shown, {})
        for doses in self._measure(request, outcome, shown, token, progress):
            found = parts.doses_payload(doses, self._planned)
            shown = replace(shown, doses=found, verdict=parts.verdict(found, shown.now))
            yield self._viewed(shown, {})
        yield self._viewed(replace(shown, phase="finished"), {})

    def _outcome(self, request: SteeringRequest) -> Outcome | None:
        assert self._scope is not None
        return parts.outcome_of(self._scope, request)

    def _write(
        self, request: SteeringRequest, outcome: Outcome | None, token: Token, began: float
    ) -> Iterator[SteeringPayload]:
        """The texts: base and steered as they grow, then the others."""
        assert self._scope is not None
        scope, made, check = self._scope, parts.sliders(self._scope, request), token.check
        check()
        call = requests.code(request, self._said())
        words = tuple(scope.model.tokenizer.decode([i]) for i in outcome.ids) if outcome else ()
        blank = SteeringPayload(
            requests.as_text(request.prompt), parts.context_of(scope, request, call, 0.0), request.mode,
            request.place, request.seed, request.temperature, request.max_new_tokens, made, target=words,
            target_name=outcome.name if outcome else "", frozen=request.frozen, phase="writing",
            now=request.edits[request.first].value if request.edits else 0.0,
            offers=parts.offers(scope, request.prompt, [s.id for s in made]), propagation=request.propagation,
            messages=() if isinstance(request.prompt, str) else tuple(ChatMessage(*m) for m in request.prompt),
        )  # fmt: skip
        done: tuple[Any, ...] = ()
        speed = 0.0
        base = None
        for columns, propagation in self._columns(request):
            batch = columns(base) if callable(columns) else columns
            written: tuple[Any, ...] = ()
            for written, rate in texts.write(scope, request, batch, base, outcome, check, propagation):
                speed = speed or rate
                here = (*done, *written)
                yield self._viewed(
                    replace(blank, texts=here, tokens_per_second=speed, sliders=texts.with_maxima(made, here)), {}
                )
            done = (*done, *written)
            base = base or done[0]
        milliseconds = 1000 * (time.monotonic() - began)
        yield replace(
            blank, texts=done, tokens_per_second=speed, sliders=texts.with_maxima(made, done), phase="measuring",
            context=replace(blank.context, milliseconds=milliseconds),
        )  # fmt: skip

    def _columns(self, request: SteeringRequest) -> Iterator[tuple[Any, str]]:
        """Batches of columns: what is waited for first, controls last."""
        first = [texts.Column("base", "no edit")]
        if not request.acting:
            yield first, "free"
            return
        note = texts.notes(request)
        yield [*first, texts.Column("steered", note, request.acting)], "free"
        if request.frozen:
            yield (
                [texts.Column("frozen", f"{note}, attention to the prompt frozen", request.acting)],
                "frozen_attention",
            )
        scope, atlas = self._scope, self._options.atlas
        assert scope is not None
        yield lambda base: texts.control_columns(scope, request, base, atlas), "free"

    def _measure(
        self, request: SteeringRequest, outcome: Outcome, shown: SteeringPayload, token: Token, progress: Any
    ) -> Iterator[DoseResponse]:
        """The curves: first where the slider stands, then its whole way."""
        assert self._scope is not None
        slider = shown.sliders[request.first]
        grid = parts.strengths(slider)
        now = request.edits[request.first].value
        before: DoseResponse | None = None
        for at in [[now]] * (now not in grid and request.neutral != now) + [grid]:
            edits = tuple(request.at(s) for s in at)
            key = (
                "doses",
                replace(request, edits=(), frozen=False),
                edits,
                outcome.ids,
                self._options,
                *self._identity(),
            )
            found: DoseResponse | None = self._cache.get(key)
            if found is None:
                for found in parts.measure(self._scope, request, at, outcome, self._options, token.check):
                    if progress is not None:
                        progress(found.n_texts, self._planned, "measuring")
                    yield found if before is None else found.joined(before)
                self._cache.put(key, found)
            assert found is not None
            yield found if before is None else found.joined(before)
            before = found

    @property
    def _planned(self) -> int:
        return max(1, len(self._options.prompts)) * self._options.n_seeds

    def _said(self) -> dict[str, Any]:
        """Arguments for the code, where they are not the defaults."""
        default, own = parts.Options(), self._options
        said: dict[str, Any] = {"prompts": [requests.as_asked(p) for p in own.prompts]} if own.prompts else {}
        for name in ("n_seeds", "n_controls"):
            if getattr(own, name) != getattr(default, name):
                said[name] = getattr(own, name)
        return {**said, "atlas": _Name("atlas")} if own.atlas is not None else said

    def _identity(self) -> tuple[ByIdentity, ...]:
        assert self._scope is not None
        return ByIdentity(self._scope.model), *(ByIdentity(d) for d in self._scope.dictionaries.values())


class _Name(str):
    """A name that prints as itself in code."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)
