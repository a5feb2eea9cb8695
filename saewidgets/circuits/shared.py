"""A circuit of a behaviour rather than of a prompt: features that many graphs share, and what goes without them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from saewidgets.circuits.draws import check_draws
from saewidgets.circuits.features import METHODS
from saewidgets.circuits.nodes import FEATURE
from saewidgets.errors import CircuitError, PromptError
from saewidgets.interventions.make import ablate
from saewidgets.runs.control import active_counts, like_edits

if TYPE_CHECKING:
    from saewidgets.circuits.graph import AttributionGraph
    from saewidgets.runs import Run
    from saewidgets.scope import Scope

CONTROLS = 20


def shared_features(graphs: Sequence[AttributionGraph]) -> pd.DataFrame:
    """The features of several graphs, by their mean effect.

    Args:
        graphs: Of prompts that show one behaviour, all by one method.

    Returns:
        One row a feature, the strongest first: feature, label, effect, graphs (in how many it is). Effect is summed
        over tokens and averaged over all graphs: of graphs of autoencoders the effect on the targets, of others the
        influence.

    Raises:
        CircuitError: No graph.

    Example:
        >>> import saewidgets as sw
        >>> scope = sw.demo()
        >>> graphs = [scope.attribute(f"Mira saw a {c} boat.", max_features=32) for c in ("red", "blue")]
        >>> list(shared_features(graphs).columns)
        ['feature', 'label', 'effect', 'graphs']
    """
    if not len(graphs):
        raise CircuitError("No graph is given.", "Give the graphs of several prompts.")
    parts = []
    for graph in graphs:
        c = graph.columns
        at = np.flatnonzero(c.kind == FEATURE)
        effect = c.value if graph.method in METHODS else graph.influence
        features = [c.ids[n].rpartition("@")[0] for n in at]
        table = pd.DataFrame({"feature": features, "label": [c.labels[n] for n in at], "effect": effect[at]})
        parts.append(table.groupby("feature", as_index=False).agg(label=("label", "first"), effect=("effect", "sum")))
    every = pd.concat(parts, ignore_index=True).groupby("feature", as_index=False)
    found = every.agg(label=("label", "first"), effect=("effect", "sum"), graphs=("effect", "size"))
    found["effect"] /= len(graphs)
    return found.sort_values("effect", ascending=False, kind="stable").reset_index(drop=True)


@dataclass(frozen=True, eq=False)
class KnockOut:
    """What is left of a behaviour without some features.

    Args:
        features: Ids of the features that were ablated, at every token.
        controls: Random sets of as many features, of like density in the same dictionaries.
        seed: Of their draws.
        table: One row a prompt: prompt; `before` and `without`, the logit of the right token minus that of the wrong
            one; `low` and `high` of the random sets; `first_before` and `first_without`, whether the right token is
            the most probable one; `first_random`, in what share of the random sets it is.
    """

    features: tuple[str, ...]
    controls: int
    seed: int
    table: pd.DataFrame

    @property
    def accuracy(self) -> tuple[float, float, float]:
        """Share of prompts on which the right token comes first: before, without the features, without random ones."""
        means = self.table[["first_before", "first_without", "first_random"]].mean()
        return float(means.iloc[0]), float(means.iloc[1]), float(means.iloc[2])

    @property
    def conditions(self) -> str:
        """What the numbers must be read with, for the foot of a view."""
        return (
            f"{len(self.features)} features ablated at every token · free propagation · error term kept · "
            f"{len(self.table)} prompts · beside {self.controls} random sets of like density (seed {self.seed})"
        )


def knock_out(
    scope: Scope,
    features: Sequence[str],
    prompts: Sequence[str],
    right: Sequence[str | int],
    wrong: Sequence[str | int],
    *,
    controls: int = CONTROLS,
    seed: int = 0,
) -> KnockOut:
    """Ablate features on prompts, and random features beside them.

    Args:
        scope: Model and dictionaries.
        features: Feature ids.
        prompts: Texts; others than the features were found on.
        right: For each the token that should come, as text or id; of text the first token counts.
        wrong: For each a token that should not.
        controls: Random sets.
        seed: Of the draws.

    Returns:
        What is left.

    Raises:
        CircuitError: Nothing to ablate, or too few controls.
        PromptError: As many prompts as tokens must be given.

    Example:
        >>> import saewidgets as sw
        >>> scope = sw.demo()
        >>> found = knock_out(scope, ["resid_post.1/284"], ["Mira saw a"], [" red"], [" blue"], controls=2)
        >>> len(found.table)
        1
    """
    check_draws(controls)
    if not len(features):
        raise CircuitError("There is nothing to ablate.", "Give at least one feature.")
    if not len(prompts) or not len(prompts) == len(right) == len(wrong):
        raise PromptError(f"{len(prompts)} prompts, {len(right)} and {len(wrong)} tokens.", "Give one of each.")
    edits = [ablate(feature) for feature in dict.fromkeys(features)]
    rows = []
    for number, (prompt, *pair) in enumerate(zip(prompts, right, wrong, strict=True)):
        tokens = [_token(scope, token) for token in pair]
        base = scope.run(prompt)
        generator = torch.Generator().manual_seed(seed + number)
        counts = active_counts(base)
        drawn = [like_edits(edits, counts, generator, scope.model.n_heads) for _ in range(controls)]
        runs = [base, scope.run(prompt, edits, sites=[]), *(scope.run(prompt, one, sites=[]) for one in drawn)]
        margins, firsts = zip(*(_judge(run, *tokens) for run in runs), strict=True)
        rows.append((prompt, *margins[:2], min(margins[2:]), max(margins[2:]), *firsts[:2], float(np.mean(firsts[2:]))))
    names = ["prompt", "before", "without", "low", "high", "first_before", "first_without", "first_random"]
    return KnockOut(tuple(str(f) for e in edits for f in e.features), controls, seed, pd.DataFrame(rows, columns=names))


def _judge(run: Run, right: int, wrong: int) -> tuple[float, bool]:
    last = run.logits[-1]
    return float(last[right] - last[wrong]), int(last.argmax()) == right


def _token(scope: Scope, token: str | int) -> int:
    if isinstance(token, int):
        return token
    tokenizer: Any = scope.model.tokenizer
    ids = [] if tokenizer is None else tokenizer.encode(token, add_special_tokens=False)
    if not ids:
        raise PromptError(f"{token!r} is no token.", "Give text of this tokenizer, or ids.")
    return int(ids[0])
