"""`Atlas`: the statistics and examples that a sweep left, read without a model and without torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from saewidgets.atlas import octaves, tables
from saewidgets.atlas.examples import RANDOM, TOP
from saewidgets.atlas.keys import Array
from saewidgets.atlas.manifest import Manifest
from saewidgets.atlas.moments import Moments
from saewidgets.atlas.shared import Shared
from saewidgets.atlas.store import Commit, Store
from saewidgets.atlas.summary import Summary
from saewidgets.atlas.vocabulary import Vocabulary
from saewidgets.errors import AtlasError, FeatureError, shorten
from saewidgets.sites import FeatureId


class Atlas:
    """What a sweep left on disk. A sweep that goes on adds to it; open it again to see more.

    Args:
        folder: The folder.

    Raises:
        AtlasError: It holds no atlas, one of a newer version, or nothing yet.

    Example:
        >>> import tempfile, saewidgets as sw
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     texts = ["Mira gave the red lantern to Tom."] * 8
        ...     atlas = sw.demo().sweep(texts, ["resid_post.2"], folder, length=16, progress=False)
        ...     stats = atlas.stats("resid_post.2")
        >>> stats.index.name, "density" in stats
        ('feature', True)
    """

    def __init__(self, folder: str | Path) -> None:
        self._store = Store(folder)
        self._commits: list[list[Commit]] = [
            self._store.commits(number) for number in range(len(self._store.manifest.sites))
        ]
        if not any(self._commits):
            raise AtlasError(f"The atlas {shorten(str(folder))} holds no shard yet.", "Sweep a corpus into it.")
        self._blocks: dict[tuple[int, int], Moments] = {}
        self._shared: dict[int, Shared] = {}

    @classmethod
    def open(cls, folder: str | Path) -> Atlas:
        """Open the atlas in a folder."""
        return cls(folder)

    @property
    def manifest(self) -> Manifest:
        """What it was made of."""
        return self._store.manifest

    @property
    def sites(self) -> tuple[str, ...]:
        """Keys of its dictionaries."""
        return tuple(site.key for site in self.manifest.sites)

    def n_tokens(self, site: str) -> int:
        """Tokens that were counted for a dictionary."""
        return sum(commit.n_tokens for commit in self._commits[self.manifest.site(site)])

    @property
    def n_contexts(self) -> int:
        """Contexts whose tokens are in it."""
        return sum(commit.contexts for commit in max(self._commits, key=len))

    def stats(self, site: str) -> pd.DataFrame:
        """Statistics of every feature of a dictionary.

        Args:
            site: Its key.

        Returns:
            One row a feature, dead ones too: `n_tokens`, `n_active`, `density`; over the tokens it is active at `mean`,
            `std`, `skew`, `kurtosis` (excess), `maximum`, `minimum`; NaN where it never was.
        """
        number = self.manifest.site(site)
        parts = [self._moments(number, block) for block in range(self._store.n_blocks(number))]
        feature = np.concatenate([part.feature for part in parts])
        columns = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ("n_active", "total", "squares", "cubes", "fourths", "maximum", "minimum")
        }
        frame = pd.DataFrame(_standardised(columns), index=pd.Index(feature, name="feature"))
        frame = frame.reindex(pd.RangeIndex(self.manifest.sites[number].d_dict, name="feature"))
        frame["n_active"] = frame["n_active"].fillna(0).astype(np.int64)
        frame.insert(0, "n_tokens", self.n_tokens(site))
        frame.insert(2, "density", frame["n_active"] / max(self.n_tokens(site), 1))
        return frame

    def feature(self, feature: str | FeatureId) -> SweptFeature:
        """Everything about one feature.

        Args:
            feature: `"resid_post.2/17"`.

        Raises:
            AtlasError: No such dictionary.
            FeatureError: No such feature.
        """
        feature = FeatureId.parse(feature)
        number = self.manifest.site(feature.dictionary)
        if feature.index >= self.manifest.sites[number].d_dict:
            width = self.manifest.sites[number].d_dict
            raise FeatureError(f"There is no feature {feature}.", f"{feature.dictionary} has 0 to {width - 1}.")
        row = self._store.merged_feature(number, feature.index, self._commits[number])
        return SweptFeature(self, feature, row)

    def shared(self, site: str) -> Shared:
        """The features at the sampled tokens, the same tokens for every dictionary of as many shards."""
        number = self.manifest.site(site)
        if number not in self._shared:
            self._shared[number] = self._store.merged_shared(number, self._commits[number])
        return self._shared[number]

    def token_ids(self, context: int) -> list[int]:
        """The token ids of one context, as they went into the model.

        Raises:
            AtlasError: There is no such context.
        """
        if not 0 <= context < self.n_contexts:
            raise AtlasError(f"There is no context {context}.", f"This atlas has 0 to {self.n_contexts - 1}.")
        return [int(i) for i in self._store.context(context)]

    def tokens(self, context: int) -> tuple[str, ...]:
        """The text of one context, a string a token."""
        return self.vocabulary.strings(self.token_ids(context))

    def texts(self, contexts: Iterable[int]) -> dict[int, tuple[str, ...]]:
        """The texts of several contexts, a string a token."""
        return {c: self.vocabulary.strings(ids.tolist()) for c, ids in self._store.contexts(contexts).items()}

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Its tokens as text."""
        return Vocabulary(self._store.folder)

    def rows(self, site: str, features: Sequence[int], names: list[str]) -> pa.Table:
        """Some columns of some features, as stored; without those that were never active."""
        number = self.manifest.site(site)
        return self._store.rows(number, features, self._commits[number], names)

    def columns(self, site: str, names: list[str]) -> Iterator[pa.Table]:
        """Some columns of all features that were active, as stored, a block after the other."""
        number = self.manifest.site(site)
        for block in range(self._store.n_blocks(number)):
            yield self._store.columns(number, block, self._commits[number], names)

    def contexts(self) -> Iterator[tuple[int, Array]]:
        """Token ids `[contexts, length]` of every shard, with the number of its first context."""
        for shard in range(max(map(len, self._commits))):
            yield self.manifest.first(shard), self._store.shard_ids(shard)

    def _moments(self, site: int, number: int) -> Moments:
        key = (site, number)
        if key not in self._blocks:
            self._blocks[key] = tables.moments_of(
                self._store.columns(site, number, self._commits[site], tables.MOMENTS)
            )
        return self._blocks[key]

    def __repr__(self) -> str:
        counts = ", ".join(f"{site}: {self.n_tokens(site):,} tokens" for site in self.sites)
        return f"Atlas({shorten(self.manifest.model)}; {counts})"


