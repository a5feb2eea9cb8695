"""FeatureTable: every number against plain Python over the atlas; requests, rows, selection, files; no torch needed."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from math import floor, isnan, log2
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import saewidgets as sw
from saewidgets.atlas.atlas import Atlas
from saewidgets.atlas.listing import BARS, Listing
from saewidgets.errors import AtlasError, FeatureError, SaewidgetsError, WidgetError
from saewidgets.payloads import decode, encode
from saewidgets.payloads.feature_table import MATCHES
from saewidgets.scope import Scope
from saewidgets.widgets import FeatureTable
from saewidgets.widgets import open as open_view
from saewidgets.widgets.table_spread import Bins, points

SITE, OTHER = "resid_post.2", "resid_post.1"
HOSTILE = '<img src=x onerror=alert(1)>\x00\n\u202e"&'


@pytest.fixture(scope="module")
def scope() -> Scope:
    return sw.demo()


@pytest.fixture(scope="module")
def folder(scope: Scope, tmp_path_factory: pytest.TempPathFactory) -> Path:
    names, things = ["Mira", "Tom", "Ada", "Ivo"], ["boat", "key", "kite", "lantern"]
    texts = [f"{a} gave the red {t} to {b} and went home." for a in names for b in names for t in things]
    path = tmp_path_factory.mktemp("atlas")
    scope.sweep(texts, [OTHER, SITE], path, length=32, progress=False)
    return path


@pytest.fixture(scope="module")
def atlas(folder: Path) -> Atlas:
    return Atlas.open(folder)


@pytest.fixture(scope="module")
def stats(atlas: Atlas) -> pd.DataFrame:
    return atlas.stats(SITE)


Known = list[tuple[list[tuple[tuple[str, ...], int]], list[str]]]


@pytest.fixture(scope="module")
def known(atlas: Atlas) -> Known:
    """Of every feature its examples (tokens, place of the peak) and the tokens it fires on, read one by one."""
    found = []
    for index in range(1024):
        swept = atlas.feature(f"{SITE}/{index}")
        examples = swept.examples
        places = list(zip(examples["tokens"], examples["position"], strict=True))
        found.append((places, swept.fires_on["token"].tolist()))
    return found


@pytest.fixture(autouse=True)
def _no_labels(scope: Scope) -> Iterator[None]:
    before = dict(scope.labels)
    scope.labels.clear()
    yield
    scope.labels.clear()
    scope.labels.update(before)


def table(*arguments: Any, **options: Any) -> Any:
    return FeatureTable(*arguments, **options)


def ids(indices: Any) -> list[str]:
    return [f"{SITE}/{i}" for i in indices]


def by(values: list[float], descending: bool) -> list[int]:
    """Sorted by value, then by number, unknown ones last: with Python's own sort."""
    known = [i for i, v in enumerate(values) if not isnan(v)]
    return sorted(known, key=lambda i: ((-1 if descending else 1) * values[i], i)) + [
        i for i, v in enumerate(values) if isnan(v)
    ]


# ------------------------------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize("descending", [True, False])
def test_every_statistic_sorts_as_python_does(atlas: Atlas, stats: pd.DataFrame, descending: bool) -> None:
    with table(atlas, SITE, descending=descending) as view:
        for name in ("density", "n_active", "mean", "std", "skew", "kurtosis", "maximum", "minimum"):
            view.sort = name
            assert view.wait(60)
            values = stats[name].astype(float).tolist()
            frame = view.to_frame()
            assert frame.index.tolist() == ids(by(values, descending))
            assert np.array_equal(frame[name], [values[i] for i in by(values, descending)], equal_nan=True)
            assert view.payload.sort == name


def test_filters_equal_a_loop(atlas: Atlas, stats: pd.DataFrame) -> None:
    wanted = {"density": (0.002, 0.2), "maximum": (None, 4.0), "skew": (-0.5, None)}
    with table(atlas, SITE, filters=wanted) as view:
        payload, frame = view.payload, view.to_frame()
    fits = [
        i
        for i, row in enumerate(stats.to_dict("records"))
        if 0.002 <= row["density"] <= 0.2 and row["maximum"] <= 4.0 and row["skew"] >= -0.5
    ]
    assert 5 < len(fits) < 1000
    assert sorted(frame.index) == sorted(ids(fits))
    assert (payload.n_fit, payload.n_features) == (len(fits), 1024)
    for chart in payload.charts:
        assert int(chart.fit.sum()) == len(fits)
        assert chart.all.total == 1024


