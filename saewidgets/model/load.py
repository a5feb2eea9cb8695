"""Where a model comes from: a hub id, a folder, a module in memory, an nnsight model."""

from __future__ import annotations

import os
import re
from typing import Any

import torch

from saewidgets.errors import ModelError, shorten

# What the hub allows, checked before anything is looked up: no paths, no look-alike letters, no endless names.
_PART = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
_HUB_ID = re.compile(rf"{_PART}(?:/{_PART})?")
WAYS_OUT = (
    "Check the spelling, connect to the network and log in if the model is gated (`hf auth login`), "
    "or pass the path of a folder with config.json, weights and tokenizer, or a module in memory with tokenizer=."
)


def is_hub_id(name: str) -> bool:
    """Whether a text could be the id of a model on the hub ("gpt2", "openai-community/gpt2")."""
    return _HUB_ID.fullmatch(name) is not None and ".." not in name and "--" not in name


def load(
    name: str, tokenizer: Any = None, *, dtype: Any = None, device_map: Any = None, revision: str | None = None
) -> tuple[torch.nn.Module, Any]:
    """Load model and tokenizer from a folder or the hub. Code that comes with a model is never run.

    Args:
        name: Local folder or hub id.
        tokenizer: Taken instead of the model's own.
        dtype: `torch.dtype` or its name; the checkpoint's own by default.
        device_map: Passed to transformers, for one or several devices.
        revision: Branch, tag or commit on the hub.

    Returns:
        Module and tokenizer.

    Raises:
        ModelError: There is no such model, or it cannot be reached or read.
    """
    options: dict[str, Any] = {"trust_remote_code": False}
    if os.path.isdir(name):  # unlike pathlib's, false for a name too long for the file system
        if not os.path.isfile(os.path.join(name, "config.json")):
            raise ModelError(
                f"The folder {shorten(name)} has no config.json.", "Save a model there with save_pretrained()."
            )
        options["local_files_only"] = True
    elif not is_hub_id(name):
        raise ModelError(f"{shorten(name)} is neither a folder on this machine nor a hub id.", WAYS_OUT)
    if revision is not None:
        options["revision"] = revision
    return _load_module(name, options, dtype, device_map), tokenizer or _load_tokenizer(name, options)


def _load_module(name: str, options: dict[str, Any], dtype: Any, device_map: Any) -> Any:
    from transformers import AutoModelForCausalLM

    extra = {key: value for key, value in (("dtype", dtype), ("device_map", device_map)) if value is not None}
    try:
        return AutoModelForCausalLM.from_pretrained(name, **options, **extra)
    except Exception as error:  # transformers and the hub raise a dozen types for "not there"
        raise ModelError(f"Cannot load the model {shorten(name)}: {first_line(error)}", WAYS_OUT) from error


def _load_tokenizer(name: str, options: dict[str, Any]) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(name, **options)
    except Exception as error:
        what = f"Cannot load the tokenizer of {shorten(name)}: {first_line(error)}"
        raise ModelError(what, "Pass one with tokenizer=.") from error


def first_line(error: Exception) -> str:
    """The first line of what a library said, short enough for a sentence."""
    return shorten((str(error) or type(error).__name__).strip().splitlines()[0], 200)


def unwrap(model: Any) -> tuple[torch.nn.Module, Any]:
    """Module and tokenizer inside an nnsight model, or of a plain module.

    Args:
        model: An nnsight model (dispatched or not) or a `torch.nn.Module`.

    Returns:
        Module and tokenizer, `None` where there is none.

    Raises:
        ModelError: It is neither.
    """
    if isinstance(model, torch.nn.Module):
        return model, None
    if hasattr(model, "_module") and hasattr(model, "interleaver"):
        if not getattr(model, "dispatched", True):
            model.dispatch()
        return model._module, getattr(model, "tokenizer", None)
    raise ModelError(
        f"Cannot use {shorten(type(model).__name__)} as a model.",
        "Pass a hub id, the path of a folder, a Hugging Face module with tokenizer=, or an nnsight model.",
    )


def move(module: torch.nn.Module, device: Any, dtype: Any) -> None:
    """Move a module and convert its weights, in place.

    Args:
        module: The model.
        device: Target device, or `None` to stay.
        dtype: Target type or its name, or `None` to keep.

    Raises:
        ModelError: There is no such device or type here.
    """
    if isinstance(dtype, str):
        found = getattr(torch, dtype, None)
        if not isinstance(found, torch.dtype):
            raise ModelError(f"Unknown dtype {shorten(dtype)}.", "Use for example 'float32' or 'bfloat16'.")
        dtype = found
    if device is None and dtype is None:
        return
    try:
        module.to(device=device, dtype=dtype)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ModelError(
            f"Cannot move the model to device {device!r}, dtype {dtype!r}: {first_line(error)}",
            "See torch.cuda.is_available() and torch.backends.mps.is_available().",
        ) from error
