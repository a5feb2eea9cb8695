"""Circuits: attribution graphs of features, error terms, tokens and logits, and what can be done with them.

>>> import saewidgets as sw
>>> graph = sw.demo().attribute("Mira saw a red boat.", max_features=64)
>>> pruned = graph.prune(nodes=0.8, edges=0.98)
>>> len(pruned.nodes) < len(graph.nodes)
True
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Looked up late: a graph opens without torch, computing one needs it.
_HOMES = {
    "AttributionGraph": "saewidgets.circuits.graph",
    "GraphScores": "saewidgets.payloads.influence",
    "GraphDifference": "saewidgets.circuits.difference",
    "Grouping": "saewidgets.circuits.grouping",
    "Marks": "saewidgets.circuits.marks",
    "Target": "saewidgets.circuits.targets",
    "Attribution": "saewidgets.circuits.attribution",
    "Estimate": "saewidgets.circuits.attribution",
    "Change": "saewidgets.circuits.changes",
    "CircuitCurve": "saewidgets.circuits.curves",
    "Experiment": "saewidgets.circuits.experiment",
    "NodeEffects": "saewidgets.circuits.node_effects",
    "faithfulness": "saewidgets.circuits.curves",
    "feature_circuit": "saewidgets.circuits.features",
    "head_edges": "saewidgets.circuits.heads",
    "KnockOut": "saewidgets.circuits.shared",
    "knock_out": "saewidgets.circuits.shared",
    "measure": "saewidgets.circuits.node_effects",
    "propose_groups": "saewidgets.circuits.proposals",
    "shared_features": "saewidgets.circuits.shared",
}
__all__ = list(_HOMES)

if TYPE_CHECKING:
    from saewidgets.circuits.attribution import Attribution as Attribution
    from saewidgets.circuits.attribution import Estimate as Estimate
    from saewidgets.circuits.changes import Change as Change
    from saewidgets.circuits.curves import CircuitCurve as CircuitCurve
    from saewidgets.circuits.curves import faithfulness as faithfulness
    from saewidgets.circuits.difference import GraphDifference as GraphDifference
    from saewidgets.circuits.experiment import Experiment as Experiment
    from saewidgets.circuits.features import feature_circuit as feature_circuit
    from saewidgets.circuits.graph import AttributionGraph as AttributionGraph
    from saewidgets.circuits.grouping import Grouping as Grouping
    from saewidgets.circuits.heads import head_edges as head_edges
    from saewidgets.circuits.marks import Marks as Marks
    from saewidgets.circuits.node_effects import NodeEffects as NodeEffects
    from saewidgets.circuits.node_effects import measure as measure
    from saewidgets.circuits.proposals import propose_groups as propose_groups
    from saewidgets.circuits.shared import KnockOut as KnockOut
    from saewidgets.circuits.shared import knock_out as knock_out
    from saewidgets.circuits.shared import shared_features as shared_features
    from saewidgets.circuits.targets import Target as Target
    from saewidgets.payloads.influence import GraphScores as GraphScores


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
