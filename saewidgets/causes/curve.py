"""The ablate-top-K curve (GradSAE, Shu et al. 2025): does a ranking find the features a prediction rests on?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from saewidgets.causes.controls import N_CONTROLS, Conditions, as_large, draws, random_like, same_norm
from saewidgets.causes.prepared import Prepared, prepare
from saewidgets.causes.rows import Row, run_rows
from saewidgets.causes.shown import Shown, foot
from saewidgets.causes.source import replayable
from saewidgets.dictionaries import Dictionary
from saewidgets.errors import EditError, PromptError, shorten
from saewidgets.explain.bootstrap import interval
from saewidgets.explain.contexts import Texts, as_rows
from saewidgets.explain.encoded import Encoded
from saewidgets.payloads.causal_report import CausalCurve, CausalReport

if TYPE_CHECKING:
    from saewidgets.scope import Scope

Array = np.ndarray[Any, Any]
# The last three are controls: random active features; changes of the norm of the first ranking's, in a random
# direction; the first ranking in random dictionaries.
RANKINGS = ("influence", "integrated", "activation", "bottom", "random", "direction", "random dictionary")


@dataclass(frozen=True, eq=False)
class AblationCurve(Shown):
    """What is left of a prediction when the first K features of a ranking are taken out.

    Args:
        ratio: `[prompts, rankings, K]` probability of the predicted token after / before.
        kept: `[prompts, rankings, K]` whether it is still the likeliest.
        rankings: Names of the rankings.
        ks: The numbers of features.
        conditions: Error policy, propagation, prompts, controls.
        scope: The model and its dictionaries.
        key: The dictionary.
        source: The call that made it.
    """

    ratio: Array
    kept: Array
    rankings: tuple[str, ...]
    ks: tuple[int, ...]
    conditions: Conditions
    scope: Scope
    key: str
    source: str = ""

    def to_frame(self) -> pd.DataFrame:
        """One row a ranking and K.

        Returns:
            Columns ranking, k, ratio (mean), low, high (95 % bootstrap interval over prompts), kept (share of prompts);
            error, propagation, prompts.
        """
        rows = []
        for r, name in enumerate(self.rankings):
            for j, k in enumerate(self.ks):
                mean = interval([self.ratio[:, r, j].tolist()], seed=self.conditions.seed)
                rows.append((name, k, mean.value, mean.low, mean.high, float(self.kept[:, r, j].mean())))
        frame = pd.DataFrame(rows, columns=["ranking", "k", "ratio", "low", "high", "kept"])
        return frame.assign(**self.conditions.columns())

    def difference(self, first: str = "activation", second: str = "influence") -> pd.DataFrame:
        """How much more the second ranking takes away than the first, prompt by prompt.

        Returns:
            Columns k, difference (mean ratio of the first minus the second), low, high (95 % bootstrap interval).

        Raises:
            EditError: No such ranking.
        """
        for name in (first, second):
            if name not in self.rankings:
                raise EditError(f"No ranking {shorten(name)}.", f"There are {', '.join(self.rankings)}.")
        gap = self.ratio[:, self.rankings.index(first)] - self.ratio[:, self.rankings.index(second)]
        found = [interval([gap[:, j].tolist()], seed=self.conditions.seed) for j in range(len(self.ks))]
        rows = [(k, one.value, one.low, one.high) for k, one in zip(self.ks, found, strict=True)]
        return pd.DataFrame(rows, columns=["k", "difference", "low", "high"])

    @property
    def page(self) -> CausalReport:
        """What a notebook shows of it."""
        curves = []
        for name, part in self.to_frame().groupby("ranking", sort=False):
            mean, low, high = (part[column].to_numpy() for column in ("ratio", "low", "high"))
            curves.append(CausalCurve(str(name), mean, low, high, name in RANKINGS[-3:]))
        return CausalReport(
            "What is left of the prediction without the first K features", self.verdict, str(self.conditions),
            foot(self.scope, self.key, self.source), xs=np.array(self.ks),
            axes=("K", "probability of the predicted token, after / before; mean and 95 % over prompts"),
            curves=tuple(curves),
        )  # fmt: skip

    @property
    def verdict(self) -> str:
        """One sentence: at which K influence finds more than every control does."""
        influence = self.ratio[:, self.rankings.index("influence")]
        beaten = []
        for j, k in enumerate(self.ks):
            gaps = [self.ratio[:, self.rankings.index(c), j] - influence[:, j] for c in RANKINGS[-3:]]
            if all(interval([gap.tolist()], seed=self.conditions.seed).low > 0 for gap in gaps):
                beaten.append(str(k))
        if not beaten:
            return "Nothing beats the control: the top features by influence matter no more than the controls do."
        return f"The top features by influence matter more than every control at K = {', '.join(beaten)}."


@replayable
def ablation_curve(
    scope: Scope, prompts: Texts, dictionary: str | None = None, ks: Sequence[int] = (1, 2, 4, 8),
    *, position: int = -1, at: str = "target", steps: int = 8, controls: int = N_CONTROLS, seed: int = 0,
    randoms: Sequence[Dictionary] | None = None, propagation: str = "free", error: str = "kept",
) -> AblationCurve:  # fmt: skip
    """Take out the first K active features of several rankings, and see what is left of the likeliest next token.

    On the embedded model influence is far ahead of activation when features are ranked over all tokens, and is not
    among the few of the last token alone: a gradient is a local promise.

    Args:
        scope: A model with its dictionaries.
        prompts: Contexts.
        dictionary: Key; the scope's default one if None.
        ks: Numbers of features.
        position: After which token the prediction is made.
        at: `"target"`: features of that token; `"all"`: features by their mean over all tokens, out wherever active.
        steps: Steps of integrated gradients.
        controls: Random dictionaries and directions, which are averaged over.
        seed: Of the draws.
        randoms: From `random_like`; by default fitted to these prompts.
        propagation: `"free"`, `"frozen_attention"` or `"direct"`, as in `patch_map`.
        error: `"kept"` or `"dropped"`: the dictionary's error term, before and after.

    Returns:
        The curve.

    Raises:
        PromptError: The position is outside a prompt.
        SiteError: No such dictionary.

    Example:
        >>> import saewidgets as sw
        >>> texts = ["The queen went home when", "Today is Monday. Tomorrow will be"]
        >>> curve = ablation_curve(sw.demo(), texts, "resid_post.1@small", ks=(1, 2), controls=2)
        >>> curve.to_frame().columns.tolist()
        ['ranking', 'k', 'ratio', 'low', 'high', 'kept', 'error', 'propagation', 'prompts']
    """
    if at not in ("target", "all"):
        raise EditError(f"Features at {shorten(at)}.", "Use at='target' or at='all'.")
    key = scope.default_site if dictionary is None else scope.key(dictionary)
    contexts, sizes = as_rows(scope, prompts), tuple(sorted({draws(k) for k in ks}))
    others = random_like(scope, key, contexts, controls, seed) if randoms is None else tuple(randoms)
    draw, ratio, kept = np.random.default_rng(seed), [], []
    conditions = Conditions(len(contexts), draws(controls), seed, error, propagation)
    for ids in contexts:
        ready = prepare(scope, ids, key, None, position, conditions)
        encoded = ready.encode(key, scope.dictionaries[key])
        sets = [_groups(ready, encoded, at, sizes, name, steps, draw) for name in RANKINGS[:5]]
        deltas = [[[encoded.written(part)] for part in ranking] for ranking in sets]
        deltas.append([same_norm(one, controls, int(draw.integers(2**31))) for [one] in deltas[0]])
        compared = [ready.encode(key, other) for other in others]
        found = [_groups(ready, one, at, sizes, "influence", steps, draw) for one in compared]
        deltas.append(
            [
                [as_large(e.written(g[j]), like) for e, g in zip(compared, found, strict=True)]
                for j, [like] in enumerate(deltas[0])
            ]
        )
        before, after, same = _predict(ready, [delta for ranking in deltas for group in ranking for delta in group])
        # A ranking with several draws counts by their mean.
        cells = np.split(np.arange(len(after)), np.cumsum([len(group) for ranking in deltas for group in ranking])[:-1])
        shape = (len(RANKINGS), len(sizes))
        ratio.append(np.reshape([after[cell].mean() / before for cell in cells], shape))
        kept.append(np.reshape([same[cell].mean() for cell in cells], shape))
    return AblationCurve(np.stack(ratio), np.stack(kept), RANKINGS, sizes, conditions, scope, key)


def _groups(
    ready: Prepared, encoded: Encoded, at: str, ks: Sequence[int], ranking: str, steps: int, draw: np.random.Generator
) -> list[Tensor]:  # fmt: skip
    """Activations of the first K features of a ranking, for each K."""
    members = ready.features(encoded)
    if at == "target":
        place = ready.target.position
        if place < ready.first:
            raise PromptError("The prediction follows a begin-of-sequence token.", "Give a prompt with text.")
        members = {i: e[encoded.sparse.rows[e] == place] for i, e in members.items()}
        members = {i: e for i, e in members.items() if len(e)}
    parts = list(members.values())
    if ranking == "activation":
        score = encoded.sparse.value.numpy()
    elif ranking == "integrated":
        score = encoded.along(ready.integrated(encoded, steps))
    else:
        score = encoded.along(ready.gradient)
    worth = np.array([score[part.numpy()].sum() for part in parts])
    order = draw.permutation(len(parts)) if ranking == "random" else np.argsort(-worth, kind="stable")
    order = order[::-1] if ranking == "bottom" else order
    empty = torch.zeros(0, dtype=torch.long)
    return [torch.cat([empty, *(parts[i] for i in order[:k])]) for k in ks]


def _predict(ready: Prepared, deltas: Sequence[Tensor]) -> tuple[float, Array, Array]:
    """Probability of the target's token before; after each delta is taken out; whether it is still the likeliest."""
    place, token = ready.target.position, ready.target.token
    rows: list[Row] = [ready.base, *map(ready.without, deltas)]
    p, best = [], []
    assert token is not None
    for _, trace in run_rows(ready.scope, ready.ids, rows, held=ready.held):
        assert trace.logits is not None
        distribution = trace.logits[:, place].double().softmax(-1).cpu()
        p.append(distribution[:, token])
        best.append(distribution.argmax(1).eq(token))
    after, same = torch.cat(p).numpy(), torch.cat(best).numpy()
    return float(after[0]), after[1:], same[1:]
