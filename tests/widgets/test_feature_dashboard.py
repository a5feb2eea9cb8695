"""FeatureDashboard: numbers of atlas, dictionary and text; requests, label, undo; an atlas alone, without torch."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import saewidgets as sw
from saewidgets.atlas.atlas import Atlas
from saewidgets.atlas.shown import half_octaves
from saewidgets.errors import AtlasError, FeatureError, PayloadError, WidgetError
from saewidgets.payloads import decode, encode
from saewidgets.scope import Scope
from saewidgets.widgets import FeatureDashboard
from saewidgets.widgets import open as open_view
from tests.view_factory import make_dashboard, make_dead, make_report

SITE, OTHER = "resid_post.2", "resid_post.1"
TEXT = "Mira gave the red lantern to Tom."
HOSTILE = '<img src=x onerror=alert(1)>\x00\n\u202e"&'


@pytest.fixture(scope="module")
def scope() -> Scope:
    return sw.demo()


@pytest.fixture(scope="module")
def folder(scope: Scope, tmp_path_factory: pytest.TempPathFactory) -> Path:
    names, things = ["Mira", "Tom", "Ada", "Ivo"], ["boat", "key", "kite", "lantern"]
    texts = [f"{a} gave the red {t} to {b} and went home." for a in names for b in names for t in things]
    path = tmp_path_factory.mktemp("atlas")
    scope.sweep(texts, [OTHER, SITE], path, length=32, progress=False)
    return path


@pytest.fixture(scope="module")
def atlas(folder: Path) -> Atlas:
    return Atlas.open(folder)


@pytest.fixture(scope="module")
def feature(scope: Scope, atlas: Atlas) -> str:
    """One that fires in the text."""
    active = set(scope.run(TEXT).top(dictionary=SITE, n=50)["feature"])
    counts = atlas.stats(SITE)["n_active"]
    found: str = max(sorted(active), key=lambda name: (50 < counts[int(name.split("/")[1])] < 900, name))
    return found


@pytest.fixture(autouse=True)
def _no_labels(scope: Scope) -> Iterator[None]:
    before = dict(scope.labels)
    yield
    scope.labels.clear()
    scope.labels.update(before)


def dashboard(*arguments: Any, **options: Any) -> Any:
    return FeatureDashboard(*arguments, **options)


# ------------------------------------------------------------------------------------------------------------- numbers


def test_the_numbers_of_the_atlas(scope: Scope, atlas: Atlas, feature: str) -> None:
    row = atlas.stats(SITE).loc[int(feature.split("/")[1])]
    with dashboard(scope, feature, atlas=atlas, text=TEXT) as view:
        payload = view.payload
    assert (payload.n_tokens, payload.n_active) == (row.n_tokens, row.n_active)
    assert payload.density == pytest.approx(row.density)
    assert payload.maximum == pytest.approx(row.maximum)
    assert payload.histogram.counts.sum() == payload.n_active
    intervals = [g for g in payload.groups if g.kind == "interval"]
    assert sum(g.share for g in intervals) == pytest.approx(1.0)
    assert [g.low for g in intervals] == sorted((g.low for g in intervals), reverse=True)
    values = 10.0 ** payload.histogram.edges.astype(np.float64)
    for group in intervals:
        inside = (values[:-1] >= group.low * 0.999) & (values[1:] <= group.high * 1.001)
        assert group.share == pytest.approx(payload.histogram.counts[inside].sum() / payload.n_active)
    for group in payload.groups:
        for passage, context, position in zip(group.passages, group.contexts, group.positions, strict=True):
            value = passage.values[passage.peak]
            if group.kind == "interval":
                assert group.low <= abs(value) < group.high
            tokens = atlas.tokens(int(context))
            assert passage.text[passage.peak] in (tokens[position], passage.text[passage.peak])
            assert len(passage.text) <= len(tokens)
    top = next(g for g in payload.groups if g.kind == "top")
    assert max(p.values[p.peak] for p in top.passages) == pytest.approx(payload.maximum)
    assert [f.id for f in payload.together] == atlas.feature(feature).coactive(n=5)["feature"].tolist()
    assert payload.alike[0].id.startswith(f"{OTHER}/")
    assert payload.alike[0].value == pytest.approx(atlas.feature(feature).coactive(OTHER, 1)["jaccard"].iloc[0])


def test_coactive_equals_sets(atlas: Atlas, feature: str) -> None:
    """The Jaccard index, computed with sets of places."""
    swept = atlas.feature(feature)
    for site in (SITE, OTHER):
        places: dict[int, set[tuple[int, int]]] = {}
        for key in (SITE, site):
            shared, places = atlas.shared(key), {}
            for row, (context, position) in enumerate(zip(shared.context, shared.position, strict=True)):
                for index in shared.feature[shared.begin[row] : shared.begin[row + 1]].tolist():
                    places.setdefault(index, set()).add((int(context), int(position)))
            if key == SITE:
                mine = places[int(feature.split("/")[1])]
        for row in swept.coactive(site, 8).itertuples():
            theirs = places[int(str(row.feature).split("/")[1])]
            assert row.jaccard == pytest.approx(len(mine & theirs) / len(mine | theirs))
            assert row.both == len(mine & theirs)


def test_half_octaves_fill_the_gaps() -> None:
    import pandas as pd

    root = 2**0.5
    rows = [(1.0, root, 1, 5), (1.0, root, -1, 2), (4.0, 4 * root, 1, 3), (2.0**15.5, np.inf, 1, 1)]
    found = half_octaves(pd.DataFrame(rows, columns=["low", "high", "sign", "count"]))
    assert found.counts.sum() == 11
    assert found.counts[[0, 4, 31]].tolist() == [7, 3, 1]
    assert len(found.counts) == 32
    assert np.allclose(10.0 ** found.edges.astype(float), 2.0 ** (np.arange(33) / 2), rtol=1e-5)
    assert len(half_octaves(pd.DataFrame([], columns=["low", "high", "sign", "count"])).counts) == 0


def test_neighbours_and_words_equal_numpy(scope: Scope, feature: str) -> None:
    rows = scope.dictionaries[SITE].directions.detach().double().numpy()
    index = int(feature.split("/")[1])
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosine = unit @ unit[index]
    cosine[index] = -2
    with dashboard(scope, feature, text=TEXT) as view:
        payload = view.payload
    assert [f.id for f in payload.near] == [f"{SITE}/{i}" for i in np.argsort(-cosine)[:5]]
    assert [f.value for f in payload.near] == pytest.approx(np.sort(cosine)[::-1][:5], abs=1e-5)
    words = sw.explain.vocabulary_projection(scope, feature, 5).tokens(feature)
    assert [w.text for w in (*payload.promoted, *payload.suppressed)] == words["token"].tolist()
    assert [w.value for w in (*payload.promoted, *payload.suppressed)] == pytest.approx(words["logit"])
    assert payload.n_tokens == 0
    assert payload.groups == ()


def test_the_text_before_and_after(scope: Scope, atlas: Atlas, feature: str) -> None:
    with dashboard(scope, feature, atlas=atlas, text=TEXT, scale=0.5) as view:
        live = view.payload.live
        edits = [sw.scale(feature, 0.5)]
        assert live.features[0].values == pytest.approx(scope.run(TEXT).activation(feature).numpy())
        assert live.features[0].after == pytest.approx(scope.run(TEXT, edits).activation(feature).numpy())
        assert live.features[0].values.max() > 0
        assert live.control is not None
        for when, run in ((live.predictions.before, scope.run(TEXT)), (live.predictions.after, scope.run(TEXT, edits))):
            p = run.log_probabilities([-1])[0].exp()
            ids = [run.vocabulary.strings(range(len(p))).index(live.predictions.vocabulary[w])
                   for w in live.predictions.token[-1][:3]]  # fmt: skip
            assert when[-1][:3] == pytest.approx(p[ids].numpy(), abs=1e-5)
        view.scale = 0
        assert view.wait(60)
        assert view.payload.live.features[0].after.max() == 0
        assert (view.payload.live.n_edits, view.undo_depth) == (1, 1)


# ------------------------------------------------------------------------------------------------------------ requests


def test_typing_undo_and_another_feature(scope: Scope, atlas: Atlas, feature: str) -> None:
    with dashboard(scope, feature, atlas=atlas, text=TEXT) as view:
        for number, text in enumerate(["Tom", "Tom saw", "Tom saw a boat."], 1):
            view.comm.receive({"type": "run", "id": number, "state": {"text": text}})
        assert view.wait(60)
        assert view.payload.live.prompt == view.text == "Tom saw a boat."
        assert [view.comm.reply(i)["type"] for i in (1, 2, 3)][-1] == "ok"
        assert {view.comm.reply(i)["type"] for i in (1, 2)} <= {"ok", "cancelled"}
        view.comm.receive({"type": "run", "id": 4, "state": {"scale": 0}})
        assert view.wait(60)
        near = view.payload.near[0].id
        view.comm.receive({"type": "run", "id": 5, "state": {"feature": near}})
        assert view.wait(60)
        assert (view.feature, view.payload.id, view.scale) == (near, near, 1.0)
        assert view.payload.live.features[0].id == near
        view.comm.receive({"type": "undo", "id": 6})
        assert view.wait(60)
        assert (view.feature, view.scale, view.payload.live.features[0].scale) == (feature, 0.0, 0.0)
        view.undo()
        assert view.wait(60)
        assert (view.feature, view.scale, view.text) == (feature, 1.0, "Tom saw a boat.")
        assert view.redo_depth == 2


def test_steering(scope: Scope, atlas: Atlas, feature: str) -> None:
    edits = [sw.steer(feature, 3.0)]
    with dashboard(scope, feature, atlas=atlas, text=TEXT, steer=np.float32(3.0)) as view:
        found = view.payload.live.features[0]
        assert found.after == pytest.approx(scope.run(TEXT, edits).activation(feature).numpy())
        assert found.after == pytest.approx(found.values + 3.0, abs=1e-5)
        assert view.payload.live.control is not None
        assert view.code().endswith("steer=3.0)")
        view.comm.receive({"type": "run", "id": 1, "state": {"scale": 0, "steer": 0}})
        assert view.wait(60)
        assert (view.scale, view.steer, view.payload.live.features[0].after.max()) == (0.0, 0.0, 0.0)
        view.undo()
        assert view.wait(60)
        assert (view.scale, view.steer, view.redo_depth) == (1.0, 3.0, 1)
        view.feature = view.payload.near[0].id
        assert view.wait(60)
        assert (view.steer, view.payload.live.n_edits) == (0.0, 0)


# ---------------------------------------------------------------------------------------------------------- from where


def test_a_click_in_another_view_opens_its_feature(scope: Scope, atlas: Atlas, feature: str) -> None:
    with sw.TokenHeatmap(scope, TEXT) as heatmap, dashboard(scope, feature, atlas=atlas, text=TEXT) as view:
        assert view.follow(heatmap) is view
        chosen = next(name for name in heatmap.features if name not in (feature, heatmap.fill))
        heatmap.comm.update({"fill": chosen})
        assert view.wait(60)
        assert view.feature == view.payload.id == chosen
        for nothing in ("surprise", "error"):
            heatmap.comm.update({"fill": nothing})
            assert view.wait(60)
            assert (view.feature, view.error) == (chosen, None)
        view.undo()
        assert view.wait(60)
        assert view.feature == feature
        view.close()
        heatmap.comm.update({"fill": chosen})
        assert (heatmap.fill, heatmap.error) == (chosen, None)


def test_what_is_wrong_with_a_click_is_said_here(scope: Scope, atlas: Atlas, feature: str) -> None:
    with sw.DictionaryReport(make_report("resid_post.9")) as other, dashboard(atlas, feature) as view:
        view.follow(other)
        other.comm.update({"feature": "resid_post.9/3"})
        assert view.wait(60)
        assert "has no" in view.error["what"]
        assert (view.feature, view.payload.id, other.feature) == (feature, feature, "resid_post.9/3")
        with pytest.raises(WidgetError, match="No feature is chosen in a int"):
            view.follow(3)
    with dashboard(make_dashboard()) as saved, pytest.raises(WidgetError, match="opened from a file"):
        saved.follow(other)


def test_the_text_of_a_run(scope: Scope, feature: str) -> None:
    with dashboard(scope, feature, text=scope.run(TEXT)) as view:
        assert view.text == view.payload.live.prompt == TEXT


def test_it_grows_with_a_sweep(scope: Scope, feature: str, tmp_path: Path) -> None:
    texts = ["Mira gave the red lantern to Tom and went home."] * 1200
    seen: list[int] = []
    with dashboard(scope, feature, text=TEXT) as view:

        def report(step: Any) -> None:
            if step.shards > len(seen):
                view.atlas = Atlas.open(tmp_path)
                assert view.wait(60)
                seen.append(view.payload.n_tokens)

        last = scope.sweep(texts, [SITE], tmp_path, length=32, report=report, progress=False)
        assert len(seen) >= 2
        assert seen == sorted(set(seen))
        assert view.payload.n_tokens == last.n_tokens(SITE)
        assert view.payload.n_active == last.feature(feature).n_active
        assert view.undo_depth == 0
        with pytest.raises(WidgetError, match="An atlas that is a str"):
            view.atlas = "atlas"


def test_an_error_keeps_the_picture(scope: Scope, atlas: Atlas, feature: str) -> None:
    with dashboard(scope, feature, atlas=atlas, text=TEXT) as view:
        before = encode(view.payload)
        wrong: list[dict[str, Any]] = [
            {"text": "boat " * 3000}, {"text": 7}, {"scale": -1}, {"scale": float("nan")}, {"scale": True},
            {"steer": 1e9}, {"steer": "up"},
            {"feature": f"{SITE}/99999999"}, {"feature": "nowhere.1/2"}, {"feature": "<b>"}, {"feature": ["x"]},
        ]  # fmt: skip
        for number, state in enumerate(wrong, 1):
            view.comm.receive({"type": "run", "id": number, "state": state})
            assert view.wait(60)
            assert view.comm.reply(number)["type"] == "error", state
            assert encode(view.payload) == before
            assert (view.feature, view.text, view.scale) == (feature, TEXT, 1.0)
        view.comm.receive({"type": "run", "id": 50, "state": {"text": "Tom."}})
        assert view.wait(60)
        assert view.comm.reply(50)["type"] == "ok"
        with pytest.raises(WidgetError, match="0 \\(ablate\\) to 100"):
            view.scale = "half"
        for message in ("search", "train", None):
            view.comm.receive({"type": message, "id": f"m{message}"})
            assert view.comm.reply(f"m{message}")["type"] == "error"


def test_the_front_end_may_set_the_view_only(scope: Scope, atlas: Atlas, feature: str) -> None:
    with dashboard(scope, feature, atlas=atlas, text=TEXT) as view:
        view.comm.update({"shown": "top", "position": 2})
        assert (view.shown, view.position, view.payload.shown, view.payload.position) == ("top", 2, "top", 2)
        view.comm.update({"shown": "all", "position": -5, "label": "x", "text": "y", "live": False})
        assert (view.shown, view.position, view.label, view.text, view.live) == ("top", 2, "", TEXT, True)
        view.position = 10_000
        assert view.payload.position == -1


def test_the_effect_on_an_example(scope: Scope, atlas: Atlas, feature: str) -> None:
    """What an example's tokens owe to the feature: the run of the whole context, cut to what is shown."""
    with dashboard(scope, feature, atlas=atlas, text=TEXT) as view:
        group = view.payload.groups[0]
        context, position = int(group.contexts[0]), int(group.positions[0])
        view.comm.receive({"type": "effect", "id": 1, "context": context, "position": position})
        assert view.wait(60)
        result = view.comm.reply(1)["result"]
        ids = atlas.token_ids(context)
        logs = [scope.run_ids(ids, edits=edits).log_probabilities() for edits in ([], [sw.ablate(feature)])]
        after = (logs[1] - logs[0])[range(len(ids) - 1), ids[1:]].numpy()
        start = max(0, position - 28)
        assert len(result["change"]) == min(len(ids), position + 29) - start - 1
        assert result["change"] == pytest.approx(after[start : start + len(result["change"])], abs=2e-3)
        assert np.abs(after).max() > 0.01
        assert all(low <= high for low, high in zip(result["low"], result["high"], strict=True))
        for number, wrong in enumerate([{"context": -1, "position": 0}, {"context": 10**9, "position": 0}, {}], 2):
            view.comm.receive({"type": "effect", "id": number, **wrong})
            assert view.wait(60)
            assert view.comm.reply(number)["type"] == "error"
    with dashboard(atlas, feature) as alone:
        alone.comm.receive({"type": "effect", "id": 1, "context": context, "position": position})
        assert "model" in alone.comm.reply(1)["what"]


