"""Contrast: the numbers behind it, what is made of a selection, requests, undo, links, errors, code that replays."""

import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import saewidgets as sw
from saewidgets.causes import contrast as contrast_of
from saewidgets.causes import random_like
from saewidgets.errors import CorpusError, DictionaryError, FeatureError, PromptError, WidgetError
from saewidgets.evaluate.probing import probe
from saewidgets.figures.contrast_text import report_of
from saewidgets.scope import Scope
from saewidgets.widgets import BaseWidget, Contrast
from saewidgets.widgets import open as open_view
from tests.view_factory import make_contrast
from tests.widgets.fakes import picture

NAMES = ("Mira", "Tom", "Ida", "Leo", "Nora", "Max", "Otto", "Ruth")
CATS = [f"{name} saw a {color} cat." for name in NAMES for color in ("black", "red")]
BOATS = [f"{name} saw a {color} boat." for name in NAMES for color in ("black", "red")]
RED = {"red": ["red" in text for text in (*CATS, *BOATS)], "cat": [True] * 16 + [False] * 16}
KEY = "resid_post.1@small"
SMALL: dict[str, Any] = {"dictionary": KEY, "controls": 2}


@pytest.fixture(scope="module")
def scope() -> Scope:
    return sw.demo()


@pytest.fixture
def view(scope: Scope) -> Any:
    with Contrast(scope, CATS, BOATS, **SMALL) as made:
        yield made


def asked(view: Contrast, request_id: Any = 1, **state: Any) -> list[dict[str, Any]]:
    """The answers to a request of the front end."""
    view.comm.receive({"type": "run", "id": request_id, "state": state})
    assert view.wait(120)
    said = [d["content"] for d, _ in view.comm.sent if d.get("method") == "custom"]
    return [c for c in said if c.get("id") == request_id]


def test_every_number_is_that_of_the_analysis(scope: Scope, view: Contrast) -> None:
    found = contrast_of(scope, CATS, BOATS, KEY, controls=2)
    expected, frame, shown = found.to_frame().head(40), view.to_frame(), view.payload
    assert frame["feature"].tolist() == expected["feature"].tolist()
    pairs = {"auroc": "auroc", "low": "low", "high": "high", "frequency_positive": "frequency_first",
             "frequency_negative": "frequency_second", "mean_positive": "mean_first", "mean_negative": "mean_second",
             "shuffled": "shuffled", "random_dictionary": "random_dictionary"}  # fmt: skip
    for mine, theirs in pairs.items():
        np.testing.assert_allclose(frame[mine], expected[theirs], rtol=1e-5, atol=1e-6)
    assert frame["beats_control"].tolist() == expected["beats_control"].tolist()
    assert frame["confound"].tolist() == expected["confound"].tolist()
    for c, row in zip(shown.confounds, found.confounds().to_dict("records"), strict=True):
        assert (c.name, c.flagged) == (row["confound"], row["flagged"])
        assert (c.auroc, c.low, c.high) == pytest.approx((row["auroc"], row["low"], row["high"]), abs=1e-6)
    assert (shown.n_shuffles, shown.n_random, shown.n_features) == (100, 2, len(found.frame))
    assert shown.verdict == found.verdict
    # And one of them by hand: the share of pairs, of plain runs.
    row = frame.iloc[0]
    values = [[float(scope.run(t).activation(row["feature"])[1:].max()) for t in texts] for texts in (CATS, BOATS)]
    by_hand = np.mean([(a > b) + 0.5 * (a == b) for a in values[0] for b in values[1]])
    assert row["auroc"] == pytest.approx(by_hand, abs=1e-6)
    assert row["mean_positive"] == pytest.approx(np.mean(values[0]), abs=1e-4)


def test_a_planted_confound_is_flagged_in_the_view(scope: Scope) -> None:
    long = [f"{text[:-1]} by the old mill near the pond." for text in CATS]
    with Contrast(scope, long, BOATS, **SMALL) as view:
        shown = view.payload
    assert shown.flagged and "token count" in shown.flagged
    assert "The sets also differ in token count" in shown.verdict
    checks = {c.name: c.holds for c in report_of(shown).checks}
    assert not checks["confound: token count"]
    with Contrast(scope, CATS, BOATS, **SMALL) as view:
        assert view.payload.flagged == []


