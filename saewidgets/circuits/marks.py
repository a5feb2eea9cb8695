"""What a person has done to a graph: pins, groups, positions, a node in hand. Values; every change is a new one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from saewidgets.errors import CircuitError, shorten

_LINKS = ("both", "input", "output", "either")


@dataclass(frozen=True)
class Marks:
    """Marks on a graph, by node id.

    Args:
        pinned: Ids of the pinned nodes, in order.
        groups: `(label, ids)` of each supernode.
        positions: Id -> `(x, y)` where a node of the subgraph was put.
        clicked: The node in hand; "" for none.
        links: Which links of it are shown: "both", "input", "output" or "either".

    Raises:
        CircuitError: Something that is not of these forms.

    Example:
        >>> Marks(pinned=("token@0",)).pinned
        ('token@0',)
    """

    pinned: tuple[str, ...] = ()
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    positions: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    clicked: str = ""
    links: str = "both"

    def __post_init__(self) -> None:
        object.__setattr__(self, "positions", MappingProxyType(dict(self.positions)))
        if self.links not in _LINKS:
            raise CircuitError(f"links={shorten(self.links)}.", f"Use one of {', '.join(_LINKS)}.")
        if len(set(self.pinned)) != len(self.pinned):
            raise CircuitError("A node is pinned twice.", "Pin each once.")

    def ids(self) -> set[str]:
        """Every node that is named."""
        grouped = {name for _, members in self.groups for name in members}
        return {*self.pinned, *grouped, *self.positions, *([self.clicked] if self.clicked else [])}

    def only(self, known: Mapping[str, object]) -> Marks:
        """The marks on nodes that are there; groups that lost all members go."""
        groups = tuple((label, tuple(m for m in members if m in known)) for label, members in self.groups)
        return Marks(
            tuple(name for name in self.pinned if name in known),
            tuple((label, members) for label, members in groups if members),
            {name: place for name, place in self.positions.items() if name in known},
            self.clicked if self.clicked in known else "",
            self.links,
        )
