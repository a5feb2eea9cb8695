"""The dictionaries of a graph, one layer each, as an intervention needs them: encode, read, write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from saewidgets.circuits.transcoders import LayerTranscoder, layer_transcoders
from saewidgets.dictionaries import Dictionary
from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.errors import CircuitError
from saewidgets.sites import Site

if TYPE_CHECKING:
    from saewidgets.circuits.graph import AttributionGraph


@dataclass(frozen=True, eq=False)
class Part:
    """A transcoder of one layer, or an autoencoder.

    Args:
        key: Dictionary part of its features' ids.
        site_in: Where it reads.
        sites_out: Where its features write.
        source: The dictionary.
    """

    key: str
    site_in: Site
    sites_out: tuple[Site, ...]
    source: LayerTranscoder | Dictionary

    def encode(self, x: Tensor) -> Tensor:
        """Activations `[batch, tokens, d_dict]` of `[batch, tokens, d]`; the rows of a batch do not see each other."""
        x = x.float()
        if isinstance(self.source, Dictionary):
            return torch.stack([self.source.encode(row) for row in x])
        dictionary = self.source.source
        if isinstance(dictionary, FeedForward):
            return torch.stack([dictionary.encode(row) for row in x])
        return dictionary.encode_layer(self.source.place, x)

    def values(self, x: Tensor, positions: Tensor, index: Tensor) -> Tensor:
        """`[batch, n]` of some features: pre-activations of a transcoder, activations of an autoencoder."""
        if isinstance(self.source, Dictionary):
            return self.encode(x)[:, positions, index]
        vectors, bias = self.source.readers(index)
        return (x.float()[:, positions] * vectors).sum(-1) + bias

    def rows(self, index: Tensor) -> dict[Site, Tensor]:
        """Site -> `[n, d]`: what one unit of some features writes there."""
        if isinstance(self.source, Dictionary):
            return {self.site_in: self.source.rows(index)}
        return {Site("mlp_out", layer): rows for layer, rows in self.source.rows(index).items()}

    def scale(self, x: Tensor) -> Tensor | None:
        """`[..., 1]` that what is written is multiplied by, or `None`."""
        return self.source.scale(x.float()) if isinstance(self.source, Dictionary) else None

    def offset(self, x: Tensor) -> Tensor:
        """What is written at its own layer whatever the features: bias, and the skip of `[..., d]`."""
        if isinstance(self.source, Dictionary):
            return self.source.offset(x.float())
        bias = self.source.bias
        return bias if self.skip is None else bias + x.float() @ self.skip

    @property
    def skip(self) -> Tensor | None:
        """`[d, d]` of a skip transcoder."""
        return None if isinstance(self.source, Dictionary) else self.source.skip


def parts_of(graph: AttributionGraph, dictionaries: Mapping[str, Dictionary]) -> dict[str, Part]:
    """Key -> the dictionary behind the nodes of a graph, in execution order.

    Raises:
        CircuitError: One is not there.
    """
    from saewidgets.circuits.features import METHODS

    found: dict[str, Part] = {}
    if graph.method in METHODS:
        for key, dictionary in dictionaries.items():
            found[key] = Part(key, dictionary.site_in, (dictionary.site_in,), dictionary)
    else:
        for one in layer_transcoders(dictionaries).values():
            layers = one.rows(torch.zeros(0, dtype=torch.int64))
            found[one.key] = Part(one.key, one.site_in, tuple(Site("mlp_out", layer) for layer in layers), one)
    missing = [key for key in graph.columns.dictionaries if key not in found]
    if missing:
        raise CircuitError(
            f"The graph has features of {missing[0]}, the scope has no such dictionary.",
            "Pass dictionaries= with those that the graph was computed with.",
        )
    chosen = [found[key] for key in graph.columns.dictionaries]
    return {part.key: part for part in sorted(chosen, key=lambda part: part.site_in.order)}
