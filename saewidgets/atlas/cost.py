"""`Cost`: what a sweep will take, told before it starts, from sizes and the speed of this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from saewidgets.atlas.manifest import Manifest
from saewidgets.dictionaries import Dictionary

# Features active at a token, where the dictionary does not say.
_L0 = 64
# Octaves of activation that a feature takes up, about.
_OCTAVES = 3
# Bytes on disk, compressed: of an example, of an activation around one, of a token a feature fires on, of an activation
# at a token of the sample, of a token of text, of a feature.
_EXAMPLE, _AROUND, _PAIR, _SHARED, _TOKEN, _FEATURE = 7.0, 3.5, 1.5, 5.0, 4.0, 60.0
# Times the pre-activations are gone through to choose those that are kept; times an activation is held while a shard is
# sorted, 20 bytes each.
_PASSES, _COPIES = 8, 8
# Seconds that the statistics of an activation take on a processor, the merge and writing included.
_STATISTICS = 2e-6


@dataclass(frozen=True, slots=True)
class Speed:
    """What a device does.

    Args:
        flops: Floating-point operations a second, of a matrix product.
        bandwidth: Bytes a second, read and written.
    """

    flops: float
    bandwidth: float


@dataclass(frozen=True, slots=True)
class Cost:
    """What a sweep takes, about: within a factor of two or three.

    Args:
        n_tokens: Tokens, `None` where the length of the corpus is not known.
        forward: Seconds a token of the model up to the last site.
        encode: Seconds a token of the encoders.
        statistics: Seconds a token of counting, sorting and writing.
        memory: Bytes added at the peak.
        disk: Bytes left on disk; those of the first 65,536 tokens where the length is not known.
    """

    n_tokens: int | None
    forward: float
    encode: float
    statistics: float
    memory: float
    disk: float

    @property
    def rate(self) -> float:
        """Tokens a second."""
        return 1 / (self.forward + self.encode + self.statistics)

    def __str__(self) -> str:
        parts = [f"{name} {share * self.rate:.0%}" for name, share in self._shares()]
        length = "" if self.n_tokens is None else f"{self.n_tokens:,} tokens in {_time(self.n_tokens / self.rate)}, "
        disk = f"{_size(self.disk)} on disk" + (" for the first 65,536 tokens" if self.n_tokens is None else "")
        pace = f"{self.rate:,.0f} tokens a second ({', '.join(parts)})"
        return f"About {length}{pace}, {_size(self.memory)} of memory, {disk}."

    def _shares(self) -> list[tuple[str, float]]:
        return [("forward", self.forward), ("encoders", self.encode), ("statistics", self.statistics)]


def estimate(model: Any, dictionaries: Sequence[Dictionary], manifest: Manifest, contexts: int | None) -> Cost:
    """What a sweep of these dictionaries takes on this machine; measures its speed for 50 ms.

    Args:
        model: A `TracedModel`.
        dictionaries: Those to be swept.
        manifest: Of the atlas.
        contexts: Contexts to be done, `None` where that is not known.
    """
    speed, there = measured(model.device), [measured(dictionary.device) for dictionary in dictionaries]
    counted = manifest.length - manifest.skip_first
    encode = sum(
        2 * d.d_in * d.d_dict / s.flops + 4 * _PASSES * d.d_dict / s.bandwidth
        for d, s in zip(dictionaries, there, strict=True)
    )
    known = 65_536 // manifest.length if contexts is None else contexts
    return Cost(
        None if contexts is None else contexts * counted,
        # Positions that do not count cost a forward too.
        forward_flops(model, dictionaries, manifest.length) / speed.flops * manifest.length / counted,
        encode,
        sum(_l0(d) for d in dictionaries) * _STATISTICS,
        memory_bytes(dictionaries, manifest),
        sum(disk_bytes(d, manifest, known) for d in dictionaries) + _TOKEN * known * manifest.length,
    )


def forward_flops(model: Any, dictionaries: Sequence[Dictionary], length: int) -> float:
    """Operations a token up to the last site: two a weight of the blocks, and attention over `length` tokens.

    A mixture of experts runs fewer.
    """
    tables = {id(e.weight) for e in (model.module.get_input_embeddings(), model.module.get_output_embeddings()) if e}
    weights = sum(p.numel() for p in model.module.parameters() if p.ndim > 1 and id(p) not in tables)
    last = max((d.site_in.layer for d in dictionaries if d.site_in.layer is not None), default=model.n_layers - 1)
    blocks = min(last + 1, model.n_layers)
    return 2 * weights * blocks / model.n_layers + 4 * length * model.d_model * blocks


def disk_bytes(dictionary: Dictionary, manifest: Manifest, contexts: int) -> float:
    """Bytes of one dictionary: each shard keeps what it found, and what they merge to is written beside them."""
    total, shard, first = 0.0, 0, 0
    while first < contexts:
        size = min(manifest.contexts(shard), contexts - first)
        total += _shard_bytes(dictionary, manifest, size * manifest.length)
        first, shard = first + size, shard + 1
    return total + _shard_bytes(dictionary, manifest, contexts * manifest.length)


def memory_bytes(dictionaries: Sequence[Dictionary], manifest: Manifest) -> float:
    """Bytes at the peak: the activations of the largest shard while they are sorted, and a pass of the encoder."""
    tokens = manifest.contexts(8) * manifest.length
    encoder = max(4 * 3 * min(manifest.per_pass * manifest.length * d.d_dict, 1 << 24) for d in dictionaries)
    return encoder + max(20 * _COPIES * tokens * _l0(d) for d in dictionaries)


def _shard_bytes(dictionary: Dictionary, manifest: Manifest, tokens: int) -> float:
    limits, activations = manifest.limits, tokens * _l0(dictionary)
    alive = min(dictionary.d_dict, activations)
    # An activation that is an example twice is compressed.
    examples = min(activations, alive * (limits.top + limits.random + limits.interval * _OCTAVES))
    around = examples * (1 + manifest.length * _l0(dictionary) / dictionary.d_dict)
    sample = min(tokens, limits.shared) * _l0(dictionary)
    pairs = min(activations, alive * tokens)
    return _EXAMPLE * examples + _AROUND * around + _PAIR * pairs + _SHARED * sample + _FEATURE * alive


def _l0(dictionary: Dictionary) -> int:
    k = getattr(getattr(dictionary, "activation", None), "k", None)
    return min(k or _L0, dictionary.d_dict)


def measured(device: torch.device, seconds: float = 0.025) -> Speed:
    """The speed of a device: matrix products for some time, and copies for as long."""
    a = torch.ones(512, 512, device=device)
    large = torch.ones(1 << 22, device=device)
    products, copies = _repeats(lambda: a @ a, device, seconds), _repeats(large.clone, device, seconds)
    return Speed(2 * 512**3 * products, 8 * large.numel() * copies)


def _repeats(what: Any, device: torch.device, seconds: float) -> float:
    """Times a second, after one to warm up."""
    _wait(what(), device)
    count, began = 0, time.perf_counter()
    while (spent := time.perf_counter() - began) < seconds or not count:
        _wait(what(), device)
        count += 1
    return count / max(spent, 1e-9)


def _wait(_result: Any, device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _size(n: float) -> str:
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if n < 1000 or unit == "TB":
            break
        n /= 1000
    return f"{n:.3g} {unit}"


def _time(seconds: float) -> str:
    for unit, length in (("s", 60.0), ("min", 60.0), ("h", 24.0)):
        if seconds < length:
            return f"{seconds:.2g} {unit}"
        seconds /= length
    return f"{seconds:.2g} days"
