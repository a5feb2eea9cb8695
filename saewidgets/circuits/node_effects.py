"""Predicted and measured effect of nodes of a graph, with random circuits beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from saewidgets.circuits.changes import Change
from saewidgets.circuits.draws import check_draws, directions, like
from saewidgets.circuits.nodes import FEATURE, KINDS, LOGIT
from saewidgets.circuits.predict import effects, members_of
from saewidgets.payloads.arrays import Array

if TYPE_CHECKING:
    from saewidgets.circuits.experiment import Experiment, Outcome

CONTROLS = 20


@dataclass(frozen=True, eq=False)
class NodeEffects:
    """What scaling some nodes does to others, on one prompt.

    Args:
        nodes: Ids of the nodes that were scaled.
        factor: By what.
        propagation: How effects travelled.
        controls: Random circuits, and random directions, that were measured beside it.
        seed: Of their draws.
        table: One row a feature or target: id, kind, label, before, predicted, measured; `low` and `high` of the
            random circuits, `direction_low` and `direction_high` of random directions; for targets the probability
            of the token before and after. In units of pre-activation (of activation for autoencoders); of the
            target's value for logits.

    Example:
        >>> import saewidgets as sw
        >>> scope = sw.demo()
        >>> graph = scope.attribute("Mira saw a red boat.", max_features=64)
        >>> found = scope.intervene_on(graph, graph.nodes["id"][0], propagation="direct")
        >>> bool(abs(found.table["predicted"] - found.table["measured"]).max() < 1e-3)
        True
    """

    nodes: tuple[str, ...]
    factor: float
    propagation: str
    controls: int
    seed: int
    table: pd.DataFrame

    @property
    def targets(self) -> pd.DataFrame:
        """The rows of the targets."""
        return self.table[self.table["kind"] == "logit"].reset_index(drop=True)

    @property
    def conditions(self) -> str:
        """What the numbers must be read with, for the foot of a view."""
        names = {"free": "free propagation", "frozen_attention": "frozen attention", "direct": "direct effect"}
        return (
            f"{names[self.propagation]} · error term kept · 1 prompt · beside {self.controls} random circuits of like "
            f"layer, token and size and {self.controls} random directions of equal norm (seed {self.seed})"
        )

    def code(self) -> str:
        """The call that gives these numbers again, on a `scope` and a `graph`."""
        options = f"factor={self.factor!r}, propagation={self.propagation!r}"
        options += f", controls={self.controls}, seed={self.seed}"
        return f"scope.intervene_on(graph, {list(self.nodes)!r}, {options})"


def measure(
    experiment: Experiment,
    nodes: str | Sequence[str],
    factor: float = 0.0,
    *,
    propagation: str = "frozen_attention",
    on: Sequence[str] | None = None,
    controls: int = CONTROLS,
    seed: int = 0,
) -> NodeEffects:
    """Scale nodes in the model and compare with what the graph says.

    Under `"direct"` the prediction is the sum of the nodes' edges, and exact. Otherwise it is the total effect through
    the graph, features moving as their pre-activations do: the measured effect differs by what norms, attention,
    features that were not active and the errors do.

    Args:
        experiment: Graph and model.
        nodes: Ids of features, errors or tokens, or the label of a group, changed together.
        factor: What they are multiplied by; 0 ablates.
        propagation: `"direct"`, `"frozen_attention"` or `"free"`.
        on: Ids of the features whose values are wanted; `None` for all. Targets are there always.
        controls: Random circuits, and random directions.
        seed: Of the draws.

    Returns:
        The effects.

    Raises:
        CircuitError, EditError: No such node, factor, mode or number of controls.
    """
    graph, c = experiment.graph, experiment.graph.columns
    members = members_of(graph, nodes)
    direct, total = effects(graph, members, factor)
    check_draws(controls)
    wanted = c.kind == FEATURE
    if on is not None:
        wanted &= np.isin(np.arange(len(c)), c.numbers(list(on)))
    wanted[members] = False
    features, logits = np.flatnonzero(wanted), np.flatnonzero(c.kind == LOGIT)
    real = experiment.change(members, factor)
    changes = [Change(), real, *_controls(experiment, members, real, factor, controls, seed)]
    out = experiment.run(changes, propagation, features)
    at = np.concatenate([features, logits])
    moved = torch.cat([out.values - out.values[:1], out.targets - out.targets[:1]], 1).numpy()
    random, along = moved[2 : 2 + controls], moved[2 + controls :]
    predicted = (direct if propagation == "direct" else total)[at]
    table = pd.DataFrame(
        {
            "id": [c.ids[n] for n in at],
            "kind": [KINDS[c.kind[n]] for n in at],
            "label": [c.labels[n] for n in at],
            "before": np.concatenate([out.values[0].numpy(), out.targets[0].numpy()]),
            "predicted": predicted,
            "measured": moved[1],
            "low": random.min(0),
            "high": random.max(0),
            "direction_low": along.min(0),
            "direction_high": along.max(0),
            **_probabilities(out, len(features)),
        }
    )
    return NodeEffects(tuple(c.ids[n] for n in members), float(factor), propagation, controls, seed, table)


def _probabilities(out: Outcome, features: int) -> dict[str, Array]:
    nothing = np.zeros(features, dtype="float32")
    rows = zip(("before", "after"), out.probabilities[:2].numpy(), strict=True)
    return {f"probability_{when}": np.concatenate([nothing, row]) for when, row in rows}


def _controls(
    experiment: Experiment, members: Array, real: Change, factor: float, controls: int, seed: int
) -> list[Change]:
    """Random circuits of like size, and random directions of equal norm."""
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    made: list[Change] = []
    for _ in range(controls):
        added = _other_places(real, rng)
        made.append(Change(like(experiment, members, rng), factor, added=added))
    return made + [Change(added=directions(experiment, real, generator)) for _ in range(controls)]


def _other_places(change: Change, rng: np.random.Generator) -> dict[Any, Tensor]:
    """What errors and tokens among the nodes write, at random other tokens."""
    found = {}
    for site, vector in change.added.items():
        order = torch.from_numpy(rng.permutation(len(vector) - 1) + 1) if len(vector) > 1 else torch.zeros(0).long()
        found[site] = torch.cat([vector[:1], vector[order.to(vector.device)]])
    return found
