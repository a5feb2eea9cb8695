"""The heatmap's payload: every number against the runs it comes from; the control; the code that makes it again."""

import numpy as np
import pytest
import torch

import saewidgets as sw
from saewidgets.errors import Cancelled, SaewidgetsError
from saewidgets.interventions import make_writes
from saewidgets.payloads import decode, encode
from saewidgets.runs.control import RandomDirection, active_tokens, like_edits
from saewidgets.runs.heatmap import HeatmapRequest, code, default_features, heatmap_payload

PROMPT = "the red boat"
FEATURES = ("resid_post.1/3", "", "resid_post.0/1")
EDITS = (sw.clamp("resid_post.1/3", 6.0),)


@pytest.fixture(scope="module")
def payload(tiny):
    return heatmap_payload(tiny, HeatmapRequest(PROMPT, FEATURES, EDITS), control=True)


def test_without_edits_there_is_no_after(tiny):
    payload = heatmap_payload(tiny, HeatmapRequest(PROMPT, FEATURES))
    assert payload.predictions.after is None and payload.surprise_after is None and payload.control is None
    assert all(s.strongest_after is None and s.error_after is None for s in payload.sites)
    assert payload.selection == 12 and payload.fill == "resid_post.1/3" and payload.n_edits == 0


def test_the_numbers_are_those_of_the_runs(tiny, payload):
    base, edited = tiny.run(PROMPT), tiny.run(PROMPT, EDITS)
    for feature in payload.features:
        np.testing.assert_array_equal(feature.values, base.activation(feature.id).numpy())
        np.testing.assert_array_equal(feature.after, edited.activation(feature.id).numpy())
        shown = np.concatenate([feature.values[1:], feature.after[1:]])
        assert feature.maximum == pytest.approx(shown.max()), "position 0 does not set the scale"
    np.testing.assert_allclose(payload.surprise, base.surprise.numpy())
    p, q = base.logits.double().softmax(-1), edited.logits.double().softmax(-1)
    np.testing.assert_allclose(payload.predictions.kl, (p * (p / q).log()).sum(-1).numpy(), atol=1e-4, rtol=1e-3)
    for row, position in enumerate(payload.predictions.positions):
        words = [payload.predictions.vocabulary[i] for i in payload.predictions.token[row]]
        order = torch.maximum(p, q)[position].topk(len(words)).indices.tolist()
        assert words == base.vocabulary.strings(order)
        np.testing.assert_allclose(payload.predictions.before[row], p[position][order].numpy(), atol=1e-5)
        np.testing.assert_allclose(payload.predictions.after[row], q[position][order].numpy(), atol=1e-5)
    for site in payload.sites:
        dense = base.features[site.key].to_dense()
        for t in range(base.n_tokens):
            span = slice(site.strongest.indptr[t], site.strongest.indptr[t + 1])
            expected = dense[t].sort(descending=True).values[: span.stop - span.start].numpy()
            np.testing.assert_array_equal(site.strongest.value[span], expected)
        np.testing.assert_array_equal(site.active, (dense != 0).sum(1).numpy())
        np.testing.assert_allclose(site.error, (base.errors[site.key] / base.norms[site.key]).numpy())


def test_slots_edits_and_labels_are_said(payload):
    first, second = payload.features
    assert (first.slot, second.slot) == (0, 2)
    assert first.edit == "clamp 6" and first.scale is None and second.edit == "" and second.scale == 1.0
    assert first.label == "colour word"
    assert {label.id for label in payload.labels} >= {"resid_post.1/3"}


def test_it_survives_the_codec(payload):
    assert encode(decode(encode(payload))) == encode(payload)


def test_the_code_makes_the_same_view_again(tiny, payload):
    from unittest import mock

    with mock.patch.object(sw, "TokenHeatmap", create=True) as made:
        eval(payload.context.code, {"sw": sw, "scope": tiny})
    (scope, prompt), arguments = made.call_args
    assert scope is tiny and prompt == PROMPT
    assert arguments["features"] == [f for f in FEATURES if f] and arguments["edits"] == list(EDITS)
    assert "error_term" not in arguments
    assert "error_term='dropped'" in code(HeatmapRequest(PROMPT, error_term="dropped"))


def test_the_error_switch_applies_to_every_edit(tiny):
    kept = heatmap_payload(tiny, HeatmapRequest(PROMPT, FEATURES, EDITS))
    dropped = heatmap_payload(tiny, HeatmapRequest(PROMPT, FEATURES, EDITS, error_term="dropped"))
    assert kept.context.error == "kept" and dropped.context.error == "dropped"
    expected = tiny.run(PROMPT, [sw.clamp("resid_post.1/3", 6.0, error="drop")])
    np.testing.assert_array_equal(dropped.surprise_after, expected.surprise.numpy())
    assert (kept.predictions.kl != dropped.predictions.kl).any()


