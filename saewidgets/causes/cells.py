"""The cells of a patch map: which there are, what the clean run would put there, and what that restores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from saewidgets.causes.controls import as_large, elsewhere, same_norm
from saewidgets.causes.nodes import Node, head_width
from saewidgets.causes.pairs import Pair
from saewidgets.causes.rows import Row, Tick, add
from saewidgets.dictionaries import Dictionary
from saewidgets.explain.encoded import encode_prompt
from saewidgets.sites import FeatureId, Site

if TYPE_CHECKING:
    from saewidgets.scope import Scope

Array = np.ndarray[Any, Any]
# Kind of cell -> the stream it patches.
KINDS = {"resid": "resid_post", "attention": "attn_out", "mlp": "mlp_out", "heads": "attn_z"}


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells of one kind.

    Args:
        kind: `"resid"`, `"attention"`, `"mlp"`, `"heads"` or `"features"`.
        names: Node, layer and position of each.
        sites: Where each is written.
        columns: Which part of the activation each is.
        delta: Pair and number of a cell -> `[T, d]`, what the clean run would change there.
    """

    kind: str
    names: tuple[tuple[str, int, int], ...]
    sites: tuple[Site, ...]
    columns: tuple[slice, ...]
    delta: Callable[[Pair, int], Tensor]

    def part(self, chosen: Sequence[int]) -> Cells:
        """Some of them."""
        return Cells(
            self.kind, tuple(self.names[i] for i in chosen), tuple(self.sites[i] for i in chosen),
            tuple(self.columns[i] for i in chosen), lambda pair, cell: self.delta(pair, chosen[cell]),
        )  # fmt: skip

    def frame(self, restored: Array, control: Array, best: float | None) -> pd.DataFrame:
        """One row a cell, without tokens and conditions; `best`: of random dictionaries, None: no control yet."""
        bar = np.inf if best is None else max(best, float(np.abs(control).max(initial=0)))
        frame = pd.DataFrame(self.names, columns=["node", "layer", "position"])
        frame.insert(0, "kind", self.kind)
        ends = {"control_low": control.min(1, initial=0), "control_high": control.max(1, initial=0)}
        beats = np.abs(restored) > bar
        return frame.assign(
            restored=restored, **ends, random_dictionary=best or 0.0, beats_control=beats, controlled=best is not None
        )


def stream_cells(scope: Scope, n_tokens: int, kind: str) -> Cells:
    """Every layer and position (and head) of a stream."""
    cells: list[tuple[Node, int]] = []
    for site in scope.model.sites():
        if site.stream != KINDS[kind]:
            continue
        nodes = [Node(str(site), site, site)]
        if kind == "heads":
            heads, width = head_width(scope)
            columns = [slice(h * width, (h + 1) * width) for h in range(heads)]
            nodes = [Node(f"head.{site.layer}.{h}", site, site, part) for h, part in enumerate(columns)]
        cells += [(node, t) for node in nodes for t in range(n_tokens)]

    def delta(pair: Pair, cell: int) -> Tensor:
        node, place = cells[cell]
        clean, corrupt = pair.values(node.site)
        found = torch.zeros_like(clean)
        found[place, node.columns] = (clean - corrupt)[place, node.columns]
        return found

    names = tuple((node.name, node.layer, t) for node, t in cells)
    return Cells(kind, names, tuple(n.site for n, _ in cells), tuple(n.columns for n, _ in cells), delta)


def feature_cells(pairs: Sequence[Pair], key: str, dictionary: Dictionary, top: int) -> Cells:
    """The features at positions whose difference should matter most by the gradient of the corrupted run."""
    moves = [_moves(pair, dictionary) for pair in pairs]
    worth = torch.zeros_like(moves[0])
    for pair, move in zip(pairs, moves, strict=True):
        slope = pair.gradient(dictionary.site_out, dictionary.d_out).to(dictionary.device)
        worth += (move * (slope @ dictionary.directions.T)).abs()
    flat = worth.flatten().argsort(descending=True, stable=True)[:top].tolist()
    cells = [divmod(i, dictionary.d_dict) for i in flat]
    site = dictionary.site_out
    names = tuple((str(FeatureId(key, i)), -1 if site.layer is None else site.layer, t) for t, i in cells)

    def delta(pair: Pair, cell: int) -> Tensor:
        (place, index), move = cells[cell], moves[pairs.index(pair)]
        found = torch.zeros(len(move), dictionary.d_out, device=dictionary.device)
        found[place] = move[place, index] * dictionary.rows([index])[0]
        return found

    return Cells("features", names, (site,) * len(cells), (slice(None),) * len(cells), delta)


def as_large_as(rival: Cells, own: Cells) -> Cells:
    """Cells of another dictionary, each scaled to the norm of ours of the same rank."""

    def delta(pair: Pair, cell: int) -> Tensor:
        return as_large(rival.delta(pair, cell), own.delta(pair, cell))

    n = min(len(rival.names), len(own.names))
    return replace(rival.part(range(n)), delta=delta)


def measure(
    pairs: Sequence[Pair], cells: Cells, n: int = 0, seed: int = 0, tick: Tick | None = None
) -> tuple[Array, Array]:
    """What each cell restores, or what its controls do; means over the pairs.

    Args:
        pairs: The prompts.
        cells: What is patched.
        n: Draws of each control; 0 measures the cells themselves.
        seed: Of the draws.
        tick: Called with what is done.

    Returns:
        `[cells]` restored, zeros with `n`; `[cells, 2 n]` of changes of the same norm in random directions, then of the
        same changes at random other tokens. Where the two runs agree both are 0.
    """
    restored, control = np.zeros(len(cells.names)), np.zeros((len(cells.names), 2 * n))
    for pair in pairs:
        rows: list[Row] = []
        owners: list[tuple[int, int]] = []
        for cell, (site, columns) in enumerate(zip(cells.sites, cells.columns, strict=True)):
            change = cells.delta(pair, cell)
            if not change.any():  # the two runs agree here, and nothing is to be measured
                continue
            for i, one in enumerate(controls_of(change, columns, n, seed + cell, pair.first) if n else [change]):
                rows.append({site: add(one)})
                owners.append((cell, i))
        for (cell, i), value in zip(owners, pair.restored(rows, tick), strict=True):
            if n:
                control[cell, i] += value / len(pairs)
            else:
                restored[cell] += value / len(pairs)
    return restored, control


def controls_of(change: Tensor, columns: slice, n: int, seed: int, first: int) -> list[Tensor]:
    """Changes of the same norm in `n` random directions, then the same change at `n` random other tokens."""
    found = []
    for random in same_norm(change[:, columns], n, seed):
        wide = torch.zeros_like(change)
        wide[:, columns] = random
        found.append(wide)
    return found + elsewhere(change, n, seed, first)


def _moves(pair: Pair, dictionary: Dictionary) -> Tensor:
    """`[T, d_dict]` activation on the clean prompt minus that on the corrupted one, in what it writes there."""
    clean, corrupt = (encode_prompt("", dictionary, run) for run in (pair.clean, pair.corrupt))
    moved = (clean.sparse.to_dense() - corrupt.sparse.to_dense()).to(dictionary.device)
    moved[: pair.first] = 0
    return moved if corrupt.scale is None else moved * corrupt.scale
