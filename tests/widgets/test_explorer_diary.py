"""The diary of an explorer: replay, script, notebook, file and a click lead to the state; a comparison runs two."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import numpy as np
import pytest

import saewidgets as sw
from saewidgets.errors import WidgetError
from saewidgets.scope import Scope
from saewidgets.widgets import Explorer
from saewidgets.widgets.explorer_diary import values_of

TEXT, OTHER = "Mira gave the red lantern to", "Tom has a key."


@pytest.fixture(scope="module")
def scope() -> Scope:
    return sw.demo()


@pytest.fixture
def ex(scope: Scope) -> Iterator[Any]:
    with Explorer(scope, TEXT, max_new_tokens=2, temperature=0.0) as view:
        assert view.wait(120)
        yield view


def session(ex: Any) -> None:
    """Acts in several panels; the undo takes back a pin and the letter it brought."""
    ex.edit(sw.ablate(ex.features[0]))
    assert ex.wait(120)
    ex.select(token=2)
    ex.pin(next(n for n in ex.circuit.payload.nodes.id if n.startswith("mlp_in")))
    assert ex.wait(120)
    ex.undo()
    assert ex.wait(120)
    ex.remove(ex.features[1])
    ex.undo()  # the letter comes back to its place
    ex.heatmap.prompt = OTHER  # shorter: the selected token moves with it
    assert ex.wait(120)
    ex.add("resid_post.1/3")
    assert ex.wait(120)


def test_each_step_has_its_state(ex: Any) -> None:
    start = values_of(ex)
    session(ex)
    diary = ex.diary
    assert diary.start.views["ex"] == start and diary.state(len(diary)).views["ex"] == values_of(ex)
    assert [step.number for step in diary.steps] == list(range(1, len(diary) + 1))
    assert [step.code for step in diary.steps] == list(diary)
    assert diary.steps[0].words == f"ablate {start['features'][0]}" and diary.steps[1].words == "select token 2"
    assert diary.steps[1].state.token == 2 and diary.steps[0].state.token == start["selection"]
    assert diary.to_frame()["prompt"].tolist()[-1] == OTHER


def test_script_and_replay_lead_to_every_state(ex: Any, scope: Scope) -> None:
    session(ex)
    diary, last = ex.diary, values_of(ex)
    made: dict[str, Any] = {}
    exec(str(diary.code()), made)
    with made["ex"] as again:
        assert again.wait(120)
        assert values_of(again) == last
        for number in range(len(diary), -1, -1):
            diary.replay(number, again)
            assert values_of(again) == diary.state(number).views["ex"], number
        assert again.heatmap.payload.prompt == again.circuit.payload.prompt == TEXT
    assert values_of(ex) == last, "another explorer moved"


def test_going_back_is_a_step_and_can_be_undone(ex: Any) -> None:
    session(ex)
    diary, last = ex.diary, values_of(ex)
    n, wanted = len(diary), diary.state(2).views["ex"]
    diary.replay(2)
    assert len(diary) == n + 1 and values_of(ex) == wanted == diary.state(n + 1).views["ex"]
    diary.replay(2)
    assert len(diary) == n + 1, "nothing changed"
    made: dict[str, Any] = {}
    exec(str(diary.code()), made)
    with made["ex"] as again:
        assert again.wait(120)
        assert values_of(again) == wanted
    ex.undo()
    assert ex.wait(120)
    shared = ("prompt", "features", "edits", "pinned")
    assert {name: values_of(ex)[name] for name in shared} == {name: last[name] for name in shared}
    for wrong in (-1, 99, True):
        with pytest.raises(WidgetError, match="no step"):
            diary.replay(wrong)


def test_a_click_on_a_step(ex: Any) -> None:
    session(ex)
    wanted = ex.diary.state(2).views["ex"]
    ex.comm.receive({"type": "back", "id": 9, "line": 1})
    assert ex.wait(120)
    assert values_of(ex) == wanted
    assert [reply["type"] for reply in ex.comm.replies if reply.get("id") == 9] == ["ok"]
    for line in (99, -1, "1", None):
        ex.comm.receive({"type": "back", "id": 10, "line": line})
    assert [reply["type"] for reply in ex.comm.replies if reply.get("id") == 10] == ["error"] * 4
    assert values_of(ex) == wanted


def test_the_notebook_leads_to_the_same_state(ex: Any, tmp_path: Path) -> None:
    session(ex)
    path = ex.diary.to_notebook(tmp_path / "diary.ipynb")
    assert ex._file("ipynb") == path.read_bytes(), "what the button saves"
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert len(notebook.cells) == 3 + len(ex.diary)
    said = "from saewidgets.widgets.explorer_diary import values_of; print(repr(values_of(ex)))"
    notebook.cells.append(nbformat.v4.new_code_cell(said))
    nbclient.NotebookClient(notebook, timeout=300).execute()
    assert notebook.cells[-1].outputs[0]["text"].strip() == repr(values_of(ex))


def test_a_saved_diary_is_replayed_in_an_explorer(ex: Any, tmp_path: Path) -> None:
    session(ex)
    saved = sw.Diary.open(ex.diary.save(tmp_path / "diary.json"))
    assert [step.code for step in saved.steps] == list(ex.diary)
    last = values_of(ex)
    ex.edit()
    saved.replay(None, [ex])
    assert values_of(ex) == last


def test_compare_runs_both_states(ex: Any, scope: Scope) -> None:
    edit = sw.ablate(ex.features[0])
    ex.edit(edit)
    ex.select(token=3)
    compared = ex.diary.compare(0, 2).payload
    one, two = scope.run(TEXT), scope.run(TEXT, edits=[edit])
    p, q = (run.logits.double().log_softmax(-1).numpy() for run in (one, two))
    expected = (np.exp(p) * (p - q)).sum(-1), (np.exp(q) * (q - p)).sum(-1)
    shown = compared.predictions
    at = shown.positions.astype(int)
    np.testing.assert_allclose(shown.kl, expected[0][compared.left_token[at]], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(compared.kl_back, expected[1][compared.left_token[at]], rtol=1e-4, atol=1e-6)
    assert compared.control is not None


def test_an_explorer_has_its_own_diary(ex: Any) -> None:
    with pytest.raises(WidgetError, match="diary of its own"):
        sw.Diary(ex)


def test_a_diary_with_an_atlas_runs_without_it(scope: Scope, tmp_path: Path) -> None:
    atlas = scope.sweep([TEXT, OTHER], [scope.default_site], tmp_path / "atlas", length=32, progress=False)
    with Explorer(scope, TEXT, atlas=atlas, max_new_tokens=2) as ex:
        ex.select(token=1)
        made: dict[str, Any] = {}
        exec(str(ex.diary.code()), made)
        with made["ex"] as again:
            assert again.selection == 1