def sentences(draw: random.Random, words: str, before: str) -> list[str]:
    """Three sentences each, one of them with one of the words."""

    def other() -> str:
        thing, place = draw.choice("boat key lantern apple hat book".split()), draw.choice("pond mill garden".split())
        return draw.choice([f"{draw.choice(NAMES)} saw a {thing} near the {place}.", f"The old {thing} was there.",
                            f"{draw.choice(NAMES)} gave the {thing} to {draw.choice(NAMES)}."])  # fmt: skip

    def said() -> str:
        word = draw.choice(words.split())
        return draw.choice(
            [f"They met {before} {word}.", f"It was cold {before} {word}.", f"Leo came {before} {word}."]
        )

    return [f"{other()} {said()} {other()}" for _ in range(24)]


def test_with_a_random_dictionary_nothing_beats_the_control(scope: Scope) -> None:
    draw, key = random.Random(0), "resid_post.2@small"
    months = sentences(draw, "January February March April May June July", "in")
    days = sentences(draw, "Monday Tuesday Wednesday Thursday Friday Saturday Sunday", "on")
    with Contrast(scope, months, days, dictionary=key) as view:
        assert view.payload.n_beyond > 0 and "than every control" in view.payload.verdict
    said = []
    for drawn in random_like(scope, key, [*months, *days], n=5, seed=20):
        with Contrast(Scope(scope.model, {key: drawn}, name="random"), months, days, dictionary=key) as view:
            nothing = view.payload.verdict.startswith("Nothing beats the control")
            assert nothing == (view.payload.n_beyond == 0) == (not view.to_frame()["beats_control"].any())
            assert ("Nothing beats the control" in view._repr_mimebundle_()[0]["text/html"]) == nothing
            said.append(nothing)
    assert sum(said) >= 3, "one in nine is right by chance"


def test_the_selection_as_an_edit_reaches_linked_views(scope: Scope, view: Contrast) -> None:
    best = [f.id for f in view.payload.features if f.auroc > 0.5][:2]
    with sw.Steering(scope, "Mira saw a", n_seeds=1, n_controls=1, max_new_tokens=2) as steering:
        both = sw.link(view, steering, share=["edits"])
        assert asked(view, chosen=best, tool="edit")[-1]["type"] == "ok"
        shown = view.payload
        frame = view.to_frame().set_index("feature")
        expected = tuple(sw.clamp(name, float(frame.loc[name, "mean_positive"])) for name in best)
        assert [(e.target, e.kind) for e in view.edits] == [(e.target, e.kind) for e in expected]
        assert [e.value for e in view.edits] == pytest.approx([e.value for e in expected], rel=1e-5)
        assert eval(shown.edit, {"sw": sw}) == list(view.edits)
        assert steering.wait(120) and steering.edits == view.edits and steering.mode == "clamp"
        asked(view, 2, kind="ablate")
        assert "sw.ablate" in view.payload.edit and steering.wait(120)
        assert [e.value for e in steering.edits] == [0.0, 0.0] and steering.mode == "scale"
        asked(view, 3, tool="")
        assert view.payload.edit == "" and len(steering.edits) == 2, "what others show stays"
        both.unlink()


