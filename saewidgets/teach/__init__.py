"""For lessons: worlds whose truth is known."""

from saewidgets.teach.worlds import Drawn, World

__all__ = ["Drawn", "World"]
