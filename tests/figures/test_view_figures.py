"""Figures, words and tables of training, frontier and report: the payload's numbers, at any size, whatever they are."""

import random
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pypdf import PdfReader

from saewidgets.errors import FigureError, PayloadError
from saewidgets.figures import axes, draw, fonts, views
from saewidgets.figures.scene import Line, Scene
from saewidgets.payloads import CircuitMarks, Estimate, decode, encode
from tests.attacks.allowed import read
from tests.circuit_factory import make_circuit
from tests.payloads.test_codec import mutate, pack, parts
from tests.view_factory import (
    make_compare,
    make_contrast,
    make_dashboard,
    make_dead,
    make_doses,
    make_explorer,
    make_frontier,
    make_nothing,
    make_patch_map,
    make_report,
    make_steering,
    make_table,
    make_training,
)

PAYLOADS = {
    "training": make_training(),
    "training at step 0": make_training(0, features=(), phase="ready"),
    "frontier": make_frontier(),
    "frontier of one": make_frontier(1, reports=False, y="CE", x="linear"),
    "frontier of none": make_frontier(0, reports=False),
    "report": make_report(),
    "dashboard": make_dashboard(),
    "dashboard without a text": make_dashboard(False, shown="top"),
    "dashboard of a dead feature": make_dead(),
    "table": make_table(),
    "table where nothing fits": make_table(0, points=(), note="Nothing fits."),
    "steering": make_steering(),
    "steering at one strength": make_steering(doses=make_doses(n=1), now=-8.0),
    "steering of nothing": make_steering(roles=(), sliders=(), doses=None, verdict="", kept=()),
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
    "contrast": make_contrast(),
    "contrast of nothing": make_contrast(False, tool="", features=(), confounds=(), n_features=0),
    "contrast with a probe": make_contrast(tool="probe"),
    "circuit": make_circuit(),
    "circuit before and after": make_circuit(side="both", keep_nodes=1.0, keep_edges=1.0),
    "circuit before": make_circuit(side="before"),
    "circuit of many layers": make_circuit(300, 2_000, 40, before=False, live=False, marks=CircuitMarks()),
    "circuit without nodes": make_circuit(0, 0, before=False, live=False),
}


