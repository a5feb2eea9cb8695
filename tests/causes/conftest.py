"""The tiny scope and its float64 twin, as the tests of `explain` have them."""

from tests.explain.conftest import small, twin, uneven
from tests.runs.conftest import module, tiny

__all__ = ["module", "small", "tiny", "twin", "uneven"]
