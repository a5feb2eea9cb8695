"""Reading `torch.save` files from strangers: tensors only, never a pickled object."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from saewidgets.errors import DictionaryError, shorten

_ADVICE = (
    "It holds Python objects, which run code when read. On a machine where you trust it: "
    "state = torch.load(path, weights_only=False); "
    "safetensors.torch.save_file(state['state_dict'], 'weights.safetensors')."
)


def load_entries(path: Path) -> dict[str, Any]:
    """What the file holds: tensors, and plain values beside them.

    Raises:
        DictionaryError: Damaged, or it holds anything but tensors and plain values.
    """
    try:
        entries = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:
        raise DictionaryError(f"{path.name} is not read ({shorten(error)}).", _ADVICE) from None
    if not isinstance(entries, dict):
        raise DictionaryError(f"{path.name} holds {type(entries).__name__}, no state dict.", _ADVICE)
    return entries


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of the file, in the dtype they are stored in.

    Raises:
        DictionaryError: See `load_entries`; or there is no tensor.
    """
    tensors = {str(name): value for name, value in load_entries(path).items() if isinstance(value, Tensor)}
    if not tensors:
        raise DictionaryError(f"{path.name} holds no tensors.", "Name another file.")
    return tensors
