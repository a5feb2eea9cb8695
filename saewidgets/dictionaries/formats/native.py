"""Our own form: one safetensors file, conventions as JSON in its metadata."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.dictionary import Card, Dictionary
from saewidgets.dictionaries.formats.safetensors import load_tensors
from saewidgets.errors import DictionaryError, SaewidgetsError, shorten
from saewidgets.sites import Site

FORMAT = "saewidgets-dictionary-1"
_WEIGHTS = ("W_enc", "W_dec", "b_enc", "b_dec")


def to_bytes(dictionary: Dictionary, dtype: torch.dtype | None = None) -> bytes:
    """The file's bytes; `dtype` (e.g. `torch.float16`) halves it at the price of rounding."""
    tensors = {name: getattr(dictionary, name) for name in _WEIGHTS}
    activation: dict[str, Any] = {"kind": dictionary.activation.kind}
    if dictionary.activation.k is not None:
        activation["k"] = dictionary.activation.k
    threshold = dictionary.activation.threshold
    if threshold is not None:
        if threshold.ndim:
            tensors["threshold"] = threshold
        else:
            activation["threshold"] = float(threshold)
    settings = {
        "format": FORMAT,
        "architecture": dictionary.architecture,
        "site_in": str(dictionary.site_in),
        "site_out": str(dictionary.site_out),
        "activation": activation,
        "subtract_b_dec": dictionary.subtract_b_dec,
    }
    tensors = {name: t.detach().cpu().to(dtype or t.dtype).contiguous() for name, t in tensors.items()}
    return save(tensors, metadata={"saewidgets": json.dumps(settings, sort_keys=True)})


def write(dictionary: Dictionary, path: Path, dtype: torch.dtype | None = None) -> None:
    """Write `to_bytes` to a file, all or nothing."""
    from saewidgets.disk import write_bytes

    write_bytes(path, to_bytes(dictionary, dtype))


def load(path: Path) -> Dictionary:
    """Read a file that `save` wrote.

    Raises:
        DictionaryError: Another format, damaged, or a convention is missing.
    """
    tensors, metadata = load_tensors(path)
    try:
        settings = json.loads(metadata["saewidgets"])
        if settings["format"] != FORMAT:
            raise DictionaryError(f"{path.name} has format {shorten(settings['format'])}.", f"This reads {FORMAT}.")
        activation = settings["activation"]
        threshold = tensors.get("threshold", activation.get("threshold"))
        return Dictionary(
            **{name: tensors[name] for name in _WEIGHTS},
            activation=Activation(
                activation["kind"],
                activation.get("k"),
                None if threshold is None else torch.as_tensor(threshold, dtype=torch.float32),
            ),
            site_in=Site.parse(settings["site_in"]),
            site_out=Site.parse(settings["site_out"]),
            subtract_b_dec=bool(settings["subtract_b_dec"]),
            architecture=str(settings["architecture"]),
            card=Card("saewidgets", path.name, tuple((key, f"{path.name}: metadata") for key in sorted(settings))),
        )
    except SaewidgetsError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise DictionaryError(
            f"{path.name} is no saewidgets dictionary ({shorten(error)}).", "Name its format, e.g. format='saelens'."
        ) from None
