"""The cells of a patch map: which there are, what the clean run would put there, and what that restores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from saewidgets.causes.controls import as_large, same_norm
from saewidgets.causes.nodes import Node, head_width
from saewidgets.causes.pairs import Pair
from saewidgets.causes.rows import Row, add
from saewidgets.dictionaries import Dictionary
from saewidgets.explain.encoded import encode_prompt
from saewidgets.sites import FeatureId, Site

if TYPE_CHECKING:
    from saewidgets.scope import Scope

Array = np.ndarray[Any, Any]
# Kind of cell -> the stream it patches.
KINDS = {"resid": "resid_post", "attention": "attn_out", "mlp": "mlp_out", "heads": "attn_z"}


def stream_cells(scope: Scope, pairs: Sequence[Pair], kind: str, n: int, seed: int) -> pd.DataFrame:
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
        cells += [(node, t) for node in nodes for t in range(len(pairs[0].clean_ids))]

    def delta(pair: Pair, cell: int) -> Tensor:
        node, place = cells[cell]
        clean, corrupt = pair.values(node.site)
        found = torch.zeros_like(clean)
        found[place, node.columns] = (clean - corrupt)[place, node.columns]
        return found

    columns = [node.columns for node, _ in cells]
    restored, control = _measure(pairs, [node.site for node, _ in cells], delta, columns, n, seed)
    return _frame(kind, [(node.name, node.layer, t) for node, t in cells], restored, control)


def feature_cells(
    pairs: Sequence[Pair], key: str, dictionary: Dictionary, top: int, n: int, seed: int, others: Sequence[Dictionary]
) -> pd.DataFrame:
    """The features at positions whose difference should matter most by the gradient of the corrupted run."""

    def search(one: Dictionary) -> tuple[list[tuple[int, int]], list[list[Tensor]]]:
        moves = [_moves(pair, one) for pair in pairs]
        worth = sum((m * (_gradient(pair, one) @ one.directions.T)).abs() for m, pair in zip(moves, pairs, strict=True))
        assert isinstance(worth, Tensor)
        flat = worth.flatten().argsort(descending=True, stable=True)[:top].tolist()
        cells = [divmod(i, one.d_dict) for i in flat]
        return cells, [[_delta(move, one, *cell) for cell in cells] for move in moves]

    cells, own = search(dictionary)
    sites, whole = [dictionary.site_out] * len(cells), [slice(None)] * len(cells)
    restored, control = _measure(pairs, sites, lambda pair, cell: own[pairs.index(pair)][cell], whole, n, seed)
    best = 0.0
    for other in others:
        found = search(other)[1]

        def rival(pair: Pair, cell: int, found: list[list[Tensor]] = found) -> Tensor:
            return as_large(found[pairs.index(pair)][cell], own[pairs.index(pair)][cell])

        best = max(best, float(np.abs(_measure(pairs, sites, rival, whole, 0, seed)[0]).max(initial=0)))
    names = [(str(FeatureId(key, index)), _layer(dictionary.site_out), place) for place, index in cells]
    return _frame("features", names, restored, control, best)


def _delta(move: Tensor, dictionary: Dictionary, place: int, index: int) -> Tensor:
    """`[T, d_out]` that moves one feature at one position."""
    found = torch.zeros(len(move), dictionary.d_out, device=dictionary.device)
    found[place] = move[place, index] * dictionary.rows([index])[0]
    return found


def _measure(
    pairs: Sequence[Pair],
    sites: Sequence[Site],
    delta: Callable[[Pair, int], Tensor],
    columns: Sequence[slice],
    n: int,
    seed: int,
) -> tuple[Array, Array]:
    """`[cells]` restored and `[cells, n]` of the controls, means over the pairs."""
    restored, control = np.zeros(len(sites)), np.zeros((len(sites), n))
    for pair in pairs:
        rows: list[Row] = []
        owners: list[tuple[int, int]] = []
        for cell, site in enumerate(sites):
            change = delta(pair, cell)
            if not change.any():  # the two runs agree here, and nothing is to be measured
                continue
            rows.append({site: add(change)})
            owners.append((cell, -1))
            for i, random in enumerate(same_norm(change[:, columns[cell]], n, seed + cell)):
                wide = torch.zeros_like(change)
                wide[:, columns[cell]] = random
                rows.append({site: add(wide)})
                owners.append((cell, i))
        for (cell, i), value in zip(owners, pair.restored(rows), strict=True):
            if i < 0:
                restored[cell] += value / len(pairs)
            else:
                control[cell, i] += value / len(pairs)
    return restored, control


def _moves(pair: Pair, dictionary: Dictionary) -> Tensor:
    """`[T, d_dict]` activation on the clean prompt minus that on the corrupted one, in what it writes there."""
    clean, corrupt = (encode_prompt("", dictionary, run) for run in (pair.clean, pair.corrupt))
    moved = (clean.sparse.to_dense() - corrupt.sparse.to_dense()).to(dictionary.device)
    moved[: pair.first] = 0
    return moved if corrupt.scale is None else moved * corrupt.scale


def _gradient(pair: Pair, dictionary: Dictionary) -> Tensor:
    site = dictionary.site_out
    trace = pair.scope.model.trace(list(pair.corrupt_ids), [site], grad=True)
    assert trace.logits is not None
    [slope] = torch.autograd.grad(pair.target.measure(trace.logits).sum(), [trace.values[site]])
    return slope[0].to(dictionary.device)


def _frame(
    kind: str, names: Sequence[tuple[str, int, int]], restored: Array, control: Array, best: float = 0.0
) -> pd.DataFrame:
    bar = max(best, float(np.abs(control).max(initial=0)))
    frame = pd.DataFrame(names, columns=["node", "layer", "position"])
    frame.insert(0, "kind", kind)
    ends = {"control_low": control.min(1, initial=0), "control_high": control.max(1, initial=0)}
    return frame.assign(restored=restored, **ends, random_dictionary=best, beats_control=np.abs(restored) > bar)


def _layer(site: Site) -> int:
    return -1 if site.layer is None else site.layer
