"""What every payload dataclass does on construction: check each field against its annotation.

A frozen record calls `check(self)` from `__post_init__`; afterwards strings hold no lone surrogates, arrays are
read-only and of the declared dtype, and numbers are finite. So whatever holds a payload may trust it.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Hashable
from functools import cache
from typing import Annotated, Any, Union, cast, get_args, get_origin

from saewidgets.errors import PayloadError, shorten
from saewidgets.payloads.arrays import ArrayType, conform


@cache
def field_types(record: Hashable) -> dict[str, Any]:
    """Annotation of each field, `Annotated` kept."""
    return typing.get_type_hints(cast(type, record), include_extras=True)


def optional(annotation: Any) -> tuple[Any, bool]:
    """Split `X | None` into `(X, True)`; anything else is `(annotation, False)`."""
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [a for a in get_args(annotation) if a is not type(None)]
        return inner[0], True
    return annotation, False


def array_type(annotation: Any) -> ArrayType | None:
    """The declaration of an array field, `None` for other fields."""
    if get_origin(annotation) is Annotated:
        return next((a for a in get_args(annotation) if isinstance(a, ArrayType)), None)
    return None


def clean(text: str) -> str:
    """Text that UTF-8 can hold: lone surrogates become U+FFFD."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return text


def conform_field(value: Any, annotation: Any, name: str) -> Any:
    """One field's value, converted and checked.

    Raises:
        PayloadError: The value does not fit the annotation.
    """
    inner, may_be_none = optional(annotation)
    if value is None and may_be_none:
        return None
    kind = array_type(inner)
    if kind is not None:
        return conform(value, kind, name)
    if get_origin(inner) is tuple:
        if not isinstance(value, (list, tuple)):
            raise PayloadError(f"{name} is {shorten(value)}.", "It must be a list.")
        item = get_args(inner)[0]
        return tuple(conform_field(v, item, name) for v in value)
    if inner is str and isinstance(value, str):
        return clean(value)
    if inner is bool and isinstance(value, bool):
        return value
    if inner is int and isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53:
        return value
    if inner is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
    if dataclasses.is_dataclass(inner) and isinstance(inner, type) and isinstance(value, inner):
        return value
    raise PayloadError(f"{name} is {shorten(value)}.", f"It must be {getattr(inner, '__name__', inner)}.")


def check(record: Any) -> None:
    """Convert and check every field of a frozen dataclass in place; call it from `__post_init__`."""
    for name, annotation in field_types(cast(Hashable, type(record))).items():
        value = conform_field(getattr(record, name), annotation, f"{type(record).__name__}.{name}")
        object.__setattr__(record, name, value)


def same_length(record: Any, length: int, *names: str) -> None:
    """Refuse a record whose named fields (where not None) do not have `length` rows."""
    for name in names:
        value = getattr(record, name)
        if value is not None and len(value) != length:
            raise PayloadError(f"{type(record).__name__}.{name} has {len(value)} rows.", f"It must have {length}.")
