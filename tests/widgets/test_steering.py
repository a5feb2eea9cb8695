"""Steering: every number against plain runs; streaming, stopping, undo, stale words; kept runs, files, code, replay."""

import re
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import saewidgets as sw
from saewidgets.errors import EditError, FeatureError, ModelError, PayloadError, PromptError, WidgetError
from saewidgets.payloads import SteeringPayload, decode, encode
from saewidgets.runs.writer import Stream
from saewidgets.scope import Scope
from saewidgets.widgets import Steering
from saewidgets.widgets import open as open_view
from saewidgets.widgets.steering_parts import strengths, verdict
from saewidgets.widgets.steering_texts import differing
from tests.view_factory import make_doses, make_steering
from tests.widgets.fakes import alive, picture

FEATURE, OTHER, PROMPT = "resid_post.2/131", "resid_post.2/300", "In the morning Tom"
SMALL: dict[str, Any] = {"n_seeds": 2, "n_controls": 2, "max_new_tokens": 8}


@pytest.fixture(scope="module")
def scope() -> Scope:
    demo = sw.demo()
    made = Scope(demo.model, {k: demo.dictionaries[k] for k in ("resid_post.1", "resid_post.2")}, name="demo")
    made.labels[FEATURE] = "months"
    return made


def make(scope: Scope, edits: Any = None, **options: Any) -> Steering:
    view = Steering(scope, PROMPT, [sw.steer(FEATURE, 8.0)] if edits is None else edits, **{**SMALL, **options})
    assert view.wait(120)
    assert view.error is None, view.last_error
    return view


@pytest.fixture(scope="module")
def view(scope: Scope) -> Any:
    with make(scope, frozen=True, target=["May", "June"], seed=5) as made:
        yield made


# -- numbers -----------------------------------------------------------------------------------------------------------


def test_texts_are_those_of_generate(scope: Scope, view: Steering) -> None:
    shown, edits = view.payload, [sw.steer(FEATURE, 8.0)]
    assert [t.role for t in shown.texts] == ["base", "steered", "frozen", "direction", "feature"]
    options: dict[str, Any] = {"max_new_tokens": 8, "seed": 5}
    for role, more in {
        "base": {}, "steered": {"edits": edits}, "frozen": {"edits": edits, "propagation": "frozen_attention"},
    }.items():  # fmt: skip
        text = scope.generate(PROMPT, **more, **options)
        column = shown.column(role)
        assert column is not None
        assert tuple(column.tokens.ids.tolist()) == text.token_ids
        assert (column.n_prompt, column.finished) == (text.n_prompt, text.finished)
    like = re.search(r"resid_post.2/\d+", shown.column("feature").note)
    assert like is not None and like[0] != FEATURE
    text = scope.generate(PROMPT, [sw.steer(like[0], 8.0)], **options)
    assert tuple(shown.column("feature").tokens.ids.tolist()) == text.token_ids


def test_numbers_under_the_texts(scope: Scope, view: Steering) -> None:
    wanted = [scope.model.tokenizer(w, add_special_tokens=False)["input_ids"][0] for w in (" May", " June")]
    for role, edits in (("base", []), ("steered", [sw.steer(FEATURE, 8.0)])):
        column = view.payload.column(role)
        ids, n = column.tokens.ids.tolist(), column.n_prompt
        base = scope.run_ids(ids).logits.double().log_softmax(-1)[n - 1 : -1]
        edited = scope.run_ids(ids, edits=edits).logits.double().log_softmax(-1)[n - 1 : -1]
        assert column.effect == pytest.approx(float(edited[:, wanted].exp().sum(1).mean()), rel=2e-3, abs=1e-6)
        kl = float((base.exp() * (base - edited)).sum(1).mean())
        assert column.kl == pytest.approx(kl, rel=2e-3, abs=1e-5)
        surprise = -float(base.gather(1, torch.tensor(ids[n:])[:, None]).mean())
        assert column.perplexity == pytest.approx(np.exp(surprise), rel=2e-3)
        active = scope.run_ids(ids).activation(FEATURE).numpy()
        np.testing.assert_allclose(column.values[0, 1:], active[1:], atol=1e-4)
    assert view.payload.column("steered").kl > 0.02
    greatest = max(float(t.values[0].max()) for t in view.payload.texts)
    assert view.payload.sliders[0].maximum == pytest.approx(greatest)


