"""Edits: immutable interventions, and how a list of them becomes writes in a traced forward pass."""

from saewidgets.interventions.algebra import at_places, at_strength, inverse
from saewidgets.interventions.edits import Edit, Source
from saewidgets.interventions.error_term import ErrorTerm
from saewidgets.interventions.features import edit_features
from saewidgets.interventions.make import ablate, clamp, patch, scale, steer
from saewidgets.interventions.targets import Direction, Group, Head, Pattern
from saewidgets.interventions.text import from_json, to_code, to_json
from saewidgets.interventions.writes import edited_sites, make_writes

__all__ = [
    "Direction",
    "Edit",
    "ErrorTerm",
    "Group",
    "Head",
    "Pattern",
    "Source",
    "ablate",
    "at_places",
    "at_strength",
    "clamp",
    "edit_features",
    "edited_sites",
    "from_json",
    "inverse",
    "make_writes",
    "patch",
    "scale",
    "steer",
    "to_code",
    "to_json",
]
