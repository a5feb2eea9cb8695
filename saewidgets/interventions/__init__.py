"""Edits: immutable interventions on features, and how a list of them becomes writes in a traced forward pass."""

from saewidgets.interventions.edits import Edit, ablate, clamp, from_json, scale, steer, to_code, to_json
from saewidgets.interventions.writes import edit_features, edited_sites, make_writes

__all__ = [
    "Edit",
    "ablate",
    "clamp",
    "edit_features",
    "edited_sites",
    "from_json",
    "make_writes",
    "scale",
    "steer",
    "to_code",
    "to_json",
]
