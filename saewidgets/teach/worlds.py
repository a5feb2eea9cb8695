"""A world whose true dictionary is known: activations are sparse sums of directions that we chose."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from saewidgets.errors import TrainingError


@dataclass(frozen=True, eq=False)
class Drawn:
    """Tokens of a world.

    Args:
        x: `[n, d]` activations.
        strengths: `[n, features]` of the true features; 0 where one is absent.
    """

    x: Tensor
    strengths: Tensor


@dataclass(frozen=True)
class World:
    """True features in d dimensions, more of them than dimensions.

    Every feature is present by itself with probability `rate`, with a strength from 0.5 to 1.5. On top of that,

    * features 0 and 1 are a hierarchy: 1 (*dog*) is only there when 0 (*animal*) is, on `child` of its tokens;
    * features 2 and 3 are a correlated pair: 3 copies the presence of 2 with probability `together`;
    * features 4 and 5 are a circle: they span a plane, and a token has an angle in it, not a strength.

    Args:
        d: Size of an activation.
        features: Number of true features, at least 6.
        rate: How often each is present.
        child: Share of the parent's tokens that have the child too.
        together: How often the second of the pair follows the first.
        noise: Standard deviation of what no feature explains.
        seed: Of the directions.

    Raises:
        TrainingError: A number is out of range.

    Example:
        >>> world = World(d=16, features=24)
        >>> drawn = world.draw(100, seed=1)
        >>> drawn.x.shape, bool((drawn.strengths[drawn.strengths[:, 1] > 0, 0] > 0).all())
        (torch.Size([100, 16]), True)
    """

    d: int = 32
    features: int = 64
    rate: float = 0.05
    child: float = 0.4
    together: float = 0.9
    noise: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        if self.d < 2 or self.features < 6:
            raise TrainingError(f"{self.features} features in {self.d} dimensions.", "At least 6 in 2.")
        for name in ("rate", "child", "together"):
            if not 0 < getattr(self, name) <= 1:
                raise TrainingError(f"{name} = {getattr(self, name)}.", "It is a probability above 0.")

    @property
    def directions(self) -> Tensor:
        """`[features, d]` unit directions, drawn from the seed; the two of the circle are orthogonal."""
        # Not `seed` itself: a trainer of the same seed and width would begin with these very directions.
        draw = torch.Generator().manual_seed((self.seed + 1) * 7_919_000_003)
        rows = normalize(torch.randn(self.features, self.d, generator=draw), dim=1)
        rows[5] = normalize(rows[5] - (rows[5] @ rows[4]) * rows[4], dim=0)
        return rows

    def draw(self, n: int, seed: int) -> Drawn:
        """`n` tokens.

        Args:
            n: How many.
            seed: Of the tokens; not of the directions.
        """
        draw = torch.Generator().manual_seed(seed)
        present = torch.rand(n, self.features, generator=draw) < self.rate
        present[:, 1] = present[:, 0] & (torch.rand(n, generator=draw) < self.child)
        follows = torch.rand(n, generator=draw) < self.together
        present[:, 3] = torch.where(follows, present[:, 2], present[:, 3])
        strengths = torch.where(present, 0.5 + torch.rand(n, self.features, generator=draw), 0.0)
        angle = 2 * torch.pi * torch.rand(n, generator=draw)
        circle = torch.stack([angle.cos(), angle.sin()], 1)
        strengths[:, 4:6] = torch.where(present[:, 4:5], circle, 0.0)
        noise = self.noise * torch.randn(n, self.d, generator=draw)
        return Drawn(strengths @ self.directions + noise, strengths)
