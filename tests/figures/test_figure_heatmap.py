"""The figure: geometry against an independent computation, numbers against the payload, real text, same bytes."""

import re
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from dataclasses import replace
from io import BytesIO

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image
from pypdf import PdfReader

from saewidgets.errors import FigureError
from saewidgets.figures import heatmap
from saewidgets.figures.alt import alt_text
from saewidgets.figures.html import fallback
from saewidgets.figures.palette import letter, palette
from saewidgets.figures.scene import Box, Scene
from saewidgets.figures.strip import BAND, lane_height, lane_pitch
from saewidgets.payloads import Tokens
from saewidgets.payloads.heatmap import CONTINUATION, PLAIN, SPLIT
from tests.payload_factory import make_payload

SVG = "{http://www.w3.org/2000/svg}"


def svg_texts(svg: str) -> list[str]:
    return ["".join(node.itertext()) for node in ET.fromstring(svg).iter(f"{SVG}text")]


def parts(scene: Scene, part: str) -> list[Box]:
    return [box for box in scene.boxes if box.part == part]


def label_at(scene: Scene, word: str, nth: int = 0) -> tuple[float, float]:
    found = [label for label in scene.labels if label.text == word and label.face == "serif"]
    return found[nth].x, found[nth].y


# ------------------------------------------------------------------------------------------------------------- geometry


def test_fill_steps_equal_an_independent_computation() -> None:
    payload = make_payload()
    scene = heatmap.scene(payload)
    feature = payload.features[2]
    ramp = palette().fills[2]
    expected = []
    for row in (feature.values, feature.after):
        for value in row[row > 0].tolist():
            # Smallest of the seven equal parts of 7.5 that reaches the value.
            level = next(n for n in range(1, 8) if value <= 7.5 * n / 7 + 1e-6)
            expected.append(ramp[level - 1].fill)
    assert [box.fill for box in parts(scene, "fill")] == expected
    assert len(expected) == 6


def test_lane_heights_equal_an_independent_computation() -> None:
    payload = make_payload()
    scene = heatmap.scene(payload)
    for feature in payload.features:
        boxes = parts(scene, f"lane-{letter(feature.slot)}")
        values = [v for row in (feature.values, feature.after) for v in row.tolist() if v > 0]
        assert [box.height for box in boxes] == pytest.approx(
            [max(4.0 / 3, 4.0 * v / feature.maximum) for v in values], rel=1e-6
        )
        assert {box.fill for box in boxes} == {palette().features[feature.slot].fill}


def test_a_removed_activation_stays_as_a_hollow_bar_of_its_height() -> None:
    payload = make_payload()
    scene = heatmap.scene(payload)
    hollow = parts(scene, "lane-a-removed")
    assert [box.height for box in hollow] == pytest.approx([max(4.0 / 3, 4 * 2.1 / 8.1), 4.0])
    assert {(box.fill, box.edge) for box in hollow} == {("#FFFFFF", "#DD6A12")}
    full = [box for box in parts(scene, "lane-a")]
    assert [box.x for box in full] == [box.x for box in hollow], "same tokens, same places"
    assert not parts(scene, "lane-b-removed")


def test_dots_mark_the_changed_tokens_only_after() -> None:
    payload = make_payload()
    scene = heatmap.scene(payload)
    dots = parts(scene, "changed")
    places = [
        label_at(scene, word, nth)[0] for word, nth in [("Tom", 2), ("Tom", 3), ("red", 1), ("lan", 1), ("to", 3)]
    ]
    assert len(dots) == len(places)
    for dot, x in zip(dots, places, strict=True):
        assert x - 1 <= dot.x <= x + 20
    assert min(dot.y for dot in dots) > parts(scene, "lane-d")[0].y


