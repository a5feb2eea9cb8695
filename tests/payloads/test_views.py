"""Payloads of training, frontier and report: they come back as they went, and what does not fit is refused."""

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from saewidgets.errors import PayloadError
from saewidgets.payloads import (
    Beside,
    Curve,
    Estimate,
    FrontierPoint,
    Histogram,
    ListedFeature,
    Measure,
    Passage,
    cosine_histogram,
    decode,
    density_histogram,
    encode,
)
from saewidgets.payloads.frontier import frontier
from tests.circuit_factory import make_circuit
from tests.payloads.test_codec import mutate, pack, parts, same
from tests.view_factory import (
    make_compare,
    make_contrast,
    make_dashboard,
    make_dead,
    make_explorer,
    make_frontier,
    make_nothing,
    make_patch_map,
    make_report,
    make_rows,
    make_steering,
    make_table,
    make_training,
)

ALL = {
    "training": make_training(),
    "training at step 0": make_training(0, features=(), curves=()),
    "frontier": make_frontier(),
    "frontier without reports": make_frontier(2, reports=False, y="CE", x="linear"),
    "report": make_report(feature="resid_post.2/9"),
    "dashboard": make_dashboard(),
    "dashboard of a dead feature": make_dead(),
    "table": make_table(),
    "table where nothing fits": make_table(0, points=(), note="Nothing fits."),
    "rows of a table": make_rows(80, 160),
    "contrast": make_contrast(),
    "contrast with a probe": make_contrast(tool="probe"),
    "circuit": make_circuit(40, 200),
    "circuit of one graph": make_circuit(12, 40, before=False, live=False),
    "circuit without nodes": make_circuit(0, 0, before=False, live=False),
    "steering": make_steering(),
    "steering of nothing": make_steering(roles=("base",), sliders=(), doses=None, kept=(), texts=()),
    "explorer": make_explorer(),
    "explorer in a lecture": make_explorer(preset="lecture", opened=True),
    "explorer that compares": make_explorer(preset="compare"),
    "explorer of nothing": make_explorer(panels=(), dashboards=(), diary=(), feature=""),
    "patch map": make_patch_map(),
    "comparison": make_compare(),
    "comparison of two dictionaries": make_compare(-1, match="cosine", site_b="resid_post.2@small", note="Two."),
    "comparison without numbers": make_compare(-1, predictions=None, kl_back=None, match="none", note="None."),
    "comparison without its sides": make_compare(0, inside=False),
    "patch map that grows": make_patch_map(False),
    "patch map of nothing": make_nothing(),
}


