"""The control of a causal claim: the same edit on random features, and random directions of the same norm.

An ablation that moves a prediction says something about a feature only if random features of like density, and
changes of the same size in random directions, do not move it as much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from saewidgets.interventions.edits import Edit
from saewidgets.interventions.writes import SiteWrite, make_writes
from saewidgets.payloads import Control
from saewidgets.runs.run import Run, kl_divergence
from saewidgets.sites import FeatureId, Site

if TYPE_CHECKING:
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

    Returns:
        Smallest and greatest effect over the draws.
    """
    generator = torch.Generator().manual_seed(seed)
    lists = [like_edits(edits, base, generator) for _ in range(n)]
    writes: list[Mapping[Site, object]] = [make_writes(chosen, scope.dictionaries) for chosen in lists]
    real = make_writes(edits, scope.dictionaries)
    writes += [{s: RandomDirection(w, seed * n + i) for s, w in real.items()} for i in range(n)]
    log_p = base.log_probabilities(list(positions))
    low, high = torch.ones(words.shape), torch.zeros(words.shape)
    kl = torch.zeros(2 * n, len(positions))
    rows = max(1, _BATCH_TOKENS // base.n_tokens)
    for start in range(0, 2 * n, rows):
        check()
        batch = writes[start : start + rows]
        if progress is not None:
            progress(start, 2 * n, "control")
        log_q = _run_rows(scope, base, batch)[:, list(positions)].float().log_softmax(-1)
        for row, one in enumerate(log_q, start):
            kl[row] = kl_divergence(log_p, one)
            if row < n:
                p = one.gather(1, words).exp()
                low, high = torch.minimum(low, p), torch.maximum(high, p)
    check()

    def spread(values: Tensor) -> Tensor:
        return torch.stack([values.min(0).values, values.max(0).values], dim=1)

    return Control(n, seed, low.numpy(), high.numpy(), spread(kl[:n]).numpy(), spread(kl[n:]).numpy())


def like_edits(edits: Sequence[Edit], base: Run, generator: torch.Generator) -> tuple[Edit, ...]:
    """The same edits on random features of like density.

    Each is drawn from the twenty features of its dictionary (more for long lists of edits) whose number of active
    tokens in this prompt is nearest to the edited feature's.
    """
    taken = {edit.feature for edit in edits}
    swapped: dict[FeatureId, FeatureId] = {}
    for edit in edits:
        if edit.feature in swapped:
            continue
        sparse = base.features[edit.feature.dictionary]
        counts = torch.bincount(sparse.index, minlength=sparse.d_dict)
        target = int(counts[edit.feature.index])
        used = {f.index for f in (*taken, *swapped.values()) if f.dictionary == edit.feature.dictionary}
        pool = [i for i in counts.nonzero()[:, 0].tolist() if i not in used]
        pool.sort(key=lambda i: (abs(int(counts[i]) - target), i))
        pool = pool[: max(20, 2 * len(edits))] or [i for i in range(sparse.d_dict) if i not in used][:20]
        if not pool:
            swapped[edit.feature] = edit.feature
            continue
        pick = pool[int(torch.randint(len(pool), (1,), generator=generator))]
        swapped[edit.feature] = FeatureId(edit.feature.dictionary, pick)
    return tuple(replace(edit, feature=swapped[edit.feature]) for edit in edits)


class RandomDirection:
    """A write that changes each token by as much as another write does, in one random direction.

    Args:
        write: The write whose size is matched.
        seed: Of the direction.
    """

    def __init__(self, write: SiteWrite, seed: int) -> None:
        self.write = write
        self.seed = seed

    def __call__(self, value: Tensor, values: Mapping[Site, Tensor], offset: int) -> Tensor:
        """`[batch, tokens, d]` -> the same, changed."""
        size = (self.write(value, values, offset) - value).float().norm(dim=-1, keepdim=True)
        direction = torch.randn(value.shape[-1], generator=torch.Generator().manual_seed(self.seed))
        direction = (direction / direction.norm()).to(value.device)
        return (value + (size * direction).to(value.dtype)).to(value.dtype)


def _run_rows(scope: Scope, base: Run, writes: Sequence[Mapping[Site, object]]) -> Tensor:
    """`[batch, tokens, vocab]` logits of one batched forward, row r under `writes[r]`."""
    read: set[Site] = {s for row in writes for write in row.values() for s in _reads(write)}
    sites: set[Site] = {s for row in writes for s in row}

    def at(site: Site):  # type: ignore[no-untyped-def]
        def write(value: Tensor, values: Mapping[Site, Tensor], offset: int) -> Tensor:
            result = value.clone()
            for r, row in enumerate(writes):
                if site in row:
                    own = {s: v[r : r + 1] for s, v in values.items()}
                    result[r : r + 1] = row[site](value[r : r + 1], own, offset)  # type: ignore[operator]
            return result

        return write

    ids = torch.tensor(base.token_ids).repeat(len(writes), 1)
    trace = scope.model.trace(ids, list(read), {s: at(s) for s in sites})
    assert trace.logits is not None
    return trace.logits.cpu()


def _reads(write: object) -> set[Site]:
    inner = write.write if isinstance(write, RandomDirection) else write
    assert isinstance(inner, SiteWrite)
    return {dictionary.site_in for dictionary, _ in inner.steps}
