"""Explorer: one token, one set of edits, one letter a feature and one history in all panels; the numbers are theirs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import saewidgets as sw
from saewidgets.errors import FeatureError, PayloadError, WidgetError
from saewidgets.explain import vocabulary_projection
from saewidgets.payloads import decode, encode
from saewidgets.scope import Scope
from saewidgets.widgets import Explorer
from saewidgets.widgets.explorer_request import Shared, steps

TEXT = "Mira gave the red lantern to"
PANELS = ("heatmap", "circuit", "text")


@pytest.fixture(scope="module")
def scope() -> Scope:
    return sw.demo()


@pytest.fixture
def ex(scope: Scope) -> Iterator[Explorer]:
    with Explorer(scope, TEXT, max_new_tokens=4, temperature=0.0) as view:
        assert view.wait(120)
        yield view


def edits_of(ex: Any) -> list[Any]:
    return [view.edits for view in (ex, ex.heatmap, ex.circuit, ex.text)]


def test_the_strip_is_there_before_the_heavy_panels(scope: Scope) -> None:
    with Explorer(scope, TEXT) as view:
        assert view.heatmap.payload.prompt == TEXT
        panels = view.circuit, view.text
        bundle = view.static_bundle()
        assert {"text/html", "image/png", "text/plain"} <= bundle.keys()
        assert not any(panel.known or panel._runner._thread for panel in panels), "nothing heavy was begun"
        assert len(view._panels) == 5
        view._handle_custom_msg({"type": "begin", "id": 1}, [])
        assert any(panel._runner._thread for panel in panels)
        assert view.wait(120)


def test_one_set_of_edits_and_one_history(ex: Any, scope: Scope) -> None:
    edit = sw.ablate(ex.features[0])
    ex.edit(edit)
    assert ex.wait(120)
    assert edits_of(ex) == [(edit,)] * 4
    base, after = scope.run(TEXT), scope.run(TEXT, edits=[edit])
    strip = ex.payload.picture("heatmap")
    row = strip.predictions.positions.tolist().index(len(strip.tokens) - 1)
    word = strip.predictions.vocabulary[int(strip.predictions.token[row][0])]
    shown = scope.model.tokenizer.encode(word, add_special_tokens=False)[-1]
    assert scope.model.tokenizer.decode([shown]) == word
    for run, matrix in ((base, strip.predictions.before), (after, strip.predictions.after)):
        expected = float(run.logits[-1].softmax(-1)[shown])
        assert float(matrix[row][0]) == pytest.approx(expected, abs=1e-5)
    graph = ex.payload.picture("circuit")
    assert graph.before is not None and graph.prompt == TEXT
    texts = ex.payload.picture("text")
    for role, edits in (("base", ()), ("steered", (edit,))):
        own = scope.generate(TEXT, edits, max_new_tokens=4, temperature=0.0, seed=0)
        assert texts.column(role).tokens.ids.tolist() == list(own.token_ids)

    features = ex.features
    ex.add("mlp_in.1/7")
    assert ex.features[-1] == ex.heatmap.features[-1] == ex.feature == "mlp_in.1/7"
    assert {v.undo_depth for v in (ex, ex.heatmap, ex.circuit, ex.text, ex.dashboard)} == {2}
    ex.circuit.undo()  # whichever panel has the focus
    assert "mlp_in.1/7" not in ex.features and edits_of(ex) == [(edit,)] * 4
    ex.heatmap.undo()
    assert edits_of(ex) == [()] * 4
    ex.redo()
    ex.redo()
    assert ex.wait(120)
    assert edits_of(ex) == [(edit,)] * 4 and "mlp_in.1/7" in ex.heatmap.features
    assert {v.redo_depth for v in (ex, ex.heatmap, ex.circuit)} == {0}
    assert ex.diary[-4:] == [
        f"ex.features = {list(features)!r}", "ex.edit()", f"ex.edit(sw.ablate({features[0]!r}))",
        f"ex.features = {[*features, 'mlp_in.1/7']!r}",
    ]  # fmt: skip


def test_edits_of_the_circuit_reach_the_strip(ex: Any) -> None:
    node = next(n for n in ex.circuit.payload.nodes.id if n.startswith("mlp_in"))
    name, _, position = node.rpartition("@")
    edits = (sw.ablate(name, positions=[int(position)]),)
    ex.circuit.edits = edits  # what a press on Ablate does, after its picture
    assert ex.wait(120)
    assert edits_of(ex) == [edits] * 4
    assert ex.heatmap.error is ex.text.error is None
    mixed = (*edits, sw.scale(ex.features[0], 2.0))  # no slider of a steering view could show these
    ex.edit(*mixed)
    assert ex.wait(120)
    assert ex.text.error is None and len(ex.text.payload.texts) == 4


def test_what_is_pinned_has_a_letter(ex: Any) -> None:
    node = next(n for n in ex.circuit.payload.nodes.id if n.startswith("mlp_in"))
    name = node.rpartition("@")[0]
    ex.pin(node)
    assert ex.circuit.marks["pinned"] == [node] and name in ex.heatmap.features
    assert list(ex.diary) == [f"ex.add({name!r}); ex.pin({node!r})"], "one act, one step"
    ex.undo()
    assert ex.circuit.marks["pinned"] == [] and name not in ex.features
    ex.circuit.marks = {**ex.circuit.marks, "pinned": [node]}  # by hand in the graph
    assert name in ex.features and ex.undo_depth == 1
    ex.unpin(name)
    assert ex.circuit.marks["pinned"] == []


def test_token_and_feature(ex: Any) -> None:
    ex.select(token=2)
    assert (ex.heatmap.selection, list(ex.diary)) == (2, ["ex.select(token=2)"])
    ex.heatmap.selection = 3
    ex.heatmap.selection = 4
    assert (ex.selection, list(ex.diary)) == (4, ["ex.select(token=4)"])
    second = ex.features[1]
    ex.heatmap.fill = second
    assert ex.feature == second and ex.dashboard.feature == second
    ex.select(feature="resid_post.1/3")  # without a letter
    assert ex.wait(120)
    assert ex.dashboard.payload.id == "resid_post.1/3" and ex.heatmap.fill == second
    ex.open(ex.features[0])
    assert ex.opened and ex.heatmap.fill == ex.features[0]
    ex.remove(ex.features[0])
    assert ex.heatmap.features[0] == ""


def test_typing_reaches_all_and_is_one_step(ex: Any) -> None:
    for n in range(3):
        ex.heatmap.prompt = TEXT + " Tom"[: n + 2]
    assert ex.wait(120)
    assert (ex.prompt, ex.circuit.prompt, ex.text.prompt) == (TEXT + " Tom",) * 3
    assert ex.diary[-1] == f"ex.prompt = {TEXT + ' Tom'!r}" and len(ex.diary) == 1
    assert ex.undo_depth >= 1
    while ex.undo_depth:
        ex.undo()
    assert ex.wait(120)
    assert ex.heatmap.payload.prompt == ex.circuit.payload.prompt == TEXT


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda ex: ex.select(token=99), WidgetError),
        (lambda ex: ex.add("resid_post.2/99999"), FeatureError),
        (lambda ex: ex.add("nowhere"), Exception),
        (lambda ex: ex.edit(sw.ablate("resid_post.9/1")), FeatureError),
        (lambda ex: ex.pin(7), WidgetError),
    ],
)
def test_what_is_refused_changes_nothing(scope: Scope, call: Any, error: type[Exception]) -> None:
    with Explorer(scope, TEXT) as ex:
        before = ex.history.state
        with pytest.raises(error):
            call(ex)
        assert ex.history.state == before and len(ex.diary) == 0 and ex.undo_depth == 0


@pytest.mark.parametrize(
    ("name", "value"), [("feature", "resid_post.2/99999"), ("widths", [0.5, 0.5, 0.5]), ("preset", "x"), ("opened", 1)]
)
def test_the_front_end_is_checked(scope: Scope, name: str, value: Any) -> None:
    with Explorer(scope, TEXT) as ex:
        before = getattr(ex, name)
        ex.set_state({name: value})
        assert getattr(ex, name) == before
        ex.set_state({"widths": [0.3, 0.3, 0.5], "preset": "lecture"})
        assert (ex.widths, ex.preset, ex.payload.preset) == ([0.3, 0.3, 0.5], "lecture", "lecture")


def test_an_error_is_its_panel_s(scope: Scope) -> None:
    own = {"resid_post.2": scope.dictionaries["resid_post.2"]}
    bare = sw.Scope(scope.model.module, own, tokenizer=scope.model.tokenizer)
    with Explorer(bare, TEXT, max_new_tokens=2) as ex:
        assert ex.wait(120)
        assert "transcoder" in ex.circuit.error["what"]
        assert ex.heatmap.error is ex.text.error is ex.dashboard.error is None
        edit = sw.ablate(ex.features[0])
        ex.edit(edit)
        assert ex.wait(120)
        assert edits_of(ex) == [(edit,)] * 4, "the panel that cannot follow takes nothing back"
        assert ex.heatmap.payload.n_edits == 1
        payload = ex.payload
        assert payload.picture("circuit") is None
        assert "transcoder" in next(panel.note for panel in payload.panels if panel.kind == "circuit")
        assert payload.picture("text") is not None


def test_code_makes_the_same_view(ex: Any, scope: Scope) -> None:
    node = next(n for n in ex.circuit.payload.nodes.id if n.startswith("mlp_in"))
    ex.edit(sw.scale(ex.features[1], 0.5), sw.ablate(ex.features[0]))
    ex.pin(node)
    ex.select(token=3)
    assert ex.wait(120)
    names: dict[str, Any] = {"scope": scope}
    exec(str(ex.code()), names)
    with names["ex"] as again:
        assert again.wait(120)
        assert again.history.state == ex.history.state
        one, two = ex.payload, again.payload
        for kind in PANELS:
            a, b = one.picture(kind), two.picture(kind)
            assert a.prompt == b.prompt
        a, b = one.picture("heatmap"), two.picture("heatmap")
        assert a.selection == b.selection == 3
        np.testing.assert_allclose(a.predictions.after, b.predictions.after, atol=1e-6)
        a, b = one.picture("circuit"), two.picture("circuit")
        assert a.nodes.id == b.nodes.id and a.marks.pinned == b.marks.pinned == (node,)
        a, b = one.picture("text").column("steered"), two.picture("text").column("steered")
        assert a.tokens.ids.tolist() == b.tokens.ids.tolist()


def test_the_diary_leads_to_the_same_state(ex: Any, scope: Scope) -> None:
    node = next(n for n in ex.circuit.payload.nodes.id if n.startswith("mlp_in"))
    ex.edit(sw.ablate(ex.features[0]))
    ex.pin(node)
    ex.undo()
    ex.redo()
    ex.remove(ex.features[1])
    ex.prompt = TEXT + " Tom"
    assert ex.wait(120)
    first = [name for name in Explorer(scope, TEXT).features]
    with Explorer(scope, TEXT, features=first, max_new_tokens=4) as again:
        assert again.wait(120)
        for line in ex.diary:
            exec(line, {"ex": again, "sw": sw})
            assert again.wait(120)
        assert again.history.state == ex.history.state


def test_files(ex: Any, tmp_path: Path) -> None:
    ex.edit(sw.ablate(ex.features[0]))
    assert ex.wait(120)
    payload = ex.payload
    assert {one.id for one in payload.dashboards} == {ex.feature, *ex.features}
    assert decode(encode(payload)).diary == tuple(ex.diary)
    with sw.open(ex.save(tmp_path / "x.sae")) as saved:
        assert isinstance(saved, Explorer) and saved.payload.picture("circuit").nodes.id
        assert list(saved.diary) == list(ex.diary) and repr(saved.diary) == "\n".join(ex.diary)
        for call in (saved.diary.code, saved.diary.replay, saved.diary.to_frame, lambda: saved.diary.compare(0, 1)):
            with pytest.raises(WidgetError, match="only the lines"):
                call()
        assert str(saved.code()) == str(ex.code())
        with pytest.raises(WidgetError, match="opened from a file"):
            saved.add("resid_post.2/1")
        page = saved.to_html()
    assert page.count("<script") == 3 and "default-src 'none'" in page
    assert ex.to_frame().shape[0] == len(payload.picture("heatmap").tokens)
    svg = ex.to_svg()
    assert "lantern" in svg and "logits" in svg
    assert ex.to_png()[:4] == b"\x89PNG" and ex.to_pdf()[:4] == b"%PDF"


def test_close_ends_the_panels(scope: Scope) -> None:
    ex: Any = Explorer(scope, TEXT, max_new_tokens=2)
    ex._begin()
    panels = ex._all()
    ex.close()
    assert len(panels) == 5 and all(panel.closed for panel in panels) and ex.closed
    assert ex.comparison.left.closed
    ex.close()
    with pytest.raises(WidgetError, match="closed"):
        ex.edit()


def test_steps_of_states() -> None:
    one = Shared("a", ("x.0/1", ""), (), ("n@1",))
    two = Shared("b", ("", "x.0/2"), (sw.ablate("x.0/2"), sw.scale("x.0/2", 2.0)), ())
    assert list(steps(one, two)) == [
        "ex.prompt = 'b'", "ex.add('x.0/2')", "ex.remove('x.0/1')", "ex.unpin('n@1')",
        "ex.edit(*[sw.ablate('x.0/2'), sw.scale('x.0/2', 2)])",
    ]  # fmt: skip
    assert list(steps(one, one)) == []


def test_a_payload_refuses(ex: Any) -> None:
    from dataclasses import replace

    payload = ex.payload
    for change in ({"preset": "x"}, {"side": "x"}, {"widths": (0.2, 0.2)}, {"panels": payload.panels * 2}):
        with pytest.raises(PayloadError):
            replace(payload, **change)


def test_compare_is_linked(ex: Any, scope: Scope) -> None:
    edit = sw.ablate(ex.features[0])
    ex.edit(edit)
    with ex.compare() as view:
        assert (view.left.edits, view.right.edits) == ((), (edit,))
        assert [name for name in view.left.features if name] == [name for name in ex.features if name]
        view.left.selection = 2  # one token everywhere
        assert (view.right.selection, ex.selection, ex.heatmap.selection) == (2, 2, 2)
        ex.select(token=4)
        assert (view.left.selection, view.right.selection) == (4, 4)
        ex.edit(sw.scale(ex.features[1], 2.0))
        assert ex.wait(120) and view.wait(120)
        assert view.right.edits == ex.edits and view.left.edits == ()
        shown = view.payload.predictions
        p, q = (scope.run(TEXT, edits=e).logits[4].double().log_softmax(-1).numpy() for e in ((), ex.edits))
        at = shown.positions.tolist().index(view.pair)
        assert shown.kl[at] == pytest.approx((np.exp(p) * (p - q)).sum(), rel=1e-4, abs=1e-6)
        assert view.payload.control is not None
    ex.select(token=1)
    with ex.compare("Tom has a key.", [edit]) as other:
        assert (other.left.prompt, other.left.edits, other.right.prompt) == ("Tom has a key.", (edit,), TEXT)
    early = sw.demo(checkpoint="early")
    with ex.compare(scope=early) as models:
        assert models._scopes == (early, scope)


def test_the_preset_compare(ex: Any, scope: Scope, tmp_path: Path) -> None:
    view, edit = ex.comparison, sw.ablate(ex.features[0])
    ex.edit(edit)
    assert ex.wait(120) and not view.known, "nothing is compared that nobody looks at"
    assert ex.payload.picture("compare") is None
    ex.set_state({"preset": "compare"})  # as the front end does
    assert ex.wait(120)
    assert view.right is ex.heatmap and (view.left.prompt, view.left.edits) == (TEXT, ())
    assert view.left.features == ex.features
    shown = ex.payload.picture("compare")
    p, q = (scope.run(TEXT, edits=e).logits[-1].double().log_softmax(-1).numpy() for e in ((), ex.edits))
    at = shown.predictions.positions.tolist().index(view.pair)
    assert shown.predictions.kl[at] == pytest.approx((np.exp(p) * (p - q)).sum(), rel=1e-4, abs=1e-6)
    assert shown.controlled == 1 and shown.control is not None
    ex.select(token=3)
    assert view.left.selection == 3
    view.left.selection = 2  # one token everywhere
    assert (ex.selection, ex.heatmap.selection) == (2, 2)

    other = TEXT.replace("Mira", "Tom")
    view.left.prompt = other  # a second text
    assert ex.wait(120) and ex.prompt == TEXT
    picture = ex.payload
    assert picture.picture("compare").sides[0].prompt == other
    assert f"ex.comparison.left.prompt = {other!r}" in ex.code()
    ex.preset = "researcher"
    assert "comparison" not in ex.code()
    ex.edit()
    assert ex.wait(120) and len(view._picture.left_token) == len(shown.left_token)
    ex.preset = "compare"  # the second text stayed
    assert ex.wait(120) and view.left.prompt == other and view.payload.controlled == -1

    with sw.open(ex.save(tmp_path / "ex.sae")) as again:
        assert again.preset == "compare" and again.payload.picture("compare").sides[0].prompt == other
        assert b"<svg" in again.to_svg().encode()[:400] and "second text" in again.to_svg()


def test_the_code_of_a_comparison_makes_it_again(ex: Any, scope: Scope) -> None:
    ex.preset = "compare"
    ex.comparison.left.edits = [sw.scale(ex.features[1], 2.0)]
    assert ex.wait(120)
    names: dict[str, Any] = {"scope": scope}
    exec(ex.code(), names)
    with names["ex"] as again:
        assert again.wait(120)
        one, other = (view.payload.picture("compare") for view in (ex, again))
        assert one.controlled == other.controlled == 0
        np.testing.assert_allclose(one.predictions.kl, other.predictions.kl, rtol=1e-4, atol=1e-7)


def written(ex: Any, role: str) -> Any:
    return ex.payload.picture("text").column(role)


def test_what_it_says_stands_beside_its_controls(ex: Any, scope: Scope) -> None:
    feature = ex.features[0]
    edit = sw.ablate(feature, error="drop")
    ex.edit(edit)
    assert ex.wait(120)
    picture = ex.payload.picture("text")
    assert [text.role for text in picture.texts] == ["base", "steered", "direction", "feature"]
    assert picture.context.error == "dropped" and picture.context.propagation == "free"
    assert "same norm" in written(ex, "direction").note and "like density" in written(ex, "feature").note
    words = promoted_by(scope, feature)
    for role, edits in (("base", ()), ("steered", (edit,))):
        text = written(ex, role)
        ids, n = text.tokens.ids.tolist(), text.n_prompt
        at = slice(n - 1, len(ids) - 1)
        log_p, log_q = (
            scope.run_ids(ids, TEXT, edits=e).logits[at].double().log_softmax(-1).numpy() for e in ((), edits)
        )
        kl = (np.exp(log_p) * (log_p - log_q)).sum(-1).mean()
        assert text.kl == pytest.approx(kl, rel=2e-3, abs=1e-5)
        assert text.effect == pytest.approx(np.exp(log_q[:, words]).sum(-1).mean(), rel=2e-3, abs=1e-6)
        surprise = -log_p[np.arange(len(ids) - n), ids[n:]].mean()
        assert text.perplexity == pytest.approx(np.exp(surprise), rel=2e-3)
    assert written(ex, "steered").kl > 1e-4

    # The code makes the same numbers, those of the controls too.
    names: dict[str, Any] = {"scope": scope}
    exec(ex.code(), names)
    with names["ex"] as again:
        assert again.wait(120)
        for role in ("steered", "direction", "feature"):
            one, other = written(ex, role), written(again, role)
            assert one.tokens.ids.tolist() == other.tokens.ids.tolist() and one.note == other.note
            assert (one.kl, one.effect) == pytest.approx((other.kl, other.effect), rel=1e-4, abs=1e-7)
    ex.edit()
    assert ex.wait(120)
    assert [text.role for text in ex.payload.picture("text").texts] == ["base"]


def promoted_by(scope: Scope, feature: str, n: int = 8) -> list[int]:
    """The tokens that a feature promotes most, special ones left out."""
    special = set(scope.model.tokenizer.all_special_ids)
    return [i for i in vocabulary_projection(scope, feature, n + len(special)).promoted[0].tolist()
            if i not in special][:n]  # fmt: skip


@pytest.mark.parametrize(
    ("edits", "n"),
    [
        ([sw.scale("mlp_in.1/7", 3.0), sw.clamp("resid_post.2/17", 2.0)], 4),
        ([sw.ablate("attn_out.2/7")], 4),
        ([sw.ablate("embed", positions=[1])], 3),
        ([sw.ablate("head.1.2")], 3),  # no feature, and so no random one
    ],
)
def test_controls_of_other_edits(ex: Any, edits: list[Any], n: int) -> None:
    ex.edit(*edits)
    assert ex.wait(120) and ex.text.error is None
    roles = [text.role for text in ex.payload.picture("text").texts]
    assert roles == ["base", "steered", "direction", "feature"][:n]
