"""`Noise`: the other way to corrupt a prompt, on the embeddings of a few tokens (Meng et al. 2202.05262)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from saewidgets.causes.controls import draws, first_token
from saewidgets.causes.rows import Row, add
from saewidgets.errors import EditError, shorten
from saewidgets.sites import Site

if TYPE_CHECKING:
    from saewidgets.scope import Scope

_EMBED = Site("embed")


@dataclass(frozen=True)
class Noise:
    """Normal noise on the embeddings of some tokens of the clean prompt, in place of a corrupted one.

    Args:
        positions: Which tokens.
        size: Its standard deviation over that of the prompt's embeddings.
        draws: How many corrupted runs there are; their results are averaged.
        seed: Of the noise.

    Example:
        >>> import saewidgets as sw
        >>> found = sw.causes.patch_map(
        ...     sw.demo(), "Today is Monday. Tomorrow will be", Noise((3,)), " Tuesday", kinds=["resid"], controls=1)
        >>> found.high > found.low
        True
    """

    positions: tuple[int, ...]
    size: float = 3.0
    draws: int = 3
    seed: int = 0


def noisy(scope: Scope, ids: Sequence[int], noise: Noise) -> list[Row]:
    """What makes the corrupted runs, one a draw.

    Raises:
        EditError: There is nothing to put noise on.
    """
    places = sorted({int(p) for p in noise.positions})
    if not places or places[0] < 0 or places[-1] >= len(ids):
        raise EditError(f"Noise at {shorten(noise.positions)}.", f"Name tokens of the prompt, 0 to {len(ids) - 1}.")
    if not noise.size > 0:
        raise EditError(f"Noise of size {shorten(noise.size)}.", "It must be above 0.")
    value = scope.model.trace(list(ids), [_EMBED], logits=False).values[_EMBED][0].float()
    spread = float(value[first_token(scope, ids) :].std()) * noise.size
    generator = torch.Generator().manual_seed(noise.seed)
    rows: list[Row] = []
    for _ in range(draws(noise.draws)):
        delta = torch.zeros(value.shape)
        delta[places] = torch.randn(len(places), value.shape[1], generator=generator) * spread
        rows.append({_EMBED: add(delta)})
    return rows
