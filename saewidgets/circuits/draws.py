"""Random circuits that stand beside a circuit: as many features, active on the same prompt, of the same places."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from saewidgets.circuits.changes import Change, Places
from saewidgets.circuits.nodes import FEATURE
from saewidgets.errors import CircuitError, shorten
from saewidgets.payloads.arrays import Array
from saewidgets.sites import Site

if TYPE_CHECKING:
    from saewidgets.circuits.experiment import Experiment


def check_draws(n: int) -> int:
    """A number of random circuits.

    Raises:
        CircuitError: Fewer than two: one is no band.
    """
    if type(n) is not int or n < 2:
        raise CircuitError(
            f"controls={shorten(n)}.", "A causal number needs two random circuits at least; 20 is usual."
        )
    return n


def like(experiment: Experiment, numbers: Array, rng: np.random.Generator, *, outside: bool = True) -> Places:
    """As many random active features as some nodes have, dictionary by dictionary and token by token.

    Where a token has too few others, features of the same dictionary at other tokens fill up. Errors and tokens among
    the nodes have no like.

    Args:
        experiment: Which features are active.
        numbers: Nodes.
        rng: Of the draws.
        outside: Whether the nodes themselves cannot be drawn.
    """
    c, found = experiment.graph.columns, {}
    mine = numbers[c.kind[numbers] == FEATURE]
    for place in np.unique(c.dictionary[mine]):
        key = c.dictionaries[place]
        here = mine[c.dictionary[mine] == place]
        positions, index = experiment.active[key]
        pool = np.arange(len(index))
        if outside:
            taken = set(zip(c.position[here].tolist(), c.index[here].tolist(), strict=True))
            pairs = zip(positions.tolist(), index.tolist(), strict=True)
            pool = np.array([n for n, pair in enumerate(pairs) if pair not in taken], dtype=np.int64)
        drawn: list[int] = []
        for position, count in zip(*np.unique(c.position[here], return_counts=True), strict=True):
            near = pool[positions[pool] == position]
            drawn += rng.permutation(near)[:count].tolist()
        left = np.setdiff1d(pool, drawn)
        drawn += rng.permutation(left)[: len(here) - len(drawn)].tolist()
        device = experiment.model.device
        chosen = [torch.from_numpy(part[drawn].astype(np.int64)).to(device) for part in (positions, index)]
        found[key] = (chosen[0], chosen[1])
    return found


def directions(experiment: Experiment, change: Change, generator: torch.Generator) -> dict[Site, Tensor]:
    """Random directions of the norm that a change has at each site and token: site -> `[T, d]`."""
    total: dict[Site, Tensor] = {site: vector.clone() for site, vector in change.added.items()}
    e = experiment
    for key in change.features:
        part, before = e.parts[key], e.features[key]
        moved = change.of(key, before, before, e.ignored)
        for site in part.sites_out:
            written = e.written(part, site, moved, e.base.values[part.site_in][0])
            total[site] = total.get(site, torch.zeros_like(written)) + written
    found = {}
    for site, vector in total.items():
        drawn = torch.randn(vector.shape, generator=generator).to(vector)
        found[site] = drawn / drawn.norm(dim=-1, keepdim=True) * vector.norm(dim=-1, keepdim=True)
    return found
