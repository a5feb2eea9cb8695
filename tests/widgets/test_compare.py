"""Compare: two heatmaps that follow each other, what is compared when they change, files, code, closing."""

import gc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import saewidgets as sw
from saewidgets.errors import FeatureError, WidgetError
from saewidgets.payloads import decode
from saewidgets.scope import Scope
from saewidgets.widgets.compare import Compare

SITE = "resid_post.2"
ONE = "When Mira and Tom came to the pond, Tom gave the red lantern to"
OTHER = "When Mira and Tom came to the old pond, Mira gave the blue lantern to"


@pytest.fixture(scope="module")
def scope() -> Scope:
    return sw.demo()


def rest(view: Compare) -> None:
    for _ in range(3):
        assert view.wait(60)


def test_what_is_selected_on_one_side_is_on_the_other(scope: Scope) -> None:
    with sw.Compare(scope, (ONE, OTHER)) as view:
        rest(view)
        pond = scope.run(ONE).tokens.index(" pond"), scope.run(OTHER).tokens.index(" pond")
        assert pond[0] + 1 == pond[1]
        view.left.comm.update({"selection": pond[0]})
        assert view.right.selection == pond[1]
        picture = view.payload
        assert (picture.left_token[picture.pair], picture.right_token[picture.pair]) == pond
        old = scope.run(OTHER).tokens.index(" old")
        view.right.selection = old
        assert view.left.selection == pond[0] and view.payload.pair == picture.pair, "it stands against no token"
        view.right.selection = pond[1] + 2
        assert view.left.selection == pond[0] + 2
        assert view.left.features == view.right.features
        view.left.fill = view.left.features[1]
        rest(view)
        assert view.right.fill == view.left.features[1]
        new = f"{SITE}/3"
        view.right.features = [*view.right.features, new]
        rest(view)
        view.right.fill = new
        rest(view)
        assert view.left.fill == new and new in view.left.features


def test_it_compares_again_when_a_side_changes(scope: Scope) -> None:
    with sw.Compare(scope, ONE) as view:
        rest(view)
        assert view.payload.name_a == "the same" and view.payload.control is None
        feature = view.left.features[0]
        view.right.comm.receive(
            {"type": "run", "id": 1, "state": {"edits": [{"kind": "ablate", "feature": feature}]}}
        )  # fmt: skip
        rest(view)
        picture = view.payload
        assert (picture.name_a, picture.name_b) == ("no edits", f"ablate {feature}")
        assert picture.control is not None and picture.controlled == 1
        sides = picture.sides
        assert sides is not None and [side.n_edits for side in sides] == [0, 1]
        # Where only B is edited, the comparison is B's heatmap seen from the side: KL and probabilities agree.
        assert picture.predictions is not None
        assert picture.predictions.kl == pytest.approx(sides[1].predictions.kl, abs=1e-5)
        view.right.undo()
        rest(view)
        assert view.payload.name_b == "the same"
        view.right.error_term = "dropped"
        view.right.edits = [sw.scale(feature, 0.5)]
        rest(view)
        assert view.payload.context.error == "dropped" and "error_term=('kept', 'dropped')" in view.code()
        view.right.prompt = OTHER
        rest(view)
        assert "no difference here is the effect of an edit" in view.payload.note
        view.left.site = "resid_post.1"
        rest(view)
        assert view.payload.match == "none"


def test_what_fails_is_said_and_the_last_picture_stays(scope: Scope) -> None:
    with sw.Compare(scope, (ONE, OTHER)) as view:
        rest(view)
        before = view.payload.left_token
        view.left.prompt = "word " * 2_000
        rest(view)
        assert view.left.error is not None and (view.payload.left_token == before).all()
        view.comm.receive({"type": "run", "id": 9, "state": {}})
        assert view.comm.reply(9)["type"] == "error"
        for edits in ([sw.ablate("resid_post.9/1")], ([], [sw.ablate("resid_post.9/1")])):
            with pytest.raises(FeatureError):
                sw.Compare(scope, ONE, edits=edits)


def test_wrong_arguments(scope: Scope) -> None:
    with pytest.raises(WidgetError, match="comparison of a int"):
        sw.Compare(3, ONE)  # type: ignore[arg-type]
    with pytest.raises(sw.SaewidgetsError, match="prompt"):
        sw.Compare(scope)
    with pytest.raises(TypeError, match="colour"):
        sw.Compare(scope, ONE, colour="red")
    with sw.Compare(scope, ONE) as view, pytest.raises(WidgetError, match="already"):
        sw.Compare(view.payload, ONE)


