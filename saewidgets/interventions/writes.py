"""From a list of edits to writes in a forward pass.

Edits on one dictionary are applied to one encoding, in the order of the list, and written once. Dictionaries are
edited in the order of the forward pass; two at one site in the order of their first edit, the second encoding what the
first wrote. The encoding is of the run as edited so far, so that an upstream edit is seen downstream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from saewidgets.dictionaries import Dictionary
from saewidgets.errors import EditError, FeatureError, shorten
from saewidgets.interventions.edits import Edit
from saewidgets.sites import Site

Values = Mapping[Site, Tensor]


def group(edits: Sequence[Edit], dictionaries: Mapping[str, Dictionary]) -> dict[str, tuple[Edit, ...]]:
    """Edits by dictionary, each in order.

    Raises:
        FeatureError: No such dictionary or feature.
        EditError: Edits on one dictionary disagree about its error term.
    """
    groups: dict[str, list[Edit]] = {}
    for edit in edits:
        key, index = edit.feature.dictionary, edit.feature.index
        dictionary = dictionaries.get(key)
        if dictionary is None:
            raise FeatureError(f"No dictionary {shorten(key)}.", f"Loaded: {', '.join(dictionaries) or 'none'}.")
        if index >= dictionary.d_dict:
            raise FeatureError(f"{edit.feature}: this dictionary has {dictionary.d_dict} features.", "Count from 0.")
        groups.setdefault(key, []).append(edit)
    for key, members in groups.items():
        if len({edit.error for edit in members}) > 1:
            raise EditError(f"Edits on {key} both keep and drop its error term.", "Choose one for all of them.")
    return {key: tuple(members) for key, members in groups.items()}


def check_positions(edits: Sequence[Edit], length: int) -> None:
    """Refuse positions outside a prompt of `length` tokens.

    Raises:
        EditError: One is.
    """
    for edit in edits:
        if edit.positions is not None and edit.positions[-1] >= length:
            raise EditError(f"Position {edit.positions[-1]} is outside the prompt.", f"It has {length} tokens.")


def first_position(edits: Sequence[Edit]) -> int:
    """The first token position that any edit touches."""
    return min((0 if edit.positions is None else edit.positions[0] for edit in edits), default=0)


def edited_sites(edits: Sequence[Edit], dictionaries: Mapping[str, Dictionary]) -> tuple[Site, ...]:
    """Sites the edits read and write, in order of the forward pass."""
    used = [dictionaries[key] for key in group(edits, dictionaries)]
    return tuple(sorted({s for d in used for s in (d.site_in, d.site_out)}, key=lambda s: s.order))


def edit_features(
    dictionary: Dictionary, edits: Sequence[Edit], features: Tensor, x_in: Tensor, x_out: Tensor, offset: int
) -> Tensor:
    """Apply edits to an encoding.

    Args:
        dictionary: Whose features these are.
        edits: Edits on this dictionary, in order.
        features: `[..., tokens, d_dict]` activations.
        x_in: `[..., tokens, d_in]` at `site_in`.
        x_out: `[..., tokens, d_out]` at `site_out`; both for norm-relative steering.
        offset: Prompt position of the first token.

    Returns:
        A new tensor, the edited activations.
    """
    edited = features.clone()
    for edit in edits:
        rows = _rows(edit, features.shape[-2], offset)
        column = edited[..., rows, edit.feature.index]
        if edit.kind in ("ablate", "clamp"):
            column = torch.full_like(column, edit.value)
        elif edit.kind == "scale":
            column = column * edit.value
        elif edit.relative:
            step = x_out[..., rows, :].norm(dim=-1) / dictionary.rows([edit.feature.index]).norm()
            # One that normalises each token multiplies what it writes by this.
            scale = dictionary.scale(x_in[..., rows, :])
            column = column + edit.value * (step if scale is None else step / scale[..., 0]).to(column.dtype)
        else:
            column = column + edit.value
        edited[..., rows, edit.feature.index] = column
    return edited


def _rows(edit: Edit, length: int, offset: int) -> slice | list[int]:
    if edit.positions is None:
        return slice(None)
    return [p - offset for p in edit.positions if 0 <= p - offset < length]


def write_dictionary(dictionary: Dictionary, edits: Sequence[Edit], x_in: Tensor, x_out: Tensor, offset: int) -> Tensor:
    """The activation at `site_out` under the edits on one dictionary.

    Args:
        dictionary: The one edited.
        edits: Edits on it, in order; they agree about the error term.
        x_in: `[..., tokens, d_in]` at `site_in`.
        x_out: `[..., tokens, d_out]` at `site_out`.
        offset: Prompt position of the first token.

    Returns:
        `[..., tokens, d_out]`, where nothing is edited the values of `x_out`.
    """
    source = x_in.to(dictionary.device)
    target = x_out.to(dictionary.device)
    features = dictionary.encode(source)
    edited = edit_features(dictionary, edits, features, source, target, offset)
    if edits[0].error == "keep":
        columns = sorted({edit.feature.index for edit in edits})
        change = (edited[..., columns] - features[..., columns]) @ dictionary.rows(columns)
        scale = dictionary.scale(source)
        change = change if scale is None else change * scale
        return (x_out + change.to(x_out.device, x_out.dtype)).to(x_out.dtype)
    result = x_out.clone()
    decoded = dictionary.decode(edited, source).to(x_out.device, x_out.dtype)
    for edit in edits:
        rows = _rows(edit, x_out.shape[-2], offset)
        result[..., rows, :] = decoded[..., rows, :]
    return result


def make_writes(edits: Sequence[Edit], dictionaries: Mapping[str, Dictionary]) -> dict[Site, SiteWrite]:
    """Writes for `TracedModel.trace`, one a site.

    Args:
        edits: In order.
        dictionaries: The scope's.

    Returns:
        Site -> write; empty without edits.

    Raises:
        FeatureError: No such dictionary or feature.
        EditError: Edits on one dictionary disagree about its error term.
    """
    by_site: dict[Site, list[tuple[Dictionary, tuple[Edit, ...]]]] = {}
    for key, members in group(edits, dictionaries).items():
        by_site.setdefault(dictionaries[key].site_out, []).append((dictionaries[key], members))
    return {site: SiteWrite(site, tuple(steps)) for site, steps in by_site.items()}


class SiteWrite:
    """All edits written at one site, called by the trace with the values read so far."""

    def __init__(self, site: Site, steps: tuple[tuple[Dictionary, tuple[Edit, ...]], ...]) -> None:
        self.site = site
        self.steps = steps

    def __call__(self, value: Tensor, values: Values, offset: int) -> Tensor:
        """`[batch, tokens, d]` at the site -> the same under the edits."""
        for dictionary, edits in self.steps:
            source = value if dictionary.site_in == self.site else values[dictionary.site_in]
            value = write_dictionary(dictionary, edits, source, value, offset)
        return value
