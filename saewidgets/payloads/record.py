"""What every payload dataclass does on construction: check each field against its annotation.

A frozen record calls `check(self)` from `__post_init__`; afterwards strings hold no lone surrogates, arrays are
read-only and of the declared dtype, and numbers are finite. So whatever holds a payload may trust it.
"""

import math
import types
import typing
from collections.abc import Callable, Hashable
from functools import cache, partial
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


Convert = Callable[[Any, str], Any]


def conform_field(value: Any, annotation: Any, name: str) -> Any:
    """One field's value, converted and checked.

    Raises:
        PayloadError: The value does not fit the annotation.
    """
    return _converter(annotation)(value, name)


def _converter(annotation: Any) -> Convert:
    """What turns a value into one that fits an annotation; made once a field, for payloads are made at each key."""
    inner, may_be_none = optional(annotation)
    kind = array_type(inner)
    if kind is not None:
        convert: Convert = partial(_array, kind)
    elif get_origin(inner) is tuple:
        item = get_args(inner)[0]
        convert = partial(_strings if item is str else _tuple, _converter(item))
    else:
        convert = partial(_PLAIN.get(inner, partial(_record, inner)), getattr(inner, "__name__", str(inner)))
    return partial(_optional, convert) if may_be_none else convert


def _optional(convert: Convert, value: Any, name: str) -> Any:
    return None if value is None else convert(value, name)


def _array(kind: ArrayType, value: Any, name: str) -> Any:
    return conform(value, kind, name)


def _tuple(convert: Convert, value: Any, name: str) -> Any:
    if not isinstance(value, (list, tuple)):
        raise PayloadError(f"{name} is {shorten(value)}.", "It must be a list.")
    return tuple([convert(item, name) for item in value])


def _strings(convert: Convert, value: Any, name: str) -> Any:
    """As `_tuple`; a tuple of plain text, which most are, is looked at as a whole."""
    try:
        if type(value) is tuple and "".join(value).isascii():
            return value
    except TypeError:
        pass
    return _tuple(convert, value, name)


def _refuse(wanted: str, value: Any, name: str) -> Any:
    raise PayloadError(f"{name} is {shorten(value)}.", f"It must be {wanted}.")


def _string(wanted: str, value: Any, name: str) -> Any:
    return clean(value) if isinstance(value, str) else _refuse(wanted, value, name)


def _truth(wanted: str, value: Any, name: str) -> Any:
    return value if isinstance(value, bool) else _refuse(wanted, value, name)


def _whole(wanted: str, value: Any, name: str) -> Any:
    fits = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53
    return value if fits else _refuse(wanted, value, name)


def _number(wanted: str, value: Any, name: str) -> Any:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
    return _refuse(wanted, value, name)


def _record(record: Any, wanted: str, value: Any, name: str) -> Any:
    return value if isinstance(value, record) else _refuse(wanted, value, name)


_PLAIN: dict[Any, Callable[[str, Any, str], Any]] = {str: _string, bool: _truth, int: _whole, float: _number}


@cache
def _converters(record: Any) -> tuple[tuple[str, str, Convert], ...]:
    types = field_types(record)
    return tuple((name, f"{record.__name__}.{name}", _converter(annotation)) for name, annotation in types.items())


def check(record: Any) -> None:
    """Convert and check every field of a frozen dataclass in place; call it from `__post_init__`."""
    for field, name, convert in _converters(cast(Hashable, type(record))):
        object.__setattr__(record, field, convert(getattr(record, field), name))


def same_length(record: Any, length: int, *names: str) -> None:
    """Refuse a record whose named fields (where not None) do not have `length` rows."""
    for name in names:
        value = getattr(record, name)
        if value is not None and len(value) != length:
            raise PayloadError(f"{type(record).__name__}.{name} has {len(value)} rows.", f"It must have {length}.")
