"""Where a trainer takes activations from: a `Source`, and the one that has them in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from saewidgets.errors import TrainingError

Fidelity = Callable[[Tensor], Tensor]
"""Output of the dictionary `[n, d_out]`, in the units of the model -> loss of each item `[m]`."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Activations of one update.

    Args:
        x: `[n, d_in]`, what the dictionary reads.
        y: `[n, d_out]`, what it is to write; the same tensor for an autoencoder.
        fidelity: What an error costs; the squared error to `y` if `None`.
    """

    x: Tensor
    y: Tensor
    fidelity: Fidelity | None = field(default=None, repr=False)


@dataclass(frozen=True, eq=False)
class Probe:
    """A few contexts on which features are watched while they form.

    Args:
        x: `[contexts * length, d_in]`.
        tokens: `[contexts][length]` strings.
    """

    x: Tensor
    tokens: tuple[tuple[str, ...], ...]


class Source(Protocol):
    """Gives activations in an order that depends on nothing but its arguments and its position."""

    @property
    def widths(self) -> tuple[int, ...]:
        """Sizes of the sites it reads, side by side in `x`: one, but for a crosscoder."""

    @property
    def d_out(self) -> int:
        """Size of what is written."""

    @property
    def transcodes(self) -> bool:
        """Whether `y` is another place than `x`."""

    def sample(self, n: int) -> Sample:
        """About `n` tokens to measure scale and centre on; the position does not move."""

    def next(self, n: int) -> Sample | None:
        """The next `n` tokens, `None` at the end of the data."""

    def position(self) -> dict[str, Any]:
        """Where it stands, as JSON."""

    def seek(self, position: dict[str, Any]) -> None:
        """Go to a position of an equal source."""

    def probe(self) -> Probe | None:
        """Contexts to watch features on, if it knows the tokens."""


class TensorSource:
    """Activations in memory, in a new order each time through.

    Args:
        x: `[n, d_in]`; several sites side by side for a crosscoder.
        y: `[n, d_out]` of a transcoder.
        widths: Sizes of the sites in `x`; one site if left out.
        seed: Of the order.

    Raises:
        TrainingError: Shapes that do not fit.
    """

    def __init__(self, x: Tensor, y: Tensor | None = None, widths: tuple[int, ...] = (), seed: int = 0) -> None:
        if x.ndim != 2 or (y is not None and (y.ndim != 2 or len(y) != len(x))) or not len(x):
            shapes = [tuple(x.shape)] + ([] if y is None else [tuple(y.shape)])
            raise TrainingError(f"Activations of shape {shapes}.", "Pass x [n, d_in] and y [n, d_out].")
        if widths and sum(widths) != x.shape[1]:
            raise TrainingError(f"Widths {widths} of {x.shape[1]} dimensions.", "They add up to d_in.")
        self._x, self._y, self._seed = x, x if y is None else y, seed
        self.widths = widths or (x.shape[1],)
        self.d_out = self._y.shape[1]
        self.transcodes = y is not None
        self.seek({"round": 0, "taken": 0})

    def sample(self, n: int) -> Sample:
        """`n` tokens drawn from all."""
        draw = torch.Generator().manual_seed(self._seed)
        return self._take(torch.randperm(len(self._x), generator=draw)[:n])

    def next(self, n: int) -> Sample:
        """The next `n`; what is left of a round and too few is not used."""
        if n > len(self._x):
            raise TrainingError(f"Batches of {n} of {len(self._x)} tokens.", "Lower batch_size or pass more.")
        if self._taken + n > len(self._x):
            self.seek({"round": self._round + 1, "taken": 0})
        chosen = self._order[self._taken : self._taken + n]
        self._taken += n
        return self._take(chosen)

    def position(self) -> dict[str, Any]:
        """Round and tokens taken of it."""
        return {"round": self._round, "taken": self._taken}

    def seek(self, position: dict[str, Any]) -> None:
        """Go to a position."""
        self._round, self._taken = position["round"], position["taken"]
        draw = torch.Generator().manual_seed(self._seed * 1_000_003 + self._round)
        self._order = torch.randperm(len(self._x), generator=draw)

    def probe(self) -> Probe | None:
        """None: it knows no tokens."""
        return None

    def _take(self, index: Tensor) -> Sample:
        x = self._x[index.to(self._x.device)]
        return Sample(x, x if self._y is self._x else self._y[index.to(self._y.device)])
