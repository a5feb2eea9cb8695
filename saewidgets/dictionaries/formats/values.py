"""Numbers from configs, arguments and one-element tensors, checked."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from saewidgets.errors import DictionaryError, shorten


def number(value: Any, name: str) -> float:
    """A finite number.

    Raises:
        DictionaryError: It is none.
    """
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise DictionaryError(f"{name} = {shorten(value)} is no number.", "The file is damaged; get it again.")
    return float(value)


def positive(value: Any, name: str) -> float:
    """A finite number above 0.

    Raises:
        DictionaryError: It is none.
    """
    result = number(value, name)
    if result <= 0:
        raise DictionaryError(f"{name} = {shorten(value)} is not above 0.", "The file is damaged or was never trained.")
    return result


def count(value: Any, name: str) -> int:
    """A whole number from 1.

    Raises:
        DictionaryError: It is none.
    """
    result = number(value, name)
    if result < 1 or not result.is_integer():
        raise DictionaryError(f"{name} = {shorten(value)} is no whole number from 1.", f"Pass {name}=.")
    return int(result)
