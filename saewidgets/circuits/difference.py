"""The difference of two graphs: of two prompts, with and without edits, of two checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from saewidgets.circuits.nodes import LOGIT, TOKEN

if TYPE_CHECKING:
    from saewidgets.circuits.graph import AttributionGraph


@dataclass(frozen=True, eq=False)
class GraphDifference:
    """From `base` to `other`.

    Nodes are the same when kind, feature and token are. Tokens of two prompts are aligned: what both prompts have in
    the same order is the same, and where as many tokens stand in one place they answer to each other. Targets are the
    same when their label is.

    Args:
        base: A graph.
        other: Another one.

    Example:
        >>> import saewidgets as sw
        >>> scope = sw.demo()
        >>> one, two = (scope.attribute(f"Mira saw a {c} boat.", max_features=32) for c in ("red", "blue"))
        >>> {"changed", "gone", "new"} <= set(one.difference(two).nodes["status"])
        True
    """

    base: AttributionGraph
    other: AttributionGraph

    @cached_property
    def positions(self) -> dict[int, int]:
        """Position in `other` -> the position in `base` that it answers to; new ones are missing."""
        found: dict[int, int] = {}
        matcher = SequenceMatcher(None, self.base.token_ids, self.other.token_ids, autojunk=False)
        for tag, i1, i2, j1, j2 in matcher.get_opcodes():
            if tag == "equal" or (tag == "replace" and i2 - i1 == j2 - j1):
                found |= dict(zip(range(j1, j2), range(i1, i2), strict=True))
        return found

    @cached_property
    def nodes(self) -> pd.DataFrame:
        """One row a node of either.

        Columns: id (in `base` where it is there), kind, status ("new", "gone", "changed" or "same"), influence and
        activation before and after, and the node's id before and after ("" where it is not).
        """
        tables = []
        for graph, names, when in self._sides:
            table = graph.nodes[["id", "kind", "influence", "activation"]].set_index(np.array(names, dtype=object))
            tables.append(table.add_suffix(when))
        joined = tables[0].join(tables[1], how="outer")
        before, after = joined["kind_before"].notna(), joined["kind_after"].notna()
        moved = (joined["influence_before"] != joined["influence_after"]) | (
            joined["activation_before"] != joined["activation_after"]
        )
        status = np.select([~before, ~after, moved], ["new", "gone", "changed"], "same")
        kind = joined["kind_before"].fillna(joined["kind_after"])
        numbers = [c for c in joined.columns if c.startswith(("influence", "activation"))]
        found = joined[numbers].fillna(0.0).assign(kind=kind, status=status)
        ids = {c: joined[c].fillna("") for c in ("id_before", "id_after")}
        found = found.assign(**ids)
        found.insert(0, "id", np.where(before, joined["id_before"], joined["id_after"]))
        return found.reset_index(drop=True)

    @cached_property
    def edges(self) -> pd.DataFrame:
        """One row an edge of either, by falling absolute change: source, target, before, after, change; 0 for none.

        Source and target are ids of `base` where they are there.
        """
        tables = []
        shown: dict[str, str] = {}
        for graph, names, _ in reversed(self._sides):
            shown |= dict(zip(names, graph.columns.ids, strict=True))
        for graph, names, _ in self._sides:
            table = graph.edges
            own = dict(zip(graph.columns.ids, names, strict=True))
            table[["source", "target"]] = table[["source", "target"]].replace(own)
            tables.append(table.set_index(["source", "target"])["weight"])
        found = pd.concat(tables, axis=1, keys=["before", "after"]).fillna(0.0)
        found["change"] = found["after"] - found["before"]
        order = np.argsort(-found["change"].abs().to_numpy(), kind="stable")
        found = found.iloc[order].reset_index()
        return found.assign(**{side: found[side].map(shown) for side in ("source", "target")})

    @cached_property
    def _sides(self) -> tuple[tuple[AttributionGraph, list[str], str], ...]:
        same = {p: p for p in range(len(self.base.tokens))}
        return (
            (self.base, _names(self.base, same), "_before"),
            (self.other, _names(self.other, self.positions), "_after"),
        )


def _names(graph: AttributionGraph, positions: dict[int, int]) -> list[str]:
    """Names that mean the same in two graphs: a token with its text, a target with its label."""
    c, names, seen = graph.columns, [], dict[str, int]()
    for n, own in enumerate(c.ids):
        at = int(c.position[n])
        place = str(positions[at]) if at in positions else f"new {at}"
        name = own.rpartition("@")[0]
        if c.kind[n] == TOKEN:
            name = f"token {_text(graph.tokens, at)}"
        elif c.kind[n] == LOGIT:
            name = f"logit {c.labels[n]}"
        name = f"{name}@{place}"
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return names


def _text(tokens: tuple[str, ...], at: int) -> str:
    return tokens[at] if at < len(tokens) else ""
