"""The code of every result replays it; what a notebook shows of it says its numbers, its checks and its conditions."""

import re

import pandas as pd
import pytest

import saewidgets as sw
from saewidgets.causes import Noise
from saewidgets.explain import Probability
from tests.attacks.allowed import read
from tests.attacks.hostile import FIRING
from tests.attacks.test_static_outputs import svg_faults

KEY, PROMPT = "resid_post.1@small", "The queen went home when"
DAY = ("Today is Monday. Tomorrow will be", "Today is Friday. Tomorrow will be")
DAYS = (" Tuesday", " Saturday")
NAMES = ("Mira", "Tom", "Ida", "Leo", "Nora", "Max", "Otto", "Ruth")
CATS, BOATS = [f"{n} saw a black cat." for n in NAMES], [f"{n} saw a red boat now." for n in NAMES]
TEXTS = [f"{n} saw a {what}." for n in NAMES for what in ("red cat", "red boat", "old cat", "old boat")]
CONCEPTS = {"cat": ["cat" in t for t in TEXTS], "red": ["red" in t for t in TEXTS]}
ANSWERS = ["yes" if "red cat" in t else "no" for t in TEXTS]


@pytest.fixture(scope="module")
def scope():
    return sw.demo()


@pytest.fixture(scope="module")
def results(scope):
    c = sw.causes
    randoms = c.random_like(scope, KEY, [PROMPT, DAY[0]], n=2, seed=7)
    options = {"dictionary": KEY, "randoms": randoms, "controls": 2, "seed": 3}
    return {
        "ablation": c.ablation(scope, PROMPT, Probability(" she"), top=3, steps=2, error="dropped", **options),
        "ablation_curve": c.ablation_curve(scope, [PROMPT, DAY[0]], ks=(1, 2), at="all", steps=2, **options),
        "shapley": c.shapley(scope, PROMPT, " she", top=3, propagation="frozen_attention", **options),
        "estimate": c.shapley(scope, CATS[0] + " " + BOATS[0], top=13, orders=4, **options),
        "patch_map": c.patch_map(scope, *DAY, DAYS, kinds=["mlp"], controls=2, seed=3),
        "noise": c.patch_map(scope, DAY[0], Noise((3,), draws=2), " Tuesday", kinds=["mlp"], controls=1),
        "path_patch": c.path_patch(scope, *DAY, "mlp_out.0", "head.2.1", DAYS, at=[3], controls=2, seed=3),
        "contrast": c.contrast(scope, CATS, BOATS, **options),
        "concept_bottleneck": c.concept_bottleneck(scope, TEXTS, CONCEPTS, ANSWERS, "resid_post.0@small", seed=3),
    }  # fmt: skip


EVERY = ("ablation", "ablation_curve", "shapley", "estimate", "patch_map", "noise", "path_patch", "contrast",
         "concept_bottleneck")  # fmt: skip


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", EVERY)
def test_the_code_replays_the_result(scope, results, name):
    found = results[name]
    text = found.code()
    assert sw.__version__ in text and "torch" in text and "numpy" in text and "seed=" in text.replace("seed=)", "")
    names = {"scope": scope}
    exec(text, names)
    pd.testing.assert_frame_equal(names["found"].to_frame(), found.to_frame(), rtol=1e-4, atol=1e-5)
    if name not in ("concept_bottleneck",):
        assert names["found"].verdict == found.verdict


def test_code_says_what_it_cannot_write(scope):
    found = sw.causes.ablation(
        scope, PROMPT, lambda logits: logits[:, -1, 5], dictionary=KEY, top=1, controls=1, steps=1,
        randoms=list(sw.causes.random_like(scope, KEY, [PROMPT], n=1)),
    )  # fmt: skip
    assert "# target: a function of your own" in found.code()
    assert "# randoms: 1 dictionaries of your own" in found.code()


PAGES = ("ablation", "ablation_curve", "shapley", "estimate", "contrast", "concept_bottleneck")


@pytest.mark.parametrize("name", PAGES)
def test_a_notebook_shows_numbers_checks_and_conditions(results, name):
    found = results[name]
    markup = found._repr_html_()
    words, _, picture = markup.partition("<svg")
    page = read(f"{words}</div>")
    assert page.faults == []
    assert picture and svg_faults(found.to_svg()) == []
    assert found.page.verdict in page.text
    for part in re.split(", ", str(found.page.conditions)):
        assert part in page.text
    for bar in found.page.bars[:8]:
        assert bar.name in page.text and f"{abs(bar.value):.2f}" in page.text and bar.name in markup
    for check in found.page.checks:
        assert check.text in page.text
    assert found.to_png()[:4] == b"\x89PNG" and found.to_pdf()[:4] == b"%PDF"


