"""Which features are meant: one, several of a dictionary, or all of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor

from saewidgets.dictionaries import Dictionary
from saewidgets.errors import FeatureError, shorten
from saewidgets.runs.run import vocabulary_of
from saewidgets.sites import FeatureId

if TYPE_CHECKING:
    from saewidgets.scope import Scope

Features: TypeAlias = "str | FeatureId | Sequence[str | FeatureId]"
"""A feature (`"resid_post.2/17"`), several of one dictionary, or a dictionary's key for all of its features."""


@dataclass(frozen=True, eq=False)
class Chosen:
    """Features of one dictionary.

    Args:
        key: The dictionary's key in the scope.
        dictionary: Itself.
        index: `[n]` int64, in the order asked for.
    """

    key: str
    dictionary: Dictionary
    index: Tensor

    @property
    def names(self) -> tuple[str, ...]:
        """`n` feature ids."""
        return tuple(f"{self.key}/{i}" for i in self.index.tolist())


def choose(scope: Scope, features: Features) -> Chosen:
    """Read what a caller asks for.

    Raises:
        FeatureError: Malformed, unknown, or of several dictionaries.
        SiteError: No such dictionary.
    """
    if isinstance(features, str) and "/" not in features:
        key = scope.key(features)
        return Chosen(key, scope.dictionaries[key], torch.arange(scope.dictionaries[key].d_dict))
    if isinstance(features, str | FeatureId):
        features = [features]
    if not isinstance(features, Iterable):
        raise FeatureError(f"{shorten(features)} names no feature.", "Write 'resid_post.2/17', or a list of these.")
    found = [FeatureId.parse(feature) for feature in features]
    keys = {feature.dictionary for feature in found}
    if len(keys) != 1:
        what = f"Features of {', '.join(sorted(keys))}." if keys else "No feature."
        raise FeatureError(what, "Name at least one, all of one dictionary.")
    key = keys.pop()
    if key not in scope.dictionaries:
        raise FeatureError(f"No dictionary {shorten(key)}.", scope.loaded)
    dictionary = scope.dictionaries[key]
    highest = max(feature.index for feature in found)
    if highest >= dictionary.d_dict:
        raise FeatureError(f"{key}/{highest}: this dictionary has {dictionary.d_dict} features.", "Count from 0.")
    return Chosen(key, dictionary, torch.tensor([feature.index for feature in found]))


def choose_one(scope: Scope, feature: str | FeatureId) -> Chosen:
    """As `choose`, of one feature alone."""
    return choose(scope, FeatureId.parse(feature))


def words(scope: Scope, ids: Sequence[int]) -> tuple[str, ...]:
    """The text of each token; "‹id›" where there is no tokenizer."""
    if scope.model.tokenizer is None:
        return tuple(f"‹{i}›" for i in ids)
    return tuple(vocabulary_of(scope.model.tokenizer).strings(list(ids)))
