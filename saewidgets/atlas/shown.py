"""One feature of an atlas as fields of a `FeatureDashboardPayload`. Reads what it shows; no model, no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from saewidgets.payloads.feature_dashboard import ExampleGroup, RelatedFeature, Word
from saewidgets.payloads.histogram import Histogram
from saewidgets.payloads.training import Passage

if TYPE_CHECKING:
    import pandas as pd

    from saewidgets.atlas.atlas import Atlas, SweptFeature

# Tokens of an example before and after its peak, features of a list, and tokens it fires on most.
AROUND, RELATED, FIRES_ON = 28, 5, 8


def swept_fields(atlas: Atlas, feature: str) -> dict[str, Any]:
    """What an atlas knows of a feature.

    Args:
        atlas: The atlas.
        feature: `"resid_post.2/17"`.

    Returns:
        Fields of the payload: counts, histogram, examples, tokens it fires on, what fires at the same tokens.

    Raises:
        AtlasError: The atlas does not have its dictionary.
        FeatureError: No such feature.
    """
    swept = atlas.feature(feature)
    key, n_active = swept.id.dictionary, swept.n_active
    counts = swept.histogram
    return {
        "n_tokens": atlas.n_tokens(key),
        "n_active": n_active,
        "maximum": float(swept.examples["activation"].abs().max()) if n_active else 0.0,
        "histogram": half_octaves(counts),
        "groups": _groups(swept, counts),
        "fires_on": _words(swept.fires_on[:FIRES_ON]),
        "together": _related(swept.coactive(n=RELATED)),
        "alike": _alike(atlas, swept),
        "source": f"{atlas.manifest.model}, contexts of {atlas.manifest.length} tokens"
        + (", position 0 left out" if atlas.manifest.skip_first else ""),
    }


def half_octaves(counts: pd.DataFrame) -> Histogram:
    """Tokens by |activation|, both signs together.

    Args:
        counts: Columns `low`, `high`, `count`, the half octaves that occur; the outer ones may be open.

    Returns:
        All half octaves from the least to the greatest that occurs; edges as logarithms to base 10.
    """
    if not len(counts):
        return Histogram(np.zeros(0), np.zeros(0, np.int64), log=True)
    # Half octaves are equal steps of the logarithm; an open one is drawn as wide as the others.
    low, high = counts["low"].to_numpy(), counts["high"].to_numpy()
    upper = np.where(np.isfinite(high), high, low * np.sqrt(2))
    last = np.rint(2 * np.log2(upper)).astype(int)
    first, end = int(last.min()) - 1, int(last.max())
    total = np.bincount(last - 1 - first, counts["count"].to_numpy(), end - first).astype(np.int64)
    return Histogram(np.arange(first, end + 1) / 2 * np.log10(2), total, log=True)


def _groups(swept: SweptFeature, counts: pd.DataFrame) -> tuple[ExampleGroup, ...]:
    """Intervals from the strongest down, then the top and the random examples."""
    found: list[tuple[tuple[int, float], ExampleGroup]] = []
    columns = {name: column.to_numpy() for name, column in swept.examples.items()}
    for name in dict.fromkeys(columns["group"].tolist()):
        kind = name if name in ("top", "random") else "interval"
        rows = np.flatnonzero(columns["group"] == name)
        if kind != "random":
            rows = rows[np.argsort(-np.abs(columns["activation"][rows]), kind="stable")]
        ordered = {key: column[rows] for key, column in columns.items()}
        fields: dict[str, Any] = {}
        if kind == "interval":
            fields = _octave(float(ordered["activation"][0]), counts, swept.n_active)
        group = ExampleGroup(
            kind=kind,
            passages=tuple(
                _passage(tokens, values, position, swept.atlas.vocabulary.special)
                for tokens, values, position in zip(
                    ordered["tokens"], ordered["activations"], ordered["position"].tolist(), strict=True
                )
            ),
            contexts=ordered["context"],
            positions=ordered["position"],
            **fields,
        )
        found.append((({"interval": 0, "top": 1, "random": 2}[kind], -group.low), group))
    return tuple(group for _, group in sorted(found, key=lambda pair: pair[0]))


def _octave(value: float, counts: pd.DataFrame, n_active: int) -> dict[str, Any]:
    """Bounds of the octave of an activation, and its share of the tokens."""
    negative = value < 0
    same = counts[(counts["sign"] < 0) == negative]
    half = same[(same["low"] <= abs(value)) & (abs(value) < same["high"])]
    top = float(half["high"].iloc[0]) if np.isfinite(half["high"].iloc[0]) else float(half["low"].iloc[0]) * 2**0.5
    # Octaves end at whole powers of two.
    high = 2.0 ** np.ceil(np.log2(top) - 1e-9)
    inside = same[(same["low"] >= high / 2 * (1 - 1e-9)) & (same["low"] < high * (1 - 1e-9))]
    share = float(inside["count"].sum()) / max(n_active, 1)
    return {"low": high / 2, "high": high, "share": share, "negative": negative}


def span(position: int, length: int) -> tuple[int, int]:
    """First token and end of what is shown around a token."""
    return max(0, position - AROUND), min(length, position + AROUND + 1)


def _passage(tokens: tuple[str, ...], values: Any, position: int, special: frozenset[str]) -> Passage:
    """The context around a token; special tokens in the frame that all marks have."""
    start, end = span(position, len(tokens))
    shown = tuple(f"‹{t.strip('<|>[]')}›" if t in special else t for t in tokens[start:end])
    return Passage(shown, values[start:end], position - start)


def _words(found: pd.DataFrame) -> tuple[Word, ...]:
    return tuple(map(Word, found["token"].tolist(), found["share"].tolist()))


def _related(found: pd.DataFrame) -> tuple[RelatedFeature, ...]:
    return tuple(map(RelatedFeature, found["feature"].tolist(), found["jaccard"].tolist()))


def _alike(atlas: Atlas, swept: SweptFeature) -> tuple[RelatedFeature, ...]:
    """The best of every other dictionary, the most alike first."""
    others = [site for site in atlas.sites if site != swept.id.dictionary and atlas.n_tokens(site)]
    best = [feature for site in others for feature in _related(swept.coactive(site, 1))]
    return tuple(sorted(best, key=lambda feature: -feature.value)[:RELATED])
