"""The widgets of a diary: their names, what they show now, and how they are put into another state."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from saewidgets.errors import WidgetError
from saewidgets.widgets.diary_steps import ASKED, OPENS, Values, watched

# Seconds that a view has to follow: a large model on a small machine.
PATIENCE = 600.0


def named(views: Sequence[Any]) -> dict[str, Any]:
    """Views by names that can stand in code: `heatmap`, `heatmap_2`.

    Raises:
        WidgetError: One is no widget, or closed.
    """
    found: dict[str, Any] = {}
    for view in views:
        if not hasattr(view, "_front_traits") or not hasattr(view, "observe"):
            raise WidgetError(f"A diary of a {type(view).__name__}.", "Give widgets: sw.Diary(heatmap, dashboard).")
        if view.closed:
            raise WidgetError(f"This {type(view).__name__} is closed.", "Make a new one.")
        stem = name = ASKED.get(view._view, (view._view, ()))[0]
        number = 1
        while name in found:
            number += 1
            name = f"{stem}_{number}"
        found[name] = view
    if not found:
        raise WidgetError("A diary of no widget.", "Write sw.Diary(heatmap, dashboard).")
    return found


def snapshot(view: Any) -> Values:
    """The watched traits of a view, as values that do not change any more."""
    values = {name: getattr(view, name) for name in watched(view)}
    return {name: deepcopy(value) if isinstance(value, dict) else value for name, value in values.items()}


def difference(before: Values, after: Values) -> dict[str, Any]:
    """What is otherwise after than before."""
    return {name: value for name, value in after.items() if before.get(name) != value}


def put(view: Any, values: Values) -> None:
    """Put a view into a state, and wait until it shows it.

    Raises:
        SaewidgetsError: It cannot be shown; or it did not come in time.
    """
    if view._view == "explorer":
        from saewidgets.widgets.explorer_diary import go  # late: an explorer has a diary

        go(view, values)
        view.wait(PATIENCE)
        return
    asked = {n: values[n] for n in ASKED.get(view._view, ("", ()))[1] if n in values}
    now = {name: getattr(view, name) for name in asked}
    if asked != now:
        # One request, so that it is one step of undo; a steering view takes what it does apart from the rest.
        apart = [{name: value} for name, value in asked.items()] if view._view == "steering" else [asked]
        for state in apart:
            view._want(view._request(state), None)
    if not view.wait(PATIENCE):
        raise WidgetError(f"The {type(view).__name__} does not follow.", "Wait for it, then replay again.")
    if view.error is not None and view.last_error is not None and asked != now:
        raise view.last_error
    for name, value in values.items():
        if name in asked or getattr(view, name) == value:
            continue
        if name == "feature" and view._view in OPENS:
            view.open_feature(value) if value else view.back()
        else:
            setattr(view, name, deepcopy(value) if isinstance(value, dict) else value)


def scope_of(view: Any) -> Any:
    """The scope a widget asks, `None` for none."""
    for holder in (view, getattr(view, "_maker", None), getattr(view, "_source", None)):
        scope = getattr(holder, "_scope", None) or getattr(holder, "scope", None)
        if scope is not None and hasattr(scope, "dictionaries"):
            return scope
    return None
