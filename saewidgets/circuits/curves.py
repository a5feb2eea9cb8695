"""How much of the behaviour a circuit of a given size carries: faithfulness and completeness (Marks et al. 2403.19647).

With m the weighted sum of the targets, C a circuit of features, M all of them:

```
faithfulness(C) = (m(C) - m(nothing)) / (m(M) - m(nothing))
completeness(C) = the same of all features but those of C
```

m(C) is measured with every feature outside C ablated at every token, active or not, in the run at hand; so under mean
ablation features that are silent on the prompt speak, and even all active ones together need not reach 1. A good
circuit is faithful (near 1) and without it little is left (near 0). Random circuits of equal size stand beside both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from saewidgets.circuits.changes import Change
from saewidgets.circuits.draws import check_draws, like
from saewidgets.circuits.nodes import FEATURE
from saewidgets.errors import CircuitError, shorten
from saewidgets.interventions.propagation import check_propagation
from saewidgets.payloads.arrays import Array

if TYPE_CHECKING:
    from saewidgets.circuits.experiment import Experiment

CONTROLS = 20


@dataclass(frozen=True, eq=False)
class CircuitCurve:
    """Faithfulness and completeness of the first features of a list.

    Args:
        ablation: `"zero"`, or `"mean"` over `texts` texts.
        error: `"keep"`: what dictionaries leave out is passed on as it is in each run; `"drop"`: it is not.
        propagation: How effects travelled.
        whole: Value of the targets with nothing ablated, m(M).
        empty: With every feature ablated, m(nothing).
        controls: Random circuits of each size.
        seed: Of their draws.
        texts: Texts that the mean is over; 0 for zero ablation.
        order: Ids of the features, in the order in which they come in.
        table: One row a size: size, faithfulness and completeness of the circuit, and `_low`, `_mean`, `_high` of
            random circuits for both.

    Example:
        >>> import saewidgets as sw
        >>> scope = sw.demo()
        >>> graph = scope.attribute("Mira saw a red boat.", max_features=64)
        >>> curve = sw.circuits.faithfulness(sw.circuits.Experiment(scope, graph), sizes=[4, 16], controls=2)
        >>> curve.table["size"].tolist()
        [4, 16]
    """

    ablation: str
    error: str
    propagation: str
    whole: float
    empty: float
    controls: int
    seed: int
    texts: int
    order: tuple[str, ...]
    table: pd.DataFrame

    @property
    def conditions(self) -> str:
        """What the numbers must be read with, for the foot of a view."""
        names = {"free": "free propagation", "frozen_attention": "frozen attention", "direct": "direct effect"}
        to = "zero" if self.ablation == "zero" else f"their mean over {self.texts} texts"
        return (
            f"features outside ablated to {to} · {names[self.propagation]} · error term "
            f"{'kept' if self.error == 'keep' else 'dropped'} · 1 prompt · beside {self.controls} random circuits of "
            f"each size (seed {self.seed})"
        )


def faithfulness(
    experiment: Experiment,
    nodes: Sequence[str] | None = None,
    sizes: Sequence[int] | None = None,
    *,
    ablation: str = "zero",
    texts: Sequence[str | Sequence[int]] = (),
    error: str = "keep",
    propagation: str = "free",
    controls: int = CONTROLS,
    seed: int = 0,
) -> CircuitCurve:
    """Measure circuits of growing size.

    Args:
        experiment: Graph and model.
        nodes: Features in the order in which they come in; a circuit of size n is the first n. `None`: those of the
            graph, by influence.
        sizes: Which n; powers of two and all of them by default.
        ablation: What features are ablated to: `"zero"`, or `"mean"` over `texts`.
        texts: Texts or token ids for the mean, over all their tokens but each one's first.
        error: `"keep"` or `"drop"` what the dictionaries leave out, inside and outside.
        propagation: How effects travel.
        controls: Random circuits of each size: as many features of each dictionary, at random tokens where active.
        seed: Of the draws.

    Returns:
        The curve.

    Raises:
        CircuitError: No such node, size or ablation, or the targets do not depend on the features at all.

    Example:
        >>> import saewidgets as sw
        >>> scope = sw.demo()
        >>> graph = scope.attribute("Mira saw a red boat.", max_features=64)
        >>> curve = faithfulness(sw.circuits.Experiment(scope, graph), sizes=[8], controls=2)
        >>> curve.ablation, curve.error
        ('zero', 'keep')
    """
    graph, c = experiment.graph, experiment.graph.columns
    check_propagation(propagation)
    check_draws(controls)
    if ablation not in ("zero", "mean") or (ablation == "mean") != bool(len(texts)):
        raise CircuitError(
            f"ablation={shorten(ablation)} with {len(texts)} texts.", "Use 'zero', or 'mean' and texts=."
        )
    if error not in ("keep", "drop"):
        raise CircuitError(f"error={shorten(error)}.", "Use 'keep' or 'drop'.")
    if nodes is None:
        order = np.flatnonzero(c.kind == FEATURE)
        order = order[np.argsort(-graph.influence[order], kind="stable")]
    else:
        order = np.array(list(dict.fromkeys(c.numbers(list(nodes)).tolist())), dtype=np.int64)
    if not len(order) or (c.kind[order] != FEATURE).any():
        raise CircuitError("A circuit here is made of features.", "Errors are kept or dropped as a whole by error=.")
    chosen = _sizes(sizes, len(order))
    means = mean_activations(experiment, texts) if ablation == "mean" else None
    rng = np.random.default_rng(seed)
    changes = [Change(means=means, outside=True)]
    for size in chosen:
        drawn = [like(experiment, order[:size], rng, outside=False) for _ in range(controls)]
        for places in (experiment.change(order[:size]).features, *drawn):
            changes += [Change(places, means=means, outside=inside) for inside in (True, False)]
    run = experiment.run_without_errors if error == "drop" else lambda *given: experiment.run(*given).metric
    found = run(changes, propagation).numpy()
    whole = float(experiment.run([Change()], propagation).metric[0])
    empty = float(found[0])
    if abs(whole - empty) < 1e-6 * max(1.0, abs(whole)):
        raise CircuitError("Ablating every feature changes nothing.", "There is nothing to be faithful to.")
    shares = ((found[1:] - empty) / (whole - empty)).reshape(len(chosen), 1 + controls, 2)
    names = [c.ids[n] for n in order]
    table = _table(chosen, shares)
    return CircuitCurve(ablation, error, propagation, whole, empty, controls, seed, len(texts), tuple(names), table)


@torch.no_grad()
def mean_activations(experiment: Experiment, texts: Sequence[str | Sequence[int]]) -> Mapping[str, Tensor]:
    """Key -> `[d_dict]`: mean activation of every feature over all tokens of some texts but each one's first.

    Raises:
        CircuitError: No text has two tokens.
    """
    model, parts = experiment.model, experiment.parts
    sums = {key: torch.zeros_like(dense[0]) for key, dense in experiment.features.items()}
    count = 0
    for text in texts:
        ids = model.tokenize(text) if isinstance(text, str) else tuple(text)
        trace = model.trace(list(ids), {part.site_in for part in parts.values()}, logits=False)
        for key, part in parts.items():
            sums[key] += part.encode(trace.values[part.site_in])[0, 1:].sum(0)
        count += len(ids) - 1
    if not count:
        raise CircuitError("The texts have no token but their first.", "Give longer ones.")
    return {key: total / count for key, total in sums.items()}


def _sizes(sizes: Sequence[int] | None, most: int) -> list[int]:
    if sizes is None:
        return sorted({1 << n for n in range(most.bit_length())} | {most})
    for size in sizes:
        if type(size) is not int or not 0 < size <= most:
            raise CircuitError(f"A circuit of {shorten(size)} features.", f"There are {most} to take.")
    if not len(sizes):
        raise CircuitError("No size is given.", "Give at least one.")
    return sorted(set(sizes))


def _table(sizes: list[int], shares: Array) -> pd.DataFrame:
    """From `[sizes, 1 + controls, 2]`."""
    columns: dict[str, object] = {"size": sizes}
    for place, name in enumerate(("faithfulness", "completeness")):
        random = shares[:, 1:, place]
        columns |= {
            name: shares[:, 0, place],
            f"{name}_low": random.min(1),
            f"{name}_mean": random.mean(1),
            f"{name}_high": random.max(1),
        }
    return pd.DataFrame(columns)
