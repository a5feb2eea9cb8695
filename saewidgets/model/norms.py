"""What the normalisations of a model divide by, read in one pass and held in another.

A normalisation is linear once its scale is fixed: `(x - mean) * scale * gain + bias`, or without the mean for RMSNorm.
Holding the scales of a run without edits is what makes a direct effect linear in the edit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


def find_norms(module: Any, attention: set[str]) -> dict[str, Any]:
    """Path -> normalisation, without those inside attention: they shape the pattern alone.

    Args:
        module: The model.
        attention: Paths of its attention modules.
    """
    inside = tuple(f"{path}." for path in attention)
    return {p: m for p, m in module.named_modules() if _is_norm(m) and not p.startswith(inside)}


def _is_norm(module: Any) -> bool:
    return isinstance(module, nn.LayerNorm) or type(module).__name__.endswith("RMSNorm")


@contextmanager
def scales_of(norms: Mapping[str, Any], held: Mapping[str, Tensor] | None, into: dict[str, Tensor]) -> Iterator[None]:
    """During a pass, keep what every normalisation divides by, or hold it.

    Args:
        norms: Path -> normalisation.
        held: Path -> `[batch or 1, tokens, 1]` scale to use instead of the module's own; `None` to let it be.
        into: Receives path -> the scale that the module itself found, when nothing is held.
    """

    def hook(path: str, norm: Any) -> Any:
        def rescale(_module: Any, args: tuple[Any, ...], output: Tensor) -> Tensor | None:
            own = _scale(norm, args[0])
            if held is None:
                into[path] = own
                return None
            bias = getattr(norm, "bias", None)
            shift = 0 if bias is None else bias
            return ((output - shift) * (held[path] / own) + shift).to(output.dtype)

        return norm.register_forward_hook(rescale)

    handles = [hook(path, norm) for path, norm in norms.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _scale(norm: Any, x: Tensor) -> Tensor:
    """`[..., 1]`: one over the size that the module divides `x` by."""
    x = x.float()
    size = x.var(-1, unbiased=False, keepdim=True) if isinstance(norm, nn.LayerNorm) else x.square().mean(-1, True)
    eps = getattr(norm, "variance_epsilon", None)
    return torch.rsqrt(size + (norm.eps if eps is None else eps))
