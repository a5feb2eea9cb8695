"""Checks of what a person or a front end sets: errors of ours, and no work before a size is known."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import traitlets

from saewidgets.errors import AlignmentError, PromptError, SaewidgetsError, WidgetError, shorten
from saewidgets.sites import FeatureId

Check = Callable[[str, Any], Any]

MAX_CHARACTERS = 4_000_000
MAX_FEATURES = 64
MAX_POSITION = 10_000_000
MAX_POSITIONS = 4_096
MAX_EDITS = 1_000


class Checked(traitlets.TraitType):
    """A trait whose values pass a check that raises our own errors.

    Args:
        default: The value of a new widget.
        check: `check(name, value)` returns the value to keep.
    """

    def __init__(self, default: Any, check: Check) -> None:
        super().__init__(default)
        self._check = check

    def validate(self, obj: Any, value: Any) -> Any:
        """Run the check."""
        return self._check(self.name or "value", value)


def brief(value: Any) -> str:
    """What a message shows of a value that may be anything."""
    if isinstance(value, (str, bytes)) and len(value) > 200:
        return f"{type(value).__name__} of length {len(value)}"
    if isinstance(value, (list, tuple, dict, set)) and len(value) > 20:
        return f"{type(value).__name__} of {len(value)} items"
    if isinstance(value, int) and abs(value) >= 1 << 64:
        return "a huge number"
    return shorten(value) if isinstance(value, (str, int, float, bytes, type(None))) else type(value).__name__


def one_of(*options: str) -> Check:
    """One of these strings."""

    def check(name: str, value: Any) -> str:
        if not isinstance(value, str) or value not in options:
            raise WidgetError(f"{name} is {brief(value)}.", f"Use one of {', '.join(map(repr, options))}.")
        return value

    return check


def whole(low: int, high: int) -> Check:
    """A whole number from `low` to `high`."""

    def check(name: str, value: Any) -> int:
        if isinstance(value, bool) or not hasattr(value, "__index__") or not low <= value <= high:
            raise WidgetError(f"{name} is {brief(value)}.", f"It must be a whole number from {low} to {high}.")
        return int(value)

    return check


def text(name: str, value: Any) -> str:
    """A prompt: a string that is neither empty nor larger than any context."""
    if not isinstance(value, str):
        raise PromptError(f"The {name} is {brief(value)}.", "It must be a string.")
    if len(value) > MAX_CHARACTERS:
        raise PromptError(f"The {name} has {len(value)} characters.", f"Give at most {MAX_CHARACTERS}.")
    return value


def word(name: str, value: Any) -> str:
    """A short string: a site's key, what fills the tokens."""
    if not isinstance(value, str) or len(value) > 200:
        raise WidgetError(f"{name} is {brief(value)}.", "It must be a short string.")
    return value


def feature_ids(name: str, value: Any) -> tuple[str, ...]:
    """Feature ids in order of their slots, `""` for a freed slot."""
    if not isinstance(value, (list, tuple)) or len(value) > MAX_FEATURES:
        raise WidgetError(f"{name} is {brief(value)}.", f"Give a list of at most {MAX_FEATURES} feature ids.")
    ids = tuple("" if isinstance(v, str) and v == "" else str(FeatureId.parse(_id(name, v))) for v in value)
    chosen = [v for v in ids if v]
    if len(set(chosen)) < len(chosen):
        raise WidgetError(f"{name} names a feature twice.", "Name each feature once.")
    return ids


def _id(name: str, value: Any) -> Any:
    if isinstance(value, FeatureId):
        return value
    return word(name, value)


def position_list(name: str, value: Any) -> tuple[int, ...]:
    """Token positions, rising, without repeats."""
    if not isinstance(value, (list, tuple)) or not 0 < len(value) <= MAX_POSITIONS:
        raise WidgetError(f"{name} is {brief(value)}.", f"Give a list of 1 to {MAX_POSITIONS} token positions.")
    check = whole(0, MAX_POSITION)
    return tuple(sorted({check(name, v) for v in value}))


def answers(name: str, value: Any) -> list[bool | None]:
    """True, false or nothing for each question of a sheet."""
    fits = isinstance(value, (list, tuple)) and len(value) <= MAX_POSITIONS
    if not fits or not all(v is None or isinstance(v, bool) for v in value):
        raise WidgetError(f"{name} is {brief(value)}.", "Give true, false or null for each question.")
    return list(value)


def edit_list(name: str, value: Any) -> tuple[Any, ...]:
    """Edits, given as such or as their JSON."""
    if not isinstance(value, (list, tuple)) or len(value) > MAX_EDITS:
        raise WidgetError(f"{name} is {brief(value)}.", f"Give a list of at most {MAX_EDITS} edits.")
    if not value:
        return ()
    for item in value:
        _refuse_large(name, item)
    from saewidgets.interventions import from_json

    return from_json(value)


def _refuse_large(name: str, item: Any) -> None:
    """Keep huge strings and lists out of anything that would print or loop over them."""
    if isinstance(item, dict):
        if len(item) > 20:
            raise WidgetError(f"One of {name} is {brief(item)}.", "An edit has six fields.")
        for key, part in item.items():
            limit = MAX_CHARACTERS // 100 if key == "positions" else 200
            if isinstance(part, (str, bytes, list, tuple, dict)) and len(part) > limit:
                raise WidgetError(f"One of {name} holds {brief(part)}.", "Send less.")


def describe(error: BaseException) -> dict[str, Any]:
    """What the front end shows of an error: ours verbatim, any other with its type and message."""
    if isinstance(error, AlignmentError):
        return {"what": error.what, "todo": error.todo, "pairs": [list(pair) for pair in error.pairs]}
    if isinstance(error, SaewidgetsError):
        return {"what": error.what, "todo": error.todo}
    message = " ".join(str(error).split())[:300]
    return {
        "what": f"Unexpected {type(error).__name__}: {message or 'without a message'}.",
        "todo": "The picture is the last good one; `raise widget.last_error` says where it happened.",
    }


def refuse_unknown(widget: type, unknown: Mapping[str, object]) -> None:
    """Raise for keywords a widget does not have, with the nearest one it has; traitlets would only warn.

    Raises:
        TypeError: There is one.
    """
    if unknown:
        _refuse(widget, next(iter(unknown)))


def _refuse(widget: type, name: str) -> NoReturn:
    known = [p for p in inspect.signature(widget).parameters if p != "unknown"]
    near = difflib.get_close_matches(name, known, 1)
    hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."
    raise TypeError(f"{widget.__name__} has no argument {name!r}. {hint}")
