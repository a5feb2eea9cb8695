"""Every notebook runs from top to bottom, and is stored without outputs and widget state."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(path.name for path in FOLDER.glob("*.ipynb"))

# Lines of the table of signs whose interval reaches 0, or comes so near that another processor may take it there.
WITHIN_NOISE = {
    "topk is no worse than jumprelu",
    "but not for Matryoshka",
    "a moderate one is told best",
    "random directions tell concepts nearly as well",
}
# The rows of the methods' list that the lesson has to show.
ROWS = {"1", "2", "3", "4", "5", "9", "10", "12", "13", "14", "15"}


def test_there_are_notebooks() -> None:
    needed = {"00_tour", "01_dictionaries", "02_features", "03_steering", "04_circuits", "05_report"}
    assert {f"{name}.ipynb" for name in needed} <= set(NOTEBOOKS)


def signs_hold(lines: list[dict[str, Any]]) -> None:
    """Every row has a line, every line an interval that says what it says, and only those known for it reach 0."""
    assert {line["row"].split()[0] for line in lines} == ROWS
    for line in lines:
        value, low, high = (line[name] for name in ("value", "low", "high"))
        assert all(map(math.isfinite, (value, low, high)))
        assert low <= value <= high
        assert low < high
        assert line["holds"] == (low > 0)
        assert line["over"] in ("5 seeds", "20 concepts", "documents")
    assert {line["claim"] for line in lines if not line["holds"]} <= WITHIN_NOISE
    assert {line["row"] for line in lines if line["holds"]} >= ROWS


def labels_are_told_apart(lines: list[dict[str, Any]]) -> None:
    """Every right label scores above its shuffled one, on both meters; the two sides of features rarely agree."""
    *rows, whole = lines
    assert abs(whole["agree"]) < 0.5
    assert whole["n_active"] == whole["n_active_shown"] > 0
    assert whole["ablated"] == 0
    scores = {(row["feature"], row["meter"], row["which"]): row["value"] for row in rows}
    right = {key[:2]: value for key, value in scores.items() if key[2] == "right"}
    assert len(right) == 6
    assert all(value > 0.85 and value > scores[*key, "shuffled"] + 0.3 for key, value in right.items())


def circuits_carry_their_behaviours(lines: list[dict[str, Any]]) -> None:
    """The behaviour dies with its circuit and lives without random features; the direct effect is the graph's."""
    *rows, direct = lines
    assert {row["behaviour"] for row in rows} == {"indirect object", "word induction"}
    for row in rows:
        assert row["before"] == 1
        assert row["without it"] < 0.3
        assert row["without random ones"] > 0.9
    assert direct["measured"] < direct["random, low"]
    assert direct["predicted"] == pytest.approx(direct["measured"], abs=1e-3)


def a_report_says_what_the_run_did(lines: list[dict[str, Any]]) -> None:
    """One of the features is far above its controls and the others are not; page and report reach out to nothing."""
    *rows, whole = lines
    first, *others = rows
    assert len(others) == 3
    assert first["KL (nats)"] > 100 * first["high"]
    assert first["KL (nats)"] > 2 * first["high "] > 0, "a direction of that size does something too"
    assert all(row["KL (nats)"] < first["KL (nats)"] / 10 for row in others)
    kl, *same = whole["kl"]
    assert kl == pytest.approx(first["KL (nats)"], abs=1e-3)
    assert same == pytest.approx([kl] * 2, rel=1e-4)
    assert whole["captioned"]
    assert whole["loads"] == 0
    assert whole["views"] == 2
    assert 3e6 < whole["live page"] <= 5e6
    assert whole["cleaned"] == [1, 1, False]


def steering_beats_its_controls(lines: list[dict[str, Any]]) -> None:
    """Row 7: in the last two layers the output score chooses better at matched KL, and random changes do little."""
    *sites, months = lines
    assert [line["site"] for line in sites] == ["resid_post.1", "resid_post.2", "resid_post.3"]
    for line in sites:
        assert line["concepts"] >= 10
        assert line["low"] < line["ratio"] < line["high"]
        if line["site"] != "resid_post.1":
            assert line["low"] > 1 and line["won"] > 0.5
            assert line["output score"] > 2 * max(line["random direction"], line["random feature"])
    assert months["effect"] > months["greatest of 10 controls"] > 0


