"""The tiny scope of the tests of runs."""

from tests.runs.conftest import module, tiny

__all__ = ["module", "tiny"]