def test_rows_say_what_the_atlas_knows(atlas: Atlas, stats: pd.DataFrame) -> None:
    greatest = float(np.nanmax(np.abs(stats[["maximum", "minimum"]].to_numpy())))
    with table(atlas, SITE, sort="kurtosis", labels={f"{SITE}/3": "three"}) as view:
        rows, names = view.payload.rows, [s.name for s in view.payload.statistics]
    for row, index in enumerate(rows.index.tolist()):
        swept = atlas.feature(f"{SITE}/{index}")
        for column, name in enumerate(names):
            expected = float(stats[name].iloc[index])
            found = rows.value(row, column)
            assert found is None if isnan(expected) else found == pytest.approx(expected, rel=1e-6)
        assert rows.words_of(row) == tuple(swept.fires_on["token"][:3])
        assert rows.label[row] == ("three" if index == 3 else "")
        heights = [0] * BARS
        for low, n in zip(swept.histogram["low"], swept.histogram["count"], strict=True):
            # Half octaves below the one that holds the dictionary's greatest activation.
            down = floor(2 * log2(greatest)) - round(2 * log2(max(low, 1e-30)))
            heights[max(0, BARS - 1 - down)] += n
        assert rows.bars[row] == pytest.approx(np.array(heights) / max(heights))


def test_a_dead_feature_has_no_numbers(scope: Scope, tmp_path: Path) -> None:
    scope.sweep(["Mira saw a boat."] * 2, [SITE], tmp_path, length=8, progress=False)
    short = Atlas.open(tmp_path)
    dead = int((short.stats(SITE)["n_active"] == 0).sum())
    assert dead > 100
    with table(short, SITE, sort="maximum") as view:
        frame = view.to_frame()
        assert frame["maximum"].tail(dead).isna().all()
        assert view.payload.charts[0].all.outside == dead
        view.query = str(frame.index[-1].split("/")[1])
        assert view.wait(60)
        rows = view.payload.rows
        assert rows.words_of(0) == ()
        assert (rows.value(0, 0), rows.value(0, 2)) == (0.0, None)
        assert rows.bars.max() == 0
        view.to_svg()
        view.filters = {"maximum": (1e9, None), "density": (0.0, None)}
        assert view.wait(60)
        assert (view.payload.n_fit, len(view.to_frame())) == (0, 0)
        assert "What removes most: maximum, which 0 of 1024 fit." in view.payload.note
        view.to_png()
        assert "What removes most" in view.static_bundle()["text/html"]


def text_around(tokens: tuple[str, ...], position: int) -> str:
    """The tokens around the peak of an example."""
    return "".join(tokens[max(0, position - 28) : position + 29]).lower()


@pytest.mark.parametrize("query", ["lantern", "Tom", "gave the red k", "nowhere at all"])
def test_search_equals_reading_every_example(atlas: Atlas, known: Known, query: str) -> None:
    promoted = {f"{SITE}/{i}": [" tomorrow", " boat"] for i in range(0, 1024, 100)}
    labels = {f"{SITE}/7": f"a {query.upper()} somewhere", f"{SITE}/8": "nothing", f"{OTHER}/9": query}
    with table(atlas, SITE, query=query, labels=labels, promoted=promoted) as view:
        frame = view.to_frame()
    expected: dict[str, int] = {}
    for index, (places, fires_on) in enumerate(known):
        # A phrase that reaches into the window from outside counts: of this corpus few contexts are longer.
        if any(query.lower() in text_around(*place) for place in places):
            expected[f"{SITE}/{index}"] = MATCHES.index("examples")
        if any(t.strip().lower().startswith(query.lower()) for t in fires_on[:8]):
            expected[f"{SITE}/{index}"] = MATCHES.index("fires on")
        if index % 100 == 0 and query == "Tom":
            expected[f"{SITE}/{index}"] = MATCHES.index("promotes")
    expected[f"{SITE}/7"] = MATCHES.index("label")
    assert dict(zip(frame.index, frame["match"].astype(int), strict=True)) == expected
    assert frame["match"].is_monotonic_decreasing


