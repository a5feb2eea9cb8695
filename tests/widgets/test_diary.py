"""The diary: each act is one step, what follows from it is none, and script, notebook, file and replay lead back."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

import saewidgets as sw
from saewidgets.errors import WidgetError
from saewidgets.scope import Scope
from saewidgets.widgets.diary_views import snapshot

SITE, TEXT, OTHER = "resid_post.2", "Mira gave the red lantern to Tom.", "Tom has a key."
ALWAYS = 1e9  # seconds of a burst that never ends; 0 is one that ends at once


@pytest.fixture(scope="module")
def scope() -> Scope:
    return sw.demo()


@pytest.fixture
def pair(scope: Scope) -> Iterator[tuple[Any, Any, Any]]:
    with sw.TokenHeatmap(scope, TEXT, site=SITE) as heatmap:
        with sw.FeatureDashboard(scope, heatmap.features[0], text=TEXT) as dashboard:
            link = sw.link(heatmap, dashboard)
            rest(heatmap, dashboard)
            yield heatmap, dashboard, link


def rest(*views: Any) -> None:
    for _ in range(3):
        assert all(view.wait(60) for view in views)


def session(heatmap: Any, dashboard: Any) -> None:
    """Six acts, in both views, from both sides of the comm."""
    heatmap.prompt = OTHER
    rest(heatmap, dashboard)
    dashboard.comm.update({"position": 2})
    edits = [{"kind": "ablate", "feature": heatmap.features[0], "value": None, "positions": None, "error": "keep"}]
    heatmap.comm.receive({"type": "run", "id": 1, "state": {"edits": edits}})
    rest(heatmap, dashboard)
    heatmap.comm.receive({"type": "undo", "id": 2})
    rest(heatmap, dashboard)
    heatmap.comm.update({"fill": heatmap.features[1]})
    rest(heatmap, dashboard)
    dashboard.comm.receive({"type": "run", "id": 3, "state": {"scale": 0.5}})
    rest(heatmap, dashboard)


def test_each_act_is_one_step_and_what_a_link_passes_on_is_none(pair: Any) -> None:
    heatmap, dashboard, link = pair
    diary = sw.Diary(link, burst=0)
    first, second = heatmap.features[:2]
    session(heatmap, dashboard)
    assert [step.code for step in diary.steps] == [
        f"heatmap.prompt = {OTHER!r}", "dashboard.position = 2", f"heatmap.edits = [sw.ablate({first!r})]",
        "heatmap.edits = []", f"heatmap.fill = {second!r}", "dashboard.scale = 0.5",
    ]  # fmt: skip
    assert [step.number for step in diary.steps] == [1, 2, 3, 4, 5, 6]
    third = diary.steps[2].state
    assert (third.prompt, third.edits, third.token) == (OTHER, (sw.ablate(first),), 2)
    assert third.features == heatmap.features and diary.state(6).feature == second
    # What the link passed on is in the state of the step that caused it.
    assert diary.steps[0].state.views["dashboard"]["text"] == OTHER
    assert diary.steps[1].state.views["heatmap"]["selection"] == 2
    assert (diary.start.prompt, diary.state(0)) == (TEXT, diary.start)
    assert diary.to_frame()["code"].tolist() == [step.code for step in diary.steps]
    with pytest.raises(AttributeError):
        third.prompt = "x"


@pytest.mark.parametrize("linked_first", [True, False])
def test_the_order_of_link_and_diary_does_not_matter(scope: Scope, linked_first: bool) -> None:
    with sw.TokenHeatmap(scope, TEXT, site=SITE) as a, sw.TokenHeatmap(scope, TEXT, site=SITE) as b:
        if linked_first:
            sw.link(a, b)
        diary = sw.Diary(a, b, burst=0)
        if not linked_first:
            sw.link(a, b)
        b.prompt = OTHER
        rest(a, b)
        a.selection = 1
        rest(a, b)
        assert [step.code for step in diary.steps] == [f"heatmap_2.prompt = {OTHER!r}", "heatmap.selection = 1"]
        assert diary.steps[-1].state.views["heatmap_2"]["selection"] == 1


def test_a_burst_is_one_step(pair: Any) -> None:
    heatmap, dashboard, link = pair
    diary = sw.Diary(link, burst=ALWAYS)
    for n in range(1, len(OTHER) + 1):
        heatmap.comm.receive({"type": "run", "id": n, "state": {"prompt": OTHER[:n]}})
        if n % 5 == 0:
            rest(heatmap)
    rest(heatmap, dashboard)
    for value in (0.2, 0.4, 0.6):
        heatmap.edits = [sw.scale(heatmap.features[0], value)]
    # Where the typed text left the selection depends on which of its beginnings were drawn.
    last = 2 if heatmap.selection != 2 else 1
    for place in (last + 2, last + 1, last):
        heatmap.comm.update({"selection": place})
    rest(heatmap, dashboard)
    codes = [step.code for step in diary.steps]
    assert codes[0] == f"heatmap.prompt = {OTHER!r}"
    assert codes[1:] == [f"heatmap.edits = [sw.scale({heatmap.features[0]!r}, 0.6)]", f"heatmap.selection = {last}"]
    heatmap.edits = [sw.ablate(heatmap.features[1])]
    heatmap.edits = [sw.ablate(heatmap.features[2])]
    rest(heatmap, dashboard)
    assert len(diary) == 5, "another feature is another step, however fast"


def test_without_a_burst_each_key_is_a_step(pair: Any) -> None:
    heatmap, _, _ = pair
    diary = sw.Diary(heatmap, burst=0)
    heatmap.prompt = "Tom"
    heatmap.prompt = "Tom has"
    rest(*pair[:2])
    assert [step.code for step in diary.steps] == ["heatmap.prompt = 'Tom'", "heatmap.prompt = 'Tom has'"]


def test_a_lane_and_its_choice_are_one_step(pair: Any) -> None:
    heatmap, dashboard, link = pair
    diary = sw.Diary(link, burst=ALWAYS)
    new = f"{SITE}/3"
    heatmap.comm.receive({"type": "run", "id": 1, "state": {"features": [*heatmap.features, new]}})
    rest(heatmap, dashboard)
    heatmap.comm.update({"fill": new})
    rest(heatmap, dashboard)
    assert len(diary) == 1 and diary.steps[0].words == f"choose {new}, look at {new}"
    assert diary.steps[0].code.endswith(f"; heatmap.fill = {new!r}")


def test_what_is_refused_is_no_step(scope: Scope) -> None:
    with sw.TokenHeatmap(scope, TEXT, site=SITE) as heatmap:
        diary = sw.Diary(heatmap, burst=0)
        with pytest.raises(sw.SaewidgetsError):
            heatmap.features = ["resid_post.9/1"]
        heatmap.prompt = "word " * 2_000  # accepted, and then refused by the model
        rest(heatmap)
        assert heatmap.error is not None and heatmap.prompt == TEXT
        assert diary.steps == ()
        heatmap.selection = 1
        assert [step.code for step in diary.steps] == ["heatmap.selection = 1"]


def test_the_script_and_the_notebook_lead_to_the_same_state(pair: Any, tmp_path: Path) -> None:
    heatmap, dashboard, link = pair
    diary = sw.Diary(link, burst=0)
    session(heatmap, dashboard)
    made: dict[str, Any] = {}
    exec(str(diary.code()), made)
    rest(made["heatmap"], made["dashboard"])
    for name in ("heatmap", "dashboard"):
        assert snapshot(made[name]) == diary.steps[-1].state.views[name]
        made[name].close()
    path = diary.to_notebook(tmp_path / "diary.ipynb")
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert [cell.id for cell in notebook.cells][:4] == ["heading", "scope", "views", "step-1"]
    assert len(notebook.cells) == 3 + len(diary)
    notebook.cells.append(nbformat.v4.new_code_cell("print(repr((heatmap.prompt, heatmap.fill, dashboard.scale)))"))
    nbclient.NotebookClient(notebook, timeout=120).execute()
    said = notebook.cells[-1].outputs[0]["text"].strip()
    assert said == repr((heatmap.prompt, heatmap.fill, dashboard.scale))


def test_replay_in_the_same_views_and_in_others(pair: Any, scope: Scope) -> None:
    heatmap, dashboard, link = pair
    diary = sw.Diary(link, burst=0)
    session(heatmap, dashboard)
    wanted = diary.steps[2].state
    with sw.TokenHeatmap(scope, "x", site=SITE) as a, sw.FeatureDashboard(scope, f"{SITE}/1", text="y") as b:
        diary.replay(3, [a, b])
        assert {"heatmap": snapshot(a), "dashboard": snapshot(b)} == wanted.views
        assert len(wanted.edits) == 1, diary
        assert a.payload.n_edits == 1 and b.payload.live.prompt == OTHER
        assert len(diary) == 6, "others are not watched"
        with pytest.raises(WidgetError, match="of heatmap, dashboard"):
            diary.replay(3, [b, a])
    diary.replay(3)
    rest(heatmap, dashboard)
    assert {"heatmap": snapshot(heatmap), "dashboard": snapshot(dashboard)} == wanted.views
    assert diary.steps[-1].words == "back to step 3" and len(diary) == 7
    diary.replay(3)
    assert len(diary) == 7, "nothing changed"
    made: dict[str, Any] = {}
    exec(str(diary.code()), made)
    rest(made["heatmap"], made["dashboard"])
    assert snapshot(made["heatmap"]) == wanted.views["heatmap"]
    made["heatmap"].close(), made["dashboard"].close()
    diary.replay(0)
    assert heatmap.prompt == TEXT and diary.steps[-1].words == "back to the start"
    for wrong in (-1, 99, True, 1.0):
        with pytest.raises(WidgetError, match="no step"):
            diary.replay(wrong)  # type: ignore[arg-type]


def test_a_file_holds_all_of_it(pair: Any, tmp_path: Path, scope: Scope) -> None:
    heatmap, dashboard, link = pair
    diary = sw.Diary(link, burst=0)
    session(heatmap, dashboard)
    again = sw.Diary.open(diary.save(tmp_path / "diary.json"))
    assert again.steps == diary.steps and again.start == diary.start
    assert again.code() == diary.code() and repr(again) == repr(diary)
    with sw.TokenHeatmap(scope, "x", site=SITE) as a, sw.FeatureDashboard(scope, f"{SITE}/1", text="y") as b:
        again.replay(views={"heatmap": a, "dashboard": b})
        assert snapshot(a) == snapshot(heatmap)


def test_files_that_are_no_diary(tmp_path: Path, pair: Any) -> None:
    good = json.loads((sw.Diary(pair[0]).save(tmp_path / "good.json")).read_bytes())
    wrong = [b"", b"[]", b"{}", b"\xff", b"[" * 10_000, json.dumps({**good, "start": {"x": {}}}).encode(),
             json.dumps({**good, "begun": {**good["begun"], "names": []}}).encode(),
             json.dumps({**good, "begun": {**good["begun"], "made": [3]}}).encode(),
             json.dumps({**good, "steps": [{"view": "heatmap"}]}).encode()]  # fmt: skip
    for i, content in enumerate(wrong):
        path = tmp_path / f"{i}.json"
        path.write_bytes(content)
        with pytest.raises(WidgetError, match="diary"):
            sw.Diary.open(path)
    with pytest.raises(WidgetError, match="cannot be read"):
        sw.Diary.open(tmp_path / "none.json")


def test_hostile_text_is_data(pair: Any, tmp_path: Path) -> None:
    heatmap, dashboard, link = pair
    diary = sw.Diary(link, burst=0)
    nasty = "'\"; raise SystemExit # \\ <b>\u202e\nraise SystemExit"
    heatmap.prompt = nasty
    rest(heatmap, dashboard)
    made: dict[str, Any] = {}
    exec(str(diary.code()), made)
    rest(made["heatmap"], made["dashboard"])
    assert made["heatmap"].prompt == nasty
    made["heatmap"].close(), made["dashboard"].close()
    nbformat.validate(nbformat.read(diary.to_notebook(tmp_path / "a.ipynb"), as_version=4))


def test_a_graph_and_a_table(scope: Scope, tmp_path: Path) -> None:
    atlas = scope.sweep([TEXT] * 8, [SITE], tmp_path / "atlas", length=16, progress=False)
    with sw.CircuitGraph(scope, TEXT, max_features=24) as graph, sw.FeatureTable(scope, SITE, atlas=atlas) as table:
        rest(graph, table)
        diary = sw.Diary(graph, table, burst=0)
        node = next(n for n in graph.payload.nodes.id if n.startswith("mlp_in."))
        graph.marks = {**graph.marks, "pinned": [node]}
        table.query = "lantern"
        rest(table)
        table.selection = [f"{SITE}/3"]
        graph.open_feature(f"{SITE}/3")
        graph.back()
        said = [(step.view, step.words, step.code) for step in diary.steps]
        assert said == [
            ("graph", f"pin {node}", f"graph.marks = {{'pinned': [{node!r}]}}"),
            ("table", "set query to 'lantern'", "table.query = 'lantern'"),
            ("table", f"choose {SITE}/3", f"table.selection = ['{SITE}/3']"),
            ("graph", f"open {SITE}/3", f"graph.open_feature('{SITE}/3')"),
            ("graph", "close the feature", "graph.back()"),
        ]
        for step in diary.steps:
            exec(step.code, {"graph": graph, "table": table, "sw": sw})
        diary.replay(1)
        assert (table.query, table.selection, graph.marks["pinned"]) == ("", (), [node])


def test_new_texts_are_steps(scope: Scope) -> None:
    with sw.Steering(scope, TEXT, [sw.steer(f"{SITE}/17", 4.0)], max_new_tokens=2, n_seeds=1, n_controls=1) as view:
        rest(view)
        diary = sw.Diary(view, burst=0)
        view.seed = 3
        rest(view)
        view.edits = [sw.steer(f"{SITE}/17", 6.0)]
        rest(view)
        text = view.payload.column("steered").text
        assert [step.words for step in diary.steps] == ["write again with seed 3", f"steer +6 {SITE}/17"]
        diary.replay(0)
        assert (view.seed, view.edits[0].value) == (0, 4.0)
        diary.replay(2)
        assert view.payload.column("steered").text == text


def test_it_tells_and_ends(pair: Any) -> None:
    heatmap, _, _ = pair
    told: list[int] = []
    diary = sw.Diary(heatmap, burst=0, on_step=lambda one: told.append(len(one)))
    heatmap.selection = 1
    diary.close()
    heatmap.selection = 2
    assert told == [1] and len(diary) == 1
    with pytest.raises(WidgetError):
        sw.Diary()
    with pytest.raises(WidgetError, match="diary of a int"):
        sw.Diary(3)
    heatmap.close()
    with pytest.raises(WidgetError, match="closed"):
        sw.Diary(heatmap)
