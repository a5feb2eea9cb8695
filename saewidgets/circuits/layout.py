"""Where the nodes of a graph stand: rows by layer, columns by token, and slots from which nobody is moved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from saewidgets.payloads.arrays import Array

# A column has at least so many slots.
_LEAST = 4


@dataclass(frozen=True)
class Layout:
    """Slots of nodes.

    Args:
        columns: `[T]` slots of each token's column.
        widths: `[T]` how many nodes that matter stand side by side in it: columns are as wide.
        slots: Node -> its slot in the column of its token.
    """

    columns: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    widths: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    slots: Mapping[tuple[int, int, str], int] = field(default_factory=dict)


def place(
    nodes: Sequence[tuple[int, int, str]],
    n_tokens: int,
    previous: Layout | None = None,
    first: Container[tuple[int, int, str]] = (),
) -> Layout:
    """Place nodes; those that were there before stay where they were.

    Nodes of one cell are spread evenly over the column in the order they come, those that matter first, each as near
    to its even place as is free. So the same graph always looks the same, and a node that comes or goes moves no other
    in its cell.

    Args:
        nodes: `(row, position, name)` of each, in the order of their layer, position and feature.
        n_tokens: Number of columns.
        previous: What is in view now.
        first: Nodes that get the best places.

    Returns:
        The layout. Columns never shrink from the previous one.

    Example:
        >>> first = place([(1, 0, "a"), (1, 0, "b")], 1)
        >>> place([(1, 0, "a"), (1, 0, "c"), (1, 0, "b")], 1, first).slots[1, 0, "a"] == first.slots[1, 0, "a"]
        True
    """
    previous = previous or Layout()
    cells: dict[tuple[int, int], list[tuple[int, int, str]]] = defaultdict(list)
    for node in nodes:
        cells[node[:2]].append(node)
    columns, widths = (_grown(held, n_tokens) for held in (previous.columns, previous.widths))
    for (_, position), members in cells.items():
        columns[position] = max(columns[position], _rounded(len(members)))
        widths[position] = max(widths[position], _rounded(sum(node in first for node in members)))
    slots: dict[tuple[int, int, str], int] = {}
    for (_, position), members in cells.items():
        width = int(columns[position])
        taken = {previous.slots[node] for node in members if node in previous.slots}
        for better in (True, False):
            tier = [node for node in members if (node in first) is better]
            for number, node in enumerate(tier):
                if node not in previous.slots:
                    _seat(node, (number + 0.5) * width / len(tier) - 0.5, width, taken, slots)
                else:
                    slots[node] = previous.slots[node]
    return Layout(columns, widths, slots)


def _grown(held: Array, n_tokens: int) -> Array:
    """What columns had, for as many as there are now."""
    found = np.full(n_tokens, _LEAST)
    found[: len(held)] = held[:n_tokens]
    return found


def _seat(
    node: tuple[int, int, str], ideal: float, width: int, taken: set[int], slots: dict[tuple[int, int, str], int]
) -> None:  # fmt: skip
    """Give a node the free slot that is nearest to where it should stand."""
    free = (slot for slot in range(width) if slot not in taken)
    slots[node] = min(free, key=lambda slot: (abs(slot - ideal), slot))
    taken.add(slots[node])


def _rounded(count: int) -> int:
    """Some room to grow, so that a few nodes more do not move the columns behind."""
    return count + (-count) % 4
