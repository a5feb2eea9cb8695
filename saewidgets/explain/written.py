"""What one feature writes, as fields of a `FeatureDashboardPayload`: its tokens, and its neighbours in the decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from saewidgets.errors import SaewidgetsError
from saewidgets.explain.chosen import choose_one
from saewidgets.explain.vocabulary import vocabulary_projection
from saewidgets.payloads.feature_dashboard import RelatedFeature, Word
from saewidgets.sites import FeatureId

if TYPE_CHECKING:
    from saewidgets.scope import Scope

# Tokens on each side, features of the list.
TOKENS, NEAR = 5, 5


def written_fields(scope: Scope, feature: str | FeatureId) -> dict[str, Any]:
    """Tokens that a feature promotes and suppresses, and the features whose decoder rows are nearest.

    Args:
        scope: A model with its dictionaries.
        feature: `"resid_post.2/17"`.

    Returns:
        Fields of the payload; where a dictionary does not write to the vocabulary, `written_note` says why.

    Raises:
        FeatureError: No such feature.
    """
    fields: dict[str, Any] = {"near": nearest(scope, feature, NEAR)}
    try:
        found = vocabulary_projection(scope, feature, TOKENS)
    except SaewidgetsError as error:
        return {**fields, "written_note": str(error)}
    tokens = found.tokens(feature)
    for side in ("promoted", "suppressed"):
        rows = tokens[tokens["side"] == side]
        fields[side] = tuple(map(Word, rows["token"].tolist(), rows["logit"].tolist()))
    for name in ("skew", "kurtosis"):
        value = float(getattr(found, name)[0])
        fields[name] = value if np.isfinite(value) else None
    return fields


@torch.no_grad()
def nearest(scope: Scope, feature: str | FeatureId, n: int = 5) -> tuple[RelatedFeature, ...]:
    """Features of the same dictionary by the cosine of their decoder rows with this one's, greatest first.

    Args:
        scope: A model with its dictionaries.
        feature: `"resid_post.2/17"`.
        n: How many.

    Raises:
        FeatureError: No such feature.

    Example:
        >>> import saewidgets as sw
        >>> found = nearest(sw.demo(), "resid_post.2/17", 3)
        >>> len(found), found[0].value >= found[1].value
        (3, True)
    """
    chosen = choose_one(scope, feature)
    rows, index = chosen.dictionary.directions.float(), int(chosen.index)
    # A direction of 0 has no neighbours.
    cosine = (rows @ rows[index]) / (rows.norm(dim=1) * rows[index].norm()).clamp_min(1e-30)
    cosine[index] = -torch.inf
    value, at = cosine.topk(min(n, len(rows) - 1))
    names = [f"{chosen.key}/{i}" for i in at.tolist()]
    return tuple(RelatedFeature(name, v) for name, v in zip(names, value.clamp(-1, 1).tolist(), strict=True))
