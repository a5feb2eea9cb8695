"""Dictionaries: sparse autoencoders and transcoders behind one interface, loaded without guessing."""

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.card import Card, Finding
from saewidgets.dictionaries.clt import CrossLayerTranscoder
from saewidgets.dictionaries.crosscoder import Crosscoder
from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.dictionaries.interface import Dictionary
from saewidgets.dictionaries.load import load_dictionary
from saewidgets.dictionaries.matching_pursuit import MatchingPursuit
from saewidgets.dictionaries.norm import Norm
from saewidgets.dictionaries.sparse import SparseActivations
from saewidgets.dictionaries.switch import Switch
from saewidgets.dictionaries.temporal import Temporal

__all__ = [
    "Activation", "Card", "CrossLayerTranscoder", "Crosscoder", "Dictionary", "FeedForward", "Finding",
    "MatchingPursuit", "Norm", "SparseActivations", "Switch", "Temporal", "load_dictionary",
]  # fmt: skip