def test_the_label_is_kept_in_python(scope: Scope, atlas: Atlas, feature: str) -> None:
    with dashboard(scope, feature, atlas=atlas, text=TEXT) as view:
        view.comm.receive({"type": "label", "id": 1, "feature": feature, "text": HOSTILE})
        assert view.comm.reply(1)["type"] == "ok"
        kept = scope.labels[feature]
        assert view.label == view.payload.label == kept
        assert "\x00" not in kept
        assert "\n" not in kept
        assert "<img" in kept
        assert view.payload.label_note == "label by you"
        assert scope.search("onerror") == [(feature, kept)]
        html = view.static_bundle()["text/html"]
        assert "<img" not in html
        assert "&lt;img" in html  # the control: the text is there
        for wrong in ("x" * 3000, 7, None):
            view.comm.receive({"type": "label", "id": f"w{wrong}"[:40], "feature": feature, "text": wrong})
            assert view.comm.reply(f"w{wrong}"[:40])["type"] == "error"
        view.comm.receive({"type": "label", "id": 3, "feature": f"{SITE}/1", "text": "another"})
        assert view.comm.reply(3)["type"] == "error"
        assert scope.labels[feature] == kept
        near = view.payload.near[0].id
        view.feature = near
        assert view.wait(60)
        assert view.label == ""
        view.label = "a neighbour"
        view.undo()
        assert view.wait(60)
        assert view.label == kept
        assert view.payload.near[0].label == "a neighbour"
        view.label = ""
        assert feature not in scope.labels