def test_before_and_after_break_their_lines_alike() -> None:
    scene = heatmap.scene(make_payload(120), width_mm=85)
    serif = [label for label in scene.labels if label.face == "serif" and label.size == 8]
    rows: dict[float, list[tuple[float, str]]] = {}
    for label in serif:
        rows.setdefault(label.y, []).append((label.x, label.text))
    heads = [label for label in scene.labels if label.text in ("before", "after")]
    assert [label.text for label in heads] == ["before", "after"] * (len(heads) // 2)
    assert len(heads) > 10
    for before, after in zip(heads[::2], heads[1::2], strict=True):
        assert rows[before.y] == rows[after.y]


def test_words_are_not_broken_and_nothing_leaves_the_sheet() -> None:
    for width in (60, 85, 170):
        scene = heatmap.scene(make_payload(200), width_mm=width)
        line = {label.text: set() for label in scene.labels}
        for label in scene.labels:
            line[label.text].add(round(label.y, 3))
        assert line["lan"] == line["tern"]
        for box in scene.boxes:
            assert box.x >= 0
            assert box.x + box.width <= scene.width + 1e-6, box
            assert box.y + box.height <= scene.height


def test_a_character_cut_into_bytes_is_bracketed_and_stays_on_one_line() -> None:
    texts = ["a", *[" 🦊", "", "", " b"] * 40]
    kinds = [PLAIN, *[SPLIT, CONTINUATION, CONTINUATION, PLAIN] * 40]
    made = Tokens(tuple(texts), np.arange(161), np.array(kinds), ("F0 9F", "A6", "8A") * 40)
    scene = heatmap.scene(make_payload(texts=texts, tokens=made, edits=False), portable=True)
    assert len(parts(scene, "bracket")) == 40
    hexes = [label for label in scene.labels if label.face == "mono" and label.text in ("F0 9F", "A6", "8A")]
    assert len(hexes) == 120
    for first, *others in zip(*[iter(hexes)] * 3, strict=True):
        assert {first.y} == {other.y for other in others}


def test_position_zero_has_no_fill() -> None:
    payload = make_payload(17, edits=False)
    loud = np.full(17, 5.0, np.float32)
    features = (replace(payload.features[0], values=loud), *payload.features[1:])
    scene = heatmap.scene(replace(payload, features=features, fill=features[0].id))
    assert len(parts(scene, "fill")) == 16


def test_prediction_bars_ticks_and_bands_are_to_scale() -> None:
    payload = make_payload()
    scene = heatmap.scene(payload)
    bars, ticks, bands = parts(scene, "bar"), parts(scene, "tick"), parts(scene, "band")[:5]
    after, before = payload.predictions.after[16], payload.predictions.before[16]
    scale = bars[0].width / after[0]
    start = bars[0].x
    assert [bar.width / scale for bar in bars] == pytest.approx(after.tolist())
    assert [(tick.x + 0.5 - start) / scale for tick in ticks] == pytest.approx(before.tolist(), abs=1e-6)
    assert [(band.x - start) / scale for band in bands] == pytest.approx(payload.control.low[16].tolist(), abs=1e-6)
    widths = payload.control.high[16] - payload.control.low[16]
    assert [band.width / scale for band in bands] == pytest.approx(widths.tolist(), rel=1e-4)


def test_lines_are_thick_enough_to_print() -> None:
    for box in heatmap.scene(make_payload()).boxes:
        assert min(box.width, box.height) >= 0.5 - 1e-9, box
        assert not box.edge or box.line >= 0.5, box
    for label in heatmap.scene(make_payload(), width_mm=85).labels:
        assert label.size >= (8 if label.face == "serif" else 4)


@pytest.mark.parametrize("n", [0, 1, 8, 9, 16, 30])
def test_any_number_of_features(n: int) -> None:
    scene = heatmap.scene(make_payload(n_features=n, n_tokens=40))
    shown = min(n, heatmap.MAX_LANES)
    letters = {label.text for label in scene.labels if label.bold and label.size < 6}
    assert letters == {letter(slot) for slot in range(shown)}
    assert any(label.text == f"and {n - shown} more" for label in scene.labels) == (n > shown)
    assert lane_height(n) * shown < BAND + lane_pitch(n) * shown


# --------------------------------------------------------------------------------------------------------------- output


def test_numbers_in_the_svg_are_the_payloads() -> None:
    payload = make_payload()
    texts = svg_texts(heatmap.to_svg(payload))
    shown = payload.predictions
    for column in range(5):
        before, after = float(shown.before[16, column]), float(shown.after[16, column])
        at = texts.index(shown.vocabulary[column].strip(), texts.index("Next token after "))
        change = f"{after - before:+.2f}".replace("-", "\u2212")
        assert texts[at + 1 : at + 4] == [change, f"{after:.2f}", f"{before:.2f}"]
    assert "0.84" in texts
    assert "control 0.02–0.07, random directions 0.01–0.03" in texts
    assert {"8.1 →", "0", "9.3", "6.2 →", "2.3", "9.0 →", "13.5", "ablate", "× 1.5", "7.5"} <= set(texts)


def test_a_value_inside_the_control_band_is_grey_and_not_bold() -> None:
    scene = heatmap.scene(make_payload())
    found = {label.text: (label.color, label.bold) for label in scene.labels}
    look = palette()
    assert found["0.38"] == (look["ink"], True)
    assert found["0.05"] == (look["ink3"], False)
    assert found["+0.34"][0] == look["raises"]
    assert found["\u22120.42"][0] == look["lowers"]
    assert found["+0.02"][0] == look["ink3"]


def test_text_stays_text_in_svg_and_pdf() -> None:
    payload = make_payload()
    words = [t.strip() for t in payload.tokens.text[1:]]
    texts = svg_texts(heatmap.to_svg(payload))
    assert [t for t in texts if t in words][: len(words)] == words
    page = PdfReader(BytesIO(heatmap.to_pdf(payload))).pages[0]
    found = page.extract_text()
    for word in [*words, "a name already said once", "Next token after", "random directions"]:
        assert word in found, word
    fonts = page["/Resources"]["/Font"]
    assert {str(font.get_object()["/Subtype"]) for font in fonts.values()} == {"/Type0"}  # Type 42: embedded TrueType


def test_sizes_in_millimetres_and_pixels() -> None:
    payload = make_payload()
    box = PdfReader(BytesIO(heatmap.to_pdf(payload, width_mm=85))).pages[0].mediabox
    assert float(box.width) == pytest.approx(85 / 25.4 * 72, abs=0.1)
    with Image.open(BytesIO(heatmap.to_png(payload, dpi=200, width_mm=85))) as image:
        assert image.width == pytest.approx(85 / 25.4 * 200, abs=1)
    figure = heatmap.to_figure(payload)
    assert figure.get_figwidth() * 25.4 == pytest.approx(170)
    figure.text(0.5, 0.5, "added by the user")
    out = BytesIO()
    figure.savefig(out, format="png", bbox_inches="tight")
    assert len(out.getvalue()) > 10_000


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_same_bytes_twice_and_no_date(theme: str) -> None:
    payload = make_payload()
    for write in (heatmap.to_svg, heatmap.to_pdf, heatmap.to_png):
        assert write(payload, theme=theme) == write(make_payload(), theme=theme)
    assert not re.search(r"20\d\d-\d\d|dc:date", heatmap.to_svg(payload, theme=theme))
    info = PdfReader(BytesIO(heatmap.to_pdf(payload, theme=theme))).metadata
    assert "/CreationDate" not in info
    assert info["/Title"] == alt_text(payload)
    with Image.open(BytesIO(heatmap.to_png(payload, theme=theme))) as image:
        assert "Software" not in image.info
        assert "#{:02X}{:02X}{:02X}".format(*image.convert("RGB").getpixel((2, 2))) == palette(theme)["paper"]


def test_the_users_settings_neither_change_the_figure_nor_are_changed() -> None:
    payload = make_payload()
    plain = [write(payload) for write in (heatmap.to_svg, heatmap.to_pdf, heatmap.to_png)]
    with mpl.rc_context():
        mpl.rcParams.update({
            "text.usetex": True, "svg.fonttype": "path", "pdf.fonttype": 3, "path.sketch": (1, 100, 2),
            "savefig.bbox": "tight", "savefig.dpi": 30, "figure.facecolor": "red", "font.size": 30,
            "axes.unicode_minus": False, "figure.autolayout": True, "text.color": "blue", "hatch.color": "red",
        })  # fmt: skip
        before = dict(mpl.rcParams)
        assert [write(payload) for write in (heatmap.to_svg, heatmap.to_pdf, heatmap.to_png)] == plain
        assert dict(mpl.rcParams) == before


def test_threads_do_not_disturb_each_other() -> None:
    payloads = [make_payload(12 + seed, seed=seed) for seed in range(4)]
    alone = [(heatmap.to_svg(p), heatmap.to_pdf(p), heatmap.to_png(p)) for p in payloads]
    found: dict[int, tuple[str, bytes, bytes]] = {}

    def work(number: int) -> None:
        p = payloads[number % 4]
        found[number] = (heatmap.to_svg(p), heatmap.to_pdf(p), heatmap.to_png(p))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[number] for number in range(8)] == alone * 2


