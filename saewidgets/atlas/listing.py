"""Every feature of one dictionary of an atlas, as a table needs it: statistics of all, and pictures of a few."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from saewidgets.atlas import octaves, tables
from saewidgets.atlas.counts import Counts
from saewidgets.atlas.keys import Array
from saewidgets.atlas.phrases import Phrases

if TYPE_CHECKING:
    from saewidgets.atlas.atlas import Atlas

# Bars of the small histogram in a row: half octaves down from the greatest activation of the dictionary.
BARS = 16
# Tokens of a row, and those that are searched.
WORDS, SEARCHED = 3, 8
STATISTICS = ("density", "n_active", "mean", "std", "skew", "kurtosis", "maximum", "minimum")


class Listing:
    """One dictionary of an atlas.

    Args:
        atlas: The atlas.
        site: Key of the dictionary.

    Raises:
        AtlasError: It is not there, or damaged.
    """

    def __init__(self, atlas: Atlas, site: str) -> None:
        self.atlas, self.site = atlas, site
        self.width = atlas.manifest.sites[atlas.manifest.site(site)].d_dict
        self.phrases = Phrases(atlas)
        frame = atlas.stats(site)
        #: `[d_dict]` float64 by name; NaN where a feature never fired.
        self.columns: dict[str, Array] = {name: frame[name].to_numpy(np.float64) for name in STATISTICS}

    @cached_property
    def top(self) -> int:
        """Half octave of the greatest magnitude."""
        sizes = np.fmax(np.abs(self.columns["maximum"]), np.abs(self.columns["minimum"]))
        greatest = np.nanmax(sizes, initial=0.0) if np.isfinite(sizes).any() else 1.0
        return int(octaves.half_octave(np.array([greatest], np.float32))[0])

    def bars(self, features: Sequence[int]) -> Array:
        """`[len(features), BARS]` counts by half octave of magnitude, the last the greatest of the dictionary.

        What is weaker than the first bar is counted there.
        """
        counts = tables.counts_of(self._rows(features, "histogram"), "histogram")
        bar = np.maximum(counts.key % octaves.N_HALVES - (self.top - BARS + 1), 0)
        place = {feature: row for row, feature in enumerate(features)}
        result = np.zeros((len(features), BARS), np.int64)
        np.add.at(result, ([place[f] for f in counts.feature.tolist()], bar), counts.count)
        return result

    def fires_on(self, features: Sequence[int], n: int = WORDS) -> list[tuple[str, ...]]:
        """Of each feature the tokens it fires on most often."""
        counts = tables.counts_of(self._rows(features, "tokens"), "tokens").most(n)
        order = np.lexsort((counts.key, -counts.count))
        strings = self.atlas.vocabulary.strings(counts.key[order].tolist())
        found: dict[int, list[str]] = {feature: [] for feature in features}
        for feature, token in zip(counts.feature[order].tolist(), strings, strict=True):
            found[feature].append(token)
        return [tuple(found[feature]) for feature in features]

    def _rows(self, features: Sequence[int], name: str) -> pa.Table:
        return self.atlas.rows(self.site, features, ["feature", name])

    @cached_property
    def _tokens(self) -> tuple[Array, Array]:
        """Feature and token of all that is searched among the tokens they fire on."""
        parts: list[Counts] = []
        for block in self.atlas.columns(self.site, ["feature", "tokens"]):
            parts.append(tables.counts_of(block, "tokens").most(SEARCHED))
        return np.concatenate([p.feature for p in parts]), np.concatenate([p.key for p in parts])

    @cached_property
    def places(self) -> dict[str, Array]:
        """`feature`, `context`, `position` of every example."""
        parts = [tables.places_of(block) for block in self.atlas.columns(self.site, tables.PLACES)]
        return {name: np.concatenate([part[name] for part in parts]) for name in ("feature", "context", "position")}

    def firing_on(self, word: str) -> Array:
        """`[d_dict]` whether one of the `SEARCHED` tokens that a feature fires on most begins with a word."""
        fits, (feature, token) = self.phrases.beginning(word), self._tokens
        return self._mask(feature[fits[np.clip(token, 0, len(fits) - 1)] & (token < len(fits))])

    def _mask(self, features: Array) -> Array:
        mask = np.zeros(self.width, bool)
        mask[features] = True
        return mask

    def n_beside(self, beside: Array) -> Array:
        """`[d_dict]` how many examples of each feature are among those marked, in the order of `places`."""
        result: Array = np.bincount(self.places["feature"][beside], minlength=self.width)
        return result
