"""The decoder map: directions of a dictionary in two dimensions, those that point alike near each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from saewidgets.errors import FeatureError, LabelError
from saewidgets.explain.chosen import Features, choose

if TYPE_CHECKING:
    from saewidgets.scope import Scope

COLUMNS = ("map_x", "map_y")
# t-SNE asks for three times as many neighbours as its perplexity.
_FEWEST = 8


def decoder_map(
    scope: Scope, features: Features, *, perplexity: float = 30.0, seed: int = 0, workers: int = 1
) -> pd.DataFrame:  # fmt: skip
    """Lay out the decoder directions of a dictionary in the plane, by cosine (t-SNE, van der Maaten & Hinton 2008).

    Neighbours of the map are neighbours in the decoder; sizes of groups and distances across the map mean nothing. It
    is computed by openTSNE (Poličar et al. 2024): `pip install "saewidgets[map]"`. On two cores 1,024 features take
    two seconds, 24,576 a minute and a half. Give it to a table as scores:
    `sw.FeatureTable(scope, atlas=atlas, scores=[sw.explain.decoder_map(scope, site)])`.

    Args:
        scope: A model with its dictionaries.
        features: A dictionary's key for all of it, or some features of one dictionary.
        perplexity: Neighbours that each direction counts; fewer where the dictionary is small.
        seed: Of the layout.
        workers: Threads. One gives the same map each time, several are faster.

    Returns:
        `map_x` and `map_y` by feature id, each between -1 and 1; NaN for a direction of length 0.

    Raises:
        FeatureError: Unknown, or fewer than eight that have a direction.
        LabelError: openTSNE is not installed.

    Example:
        >>> import saewidgets as sw
        >>> found = decoder_map(sw.demo(), "attn_out.1")
        >>> list(found.columns), bool(found.abs().max().max() <= 1)
        (['map_x', 'map_y'], True)
    """
    chosen = choose(scope, features)
    directions = chosen.dictionary.rows(chosen.index).detach().float().cpu().numpy()
    lengths = np.linalg.norm(directions, axis=1)
    alive = np.flatnonzero(np.isfinite(lengths) & (lengths > 0))
    if len(alive) < _FEWEST:
        what = f"{len(alive)} features with a direction."
        raise FeatureError(what, f"A map needs {_FEWEST} of them.")
    places = np.full((len(directions), 2), np.nan)
    places[alive] = _layout(directions[alive] / lengths[alive, None], perplexity, seed, workers)
    return pd.DataFrame(places, pd.Index(chosen.names, name="feature"), list(COLUMNS))


def _layout(directions: np.ndarray, perplexity: float, seed: int, workers: int) -> np.ndarray:
    """`[n, d]` unit vectors -> `[n, 2]` places within -1 and 1, about the middle."""
    try:
        from openTSNE import TSNE
    except ImportError:
        raise LabelError("openTSNE is not installed.", 'Run: pip install "saewidgets[map]".') from None
    tsne = TSNE(
        perplexity=min(perplexity, (len(directions) - 1) / 3), metric="cosine", initialization="pca",
        random_state=seed, n_jobs=workers,
    )  # fmt: skip
    places = np.array(tsne.fit(directions), np.float64)
    places -= (places.max(0) + places.min(0)) / 2
    return places / max(np.abs(places).max(), 1e-12)
