"""Everything that writes into the frozen model on one prompt, and the share that each has in a target's value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from saewidgets.circuits.edited import Edited
from saewidgets.circuits.transcoders import LayerTranscoder
from saewidgets.dictionaries.sparse import SparseActivations
from saewidgets.model.differentiated import DifferentiatedModel
from saewidgets.model.freeze import Frozen
from saewidgets.model.frozen import FrozenModel
from saewidgets.sites import Site


@dataclass(frozen=True, eq=False)
class Written:
    """What the features of one layer write to one layer's MLP output.

    Args:
        first: Number of the first of these features among all.
        starts: `[tokens + 1]` where each token's features begin.
        rows: `[n, d]` activation times direction, by token.
    """

    first: int
    starts: list[int]
    rows: Tensor


@dataclass(frozen=True, eq=False)
class Sources:
    """The nodes of a graph but its logits: S features, L x T errors, T tokens, in this order.

    Args:
        model: The frozen model, skips in place.
        transcoders: Layer -> transcoder.
        features: Layer -> active features.
        ignored: `[T]` bool: tokens without features and errors.
        written: Layer -> what features write there.
        errors: `[L, T, d]` what is left of each MLP's output.
        constant: Layer -> `[T, d]` what is written whatever the features: biases; the whole output where ignored.
        reads: Layer -> `[T, d]` values at the transcoder's `site_in`.
        layer: `[S]`.
        position: `[S]`.
        index: `[S]`.
        activation: `[S]`.
        held: `[S]` bool: set by an edit, whatever comes to them.
    """

    model: FrozenModel | DifferentiatedModel
    transcoders: Mapping[int, LayerTranscoder]
    features: Mapping[int, SparseActivations]
    ignored: Tensor
    written: Mapping[int, tuple[Written, ...]]
    errors: Tensor
    constant: Mapping[int, Tensor]
    reads: Mapping[int, Tensor]
    layer: Tensor
    position: Tensor
    index: Tensor
    activation: Tensor
    held: Tensor

    @property
    def n_features(self) -> int:
        """S."""
        return len(self.layer)

    @property
    def n_sources(self) -> int:
        """S + L T + T."""
        layers, tokens, _ = self.errors.shape
        return self.n_features + layers * tokens + tokens

    def effects(self, layer: int, vectors: Tensor, positions: Tensor, *, behind_norm: bool) -> Tensor:
        """Direct effects of every source on targets that read at one layer; see `FrozenModel.pull`.

        Returns:
            `[n, S + L T + T]`.
        """
        return self._gather(self.model.pull(layer, vectors, positions, behind_norm=behind_norm), positions)

    def effects_by_head(
        self, layer: int, vectors: Tensor, positions: Tensor, *, behind_norm: bool
    ) -> Iterator[tuple[int, Tensor]]:
        """As `effects`, split by the last head on the way; see `FrozenModel.pull_by_head`.

        Yields:
            -1 and `[n, 1, S + L T + T]` past all attention; then a layer and `[n, heads, S + L T + T]`.
        """
        for through, at, pulled in self.model.pull_by_head(layer, vectors, positions, behind_norm=behind_norm):
            yield through, self._gather(pulled, at).unflatten(0, (len(positions), -1))

    def _gather(self, pulled: Iterable[tuple[int, Tensor]], positions: Tensor) -> Tensor:
        """`[n, S + L T + T]`: gradients times what every source writes."""
        layers, tokens, _ = self.errors.shape
        result = self.errors.new_zeros(len(positions), self.n_sources)
        for below, g in pulled:
            if below < 0:
                first = self.n_features + layers * tokens
                result[:, first : first + g.shape[1]] = g
                break
            for part in self.written.get(below, ()):
                _add(result, part, g, positions)
            errors, first = self.errors[below], self.n_features + below * tokens
            if g.ndim == 2:
                result[torch.arange(len(g), device=g.device), first + positions] = (g * errors[positions]).sum(-1)
            else:
                # One product a token: `(g * errors).sum(-1)` would make a copy of all gradients.
                result[:, first : first + len(g)] = (g @ errors[: len(g), :, None])[..., 0].T
        return result

    def constants(self) -> tuple[dict[int, Tensor], Tensor]:
        """What transcoders read, and what is behind the final norm, when every source is 0."""
        return self.model.constants(self.constant, {n: one.site_in for n, one in self.transcoders.items()})


def _add(result: Tensor, part: Written, g: Tensor, positions: Tensor) -> None:
    """Add `<gradient, contribution>` of one layer's features, a token at a time."""
    if g.ndim == 3:
        for token, gradient in enumerate(g):
            start, end = part.starts[token], part.starts[token + 1]
            if end > start:
                result[:, part.first + start : part.first + end].addmm_(gradient, part.rows[start:end].T)
        return
    for token in positions.unique().tolist():
        start, end = part.starts[token], part.starts[token + 1]
        here = (positions == token).nonzero()[:, 0]
        if end > start:
            columns = slice(part.first + start, part.first + end)
            result[here, columns] += g[here] @ part.rows[start:end].T


