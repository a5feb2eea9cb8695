"""Reading `.npz` from strangers: never a pickle, never more than the archive can hold."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from saewidgets.errors import DictionaryError, shorten


def read_names(path: Path) -> frozenset[str]:
    """Names of the arrays in an archive.

    Raises:
        DictionaryError: It is no archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return frozenset(name.removesuffix(".npy") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise DictionaryError(f"{path.name} is no npz file ({shorten(error)}).", "Get the file again.") from None


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Arrays as tensors, in the dtype they are stored in.

    Raises:
        DictionaryError: Damaged, crafted, or it holds Python objects.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: torch.from_numpy(archive[name]) for name in archive.files}
    except Exception as error:
        raise DictionaryError(f"{path.name} cannot be read ({shorten(error)}).", "Get the file again.") from None