def test_judging_blind(scope: Scope, atlas: Atlas, feature: str) -> None:
    """Who knows the truth gets 1, who answers the opposite 0; nothing that goes out tells an answer."""
    with dashboard(scope, feature, atlas=atlas, text=TEXT) as view:
        view.comm.receive({"type": "quiz", "id": 1})
        assert "label" in view.comm.reply(1)["what"]
        view.label = "the object"
        for number, right in ((2, True), (4, False)):
            view.comm.receive({"type": "quiz", "id": number})
            assert view.wait(60)
            result = view.comm.reply(number)["result"]
            questions = [(q["kind"], q["text"]) for q in result["questions"]]
            assert set(result) == {"label", "questions"} and {kind for kind, _ in questions} >= {"fuzzing"}
            answers = [_fires(scope, feature, kind, text) == right for kind, text in questions]
            view.comm.receive({"type": "answers", "id": number + 1, "answers": answers})
            scores = view.comm.reply(number + 1)["result"]["scores"]
            assert [s["value"] for s in scores] == pytest.approx([float(right)] * len(scores))
            meters = view.payload.meters
            assert [(m.name, m.score.value) for m in meters] == [(s["name"], s["value"]) for s in scores]
            assert all(m.name.endswith("by you") for m in meters)
        view.comm.receive({"type": "answers", "id": 6, "answers": answers})
        assert view.comm.reply(6)["type"] == "error", "a sheet is graded once"
        view.comm.receive({"type": "quiz", "id": 7})
        assert view.wait(60)
        for number, wrong in enumerate([["yes"], 3, [True] * 3], 8):
            view.comm.receive({"type": "answers", "id": number, "answers": wrong})
            assert view.comm.reply(number)["type"] == "error"
        view.label = "something else"
        assert view.payload.meters == (), "what was measured is of the other words"


