"""Steering vectors: a sum of features, a difference of means, and the two that aim at features (SAE-TS and FGAA)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from saewidgets.errors import EditError, FeatureError, shorten
from saewidgets.interventions.targets import Direction, Group
from saewidgets.sites import FeatureId, Site

if TYPE_CHECKING:
    from saewidgets.runs.effects import Effects
    from saewidgets.scope import Scope


def feature_direction(scope: Scope, features: Any, name: str = "") -> Direction:
    """The sum of the directions of some features, each with a weight: one vector to steer with.

    Args:
        scope: Holds their dictionaries, which write at one site.
        features: A feature id, a list of them, a `Group`, or feature id -> weight.
        name: Of the direction.

    Returns:
        `sum of weight d` at the site where the features write.

    Raises:
        FeatureError: Unknown features, or of several sites.

    Example:
        >>> import saewidgets as sw
        >>> str(feature_direction(sw.demo(), {"resid_post.2/17": 1.0, "resid_post.2/40": -0.5}).site)
        'resid_post.2'
    """
    if isinstance(features, (str, FeatureId)):
        features = [features]
    if isinstance(features, Group):
        name, features = name or features.name, features.features
    weights = features if isinstance(features, Mapping) else dict.fromkeys(features, 1.0)
    total, sites = torch.zeros(()), set()
    for given, weight in weights.items():
        feature = FeatureId.parse(given)
        dictionary = scope.dictionaries.get(feature.dictionary)
        if dictionary is None or feature.index >= dictionary.d_dict:
            raise FeatureError(f"There is no feature {feature}.", scope.loaded)
        sites.add(dictionary.site_out)
        total = total + float(weight) * dictionary.rows([feature.index])[0].float().cpu()
    if len(sites) != 1:
        written = ", ".join(map(str, sorted(sites, key=lambda site: site.order)))
        raise FeatureError(f"These features write at {written or 'no site'}.", "Sum features of one site.")
    return Direction(sites.pop(), total, name)


def difference_of_means(
    scope: Scope, site: str, positive: Sequence[Any], negative: Sequence[Any], *, last: bool = False, name: str = ""
) -> Direction:
    """The mean activation on some texts minus that on others (contrastive steering, Turner et al. 2023).

    Args:
        scope: The model.
        site: Where.
        positive: Texts or token ids.
        negative: The same.
        last: Look at the last token of each alone; otherwise at all but the first, whose activation is of another kind.
        name: Of the direction.

    Returns:
        The difference of the two means over tokens.

    Raises:
        EditError: A set is empty, or the means are equal.

    Example:
        >>> import saewidgets as sw
        >>> str(difference_of_means(sw.demo(), "resid_post.2", ["Tom was happy."], ["Tom was sad."]).site)
        'resid_post.2'
    """
    place = scope.model.site(site)
    means = [_rows(scope, place, texts, last).mean(0) for texts in (positive, negative)]
    return Direction(place, means[0] - means[1], name)


def targeted_direction(effects: Effects, features: Any, *, general: float = 1.0, name: str = "") -> Direction:
    """A vector that raises some features and little else: SAE-targeted steering (Chalnev et al. 2411.02193).

    `v = M t / |M t| - general M b / |M b|`, scaled to norm 1: M is the linear effect of vectors on features, b what any
    vector does, t the target.

    Args:
        effects: From `fit_effects`.
        features: A feature id, a list of them, or feature id -> weight.
        general: How much of what any vector does is taken away.
        name: Of the direction.

    Returns:
        The vector, of norm 1.

    Raises:
        FeatureError: Features of another dictionary, or none.
        EditError: No vector does anything to them.

    Example:
        >>> import saewidgets as sw
        >>> scope = sw.demo()
        >>> effects = sw.fit_effects(scope, "resid_post.2", ["Mira saw a"], n_vectors=4, max_new_tokens=2)
        >>> index = int(effects.matrix.norm(dim=0).argmax())
        >>> direction = targeted_direction(effects, f"resid_post.2/{index}")
        >>> round(float((direction.vector**2).sum()), 3)
        1.0
    """
    if isinstance(features, (str, FeatureId)):
        features = [features]
    weights = features if isinstance(features, Mapping) else dict.fromkeys(features, 1.0)
    target = torch.zeros(effects.matrix.shape[1], dtype=torch.float64)
    for given, weight in weights.items():
        feature = FeatureId.parse(given)
        if feature.dictionary != effects.dictionary or feature.index >= len(target):
            raise FeatureError(f"The effects are not on {feature}.", f"They are on features of {effects.dictionary}.")
        target[feature.index] = float(weight)
    return aimed(effects, target, general, name)


def guided_direction(
    scope: Scope,
    effects: Effects,
    positive: Sequence[Any],
    negative: Sequence[Any],
    *,
    n_positive: int = 20,
    n_negative: int = 20,
    max_density: float = 0.3,
    general: float = 1.0,
    name: str = "",
) -> Direction:
    """Aim at the features that tell two sets of texts apart: FGAA (Soo et al. 2501.09929).

    The difference of the mean activations on the two sets is filtered: no feature that is active on more than
    `max_density` of all their tokens, none that is active on a first token; of the rest the strongest on either side.
    What is left, divided by its L1 norm, is the target of `targeted_direction`.

    Args:
        scope: The model and the dictionary of the effects.
        effects: From `fit_effects`.
        positive: Texts or token ids.
        negative: The same.
        n_positive: Greatest number of features that are raised.
        n_negative: Greatest number of features that are lowered.
        max_density: Greatest share of tokens.
        general: As in `targeted_direction`.
        name: Of the direction.

    Returns:
        The vector, of norm 1.

    Raises:
        EditError: A set is empty, or no feature is left.

    Example:
        >>> import saewidgets as sw
        >>> scope = sw.demo()
        >>> effects = sw.fit_effects(scope, "resid_post.2", ["Mira saw a"], n_vectors=4, max_new_tokens=2)
        >>> happy, sad = ["Tom was happy.", "Mira was happy."], ["Tom was sad.", "Mira was sad."]
        >>> str(guided_direction(scope, effects, happy, sad, max_density=0.9).site)
        'resid_post.2'
    """
    dictionary = scope.dictionaries[effects.dictionary]
    sides, first = [], torch.zeros(dictionary.d_dict, dtype=torch.bool)
    for texts in (positive, negative):
        rows = []
        for x in _values(scope, dictionary.site_in, texts):
            f = dictionary.encode(x.to(dictionary.device)).double().cpu()
            first |= f[0] > 0
            rows.append(f[1:] if len(f) > 1 else f)
        sides.append(torch.cat(rows))
    density = (torch.cat(sides) > 0).double().mean(0)
    difference = sides[0].mean(0) - sides[1].mean(0)
    difference[(density > max_density) | first] = 0
    target = strongest(difference, n_positive) - strongest(-difference, n_negative)
    if not target.any():
        raise EditError("No feature tells these texts apart.", "Give more texts, or a higher max_density.")
    return aimed(effects, target / target.abs().sum(), general, name)


def strongest(values: Tensor, n: int) -> Tensor:
    """`[m]` with only the `n` greatest positive values left."""
    kept = torch.zeros_like(values)
    top = values.clamp_min(0).topk(min(n, len(values)))
    kept[top.indices] = top.values
    return kept


def aimed(effects: Effects, target: Tensor, general: float, name: str) -> Direction:
    """`M t / |M t| - general M b / |M b|`, of norm 1."""
    towards, any_vector = effects.matrix @ target, effects.matrix @ effects.bias
    if not towards.norm() > 0:
        raise EditError("No vector was seen to move these features.", "Fit the effects on more vectors or texts.")
    vector = towards / towards.norm() - general * any_vector / any_vector.norm().clamp_min(1e-30)
    return Direction(effects.site, (vector / vector.norm().clamp_min(1e-30)).float(), name)


def _values(scope: Scope, site: Site, texts: Sequence[Any]) -> list[Tensor]:
    """`[tokens, d]` of each text."""
    if isinstance(texts, (str, bytes)) or not len(texts):
        raise EditError(f"Texts {shorten(texts)}.", "Give a list of texts.")
    ids = [scope.model.tokenize(text) if isinstance(text, str) else tuple(text) for text in texts]
    return [scope.model.trace(i, [site], logits=False).values[site][0] for i in ids]


def _rows(scope: Scope, site: Site, texts: Sequence[Any], last: bool) -> Tensor:
    parts = [x[-1:] if last or len(x) == 1 else x[1:] for x in _values(scope, site, texts)]
    return torch.cat(parts).double().cpu()
