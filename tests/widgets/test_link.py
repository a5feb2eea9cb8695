"""Linked widgets: what one is told the others show, in both directions, and what is wrong is said where it is wrong."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import saewidgets as sw
from saewidgets.errors import WidgetError
from saewidgets.scope import Scope
from saewidgets.widgets.link import link
from tests.view_factory import make_report

SITE, TEXT = "resid_post.2", "Mira gave the red lantern to Tom."


@pytest.fixture(scope="module")
def scope() -> Scope:
    return sw.demo()


@pytest.fixture
def pair(scope: Scope) -> Iterator[tuple[Any, Any]]:
    with sw.TokenHeatmap(scope, TEXT, site=SITE) as heatmap:
        with sw.FeatureDashboard(scope, f"{SITE}/17", text="Tom has a key.") as dashboard:
            yield heatmap, dashboard


def rest(*views: Any) -> None:
    """Wait until nothing is asked of any of them."""
    for _ in range(3):
        assert all(view.wait(60) for view in views)


def test_the_others_take_over_what_the_first_shows(pair: Any) -> None:
    heatmap, dashboard = pair
    both = link(heatmap, dashboard)
    rest(*pair)
    assert both.words == ("prompt", "feature", "token")
    assert (dashboard.text, dashboard.feature) == (TEXT, heatmap.fill)
    assert dashboard.payload.live.prompt == TEXT and dashboard.payload.id == heatmap.fill
    assert (dashboard.position, dashboard.payload.position) == (heatmap.selection, heatmap.selection)


def test_both_directions(pair: Any) -> None:
    heatmap, dashboard = pair
    link(heatmap, dashboard)
    rest(*pair)
    dashboard.text = "Ada went home."
    rest(*pair)
    assert heatmap.prompt == heatmap.payload.prompt == "Ada went home."
    heatmap.selection = 2
    assert dashboard.position == 2
    near = dashboard.payload.near[0].id
    assert near not in heatmap.features
    dashboard.feature = near
    rest(*pair)
    assert heatmap.fill == near and near in heatmap.features
    assert near in [feature.id for feature in heatmap.payload.features]
    heatmap.fill = "error"
    assert dashboard.feature == near, "what is no feature stays at home"


def test_edits_and_letters_of_two_heatmaps(scope: Scope) -> None:
    with sw.TokenHeatmap(scope, TEXT, site=SITE) as a, sw.TokenHeatmap(scope, TEXT, site=SITE) as b:
        both = link(a, b, share=["edits", "features"])
        edit = sw.ablate(a.features[1])
        a.edits = [edit]
        rest(a, b)
        assert b.edits == (edit,) and b.payload.n_edits == 1
        assert b.payload.predictions.after == pytest.approx(a.payload.predictions.after)
        b.features = a.features[:1]
        rest(a, b)
        assert a.features == b.features
        a.prompt = "Tom has a key."
        rest(a, b)
        assert b.prompt == TEXT, "what is not shared stays apart"
        both.unlink()
        a.edits = []
        rest(a, b)
        assert b.edits == (edit,)


def test_a_burst_ends_in_the_last_state(pair: Any) -> None:
    heatmap, dashboard = pair
    link(heatmap, dashboard)
    rest(*pair)
    for n in range(30):
        heatmap.comm.receive({"type": "run", "id": n, "state": {"prompt": TEXT + " Tom" * (n % 7)}})
    heatmap.comm.receive({"type": "run", "id": 99, "state": {"prompt": "The boat was red."}})
    rest(*pair)
    assert heatmap.payload.prompt == dashboard.payload.live.prompt == dashboard.text == "The boat was red."


def test_what_one_refuses_is_said_there(pair: Any) -> None:
    heatmap, dashboard = pair
    link(heatmap, dashboard)
    rest(*pair)
    with sw.DictionaryReport(make_report("resid_post.9")) as other:
        third = link(other, heatmap, share=["feature"])
        before = heatmap.fill
        other.comm.update({"feature": "resid_post.9/3"})
        rest(heatmap)
        assert heatmap.error is not None and "resid_post.9" in str(heatmap.error)
        assert (other.feature, heatmap.fill, other.error) == ("resid_post.9/3", before, None)
        third.unlink()


def test_a_closed_widget_is_left_alone(pair: Any) -> None:
    heatmap, dashboard = pair
    link(heatmap, dashboard)
    rest(*pair)
    dashboard.close()
    heatmap.prompt = "Tom has a key."
    rest(heatmap)
    assert heatmap.payload.prompt == "Tom has a key."


def test_a_table_and_a_heatmap_share_letters(scope: Scope, tmp_path: Path) -> None:
    atlas = scope.sweep([TEXT] * 8, [SITE], tmp_path / "atlas", length=16, progress=False)
    with sw.FeatureTable(atlas, SITE) as table, sw.TokenHeatmap(scope, TEXT, site=SITE) as heatmap:
        link(heatmap, table)
        assert table.selection == heatmap.features
        table.selection = [f"{SITE}/3", *table.selection]
        rest(heatmap)
        assert heatmap.features == table.selection
        assert [feature.id for feature in heatmap.payload.features] == list(table.selection)


def test_wrong_links_are_refused(pair: Any) -> None:
    heatmap, dashboard = pair
    wrong: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((heatmap,), {}), ((heatmap, 3), {}), ((heatmap, dashboard), {"share": ["colour"]}),
        ((heatmap, dashboard), {"share": ["edits"]}), ((), {}),
    ]  # fmt: skip
    for views, options in wrong:
        with pytest.raises(WidgetError):
            link(*views, **options)
    dashboard.close()
    with pytest.raises(WidgetError, match="closed"):
        link(heatmap, dashboard)