def test_a_number_and_an_id_find_one_feature(atlas: Atlas) -> None:
    for query, found in (("17", 17), (f"{SITE}/1023", 1023)):
        with table(atlas, SITE, query=query) as view:
            assert view.to_frame().index.tolist() == ids([found])
    with table(atlas, SITE, query=f"{OTHER}/5") as view:
        assert f"{SITE}/5" not in view.to_frame().index


def test_here_and_there_with_a_model(scope: Scope, atlas: Atlas) -> None:
    here, there = "Mira gave the lantern", "Tom went home"
    with table(scope, SITE, atlas=atlas, here=here, there=there) as view:
        frame = view.to_frame()
    dense = {text: scope.run(text).features[SITE].to_dense()[1:].abs().max(0).values.numpy() for text in (here, there)}
    fits = [i for i in range(1024) if dense[here][i] > 0 and dense[there][i] == 0]
    assert fits
    assert frame.index.tolist() == ids(sorted(fits, key=lambda i: -dense[here][i]))
    assert frame["here"].tolist() == pytest.approx(sorted((float(dense[here][i]) for i in fits), reverse=True))


def test_here_and_there_without_one(atlas: Atlas, known: Known) -> None:
    with table(atlas, SITE, here="red lantern", there="went home") as view:
        frame = view.to_frame()
    counts: dict[str, list[int]] = {}
    for index, (places_of, _) in enumerate(known):
        found = [0, 0]
        for tokens, position in places_of:
            start = len("".join(tokens[:position]))
            end = start + len(tokens[position])
            text = "".join(tokens).lower()
            for side, phrase in enumerate(("red lantern", "went home")):
                places = [k for k in range(len(text)) if text.startswith(phrase, k)]
                found[side] += any(k < end and start < k + len(phrase) for k in places)
        counts[f"{SITE}/{index}"] = found
    expected = {name: a for name, (a, b) in counts.items() if a and not b}
    assert expected
    assert frame["here"].astype(int).to_dict() == expected


def test_scores_and_scatter(atlas: Atlas) -> None:
    source = np.random.default_rng(0)
    x, y = source.random(1024), source.random(1024)
    x[5] = np.nan
    frame = pd.DataFrame({"input": x, "output": y, "words": "no number"}, [f"{SITE}/{i}" for i in range(1024)])
    with table(atlas, SITE, scores=frame, filters={"input": (0.5, None)}, selection=[f"{SITE}/6"]) as view:
        found, payload = view.to_frame(), view.payload
    assert found["input"].sort_index().tolist() == pd.Series(x, ids(range(1024)))[found.index].sort_index().tolist()
    assert sorted(found.index) == sorted(ids(i for i in range(1024) if x[i] >= 0.5))
    (dots,) = payload.points
    assert (dots.total, len(dots.index)) == (1023, 1023)
    assert dots.x == pytest.approx(x[dots.index], abs=1e-6)
    assert dots.fit.tolist() == [int(x[i] >= 0.5) for i in dots.index.tolist()]
    assert payload.columns == ("density", "maximum", "input", "output")
    assert len(payload.charts) == 1
    computed = sw.explain.Scores(tuple(ids(range(3))), x[:3], y[:3], y[:3])
    with table(atlas, SITE, scores=[computed, {"mine": np.arange(1024)}], sort="mine") as view:
        first = view.to_frame().head(1)
        assert (first.index[0], first["mine"].iloc[0]) == (f"{SITE}/1023", 1023)
        assert view.to_frame()["input"].count() == 3


def test_promoted_tokens_are_those_of_the_projection(scope: Scope, atlas: Atlas) -> None:
    projection = sw.explain.vocabulary_projection(scope, SITE, 5)
    with table(scope, SITE, atlas=atlas) as one, table(atlas, SITE, promoted=projection) as other:
        for view in (one, other):
            rows = view.payload.rows
            assert view.payload.words == "promotes"
            for row, index in enumerate(rows.index[:20].tolist()):
                words = projection.tokens(f"{SITE}/{index}")["token"][:3]
                assert rows.words_of(row) == tuple(words)


