"""Between a pass and the prefix cache: what is kept of a run, and how a later run takes it over."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from saewidgets.errors import ModelError
from saewidgets.model.families import Family
from saewidgets.model.plan import Plan
from saewidgets.model.prefix import Entry, Prefix
from saewidgets.model.trace import Trace

Layers = tuple[tuple[Tensor, Tensor], ...]

# Rotary angles that depend on the length of the whole prompt: keys of a shorter one are not those of a longer one.
_LENGTH_DEPENDENT_ROPE = ("dynamic", "longrope")


def can_reuse(family: Family, config: Any) -> bool:
    """Whether keys and values of a shorter prompt are valid in a longer one.

    Args:
        family: Says whether keys and values are all the model remembers.
        config: The text config of the model.

    Returns:
        Whether prefixes may be shared.
    """
    if not family.cacheable or config is None:
        return False
    rope = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    kinds = [rope, *(part for part in rope.values() if isinstance(part, dict))]
    return not any(part.get("rope_type") in _LENGTH_DEPENDENT_ROPE for part in kinds)


def new_cache(prefix: Prefix | None, depth: int) -> Any:
    """A key-value cache for one pass, filled with the prefix.

    Every layer keeps all its keys, also in models with a sliding window: the mask still hides what is out of the
    window, and the first tokens can be reused.

    Args:
        prefix: What is taken over. Its tensors are read, never written: the cache appends by concatenation.
        depth: Blocks whose attention will run.

    Returns:
        A transformers `DynamicCache`.
    """
    from transformers import DynamicCache

    cache = DynamicCache()
    if prefix is not None:
        # At least one layer: by it the model knows the position of the first new token.
        cache.layers = [_filled(k, v, prefix.length) for k, v in prefix.entry.layers[: max(1, depth)]]
    return cache


def _filled(keys: Tensor, values: Tensor, length: int) -> Any:
    """One layer of a cache. `DynamicCache(layers)` would copy what it is given, which a key press waits for."""
    from transformers.cache_utils import DynamicLayer

    layer = DynamicLayer()
    layer.keys, layer.values = keys[:, :, :length], values[:, :, :length]
    layer.dtype, layer.device, layer.is_initialized = keys.dtype, keys.device, True
    return layer


def layers_of(cache: Any, tokens: int) -> Layers:
    """Keys and values of every block that ran, which are those that hold all `tokens`."""
    layers = [] if cache is None else [layer for layer in cache.layers if layer.is_initialized]
    return tuple((layer.keys, layer.values) for layer in layers if layer.keys.shape[2] == tokens)


def logits_of(output: Any) -> Tensor:
    """The logits in what a model returns.

    Raises:
        ModelError: There are none.
    """
    logits = getattr(output, "logits", output)
    logits = logits[0] if isinstance(logits, tuple) else logits
    if not isinstance(logits, Tensor) or logits.dim() != 3:
        raise ModelError(f"The model returned {type(output).__name__} without logits.", "Wrap a causal language model.")
    return logits


def fits(plan: Plan, entry: Entry) -> bool:
    """Whether an entry holds everything that a plan asks for."""
    # At least one block: a model counts the tokens it has seen by the keys of its first.
    deep_enough = len(entry.layers) >= max(1, plan.depth)
    return deep_enough and plan.read <= set(entry.values) and (entry.logits is not None or not plan.logits)


def entry_of(ids: tuple[int, ...], found: Trace, trace: Trace, layers: Layers, prefix: Prefix | None) -> Entry:
    """What the cache keeps of a run: nothing that the caller was given, because that may be changed.

    Args:
        ids: The prompt.
        found: What the pass computed.
        trace: The whole prompt, as the caller gets it.
        layers: Keys and values.
        prefix: What was taken over. Its logits are shared, for a vocabulary is wide.
    """
    own = found if prefix is None else _copied(replace(trace, logits=None))
    changed = {site: value for site, value in own.before.items() if value is not own.values[site]}
    logits = None if found.logits is None else (*_known_logits(prefix), found.logits)
    return Entry(ids, layers, own.values, changed, logits)


def _copied(trace: Trace) -> Trace:
    """Tensors of its own, and plain ones: what was computed in inference mode could not be differentiated through."""
    values = {site: value.clone() for site, value in trace.values.items()}
    before = {
        site: values[site] if value is trace.values[site] else value.clone() for site, value in trace.before.items()
    }
    return replace(trace, values=values, before=before, logits=None if trace.logits is None else trace.logits.clone())


def _known_logits(prefix: Prefix | None) -> tuple[Tensor, ...]:
    """The parts of an entry's logits that make up its first tokens; no part keeps more than twice its size alive."""
    parts: list[Tensor] = []
    left = 0 if prefix is None else prefix.length
    for part in () if prefix is None else prefix.entry.logits or ():
        rows = part.shape[1]
        if left:
            parts.append(part if left >= rows else part[:, :left] if 2 * left > rows else part[:, :left].clone())
        left -= min(left, rows)
    return tuple(parts)


def recall(plan: Plan, prefix: Prefix, ids: Tensor) -> Trace:
    """A run that was done before, without running anything."""
    empty = {site: prefix.entry.values[site][:, :0] for site in plan.read}
    logits = prefix.entry.logits[0][:, :0] if plan.logits and prefix.entry.logits is not None else None
    return join(prefix, Trace(empty, empty, logits, ids))


def join(prefix: Prefix | None, trace: Trace) -> Trace:
    """Put the prefix in front of what the pass computed, in tensors that nobody else has."""
    if prefix is None:
        return _copied(trace)
    entry, n = prefix.entry, prefix.length
    values = {site: torch.cat([entry.values[site][:, :n], new], 1) for site, new in trace.values.items()}
    before = dict(values)
    for site, new in trace.before.items():
        if new is not trace.values[site] or site in entry.before:
            old = entry.before.get(site, entry.values[site])
            before[site] = torch.cat([old[:, :n], new], 1)
    logits = trace.logits
    if logits is not None and entry.logits is not None:
        logits = torch.cat([*_known_logits(prefix), logits], 1)
    return replace(trace, values=values, before=before, logits=logits, reused=n)