def find_sources(
    frozen: Frozen, transcoders: Mapping[int, LayerTranscoder], ignored: Tensor, edited: Edited | None = None
) -> Sources:
    """Encode a prompt and take its MLP outputs apart.

    Args:
        frozen: The frozen pass.
        transcoders: Layer -> transcoder; a layer without one is all error.
        ignored: `[T]` bool: tokens without features and errors (the first one, as a rule).
        edited: The edits made in that pass.
    """
    edited = edited or Edited()
    known = edited.features(frozen.trace)
    values = frozen.values
    layers, tokens = frozen.model.n_layers, len(ignored)
    features, reads, nodes = {}, {}, []
    for layer, transcoder in transcoders.items():
        reads[layer] = values[transcoder.site_in]
        set_to = known.get(transcoder.key)
        active = transcoder.encode(reads[layer]) if set_to is None else SparseActivations.from_dense(set_to)
        sparse = _without(active, ignored)
        features[layer] = sparse
        held = edited.held(transcoder.key, tokens, sparse.d_dict)[sparse.rows, sparse.index]
        nodes.append((torch.full_like(sparse.index, layer), sparse.rows, sparse.index, sparse.value, held))
    layer_of, position, index, activation, held = (torch.cat(part) for part in zip(*nodes, strict=True))
    device = frozen.model.embed.device
    written: dict[int, list[Written]] = {}
    remainder = torch.stack([values[Site("mlp_out", layer)] for layer in range(layers)])
    first = 0
    constant, skips = {}, {}
    for layer, transcoder in transcoders.items():
        sparse = features[layer]
        starts, value = sparse.indptr.tolist(), sparse.value.to(device)[:, None]
        for target, rows in transcoder.rows(sparse.index.to(device)).items():
            part = Written(first, starts, rows * value)
            written.setdefault(target, []).append(part)
            remainder[target].index_add_(0, sparse.rows.to(device), part.rows, alpha=-1)
        first += len(sparse.index)
        constant[layer] = transcoder.bias.expand(tokens, -1)
        if transcoder.skip is not None:
            skips[layer] = (transcoder.skip, transcoder.site_in)
            remainder[layer] -= reads[layer] @ transcoder.skip
        remainder[layer] -= constant[layer]
    for layer in range(layers):
        # Where a token is ignored its whole output is a constant, but for what a skip passes on.
        fixed = constant.get(layer, torch.zeros_like(remainder[layer]))
        constant[layer] = torch.where(ignored[:, None], fixed + remainder[layer], fixed)
    remainder = torch.where(ignored[:, None], 0.0, remainder)
    return Sources(
        frozen.model.with_skips(skips),
        transcoders,
        features,
        ignored,
        {layer: tuple(parts) for layer, parts in written.items()},
        remainder,
        constant,
        reads,
        layer_of,
        position,
        index,
        activation,
        held,
    )


def _without(sparse: SparseActivations, ignored: Tensor) -> SparseActivations:
    """The same features but for those of ignored tokens."""
    keep = ~ignored.cpu()[sparse.rows]
    counts = torch.bincount(sparse.rows[keep], minlength=sparse.n_tokens)
    indptr = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return SparseActivations(indptr, sparse.index[keep], sparse.value[keep], sparse.d_dict)