def test_the_selection_as_a_probe_with_its_controls(scope: Scope, view: Contrast) -> None:
    best = [f.id for f in view.payload.features][:2]
    asked(view, chosen=best, tool="probe")
    rows = {p.inputs: p for p in view.payload.probes}
    assert {n for n, p in rows.items() if p.control} == {"shuffled labels", "random features", "random dictionary"}
    values = torch.tensor(
        [[float(scope.run(t).activation(name)[1:].max()) for name in best] for t in (*CATS, *BOATS)]
    )  # fmt: skip
    labels = torch.arange(32) < 16
    [expected] = probe(values, None, labels, (2,))
    assert rows["chosen features"].accuracy == pytest.approx(expected.accuracy)
    assert rows["chosen features"].k == rows["random features"].k == 2
    for p in rows.values():
        assert p.low <= p.accuracy + 1e-9 and p.accuracy <= p.high + 1e-9
    assert rows["shuffled labels"].low < rows["chosen features"].accuracy
    # Chance, over twenty shuffles of nine held-out texts.
    assert 0.3 < rows["shuffled labels"].accuracy < 0.7
    with Contrast(scope, CATS[:2], BOATS[:2], dictionary=KEY, controls=1) as few:
        [said] = asked(few, tool="probe")
        assert said["type"] == "error" and few.payload.tool == ""
        assert isinstance(few.last_error, DictionaryError)


def test_the_selection_as_a_bottleneck(scope: Scope) -> None:
    with Contrast(scope, CATS, BOATS, dictionary="resid_post.0@small", controls=2, concepts=RED) as view:
        chosen = [f.id for f in view.payload.features][:12]
        asked(view, chosen=chosen, tool="bottleneck")
        made = view.payload.bottleneck
        found = contrast_of(scope, CATS, BOATS, "resid_post.0@small", controls=2)
        expected = found.bottleneck(only=chosen, concepts=RED, answers=("positive", "negative"))
        np.testing.assert_allclose(made.scores, expected.scores([*CATS, *BOATS]), atol=1e-5)
        assert list(made.answers) == expected.predict(expected.scores([*CATS, *BOATS]))
        curve = expected.curve()
        for name in ("corrected", "accuracy", "low", "high", "control"):
            np.testing.assert_allclose(getattr(made, name), curve[name], atol=1e-6)
        assert [m.accuracy for m in made.measures] == pytest.approx(expected.metrics()["accuracy"].tolist())
        assert made.held.sum() == len(expected.held[2]) == 10 and made.concepts == ("red", "cat")
        read = {int(i) for concept in expected.concepts for i in concept.index}
        assert read <= {int(name.rpartition("/")[2]) for name in chosen}
        # A concept is set while the model runs.
        asked(view, 2, example=1, corrected={"cat": 0.05})
        one = view.payload.bottleneck.correction
        edits = expected.intervene(CATS[1], "cat", 0.05)
        assert [e.target for e in eval(one.code, {"sw": sw})] == [e.target for e in edits]
        logs = [scope.run(CATS[1], e).logits[-1].double().log_softmax(-1) for e in ((), edits)]
        for k, word in enumerate(one.words):
            [token] = scope.model.tokenizer(word, add_special_tokens=False)["input_ids"][-1:]
            assert (one.before[k], one.after[k]) == pytest.approx([float(p[token].exp()) for p in logs], abs=1e-4)
        assert one.kl == pytest.approx(float((logs[0].exp() * (logs[0] - logs[1])).sum()), rel=1e-3, abs=1e-6)
        assert one.values.tolist() == pytest.approx([-1.0, 0.05])
        assert (one.low <= one.high).all() and one.kl_control > 0
        scores = expected.scores([CATS[1]], edits).iloc[0]
        np.testing.assert_allclose(one.scores, scores, atol=1e-4)
        assert "KL" in str(report_of(view.payload).checks[-1].text)
        # Another prompt begins anew; a concept that is not there is refused.
        asked(view, 3, example=2)
        assert view.payload.bottleneck.correction is None
        [said] = asked(view, 4, corrected={"dog": 0.5})
        assert said["type"] == "error" and "dog" in said["what"]


