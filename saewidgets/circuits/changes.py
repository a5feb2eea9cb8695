"""What is done to the nodes of a graph in one run: set some, or ablate all but some. Values, made into writes later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from saewidgets.sites import Site

Places = Mapping[str, tuple[Tensor, Tensor]]
"""Key of a dictionary -> positions `[n]` and features `[n]`."""


@dataclass(frozen=True, eq=False)
class Change:
    """One intervention. T tokens.

    Args:
        features: Nodes that are set.
        factor: Features are set to this times what they are on the prompt.
        means: Key -> `[d_dict]` that features are set to instead.
        outside: Every feature but `features` is set, where a feature can be a node.
        added: Site -> `[T, d]` that is added besides.
    """

    features: Places = field(default_factory=dict)
    factor: float = 0.0
    means: Mapping[str, Tensor] | None = None
    outside: bool = False
    added: Mapping[Site, Tensor] = field(default_factory=dict)

    def touches(self, key: str) -> bool:
        """Whether features of this dictionary change."""
        return self.outside or key in self.features

    def of(self, key: str, now: Tensor, before: Tensor, ignored: Tensor) -> Tensor:
        """`[T, d_dict]` by how much activations change.

        Args:
            key: Of the dictionary.
            now: `[T, d_dict]` activations in the run at hand.
            before: `[T, d_dict]` on the prompt.
            ignored: `[T]` bool: tokens without nodes.
        """
        wanted = self.factor * before if self.means is None else self.means[key].expand_as(now)
        nothing = torch.zeros_like(now)
        places = self.features.get(key)
        if self.outside:
            change = torch.where(ignored[:, None], nothing, wanted - now)
            if places is not None:
                change[places] = 0
            return change
        if places is not None:
            nothing[places] = (wanted - now)[places]
        return nothing