def test_bars_count_every_feature_once() -> None:
    source = np.random.default_rng(1)
    for log in (True, False):
        for spread in (0.01, 1.0, 6.0):
            values = np.concatenate([10 ** source.uniform(-spread, 0, 3_000), [np.nan, 1.0, 0.0]])
            bins, fit = Bins.of(values, log), source.random(3_003) < 0.3
            chart = bins.chart("x", fit)
            assert chart.all.total == 3_003
            edges = 10.0**bins.edges if log else bins.edges
            for values_of, counts in ((values, chart.all.counts), (values[fit], chart.fit)):
                inside = Counter()
                for v in values_of[np.isfinite(values_of) & (values_of > (0 if log else -1))].tolist():
                    at = max((i for i, e in enumerate(edges[:-1]) if e <= v * (1 + 1e-12)), default=0)
                    inside[at] += 1
                assert sum(inside.values()) == counts.sum()
                wrong = sum(abs(inside[i] - n) for i, n in enumerate(counts.tolist()))
                assert wrong <= 2, "on an edge rounding decides"
    assert len(Bins.of(np.full(4, np.nan), True).chart("x", np.ones(4, bool)).all.counts) == 0
    assert Bins.of(np.full(4, 2.0), False).chart("x", np.ones(4, bool)).all.counts.sum() == 4


def test_points_are_a_bounded_sample_with_the_chosen_ones() -> None:
    source = np.random.default_rng(2)
    x, y, fit = source.random(100_000), source.random(100_000), source.random(100_000) < 0.001
    found = points("a", "b", x, y, fit, [77, 99_999], {})
    assert len(found.index) <= 2_402
    assert {77, 99_999} <= set(found.index.tolist())
    assert set(np.flatnonzero(fit)) <= set(found.index.tolist()), "what fits is drawn before the others"
    assert found.x == pytest.approx(x[found.index], abs=1e-6)
    assert encode_points(found) == encode_points(points("a", "b", x, y, fit, [77, 99_999], {}))


def encode_points(found: Any) -> bytes:
    return bytes(found.index.tobytes() + found.fit.tobytes())


# ------------------------------------------------------------------------------------------------------------ requests


def test_rows_are_those_of_their_order(atlas: Atlas) -> None:
    with table(atlas, SITE) as view:
        first, order = view.payload.rows.order, view.to_frame().index.tolist()
        for number, (start, n) in enumerate([(0, 80), (950, 80), (1020, 80), (2000, 5)]):
            view.comm.receive({"type": "rows", "id": number, "order": first, "start": start, "count": n})
            assert view.comm.reply(number)["type"] == "ok"
            rows = decode(sent_buffer(view))
            assert (rows.order, rows.start) == (first, start)
            assert ids(rows.index.tolist()) == order[start : start + n]
        for _ in range(4):
            view.descending = not view.descending
            assert view.wait(60)
        assert view.payload.rows.order != first
        view.comm.receive({"type": "rows", "id": 9, "order": first, "start": 0, "count": 5})
        assert view.comm.reply(9)["type"] == "cancelled", "rows of an order that is gone are never sent"
        bad: list[dict[str, Any]] = [
            {"start": -1}, {"count": 0}, {"count": 10**9}, {"order": "x"}, {"start": None},
        ]  # fmt: skip
        for number, wrong in enumerate(bad):
            view.comm.receive({"type": "rows", "id": f"w{number}", "order": 1, "start": 0, "count": 5, **wrong})
            assert view.comm.reply(f"w{number}")["type"] == "error"


def sent_buffer(view: Any) -> bytes:
    return bytes(next(buffers[0] for data, buffers in reversed(view.comm.sent) if data["method"] == "custom"))


