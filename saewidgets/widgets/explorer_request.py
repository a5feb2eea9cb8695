"""What an explorer shares among its panels: the state that undo steps through, and its changes as lines of Python."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from saewidgets.errors import WidgetError
from saewidgets.payloads.explorer import NARROWEST, PRESETS, SIDES, WIDEST, WIDTHS
from saewidgets.widgets import checks
from saewidgets.widgets.asked import dragged

if TYPE_CHECKING:
    from saewidgets.interventions import Edit


@dataclass(frozen=True, slots=True)
class Shared:
    """What all panels show.

    Args:
        prompt: The text.
        features: Ids of the lettered features by slot, "" where one is free.
        edits: What is done to features.
        pinned: Ids of nodes of the circuit.
    """

    prompt: str
    features: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()
    pinned: tuple[str, ...] = ()


def drag(before: Shared, after: Shared) -> str:
    """What goes on between two states: `"text"` is being typed, `"edits"` have their sliders moved, "" for a step."""
    if (before.features, before.pinned) != (after.features, after.pinned):
        return ""
    if before.edits == after.edits:
        return "text"
    moved = [*map(dragged, before.edits)] == [*map(dragged, after.edits)]
    return "edits" if moved and before.prompt == after.prompt else ""


def steps(before: Shared, after: Shared, exact: bool = False) -> Iterator[str]:
    """Lines of Python that lead from one state to another; `exact` in the letters, not only in what has one.

    Example:
        >>> list(steps(Shared("A boat."), Shared("A boat.", ("resid_post.2/17",))))
        ["ex.add('resid_post.2/17')"]
    """
    if after.prompt != before.prompt:
        yield f"ex.prompt = {after.prompt!r}"
    if exact and after.features != before.features:
        yield f"ex.features = {list(after.features)!r}"
    for name in () if exact else after.features:
        if name and name not in before.features:
            yield f"ex.add({name!r})"
    for name in () if exact else before.features:
        if name and name not in after.features:
            yield f"ex.remove({name!r})"
    for node in after.pinned:
        if node not in before.pinned:
            yield f"ex.pin({node!r})"
    for node in before.pinned:
        if node not in after.pinned:
            yield f"ex.unpin({node!r})"
    if after.edits != before.edits:
        yield edit_call(after.edits)


def edit_call(edits: Sequence[Edit]) -> str:
    """The call that makes these the edits."""
    if not edits:
        return "ex.edit()"
    from saewidgets.interventions import to_code

    return f"ex.edit(*{to_code(edits)})" if len(edits) > 1 else f"ex.edit({to_code(edits)[1:-1]})"


def same_kind(one: str, other: str) -> bool:
    """Whether a line makes the one before it void: another token, another text."""
    return any(one.startswith(start) and other.startswith(start) for start in ("ex.select(token=", "ex.prompt = "))


def widths(name: str, value: Any) -> list[float]:
    """Three shares of the width.

    Raises:
        WidgetError: Something else, or a panel too narrow.
    """
    fits = isinstance(value, (list, tuple)) and len(value) == len(WIDTHS)
    for one in value if fits else ():
        fits = fits and isinstance(one, (int, float)) and not isinstance(one, bool) and NARROWEST <= one <= WIDEST
    if not fits or value[0] + value[1] > WIDEST:
        todo = f"Give three shares from {NARROWEST} to {WIDEST}: features, predictions, focused feature."
        raise WidgetError(f"{name} is {checks.brief(value)}.", todo)
    return [float(one) for one in value]


def focus(name: str, value: Any) -> str:
    """A feature's id, "" for none."""
    if value == "":
        return ""
    from saewidgets.widgets.feature_request import feature_id

    return feature_id(name, value)


def truth(name: str, value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise WidgetError(f"{name} is {checks.brief(value)}.", "It must be true or false.")
    return value


VIEW: dict[str, checks.Check] = {
    "feature": focus,
    "opened": truth,
    "preset": checks.one_of(*PRESETS),
    "side": checks.one_of(*SIDES),
    "widths": widths,
}
