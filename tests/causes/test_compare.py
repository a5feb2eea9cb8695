"""Comparisons: every number against plain torch on separate runs, alignment, dictionaries, models, and the control."""

import numpy as np
import pytest
import torch

import saewidgets as sw
from saewidgets.causes.compare import Side, align, compare_payload, same_dictionary
from saewidgets.errors import WidgetError
from saewidgets.payloads import encode
from saewidgets.scope import Scope

SITE = "resid_post.2"
ONE = "When Mira and Tom came to the pond, Tom gave the red lantern to"
OTHER = "When Mira and Tom came to the old pond, Mira gave the blue lantern to"


@pytest.fixture(scope="module")
def scope() -> Scope:
    return sw.demo()


def logits(scope: Scope, prompt: str) -> torch.Tensor:
    """Of the plain module, without any of our machinery."""
    ids = torch.tensor([scope.model.tokenize(prompt)])
    with torch.no_grad():
        return scope.model.module(ids).logits[0].double().log_softmax(-1)


def dense(scope: Scope, prompt: str, edits: tuple = (), site: str = SITE) -> torch.Tensor:
    return scope.run(prompt, edits, sites=[site]).features[site].to_dense().double()


def test_tokens_that_stand_against_each_other() -> None:
    assert align(list("abcd"), list("abcd")) == ([0, 1, 2, 3], [0, 1, 2, 3], [True] * 4)
    assert align(["a", "b"], ["a", "x", "b"]) == ([0, 1], [0, 2], [True, True])
    assert align(["a", "r", "s", "z"], ["a", "q", "z"]) == ([0, 2, 3], [0, 1, 2], [True, False, True])
    assert align(["a"], ["b", "c"]) == ([0], [1], [False])
    assert align([], ["b"]) == ([], [], [])
    n = 5_000
    assert align(["a"] * n, ["a"] * (n - 1))[0] == list(range(n - 1)), "long texts are laid place by place"


def test_two_texts_by_hand(scope: Scope) -> None:
    found = compare_payload(Side(scope, ONE, (), SITE), Side(scope, OTHER, (), SITE))
    log_p, log_q = logits(scope, ONE), logits(scope, OTHER)
    assert (found.match, found.controlled, found.control) == ("same", -1, None)
    shown = found.predictions
    assert shown is not None and shown.kl is not None and shown.after is not None and found.kl_back is not None
    assert found.pair == len(found.left_token) - 1
    a, b = dense(scope, ONE), dense(scope, OTHER)
    tokenizer = scope.model.tokenizer
    for i, (p, q) in enumerate(zip(found.left_token.tolist(), found.right_token.tolist(), strict=True)):
        one, two = log_p[p], log_q[q]
        assert shown.kl[i] == pytest.approx(float((one.exp() * (one - two)).sum()), abs=2e-5)
        assert found.kl_back[i] == pytest.approx(float((two.exp() * (two - one)).sum()), abs=2e-5)
        top = torch.maximum(one, two).topk(8)
        assert shown.before[i] == pytest.approx(one.exp()[top.indices].numpy(), abs=1e-5)
        assert shown.after[i] == pytest.approx(two.exp()[top.indices].numpy(), abs=1e-5)
        said = [shown.vocabulary[k] for k in shown.token[i].tolist()]
        assert [w.strip() for w in said] == [tokenizer.decode([k]).strip() for k in top.indices.tolist()]
        assert bool(found.same[i]) == (scope.run(ONE).tokens[p] == scope.run(OTHER).tokens[q])
        start, end = found.features.indptr[i : i + 2].tolist()
        gap = (a[p] - b[q]).abs()
        gap = torch.where(gap > 1e-4 * torch.maximum(a[p].abs(), b[q].abs()), gap, 0)
        want = gap.sort(descending=True, stable=True)
        n = min(8, int((gap > 0).sum()))
        assert end - start == n
        here = found.features.left[start:end].astype(int)
        assert gap[here].numpy() == pytest.approx(want.values[:n].numpy(), abs=1e-5)
        assert found.features.a[start:end] == pytest.approx(a[p][here].numpy(), abs=1e-5)
        assert found.features.b[start:end] == pytest.approx(b[q][here].numpy(), abs=1e-5)
        assert (found.features.right[start:end] == here).all()
    assert float(shown.kl[-1]) > 1, "the giver changed, so must the receiver"


def test_two_edits_with_their_control(scope: Scope) -> None:
    run = scope.run(ONE, sites=[SITE])
    feature = f"{SITE}/{int(run.features[SITE].strongest(run.n_tokens - 1, 1)[0][0])}"
    edits = (sw.ablate(feature),)
    found = compare_payload(Side(scope, ONE, (), SITE), Side(scope, ONE, edits, SITE), seed=3)
    log_p, log_q = logits(scope, ONE), scope.run(ONE, edits).log_probabilities().double()
    assert found.predictions is not None and found.predictions.kl is not None
    assert found.predictions.kl == pytest.approx((log_p.exp() * (log_p - log_q)).sum(-1).numpy(), abs=2e-5)
    control = found.control
    assert (found.controlled, found.match) == (1, "same") and control is not None and control.seed == 3
    assert (control.kl_features[:, 0] <= control.kl_features[:, 1]).all()
    # The heatmap of the same edit was given the same control by other code paths: the same draws, the same numbers.
    with sw.TokenHeatmap(scope, ONE, [feature], site=SITE, edits=edits) as view:
        view.wait(60)
    from saewidgets.runs.heatmap import HeatmapRequest, heatmap_payload

    own = heatmap_payload(scope, HeatmapRequest(ONE, (feature,), edits, site=SITE, seed=3), control=True).control
    assert own is not None
    assert own.kl_directions == pytest.approx(control.kl_directions, abs=1e-5)
    # From the other side: the edits are A's, and so is the control.
    back = compare_payload(Side(scope, ONE, edits, SITE), Side(scope, ONE, (), SITE), seed=3)
    assert back.controlled == 0 and back.control is not None
    assert back.control.kl_directions == pytest.approx(control.kl_directions, abs=1e-5)
    assert back.kl_back == pytest.approx(found.predictions.kl, abs=1e-5)
    assert (found.name_a, found.name_b) == ("no edits", f"ablate {feature}")
    # Two texts: what differs is no effect of the edit, and it is said.
    mixed = compare_payload(Side(scope, ONE, (), SITE), Side(scope, OTHER, edits, SITE))
    assert mixed.control is None and "no difference here is the effect of an edit" in mixed.note