def test_the_newest_question_wins_and_undo_goes_back(atlas: Atlas) -> None:
    with table(atlas, SITE) as view:
        for number, text in enumerate(["l", "la", "lantern"], 1):
            view.comm.receive({"type": "run", "id": number, "state": {"query": text}})
        assert view.wait(60)
        assert (view.query, view.payload.query, view.payload.sort) == ("lantern", "lantern", "match")
        view.comm.receive({"type": "run", "id": 4, "state": {"filters": [["density", 0.01, None]]}})
        assert view.wait(60)
        assert view.filters == (("density", 0.01, None),)
        assert (view.to_frame()["density"] >= 0.01).all()
        assert view.code() == f"sw.FeatureTable(atlas, '{SITE}', query='lantern', filters={{'density': (0.01, None)}})"
        again = eval(str(view.code()), {"sw": sw, "atlas": atlas})
        assert again.to_frame().equals(view.to_frame())
        again.close()
        view.undo()
        assert view.wait(60)
        assert (view.filters, view.query, view.redo_depth) == ((), "lantern", 1)
        view.site = OTHER
        assert view.wait(60)
        assert view.payload.site == OTHER


def test_an_error_keeps_the_picture(atlas: Atlas) -> None:
    with table(atlas, SITE) as view:
        before = encode(view.payload)
        wrong: list[dict[str, Any]] = [
            {"sort": "beauty"}, {"filters": [["beauty", 0, 1]]}, {"filters": [["density", 0, 1], ["density", 0, 1]]},
            {"filters": "density"}, {"filters": [["density", float("nan"), 1]]}, {"query": 7}, {"query": "x" * 3_000},
            {"site": "resid_post.9"}, {"descending": "yes"},
        ]  # fmt: skip
        for number, state in enumerate(wrong):
            view.comm.receive({"type": "run", "id": number, "state": state})
            assert view.wait(60)
            assert view.comm.reply(number)["type"] == "error", state
        assert encode(view.payload) == before
        with pytest.raises(WidgetError):
            view.filters = {"density": 3}
        assert view.filters == ()


def test_selection_comes_back(atlas: Atlas) -> None:
    heard: list[tuple[str, ...]] = []
    with table(atlas, SITE, on_select=heard.append) as view:
        view.comm.update({"chosen": [f"{SITE}/3", f"{SITE}/5"]})
        view.comm.update({"chosen": ["", f"{SITE}/5"]})
        assert view.selection == (f"{SITE}/5",)
        assert view.payload.selection == ("", f"{SITE}/5")
        view.comm.update({"chosen": [f"{SITE}/4000"]})
        view.comm.update({"chosen": "all"})
        assert view.selection == (f"{SITE}/5",)
        view.selection = [sw.FeatureId.parse(f"{SITE}/9")]
        assert heard == [(f"{SITE}/3", f"{SITE}/5"), (f"{SITE}/5",), (f"{SITE}/9",)]
        assert view.to_frame()["chosen"].sum() == 1
        with pytest.raises(FeatureError, match="There is no feature"):
            view.selection = [f"{SITE}/1024"]


def test_open_name_and_go_back(atlas: Atlas) -> None:
    with table(atlas, SITE) as view:
        first = view.to_frame().index[0]
        view.comm.receive({"type": "open", "id": 1, "feature": first})
        assert view.comm.reply(1)["type"] == "ok"
        inner = view.dashboard
        assert (view.feature, inner.payload.id, view._dashboard) == (first, first, f"anywidget:{inner.model_id}")
        inner.label = HOSTILE
        assert view.wait(60)
        assert view.labels[first] == inner.label
        assert view.payload.rows.label[0] == inner.label
        near = inner.payload.together[0].id
        inner.feature = near
        assert inner.wait(60)
        assert view.feature == near
        view.comm.receive({"type": "open", "id": 2, "feature": f"{SITE}/9999"})
        assert view.comm.reply(2)["type"] == "error"
        assert (view.feature, view.dashboard) == (near, inner)
        view.comm.receive({"type": "open", "id": 3, "feature": ""})
        assert (view.feature, view._dashboard, view.dashboard, inner.closed) == ("", "", None, True)
        again = view.open_feature(first)
        assert again.payload.label == view.labels[first] != ""
    assert again.closed


# --------------------------------------------------------------------------------------------------------------- files