@dataclass(frozen=True, eq=False)
class SweptFeature:
    """What an atlas knows of one feature.

    Args:
        atlas: The atlas.
        id: The feature.
        row: Its row, or none if it was never active.
    """

    atlas: Atlas
    id: FeatureId
    row: pa.Table

    @cached_property
    def _summary(self) -> Summary:
        return tables.summary_of(self.row, None)

    @property
    def n_active(self) -> int:
        """Tokens it is active at."""
        return int(self._summary.moments.n_active.sum())

    @cached_property
    def histogram(self) -> pd.DataFrame:
        """Columns `low`, `high` (bounds of the magnitude), `sign`, `count`: half octaves that occur."""
        counts = self._summary.histogram
        half, sign = counts.key % octaves.N_HALVES, np.where(counts.key < octaves.N_HALVES, 1, -1)
        edges = octaves.edges()
        columns = {"low": edges[half], "high": edges[half + 1], "sign": sign, "count": counts.count}
        return pd.DataFrame(columns)

    @cached_property
    def fires_on(self) -> pd.DataFrame:
        """Columns `token`, `id`, `count`, `share`: the tokens it is active at most often."""
        counts = self._summary.tokens.most(self.atlas.manifest.limits.tokens)
        rows = np.lexsort((counts.key, -counts.count))
        ids, n = counts.key[rows], counts.count[rows]
        strings = self.atlas.vocabulary.strings(ids.tolist())
        return pd.DataFrame({"token": strings, "id": ids, "count": n, "share": n / max(self.n_active, 1)})

    @cached_property
    def examples(self) -> pd.DataFrame:
        """Columns `group`, `document`, `context`, `position`, `activation`, `tokens`, `activations`.

        `group` is `"top"`, `"random"`, or the bounds of an octave of magnitude such as `"1 to 2"`.
        """
        examples = self._summary.examples
        texts = self.atlas.texts(set(examples.context.tolist()))
        around = []
        for row, context in enumerate(examples.context.tolist()):
            values = np.zeros(len(texts[context]), np.float32)
            entries = slice(examples.begin[row], examples.begin[row + 1])
            values[examples.where[entries]] = examples.around[entries]
            around.append(values)
        return pd.DataFrame(
            {
                "group": [_group(g) for g in examples.group.tolist()],
                "document": examples.document,
                "context": examples.context,
                "position": examples.position,
                "activation": examples.value,
                "tokens": [texts[c] for c in examples.context.tolist()],
                "activations": around,
            }
        )

    def coactive(self, site: str | None = None, n: int = 10) -> pd.DataFrame:
        """Features active at the same tokens, over the shared sample.

        Args:
            site: Key of the dictionary they are of; its own by default.
            n: How many.

        Returns:
            Columns `feature`, `both` (tokens with both), `jaccard`, by falling Jaccard index.
        """
        mine = self.atlas.shared(self.id.dictionary)
        other = self.atlas.shared(site or self.id.dictionary)
        rows = np.repeat(np.arange(len(mine.context)), np.diff(mine.begin))[mine.feature == self.id.index]
        length = self.atlas.manifest.length
        places = mine.context[rows] * length + mine.position[rows]
        there = np.isin(other.context * length + other.position, places)
        both = np.bincount(other.feature[np.repeat(there, np.diff(other.begin))])
        alone = np.bincount(other.feature, minlength=len(both))[: len(both)]
        jaccard = both / np.maximum(alone + len(places) - both, 1)
        if (site or self.id.dictionary) == self.id.dictionary and self.id.index < len(both):
            jaccard[self.id.index] = -1.0
        best = np.lexsort((np.arange(len(both)), -jaccard))[:n]
        best = best[both[best] > 0]
        best = best[jaccard[best] > 0]
        names = [f"{site or self.id.dictionary}/{i}" for i in best.tolist()]
        return pd.DataFrame({"feature": names, "both": both[best], "jaccard": jaccard[best]})

    def __repr__(self) -> str:
        return f"SweptFeature({self.id}, active at {self.n_active:,} of {self.atlas.n_tokens(self.id.dictionary):,})"


