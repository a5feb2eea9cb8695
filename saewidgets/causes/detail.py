"""One cell of a patch map, patched: the predictions before and after, its controls, and its heads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from saewidgets.causes.cells import Cells, controls_of, measure, stream_cells
from saewidgets.causes.pairs import Pair, read_pairs
from saewidgets.causes.question import Part, Progress, Question, tick
from saewidgets.causes.rows import Row, add, also, run_rows
from saewidgets.errors import EditError, shorten
from saewidgets.explain.chosen import words
from saewidgets.payloads import PatchDetail

if TYPE_CHECKING:
    from saewidgets.causes.noise import Noise
    from saewidgets.causes.pairs import Prompts
    from saewidgets.explain.targets import Asked
    from saewidgets.scope import Scope

Array = np.ndarray[Any, Any]
_WORDS = 5


def find_cell(question: Question, node: str, position: int) -> tuple[Part, int]:
    """Where a cell stands among those of a question.

    Raises:
        EditError: It is not one of them.
    """
    for part in question.parts:
        for i, (name, _, place) in enumerate(part.cells.names):
            if (name, place) == (node, position):
                return part, i
    raise EditError(f"The map has no cell {shorten(node)} at token {shorten(position)}.", "Choose one of its cells.")


def cell_detail(
    question: Question, node: str, position: int, heads: Sequence[Pair] = (), progress: Progress | None = None
) -> PatchDetail:
    """Patch one cell.

    Args:
        question: The map it belongs to.
        node: Place of the cell.
        position: Its token.
        heads: The prompts, read where the heads write; none leaves the heads out.
        progress: Called with what is done; may raise to stop.

    Returns:
        Predictions and controls, means over the pairs; of an attention, what each of its heads restores.

    Raises:
        EditError: No such cell.
    """
    part, index = find_cell(question, node, position)
    cell = part.cells.part([index])
    n, seed = question.conditions.controls, question.conditions.seed
    # The draws that the map took for this cell.
    seed += index
    restored = float(measure(part.pairs, cell)[0][0])
    _, control = measure(part.pairs, cell, n, seed, tick(progress, "control of the cell"))
    p = np.mean([_probabilities(pair, cell, n, seed) for pair in part.pairs], axis=0)
    before, after, controls = p[0], p[1], p[2:]
    best = np.argsort(-np.maximum(before, after), kind="stable")[:_WORDS]
    parts: dict[str, Any] = {}
    if cell.kind == "attention" and heads:
        layer = cell.names[0][1]
        every = stream_cells(question.scope, len(heads[0].clean_ids), "heads")
        own = every.part([i for i, (_, at, t) in enumerate(every.names) if (at, t) == (layer, position)])
        note = tick(progress, "heads")
        values, spread = measure(heads, own, tick=note)[0], measure(heads, own, n, seed, note)[1]
        parts = {"parts": tuple(name for name, _, _ in own.names), "part_values": values,
                 "part_band": float(np.abs(spread).max(initial=0))}  # fmt: skip
    return PatchDetail(
        node, position, restored, float(control.min(initial=0)), float(control.max(initial=0)),
        tuple(words(question.scope, best.tolist())), before[best], after[best],
        controls[:, best].min(0, initial=1) if len(controls) else after[best],
        controls[:, best].max(0, initial=0) if len(controls) else after[best], **parts,
    )  # fmt: skip


def head_pairs(
    scope: Scope, clean: Prompts, corrupt: Prompts | Noise, target: Asked, position: int, propagation: str
) -> list[Pair]:
    """The prompts, read where the heads write."""
    sites = [site for site in scope.model.sites() if site.stream == "attn_z"]
    return read_pairs(scope, clean, corrupt, target, position, sites, propagation) if sites else []


def _probabilities(pair: Pair, cell: Cells, n: int, seed: int) -> Array:
    """`[2 + 2 n, vocab]`: next-token probabilities in the corrupted run, with the cell, and under its controls."""
    change, site = cell.delta(pair, 0), cell.sites[0]
    changes = [change, *(controls_of(change, cell.columns[0], n, seed, pair.first) if change.any() else [])]
    rows: list[Row] = [pair.base, *(also(pair.base, {site: add(one)}) for one in changes)]
    found = []
    for _, trace in run_rows(pair.scope, pair.corrupt_ids, rows, held=pair.held):
        assert trace.logits is not None
        found.append(trace.logits[:, pair.target.position].double().softmax(-1).cpu().numpy())
    return np.concatenate(found)
