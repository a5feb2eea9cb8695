"""PatchMap: the numbers behind it, requests, undo, growing, errors, code that replays, a random dictionary."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import saewidgets as sw
from saewidgets.causes import Noise, patch_map, path_patch, relevance
from saewidgets.errors import PromptError, WidgetError
from saewidgets.figures.patch_map_text import to_frame
from saewidgets.figures.views import view_of
from saewidgets.payloads import decode
from saewidgets.scope import Scope
from saewidgets.widgets import BaseWidget, PatchMap
from saewidgets.widgets import open as open_view
from saewidgets.widgets import patch_map as module
from tests.attacks.allowed import read
from tests.view_factory import make_patch_map

CLEAN = "When Mira and Tom came to the pond, Tom gave the lantern to"
CORRUPT = "When Mira and Tom came to the pond, Mira gave the lantern to"
DAY = ("Today is Monday. Tomorrow will be", "Today is Friday. Tomorrow will be")
DAYS = (" Tuesday", " Saturday")
KEY = "resid_post.1@small"


@pytest.fixture(scope="module")
def scope() -> Scope:
    return sw.demo()


def asked(view: PatchMap, request_id: Any = 1, **state: Any) -> list[dict[str, Any]]:
    """The answers to a request of the front end."""
    view.comm.receive({"type": "run", "id": request_id, "state": state})
    assert view.wait(120)
    said = [d["content"] for d, _ in view.comm.sent if d.get("method") == "custom"]
    return [c for c in said if c.get("id") == request_id]


def test_every_number_is_that_of_the_analysis(scope: Scope) -> None:
    for show, kinds in (("streams", ["resid", "attention", "mlp"]), ("heads", ["heads"]), ("features", ["features"])):
        with PatchMap(scope, *DAY, target=DAYS, show=show, dictionary=KEY, controls=2, seed=3, top=6) as view:
            frame, payload = to_frame(view.payload), view.payload
        found = patch_map(scope, *DAY, DAYS, kinds=kinds, dictionary=KEY, controls=2, seed=3, top=6)
        expected = found.to_frame().set_index(["node", "position"])
        for row in frame.to_dict("records"):
            one = expected.loc[(row["node"], row["position"])]
            for name in ("restored", "control_low", "control_high"):
                assert row[name] == pytest.approx(one[name], abs=1e-6)
            assert row["beats_control"] == one["beats_control"]
        assert len(frame) == len(expected) and payload.verdict == found.verdict
        assert (payload.low, payload.high) == (found.low, found.high)
        assert payload.context.seed == 3 and payload.controls == 2 and payload.n_prompts == 1


def test_the_chosen_cell_is_what_a_patched_run_predicts(scope: Scope) -> None:
    with PatchMap(scope, CLEAN, CORRUPT, controls=2) as view:
        payload = view.payload
        assert payload.target == "Mira − Tom" and payload.cell == "attn_out.2:14"
        detail = payload.detail(payload.cell)
        assert detail is not None
        edit = sw.patch("attn_out.2", CLEAN, positions=[14])
        runs = [scope.run(CORRUPT), scope.run(CORRUPT, [edit])]
        p = [np.exp(r.logits[-1].double().numpy()) / np.exp(r.logits[-1].double().numpy()).sum() for r in runs]
        for k, word in enumerate(detail.words):
            [token] = scope.model.tokenizer(word, add_special_tokens=False)["input_ids"]
            assert (detail.before[k], detail.after[k]) == pytest.approx((p[0][token], p[1][token]), abs=1e-4)
        heads = patch_map(scope, CLEAN, CORRUPT, (" Mira", " Tom"), kinds=["heads"], controls=2).to_frame()
        own = heads[(heads["layer"] == 2) & (heads["position"] == 14)]
        assert list(detail.parts) == own["node"].tolist()
        assert detail.part_values == pytest.approx(own["restored"].to_numpy(), abs=1e-5)
        block, column, place = payload.where(payload.cell)
        ends = [float(table[place, column]) for table in (block.low, block.high)]
        assert (detail.low, detail.high) == pytest.approx(ends, abs=1e-6)


def test_a_path_is_that_of_path_patching(scope: Scope) -> None:
    with PatchMap(scope, CLEAN, CORRUPT, controls=2) as view:
        [answer] = [m for m in asked(view, path=["mlp_out.0:10", "attn_out.2:14"]) if m["type"] != "progress"]
        assert answer["type"] == "ok"
        path = view.payload.paths[-1]
        found = path_patch(
            scope, CLEAN, CORRUPT, "mlp_out.0", "attn_out.2", (" Mira", " Tom"), at=[10], into=[14], controls=2
        )
        assert path.restored == pytest.approx(found.restored, abs=1e-6)
        assert (path.low, path.high) == pytest.approx((found.control_low, found.control_high), abs=1e-6)
        assert "direct to the receiver" in path.propagation and view.path == ("mlp_out.0:10", "attn_out.2:14")
        answers = asked(view, 2, path=["attn_out.2:14", "mlp_out.0:10"])
        assert answers[-1]["type"] == "error" and "does not read" in answers[-1]["what"]
        assert view.payload.paths[-1].sender == "mlp_out.0" and view.error is not None
        view.undo()
        assert view.wait(60) and view.payload.paths == () and view.path == ()


def test_modes_follow_the_analyses(scope: Scope) -> None:
    places = tuple(i for i, (a, b) in enumerate(zip(*map(scope.model.tokenize, DAY), strict=True)) if a != b)
    options = {"dictionary": KEY, "controls": 1, "top": 4}
    with PatchMap(scope, *DAY, target=DAYS, show="features", **options) as view:
        for state, corrupt, more in (
            ({"propagation": "direct"}, DAY[1], {"propagation": "direct"}),
            ({"error_term": "dropped"}, DAY[1], {"propagation": "direct", "error": "dropped"}),
            ({"corruption": "noise"}, Noise(places), {"propagation": "direct", "error": "dropped"}),
        ):
            assert asked(view, str(state), **state)[-1]["type"] == "ok"
            found = patch_map(scope, DAY[0], corrupt, DAYS, kinds=["features"], **options, **more)
            shown = to_frame(view.payload).set_index(["node", "position"])
            for row in found.to_frame().to_dict("records"):
                one = shown.loc[(row["node"], row["position"])]
                assert one["restored"] == pytest.approx(row["restored"], abs=1e-5)
                assert (one["error"], one["propagation"]) == (row["error"], row["propagation"])
            assert (view.payload.low, view.payload.high) == pytest.approx((found.low, found.high))
        assert view.undo_depth == 3
        for _ in range(3):
            view.undo()
        assert view.wait(60)
        assert (view.corruption, view.error_term, view.propagation, view.redo_depth) == ("swap", "kept", "free", 3)
        assert view.payload.context.error == "kept"


def test_it_grows_behind_its_first_picture(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    with PatchMap(scope, *DAY, target=DAYS, controls=3, seed=11) as view:
        states = [decode(b) for d, bs in view.comm.sent for b in bs if b[:4] == b"SAEW"]
        assert view.wait(120)
        states = [decode(bytes(b)) for d, bs in view.comm.sent for b in bs if bytes(b[:4]) == b"SAEW"]
        done = [sum(block.band is not None for block in p.blocks) for p in states]
        assert done == sorted(done) and len(states[0].blocks) >= 1 and done[-1] == 3
        assert all(p.verdict == "" for p in states if p.verdict != view.payload.verdict)
        assert view.payload.verdict and view.payload.cell.startswith("attn_out")
        assert any(d.get("content", {}).get("type") == "progress" for d, _ in view.comm.sent)


def test_a_stopped_map_leaves_the_last_one(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    with PatchMap(scope, *DAY, target=DAYS, controls=1) as view:
        before = view.payload
        from saewidgets.causes import question

        real, calls = question.measure, []

        def slow(*args: Any, **options: Any) -> Any:
            calls.append(1)
            view.comm.receive({"type": "cancel", "id": 7})
            return real(*args, **options)

        monkeypatch.setattr(question, "measure", slow)
        answers = asked(view, 7, show="heads")
        assert answers[-1]["type"] == "cancelled" and len(calls) == 1
        assert view.show == "streams" and view.payload.blocks[0].name == before.blocks[0].name and view.error is None


def test_what_is_refused_stays_a_sentence(scope: Scope) -> None:
    with pytest.raises(PromptError, match=r"'Fri day' \(\d+ tokens\) stands against|stands against"):
        PatchMap(scope, DAY[0], DAY[1].replace("Friday", "Fri day"))
    with pytest.raises(WidgetError, match="needs a clean"):
        PatchMap(scope, DAY[0])
    with pytest.raises(TypeError, match="Did you mean 'target'"):
        PatchMap(scope, *DAY, taget=DAYS)
    with PatchMap(scope, *DAY, target=DAYS, controls=1) as view:
        before = view.payload
        for i, state in enumerate((
            {"corrupt": "Today is"}, {"cell": "attn_out.2"}, {"cell": "attn_out.9:1"}, {"show": "neurons"},
            {"path": ["a"]}, {"path": ["", "logits"]}, {"clean": 3}, {"propagation": "magic"}, {"corrupt": DAY[0]},
        )):  # fmt: skip
            assert asked(view, 100 + i, **state)[-1]["type"] == "error", state
            assert view.payload.blocks[0].values == pytest.approx(before.blocks[0].values)
        assert (view.clean[0], view.corrupt[0]) == DAY
        with pytest.raises(WidgetError):
            view.cell = "nowhere"
        assert asked(view, 1, corrupt=DAY[1].replace("Friday", "Sunday"))[-1]["type"] == "ok"
        assert view.payload.changed() == [3] and view.error is None
    with PatchMap(make_patch_map()) as saved, pytest.raises(WidgetError, match="opened from a file"):
        saved.show = "heads"


def test_several_pairs_are_averaged(scope: Scope) -> None:
    cleans = [DAY[0], "Today is Tuesday. Tomorrow will be"]
    corrupts = [DAY[1], "Today is Sunday. Tomorrow will be"]
    with PatchMap(scope, cleans, corrupts, target=DAYS, controls=1) as view:
        found = patch_map(scope, cleans, corrupts, DAYS, controls=1)
        assert view.payload.n_prompts == 2 and view.payload.verdict == found.verdict
        shown, expected = (f.set_index(["node", "position"])["restored"] for f in (view.to_frame(), found.to_frame()))
        assert shown[expected.index].to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-6)


def test_regions_of_the_relevance_template(scope: Scope) -> None:
    parts = {"fact": "Today is {document}.", "question": " Tomorrow will be"}
    made = relevance(scope, "", "Monday", "Friday", answers=DAYS, parts=parts)
    assert (made.clean, made.corrupt, made.target) == (*DAY, DAYS)
    with PatchMap(scope, made, controls=1) as view:
        payload = view.payload
    assert {r.name: r.positions.tolist() for r in payload.regions} == {"fact": [1, 2, 3, 4], "question": [5, 6, 7]}
    bands = patch_map(scope, *DAY, DAYS, controls=1).bands(made.regions)
    for row in bands.to_dict("records"):
        block = next(b for b in payload.blocks if b.kind == row["kind"])
        places = next(r.positions for r in payload.regions if r.name == row["region"])
        assert block.values[places, row["layer"]].sum() == pytest.approx(row["restored"], abs=1e-5)
        ends = [abs(float(table[places, row["layer"]].sum())) for table in (block.low, block.high)]
        assert max(ends) == pytest.approx(row["control"], abs=1e-5)
    # What is read early at the fact is written late at the question: the stages of the paper, on the embedded model.
    resid = next(b for b in payload.blocks if b.kind == "resid").values
    fact, question = (resid[list(made.regions[name])].sum(0) for name in ("fact", "question"))
    assert fact[0] > 0.9 > 0.1 > question[0] and question[3] > 0.9 > 0.1 > fact[3]
    with pytest.raises(PromptError, match="as many tokens"):
        relevance(scope, "", "Monday", "a fine day", answers=DAYS, parts=parts)
    pair = relevance(scope, "Who?", "Mira did", "Tom went", pairwise=True)
    assert pair.target == (" A", " B") and set(pair.regions) == {"query", "first", "second", "instruction"}
    assert pair.corrupt.index("Tom went") < pair.corrupt.index("Mira did")


def test_the_code_makes_the_same_map(scope: Scope) -> None:
    randoms = sw.causes.random_like(scope, KEY, list(DAY), n=1, seed=5)
    options = {"target": DAYS, "show": "features", "dictionary": KEY, "controls": 2, "seed": 4, "top": 5}
    with PatchMap(scope, *DAY, **options, randoms=randoms, propagation="direct", error_term="dropped") as view:
        view.path = (view.cell or "resid_post.1@small/1:3", "logits") if view.cell else ()
        assert view.wait(60)
        text, payload = view.code(), view.payload
    assert f"# {sw.__version__}" in text and "seed=4" in text and "propagation='direct'" in text
    lines = text.splitlines()
    names = {"scope": scope}
    exec("\n".join(lines[:-1]), names)
    with eval(lines[-1], names) as again:
        for one, other in zip(again.payload.blocks, payload.blocks, strict=True):
            assert one.nodes == other.nodes and one.band == pytest.approx(other.band)
            np.testing.assert_allclose(one.values, other.values, atol=1e-6)
        assert again.payload.verdict == payload.verdict and again.payload.cell == payload.cell


@pytest.mark.timeout(900)
def test_a_random_dictionary_visibly_beats_nothing(scope: Scope) -> None:
    """The trained dictionary replaced by a random one: views and tables say so in words."""
    made = sw.causes.random_like(scope, KEY, [*DAY, CLEAN, CORRUPT], n=9, seed=1)
    fake = sw.Scope(scope.model, {KEY: made[0]}, name="random")
    nothing = "Nothing beats the control"
    said = 0
    for i, day in enumerate(("Monday", "Tuesday", "Wednesday")):
        other, after = ("Thursday", "Friday", "Saturday")[i], ("Tuesday", "Wednesday", "Thursday")[i]
        pair = [f"Today is {name}. Tomorrow will be" for name in (day, other)]
        target = (f" {after}", {"Thursday": " Friday", "Friday": " Saturday", "Saturday": " Sunday"}[other])
        with PatchMap(fake, *pair, target=target, show="features", controls=2, top=5, randoms=made[1:]) as view:
            payload = view.payload
            texts = [payload.verdict, repr(view), read(view.static_bundle()["text/html"]).text, str(view.to_svg())]
            texts.append(view_of(payload).alt_text(payload))
        silent = not any(block.beyond().any() for block in payload.blocks)
        assert [nothing in text for text in texts] == [silent] * len(texts)
        said += silent
    # One in nine is right by chance.
    assert said >= 2


def test_the_protocol_names_its_traits() -> None:
    page = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text("utf-8")
    rows = [row.split("|")[1] for row in page.split("## A patch map")[1].splitlines() if row.startswith("| `")]
    with PatchMap(make_patch_map()) as view:
        own = set(view.traits(sync=True)) - set(BaseWidget.class_traits(sync=True))
    assert own - {"_anywidget_id"} == {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def test_saved_and_opened(scope: Scope, tmp_path: Any) -> None:
    with PatchMap(scope, *DAY, target=DAYS, controls=1) as view:
        for name in ("a.sae", "a.html", "a.svg", "a.png", "a.pdf"):
            assert view.save(tmp_path / name).stat().st_size > 1_000
        frame = view.to_frame()
        assert "PatchMap" in repr(view)
    with open_view(tmp_path / "a.sae") as again:
        assert not again.live and again.to_frame().equals(frame)
        assert again.payload.details[0].words == view.payload.details[0].words
