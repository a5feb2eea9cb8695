"""Runs: one traced forward pass of one prompt under a list of edits, and what views make of it."""

from saewidgets.dictionaries.sparse import SparseActivations
from saewidgets.runs.run import Difference, Run

__all__ = ["Difference", "Run", "SparseActivations"]
