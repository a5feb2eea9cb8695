"""Circuits of the embedded model's behaviours, found by attribution and named by what the grammar put where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from saewidgets.circuits.nodes import FEATURE
from saewidgets.circuits.shared import KnockOut, knock_out, shared_features
from saewidgets.circuits.targets import Target
from saewidgets.demo.behaviours import Prompt, prompts

if TYPE_CHECKING:
    from saewidgets.circuits.graph import AttributionGraph
    from saewidgets.scope import Scope

#: Where each behaviour is looked for, and how many features its circuit has.
CIRCUITS = {
    "indirect object": (("attn_out.1", "resid_post.1", "attn_out.2", "resid_post.2"), 8),
    "word induction": (("attn_out.1", "attn_out.2"), 16),
}
FOUND_ON, TESTED_ON = 12, 12


@dataclass(frozen=True, eq=False)
class BehaviourCircuit:
    """The circuit of a behaviour.

    Args:
        behaviour: Its name in `saewidgets.demo.behaviours`.
        features: One row a feature: feature, label (of the report card), effect, graphs, role (the place in the prompts
            at which most of its effect is), share (of its effect at that place).
        graphs: One for each prompt it was found on.
        found_on: Those prompts.
        held_out: Others, that the model gets right too.
    """

    behaviour: str
    features: pd.DataFrame
    graphs: tuple[AttributionGraph, ...]
    found_on: tuple[Prompt, ...]
    held_out: tuple[Prompt, ...]

    def knock_out(self, scope: Scope, controls: int = 20, seed: int = 0) -> KnockOut:
        """Ablate the circuit on the prompts it was not found on, and random features beside it."""
        texts, right, wrong = zip(*((p.text, p.right, p.wrong) for p in self.held_out), strict=True)
        return knock_out(scope, list(self.features["feature"]), texts, right, wrong, controls=controls, seed=seed)

    def groups(self, graph: AttributionGraph) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The circuit's nodes in a graph, by role, for `graph.mark(groups=...)`."""
        found: dict[str, list[str]] = {}
        role = dict(zip(self.features["feature"], self.features["role"], strict=True))
        for name in graph.columns.ids:
            feature = name.rpartition("@")[0]
            if feature in role:
                found.setdefault(str(role[feature]), []).append(name)
        return tuple((role, tuple(names)) for role, names in found.items())


def find_circuit(
    scope: Scope, behaviour: str, found_on: int = FOUND_ON, held_out: int = TESTED_ON
) -> BehaviourCircuit:  # fmt: skip
    """Find the circuit of a behaviour on prompts that the model gets right.

    Each prompt's graph explains the right token minus the wrong one, by integrated gradients on autoencoders (Marks et
    al. 2403.19647). The circuit is what has the greatest mean effect.

    Args:
        scope: The embedded model.
        behaviour: A key of `CIRCUITS`.
        found_on: Number of prompts it is found on.
        held_out: Number of prompts kept for `knock_out`.

    Returns:
        The circuit.

    Example:
        >>> import saewidgets as sw
        >>> circuit = find_circuit(sw.demo(), "indirect object", found_on=2, held_out=1)
        >>> circuit.features.columns.tolist()
        ['feature', 'label', 'effect', 'graphs', 'role', 'share']
    """
    keys, size = CIRCUITS[behaviour]
    chosen = _mastered(scope, behaviour, found_on + held_out)
    first, others = chosen[:found_on], chosen[found_on:]
    dictionaries = {key: scope.dictionaries[key] for key in keys}
    graphs = [
        scope.attribute(
            p.text, Target(_first(scope, p.right), minus=_first(scope, p.wrong)), method="sae-ig",
            dictionaries=dictionaries, max_features=400,
        )
        for p in first
    ]  # fmt: skip
    features = shared_features(graphs).head(size)
    roles = _roles(scope, behaviour, graphs, first, set(features["feature"]))
    features = features.assign(
        role=[max(roles[f], key=lambda r: roles[f][r]) for f in features["feature"]],
        share=[max(roles[f].values()) / sum(roles[f].values()) for f in features["feature"]],
    )
    return BehaviourCircuit(behaviour, features, tuple(graphs), tuple(first), tuple(others))


def role_of(behaviour: str, ids: Sequence[int], right: int, wrong: int) -> list[str]:
    """What every token of a prompt is to the behaviour, by how the grammar made it.

    Args:
        behaviour: Which.
        ids: The prompt.
        right: First token of the right continuation.
        wrong: That of the wrong one.
    """
    names = ["elsewhere"] * len(ids)
    if behaviour == "indirect object":
        subject = [n for n, token in enumerate(ids) if token == wrong]
        for n in subject[1:2]:
            names[n + 1 :] = ["after the giver again"] * len(names[n + 1 :])
        for n, token in enumerate(ids):
            if token == right:
                names[n] = "the receiver"
        for name, n in zip(("the giver", "the giver again"), subject, strict=False):
            names[n] = name
        names[-1] = "last token"
        return names
    # A list and its beginning said again: its last word, perhaps with a comma, is what was before, the first time.
    followed = max((n for n, token in enumerate(ids[:-1]) if token == right), default=0)
    for back in (2, 1):
        if followed >= back:
            names[followed - back] = "the word before"
        names[-back] = "the word said again"
    names[followed] = "what followed"
    return names


def _roles(
    scope: Scope, behaviour: str, graphs: Sequence[AttributionGraph], chosen: Sequence[Prompt], features: set[str]
) -> dict[str, dict[str, float]]:
    """Feature -> role -> absolute effect there, over all graphs."""
    found: dict[str, dict[str, float]] = {feature: {} for feature in features}
    for graph, prompt in zip(graphs, chosen, strict=True):
        c = graph.columns
        names = role_of(behaviour, graph.token_ids, _first(scope, prompt.right), _first(scope, prompt.wrong))
        for n in np.flatnonzero(c.kind == FEATURE):
            feature = c.ids[n].rpartition("@")[0]
            if feature in features:
                role = names[int(c.position[n])]
                found[feature][role] = found[feature].get(role, 0.0) + abs(float(c.value[n]))
    return found


def _mastered(scope: Scope, behaviour: str, count: int) -> list[Prompt]:
    """The first prompts on which the right token comes first."""
    found: list[Prompt] = []
    for prompt in prompts(behaviour):
        right, wrong = _first(scope, prompt.right), _first(scope, prompt.wrong)
        if right != wrong and int(scope.run(prompt.text, sites=[]).logits[-1].argmax()) == right:
            found.append(prompt)
        if len(found) == count:
            break
    return found


def _first(scope: Scope, text: str) -> int:
    tokenizer: Any = scope.model.tokenizer
    return int(tokenizer.encode(text, add_special_tokens=False)[0])
