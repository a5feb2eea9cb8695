"""Layer groups (Ghilardi et al. 2410.21508): one dictionary for neighbouring layers whose activations are alike.

Sites are clustered by the mean angle between their activations on the same tokens, and one dictionary is trained on the
pooled activations of each group: G instead of L dictionaries.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from saewidgets.corpus import Corpus
from saewidgets.dictionaries import Dictionary, FeedForward
from saewidgets.dictionaries.train import Trainer, TrainingPlan
from saewidgets.errors import TrainingError
from saewidgets.model import TracedModel
from saewidgets.sites import Site
from saewidgets.training.reader import Reader
from saewidgets.training.stream import ModelSource


def angular_distances(activations: Sequence[Tensor]) -> Tensor:
    """`[L, L]`: mean over tokens of the angle between the activations of two sites, from 0 to 1 (opposite).

    Args:
        activations: `[tokens, d]` of each site, of the same tokens.

    Example:
        >>> x = torch.eye(3)
        >>> angular_distances([x, 2 * x, -x])
        tensor([[0., 0., 1.],
                [0., 0., 1.],
                [1., 1., 0.]])
    """
    unit = [normalize(x.double(), dim=1) for x in activations]
    rows = [torch.stack([(a * b).sum(1).clamp(-1, 1).arccos().mean() / torch.pi for b in unit]) for a in unit]
    distances = torch.stack(rows)
    return distances.fill_diagonal_(0).float()


def cluster(distances: Tensor, groups: int) -> tuple[tuple[int, ...], ...]:
    """Agglomerative clustering with complete linkage: the two groups whose farthest members are nearest are joined.

    Args:
        distances: `[L, L]`, symmetric.
        groups: How many to leave.

    Returns:
        Indices of each group, in order of their first.

    Raises:
        TrainingError: Not between 1 and L groups.

    Example:
        >>> cluster(torch.tensor([[0.0, 0.1, 0.9], [0.1, 0.0, 0.8], [0.9, 0.8, 0.0]]), 2)
        ((0, 1), (2,))
    """
    found: list[tuple[int, ...]] = [(i,) for i in range(len(distances))]
    if not 1 <= groups <= len(found):
        raise TrainingError(f"{groups} groups of {len(found)} sites.", "Take at least one, at most one a site.")
    while len(found) > groups:
        pairs = [(i, j) for j in range(len(found)) for i in range(j)]
        i, j = min(pairs, key=lambda pair: float(distances[list(found[pair[0]])][:, list(found[pair[1]])].max()))
        found[i] = tuple(sorted(found[i] + found.pop(j)))
    return tuple(sorted(found))


def train_layer_groups(
    model: Any, sites: Sequence[str | Site], corpus: Any, groups: int, architecture: str = "topk", **options: Any
) -> dict[Site, Dictionary]:
    """Cluster sites and train one dictionary for each group.

    Args:
        model: As of `train_dictionary`.
        sites: Sites of one width.
        corpus: The text; it is read for each group.
        groups: Number of dictionaries.
        architecture: Of all of them.
        options: As of `TrainingPlan`.

    Returns:
        A dictionary for every site; those of one group hold the same weights.

    Raises:
        TrainingError: Sites of several widths, or more groups than sites.
    """
    traced = TracedModel.wrap(model)
    places = tuple(traced.site(site) for site in sites)
    plan = TrainingPlan(**{"architecture": architecture, **options})
    text = Corpus.of(corpus, traced.tokenizer, min(plan.context, traced.context_length))
    whole = ModelSource(traced, Reader(text), places, buffer=8192)
    if len(set(whole.widths)) > 1:
        raise TrainingError(f"Sites of widths {whole.widths}.", "Group sites of one width.")
    distances = angular_distances(whole.sample(8192).x.split(list(whole.widths), dim=1))
    found: dict[Site, Dictionary] = {}
    for group in cluster(distances, groups):
        members = tuple(places[i] for i in group)
        source = ModelSource(traced, Reader(text), members, buffer=plan.buffer, pooled=True, seed=plan.seed)
        trained = Trainer(plan, source, members[0]).run()
        assert isinstance(trained, FeedForward)
        found |= {site: dataclasses.replace(trained, site_in=site, site_out=site) for site in members}
    return {site: found[site] for site in places}