def test_no_pyplot_and_no_torch() -> None:
    code = (
        "import sys\nfrom tests.payload_factory import make_payload\nfrom saewidgets.figures import heatmap, html\n"
        "heatmap.to_png(make_payload()); heatmap.to_svg(make_payload()); html.fallback(make_payload())\n"
        "bad = {'matplotlib.pyplot', 'torch', 'pandas'} & set(sys.modules)\nsys.exit(repr(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    control = subprocess.run(
        [sys.executable, "-c", code.replace("import sys\n", "import sys\nimport matplotlib.pyplot\n", 1)],
        capture_output=True,
    )
    assert control.returncode == 1


def test_a_long_prompt_is_cut_with_a_word() -> None:
    payload = make_payload(10_000)
    svg = heatmap.to_svg(payload)
    assert "… the first 400 of 10\u202f000 tokens" in svg_texts(svg)
    assert len(svg) < 600_000
    assert len(heatmap.to_pdf(payload)) < 150_000
    assert "… the first 30 of 10\u202f000 tokens" in svg_texts(heatmap.to_svg(payload, max_tokens=30))


def test_preview_takes_the_best_that_fits() -> None:
    sizes = []
    for limit in (30_000, 7_000, 4_000):
        for payload in (make_payload(), make_payload(10_000)):
            data = heatmap.preview(payload, limit)
            assert data is not None
            assert len(data) <= limit
            with Image.open(BytesIO(data)) as image:
                image.load()
                sizes.append(image.size)
                look = {"#{:02X}{:02X}{:02X}".format(*color) for _, color in image.convert("RGB").getcolors()}
            assert palette()["paper"] in look
    assert sizes[0][1] > sizes[2][1], "the whole figure, then the strip alone"
    assert {width for width, _ in sizes} == {481}
    assert heatmap.preview(make_payload(), 100) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"width_mm": 0},
        {"width_mm": 1e9},
        {"width_mm": float("nan")},
        {"theme": "x"},
        {"max_tokens": 0},
        {"max_tokens": 10**6},
    ],
)
def test_wrong_arguments(wrong: dict[str, object]) -> None:
    for write in (heatmap.to_figure, heatmap.to_svg, heatmap.to_pdf, heatmap.to_png):
        with pytest.raises(FigureError):
            write(make_payload(), **wrong)
    for dpi in (0, 1e6, float("nan")):
        with pytest.raises(FigureError):
            heatmap.to_png(make_payload(), dpi=dpi)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_hardly_any_tokens(n: int) -> None:
    for edits in (True, False):
        payload = make_payload(texts=["a", "\n"][:n], edits=edits)
        if n == 0:
            payload = replace(payload, predictions=replace(payload.predictions, positions=np.zeros(0)), control=None)
        assert heatmap.to_png(payload)
        assert heatmap.to_svg(payload)
        assert fallback(payload)
        assert alt_text(payload)