def _fires(scope: Scope, feature: str, kind: str, text: str) -> bool:
    """Whether a text has the feature; or whether its marks stand where it is strongest."""
    if kind == "detection":
        return bool(_activation(scope, feature, text.replace("<<", "").replace(">>", "")).max() > 0)
    plain, marked = "", set()
    for i, part in enumerate(text.replace(">>", "<<").split("<<")):
        marked |= set(range(len(plain), len(plain) + len(part))) if i % 2 else set()
        plain += part
    run = scope.run(plain)
    values, start = run.activation(feature).abs(), 0
    best, place = -1.0, 0
    for token, value in zip(run.tokens, values.tolist(), strict=True):
        if token.startswith("<|"):
            continue
        if value > best:
            best, place = value, start + len(token) - 1
        start += len(token)
    return place in marked


def _activation(scope: Scope, feature: str, text: str) -> Any:
    run = scope.run(text)
    values = run.activation(feature).abs()
    values[[i for i, token in enumerate(run.tokens) if token.startswith("<|")]] = 0
    return values


def test_scores_stand_with_their_feature_only(scope: Scope, feature: str) -> None:
    label = sw.explain.Label(feature, "giving", evidence=("a", "b"))
    texts = [TEXT, "Tom gave a kite to Ada.", "It was late in May.", "The boat was red.", "Ivo saw a key."]
    meter = sw.explain.truth_meter(scope, label, texts, sw.explain.word_judge)
    with dashboard(scope, feature, text=TEXT, scores=meter, labels=[label]) as view:
        assert [m.name for m in view.payload.meters] == [m.name for m in meter.meters if m.score.value == m.score.value]
        for mine, own in zip(view.payload.meters, meter.meters, strict=False):
            assert (mine.score.value, mine.score.low, mine.n) == (own.score.value, own.score.low, own.score.n)
        assert view.payload.label_note == "label by you · evidence: 2 lines"
        view.feature = view.payload.near[0].id
        assert view.wait(60)
        assert view.payload.meters == ()
    with pytest.raises(WidgetError, match="truth_meter"):
        dashboard(scope, feature, scores=3)


