"""Dictionaries: sparse autoencoders and transcoders behind one record, loaded without guessing."""

from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.dictionary import Card, Dictionary
from saewidgets.dictionaries.load import load_dictionary

__all__ = ["Activation", "Card", "Dictionary", "load_dictionary"]
