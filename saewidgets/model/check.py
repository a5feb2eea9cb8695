"""The self-check: what a block's parts add up to must be what the block returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from saewidgets.errors import ModelError
from saewidgets.sites import Site

# Greatest error, as a share of the largest value of the stream. Half types round every sum.
TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-4}
HALF_TOLERANCE = 3e-2


@dataclass(frozen=True)
class SelfCheck:
    """What the self-check found.

    Args:
        blocks: How many blocks were added up.
        worst: Largest error of any sum, as a share of the largest value of its stream.
        streams: The streams that took part; the others were read but prove nothing by themselves.
    """

    blocks: int
    worst: float
    streams: tuple[str, ...]


def check_sums(values: Mapping[Site, Tensor], layers: int) -> SelfCheck:
    """Add up every block.

    Args:
        values: Site -> `[1, tokens, d]` of one unedited run, for every stream that the model maps.
        layers: Number of blocks.

    Returns:
        The largest error seen.

    Raises:
        ModelError: Some sum does not hold; the message says which, where, and by how much.
    """
    worst, used, blocks = 0.0, set[str](), 0
    for layer in range(layers):
        block = {site.stream: value for site, value in values.items() if site.layer == layer}
        for total, parts in _sums(block):
            worst = max(worst, _compare(block[total], [block[p] for p in parts], f"{total}.{layer}", parts))
            used |= {total, *parts}
            blocks += total == "resid_post"
        after, following = values.get(Site("resid_post", layer)), values.get(Site("resid_pre", layer + 1))
        if after is not None and following is not None:
            _compare(following, [after], f"resid_pre.{layer + 1}", (f"resid_post.{layer}",))
    return SelfCheck(blocks, worst, tuple(sorted(used)))


def _sums(block: Mapping[str, Tensor]) -> list[tuple[str, tuple[str, ...]]]:
    """The sums whose every term this model maps."""
    sums = [
        ("resid_mid", ("resid_pre", "attn_out")),
        ("resid_post", ("resid_mid", "mlp_out")),
        ("resid_post", ("resid_pre", "attn_out", "mlp_out")),
    ]
    return [(total, parts) for total, parts in sums if {total, *parts} <= set(block)][:2]


def _compare(total: Tensor, parts: list[Tensor], name: str, terms: tuple[str, ...]) -> float:
    shapes = {tuple(part.shape) for part in [total, *parts]}
    if len(shapes) > 1:
        raise ModelError(f"Self-check: {' + '.join(terms)} and {name} have different shapes: {sorted(shapes)}.", _TODO)
    limit = TOLERANCE.get(total.dtype, HALF_TOLERANCE)
    exact, added = total.detach().float(), torch.stack([part.detach().float() for part in parts]).sum(0)
    error = float((added - exact).abs().max() / exact.abs().max().clamp_min(1e-12))
    if not error <= limit:
        raise ModelError(
            f"Self-check: {' + '.join(terms)} is not {name}: "
            f"off by {error:.2g} of its largest value (allowed {limit:.0e}).",
            _TODO,
        )
    return error


_TODO = "The table of this family does not describe this model; pass sites= with its module paths."