def test_a_glance_is_the_whole_picture_without_the_dictionaries_out_of_view(tiny):
    request = HeatmapRequest("a green boat", ("resid_post.1/3",), EDITS, site="resid_post.0")
    glance = heatmap_payload(tiny, request, glance=True)
    whole = heatmap_payload(tiny, request)
    fresh = heatmap_payload(sw.Scope(tiny.model, tiny.dictionaries), request)
    assert [s.key for s in glance.sites] == [s.key for s in whole.sites]
    for site, other, again in zip(glance.sites, whole.sites, fresh.sites, strict=True):
        np.testing.assert_array_equal(other.strongest.index, again.strongest.index)
        np.testing.assert_allclose(other.error, again.error, atol=1e-5)
        if site.key in ("resid_post.0", "resid_post.1"):
            begin, end = other.strongest.indptr[-2:]
            np.testing.assert_array_equal(site.strongest.value, other.strongest.value[begin:end])
            assert site.strongest.indptr[-2] == 0, "only the last token was asked for"
            np.testing.assert_array_equal(site.error_after, other.error_after)
        else:
            assert len(site.strongest.index) == 0
            assert not site.active.any()
            assert other.active.any()
    assert glance.predictions.positions.tolist() == [whole.selection]
    np.testing.assert_allclose(glance.predictions.after, whole.predictions.after[-1:], rtol=1e-6)
    np.testing.assert_array_equal(glance.features[0].after, whole.features[0].after)


def test_the_control_is_the_same_edit_on_other_features(tiny, payload):
    base = tiny.run(PROMPT)
    counts = {key: active_tokens(sparse) for key, sparse in base.features.items()}
    draw = torch.Generator().manual_seed(0)
    n = payload.control.n
    kls, probabilities = [], []
    p = base.logits.double().log_softmax(-1)
    ids = torch.maximum(base.log_probabilities(), tiny.run(PROMPT, EDITS).log_probabilities()).topk(8).indices
    for _ in range(n):
        edits = like_edits(EDITS, counts, draw)
        assert [e.kind for e in edits] == ["clamp"] and edits[0].feature != EDITS[0].feature
        q = tiny.run(PROMPT, edits).logits.double().log_softmax(-1)
        kls.append((p.exp() * (p - q)).sum(-1))
        probabilities.append(q.exp().gather(1, ids))
    kls, probabilities = torch.stack(kls), torch.stack(probabilities)
    np.testing.assert_allclose(payload.control.kl_features[:, 0], kls.min(0).values, atol=1e-3)
    np.testing.assert_allclose(payload.control.kl_features[:, 1], kls.max(0).values, atol=1e-3)
    np.testing.assert_allclose(payload.control.low, probabilities.min(0).values, atol=1e-4)
    np.testing.assert_allclose(payload.control.high, probabilities.max(0).values, atol=1e-4)


def test_random_directions_have_the_norm_of_the_edit(tiny):
    ((site, write),) = make_writes(EDITS, tiny.dictionaries).items()
    x = torch.randn(1, 6, 16)
    moved = RandomDirection(write, 3)(x, {}, 0) - x
    torch.testing.assert_close(moved.norm(dim=-1), (write(x, {}, 0) - x).norm(dim=-1), atol=1e-5, rtol=1e-4)
    assert site == tiny.dictionaries["resid_post.1"].site_out
    unit = moved[0] / moved[0].norm(dim=-1, keepdim=True)
    torch.testing.assert_close(unit, unit[:1].expand_as(unit), atol=1e-4, rtol=1e-4)


def test_a_stale_request_stops_between_forwards(tiny):
    calls = []

    def check():
        calls.append(1)
        if len(calls) == 4:
            raise Cancelled("Replaced by a newer request.")

    with pytest.raises(Cancelled):
        heatmap_payload(tiny, HeatmapRequest(PROMPT + "!", FEATURES, EDITS), control=True, check=check)
    assert len(calls) == 4


def test_long_prompts_carry_predictions_only_where_asked(tiny):
    payload = heatmap_payload(tiny, HeatmapRequest("a b c " * 25, FEATURES, selection=40, positions=(7, 10**9)))
    assert payload.predictions.positions.tolist() == [7, 40, 150]
    assert payload.sites[0].strongest.indptr[7] == 0 < payload.sites[0].strongest.indptr[8]
    assert len(payload.features[0].values) == 151


def test_default_features_are_the_strongest_at_the_end(tiny):
    run = tiny.run(PROMPT)
    expected = run.top(position=-1, n=3, dictionary="resid_post.1@small")["feature"].tolist()
    assert list(default_features(tiny, PROMPT, "resid_post.1@small")) == expected


@pytest.mark.parametrize(
    "request_",
    [
        HeatmapRequest(""),
        HeatmapRequest("x" * 500),
        HeatmapRequest(PROMPT, ("resid_post.1/40",)),
        HeatmapRequest(PROMPT, ("<b>",)),
        HeatmapRequest(PROMPT, tuple(f"resid_post.1/{n}" for n in range(99))),
        HeatmapRequest(PROMPT, site="resid_post.7"),
        HeatmapRequest(PROMPT, error_term="gone"),
    ],
)
def test_requests_that_do_not_fit(tiny, request_):
    with pytest.raises(SaewidgetsError):
        heatmap_payload(tiny, request_)