def test_files_carry_rows_and_dashboards(atlas: Atlas, tmp_path: Path) -> None:
    busy = f"{SITE}/{int(np.argmax(atlas.stats(SITE)['n_active']))}"
    with table(atlas, SITE, sort="mean", selection=[busy]) as view:
        view.top = 100
        assert view.payload.rows.start == 100
        svg = view.to_svg()
        assert f">{view.to_frame().index[100].split('/')[1]}<" in svg, "the figure shows the rows in view"
        view.to_pdf(tmp_path / "t.pdf")
        path, order = view.save(tmp_path / "t.sae"), view.to_frame().index.tolist()
        page = view.to_html()
        assert "default-src 'none'" in page
    saved = open_view(path)
    with saved:
        payload = saved.payload
        assert ids(payload.rows.index.tolist()) == order[:500]
        assert [d.id for d in payload.dashboards] == [busy]
        inner = payload.dashboards[0].payload
        assert inner.n_active == atlas.feature(busy).n_active
        assert inner.groups
        assert saved.to_frame().index.tolist() == order[:500]
        assert not saved.live
        with pytest.raises(WidgetError, match="opened from a file"):
            saved.open_feature(f"{SITE}/17")
        assert encode(decode(saved._file("sae"))) == saved._file("sae")


def test_what_cannot_be_shown_is_said(scope: Scope, atlas: Atlas) -> None:
    cases: list[tuple[Any, dict[str, Any]]] = [
        (scope, {}), (3, {}), (atlas, {"site": "resid_post.9"}), (atlas, {"selection": [f"{SITE}/5000"]}),
        (atlas, {"scores": 3}), (atlas, {"scores": {"x": [1, 2]}}), (atlas, {"promoted": 3}), (atlas, {"sort": "x"}),
    ]  # fmt: skip
    for source, options in cases:
        with pytest.raises(SaewidgetsError):
            table(source, **options)
    with pytest.raises(TypeError, match="Did you mean 'filters'"):
        table(atlas, filter={})


def test_a_damaged_atlas_is_a_sentence(folder: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "torn"
    shutil.copytree(folder, copy)
    torn = Atlas.open(copy)
    block = next((copy / "site-1").glob("features-*.parquet"))
    raw = bytearray(block.read_bytes())
    raw[len(raw) // 2] ^= 255
    block.write_bytes(bytes(raw))
    with pytest.raises(AtlasError, match="is not what was written"):
        table(torn, SITE)
    with table(torn, OTHER) as view:
        assert view.payload.n_fit == 1024


def test_a_running_sweep_has_the_same_rows(folder: Path, atlas: Atlas, tmp_path: Path) -> None:
    """Without the merged files the statistics are merged while reading."""
    import shutil

    copy = tmp_path / "running"
    shutil.copytree(folder, copy)
    (copy / "site-1" / "merged.json").unlink()
    with table(Atlas.open(copy), SITE, query="lantern") as one, table(atlas, SITE, query="lantern") as other:
        assert one.to_frame().equals(other.to_frame())
        same = [replace(view.payload.rows, order=0) for view in (one, other)]
        assert np.array_equal(same[0].bars, same[1].bars)
        assert same[0].words == same[1].words
    assert Listing(Atlas.open(copy), SITE).width == 1024


def test_without_torch(folder: Path) -> None:
    program = f"""
import sys
class Forbid:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "nnsight", "transformers"):
            raise ImportError(f"{{name}} is forbidden here")
sys.meta_path.insert(0, Forbid())
try:
    import torch
except ImportError:
    pass
else:
    raise SystemExit("torch was not forbidden")
import saewidgets as sw
atlas = sw.Atlas.open({str(folder)!r})
with sw.FeatureTable(atlas, {SITE!r}, query="lantern", filters={{"density": (0.001, None)}}) as view:
    assert len(view.to_frame()) > 3
    view.here, view.query = "red lantern", ""
    assert view.wait(60)
    view.selection = view.to_frame().index[:2]
    view.open_feature(view.selection[0])
    assert len(view.to_html()) > 100_000
    assert view.to_png()[:4] == b"\\x89PNG"
print("fine", "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split() == ["fine", "False"], done.stderr[-2000:]
