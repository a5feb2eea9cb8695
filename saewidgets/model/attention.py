"""Attention patterns: read and written inside the attention function of every Hugging Face family.

Transformers looks up the function that mixes the values by a name in the config. While a pass wants patterns, the name
is ours: the same arithmetic as the "eager" one of each family, with a visit between softmax and values. Everything else
runs as before, and the name is put back whatever happens. A fused kernel rounds otherwise than this one, in the last
bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor

from saewidgets.errors import EditError
from saewidgets.model.families import Family
from saewidgets.model.points import Point
from saewidgets.sites import Site

NAME = "saewidgets_watched"
Visit = Callable[[Tensor], Tensor]

# Attention module -> what to do with its pattern; filled during a pass, under the lock of the model.
_visits: dict[Any, Visit] = {}


def find_patterns(family: Family, module: Any, layers: int) -> dict[Site, Point]:
    """Where the patterns of a model are.

    Args:
        family: Where its streams are; the attention module is the parent of the projection that reads `attn_z`.
        module: The model.
        layers: Number of blocks.

    Returns:
        Site -> point whose path is the attention module; empty for a model that cannot be asked.
    """
    place = family.places.get("attn_z")
    if place is None or not _configs(module):
        return {}
    # "h.{layer}.attn.c_proj.input": two steps up.
    paths = [place.format(layer=layer).rsplit(".", 2)[0] for layer in range(layers)]
    sites = [Site("attn_pattern", layer) for layer in range(layers)]
    return {site: Point(site, path, False) for site, path in zip(sites, paths, strict=True)}


@contextmanager
def watched(module: Any, visits: Mapping[Any, Visit]) -> Iterator[None]:
    """Hand the pattern of some attention modules to a function during a pass. The caller holds the model's lock.

    Args:
        module: The model.
        visits: Attention module -> `[batch, heads, queries, keys]` to the same, used in its place.

    Raises:
        EditError: Some module did not use the function: its patterns cannot be reached.
    """
    if not visits:
        yield
        return
    _register()
    configs = _configs(module)
    names = [config._attn_implementation_internal for config in configs]
    _visits.update(visits)
    try:
        for config in configs:
            config._attn_implementation_internal = NAME
        yield
    finally:
        for config, name in zip(configs, names, strict=True):
            config._attn_implementation_internal = name
        for attention in visits:
            _visits.pop(attention, None)


def _configs(module: Any) -> list[Any]:
    """Every config object that a part of the model looks its attention up in."""
    found = {id(c): c for m in module.modules() if hasattr(c := getattr(m, "config", None), "_attn_implementation")}
    return list(found.values())


@cache
def _register() -> None:
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, eager_mask)


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    softcap: float | None = None,
    **options: Any,
) -> tuple[Tensor, Tensor]:
    """Scaled dot-product attention that shows its pattern.

    Args:
        module: The attention module.
        query: `[batch, heads, queries, d_head]`.
        key: `[batch, key heads, keys, d_head]`; each is shared by equally many heads.
        value: The same.
        attention_mask: Added to the scores, or `None`.
        scaling: Of the scores; `d_head ** -0.5` by default.
        softcap: Scores become `softcap * tanh(scores / softcap)` (Gemma 2).
        **options: Of other attention functions. Dropout is one of them: models here are in evaluation mode.

    Returns:
        `[batch, queries, heads, d_head]`, and the pattern.

    Raises:
        EditError: The model gives some token further weight than to the keys, which this function does not know.
    """
    if options.get("s_aux") is not None:
        raise EditError("This model attends to sinks besides its tokens.", "Its patterns cannot be read or edited.")
    shared = query.shape[1] // key.shape[1]
    key, value = (part.repeat_interleave(shared, 1) if shared > 1 else part for part in (key, value))
    scores = query @ key.transpose(-1, -2) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    if attention_mask is not None:
        scores = scores + attention_mask
    pattern = scores.softmax(-1, dtype=torch.float32).to(query.dtype)
    if module in _visits:
        pattern = _visits[module](pattern).to(value.device, value.dtype)
    return (pattern @ value).transpose(1, 2).contiguous(), pattern