def test_the_pages_hold_what_the_tables_hold(results, tmp_path):
    report = results["shapley"]
    page = report.page
    assert [b.value for b in page.bars] == pytest.approx(report.to_frame()["shapley"].tolist())
    [check] = page.checks
    assert check.holds and f"{report.value - report.without:.4f}" in check.text and page.paragraph == report.paragraph()
    assert "frozen attention propagation" in page.conditions
    estimate = results["estimate"]
    row, bar = estimate.to_frame().iloc[0], estimate.page.bars[0]
    assert (bar.low, bar.high) == pytest.approx((row["shapley"] - 1.96 * row["error_of_mean"],
                                                 row["shapley"] + 1.96 * row["error_of_mean"]))  # fmt: skip
    row, bar = results["ablation"].to_frame().iloc[0], results["ablation"].page.bars[0]
    assert bar.control_high == pytest.approx(max(row["like_high"], row["direction_high"], row["random_dictionary"]))
    assert bar.beyond == row["beats_control"] and "error dropped" in results["ablation"].page.conditions
    curve = results["ablation_curve"].to_frame()
    for one in results["ablation_curve"].page.curves:
        rows = curve[curve["ranking"] == one.name]
        assert one.values == pytest.approx(rows["ratio"].to_numpy(), abs=1e-6)
        assert one.control == (one.name in ("random", "direction", "random dictionary"))
    contrast = results["contrast"]
    assert {c.name: c.holds for c in contrast.page.checks} == {
        f"confound: {r['confound']}": not r["flagged"] for r in contrast.confounds().to_dict("records")
    }
    assert not all(c.holds for c in contrast.page.checks), "the second set is a token longer"
    assert "look out: " in contrast._repr_html_()
    made = results["concept_bottleneck"]
    assert [b.value for b in made.page.bars] == pytest.approx(made.metrics()["accuracy"].tolist())
    assert made.page.curves[0].values == pytest.approx(made.curve()["accuracy"].to_numpy(), abs=1e-6)
    assert contrast.to_svg(tmp_path / "c.svg").read_text().startswith("<?xml")


def test_a_contrast_becomes_an_edit_a_probe_and_a_bottleneck(scope, results):
    found = results["contrast"]
    assert len(found.edit(top=2)) == 2 and {"k", "accuracy"} <= set(found.probe(ks=(1,)).columns)
    made = found.bottleneck("cat")
    assert [c.name for c in made.concepts] == ["cat"] and made.classes == ("first", "second")
    assert made.curve()["accuracy"].iloc[-1] == 1.0
    edits = made.intervene(BOATS[0], "cat", 1.0)
    before, after = (made.scores([BOATS[0]], e)["cat"].iloc[0] for e in ((), edits))
    assert before < 0.5 < after


def test_hostile_labels_stay_text(scope):
    found = sw.causes.contrast(scope, CATS, BOATS, KEY, controls=1)
    name = found.to_frame()["feature"].iloc[0]
    for text in FIRING[:12]:
        frame = found.frame.assign(label=[text, *found.frame["label"].iloc[1:]])
        other = type(found)(frame, found.pooled, found.first, found.key, found.seed, scope, found.texts, "x = 1")
        words, _, picture = other._repr_html_().partition("<svg")
        assert read(f"{words}</div>").faults == [] and name in words
        assert "<script" not in picture and "onerror=" not in re.sub(r">[^<]*<", "><", picture)


@pytest.mark.timeout(900)
def test_a_random_dictionary_visibly_beats_nothing(scope):
    """With the trained dictionary replaced by a random one every page says so."""
    prompts = ["The queen went home when", "The German word for cat is", "The basket is not open. The basket is"]
    made = sw.causes.random_like(scope, KEY, [*prompts, *DAY, *CATS[:4]], n=9, seed=1)
    fake = sw.Scope(scope.model, {KEY: made[0]}, name="random")
    options = {"dictionary": KEY, "randoms": made[1:], "controls": 2}
    same = [f"{n} saw a red cart now." for n in NAMES]
    pages = [sw.causes.ablation(fake, p, top=2, steps=1, **options) for p in prompts]
    pages += [sw.causes.shapley(fake, p, top=2, **options) for p in prompts]
    pages += [sw.causes.ablation_curve(fake, prompts, ks=(1,), steps=1, **options)]
    pages += [sw.causes.contrast(fake, BOATS, same, **options)]
    said = [
        "Nothing beats the control" in read(page._repr_html_().partition("<svg")[0] + "</div>").text for page in pages
    ]
    assert sum(said) >= len(said) - 2, "one in nine is right by chance"
