"""Array types of payload fields: a dtype that JavaScript reads as a typed array, and a number of dimensions."""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from saewidgets.errors import PayloadError, shorten

DTYPES = ("uint8", "uint16", "uint32", "float32")
#: By name, and names by type: numpy spells a name anew each time, and a payload has a hundred arrays.
TYPES = {name: np.dtype(name) for name in DTYPES}
NAMES = {dtype: name for name, dtype in TYPES.items()}


@dataclass(frozen=True, slots=True)
class ArrayType:
    """What an array field must be.

    Args:
        dtype: One of `DTYPES`.
        ndim: Number of dimensions, 1 or 2.
    """

    dtype: str
    ndim: int = 1


Array = np.ndarray[Any, Any]
U8 = Annotated[Array, ArrayType("uint8")]
U8x2 = Annotated[Array, ArrayType("uint8", 2)]
U32 = Annotated[Array, ArrayType("uint32")]
U32x2 = Annotated[Array, ArrayType("uint32", 2)]
F32 = Annotated[Array, ArrayType("float32")]
F32x2 = Annotated[Array, ArrayType("float32", 2)]


def conform(value: object, kind: ArrayType, field: str) -> Array:
    """Convert to the declared dtype and refuse what does not fit.

    Args:
        value: Anything numpy can turn into an array.
        kind: The declaration.
        field: Name used in the error.

    Returns:
        A read-only contiguous array, shape unchanged.

    Raises:
        PayloadError: Wrong number of dimensions, values that are not finite, or integers out of range.
    """
    array = np.asarray(value)
    if array.ndim != kind.ndim:
        raise PayloadError(f"{field} has {array.ndim} dimensions.", f"It must have {kind.ndim}.")
    if array.dtype.kind not in "uifb":
        raise PayloadError(f"{field} holds {shorten(array.dtype.name)}.", "It must hold plain numbers.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise PayloadError(f"{field} holds values that are not finite.", "Check the model and the dictionary.")
    wanted = TYPES[kind.dtype]
    if array.dtype != wanted:
        array = _converted(array, wanted, field)
    elif array is value and array.flags.c_contiguous and not array.flags.writeable:
        return array
    result: Array = np.ascontiguousarray(array).view()
    result.flags.writeable = False
    return result


def _converted(array: Array, wanted: "np.dtype[Any]", field: str) -> Array:
    if wanted.kind == "f":
        with np.errstate(over="ignore"):
            result = array.astype(wanted)
        if array.dtype.itemsize > wanted.itemsize and not np.isfinite(result).all():
            raise PayloadError(f"{field} holds values beyond 3e38.", "Check the model and the dictionary.")
        return result
    if array.size:
        low, high = array.min(), array.max()
        if low < 0 or high > np.iinfo(wanted).max:
            raise PayloadError(f"{field} holds values from {low} to {high}.", f"They must fit {wanted.name}.")
    return array.astype(wanted)
