"""Norms and attention with what makes them nonlinear held: scales, patterns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class FrozenNorm:
    """A LayerNorm or RMSNorm whose scale at each token is held.

    Args:
        gain: `[d]`.
        scale: `[tokens, 1, 1]` that each token is multiplied by.
        bias: `[d]`, or `None`.
        centred: Whether the mean is taken out first.
    """

    gain: Tensor
    scale: Tensor
    bias: Tensor | None
    centred: bool

    def push(self, x: Tensor) -> Tensor:
        """`[tokens, n, d]` through the norm."""
        x = x - x.mean(-1, keepdim=True) if self.centred else x
        y = x * self.scale * self.gain
        return y if self.bias is None else y + self.bias

    def pull(self, g: Tensor) -> Tensor:
        """Gradients `[first tokens, n, d]` at its output, brought to its input."""
        return self._centre(g * self.scale[: len(g)] * self.gain)

    def pull_at(self, g: Tensor, positions: Tensor) -> Tensor:
        """Gradients `[n, d]`, each at a position of its own."""
        return self._centre(g * self.scale[positions, 0] * self.gain)

    def fold(self, weight: Tensor) -> Tensor:
        """`[..., d, w]` what is read behind the norm, as it is read before it; the scale is left to be applied."""
        weight = self.gain[:, None] * weight
        return weight - weight.mean(-2, keepdim=True) if self.centred else weight

    def _centre(self, g: Tensor) -> Tensor:
        return g - g.mean(-1, keepdim=True) if self.centred else g


@dataclass(frozen=True, eq=False)
class FrozenAttention:
    """Attention whose patterns are held: linear in what it reads. H heads of width w.

    Args:
        norm: The norm before it.
        pattern: `[H, tokens, tokens]`, query first.
        values: `[H, d, w]` value projection of each head.
        value_bias: `[H, w]`, or `None`.
        output: `[H, w, d]` output projection of each head.
        output_bias: `[d]`, or `None`.
        after: The norm of what it returns (Gemma 2), or `None`.
    """

    norm: FrozenNorm
    pattern: Tensor
    values: Tensor
    value_bias: Tensor | None
    output: Tensor
    output_bias: Tensor | None
    after: FrozenNorm | None

    def mixed(self, x: Tensor) -> Tensor:
        """`[H, tokens, n, w]`: what each head gathers of `[tokens, n, d]`."""
        v = torch.einsum("tnd,hdw->htnw", self.norm.push(x), self.values)
        if self.value_bias is not None:
            v = v + self.value_bias[:, None, None]
        return (self.pattern @ v.flatten(2)).view_as(v)

    def push(self, x: Tensor) -> Tensor:
        """`[tokens, n, d]` of the residual stream to what attention adds to it."""
        y = torch.einsum("htnw,hwd->tnd", self.mixed(x), self.output)
        y = y if self.output_bias is None else y + self.output_bias
        return y if self.after is None else self.after.push(y)

    def pull(self, g: Tensor) -> Tensor:
        """Gradients `[first tokens, n, d]` of what it adds, brought to the residual stream before it."""
        if self.after is not None:
            g = self.after.pull(g)
        tokens, n, d = g.shape
        heads, width = self.output.shape[:2]
        z = (g.reshape(-1, d) @ self.output.flatten(0, 1).T).view(tokens, n, heads, width)
        z = z.permute(2, 0, 1, 3).reshape(heads, tokens, n * width)
        v = self.pattern[:, :tokens, :tokens].transpose(1, 2) @ z
        v = v.view(heads, tokens, n, width).permute(1, 2, 0, 3).reshape(tokens * n, heads * width)
        back = v @ self.folded.transpose(1, 2).flatten(0, 1)
        return back.view(tokens, n, -1).mul_(self.norm.scale[:tokens])

    def pull_at(self, g: Tensor, positions: Tensor, tokens: int) -> Tensor:
        """As `pull` of gradients `[n, d]` at one position each: `[tokens, n, d]`.

        One product a head and target instead of one a token: what a single position sees of the others is a pattern row
        times one vector.
        """
        v, rows = self._of_heads(g, positions, tokens)
        return (rows @ v).transpose(0, 1)

    def pull_heads(self, g: Tensor, positions: Tensor, tokens: int) -> Tensor:
        """As `pull_at`, each head alone: `[tokens, n * heads, d]`."""
        v, rows = self._of_heads(g, positions, tokens)
        return torch.einsum("nth,nhd->tnhd", rows, v).flatten(1, 2)

    def _of_heads(self, g: Tensor, positions: Tensor, tokens: int) -> tuple[Tensor, Tensor]:
        """`[n, heads, d]` that each head reads, and `[n, tokens, heads]` how much of it where."""
        if self.after is not None:
            g = self.after.pull_at(g, positions)
        heads, width = self.output.shape[:2]
        z = (g @ self.output.flatten(0, 1).T).view(-1, heads, width).transpose(0, 1)
        v = (z @ self.folded.transpose(1, 2)).permute(1, 0, 2)
        return v, self.pattern[:, positions, :tokens].permute(1, 2, 0) * self.norm.scale[:tokens, 0]

    @cached_property
    def folded(self) -> Tensor:
        """`[H, d, w]` value projections that read before the norm, but for its scale."""
        return self.norm.fold(self.values)

    def moved(self, x: Tensor) -> Tensor:
        """What each token of `[tokens, d]` alone puts at every token: `[tokens there, d, tokens here]`, without biases.

        Before the norm of what attention returns, if there is one.
        """
        v = torch.einsum("td,hdw->htw", x * self.norm.scale[:, 0], self.folded)
        return torch.einsum("hst,htw,hwd->sdt", self.pattern, v, self.output)