def svg_texts(svg: str) -> list[str]:
    return ["".join(node.itertext()) for node in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def scene_of(payload: Any, **options: Any) -> Scene:
    found: Scene = views.view_of(payload).figures.scene(payload, **options)
    return found


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
@pytest.mark.parametrize("width", [60, 85, 170, 400])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everything_is_on_the_sheet(payload: Any, width: float, theme: str) -> None:
    scene = scene_of(payload, width_mm=width, theme=theme)
    for label in scene.labels:
        length = fonts.width(label.text, label.size, label.face, label.bold)
        start = label.x - length * {"left": 0, "center": 0.5, "right": 1}[label.anchor]
        assert start >= -0.5, label
        assert start + length <= scene.width + 0.5, label
        assert 0 < label.y <= scene.height
    for line in scene.lines:
        assert all(-1 <= x <= scene.width + 1 and 0 <= y <= scene.height for x, y in line.points), line


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_files(payload: Any) -> None:
    figures = views.view_of(payload).figures
    svg, pdf, png = figures.to_svg(payload), figures.to_pdf(payload), figures.to_png(payload, dpi=72)
    assert svg == figures.to_svg(payload)
    assert pdf == figures.to_pdf(payload)
    assert views.view_of(payload).alt_text(payload) in ET.fromstring(svg).find(".//{*}title").text  # type: ignore[union-attr,operator]
    assert len(PdfReader(BytesIO(pdf)).pages) == 1
    with Image.open(BytesIO(png)) as picture:
        assert picture.width == pytest.approx(170 * 72 / 25.4, abs=1.5)
    assert figures.to_figure(payload, width_mm=85).get_figwidth() * 25.4 == pytest.approx(85)
    small = figures.preview(payload, 30_000)
    assert small is not None
    assert len(small) <= 30_000
    for options in ({"width_mm": 20}, {"theme": "sepia"}, {"dpi": 5}):
        with pytest.raises(FigureError):
            figures.to_png(payload, **options)


def test_training_figure_says_the_numbers() -> None:
    payload = make_training()
    words = " ".join(svg_texts(views.view_of(payload).figures.to_svg(payload)))
    for part in ("relu, 1024 features at resid_post.2", "step 1\u202f200 of 4\u202f000", "sparsity 5", "loss",
                 "error", "resid_post.2/17", "aux", "FVU", "dead", "31 silent", "Mira"):  # fmt: skip
        assert part in words, part
    for curve in payload.curves:
        write = views.training_text.text.share if curve.chart == "dead" else views.training_text.text.significant
        assert write(float(curve.values[-1])) in words
    marks = [line for line in scene_of(payload).lines if line.part == "mark"]
    assert len(marks) == len(payload.charts), "each chart marks the change of sparsity"


def test_curves_lie_where_the_numbers_are() -> None:
    payload = make_training(scale="linear")
    scene = scene_of(payload)
    curve = next(c for c in payload.curves if c.name == "L0")
    drawn = [line for line in scene.lines if line.part == "curve" and len(line.points) == len(payload.steps)]
    # Heights are proportional to values: fit a line through (value, y) of the matching curve.
    residuals = []
    for line in drawn:
        ys = np.array([y for _, y in line.points])
        fit = np.polyfit(curve.values.astype(float), ys, 1)
        residuals.append(float(np.abs(np.polyval(fit, curve.values) - ys).max()) if fit[0] < 0 else 9.0)
    assert min(residuals) < 1e-3
    assert sum(r < 1e-3 for r in residuals) == 1


def test_frontier_figure_says_the_numbers() -> None:
    payload = make_frontier(selected="relu, L0 16")
    words = " ".join(svg_texts(views.view_of(payload).figures.to_svg(payload)))
    for point in payload.points[:12]:
        assert point.name in words
        assert views.training_text.text.significant(point.fvu.value) in words
    assert "PCA" in words
    assert "frozen decoder" in words
    scene = scene_of(payload)
    points = [line for line in scene.lines if line.part == "point"]
    own = sum(point.kind == "dictionary" for point in payload.points)
    assert len(points) == own + 3, "the legend has one mark an architecture"
    front = next(line for line in scene.lines if line.part == "frontier")
    assert len(front.points) == len(payload.front)
    assert sum(line.part == "whisker" for line in scene.lines) == 2 * own


def test_report_figure_says_the_numbers() -> None:
    payload = make_report()
    words = " ".join(svg_texts(views.view_of(payload).figures.to_svg(payload)))
    for measure in payload.measures:
        assert measure.name in words
    for part in ("[0.116, 0.124]", "PCA", "random", "frozen decoder", f"{payload.n_dead} dead", "opening quote"):
        assert part in words, part
    small = scene_of(payload, width_mm=60)
    assert any(label.text == "0.120" for label in small.labels)


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_static_html(payload: Any) -> None:
    view = views.view_of(payload)
    for limit in (5_000, 9_000, 12_800):
        markup = view.fallback(payload, limit)
        assert read(markup).faults == []
        assert len(markup.encode()) <= limit
    assert 20 < len(view.alt_text(payload)) < 900
    assert 5 < len(view.title(payload)) < 120
    with pytest.raises(FigureError, match="5000"):
        view.fallback(payload, 100)


def test_static_html_says_the_numbers() -> None:
    text = read(views.view_of(PAYLOADS["report"]).fallback(PAYLOADS["report"], 12_800)).text
    assert "[0.116, 0.124]" in text
    assert re.search(r"format +native", text)
    text = read(views.view_of(PAYLOADS["training"]).fallback(PAYLOADS["training"], 12_800)).text
    assert "sparsity changed to 4 at step 600" in text
    assert "a resid_post.2/17" in text
    text = read(views.view_of(PAYLOADS["frontier"]).fallback(PAYLOADS["frontier"], 12_800)).text
    assert re.search(r"topk, L0 6\s+6\.00\s+0\.420", text)
    assert text.index("topk, L0 48") < text.index("jumprelu, L0 7"), "the frontier comes first"


def test_dashboard_says_the_numbers() -> None:
    payload = make_dashboard()
    words = " ".join(svg_texts(views.view_of(payload).figures.to_svg(payload)))
    text = read(views.view_of(payload).fallback(payload, 12_800)).text
    for part in ("someone is about to receive", "resid_post.2/903", "12\u202f480 of 2\u202f097\u202f152 tokens",
                 "0.60 %", "detection", "0.93 [0.90, 0.95]", "4 – 8", "30 %", "Mira", "+1.9", "−1.6",
                 "object of giving", "resid_post.1/77", "0.66"):  # fmt: skip
        assert part in words, part
        assert part in text, part
    dead = make_dead()
    assert "never fired on 2\u202f097\u202f152 tokens" in views.view_of(dead).alt_text(dead)
    frame = views.view_of(payload).to_frame(payload)
    assert list(frame.columns) == ["group", "share", "context", "position", "token", "activation", "text"]
    assert frame.group.tolist() == ["4 – 8"] * 3 + ["1 – 2"] * 3 + ["top"] * 3 + ["random"] * 3
    assert frame.activation.tolist() == [6.0] * 3 + [1.5] * 3 + [6.0] * 3 + [3.0] * 3
    assert frame.token.tolist()[:3] == [" to"] * 3


def test_table_says_the_numbers() -> None:
    payload = make_table()
    words = " ".join(svg_texts(views.view_of(payload).figures.to_svg(payload)))
    text = read(views.view_of(payload).fallback(payload, 12_800)).text
    for part in ("1\u202f024 features", "density 0.010 – 0.60 %", "input ≥ 0.50", "say a name", "no label yet",
                 "density %", "11.2", "0.42", "Mira Nora four", "promotes"):  # fmt: skip
        assert part in words, part
        assert part in text, part
    assert "beginning with say a name, counting upward, 2." in views.view_of(payload).alt_text(payload)
    frame = views.view_of(payload).to_frame(payload)
    assert frame.index.tolist() == [f"resid_post.2/{i}" for i in range(60)]
    np.testing.assert_allclose(frame["maximum"], 11.2 - np.arange(60) * 1e-5, rtol=1e-6)
    assert frame["input"].isna().sum() == 12
    assert frame.index[frame["chosen"]].tolist() == ["resid_post.2/3", "resid_post.2/9"]
    empty = PAYLOADS["table where nothing fits"]
    assert "Nothing fits." in read(views.view_of(empty).fallback(empty, 12_800)).text
    assert views.view_of(empty).to_frame(empty).empty


def test_patch_map_says_the_numbers() -> None:
    payload = make_patch_map()
    words = " ".join(svg_texts(views.view_of(payload).figures.to_svg(payload)))
    text = read(views.view_of(payload).fallback(payload, 12_800)).text
    for part in ("Mira − Tom", "0 = corrupt run (−2.9), 1 = clean run (+3.4)", "8 of each, at most ± 0.04", "0.96",
                 "−0.21", "9 of 120 cells do more than every control.", "attention, layer 2, at to",
                 "0.55 restored, its control −0.03 to 0.03", "free propagation, error kept, 1 prompt, seed 0",
                 "the prediction: 0.31 restored, control −0.02 to 0.04"):  # fmt: skip
        assert part in words, part
        assert part in text, part
    assert "Tom ← Mira" in words and "0.02" not in words.split("sum")[0], "what lies within the band is not printed"
    assert "1.10" in words, "0.90 + 0.20: a sum over all tokens"
    frame = views.view_of(payload).to_frame(payload)
    assert len(frame) == 120 and frame["beats_control"].sum() == 9
    last = frame[(frame["node"] == "attn_out.2") & (frame["position"] == 9)].iloc[0]
    assert (last["restored"], last["token"], last["band"]) == (pytest.approx(0.55), " to", pytest.approx(0.04))
    assert set(frame["error"]) == {"kept"} and set(frame["prompts"]) == {1}
    nothing = make_nothing()
    for said in (views.view_of(nothing).alt_text(nothing), read(views.view_of(nothing).fallback(nothing, 9_000)).text,
                 " ".join(svg_texts(views.view_of(nothing).figures.to_svg(nothing)))):  # fmt: skip
        assert "Nothing beats the control" in said
    growing = make_patch_map(False)
    assert "not measured yet" in read(views.view_of(growing).fallback(growing, 9_000)).text


def test_tables() -> None:
    training = make_training()
    frame = views.view_of(training).to_frame(training)
    assert list(frame.columns) == ["step", "loss", "loss error", "loss sparsity", "loss aux", "L0", "FVU", "dead"]
    np.testing.assert_array_equal(frame["FVU"], training.curves[5].values)
    assert len(frame) == 60
    payload = make_frontier()
    frame = views.view_of(payload).to_frame(payload)
    assert frame.frontier.sum() == len(payload.front) == 4
    np.testing.assert_allclose(frame.fvu, [point.fvu.value for point in payload.points])
    assert frame.fvu_low.isna().sum() == 9
    report = make_report()
    frame = views.view_of(report).to_frame(report)
    assert len(frame) == sum(1 + len(m.baselines) for m in report.measures)
    own = frame[(frame.measure == "FVU") & (frame.dictionary == "resid_post.2")]
    assert own[["value", "low", "high"]].to_numpy().tolist() == [[0.12, 0.12 * 0.97, 0.12 * 1.03]]
    empty = replace(payload, points=(), front_fvu=np.array([]), front_ce=np.array([]))
    assert views.view_of(empty).to_frame(empty).empty


def test_charts_of_a_table_never_lie_on_each_other() -> None:
    """Three of them in two columns: the third stood in the place of the first."""
    table = make_table()
    for charts, points in ((1, 2), (2, 2), (2, 0), (0, 1)):
        shown = replace(table, charts=table.charts * charts, points=table.points[:points])
        for width in (170.0, 60.0):
            labels = scene_of(shown, width_mm=width).labels
            places = [(label.x, label.y) for label in labels if label.bold and label.text != table.site]
            assert len(set(places)) == len(places) >= charts + points == len(shown.charts) + len(shown.points)


@pytest.mark.parametrize("name", ["training", "frontier", "report", "dashboard", "table"])
def test_whatever_a_payload_holds_is_drawn(name: str) -> None:
    """Numbers and texts replaced by strange ones: what the decoder lets through has a figure and words."""
    header, body = parts(encode(PAYLOADS[name]))
    source, drawn = random.Random(5), 0
    for _ in range(400):
        try:
            payload = decode(pack(mutate(header, source), body))
        except PayloadError:
            continue
        view = views.view_of(payload)
        assert len(view.alt_text(payload)) < 1500
        assert len(view.fallback(payload, 5_000).encode()) <= 5_000
        view.to_frame(payload)
        if drawn < 60:
            scene_of(payload, width_mm=source.choice([60, 170]))
        drawn += 1
    assert drawn > 60


@pytest.mark.parametrize("value", [0.0, 1e-300, 1e-30, 1e30, -1e30, 5e-324])
def test_numbers_of_any_size(value: float) -> None:
    payload = make_frontier(1, reports=False)
    points = tuple(replace(p, l0=Estimate(abs(value)), fvu=Estimate(value), ce=Estimate(value)) for p in payload.points)
    for x in ("log", "linear"):
        for y in ("FVU", "CE"):
            scene_of(replace(payload, points=points, x=x, y=y))


# ----------------------------------------------------------------------------------------------------------- arithmetic


def test_axes_hold_their_range_and_few_ticks() -> None:
    source = random.Random(0)
    for _ in range(3_000):
        low = source.choice([-1, 1]) * 10 ** source.uniform(-6, 6)
        high = low + 10 ** source.uniform(-6, 6) * max(1e-3, abs(low))
        axis = axes.linear(low, high)
        assert axis.low <= low + 1e-9 * abs(low)
        assert axis.high >= high - 1e-9 * abs(high)
        assert 2 <= len(axis.ticks) <= 8
        log = axes.logarithmic(abs(low), abs(low) * 10 ** source.uniform(0, 9))
        assert 1 <= len(log.ticks) <= 8
        assert 0 <= log.place(log.ticks[0]) <= log.place(log.ticks[-1]) <= 1 + 1e-9


def test_dashes_have_their_lengths() -> None:
    line = Line(((0.0, 0.0), (10.0, 0.0), (10.0, 5.0)), "#000000", dash=(4.0, 2.0))
    strokes = draw.dashes(line)
    assert strokes == [((0.0, 0.0), (4.0, 0.0)), ((6.0, 0.0), (10.0, 0.0)), ((10.0, 2.0), (10.0, 5.0))]
    assert draw.dashes(replace(line, dash=())) == [line.points]
    assert draw.dashes(replace(line, points=())) == []
