"""Frontier and DictionaryReport: from reports or payloads, selection from both sides, files, and nothing else asked."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from saewidgets.errors import PayloadError, WidgetError
from saewidgets.payloads import Estimate, FrontierPoint, decode, encode
from saewidgets.widgets import DictionaryReport, Frontier, TrainingMonitor
from saewidgets.widgets import open as open_view
from saewidgets.widgets.reports import frontier_of, points_of
from tests.view_factory import make_frontier, make_report, make_training


def test_selection_reaches_python_and_the_file() -> None:
    heard: list[str] = []
    with Frontier(make_frontier(), on_select=heard.append) as view:
        view.comm.update({"selected": "relu, L0 8"})
        view.comm.update({"y": "CE", "x": "linear", "feature": "resid_post.2/9"})
        assert heard == ["relu, L0 8"]
        assert (view.selected, view.y, view.x, view.feature) == ("relu, L0 8", "CE", "linear", "resid_post.2/9")
        shown = view.payload
        assert (shown.selected, shown.y, shown.x) == ("relu, L0 8", "CE", "linear")
        view.selected = "topk, L0 6"
        assert heard == ["relu, L0 8", "topk, L0 6"]
        with pytest.raises(WidgetError, match="none of this name"):
            view.selected = "nobody"
        with pytest.raises(WidgetError, match="'FVU', 'CE'"):
            view.y = "vibes"
        assert view.payload.selected == "topk, L0 6"
        view.comm.update({"selected": "nobody"})
        view.comm.update({"selected": 7, "y": ["CE"], "x": None, "live": False, "_view": "heatmap"})
        assert (view.selected, view.y, view.live, view._view) == ("topk, L0 6", "CE", True, "frontier")


@pytest.mark.parametrize("message", ["run", "undo", "redo", "search", "positions", "train", "__init__", None])
def test_nothing_else_is_asked(message: Any) -> None:
    for view in (Frontier(make_frontier(1)), DictionaryReport(make_report())):
        with view:
            view.comm.receive({"type": message, "id": 1, "query": "x", "state": {}})
            assert view.comm.reply(1)["type"] == "error"


@pytest.mark.parametrize("make", [lambda: Frontier(make_frontier(2)), lambda: DictionaryReport(make_report()),
                                  lambda: TrainingMonitor(make_training())])  # fmt: skip
def test_every_file_format(make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saewidgets.export.page.bundle", lambda kind: f"// {kind}")
    with make() as view:
        starts = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF", "html": b"<!do", "sae": b"SAEW"}
        for suffix, start in starts.items():
            assert view.save(tmp_path / f"view.{suffix}").read_bytes().startswith(start)
        assert f"// {view._view}" in (tmp_path / "view.html").read_text("utf-8")
        view.comm.receive({"type": "save", "id": 5, "format": "svg"})
        assert view.wait(20)
        assert view._runner.wait(20)
        assert view.comm.reply(5)["result"] == {"format": "svg", "name": f"{view._view}.svg"}
        bundle = view.static_bundle()
        assert set(bundle) == {"text/plain", "text/html", "image/png"}
        assert sum(map(len, bundle.values())) <= 33_000
        assert len(view.to_frame()) > 3
        assert repr(view).startswith(type(view).__name__)
        raw = encode(view.payload)
    with open_view(tmp_path / "view.sae") as again:
        assert (type(again).__name__, again._view) == (type(view).__name__, view._view)
        assert encode(again.payload) == raw


def test_a_report_with_a_selected_feature() -> None:
    payload = make_report()
    with DictionaryReport(payload, feature="resid_post.2/9") as view:
        assert view.payload.feature == "resid_post.2/9"
        view.comm.update({"feature": "resid_post.2/61"})
        assert view.feature == "resid_post.2/61"
        view.comm.receive({"type": "payload", "id": 1})
        assert decode(view.comm.sent[-1][1][0]).feature == "resid_post.2/61"


def reports(*names: str) -> SimpleNamespace:
    """What `evaluate` returns, as much as a widget asks of it."""
    return SimpleNamespace(
        dictionaries=names, to_payload=lambda key=None: make_report(key or names[0], fvu=0.1 + len(key or "") / 100)
    )


def test_from_reports() -> None:
    with DictionaryReport(reports("a.1", "b.2"), "b.2") as view:
        assert view.payload.name == "b.2"
    with pytest.raises(WidgetError, match="not 'x'"):
        DictionaryReport(make_report(), "x")
    for wrong in (None, 3, "report", {}, object()):
        with pytest.raises(WidgetError, match="A report of a"):
            DictionaryReport(wrong)
    payload = frontier_of(reports("one", "three"))
    assert [p.name for p in payload.points if p.kind == "dictionary"] == ["one", "three"]
    assert payload.ce_name == "CE recovered (mean)"
    assert all(p.report is not None and p.ce is not None for p in payload.points if p.kind == "dictionary")
    baselines = [p for p in payload.points if p.kind != "dictionary"]
    # PCA and the frozen decoder differ between the two, random is the same and stands once.
    assert sorted(p.kind for p in baselines) == ["frozen decoder", "frozen decoder", "pca", "pca", "random"]
    with Frontier({"small": make_report(), "large": make_report()}) as view:
        assert {"small", "large"} < {p.name for p in view.payload.points}
    with pytest.raises(WidgetError, match="Two reports are called"):
        Frontier([make_report(), make_report()])
    with pytest.raises(WidgetError, match="lacks L0 or FVU"):
        Frontier([replace(make_report(), measures=())])
    with pytest.raises(WidgetError, match="ablation"):
        Frontier([make_report()], ablation="median")
    assert frontier_of([make_report()], "zero").points[0].ce is None


def test_points_of_a_report_are_its_numbers() -> None:
    report = make_report(l0=20.0, fvu=0.2)
    own, *baselines = points_of(report)
    assert (own.l0.value, own.fvu.value, own.fvu.low) == (20.0, 0.2, 0.2 * 0.97)
    assert own.report is report
    assert {p.kind: p.fvu.value for p in baselines} == {"pca": 0.2 * 3, "random": 0.93, "frozen decoder": 0.4}


def test_points_alone_and_none() -> None:
    point = FrontierPoint("a", "dictionary", "topk", 8, Estimate(4.0), Estimate(0.3))
    with Frontier([point], selected="a") as view:
        assert view.payload.front[0].name == "a"
    with Frontier([]) as view:
        assert view.payload.points == ()
    with pytest.raises(PayloadError):
        replace(make_frontier(1), selected="x")
    with pytest.raises(WidgetError, match="none of this name"):
        Frontier([point], selected="b")
