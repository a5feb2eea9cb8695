"""Hypothesis strategies for payloads of any content that fits the declaration."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from saewidgets.payloads import (
    ChosenFeature,
    Context,
    Control,
    FeatureLabel,
    HeatmapPayload,
    Predictions,
    SiteView,
    Sparse,
    Tokens,
)

# Everything a JavaScript engine, a tokenizer or an attacker may put into a string, lone surrogates included.
TEXT = st.text(st.characters(codec=None), max_size=12) | st.sampled_from(
    ["</script><!--", "__proto__", "\ud800", "\x00", "\u202e", "\U0001f642", "$\\frac$", "/etc/passwd"]
)
BOUND = 2.0**100
NUMBER = st.floats(-BOUND, BOUND, width=32)
SPECIAL = np.array([0, -0.0, 1, -1, 1e-45, 1e-30, 3.4e38, -3.4e38])


def array(draw: Any, length: int, *, whole: int | None = None) -> np.ndarray:
    """`length` numbers: whole ones up to `whole`, or any that float32 holds; from a seed, which is quick to draw."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    if whole is not None:
        return random.integers(0, whole, length, endpoint=True)
    return np.where(random.random(length) < 0.3, random.choice(SPECIAL, length), random.normal(size=length))


def sparse(draw: Any, length: int, width: int = 1_000) -> Sparse:
    """A CSR of a few entries."""
    counts = array(draw, length, whole=3)
    total = int(counts.sum())
    return Sparse(np.concatenate([[0], counts.cumsum()]), array(draw, total, whole=width - 1), array(draw, total))


def maybe(draw: Any, make: Any) -> Any:
    """`make()` or `None`."""
    return make() if draw(st.booleans()) else None


def site(draw: Any, n: int) -> SiteView:
    """One dictionary on `n` tokens."""
    before = sparse(draw, n), array(draw, n, whole=2**32 - 1), array(draw, n)
    after = maybe(draw, lambda: sparse(draw, n)), maybe(draw, lambda: array(draw, n, whole=9)), None
    return SiteView(draw(TEXT), draw(TEXT), draw(st.integers(1_000, 2**40)), *before, *after)


@st.composite
def payloads(draw: Any) -> HeatmapPayload:
    """A payload of at most five tokens."""
    n = draw(st.integers(0, 5))
    kind = array(draw, n, whole=3)
    pieces = tuple(draw(st.lists(TEXT, min_size=int((kind >= 2).sum()), max_size=int((kind >= 2).sum()))))
    texts = tuple(draw(st.lists(TEXT, min_size=n, max_size=n)))
    sites = tuple(site(draw, n) for _ in range(draw(st.integers(0, 2))))
    features = tuple(
        ChosenFeature(draw(TEXT), draw(TEXT), draw(st.integers(0, 63)), draw(NUMBER), array(draw, n),
                      maybe(draw, lambda: array(draw, n)), draw(TEXT), maybe(draw, lambda: draw(NUMBER)))
        for _ in range(draw(st.integers(0, 2)))
    )  # fmt: skip
    p, k, words = draw(st.integers(0, n)), draw(st.integers(1, 3)), draw(st.integers(1, 3))

    def matrix(columns: int) -> np.ndarray:
        return array(draw, p * columns).reshape(p, columns)

    predictions = Predictions(
        np.arange(p), tuple(draw(st.lists(TEXT, min_size=words, max_size=words))),
        array(draw, p * k, whole=words - 1).reshape(p, k), matrix(k), maybe(draw, lambda: matrix(k)),
        maybe(draw, lambda: array(draw, p)),
    )  # fmt: skip
    control = maybe(draw, lambda: Control(draw(st.integers(0, 99)), 0, matrix(k), matrix(k), matrix(2), matrix(2)))
    context = Context(draw(TEXT), draw(TEXT), draw(TEXT), draw(TEXT), draw(st.integers(-5, 2**52)), draw(NUMBER))
    return HeatmapPayload(
        prompt=draw(TEXT),
        tokens=Tokens(texts, array(draw, n, whole=2**32 - 1), kind, pieces),
        sites=sites,
        site=draw(TEXT),
        features=features,
        fill=draw(TEXT),
        selection=draw(st.integers(0, max(n - 1, 0))),
        surprise=array(draw, n),
        predictions=predictions,
        context=context,
        surprise_after=maybe(draw, lambda: array(draw, n)),
        control=control,
        n_edits=draw(st.integers(0, 9)),
        labels=tuple(FeatureLabel(draw(TEXT), draw(TEXT)) for _ in range(draw(st.integers(0, 2)))),
    )
