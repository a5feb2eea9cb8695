"""What a model writes while a feature is held at a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from saewidgets.explain.chosen import choose_one
from saewidgets.explain.contexts import Texts, as_rows, per_forward
from saewidgets.interventions import clamp
from saewidgets.interventions.writes import make_writes
from saewidgets.runs.tokens import payload_tokens
from saewidgets.sites import FeatureId

if TYPE_CHECKING:
    from saewidgets.scope import Scope


@torch.no_grad()
def steered_texts(
    scope: Scope,
    feature: str | FeatureId,
    prompts: Texts,
    value: float,
    *,
    n: int = 10,
    length: int = 16,
    seed: int = 0,
) -> list[str]:
    """Continuations sampled with a feature clamped at every position, error term kept.

    Args:
        scope: A model with its dictionaries and a tokenizer.
        feature: `"resid_post.2/17"`.
        prompts: Beginnings, used in turn.
        value: What the feature is clamped to.
        n: Number of continuations.
        length: Tokens of each.
        seed: Of the sampling.

    Returns:
        The continuations alone.
    """
    chosen, rows = choose_one(scope, feature), as_rows(scope, prompts)
    writes = make_writes([clamp(chosen.names[0], value)], scope.dictionaries)
    generator = torch.Generator().manual_seed(seed)
    texts = []
    for number, row in enumerate(rows[:n]):
        wanted = len(range(number, n, len(rows)))
        step = per_forward(len(row) + length, scope.model.vocab_size)
        for size in [step] * (wanted // step) + [wanted % step] * (wanted % step > 0):
            ids = torch.tensor(row).repeat(size, 1)
            for _ in range(length):
                trace = scope.model.trace(ids, [chosen.dictionary.site_in], writes)
                assert trace.logits is not None
                p = trace.logits[:, -1].float().softmax(-1).cpu()
                ids = torch.cat([ids, torch.multinomial(p, 1, generator=generator)], 1)
            texts += ["".join(payload_tokens(scope.model.tokenizer, r).text) for r in ids[:, len(row) :].tolist()]
    return texts
