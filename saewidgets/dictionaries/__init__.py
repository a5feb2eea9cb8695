"""Dictionaries: sparse autoencoders and transcoders behind one interface, loaded without guessing."""

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.card import Card, Finding
from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.dictionaries.load import load_dictionary
from saewidgets.dictionaries.norm import Norm
from saewidgets.dictionaries.sparse import SparseActivations

__all__ = [
    "Activation", "Card", "Dictionary", "FeedForward", "Finding", "Norm", "SparseActivations", "load_dictionary"
]  # fmt: skip
