"""The control of a causal claim: the same edit on random features, and random directions of the same norm.

An ablation that moves a prediction says something about a feature only if random features of like density, and
changes of the same size in random directions, do not move it as much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from saewidgets.interventions.edits import Edit, Positions
from saewidgets.interventions.error_term import ErrorTerm
from saewidgets.interventions.propagation import Held, hold
from saewidgets.interventions.rows import RowWrites
from saewidgets.interventions.targets import Direction, Group, Head, Pattern, Target
from saewidgets.interventions.writes import SiteWrite, make_writes
from saewidgets.model import Write
from saewidgets.payloads import Control
from saewidgets.runs.run import Run, kl_divergence
from saewidgets.sites import FeatureId, Site

if TYPE_CHECKING:
    from saewidgets.dictionaries.sparse import SparseActivations
    from saewidgets.scope import Scope

N_CONTROLS = 8
# Rows of one batched forward: bounds the memory and the time until a stale request is noticed.
_BATCH_TOKENS = 512


def control_bands(
    scope: Scope,
    base: Run,
    edits: Sequence[Edit],
    positions: Sequence[int],
    words: Tensor,
    seed: int,
    check: Callable[[], None],
    progress: Callable[[int, int, str], None] | None,
    n: int = N_CONTROLS,
    propagation: str = "free",
) -> Control:
    """Run the control.

    Args:
        scope: The model and its dictionaries.
        base: The run without edits.
        edits: The edits under test.
        positions: `P` token positions.
        words: `[P, K]` token ids whose probabilities are banded.
        seed: Of the draws.
        check: Called between forwards; raises when the request is stale.
        progress: Called with (done, total, note).
        n: Random features, and random directions.
        propagation: Of the run under test.

    Returns:
        Smallest and greatest effect over the draws.
    """
    generator = torch.Generator().manual_seed(seed)
    counts = active_counts(base)
    lists = [like_edits(edits, counts, generator, scope.model.n_heads, base.n_tokens) for _ in range(n)]
    made = [make_writes(chosen, scope.dictionaries, scope.model, base.n_tokens) for chosen in lists]
    real = make_writes(edits, scope.dictionaries, scope.model, base.n_tokens)
    every = [write for row in (*made, real) for write in row.values()]
    held = hold(scope.model, base.token_ids, propagation, every)
    writes: list[Mapping[Site, Write]] = [*made]
    writes += [turned(real, seed * n + i) for i in range(n)]
    read = {site for write in every for site in write.reads}
    log_p = base.log_probabilities(list(positions))
    low, high = torch.ones(words.shape), torch.zeros(words.shape)
    kl = torch.zeros(2 * n, len(positions))
    rows = max(1, _BATCH_TOKENS // base.n_tokens)
    for start in range(0, 2 * n, rows):
        check()
        batch = writes[start : start + rows]
        if progress is not None:
            progress(start, 2 * n, "control")
        log_q = _run_rows(scope, base, batch, read, held)[:, list(positions)].float().log_softmax(-1)
        for row, one in enumerate(log_q, start):
            kl[row] = kl_divergence(log_p, one)
            if row < n:
                p = one.gather(1, words).exp()
                low, high = torch.minimum(low, p), torch.maximum(high, p)
    check()

    def spread(values: Tensor) -> Tensor:
        return torch.stack([values.min(0).values, values.max(0).values], dim=1)

    return Control(n, seed, low.numpy(), high.numpy(), spread(kl[:n]).numpy(), spread(kl[n:]).numpy())


def active_tokens(sparse: SparseActivations) -> Tensor:
    """`[d_dict]` on how many tokens each feature is active."""
    return torch.bincount(sparse.index, minlength=sparse.d_dict)


def turned(writes: Mapping[Site, SiteWrite], seed: int) -> dict[Site, Write]:
    """Writes that change each token by as much, in one random direction: the control of what is written."""
    return {site: RandomDirection(write, seed) for site, write in writes.items()}


def active_counts(run: Run) -> dict[str, Tensor]:
    """Key of a dictionary -> `[d_dict]` on how many tokens of a run each of its features is active."""
    return {key: active_tokens(sparse) for key, sparse in run.features.items()}


def like_edits(
    edits: Sequence[Edit], counts: Mapping[str, Tensor], generator: torch.Generator, n_heads: int = 0,
    n_tokens: int = 0,
) -> tuple[Edit, ...]:  # fmt: skip
    """The same edits on random features of like density, random other heads, random directions as long.

    Each feature is drawn from the twenty of its dictionary (more for long lists of edits) whose number of active
    tokens is nearest to the edited feature's. Error terms and embeddings are edited at random other tokens.
    An edit of a whole site or of all heads stays as it is.

    Args:
        edits: The edits under test.
        counts: Key of a dictionary -> `[d_dict]` on how many tokens each of its features is active.
        generator: Of the draws.
        n_heads: Heads of a layer.
        n_tokens: Of the prompt.
    """
    taken = [feature for edit in edits for feature in edit.features]
    swapped: dict[FeatureId, FeatureId] = {}
    for feature in taken:
        if feature in swapped:
            continue
        here = counts[feature.dictionary]
        target = int(here[feature.index])
        used = {f.index for f in (*taken, *swapped.values()) if f.dictionary == feature.dictionary}
        pool = [i for i in here.nonzero()[:, 0].tolist() if i not in used]
        pool.sort(key=lambda i: (abs(int(here[i]) - target), i))
        pool = pool[: max(20, 2 * len(taken))] or [i for i in range(len(here)) if i not in used][:20]
        if not pool:
            swapped[feature] = feature
            continue
        pick = pool[int(torch.randint(len(pool), (1,), generator=generator))]
        swapped[feature] = FeatureId(feature.dictionary, pick)
    return tuple(
        replace(
            edit,
            target=_like(edit.target, swapped, generator, n_heads),
            positions=_elsewhere(edit, generator, n_tokens),
        )
        for edit in edits
    )


def _elsewhere(edit: Edit, generator: torch.Generator, n_tokens: int) -> Positions:
    """As many other tokens, never the first, for what has no like but at other tokens."""
    if not isinstance(edit.positions, tuple) or not (
        isinstance(edit.target, ErrorTerm) or edit.target == Site("embed")
    ):
        return edit.positions
    others = [p for p in range(1, n_tokens) if p not in edit.positions]
    order = torch.randperm(len(others), generator=generator)[: len(edit.positions)]
    return tuple(others[i] for i in order.tolist()) or edit.positions


def _like(
    target: Target, swapped: Mapping[FeatureId, FeatureId], generator: torch.Generator, n_heads: int
) -> Target:  # fmt: skip
    if isinstance(target, FeatureId):
        return swapped[target]
    if isinstance(target, Group):
        return Group(tuple(swapped[feature] for feature in target.features))
    if isinstance(target, Direction):
        drawn = torch.randn(len(target.vector), generator=generator)
        return Direction(target.site, drawn * float(np.linalg.norm(target.vector)) / drawn.norm())
    if isinstance(target, (Head, Pattern)) and target.index is not None and n_heads > 1:
        others = [head for head in range(n_heads) if head != target.index]
        return replace(target, index=others[int(torch.randint(len(others), (1,), generator=generator))])
    return target


class RandomDirection:
    """A write that changes each token by as much as another write does, in one random direction.

    Args:
        write: The write whose size is matched.
        seed: Of the direction.
    """

    def __init__(self, write: SiteWrite, seed: int) -> None:
        self.write = write
        self.seed = seed
        self._drawn: dict[int, Tensor] = {}

    def __call__(self, value: Tensor, values: Mapping[Site, Tensor], offset: int) -> Tensor:
        """`[batch, tokens, d]` -> the same, changed."""
        size = (self.write(value, values, offset) - value).float().norm(dim=-1, keepdim=True)
        direction = self._direction(value.shape[-1]).to(value.device).expand_as(value)
        if self.write.site.stream == "attn_pattern":
            # No weight on tokens that come later; as long as before on those that are seen.
            seen = torch.ones_like(value, dtype=torch.bool).tril(value.shape[-1] - value.shape[-2])
            direction = direction * seen
            direction = direction / direction.norm(dim=-1, keepdim=True).clamp_min(1e-12)
        return (value + (size * direction).to(value.dtype)).to(value.dtype)

    def _direction(self, width: int) -> Tensor:
        """`[width]` of length 1; kept, for it is asked for at every token."""
        if width not in self._drawn:
            drawn = torch.randn(width, generator=torch.Generator().manual_seed(self.seed))
            self._drawn[width] = drawn / drawn.norm()
        return self._drawn[width]


def _run_rows(
    scope: Scope, base: Run, rows: Sequence[Mapping[Site, Write]], read: set[Site], held: Held
) -> Tensor:  # fmt: skip
    """`[batch, tokens, vocab]` logits of one batched forward, row r under `rows[r]`."""
    ids = torch.tensor(base.token_ids).repeat(len(rows), 1)
    writes = RowWrites.of([held.held(row) for row in rows])
    trace = scope.model.trace(ids, read, writes, **held.options)
    assert trace.logits is not None
    return trace.logits.cpu()