def test_two_edits_are_seen_from_the_first(scope: Scope) -> None:
    run = scope.run(ONE, sites=[SITE])
    one, other = (f"{SITE}/{i}" for i in run.features[SITE].strongest(run.n_tokens - 1, 2)[0].tolist())
    a, b = (sw.ablate(one),), (sw.ablate(other),)
    found = compare_payload(Side(scope, ONE, a, SITE), Side(scope, ONE, b, SITE))
    log_p, log_q = (scope.run(ONE, edits).log_probabilities().double() for edits in (a, b))
    assert found.controlled == 1 and found.predictions is not None
    assert found.predictions.kl == pytest.approx((log_p.exp() * (log_p - log_q)).sum(-1).numpy(), abs=2e-5)


def test_dictionaries_of_one_site_are_matched_by_direction(scope: Scope) -> None:
    small = f"{SITE}@small"
    found = compare_payload(Side(scope, ONE, (), SITE), Side(scope, ONE, (), small))
    assert found.match == "cosine" and "most like its own" in found.note
    one, other = (scope.dictionaries[key].directions.double() for key in (SITE, small))
    cosine = (one / one.norm(dim=1, keepdim=True)) @ (other / other.norm(dim=1, keepdim=True)).T
    a, b = dense(scope, ONE), dense(scope, ONE, site=small)
    pairs = found.features
    for i, p in enumerate(found.left_token.tolist()):
        rows = range(*pairs.indptr[i : i + 2].tolist())
        strongest = a[p].abs().topk(8).indices.tolist()
        assert [int(pairs.left[k]) for k in rows] == [j for j in strongest if a[p, j] != 0]
        for k in rows:
            mine, twin = int(pairs.left[k]), int(pairs.right[k])
            assert pairs.cosine[k] == pytest.approx(float(cosine[mine].max()), abs=1e-5)
            assert float(cosine[mine, twin]) == pytest.approx(float(cosine[mine].max()), abs=1e-6)
            assert pairs.a[k] == pytest.approx(float(a[p, mine]), abs=1e-5)
            assert pairs.b[k] == pytest.approx(float(b[p, twin]), abs=1e-5)


def test_dictionaries_of_two_sites_are_not_matched(scope: Scope) -> None:
    found = compare_payload(Side(scope, ONE, (), SITE), Side(scope, ONE, (), "resid_post.1"))
    assert found.match == "none" and len(found.features.left) == 0
    assert "cannot be compared one by one" in found.note


def test_two_models_with_one_dictionary(scope: Scope) -> None:
    early = sw.demo(checkpoint="early")
    other = Scope(early.model, {SITE: scope.dictionaries[SITE]}, name="early")
    found = compare_payload(Side(scope, ONE, (), SITE), Side(other, ONE, (), SITE))
    assert (found.match, found.shared) == ("same", (SITE,)) and found.name_b == "early"
    log_p, log_q = logits(scope, ONE), logits(other, ONE)
    assert found.predictions is not None
    assert found.predictions.kl == pytest.approx((log_p.exp() * (log_p - log_q)).sum(-1).numpy(), abs=5e-5)
    assert same_dictionary(scope.dictionaries[SITE], scope.dictionaries[SITE])
    assert not same_dictionary(scope.dictionaries[SITE], scope.dictionaries["resid_post.1"])


def test_the_same_twice_differs_in_nothing(scope: Scope) -> None:
    found = compare_payload(Side(scope, ONE, (), SITE), Side(scope, ONE, (), SITE))
    assert len(found.features.left) == 0 and (found.name_a, found.name_b) == ("the same", "the same")
    assert found.predictions is not None and np.abs(found.predictions.kl).max() < 1e-6
    assert encode(found)


def test_long_texts_have_numbers_where_one_looks(scope: Scope) -> None:
    text = "Mira saw a red boat. " * 30
    found = compare_payload(Side(scope, text, (), SITE), Side(scope, text + "Tom", (), SITE), 7)
    assert found.predictions is not None and found.predictions.positions.tolist() == [7, len(found.left_token) - 1]
    assert found.pair == 7 and len(found.features.indptr) == len(found.left_token) + 1


def test_a_stop_is_heard(scope: Scope) -> None:
    def check() -> None:
        raise WidgetError("stop", "")

    with pytest.raises(WidgetError, match="stop"):
        compare_payload(Side(scope, ONE, (), SITE), Side(scope, OTHER, (), SITE), check=check)