def _standardised(columns: Mapping[str, Array]) -> dict[str, Array]:
    """Mean, standard deviation, skew and excess kurtosis of active values, from their power sums."""
    n = columns["n_active"].astype(np.float64)
    mean, square, cube, fourth = (columns[name] / n for name in ("total", "squares", "cubes", "fourths"))
    variance = np.maximum(square - mean**2, 0.0)
    # Below this the difference of the sums is rounding: the values are all equal.
    variance[variance <= 1e-12 * square] = 0.0
    third = cube - 3 * mean * square + 2 * mean**3
    power = fourth - 4 * mean * cube + 6 * mean**2 * square - 3 * mean**4
    with np.errstate(invalid="ignore", divide="ignore"):
        skew, kurtosis = third / variance**1.5, power / variance**2 - 3
    varied = variance > 0
    return {
        "n_active": columns["n_active"],
        "mean": mean,
        "std": np.sqrt(variance),
        "skew": np.where(varied, skew, np.nan),
        "kurtosis": np.where(varied, kurtosis, np.nan),
        "maximum": columns["maximum"],
        "minimum": columns["minimum"],
    }


def _group(number: int) -> str:
    if number in (TOP, RANDOM):
        return "top" if number == TOP else "random"
    octave = number - 2
    half = octave * 2 % octaves.N_HALVES
    low, high = octaves.edges()[half], octaves.edges()[half + 2]
    sign = "-" if octave * 2 >= octaves.N_HALVES else ""
    return f"{sign}{low:g} to {sign}{high:g}"
