"""Undo and redo: a bounded tuple of frozen states and the place in it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

LIMIT = 100


@dataclass(frozen=True, slots=True)
class History:
    """States of a widget, oldest first. Every method returns a new history.

    Args:
        states: At least one, at most `LIMIT`.
        place: Index of the present one.

    Example:
        >>> History(("a",)).record("b").back().state
        'a'
    """

    states: tuple[Hashable, ...]
    place: int = 0

    @property
    def state(self) -> Hashable:
        """The present state."""
        return self.states[self.place]

    @property
    def undo_depth(self) -> int:
        """Number of steps back there are."""
        return self.place

    @property
    def redo_depth(self) -> int:
        """Number of steps forth there are."""
        return len(self.states) - 1 - self.place

    def record(self, state: Hashable, *, merge: bool = False) -> History:
        """Append a state, dropping what could be redone.

        Args:
            state: The new present; an equal one changes nothing.
            merge: Replace the present one instead, as while a slider is dragged.
        """
        if state == self.state:
            return self
        past = self.states[: self.place + (0 if merge and self.place else 1)]
        states = (*past, state)[-LIMIT:]
        return History(states, len(states) - 1)

    def back(self) -> History:
        """One step back; at the first state the same history."""
        return replace(self, place=max(self.place - 1, 0))

    def forth(self) -> History:
        """One step forth; at the last state the same history."""
        return replace(self, place=min(self.place + 1, len(self.states) - 1))