def test_undo_typing_and_what_does_not_fit(scope: Scope, view: Contrast) -> None:
    asked(view, tool="edit")
    asked(view, 2, tool="probe")
    assert view.undo_depth == 2
    view.undo()
    assert view.wait(60) and (view.tool, view.payload.tool) == ("edit", "edit")
    best = [e.feature for e in view.edits]
    assert len(best) == 3, "the best ones where none is chosen"
    view.positive = [*CATS, "Ada fed a cat."]
    assert view.wait(60) and view.payload.positive[-1] == "Ada fed a cat." and view.undo_depth == 1
    shown = view.payload
    for state, error in (
        ({"positive": []}, PromptError), ({"positive": ["a", " "]}, PromptError), ({"positive": "a"}, PromptError),
        ({"positive": ["one"]}, CorpusError), ({"chosen": [f"{KEY}/0", 3]}, WidgetError),
        ({"tool": "paint"}, WidgetError), ({"corrected": {"a": 2}}, WidgetError), ({"corrected": 3}, WidgetError),
        ({"example": -5}, WidgetError), ({"chosen": ["resid_post.2/1"], "tool": "edit"}, FeatureError),
    ):  # fmt: skip
        said = asked(view, f"{state}", **state)[-1]
        assert said["type"] == "error" and isinstance(view.last_error, error), state
        assert view.payload.positive == shown.positive and view.payload.tool == "edit"
    with pytest.raises(WidgetError, match="positive and negative"):
        Contrast(scope, CATS)
    with pytest.raises(WidgetError, match="scope or a ContrastPayload"):
        Contrast("nothing", CATS, BOATS)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="Did you mean 'positive'"):
        Contrast(scope, CATS, BOATS, positiv=[])


def test_the_code_makes_it_again(scope: Scope) -> None:
    randoms = random_like(scope, KEY, [*CATS, *BOATS], n=2)
    options: dict[str, Any] = {"dictionary": KEY, "controls": 2, "seed": 3, "randoms": randoms, "concepts": RED}
    with Contrast(scope, CATS, BOATS, tool="bottleneck", example=3, corrected={"cat": 0.1}, **options) as view:
        code = str(view.code())
        assert re.search(r"saewidgets as sw  # \d", code) and "seed=3" in code
        space: dict[str, Any] = {"scope": scope}
        exec(code.replace("sw.Contrast(", "view = sw.Contrast("), space)
        again = space["view"].payload
        assert view.to_frame().equals(Contrast(again).to_frame())
        one, two = view.payload.bottleneck.correction, again.bottleneck.correction
        np.testing.assert_allclose(one.after, two.after, atol=1e-6)
        assert one.words == two.words
        # What is reused of earlier prompts moves the last digits of a strength.
        numbers = [[float(x) for x in re.findall(r"-?[0-9]+[.][0-9]+(?:e-?[0-9]+)?", each.code)] for each in (one, two)]
        assert numbers[0] == pytest.approx(numbers[1], rel=1e-3, abs=1e-5)


def test_files_and_a_saved_view(view: Contrast, tmp_path: Path) -> None:
    path = view.save(tmp_path / "apart.sae")
    again = open_view(path)
    assert isinstance(again, BaseWidget) and not again.live
    assert again.payload.features[0].id == view.payload.features[0].id
    assert again.to_svg().startswith("<?xml")
    with pytest.raises(WidgetError, match="has no model"):
        again.tool = "edit"
    with pytest.raises(WidgetError, match="prompts already"):
        Contrast(view.payload, CATS)
    assert repr(view).startswith("Contrast(16 against 16 prompts")


def test_the_row_in_view_is_shared_and_stays_in_the_picture(view: Contrast) -> None:
    feature = view.payload.features[2].id
    view.set_state({"feature": feature})
    assert view.feature == feature and view.payload.feature == feature
    asked(view, tool="edit")
    assert picture(view._payload).feature == feature
    view.set_state({"feature": 3, "chosen": [feature]})
    assert view.feature == feature and view.chosen == (), "nothing else may be written"


def test_a_hand_made_payload_says_what_is_in_it() -> None:
    payload = make_contrast()
    report = report_of(payload)
    assert [bar.beyond for bar in report.bars][:3] == [True, True, False]
    assert (report.bars[0].control_low, report.bars[0].control_high) == pytest.approx((0.14, 0.86))
    flagged = [c.name for c in report.checks if not c.holds]
    assert flagged == ["confound: token count", "confound: position"]
    assert "answer negative → positive" in report.checks[-1].text