@pytest.mark.parametrize("payload", ALL.values(), ids=ALL)
def test_what_goes_in_comes_out(payload: Any) -> None:
    raw = encode(payload)
    assert same(decode(raw), payload)
    assert encode(decode(raw)) == raw
    for end in range(0, len(raw), max(1, len(raw) // 500)):
        with pytest.raises(PayloadError):
            decode(raw[:end])


@pytest.mark.parametrize("payload", ALL.values(), ids=ALL)
def test_1000_wrong_headers_with_a_right_checksum(payload: Any) -> None:
    header, body = parts(encode(payload))
    source, outcomes = random.Random(3), Counter[str]()
    for _ in range(1_000):
        try:
            read = decode(pack(mutate(header, source), body))
            assert same(decode(encode(read)), read)
            outcomes["read"] += 1
        except PayloadError:
            outcomes["refused"] += 1
    assert min(outcomes["read"], outcomes["refused"]) > 50


TRAINING, FRONTIER, REPORT = ALL["training"], ALL["frontier"], ALL["report"]
POINT = FRONTIER.points[0]
WRONG = {
    "phase": lambda: replace(TRAINING, phase="flying"),
    "scale": lambda: replace(TRAINING, scale="cubic"),
    "negative step": lambda: replace(TRAINING, step=-1),
    "steps fall": lambda: replace(TRAINING, steps=TRAINING.steps[::-1]),
    "steps repeat": lambda: replace(TRAINING, steps=np.repeat(TRAINING.steps[:30], 2)),
    "short curve": lambda: replace(TRAINING, curves=(Curve("loss", "loss", np.ones(3)),)),
    "loss is nan": lambda: Curve("loss", "loss", np.array([np.nan])),
    "many curves": lambda: replace(TRAINING, curves=TRAINING.curves * 9),
    "unequal changes": lambda: replace(TRAINING, changed_at=np.array([1, 2])),
    "peak outside": lambda: Passage(("a", "b"), np.ones(2), 2),
    "passage of unequal length": lambda: Passage(("a",), np.ones(2), 0),
    "slot": lambda: replace(TRAINING.features[0], slot=-1),
    "edges fall": lambda: Histogram(np.array([1.0, 0.0]), np.array([3])),
    "edges do not fit": lambda: Histogram(np.array([0.0, 1.0, 2.0]), np.array([3])),
    "negative outside": lambda: Histogram(np.array([0.0, 1.0]), np.array([3]), -1),
    "half an interval": lambda: Estimate(1.0, 0.5),
    "interval upside down": lambda: Estimate(1.0, 2.0, 0.5),
    "beyond all measure": lambda: Estimate(1e300),
    "infinite": lambda: Estimate(float("inf")),
    "unit": lambda: Measure("x", "y", Estimate(1.0), unit="furlongs"),
    "better": lambda: Measure("x", "y", Estimate(1.0), better="greener"),
    "unknown baseline": lambda: replace(
        REPORT, measures=(Measure("x", "y", Estimate(1.0), (Beside("magic", Estimate(1.0)),)),)
    ),
    "more listed than there are": lambda: replace(REPORT, n_dead=1),
    "too many listed": lambda: replace(REPORT, dead=(ListedFeature("a", "", 0.0),) * 1001, n_dead=5000),
    "kind": lambda: replace(POINT, kind="oracle"),
    "negative L0": lambda: replace(POINT, l0=Estimate(-1.0)),
    "one name twice": lambda: replace(FRONTIER, points=(POINT, POINT)),
    "axis": lambda: replace(FRONTIER, y="vibes"),
    "selected is not there": lambda: replace(FRONTIER, selected="nobody"),
    "front of no point": lambda: replace(FRONTIER, front_fvu=np.array([99])),
    "density over 1": lambda: density_histogram(np.array([1.5])),
    "density nan": lambda: density_histogram(np.array([np.nan])),
    "cosine nan": lambda: cosine_histogram(np.array([np.nan])),
}  # fmt: skip


@pytest.mark.parametrize("make", WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_refused_in_words(make: Any) -> None:
    with pytest.raises(PayloadError) as caught:
        make()
    assert 10 < len(str(caught.value)) < 300


def test_density_histogram_counts_every_feature_once() -> None:
    random_numbers = np.random.default_rng(0)
    density = np.concatenate([np.zeros(7), 10 ** random_numbers.uniform(-9, 0, 5_000), [1.0]])
    found = density_histogram(density)
    assert (found.outside, found.total) == (7, 5_008)
    # Independently: the exponent in quarters, what is below the lowest edge in the first bin.
    quarters = np.floor(np.clip(np.log10(density[density > 0]), -7, 0 - 1e-12) * 4)
    expected = {edge / 4: int((quarters == edge).sum()) for edge in range(-28, 0)}
    assert dict(zip(found.edges[:-1].tolist(), found.counts.tolist(), strict=True)) == expected


def test_cosine_histogram() -> None:
    assert cosine_histogram(np.array([0.1, 0.5, 1.0])).edges[0] == 0
    found = cosine_histogram(np.array([-0.5, 1.0 + 1e-9]))
    assert found.edges[0] == -1
    assert int(found.counts.sum()) == 2


def test_frontier_equals_a_search_over_all_pairs() -> None:
    source = np.random.default_rng(0)
    for _ in range(300):
        pairs = source.integers(0, 6, (source.integers(0, 12), 2)).tolist()
        points = [
            FrontierPoint(str(i), "dictionary", "topk", 8, Estimate(x), Estimate(y), Estimate(y))
            for i, (x, y) in enumerate(pairs)
        ]
        points.append(FrontierPoint("best", "pca", "pca", 8, Estimate(0.0), Estimate(-1.0), Estimate(9.0)))
        for axis, sign in (("FVU", 1), ("CE", -1)):
            costs = [(x, sign * y) for x, y in pairs]
            free = {pair for pair in costs if not any(q[0] <= pair[0] and q[1] <= pair[1] and q != pair for q in costs)}
            found = frontier(points, axis)
            assert {costs[i] for i in found} == free
            assert len(found) == len(free), "of equal ones, one"
            assert [costs[i][0] for i in found] == sorted({pair[0] for pair in free})


def test_a_dashboard_that_does_not_fit() -> None:
    payload = make_dashboard()
    assert payload.density == 12_480 / 2_097_152
    assert [g.low for g in payload.in_view()] == [4.0, 1.0]
    assert make_dead().dead
    wrong: list[dict[str, Any]] = [
        {"shown": "contrast"}, {"n_active": 3_000_000}, {"n_active": -1}, {"slot": -1}, {"near": payload.near * 40},
        {"groups": payload.groups * 200}, {"maximum": float("nan")},
    ]  # fmt: skip
    for fields in wrong:
        with pytest.raises(PayloadError):
            replace(payload, **fields)
    with pytest.raises(PayloadError, match="of the kind 'all'"):
        replace(payload.groups[0], kind="all")
    with pytest.raises(PayloadError):
        replace(payload.groups[0], positions=np.arange(7))


def test_a_patch_map_that_does_not_fit() -> None:
    payload = make_patch_map()
    block, column, place = payload.where("attn_out.2:9")
    assert (block.name, column, place) == ("attention", 2, 9)
    assert payload.changed() == [6]
    assert payload.detail("attn_out.2:9").words[0] == " Mira"
    assert [int(b.beyond().sum()) for b in payload.blocks] == [5, 2, 2]
    assert not any(b.beyond().any() for b in make_patch_map(False).blocks)
    for cell in ("", "attn_out.2", "attn_out.2:10", "attn_out.9:1", "attn_out.2:-1", "attn_out.2:" + "9" * 30):
        assert payload.where(cell) is None
    detail, region = payload.details[0], payload.regions[0]
    wrong: list[dict[str, Any]] = [
        {"show": "neurons"}, {"corruption": "ice"}, {"blocks": payload.blocks * 200}, {"details": payload.details * 65},
        {"details": (replace(detail, position=10),)}, {"regions": (replace(region, positions=[10]),)},
        {"corrupt_tokens": make_patch_map(texts=["a", "b"]).corrupt_tokens}, {"low": float("inf")},
    ]  # fmt: skip
    for fields in wrong:
        with pytest.raises(PayloadError):
            replace(payload, **fields)
    for fields in ({"values": np.zeros((10, 3))}, {"measured": np.zeros((9, 4))}, {"band": -1.0}, {"labels": ("a",)}):
        with pytest.raises(PayloadError):
            replace(payload.blocks[0], **fields)
    for fields in ({"before": np.zeros(3)}, {"parts": ("head.2.0",)}):
        with pytest.raises(PayloadError):
            replace(detail, **fields)


def test_a_table_that_does_not_fit() -> None:
    payload = make_table()
    rows = payload.rows
    assert [rows.value(4, column) for column in range(7)][3] is None
    assert rows.words_of(1) == (" Nora", " four", " und")
    assert payload.dashboards[0].payload.id == "resid_post.2/3"
    wrong: list[dict[str, Any]] = [
        {"sort": "beauty"}, {"columns": ("beauty",)}, {"n_fit": 10}, {"n_fit": 2_000_000}, {"selection": ("a/1",) * 65},
        {"statistics": payload.statistics[:2]}, {"statistics": payload.statistics * 20},
        {"dashboards": payload.dashboards * 65}, {"filters": (replace(payload.filters[0], name="beauty"),)},
        {"filters": (payload.filters[0], 3)}, {"query": 3},
    ]  # fmt: skip
    for fields in wrong:
        with pytest.raises(PayloadError):
            replace(payload, **fields)
    other: list[dict[str, Any]] = [
        {"label": ("a",)}, {"known": np.ones(3)}, {"words": ("a",)}, {"start": -1},
        {"values": np.full((60, 5), np.nan)},
    ]  # fmt: skip
    for fields in other:
        with pytest.raises(PayloadError):
            replace(rows, **fields)
    with pytest.raises(PayloadError, match="at most 2000"):
        make_rows(2_001)
    chart, (dots, _) = payload.charts[0], payload.points
    changes: list[tuple[Any, dict[str, Any]]] = [
        (chart, {"fit": chart.all.counts + 1}), (chart, {"fit": chart.fit[1:]}), (dots, {"x": dots.x[1:]}),
        (payload.statistics[0], {"unit": "miles"}),
    ]  # fmt: skip
    for record, change in changes:
        with pytest.raises(PayloadError):
            replace(record, **change)
    with pytest.raises(PayloadError):
        replace(payload.dashboards[0], data=np.zeros(40, np.uint8)).payload  # noqa: B018
