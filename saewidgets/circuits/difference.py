"""The difference of two graphs: of two prompts, with and without an edit, of two checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from saewidgets.circuits.graph import AttributionGraph


@dataclass(frozen=True, eq=False)
class GraphDifference:
    """From `base` to `other`. Nodes are the same when kind, feature and position are; targets also by their token.

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
    def nodes(self) -> pd.DataFrame:
        """One row a node of either: id, kind, status, influence and activation before and after.

        Status is "new", "gone", "changed" or "same".
        """
        columns = ["id", "kind", "influence", "activation"]
        before_and_after = zip((self.base, self.other), ("_before", "_after"), strict=True)
        tables = [_named(graph)[columns].set_index("id").add_suffix(when) for graph, when in before_and_after]
        joined = tables[0].join(tables[1], how="outer")
        before, after = joined["kind_before"].notna(), joined["kind_after"].notna()
        moved = (joined["influence_before"] != joined["influence_after"]) | (
            joined["activation_before"] != joined["activation_after"]
        )
        status = np.select([~before, ~after, moved], ["new", "gone", "changed"], "same")
        kind = joined["kind_before"].fillna(joined["kind_after"])
        found = joined.drop(columns=["kind_before", "kind_after"]).fillna(0.0)
        return found.assign(kind=kind, status=status).reset_index()

    @cached_property
    def edges(self) -> pd.DataFrame:
        """One row an edge of either, by falling absolute change: source, target, before, after, change; 0 for none."""
        tables = []
        for graph in (self.base, self.other):
            names = dict(zip(graph.columns.ids, _named(graph)["id"], strict=True))
            table = graph.edges
            table[["source", "target"]] = table[["source", "target"]].replace(names)
            tables.append(table.set_index(["source", "target"])["weight"])
        found = pd.concat(tables, axis=1, keys=["before", "after"]).fillna(0.0)
        found["change"] = found["after"] - found["before"]
        order = np.argsort(-found["change"].abs().to_numpy(), kind="stable")
        return found.iloc[order].reset_index()


def _named(graph: AttributionGraph) -> pd.DataFrame:
    """Nodes under ids that mean the same in two graphs: a token with its text, a target with its label."""
    table = graph.nodes
    targets, tokens = table["kind"] == "logit", table["kind"] == "token"
    count = table[targets].groupby(["label", "position"]).cumcount().astype(str)
    table.loc[targets, "id"] = "logit " + table["label"] + "@" + table["position"].astype(str) + "#" + count
    table.loc[tokens, "id"] = table["id"] + " " + table["token"]
    return table