# Notebook -> what is printed at its end, and what must be true of that.
CHECKS: dict[str, tuple[str, Callable[[list[dict[str, Any]]], None]]] = {
    "01_dictionaries.ipynb": ("print(table.to_json(orient='records'))", signs_hold),
    "02_features.ipynb": (
        "import json\n"
        "whole = {'agree': agree, 'n_active': atlas.feature(feature).n_active, 'n_active_shown': view.payload.n_active,"
        " 'ablated': float(view.payload.live.features[0].after.max())}\n"
        "print(json.dumps([*json.loads(table.to_json(orient='records')), whole]))",
        labels_are_told_apart,
    ),
    "03_steering.ipynb": (
        "import json\n"
        "joined = signs.join(means).reset_index(names='site').astype({'concepts': float})\n"
        "print(json.dumps([*json.loads(joined.to_json(orient='records')), controlled.loc['months'].to_dict()]))",
        steering_beats_its_controls,
    ),
    "04_circuits.ipynb": (
        "import json\n"
        "direct = {'predicted': effect.modes[0].predicted[-1], 'measured': effect.modes[0].measured[-1],"
        " 'random, low': effect.modes[0].low[-1]}\n"
        "direct = {name: float(value) for name, value in direct.items()}\n"
        "print(json.dumps([*json.loads(table.to_json(orient='records')), direct]))",
        circuits_carry_their_behaviours,
    ),
    "05_report.ipynb": (
        "import json, re\n"
        "text = report.read_text()\n"
        "parts = text.split('<script type=\"module\">')[0]\n"
        "whole = {'kl': [float(v.payload.predictions.kl[-1]) for v in (view, again, opened)],"
        " 'captioned': sw.caption(view).split(';')[0] in parts,"
        " 'loads': len(re.findall(r'(?:src|href)=\"(?!data:|#)', parts)), 'views': parts.count('data-saewidgets='),"
        " 'live page': page.stat().st_size,"
        " 'cleaned': [cleaned.views, cleaned.pictures,"
        " 'widgets' in nbformat.read(folder / 'mine.ipynb', 4).metadata]}\n"
        "print(json.dumps([*json.loads(table.to_json(orient='records')), whole]))",
        a_report_says_what_the_run_did,
    ),
}


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_runs(name: str, tmp_path: Path) -> None:
    notebook = nbformat.read(FOLDER / name, as_version=4)
    code, check = CHECKS.get(name, (None, None))
    if code is not None:
        notebook.cells.append(nbformat.v4.new_code_cell(code))
    # In an empty folder: what a notebook writes is not left in the repository.
    client = nbclient.NotebookClient(
        notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    spoken = [
        output
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "stream" and output.name == "stderr"
    ]
    assert spoken == [], "a reader sees warnings"
    if check is not None:
        check(json.loads(notebook.cells[-1].outputs[0].text))


def line(row: str = "2", low: float = 0.1, holds: bool = True) -> dict[str, Any]:
    return {"row": row, "claim": "x", "value": 0.2, "low": low, "high": 0.3, "over": "5 seeds", "holds": holds}


@pytest.mark.parametrize("wrong", [line(low=-0.1, holds=False), line(low=-0.1), line(row="6"), line(low=math.nan)])
def test_the_check_of_signs_can_fail(wrong: dict[str, Any]) -> None:
    right = [line(row) for row in sorted(ROWS)]
    signs_hold(right)
    with pytest.raises(AssertionError):
        signs_hold([*right, wrong])
    with pytest.raises(AssertionError):
        signs_hold(right[1:])


def test_the_check_of_labels_can_fail() -> None:
    keys = [(f, m, w) for f in "abc" for m in ("detection", "fuzzing") for w in ("right", "shuffled")]
    rows = [{"feature": f, "meter": m, "which": w, "value": 0.9 if w == "right" else 0.5} for f, m, w in keys]
    whole = {"agree": 0.2, "n_active": 3, "n_active_shown": 3, "ablated": 0.0}
    labels_are_told_apart([*rows, whole])
    for wrong in ({"agree": 0.9}, {"n_active_shown": 2}, {"ablated": 1.0}):
        with pytest.raises(AssertionError):
            labels_are_told_apart([*rows, whole | wrong])
    with pytest.raises(AssertionError):
        labels_are_told_apart([*rows[:-2], rows[-2] | {"value": 0.6}, rows[-1], whole])


def test_the_check_of_steering_can_fail() -> None:
    right = {"concepts": 13.0, "ratio": 2.0, "low": 1.5, "high": 3.0, "won": 0.9, "output score": 0.06,
             "random direction": 0.01, "random feature": 0.02}  # fmt: skip
    sites = [{**right, "site": f"resid_post.{i}"} for i in (1, 2, 3)]
    months = {"effect": 0.3, "greatest of 10 controls": 0.1}
    steering_beats_its_controls([*sites, months])
    steering_beats_its_controls([{**sites[0], "low": 0.5, "won": 0.4}, *sites[1:], months])
    for wrong in ({"low": 0.9}, {"won": 0.5}, {"concepts": 3.0}, {"random feature": 0.05}):
        with pytest.raises(AssertionError):
            steering_beats_its_controls([*sites[:2], {**sites[2], **wrong}, months])
    with pytest.raises(AssertionError):
        steering_beats_its_controls([*sites, {**months, "effect": 0.05}])


def test_the_check_of_the_report_can_fail() -> None:
    names = ["KL (nats)", "random features, low", "high", "random directions, low", "high "]
    rows = [dict(zip(names, [kl, 0.0, 0.01, 0.0, 0.02], strict=True)) for kl in (8.5, 0.01, 0.02, 0.0)]
    whole = {"kl": [8.5, 8.5, 8.5], "captioned": True, "loads": 0, "views": 2, "live page": 4.5e6,
             "cleaned": [1, 1, False]}  # fmt: skip
    a_report_says_what_the_run_did([*rows, whole])
    for wrong in ({"kl": [8.5, 8.4, 8.5]}, {"captioned": False}, {"loads": 1}, {"views": 1}, {"cleaned": [1, 0, True]}):
        with pytest.raises(AssertionError):
            a_report_says_what_the_run_did([*rows, whole | wrong])
    with pytest.raises(AssertionError):
        a_report_says_what_the_run_did([rows[0] | {"high ": 8.0}, *rows[1:], whole])


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_is_stored_clean(name: str) -> None:
    notebook = nbformat.read(FOLDER / name, as_version=4)
    nbformat.validate(notebook)
    assert "widgets" not in notebook.metadata
    assert [
        cell for cell in notebook.cells if cell.cell_type == "code" and (cell.outputs or cell.execution_count)
    ] == []
    assert notebook.metadata.kernelspec.name == "python3"
