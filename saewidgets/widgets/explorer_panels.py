"""The panels of an `Explorer` that take their time: they are made empty, wait for a pause, and keep what is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from saewidgets.errors import Cancelled, FeatureError
from saewidgets.payloads import CircuitNodes, CircuitPayload, CircuitSide, Context, SteeringPayload
from saewidgets.widgets import checks
from saewidgets.widgets import steering_parts as parts
from saewidgets.widgets.checks import Checked
from saewidgets.widgets.circuit import CircuitGraph, chief
from saewidgets.widgets.circuit_request import CircuitRequest
from saewidgets.widgets.jobs import GUARD, JobRunner, Pace
from saewidgets.widgets.steering import Steering
from saewidgets.widgets.steering_request import SteeringRequest
from saewidgets.widgets.steering_texts import Column, control_columns

if TYPE_CHECKING:
    from saewidgets.causes.outcome import Outcome

# Seconds without a change before a heavy panel follows, and the most it is kept waiting.
QUIET, LONGEST = 0.3, 4.0


class Rest(Pace):
    """A pace in which every request is one of a burst: the strip goes first."""

    def ask(self, now: float) -> None:
        """A request came."""
        super().ask(now)
        self._burst = True


class Panel:
    """Mixed into a widget, before it."""

    # Whether the first whole picture, or the reason why there is none, has come.
    known = False

    def __init__(self: Any, leader: Any, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._leader = leader
        self._runner = JobRunner(Rest(QUIET, LONGEST))
        self.undo_depth, self.redo_depth = leader.history.undo_depth, leader.history.redo_depth

    def begin(self: Any) -> None:
        """Make the first picture."""
        super()._begin()  # type: ignore[misc]

    def _begin(self) -> None:
        """Nothing: whoever owns the panel says when."""

    def _is_urgent(self, request: Any) -> bool:
        return False

    def _publish(self: Any, step: Any, payload: Any, token: Any) -> None:
        super()._publish(step, payload, token)  # type: ignore[misc]
        self.known = True

    def _failed(self: Any, step: Any, request_id: Any, error: Exception) -> None:
        """Say why there is no picture. What is wanted stays: the other panels show it."""
        with GUARD:
            stopped = isinstance(error, Cancelled) or self._wanted is not step
            if not stopped and not self.closed:
                self.known = True
                with self._setting():
                    self._remember(error)
                    self.error = checks.describe(error)
        if request_id is not None:
            said = {"type": "cancelled"} if stopped else {"type": "error", **checks.describe(error)}
            self._post({**said, "id": request_id})


class CircuitPanel(Panel, CircuitGraph):
    """A circuit graph that is empty at first."""

    def _first(self, request: CircuitRequest) -> tuple[CircuitPayload, bool]:
        return _no_circuit(request.prompt), False

    def _viewed(self, payload: CircuitPayload, view: dict[str, Any]) -> CircuitPayload:
        """The first graph has a node in hand: something to look at."""
        payload = super()._viewed(payload, view)
        if payload.selection or not len(payload.nodes) or len(self._picture.nodes):
            return payload
        return replace(payload, selection=chief(payload))


@dataclass(frozen=True, slots=True)
class TextRequest(SteeringRequest):
    """Texts as they are, under any edits, also those that no slider can show, and under their controls.

    Args:
        done: The edits.
    """

    done: tuple[Any, ...] = ()

    @property
    def acting(self) -> tuple[Any, ...]:
        """The edits."""
        return self.done


class TextPanel(Panel, Steering):
    """What the model writes as it is, after the edits, and under the controls of these: a random feature, direction."""

    edits = Checked((), checks.edit_list)

    def _first(self, request: SteeringRequest) -> tuple[SteeringPayload, bool]:
        scope: Any = self._scope
        context = Context(f"{scope.name}", "", seed=request.seed)
        assert isinstance(request.prompt, str)
        return SteeringPayload(request.prompt, context, seed=request.seed, phase="writing"), False

    def adopt(self) -> None:
        """Take over the edits of the explorer, whatever they are."""
        step = self._need_model()
        fields = {name: getattr(step.request, name) for name in SteeringRequest.__slots__ if name != "edits"}
        self._wanted = self._shown = replace(step, request=TextRequest(**fields, done=self._leader.edits))
        with self._setting():
            self.edits = self._leader.edits

    def _request(self, state: dict[str, Any]) -> Any:
        before = self._need_model().request
        if "edits" in state:
            return replace(before, done=checks.edit_list("edits", state["edits"]))
        return super()._request(state)

    def _traits_of(self, payload: SteeringPayload, request: Any) -> dict[str, Any]:
        return {**super()._traits_of(payload, request), "edits": getattr(request, "done", ())}

    def _outcome(self, request: SteeringRequest) -> Outcome | None:
        """The words that the first edited feature promotes, as of a slider."""
        first = next((edit for edit in request.acting if edit.features), None)
        if first is None or self._scope is None:
            return None
        try:
            return parts.promoted_by(self._scope, first)
        except FeatureError:  # it writes nowhere near the words
            return None

    def _columns(self, request: SteeringRequest) -> Iterator[tuple[Any, str]]:
        acting = request.acting
        yield [Column("base", ""), *([Column("steered", "", acting)] if acting else [])], "free"
        if acting:
            scope, atlas = self._scope, self._options.atlas
            assert scope is not None
            yield lambda base: control_columns(scope, request, base, atlas), "free"


def _no_circuit(prompt: str) -> CircuitPayload:
    """A graph without nodes."""
    none, floats = np.zeros(0, np.uint32), np.zeros(0, np.float32)
    kinds = np.zeros(0, np.uint8)
    nodes = CircuitNodes((), kinds, none, none, none, (), floats, kinds)
    side = CircuitSide(floats, floats, floats, floats, floats, floats, floats)
    return CircuitPayload(prompt, (), (), none, none, nodes, none, none, side, Context("", ""))
