"""A transformer with everything frozen but its residual stream: affine in the embeddings and in what its MLPs write.

With attention patterns and normalisation scales held (Ameisen et al. 2025), the gradient of anything that is read off
the residual stream passes only value and output projections, patterns and scales. It is the direct effect exactly, and
costs two matrix products a layer. Gradients of many targets are pulled back at once, laid out `[tokens, targets, d]`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from saewidgets.model.frozen_parts import FrozenAttention, FrozenNorm
from saewidgets.sites import Site


@dataclass(frozen=True, eq=False)
class FrozenBlock:
    """One block.

    Args:
        attention: Its attention.
        norm: The norm before its MLP.
        parallel: Whether the MLP reads the block's input, beside attention (GPT-NeoX).
        skip: `[d, d]` from what the MLP reads to what it writes, of a skip transcoder; or `None`.
        skip_reads_norm: Whether the skip reads behind the norm.
        beside: `[tokens, d]` that an edit adds to what attention adds, or `None`.
        behind: `[tokens, d]` that an edit adds to the stream behind the block, or `None`.
    """

    attention: FrozenAttention
    norm: FrozenNorm
    parallel: bool
    skip: Tensor | None = None
    skip_reads_norm: bool = True
    beside: Tensor | None = None
    behind: Tensor | None = None


@dataclass(frozen=True, eq=False)
class FrozenModel:
    """A model on one prompt, frozen.

    Args:
        blocks: Its blocks.
        final: The norm before the unembedding.
        embed: `[tokens, d]` what the token embeddings put into the residual stream.
        position: `[tokens, d]` what position embeddings add, or `None`.
    """

    blocks: tuple[FrozenBlock, ...]
    final: FrozenNorm
    embed: Tensor
    position: Tensor | None

    @property
    def n_layers(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    def with_skips(self, skips: Mapping[int, tuple[Tensor, Site]]) -> FrozenModel:
        """The same with skip transcoders in place.

        Args:
            skips: Layer -> `[d, d]`, and the site it reads.
        """
        blocks = tuple(
            replace(b, skip=skips[n][0], skip_reads_norm=skips[n][1].stream == "mlp_in") if n in skips else b
            for n, b in enumerate(self.blocks)
        )
        return replace(self, blocks=blocks)

    def constants(
        self, written: Mapping[int, Tensor], sites: Mapping[int, Site]
    ) -> tuple[dict[int, Tensor], Tensor]:  # fmt: skip
        """What is read when nothing is embedded.

        Args:
            written: Layer -> `[tokens, d]` what its MLP writes besides its skip.
            sites: Layer -> where it is read, behind the norm before its MLP or before it.

        Returns:
            Layer -> `[tokens, d]`, and `[tokens, d]` behind the final norm.
        """
        reads, last = self.push(written)
        found = {
            n: self.blocks[n].norm.push(reads[n][:, None])[:, 0] if site.stream == "mlp_in" else reads[n]
            for n, site in sites.items()
        }
        return found, self.final.push(last[:, None])[:, 0]

    def push(self, written: Mapping[int, Tensor], embed: Tensor | None = None) -> tuple[list[Tensor], Tensor]:
        """The affine map itself, from what is written to what is read.

        Args:
            written: Layer -> `[tokens, d]` what its MLP writes besides its skip.
            embed: `[tokens, d]` token embeddings; `None` for none.

        Returns:
            The residual stream `[tokens, d]` that the norm before each MLP reads, and the one before the final norm.
        """
        x = torch.zeros_like(self.embed) if embed is None else embed
        x = (x if self.position is None else x + self.position)[:, None]
        reads = []
        for layer, block in enumerate(self.blocks):
            added = block.attention.push(x)
            added = added if block.beside is None else added + block.beside[:, None]
            read = x if block.parallel else x + added
            reads.append(read[:, 0])
            x = x + added + written[layer][:, None]
            if block.skip is not None:
                x = x + (block.norm.push(read) if block.skip_reads_norm else read) @ block.skip
            x = x if block.behind is None else x + block.behind[:, None]
        return reads, x[:, 0]

    def pull(
        self, layer: int, vectors: Tensor, positions: Tensor, *, behind_norm: bool = True
    ) -> Iterator[tuple[int, Tensor]]:
        """Gradients of targets with respect to everything that was written before them.

        Args:
            layer: Whose MLP the targets read with; the number of blocks for targets behind the final norm.
            vectors: `[n, d]` what each target is multiplied with.
            positions: `[n]` where each target reads.
            behind_norm: Whether they read behind the norm.

        Yields:
            Layer, from the last one down, and the gradient at what its MLP writes: `[n, d]` where only each target's
            own position has one, `[tokens, n, d]` otherwise; tokens goes up to the last position of all. At last -1 and
            the effects of the token embeddings, `[n, tokens]`.
        """
        block, g, past, through = self._begin(layer, vectors, positions, behind_norm)
        if g is not None:
            yield block, g
        yield from self._below(block, past, through, positions, int(positions.max()) + 1)

    def pull_by_head(
        self, layer: int, vectors: Tensor, positions: Tensor, *, behind_norm: bool = True
    ) -> Iterator[tuple[int, Tensor, Iterator[tuple[int, Tensor]]]]:
        """As `pull`, split by the last attention head on the way to each target: the one that writes at its token.

        Yields:
            First -1, the targets' positions, and gradients that pass no attention at all. Then, from the last layer
            down, a layer, positions `[n * heads]` and gradients for `n * heads` targets: each target once through each
            head of that layer, and whatever is before it. All together they are those of `pull`.
        """
        block, g, past, through = self._begin(layer, vectors, positions, behind_norm)
        tokens = int(positions.max()) + 1
        straight, into = [] if g is None else [(block, g)], []
        for number in reversed(range(block)):
            into.append((number + 1, through))
            straight.append((number, past))
            past, through = self._beside(self.blocks[number], past, positions)
        into.append((0, through))
        own = past.new_zeros(len(past), tokens)
        own[torch.arange(len(past), device=past.device), positions] = (past * self.embed[positions]).sum(-1)
        yield -1, positions, iter([*straight, (-1, own)])
        for number, g in into:
            attention = self.blocks[number].attention
            at = positions.repeat_interleave(len(attention.pattern))
            yield number, at, self._behind(number, attention.pull_heads(g, positions, tokens), at, tokens)

    def _begin(
        self, layer: int, vectors: Tensor, positions: Tensor, behind_norm: bool
    ) -> tuple[int, Tensor | None, Tensor, Tensor]:
        """A block, the gradient at what its MLP writes if targets see it, and what goes past and into its attention."""
        last = layer == len(self.blocks)
        norm = self.final if last else self.blocks[layer].norm
        g = norm.pull_at(vectors, positions) if behind_norm else vectors
        if last:
            return (layer - 1, g, *self._beside(self.blocks[layer - 1], g, positions))
        return layer, None, g, torch.zeros_like(g) if self.blocks[layer].parallel else g

    def _below(
        self, block: int, past: Tensor, through: Tensor, positions: Tensor, tokens: int
    ) -> Iterator[tuple[int, Tensor]]:
        """From the attention of a block down to the embeddings."""
        for number in reversed(range(block)):
            g = _before(self.blocks[number + 1].attention, past, through, positions, tokens)
            yield number, g
            past, through = self._beside(self.blocks[number], g, positions)
        yield -1, self._of_embeddings(past, through, positions, tokens)

    def _behind(self, block: int, g: Tensor, positions: Tensor, tokens: int) -> Iterator[tuple[int, Tensor]]:
        """From the input of a block, `[tokens, n, d]`, down to the embeddings."""
        if not block:
            yield -1, (g @ self.embed[:tokens, :, None])[..., 0].T
            return
        yield block - 1, g
        yield from self._below(block - 1, *self._beside(self.blocks[block - 1], g, positions), positions, tokens)

    def _beside(self, block: FrozenBlock, g: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """From behind a block to what goes past its attention, and what goes through it."""
        if block.skip is None:
            return g, g
        mlp = g @ block.skip.T
        if block.skip_reads_norm:
            mlp = block.norm.pull_at(mlp, positions) if g.ndim == 2 else block.norm.pull(mlp)
        return g + mlp, g if block.parallel else g + mlp

    def _of_embeddings(self, past: Tensor, through: Tensor, positions: Tensor, tokens: int) -> Tensor:
        """Effects of the embeddings. What the first attention moves of them is known: nothing goes back through it."""
        after, point = self.blocks[0].attention.after, past.ndim == 2
        if after is not None:
            through = after.pull_at(through, positions) if point else after.pull(through)
        if not point:
            result = (past @ self.embed[:tokens, :, None])[..., 0].T.contiguous()
            for token, gradient in enumerate(through):
                result[:, : token + 1].addmm_(gradient, self._moved[token, :, : token + 1])
            return result
        result = past.new_zeros(len(past), tokens)
        result[torch.arange(len(past), device=past.device), positions] = (past * self.embed[positions]).sum(-1)
        for token in positions.unique().tolist():
            here = (positions == token).nonzero()[:, 0]
            result[here, : token + 1] += through[here] @ self._moved[token, :, : token + 1]
        return result

    @cached_property
    def _moved(self) -> Tensor:
        return self.blocks[0].attention.moved(self.embed)


def _before(attention: FrozenAttention, past: Tensor, through: Tensor, positions: Tensor, tokens: int) -> Tensor:
    """From behind an attention to the block's input: `[tokens, n, d]`."""
    if past.ndim == 3:
        return attention.pull(through).add_(past)
    return attention.pull_at(through, positions, tokens).add_(_spread(past, positions, tokens))


def _spread(g: Tensor, positions: Tensor, tokens: int) -> Tensor:
    """`[n, d]` at one position each -> `[tokens, n, d]`."""
    full = g.new_zeros(tokens, *g.shape)
    full[positions, torch.arange(len(g), device=g.device)] = g
    return full
