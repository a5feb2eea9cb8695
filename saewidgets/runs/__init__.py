"""Runs: one traced forward pass of one prompt under a list of edits, and what views make of it."""

from saewidgets.runs.run import Difference, Run
from saewidgets.runs.sparse import SparseActivations

__all__ = ["Difference", "Run", "SparseActivations"]
