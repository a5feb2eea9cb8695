"""From logits to the next token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from saewidgets.errors import PromptError, shorten


@dataclass(frozen=True)
class Sampling:
    """How the next token is drawn.

    The logits are divided by the temperature; then only the `top_k` most probable tokens stay, of those the fewest
    that hold `top_p` of the probability, of those the ones at least `min_p` times as probable as the first.

    Args:
        temperature: 1 is the model's own distribution, 0 always takes the most probable token.
        top_k: `None` for all.
        top_p: Nucleus (Holtzman et al. 2020); 1 for all.
        min_p: 0 for all.

    Raises:
        PromptError: A value is out of range.

    Example:
        >>> Sampling(temperature=0.0).greedy
        True
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    min_p: float = 0.0

    def __post_init__(self) -> None:
        _check("temperature", self.temperature, 0, 100)
        _check("top_p", self.top_p, 1e-9, 1)
        _check("min_p", self.min_p, 0, 1)
        if self.top_k is not None and (
            isinstance(self.top_k, bool) or not isinstance(self.top_k, int) or self.top_k < 1
        ):
            raise PromptError(f"top_k is {shorten(self.top_k)}.", "Give a whole number from 1, or None for all.")

    @property
    def greedy(self) -> bool:
        """Whether nothing is drawn."""
        return self.temperature == 0

    def log_probabilities(self, logits: Tensor) -> Tensor:
        """`[batch, vocab]` float32 log probabilities of what is drawn, -inf where nothing is; not for greedy ones."""
        log_p = (logits.float() / self.temperature).log_softmax(-1)
        if self.top_k is not None and self.top_k < log_p.shape[-1]:
            log_p = log_p.masked_fill(log_p < log_p.topk(self.top_k).values[..., -1:], -torch.inf).log_softmax(-1)
        if self.top_p < 1:
            ordered, order = log_p.sort(-1, descending=True)
            before = ordered.exp().cumsum(-1) - ordered.exp()
            log_p = torch.full_like(log_p, -torch.inf).scatter(
                -1, order, ordered.masked_fill(before >= self.top_p, -torch.inf)
            )
        if self.min_p > 0:
            least = log_p.amax(-1, keepdim=True) + torch.tensor(self.min_p).log()
            log_p = log_p.masked_fill(log_p < least, -torch.inf)
        return log_p.log_softmax(-1)


class Draws:
    """Draws the next token of every row, each row with a seed of its own.

    Rows of one seed share their noise (one Gumbel variable for each token of the vocabulary at each step). So where
    they differ, it is the logits that differ: a steered text leaves the base text only where steering makes it.

    Args:
        sampling: How.
        seeds: One a row.
    """

    def __init__(self, sampling: Sampling, seeds: Sequence[int]) -> None:
        self.sampling = sampling
        self.seeds = list(seeds)
        self._generators = {seed: torch.Generator().manual_seed(seed) for seed in self.seeds}

    def next(self, logits: Tensor) -> Tensor:
        """`[batch]` ids drawn from `[batch, vocab]` logits."""
        if self.sampling.greedy:
            return logits.argmax(-1)
        log_p = self.sampling.log_probabilities(logits)
        # -log of an exponential variable is a Gumbel variable; the largest sum is a draw from the distribution.
        noise = {
            seed: -torch.empty(log_p.shape[-1]).exponential_(generator=generator).log()
            for seed, generator in self._generators.items()
        }
        return (log_p + torch.stack([noise[seed] for seed in self.seeds]).to(log_p.device)).argmax(-1)


def check_seeds(seeds: Any) -> tuple[int, ...]:
    """Seeds as a tuple, from one or several.

    Raises:
        PromptError: They are none.
    """
    given = (seeds,) if isinstance(seeds, int) else tuple(seeds) if isinstance(seeds, Sequence) else ()
    if not given or not all(type(seed) is int and 0 <= seed < 2**63 for seed in given):
        raise PromptError(f"Seeds {shorten(seeds)}.", "Give a whole number from 0, or a list of them.")
    return given


def _check(name: str, value: Any, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise PromptError(f"{name} is {shorten(value)}.", f"Give a number from {low:g} to {high:g}.")
