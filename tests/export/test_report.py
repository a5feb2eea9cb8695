"""Reports, captions, snippets and styles: what is in the file, and what is escaped."""

import base64
import re
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import pytest

import saewidgets as sw
from saewidgets.errors import FigureError
from saewidgets.figures.style import JOURNALS, FigureStyle, grey
from saewidgets.figures.views import view_of
from saewidgets.payloads import decode
from tests.attacks.hostile import STRINGS
from tests.export.test_page import Elements, links
from tests.payload_factory import make_payload
from tests.view_factory import make_dashboard, make_table, make_training

VIEWS = {"heatmap": make_payload(), "dashboard": make_dashboard(), "table": make_table(), "training": make_training()}


def parabola() -> Any:
    figure, axes = plt.subplots(figsize=(3, 2))
    axes.plot([1, 2, 3], [1, 4, 9])
    plt.close(figure)
    return figure


def test_every_part_is_there_in_order() -> None:
    frame = pd.DataFrame({"n": [1, 2], "x": [0.123456, 2.0], "word": ["a", "b"]}, index=["r", "s"])
    parts = ["# Head\n\ntext **bold**", VIEWS["heatmap"], (parabola(), "A parabola"), (frame, "Numbers"), "the end"]
    page = sw.report(parts, title="A report")
    assert isinstance(page, str)
    places = [page.index(word) for word in ("<h1>Head</h1>", "data-saewidgets", "A parabola", "Numbers", "the end")]
    assert places == sorted(places)
    assert "<strong>bold</strong>" in page and "<td class=n>0.1235</td>" in page and "<title>A report</title>" in page
    raw = re.search(r'<script type="application/x-saewidgets">([^<]*)</script>', page)
    assert raw is not None
    assert decode(base64.b64decode(raw[1])).prompt == VIEWS["heatmap"].prompt


def test_nothing_in_it_reaches_out_or_runs() -> None:
    for text in STRINGS:
        whole = text.encode("utf-8", "replace").decode()  # pandas takes no half of a surrogate pair
        frame = pd.DataFrame({whole: [whole]}, index=[whole])
        page = sw.report([text, (make_payload(texts=[text]), text), (frame, text), (parabola(), text)], title=text)
        assert isinstance(page, str)
        tags = Elements(page).tags
        assert [tag for tag, _ in tags if tag == "script"] == ["script"] * 3, text
        assert sorted(set(links(page))) in (["img src"], ["a href", "img src"]), text
        assert all(not name.startswith("on") for _, attributes in tags for name in attributes), text
        assert all(str(a.get("src", "data:")).startswith("data:") for _, a in tags), text
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None and "default-src 'none'" in policy[1] and "connect-src" not in policy[1]


def test_markdown_html_is_text_and_pictures_from_elsewhere_are_not_asked_for() -> None:
    page = sw.report(["<img src=x onerror=alert(1)> ![a](https://example.org/a.png) [b](javascript:alert(1))"])
    assert isinstance(page, str)
    assert "&lt;img src=x" in page and "https://example.org/a.png" in page, "the text is there"
    assert links(page) == ["a href"], "a link that a reader may follow, and no picture"
    assert 'href="javascript' not in page


def test_wrong_parts_and_options(tmp_path: Path) -> None:
    for wrong in ([3], [(VIEWS["heatmap"], 3)], "text", [{"a": 1}]):
        with pytest.raises(FigureError):
            sw.report(wrong)  # type: ignore[arg-type]
    with pytest.raises(FigureError, match="Unknown theme"):
        sw.report([], theme="pink")
    path = sw.report(["a"], tmp_path / "a.html", theme="dark", language='"><script>')
    assert Path(path).read_text("utf-8").count("<script") == 2


def test_long_tables_are_cut_and_say_so() -> None:
    page = sw.report([pd.DataFrame({"x": range(1000)})])
    assert "First 200 of 1000 rows." in page and str(page).count("<tr>") == 201


# ------------------------------------------------------------------------------------------------- captions, snippets


@pytest.mark.parametrize("payload", VIEWS.values(), ids=VIEWS)
def test_a_caption_says_what_was_measured(payload: Any) -> None:
    words = sw.caption(payload)
    context = payload.context
    assert view_of(payload).alt_text(payload).rstrip(".") in words
    assert f"error term {context.error}; {context.propagation} propagation; seed {context.seed}" in words
    assert context.model.split(" ")[0] in words


def test_a_snippet_is_safe_latex() -> None:
    hostile = make_payload(texts=["50% of_it & $x$ #1 \\input{/etc/passwd} ^~ {"])
    source = sw.snippet(hostile, "figures/a_b.pdf")
    caption = re.search(r"\\caption\{(.*)\}\n", source)
    assert caption is not None
    assert (
        "\\input" not in source
        and r"\textbackslash{}input\{" in caption[1]
        and r"50\% of\_it \& \$x\$ \#1" in caption[1]
    )
    bare = re.sub(
        r"\\(textbackslash|textasciicircum|textasciitilde)\{\}|\$-\$|\$\\to\$|\$\\times\$|\\[{}$&#%_,]", "", caption[1]
    )
    assert not set(bare) & set("\\{}$&#%_^~")
    assert r"\label{fig:a_b}" in source and r"\includegraphics[width=\linewidth]{figures/a_b.pdf}" in source
    assert sw.snippet(hostile, "a.svg", "markdown").startswith("![Token heatmap")
    with pytest.raises(FigureError, match="latex"):
        sw.snippet(hostile, "a.pdf", "word")


# --------------------------------------------------------------------------------------------------------------- styles


@pytest.mark.parametrize("journal", JOURNALS)
def test_widths_of_journals(journal: str) -> None:
    one, two = (sw.figure_style(journal, columns=n).width_mm for n in (1, 2))
    assert 60 <= one <= two <= 200
    scene = sw.figure_style(journal).scene(view_of(VIEWS["heatmap"]).figures, VIEWS["heatmap"])
    assert scene.width == pytest.approx(one / 25.4 * 72)


@pytest.mark.parametrize("payload", VIEWS.values(), ids=VIEWS)
def test_grey_keeps_lightness_and_words(payload: Any) -> None:
    figures = view_of(payload).figures
    coloured, made = (FigureStyle(greyscale=g).scene(figures, payload) for g in (False, True))
    colors = (
        [box.fill for box in made.boxes] + [label.color for label in made.labels] + [line.color for line in made.lines]
    )
    assert all(not c or c[1:3] == c[3:5] == c[5:7] for c in colors)
    assert [label.text for label in made.labels] == [label.text for label in coloured.labels]
    for old, new in zip(coloured.boxes, made.boxes, strict=True):
        if old.fill:
            assert luminance(new.fill) == pytest.approx(luminance(old.fill), abs=0.006)
    assert len({box.fill for box in coloured.boxes}) > 2 and grey(made) == made


def luminance(color: str) -> float:
    """WCAG 2's relative luminance, written from its formula."""
    linear = []
    for i in (1, 3, 5):
        c = int(color[i : i + 2], 16) / 255
        linear.append(c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4)
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_wrong_styles_are_refused() -> None:
    for wrong in ({"journal": "gazette"}, {"columns": 3}, {"width_mm": 10}, {"theme": "pink"}, {"journal": 3}):
        with pytest.raises(FigureError):
            sw.figure_style(**wrong)  # type: ignore[arg-type]
