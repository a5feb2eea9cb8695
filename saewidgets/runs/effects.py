"""What steering vectors do to features, as a linear map: the approximator of SAE-targeted steering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from saewidgets.errors import DictionaryError
from saewidgets.interventions import Direction, Edit, steer
from saewidgets.runs.generation import Generation
from saewidgets.runs.sampling import Sampling
from saewidgets.runs.writer import Request, write_texts
from saewidgets.sites import Site

if TYPE_CHECKING:
    from saewidgets.scope import Scope

# Texts that are written in one batch.
_ROWS = 16


@dataclass(frozen=True, eq=False)
class Effects:
    """`effect on features = v M + b` of steering with a vector v at a site.

    Args:
        dictionary: Key of the dictionary whose features are meant.
        site: Where the vectors were added.
        matrix: M, `[d, d_dict]` float64.
        bias: b, `[d_dict]` float64: what a vector does whatever it is.
        explained: Share of the variance of the effects that the map explains on the vectors it was fitted on.
        n_vectors: How many those were.
    """

    dictionary: str
    site: Site
    matrix: Tensor
    bias: Tensor
    explained: float
    n_vectors: int


def fit_effects(
    scope: Scope,
    dictionary: str,
    prompts: Sequence[str],
    *,
    n_vectors: int = 64,
    strength: float = 0.5,
    max_new_tokens: int = 16,
    ridge: float = 1e-2,
    seed: int = 0,
) -> Effects:
    """Steer with many vectors, look at the features of what is written, fit a linear map (Chalnev et al. 2411.02193).

    Half of the vectors are directions of features, half are random. The effect of one is the mean activation of every
    feature over the new tokens of steered texts, minus that of texts without steering; features are read off in a run
    without edits, so that it is the text that is measured and not the vector in it.

    Args:
        scope: The model and its dictionaries.
        dictionary: Key of one that reads and writes at one site; there the vectors are added.
        prompts: Texts to go on from.
        n_vectors: How many vectors.
        strength: Their length, in norms of the activation they are added to.
        max_new_tokens: Of each text.
        ridge: Penalty, as a share of the mean square of the vectors.
        seed: Of vectors and texts.

    Returns:
        The map.

    Raises:
        DictionaryError: A transcoder.

    Example:
        >>> import saewidgets as sw
        >>> effects = fit_effects(sw.demo(), "resid_post.2", ["Mira saw a"], n_vectors=4, max_new_tokens=2)
        >>> effects.matrix.shape[0]
        128
    """
    key = scope.key(dictionary)
    used = scope.dictionaries[key]
    if used.site_in != used.site_out:
        raise DictionaryError(f"{key} writes elsewhere than it reads.", "Use a sparse autoencoder.")
    draw = torch.Generator().manual_seed(seed)
    rows = torch.randint(used.d_dict, (n_vectors // 2,), generator=draw)
    random = torch.randn(n_vectors - len(rows), used.d_out, generator=draw)
    vectors = torch.nn.functional.normalize(torch.cat([used.rows(rows).float().cpu(), random]), dim=1)
    lists: list[tuple[Edit, ...]] = [()]
    lists += [(steer(Direction(used.site_out, v), strength, relative=True),) for v in vectors]
    measured = sum(_measure(scope, key, prompt, lists, max_new_tokens, seed) for prompt in prompts) / len(prompts)
    assert isinstance(measured, Tensor)
    matrix, bias, explained = fit(vectors.double(), measured[1:] - measured[0], ridge)
    return Effects(key, used.site_out, matrix, bias, explained, n_vectors)


def fit(vectors: Tensor, effects: Tensor, ridge: float) -> tuple[Tensor, Tensor, float]:
    """Ridge regression with a free constant.

    Args:
        vectors: `[n, d]` float64.
        effects: `[n, m]` float64.
        ridge: Penalty, as a share of the mean square of the centred vectors' components times n.

    Returns:
        `[d, m]`, `[m]`, and the share of variance explained.
    """
    x, y = vectors - vectors.mean(0), effects - effects.mean(0)
    gram = x.T @ x
    penalty = ridge * gram.diagonal().mean() * torch.eye(x.shape[1], dtype=x.dtype)
    matrix = torch.linalg.solve(gram + penalty, x.T @ y)
    bias = effects.mean(0) - vectors.mean(0) @ matrix
    left = (y - x @ matrix).square().sum() / y.square().sum().clamp_min(1e-30)
    return matrix, bias, float(1 - left)


def _measure(
    scope: Scope, key: str, prompt: str, lists: Sequence[tuple[Edit, ...]], max_new_tokens: int, seed: int
) -> Tensor:
    """`[lists, d_dict]` mean activations over the tokens written under each list of edits."""
    ids = scope.model.tokenize(prompt)
    found = []
    for start in range(0, len(lists), _ROWS):
        versions = tuple((edits, None) for edits in lists[start : start + _ROWS])
        stream = write_texts(
            scope.model, scope.dictionaries, Request(prompt, ids, versions, (seed,), max_new_tokens, Sampling())
        )
        for _ in stream:
            pass
        found += [_features(scope, key, text) for text in stream.generations]
    return torch.stack(found)


def _features(scope: Scope, key: str, text: Generation) -> Tensor:
    dictionary = scope.dictionaries[key]
    trace = scope.model.trace(text.token_ids, [dictionary.site_in], logits=False)
    x = trace.values[dictionary.site_in][0].to(dictionary.device)
    written: Tensor = dictionary.encode(x)[text.n_prompt :].double().mean(0).cpu()
    return written
