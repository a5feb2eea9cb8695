"""From a list of edits to writes in a forward pass.

The order of composition:

1. Sites are written in the order of the forward pass, whatever the order of the list.
2. At one site, steps are made in the order of the list. All edits on one dictionary are one step, made where the
   first of them stands; every other edit is a step of its own. Each step sees what the one before it wrote.
3. Within the step of a dictionary, edits are applied to one encoding in the order of the list, and written once. A
   group stands for its features, in order. An error term is that of the activation before any of them.

What a step reads is the run as edited so far, so that an upstream edit is seen downstream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from torch import Tensor

from saewidgets.dictionaries import Dictionary
from saewidgets.errors import EditError, FeatureError, shorten
from saewidgets.interventions.edits import Edit
from saewidgets.interventions.features import DictionaryStep
from saewidgets.interventions.references import Values, keys_of, resolve, sites_of
from saewidgets.interventions.steps import Step, direct_step
from saewidgets.sites import Site

if TYPE_CHECKING:
    from saewidgets.model import TracedModel


def group(edits: Sequence[Edit], dictionaries: Mapping[str, Dictionary]) -> dict[str, tuple[Edit, ...]]:
    """Edits of features and error terms by dictionary, each in order and of one feature or error.

    Raises:
        FeatureError: No such dictionary or feature.
        EditError: Edits on one dictionary disagree about its error term or its latents.
    """
    groups: dict[str, list[Edit]] = {}
    for edit in edits:
        for feature in edit.features:
            dictionary = dictionaries.get(feature.dictionary)
            if dictionary is None:
                known = ", ".join(dictionaries) or "none"
                raise FeatureError(f"No dictionary {shorten(feature.dictionary)}.", f"Loaded: {known}.")
            if feature.index >= dictionary.d_dict:
                raise FeatureError(f"{feature}: this dictionary has {dictionary.d_dict} features.", "Count from 0.")
            if edit.latents == "re-encode" and dictionary.site_in != dictionary.site_out:
                raise EditError(f"{feature.dictionary} never reads what it writes.", "Use latents='edit'.")
            one = edit if edit.feature else replace(edit, target=feature)
            groups.setdefault(feature.dictionary, []).append(one)
        if not edit.features:
            for key in keys_of(edit, dictionaries):
                groups.setdefault(key, []).append(edit)
    for key, members in groups.items():
        if len({edit.error for edit in members}) > 1:
            raise EditError(f"Edits on {key} both keep and drop its error term.", "Choose one for all of them.")
        if len({edit.latents for edit in members}) > 1:
            raise EditError(f"Edits on {key} both edit latents and re-encode.", "Choose one for all of them.")
    return {key: tuple(members) for key, members in groups.items()}


def check_positions(edits: Sequence[Edit], length: int, *, generated: bool = False) -> None:
    """Refuse positions outside a prompt of `length` tokens.

    Args:
        edits: All of a pass.
        length: Of the prompt.
        generated: Whether tokens will be generated after it.

    Raises:
        EditError: One is.
    """
    for edit in edits:
        if isinstance(edit.positions, tuple) and edit.positions[-1] >= length:
            raise EditError(f"Position {edit.positions[-1]} is outside the prompt.", f"It has {length} tokens.")
        if edit.positions == "generated" and not generated:
            raise EditError(f"{edit!r}: a run generates nothing.", "Use scope.generate, or other positions.")


def first_position(edits: Sequence[Edit]) -> int:
    """The first token position that any edit touches."""
    return min((edit.positions[0] if isinstance(edit.positions, tuple) else 0 for edit in edits), default=0)


def edited_sites(edits: Sequence[Edit], dictionaries: Mapping[str, Dictionary]) -> tuple[Site, ...]:
    """Sites the edits read and write, in order of the forward pass."""
    group(edits, dictionaries)
    return tuple(sorted({s for edit in edits for s in sites_of(edit, dictionaries)}, key=lambda s: s.order))


class SiteWrite:
    """All edits written at one site, called by the trace with the values read so far.

    Args:
        site: Where.
        steps: In order.
    """

    def __init__(self, site: Site, steps: tuple[Step, ...]) -> None:
        self.site = site
        self.steps = steps

    @property
    def reads(self) -> set[Site]:
        """Other sites whose values it needs."""
        return {site for step in self.steps for site in step.reads}

    def __call__(self, value: Tensor, values: Values, offset: int) -> Tensor:
        """`[batch, tokens, d]` at the site -> the same under the edits."""
        for step in self.steps:
            value = step(value, values, offset)
        return value


def make_writes(
    edits: Sequence[Edit],
    dictionaries: Mapping[str, Dictionary],
    model: TracedModel | None = None,
    length: int | None = None,
) -> dict[Site, SiteWrite]:
    """Writes for `TracedModel.trace`, one a site.

    Args:
        edits: In order.
        dictionaries: The scope's.
        model: The model; needed by edits of heads and patterns, and by those that read other runs, which run now.
        length: Tokens of the prompt; `None` if nothing is generated after it.

    Returns:
        Site -> write; empty without edits.

    Raises:
        FeatureError: No such dictionary or feature.
        EditError: Edits on one dictionary disagree about its error term, or an edit does not fit the model.
    """
    groups = group(edits, dictionaries)
    references = resolve(edits, dictionaries, model, length)
    by_site: dict[Site, list[Step]] = {}
    seen: set[str] = set()
    for edit in edits:
        keys = keys_of(edit, dictionaries)
        if not keys:
            (site,) = sites_of(edit, dictionaries)
            by_site.setdefault(site, []).append(direct_step(edit, references))
        for key in keys:
            if key not in seen:
                seen.add(key)
                step = DictionaryStep(key, dictionaries[key], groups[key], references)
                by_site.setdefault(dictionaries[key].site_out, []).append(step)
    return {site: SiteWrite(site, tuple(steps)) for site, steps in by_site.items()}