def test_what_stands_at_position_zero_is_no_peak() -> None:
    payload = make_payload()
    values, after = payload.features[2].values.copy(), payload.features[2].after.copy()
    values[0], after[0], after[3] = 300.0, 200.0, 7.0
    features = (*payload.features[:2], replace(payload.features[2], values=values, after=after), payload.features[3])
    loud = replace(payload, features=features)
    assert "strongest at token 16 “to” with 6.2" in alt_text(loud)
    assert "to 6.2, gave 2.3" in fallback(loud)
    labels = [label.text for label in heatmap.scene(loud).labels]
    assert "6.2 →" in labels  # before and after at one token, not the greatest of each
    assert labels[labels.index("6.2 →") - 1] == "2.3"


def test_other_fills_and_no_fill() -> None:
    for fill, words in {"error": "fill: error, share of the norm 0", "surprise": "fill: surprise, nats 0"}.items():
        payload = make_payload(40, fill=fill)
        scene = heatmap.scene(payload)
        assert words in [label.text for label in scene.labels]
        assert {box.fill for box in parts(scene, "fill")} <= {ink.fill for ink in palette().activation}
        assert parts(scene, "fill")
    assert not parts(heatmap.scene(make_payload(40, fill="gone/1")), "fill")


@pytest.mark.parametrize("size", [1e-38, 3e38, -3e38])
def test_extreme_numbers_are_drawn_and_stay_on_the_sheet(size: float) -> None:
    payload = make_payload()
    shown, control = payload.predictions, payload.control
    full = np.full_like(shown.before, size)
    pairs = np.full_like(control.kl_features, size)
    features = tuple(
        replace(f, values=np.full(17, size), after=np.full(17, -size), maximum=abs(size)) for f in payload.features
    )
    wild = replace(
        payload,
        features=features,
        surprise=np.full(17, size),
        predictions=replace(shown, before=full, after=-full, kl=np.full(17, size)),
        control=replace(control, low=-full, high=full, kl_features=pairs, kl_directions=pairs),
    )
    for fill in (wild.fill, "error", "surprise"):
        for box in heatmap.scene(replace(wild, fill=fill)).boxes:
            assert np.isfinite([box.x, box.y, box.width, box.height]).all()
            assert -1 <= box.x <= box.x + box.width <= 170 * heatmap.MM + 1
    assert heatmap.to_png(wild)
    assert heatmap.to_svg(wild)
    assert len(fallback(wild)) <= 9_000
    assert alt_text(wild)


def test_alt_text() -> None:
    assert alt_text(make_payload()) == (
        "Token heatmap of “When Mira and Tom came to the pond, Tom gave the red lantern to”, 17 tokens; filled by "
        "feature c, someone is about to receive; strongest at token 16 “to” with 6.2; before and after 2 edits; "
        "likeliest next token “Mira” 0.71, after the edits 0.29; KL 0.84 nats; the same on 20 random features "
        "0.02–0.07, on random directions 0.01–0.03."
    )
    assert alt_text(replace(make_payload(), control=None)).endswith("after the edits 0.29; KL 0.84 nats.")
    assert len(alt_text(make_payload(100_000))) < 500
    assert alt_text(make_payload(1, edits=False, n_features=0)).endswith("likeliest next token “Mira” 0.71.")
