"""How a graph was computed, as far as an experiment must know; kept in its `info`, so checked before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from saewidgets.errors import CircuitError, shorten

if TYPE_CHECKING:
    from saewidgets.circuits.graph import AttributionGraph

KEY = "attribution"
_MOST = 1 << 20


@dataclass(frozen=True)
class Settings:
    """Of one graph.

    Args:
        ignored: Positions without features and errors.
        minus: For every target the token that is subtracted; -1 for none.
        edits: The edits of the model, as JSON.
    """

    ignored: tuple[int, ...] = (0,)
    minus: tuple[int, ...] = ()
    edits: tuple[Mapping[str, Any], ...] = ()

    def as_info(self) -> dict[str, Any]:
        """For `AttributionGraph.info`."""
        return {KEY: {"ignored": list(self.ignored), "minus": list(self.minus), "edits": list(self.edits)}}


def settings_of(graph: AttributionGraph) -> Settings:
    """The settings of a graph; the defaults for one that came from elsewhere.

    Raises:
        CircuitError: They are no settings.
    """
    found = graph.info.get(KEY, {})
    if not isinstance(found, Mapping):
        raise CircuitError(f"The settings of the graph are {shorten(found)}.", "Compute the graph again.")
    lists = [found.get(name, default) for name, default in (("ignored", [0]), ("minus", []), ("edits", []))]
    if not all(isinstance(one, list | tuple) for one in lists):
        raise CircuitError(f"The settings of the graph are {shorten(found)}.", "Compute the graph again.")
    ignored, minus, edits = lists
    if not all(type(p) is int and -1 <= p < _MOST for p in (*ignored, *minus)) or min(ignored, default=0) < 0:
        raise CircuitError(f"The settings of the graph are {shorten(found)}.", "Compute the graph again.")
    if not all(isinstance(edit, Mapping) for edit in edits):
        raise CircuitError(f"The edits of the graph are {shorten(edits)}.", "Compute the graph again.")
    return Settings(tuple(ignored), tuple(minus), tuple(edits))
