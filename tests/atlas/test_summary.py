"""Every statistic of a summary against brute force over dense activations, and summaries of parts against the whole."""

import dataclasses
import weakref
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saewidgets.atlas import keys, octaves, tables
from saewidgets.atlas.examples import FIRST_OCTAVE, RANDOM, TOP
from saewidgets.atlas.limits import Limits
from saewidgets.atlas.sparse import Activations, Tokens
from saewidgets.atlas.summary import FAN_IN, Summary

LIMITS = Limits(top=3, random=4, interval=2, shared=9)
LENGTH = 8


def world(seed: int, contexts: int, width: int, density: float, ties: bool) -> tuple[np.ndarray, Tokens]:
    """Dense activations `[T, width]` with negative ones and equal ones, and the tokens."""
    rng = np.random.default_rng(seed)
    n = contexts * LENGTH
    dense = (rng.normal(size=(n, width)) * 3 * (rng.random((n, width)) < density)).astype(np.float32)
    if ties:
        dense = np.round(dense)
    document = np.cumsum(rng.random(n) < 0.15)
    place = np.arange(n)
    return dense, Tokens(rng.integers(0, 7, n), place // LENGTH, place % LENGTH, document)


def active(dense: np.ndarray) -> Activations:
    token, feature = dense.nonzero()
    return Activations(token, feature, dense[token, feature])


def part(dense: np.ndarray, tokens: Tokens, piece: slice) -> tuple[Activations, Tokens]:
    return active(dense[piece]), Tokens(*(getattr(tokens, f.name)[piece] for f in dataclasses.fields(tokens)))


def agree(a: Any, b: Any, exact: bool = True) -> None:
    for field in dataclasses.fields(a):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if dataclasses.is_dataclass(x):
            agree(x, y, exact)
        elif exact or x.dtype != np.float64:
            np.testing.assert_array_equal(x, y, err_msg=field.name)
        else:
            np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-9, err_msg=field.name)


