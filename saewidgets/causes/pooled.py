"""Texts as rows of features: what a dictionary does on each text, pooled over its tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from saewidgets.causes.controls import first_token
from saewidgets.dictionaries import Dictionary
from saewidgets.errors import EditError, shorten
from saewidgets.explain.contexts import batches

if TYPE_CHECKING:
    from saewidgets.scope import Scope

Array = np.ndarray[Any, Any]
POOLS = ("max", "mean", "last")


@dataclass(frozen=True, eq=False)
class Pooled:
    """n texts.

    Args:
        features: For each dictionary `[n, d_dict]` activations.
        place: For each dictionary `[n, d_dict]` position of the strongest, from 0 at the first token that is text; -1
            where it is not active.
        channels: `[n, d]` means of the activations themselves.
        ids: Token ids of each text, without a begin-of-sequence token.
    """

    features: tuple[Array, ...]
    place: tuple[Array, ...]
    channels: Array
    ids: tuple[tuple[int, ...], ...]


@torch.no_grad()
def pool_texts(
    scope: Scope, dictionaries: Sequence[Dictionary], rows: Sequence[Sequence[int]], pool: str = "max",
    check: Callable[[], None] = lambda: None,
) -> Pooled:  # fmt: skip
    """Encode texts by dictionaries of one place, one forward pass for all of them.

    Args:
        scope: The model.
        dictionaries: All read the same site.
        rows: Token ids.
        pool: Over the tokens of a text: `"max"`, `"mean"`, or the `"last"` one.
        check: Called between forward passes; raises to stop.

    Raises:
        EditError: No such pool.
    """
    if pool not in POOLS:
        raise EditError(f"Pool {shorten(pool)}.", f"Use {', '.join(POOLS)}.")
    site, device = dictionaries[0].site_in, dictionaries[0].device
    features = [np.zeros((len(rows), d.d_dict), np.float32) for d in dictionaries]
    place = [np.full((len(rows), d.d_dict), -1, np.int64) for d in dictionaries]
    channels = np.zeros((len(rows), dictionaries[0].d_in), np.float32)
    for part, ids, _ in batches(rows):
        check()
        values = scope.model.trace(ids, [site], logits=False).values[site]
        for i, x in zip(part, values, strict=True):
            whole = x[: len(rows[i])].to(device)
            first = first_token(scope, rows[i])
            kept = slice(len(whole) - 1, None) if pool == "last" else slice(first, None)
            channels[i] = whole[kept].float().mean(0).cpu().numpy()
            for k, dictionary in enumerate(dictionaries):
                found = dictionary.encode(whole)[kept].float()
                best = found.max(0)
                pooled = found.mean(0) if pool == "mean" else best.values
                features[k][i] = pooled.cpu().numpy()
                active = (found != 0).any(0)
                spot = best.indices + (0 if pool != "last" else len(whole) - 1 - first)
                place[k][i] = torch.where(active, spot, -1).cpu().numpy()
    texts = tuple(tuple(row[first_token(scope, row) :]) for row in rows)
    return Pooled(tuple(features), tuple(place), channels, texts)