# -------------------------------------------------------------------------------------------------------- what it is of


def test_an_atlas_alone_without_torch(folder: Path, feature: str) -> None:
    code = f"""
import sys
sys.modules["torch"] = None
import saewidgets as sw
atlas = sw.Atlas.open({str(folder)!r})
with sw.FeatureDashboard(atlas, {feature!r}, labels={{{feature!r}: "giving"}}) as view:
    shown = view.payload
    assert shown.n_active and shown.groups and shown.live is None and shown.label == "giving"
    view.feature = shown.together[0].id
    assert view.wait(30) and view.payload.id == shown.together[0].id
    view.undo()
    assert view.wait(30)
    assert len(view.to_frame()) and view.to_svg().startswith("<?xml")
    page = view.to_html({str(folder.parent / "alone.html")!r}).read_text("utf-8")
    assert "connect-src 'none'" in page or "default-src 'none'" in page
    with sw.open(view.save({str(folder.parent / "alone.sae")!r})) as again:
        assert again.payload.groups
    print(view.payload.live_note, sys.modules["torch"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "No model: make the dashboard from a scope to type a text. None"


def test_a_dead_feature(scope: Scope, atlas: Atlas) -> None:
    counts = atlas.stats(SITE)["n_active"]
    dead = f"{SITE}/{counts[counts == 0].index[0]}"
    with dashboard(scope, dead, atlas=atlas) as view:
        payload = view.payload
        assert payload.dead
        assert (payload.groups, len(payload.histogram.counts), payload.maximum) == ((), 0, 0.0)
        assert f"never fired on {payload.n_tokens:,}".replace(",", "\u202f") in view.static_bundle()["text/html"]
        if payload.nearest_live is not None:
            assert atlas.feature(payload.nearest_live.id).n_active > 0
    with dashboard(make_dead()) as view:
        assert "never fired" in view.to_svg()


def test_what_does_not_fit_is_refused(scope: Scope, atlas: Atlas, feature: str) -> None:
    import torch

    with pytest.raises(FeatureError, match="no feature"):
        dashboard(scope, f"{SITE}/4096", text=TEXT)
    with pytest.raises(FeatureError, match="no feature"):
        dashboard(atlas, f"{SITE}/4096")
    with pytest.raises(AtlasError, match="has no"):
        dashboard(atlas, "resid_post.0/1")
    with pytest.raises(WidgetError, match="needs a feature"):
        dashboard(scope)
    with pytest.raises(WidgetError, match="A dashboard of a int"):
        dashboard(3, feature)
    with pytest.raises(WidgetError, match="has its feature"):
        dashboard(make_dashboard(), feature)
    with pytest.raises(TypeError, match="Did you mean 'atlas'"):
        dashboard(scope, feature, atlass=atlas)
    other = replace(scope.dictionaries[SITE], b_enc=torch.zeros(1024))  # type: ignore[type-var]
    stranger = SimpleNamespace(
        dictionaries={SITE: other}, run=None, labels={}, model=scope.model, name="x", lock=scope.lock
    )
    with pytest.raises(WidgetError, match="another dictionary"):
        FeatureDashboard(_Weak(stranger), feature, atlas=atlas)  # type: ignore[arg-type]


class _Weak:
    """A scope of other dictionaries; caches hold it weakly."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def test_a_note_needs_its_label() -> None:
    assert make_dashboard(label="giving", label_note="label by you").label_note
    with pytest.raises(PayloadError, match="said of no label"):
        make_dashboard(label="", label_note="label by you")