worlds = st.builds(
    world,
    st.integers(0, 10_000),
    st.integers(1, 9),
    st.integers(1, 12),
    st.sampled_from([0.0, 0.05, 0.3, 1.0]),
    st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(worlds)
def test_every_number_is_that_of_brute_force(made: tuple[np.ndarray, Tokens]) -> None:
    dense, tokens = made
    summary = Summary.of(active(dense), tokens, LIMITS)
    exact = dense.astype(np.float64)
    live = [f for f in range(dense.shape[1]) if dense[:, f].any()]
    assert summary.moments.feature.tolist() == live
    for row, f in enumerate(live):
        values = exact[:, f][dense[:, f] != 0]
        moments = summary.moments
        assert moments.n_active[row] == len(values)
        for power, name in enumerate(("total", "squares", "cubes", "fourths"), 1):
            np.testing.assert_allclose(getattr(moments, name)[row], (values**power).sum(), rtol=1e-12, atol=1e-9)
        assert (moments.maximum[row], moments.minimum[row]) == (values.max(), values.min())
        check_counts(summary, f, dense, tokens)
        check_examples(summary, f, dense, tokens)
    check_shared(summary, dense, tokens)


def check_counts(summary: Summary, f: int, dense: np.ndarray, tokens: Tokens) -> None:
    on = np.flatnonzero(dense[:, f])
    mine = summary.tokens.feature == f
    fires = dict(zip(summary.tokens.key[mine].tolist(), summary.tokens.count[mine].tolist(), strict=True))
    assert fires == Counter(tokens.id[on].tolist())
    bounds = octaves.edges()
    mine = summary.histogram.feature == f
    bars = dict(zip(summary.histogram.key[mine].tolist(), summary.histogram.count[mine].tolist(), strict=True))
    expected: Counter[int] = Counter()
    for v in dense[on, f].astype(np.float64):
        expected[int(np.searchsorted(bounds, abs(v), side="right")) - 1 + (64 if v < 0 else 0)] += 1
    assert bars == expected


def check_examples(summary: Summary, f: int, dense: np.ndarray, tokens: Tokens) -> None:
    examples = summary.examples
    on = np.flatnonzero(dense[:, f]).tolist()
    hashes = keys.mixed(tokens.context, tokens.position)
    best: dict[int, int] = {}
    for t in sorted(on, key=lambda t: (-abs(dense[t, f]), t)):
        best.setdefault(int(tokens.document[t]), t)
    drawn = sorted(on, key=lambda t: (hashes[t], t))
    wanted = {TOP: list(best.values())[: LIMITS.top], RANDOM: drawn[: LIMITS.random]}
    for t in drawn:
        kept = wanted.setdefault(FIRST_OCTAVE + int(octaves.half_octave(dense[t : t + 1, f])[0]) // 2, [])
        if len(kept) < LIMITS.interval:
            kept.append(t)
    for group, places in wanted.items():
        rows = np.flatnonzero((examples.feature == f) & (examples.group == group))
        assert (examples.context[rows] * LENGTH + examples.position[rows]).tolist() == places
        for row, t in zip(rows, places, strict=True):
            context = slice(t - t % LENGTH, t - t % LENGTH + LENGTH)
            around = np.zeros(LENGTH, np.float32)
            entries = slice(examples.begin[row], examples.begin[row + 1])
            around[examples.where[entries]] = examples.around[entries]
            np.testing.assert_array_equal(around, dense[context, f])
            assert (examples.value[row], examples.document[row]) == (dense[t, f], tokens.document[t])
    assert set(examples.group[examples.feature == f].tolist()) == set(wanted)


def check_shared(summary: Summary, dense: np.ndarray, tokens: Tokens) -> None:
    shared = summary.shared
    hashes = keys.mixed(tokens.context, tokens.position)
    chosen = sorted(sorted(range(len(tokens)), key=lambda t: (hashes[t], t))[: LIMITS.shared])
    assert (shared.context * LENGTH + shared.position).tolist() == chosen
    for row, t in enumerate(chosen):
        entries = slice(shared.begin[row], shared.begin[row + 1])
        assert shared.feature[entries].tolist() == dense[t].nonzero()[0].tolist()
        np.testing.assert_array_equal(shared.value[entries], dense[t][dense[t] != 0])


@settings(max_examples=60, deadline=None)
@given(worlds, st.integers(1, 4), st.randoms())
def test_what_is_kept_of_parts_is_what_is_kept_of_the_whole(
    made: tuple[np.ndarray, Tokens], per_part: int, random: Any
) -> None:
    dense, tokens = made
    step = per_part * LENGTH
    parts = [
        Summary.of(*part(dense, tokens, slice(first, first + step)), LIMITS) for first in range(0, len(dense), step)
    ]
    whole = Summary.of(active(dense), tokens, LIMITS)
    agree(Summary.merge(parts, LIMITS), whole, exact=False)
    random.shuffle(parts)
    agree(Summary.merge(parts, LIMITS), whole, exact=False)


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 63, 64, 65, 70, 513])
def test_summaries_that_come_one_at_a_time_are_grouped_as_a_tree(n: int) -> None:
    dense, tokens = world(5, n, 4, 0.5, ties=False)
    made = [Summary.of(*part(dense, tokens, slice(i, i + LENGTH)), LIMITS) for i in range(0, len(dense), LENGTH)]
    alive = weakref.WeakSet[Summary]()
    most = 0

    def stream() -> Iterator[Summary]:
        nonlocal most
        for summary in made:
            copy = dataclasses.replace(summary)
            alive.add(copy)
            yield copy
            del copy
            most = max(most, len(alive))

    found = Summary.merge(stream(), LIMITS)
    while len(made) > 1:
        made = [Summary._merge(made[i : i + FAN_IN], LIMITS) for i in range(0, len(made), FAN_IN)]
    agree(found, made[0])
    assert most <= FAN_IN


@settings(max_examples=30, deadline=None)
@given(worlds)
def test_tables_give_back_what_was_written(made: tuple[np.ndarray, Tokens]) -> None:
    dense, tokens = made
    summary = Summary.of(active(dense), tokens, LIMITS)
    written = [
        tables.to_parquet(table, rows=3)
        for table in (tables.feature_table(summary), tables.shared_table(summary.shared))
    ]
    features, shared = (pq.read_table(pa.BufferReader(raw)) for raw in written)
    back = tables.summary_of(features, shared)
    agree(back, summary)
    assert tables.to_parquet(tables.feature_table(back), rows=3) == written[0]


def test_the_sample_is_fair() -> None:
    contexts = np.repeat(np.arange(4000), 16)
    drawn = np.argsort(keys.mixed(contexts, np.tile(np.arange(16), 4000)))[:8000]
    # 500 of each position are expected; 5 standard deviations are 107.
    assert np.abs(np.bincount(drawn % 16, minlength=16) - 500).max() < 107