def test_curves_are_those_of_dose_response(scope: Scope, view: Steering) -> None:
    doses, slider = view.payload.doses, view.payload.sliders[0]
    grid = strengths(slider)
    assert doses.strengths.tolist() == pytest.approx(sorted({*grid, 8.0})) and len(grid) == 9
    expected = sw.causes.dose_response(
        scope, {s: [sw.steer(FEATURE, s)] if s else [] for s in doses.strengths.tolist()}, PROMPT, [" May", " June"],
        n_controls=2, seeds=[5, 6], max_new_tokens=8,
    )  # fmt: skip
    np.testing.assert_allclose(doses.effect, expected.effect, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(doses.kl, expected.kl, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(doses.perplexity, expected.perplexity, rtol=1e-3)
    assert (doses.n_directions, doses.n_controls, doses.n_prompts, doses.n_texts, doses.n_tokens) == (2, 4, 1, 2, 8)
    assert view.payload.verdict.startswith("More than every control")


def test_share_of_the_residual_norm_and_marks(scope: Scope, view: Steering) -> None:
    ids = scope.model.tokenize(PROMPT)
    x = scope.model.trace(ids, ["resid_post.2"]).values[sw.Site.parse("resid_post.2")][0, 1:]
    slider = view.payload.sliders[0]
    d = scope.dictionaries["resid_post.2"].rows([131]).norm()
    assert slider.share == pytest.approx(float(d / x.norm(dim=1).mean()), rel=1e-4)
    assert 0.5 < slider.half * slider.share < 2
    assert (slider.label, slider.middle, slider.value) == ("months", 0.0, 8.0)
    base, steered = view.payload.column("base"), view.payload.column("steered")
    n = base.n_prompt
    marks = differing(base.tokens.ids.tolist()[n:], steered.tokens.ids.tolist()[n:])
    assert steered.differs[n:].tolist() == marks.tolist() and not base.differs.any()


def test_the_control_of_what_does_nothing_says_so() -> None:
    doses = make_doses()
    weak = replace(doses, effect=np.concatenate([doses.effect[1:2] * 0, doses.effect[1:]]) + doses.base_effect)
    assert verdict(doses, 4.0).startswith("More than every control")
    assert verdict(weak, 4.0).startswith("No more than a random")
    assert verdict(doses, 4.3) == "", "nobody measured there"


# -- while it writes ---------------------------------------------------------------------------------------------------


class Gate:
    """Holds the writer at a token until it is told to go on."""

    def __init__(self, at: int) -> None:
        self.at, self.n = at, 0
        self.reached, self.go = threading.Event(), threading.Event()

    def __call__(self, step: Any) -> Any:
        def held(stream: Stream) -> Any:
            self.n += 1
            if self.n == self.at:
                self.reached.set()
                assert self.go.wait(30)
            return step(stream)

        return held


def test_tokens_come_one_by_one_and_stop_keeps_them(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saewidgets.widgets.steering_texts.FRAME", 0.0)
    with make(scope, n_seeds=1) as view:
        seen: list[SteeringPayload] = []
        view.observe(lambda change: seen.append(picture(change.new)), "_payload")
        gate = Gate(10)
        monkeypatch.setattr(Stream, "__next__", gate(Stream.__next__))
        view.seed = 77
        assert gate.reached.wait(30)
        lengths = [max(len(t.tokens) - t.n_prompt for t in p.texts) for p in seen]
        assert lengths[0] == 1 and lengths == sorted(lengths) and len(set(lengths)) >= 4
        assert [t.role for t in seen[0].texts] == ["base", "steered"] and seen[0].phase == "writing"
        view.stop()
        gate.go.set()
        assert view.wait(30)
        shown = view.payload
        assert (shown.phase, shown.seed, view.error) == ("stopped", 77, None)
        assert {t.finished for t in shown.texts} == {"cancelled"}
        assert 1 <= len(shown.texts[0].tokens) - shown.texts[0].n_prompt < 8
        monkeypatch.undo()
        view.seed = 78
        assert view.wait(60) and view.payload.phase == "finished"


def test_a_newer_wish_replaces_a_text(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    with make(scope, n_seeds=1) as view:
        gate = Gate(3)
        monkeypatch.setattr(Stream, "__next__", gate(Stream.__next__))
        view.seed = 31
        assert gate.reached.wait(30)
        view.seed = 32
        gate.go.set()
        assert view.wait(60)
        assert (view.payload.seed, view.payload.phase, view.seed) == (32, "finished", 32)


def test_the_constructor_gives_a_picture_and_goes_on(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saewidgets.widgets.steering.FIRST", -1.0)
    view = Steering(scope, "Anna found the", [sw.steer(FEATURE, 6.0)], **SMALL)
    assert len(view.payload.texts[0].tokens) > view.payload.texts[0].n_prompt
    assert view.wait(60) and view.payload.phase == "finished"
    view.close()
    assert view.payload.phase == "finished"


# -- requests ----------------------------------------------------------------------------------------------------------


def test_modes_places_and_undo(scope: Scope) -> None:
    with make(scope) as view:
        assert (view.mode, view.place, view.undo_depth) == ("additive", "both", 0)
        view.mode = "scale"
        view.place = "new"
        assert view.wait(60)
        assert view.edits == (sw.scale(FEATURE, 2.0, positions="generated"),)
        slider = view.payload.sliders[0]
        assert (slider.middle, slider.value, view.payload.texts[1].note) == (1.0, 2.0, "a × 2.0")
        view.edits = [sw.clamp(FEATURE, 5.0), sw.clamp(OTHER, 1.0)]
        assert view.wait(60)
        assert (view.payload.mode, view.payload.place, view.payload.now) == ("clamp", "both", 5.0)
        assert view.payload.texts[1].note == "a = 5.0, b = 1.0"
        for _ in range(3):
            view.undo()
        assert view.wait(60)
        assert view.edits == (sw.steer(FEATURE, 8.0),) and view.undo_depth == 0 and view.redo_depth == 3
        view.redo()
        assert view.wait(60) and view.mode == "scale"


def test_several_sliders_stay_in_proportion(scope: Scope) -> None:
    edits = [sw.steer(OTHER, 0.0), sw.steer(FEATURE, 4.0), sw.steer("resid_post.1/7", -2.0)]
    with make(scope, edits, target="May") as view:
        doses = view.payload.doses
        at = doses.strengths.tolist().index(-8.0 if -8.0 in doses.strengths else float(doses.strengths[0]))
        s = float(doses.strengths[at])
        expected = sw.causes.dose_response(
            scope, {s: [sw.steer(FEATURE, s), sw.steer("resid_post.1/7", -s / 2)]}, PROMPT, [" May"], n_controls=0,
            seeds=[0, 1], max_new_tokens=8,
        )  # fmt: skip
        assert doses.kl[0, at] == pytest.approx(expected.kl[0, 0], rel=1e-3)
        assert view.payload.now == 4.0


def test_nothing_moved_is_the_base_alone(scope: Scope) -> None:
    with make(scope, []) as view:
        assert [t.role for t in view.payload.texts] == ["base"]
        assert (view.payload.doses, view.payload.phase, view.payload.verdict) == (None, "finished", "")
        assert [o.id.split("/")[0] for o in view.payload.offers] == [scope.default_site] * 4
    with make(scope, [sw.steer(FEATURE, 0.0)]) as view:
        assert [t.role for t in view.payload.texts] == ["base"]
        assert view.payload.doses is not None, "its curve is known before it is moved"


def test_vectors_and_groups(scope: Scope) -> None:
    group = sw.Group([FEATURE, OTHER], name="months and more")
    vector = sw.feature_direction(scope, FEATURE, name="a <b>vector</b>")
    with make(scope, [sw.steer(vector, 8.0), sw.steer(group, 1.0)], target=["May"]) as view:
        a, b = view.payload.sliders
        assert (a.id, b.id, a.maximum) == ("a <b>vector</b>", "months and more", 0.0)
        alone = scope.generate(PROMPT, [sw.steer(FEATURE, 8.0), sw.steer(group, 1.0)], max_new_tokens=8)
        assert tuple(view.payload.column("steered").tokens.ids.tolist()) == alone.token_ids
        # The front end knows a vector by its name alone.
        view._want(view._request({"sliders": [{"id": a.id, "value": 3.0}]}), None)
        assert view.wait(60) and view.edits == (sw.steer(vector, 3.0),)


def test_relative_steering(scope: Scope) -> None:
    with make(scope, [sw.steer(FEATURE, 0.5, relative=True)]) as view:
        slider = view.payload.sliders[0]
        assert (slider.half, slider.share) == (1.0, 1.0)
        text = scope.generate(PROMPT, [sw.steer(FEATURE, 0.5, relative=True)], max_new_tokens=8)
        assert tuple(view.payload.column("steered").tokens.ids.tolist()) == text.token_ids


def test_words_that_count(scope: Scope) -> None:
    with make(scope) as view:
        own = sw.explain.vocabulary_projection(scope, FEATURE, 8).tokens(FEATURE).query("side == 'promoted'")["token"]
        assert view.payload.target == tuple(own)
        view.target = "May, June"
        assert view.wait(60) and view.payload.target == (" May", " June") and view.target == ("May", "June")
        before = view.payload
        view.target = ["extraordinary words"]
        assert view.wait(60)
        assert view.error is not None and "tokens" in view.error["what"]
        assert view.payload.target == before.target and view.target == ("May", "June")


@pytest.mark.parametrize(
    ("state", "error", "words"),
    [
        ({"mode": "sideways"}, WidgetError, "sideways"),
        ({"place": 3}, WidgetError, "place is 3"),
        ({"seed": -1}, WidgetError, "whole number"),
        ({"temperature": "hot"}, WidgetError, "hot"),
        ({"temperature": float("nan")}, WidgetError, "nan"),
        ({"max_new_tokens": 0}, WidgetError, "1 to"),
        ({"frozen": "yes"}, WidgetError, "true or false"),
        ({"target": [True]}, WidgetError, "texts or token ids"),
        ({"target": ["x"] * 1000}, WidgetError, "at most"),
        ({"sliders": "x"}, WidgetError, "list"),
        ({"sliders": [3]}, WidgetError, "id and a value"),
        ({"sliders": [{"id": FEATURE, "value": None}]}, WidgetError, "number"),
        ({"sliders": [{"id": FEATURE, "value": 1}] * 2}, WidgetError, "Two sliders"),
        ({"sliders": [{"id": "resid_post.2/99999", "value": 1}]}, FeatureError, "There is no feature"),
        ({"sliders": [{"id": "nonsense", "value": 1}]}, FeatureError, "nonsense"),
        ({"sliders": [{"id": FEATURE, "value": 1}] * 1000}, WidgetError, "at most"),
        ({"edits": [{"kind": "ablate", "target": "head.1.3"}, {"kind": "steer", "feature": FEATURE}]},
         EditError, "alike"),
        ({"prompt": "x" * 10**7}, PromptError, "characters"),
    ],
)  # fmt: skip
def test_what_is_refused(scope: Scope, view: Steering, state: dict[str, Any], error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        view._request(state)


def test_what_a_constructor_refuses(scope: Scope) -> None:
    for arguments, error, words in (
        ((scope,), WidgetError, "needs a prompt"),
        ((3, "x"), WidgetError, "Steering of a int"),
        ((make_steering(), "x"), WidgetError, "already"),
    ):
        with pytest.raises(error, match=words):
            Steering(*arguments)
    with pytest.raises(EditError, match="Sliders steer"):
        Steering(scope, PROMPT, [sw.patch(FEATURE, "a b c")])
    with pytest.raises(WidgetError, match="Leave out"):
        Steering(scope, PROMPT, [sw.steer(FEATURE, 1)], mode="clamp")
    with pytest.raises(TypeError, match="'n_seeds'"):
        Steering(scope, PROMPT, n_seed=3)
    with pytest.raises(PromptError, match="this model reads"):
        Steering(scope, "a " * 600)


def test_an_error_keeps_the_picture(scope: Scope) -> None:
    with make(scope) as view:
        before = view.payload
        view.prompt = "word " * 700
        assert view.wait(60)
        assert view.error is not None and view.prompt == PROMPT
        assert view.payload.prompt == PROMPT and encode(view.payload)[:4] == b"SAEW"
        assert view.payload.texts[0].text == before.texts[0].text
        view.prompt = "Anna had a"
        assert view.wait(60) and view.error is None


# -- search, follow, keep ----------------------------------------------------------------------------------------------


def test_search_in_labels_and_atlas(scope: Scope, tmp_path: Any) -> None:
    texts = [f"Mira saw a {w} boat in {m}." for w in ("red", "blue") for m in ("May", "June", "July")]
    atlas = scope.sweep(texts, ["resid_post.2"], tmp_path, length=16, progress=False)
    with make(scope, [], atlas=atlas) as view:
        assert view._search("months", None)[0] == (FEATURE, "months")
        assert view._search("17", "resid_post.2") == [("resid_post.2/17", "")]
        hits = view._search("boat", "resid_post.2")
        assert hits and all("fires on" in label for _, label in hits)
        tokens = [atlas.feature(name).fires_on["token"].str.strip().tolist()[:8] for name, _ in hits]
        assert all(any(t.startswith("boat") for t in row) for row in tokens)
        assert view.code().endswith("atlas=atlas)")


def test_follow_adds_a_slider(scope: Scope) -> None:
    with sw.TokenHeatmap(scope, PROMPT, [FEATURE, OTHER]) as heatmap, make(scope) as view:
        view.follow(heatmap)
        heatmap.fill = OTHER
        assert view.wait(60)
        assert [s.id for s in view.payload.sliders] == [FEATURE, OTHER]
        heatmap.fill = FEATURE
        assert len(view.edits) == 2


def test_keep_and_drop(scope: Scope) -> None:
    with make(scope) as view:
        view.keep()
        view.seed = 9
        assert view.wait(60)
        view.keep()
        first, second = view.payload.kept
        assert (first.seed, second.seed, first.note) == (0, 9, "a +8.0")
        shown = view.payload.column("steered")
        assert (second.text, second.kl, second.effect) == (shown.text, shown.kl, shown.effect)
        frame = view.to_frame()
        assert frame.query("part == 'kept'")["seed"].tolist() == [0, 9]
        assert set(frame["part"]) == {"text", "kept", "curve"}
        assert len(frame.query("part == 'curve'")) == view.payload.doses.effect.size
        view.drop(0)
        assert view.payload.kept == (second,)
        with pytest.raises(WidgetError):
            view.drop(5)
    with make(scope, []) as view, pytest.raises(WidgetError, match="no finished steered text"):
        view.keep()


# -- what leaves -------------------------------------------------------------------------------------------------------


def test_the_code_makes_it_again(scope: Scope) -> None:
    edits = [sw.clamp(FEATURE, 6.5, positions="generated"), sw.clamp(OTHER, 0.0, positions="generated")]
    options = {"seed": 4, "temperature": 0.7, "target": ["May"], "prompts": ["Mira saw a"], "frozen": True}
    with make(scope, edits, **options) as view:
        code = view.code()
        assert str(view.payload.context.version) in code and "seed 4" in code
        names: dict[str, Any] = {"scope": scope}
        *setup, last = str(code).splitlines()
        exec("\n".join(setup), names)
        with eval(last, names) as again:
            assert again.wait(60)
            a, b = view.payload, again.payload
            assert [t.tokens.ids.tolist() for t in a.texts] == [t.tokens.ids.tolist() for t in b.texts]
            for name in ("strengths", "effect", "kl", "perplexity"):
                np.testing.assert_allclose(getattr(a.doses, name), getattr(b.doses, name), rtol=1e-5, atol=1e-7)
            assert again.code() == code and a.verdict == b.verdict


def test_files_and_a_saved_view(view: Steering, tmp_path: Any) -> None:
    path = view.save(tmp_path / "steering.sae")
    with open_view(path) as saved:
        assert isinstance(saved, Steering) and not saved.live
        assert encode(saved.payload) == encode(view.payload)
        saved.control = "feature"
        assert saved.payload.control == "feature"
        with pytest.raises(WidgetError, match="opened from a file"):
            saved.keep()
        with pytest.raises(WidgetError):
            saved.seed = 3
        assert "Steering" in repr(saved) and saved.to_frame().equals(view.to_frame())
        page = saved.to_html()
        assert isinstance(page, str) and len(page) < 400_000
    bundle = view.static_bundle()
    assert "More than every control" in bundle["text/html"] and "image/png" in bundle


def test_payloads_that_do_not_fit() -> None:
    good = make_steering()
    for change, words in (
        ({"mode": "x"}, "mode"),
        ({"phase": "x"}, "phase"),
        ({"sliders": good.sliders[:1]}, "row for each slider"),
        ({"kept": good.kept * 200}, "Too many"),
    ):
        with pytest.raises(PayloadError, match=words):
            replace(good, **change)
    text, doses = good.texts[0], good.doses
    for make_bad, words in (
        (lambda: replace(text, role="x"), "A text that is"),
        (lambda: replace(text, n_prompt=99), "do not fit"),
        (lambda: replace(doses, effect=doses.effect[:, :2]), "disagree"),
        (lambda: replace(doses, strengths=doses.strengths[::-1]), "rise"),
        (lambda: replace(doses, n_directions=99), "Count"),
        (lambda: replace(good.sliders[0], half=0.0), "half"),
        (lambda: replace(good.kept[0], mode="x"), "A run"),
    ):
        with pytest.raises(PayloadError, match=words):
            make_bad()


def test_no_thread_and_no_scope_stay(scope: Scope) -> None:
    view = make(scope)
    view.close()
    assert view._scope is None and not alive()


# -- conversations, and how effects travel -----------------------------------------------------------------------------

TURNS = "{% for m in messages %}{{ m.role }}: {{ m.content }} {% endfor %}"
TEMPLATE = TURNS + "{% if add_generation_prompt %}assistant:{% endif %}"
CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "They met in"}]


def test_a_conversation_goes_through_the_template(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="no chat template"):
        Steering(scope, CHAT, **SMALL)
    monkeypatch.setattr(scope.model.tokenizer, "chat_template", TEMPLATE)
    with Steering(scope, CHAT, [sw.steer(FEATURE, 8.0)], target=["May"], seed=3, **SMALL) as view:
        assert view.wait(120) and view.error is None
        shown = view.payload
        assert [(m.role, m.content) for m in shown.messages] == [(m["role"], m["content"]) for m in CHAT]
        assert shown.prompt == "system: Be brief.\nuser: They met in"
        for role, edits in (("base", []), ("steered", [sw.steer(FEATURE, 8.0)])):
            text = scope.generate(CHAT, edits, seed=3, max_new_tokens=8)
            assert tuple(shown.column(role).tokens.ids.tolist()) == text.token_ids
        found = sw.causes.dose_response(
            scope, {8.0: [sw.steer(FEATURE, 8.0)]}, [CHAT], [" May"], n_controls=2, seeds=[3, 4], max_new_tokens=8
        )
        at = shown.doses.strengths.tolist().index(8.0)
        np.testing.assert_allclose(shown.doses.kl[0, at], found.kl[0, 0], rtol=1e-3)
        # The front end edits a message; the code replays the conversation.
        other = [*CHAT[:1], {"role": "user", "content": "They left in"}]
        view.comm.receive({"type": "run", "id": 5, "state": {"prompt": other}})
        assert view.wait(120) and view.prompt[1] == ("user", "They left in")
        code = str(view.code())
        assert "[{'role': 'system', 'content': 'Be brief.'}, {'role': 'user', 'content': 'They left in'}]" in code
        again = eval(code.splitlines()[-1], {"sw": sw, "scope": scope})
        assert again.wait(120)
        ids = [v.payload.column("steered").tokens.ids.tolist() for v in (view, again)]
        assert ids[0] == ids[1]
        again.close()
        saved = Steering(decode(encode(view.payload)))
        assert saved.payload.messages[1].content == "They left in"
        for bad in ([], [3], [{"role": "user"}], [{"role": "", "content": "a"}], [{"role": "u", "content": 3}]):
            view.comm.receive({"type": "run", "id": 6, "state": {"prompt": bad}})
            assert view.comm.sent[-1][0]["content"]["type"] == "error"


def test_the_curves_travel_as_asked_and_the_texts_stay(scope: Scope) -> None:
    with make(scope, target=["May"], seed=2) as view:
        texts = [t.tokens.ids.tolist() for t in view.payload.texts]
        for mode in ("frozen_attention", "direct"):
            view.propagation = mode
            assert view.wait(120) and view.error is None
            shown = view.payload
            assert shown.propagation == mode and shown.phase == "finished"
            assert [t.tokens.ids.tolist() for t in shown.texts] == texts
            strengths_ = shown.doses.strengths.tolist()
            found = sw.causes.dose_response(
                scope, {s: [sw.steer(FEATURE, s)] if s else [] for s in strengths_}, PROMPT, [" May"], n_controls=2,
                seeds=[2, 3], max_new_tokens=8, propagation=mode,
            )  # fmt: skip
            np.testing.assert_allclose(shown.doses.effect, found.effect, rtol=1e-3, atol=1e-6)
            np.testing.assert_allclose(shown.doses.kl, found.kl, rtol=1e-3, atol=1e-5)
            frame = view.to_frame()
            assert set(frame.loc[frame["part"] == "curve", "propagation"]) == {mode}
            assert set(frame.loc[frame["part"] == "text", "propagation"]) == {"free"}
            assert f"propagation={mode!r}" in str(view.code())
        with pytest.raises(WidgetError, match="propagation"):
            view.propagation = "sideways"