@pytest.mark.parametrize("make", [make_dashboard, make_dead])
def test_every_file_format(make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saewidgets.export.page.bundle", lambda kind: f"// {kind}")
    with dashboard(make()) as view:
        assert view.live is False
        starts = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF", "html": b"<!do", "sae": b"SAEW"}
        for suffix, start in starts.items():
            assert view.save(tmp_path / f"view.{suffix}").read_bytes().startswith(start)
        assert "// feature_dashboard" in (tmp_path / "view.html").read_text("utf-8")
        bundle = view.static_bundle()
        assert set(bundle) == {"text/plain", "text/html", "image/png"}
        assert sum(map(len, bundle.values())) <= 33_000
        raw = encode(view.payload)
        view.comm.receive({"type": "run", "id": 1, "state": {"text": "x"}})
        assert "opened from a file" in view.comm.reply(1)["what"]
    with open_view(tmp_path / "view.sae") as again:
        assert isinstance(again, FeatureDashboard)
        assert encode(again.payload) == raw


def test_the_frame_and_the_code(scope: Scope, atlas: Atlas, feature: str) -> None:
    with dashboard(scope, feature, atlas=atlas, text=TEXT, scale=0.0) as view:
        frame = view.to_frame()
        assert len(frame) == sum(len(g.passages) for g in view.payload.groups)
        assert frame["activation"].max() == pytest.approx(view.payload.maximum)
        with eval(view.code(), {"sw": sw, "scope": scope, "atlas": atlas}) as again:
            assert encode(replace(again.payload, context=view.payload.context)).count(b"resid_post") > 0
            assert (again.feature, again.text, again.scale) == (feature, TEXT, 0.0)
        view.comm.receive({"type": "payload", "id": 1})
        assert decode(view.comm.sent[-1][1][0]).id == feature
    with dashboard(scope, feature, atlas=atlas) as view:
        assert view.text
        assert "‹" not in view.text
        assert view.payload.live.features[0].values.max() > 0