@pytest.mark.parametrize(
    "options",
    [
        {"prompt": (ONE, OTHER)},
        {"prompt": ONE, "edits": ([], [sw.ablate(f"{SITE}/71")])},
        {"prompt": ONE, "edits": [sw.ablate(f"{SITE}/71")], "error_term": ("kept", "dropped")},
        {"prompt": ONE, "site": (SITE, f"{SITE}@small")},
        {"prompt": ONE, "site": SITE, "seed": 4, "edits": ([sw.scale(f"{SITE}/71", 2)], [sw.ablate(f"{SITE}/24")])},
    ],
    ids=["texts", "edits", "error terms", "dictionaries", "seed"],
)
def test_its_code_makes_it_again(scope: Scope, options: dict[str, Any]) -> None:
    with sw.Compare(scope, **options) as view:
        rest(view)
        picture, code = view.payload, view.code()
    made = eval(str(code).splitlines()[-1], {"sw": sw, "scope": scope})
    rest(made)
    again = made.payload
    assert (again.name_a, again.name_b, again.match, again.note) == (
        picture.name_a, picture.name_b, picture.match, picture.note,
    )  # fmt: skip
    for one, other in (
        (again.predictions, picture.predictions), (again.features, picture.features), (again.control, picture.control)
    ):  # fmt: skip
        assert (one is None) == (other is None)
        for name in one.__dataclass_fields__ if one is not None else ():
            value = getattr(one, name)
            if isinstance(value, np.ndarray):
                assert value == pytest.approx(getattr(other, name), abs=1e-5)
    made.close()


def test_two_models(scope: Scope) -> None:
    early = sw.demo(checkpoint="early")
    with sw.Compare((scope, early), ONE, site=SITE) as view:
        rest(view)
        assert view.payload.name_a != "" and "(scope, scope_2)" in view.code()
        assert view.payload.match == "same" and view.payload.predictions is not None


def test_files_and_a_view_without_a_model(scope: Scope, tmp_path: Path) -> None:
    with sw.Compare(scope, (ONE, OTHER), selection=9) as view:
        rest(view)
        frame, picture = view.to_frame(), view.payload
        path = view.save(tmp_path / "two.sae")
        for suffix in ("html", "svg", "png", "pdf"):
            assert view.save(tmp_path / f"two.{suffix}").stat().st_size > 5_000
    assert frame["kl_ab"].to_numpy() == pytest.approx(picture.predictions.kl)
    assert frame["a_token"][picture.pair] == scope.run(ONE).tokens[9]
    with sw.open(path) as again:
        assert isinstance(again, Compare) and not again.live
        assert again.payload.pair == picture.pair
        again.left.selection = 2
        assert again.right.selection == 2 and again.payload.pair == 2
        assert again.to_frame().equals(frame)
    bare = decode(path.read_bytes())
    from dataclasses import replace

    with pytest.raises(WidgetError, match="without its two heatmaps"):
        sw.Compare(replace(bare, left=None))


def test_long_texts_are_read_where_one_looks(scope: Scope) -> None:
    text = "Mira saw a red boat. " * 30
    with sw.Compare(scope, (text, text + "Tom")) as view:
        rest(view)
        view.left.selection = 5
        rest(view)
        picture = view.payload
        assert picture.pair == 5 and picture.predictions is not None and 5 in picture.predictions.positions


def test_it_closes_both_sides(scope: Scope) -> None:
    view = sw.Compare(scope, ONE)
    left, right = view.left, view.right
    view.close()
    assert view.closed and left.closed and right.closed
    assert view.payload.name_a == "the same" and "Compare(" in repr(view)


def test_a_diary_compares_two_of_its_states(scope: Scope) -> None:
    with sw.TokenHeatmap(scope, ONE, site=SITE) as heatmap:
        diary = sw.Diary(heatmap, burst=0)
        feature = heatmap.features[0]
        heatmap.selection = 9
        heatmap.edits = [sw.ablate(feature)]
        heatmap.wait(60)
        heatmap.prompt = OTHER
        heatmap.wait(60)
        found = diary.compare(1, 2, seed=2)
        base, edited = scope.run(ONE), scope.run(ONE, [sw.ablate(feature)])
        shown = found.payload
        assert shown.predictions is not None and shown.control is not None and shown.control.seed == 2
        assert int(shown.left_token[shown.pair]) == 9
        log_p, log_q = (run.log_probabilities().double() for run in (base, edited))
        kl = (log_p.exp() * (log_p - log_q)).sum(-1)
        assert found.to_frame()["kl_ab"].to_numpy() == pytest.approx(kl.numpy(), abs=2e-5)
        moved = (base.activation(feature) - edited.activation(feature)).abs()
        last = found.to_frame().iloc[-1]
        assert (last["feature"], last["b"]) == (feature, 0.0) or float(moved[-1]) < 1e-6
        assert "KL" in repr(found) and "control" in found._repr_html_() and "<svg" in str(found.to_svg())
        with sw.Compare(found.payload) as view:
            assert view.left.payload.n_edits == 0 and view.right.payload.n_edits == 1
        again = eval(str(found.code()).splitlines()[-1], {"sw": sw, "scope": scope})
        rest(again)
        assert again.payload.predictions.kl == pytest.approx(shown.predictions.kl, abs=1e-5)
        again.close()
        assert diary.compare(0, 3).payload.control is None, "another text"
        assert str(found.to_html()).startswith("<!doctype html>")
        with pytest.raises(WidgetError, match="no step"):
            diary.compare(0, 9)


def test_nothing_of_a_closed_one_stays(scope: Scope) -> None:
    view = sw.Compare(scope, (ONE, OTHER))
    held = [weakref.ref(one) for one in (view, view.left, view.right)]
    view.wait(60)
    view.close()
    del view
    for _ in range(3):
        gc.collect()
    assert [one() for one in held] == [None] * 3
