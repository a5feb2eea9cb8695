"""The algebra as values: JSON and code both ways, groups, order of composition, what is refused, what is said."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import saewidgets as sw
from saewidgets.errors import EditError, SaewidgetsError
from saewidgets.interventions import Source, from_json, inverse, make_writes, to_code, to_json
from saewidgets.interventions.edits import Edit
from saewidgets.interventions.features import final_features, write_dictionary
from saewidgets.interventions.propagation import describe
from saewidgets.interventions.targets import as_target
from saewidgets.interventions.writes import group
from saewidgets.runs.control import RandomDirection, active_tokens, control_bands, like_edits
from saewidgets.sites import FeatureId, Site
from tests.dictionaries.test_dictionary import make
from tests.model import tiny

IDS, OTHER = tiny.prompt(), tiny.prompt(1)
X = torch.randn(1, 9, 6, generator=torch.Generator().manual_seed(0))
DICTIONARY, *_ = make("topk", seed=5)
numbers = st.floats(-1e6, 1e6)
features = st.builds(lambda i: f"resid_post.2/{i}", st.integers(0, 99))
names = st.text(max_size=20)
ones = st.one_of(
    features,
    st.builds(sw.Group, st.lists(features, min_size=1, max_size=4, unique=True), names),
    st.builds(
        lambda v, n: sw.Direction("resid_post.2", v, n),
        st.lists(st.floats(-9, 9, width=32), min_size=1, max_size=5).filter(lambda v: bool(np.any(np.float32(v)))),
        names,
    ),
)
wholes = st.one_of(
    st.sampled_from(["resid_post.1", "embed", "attn_z.0"]),
    st.builds(sw.Head, st.integers(0, 30), st.integers(0, 30)),
    st.builds(
        sw.Pattern,
        st.integers(0, 30),
        st.none() | st.integers(0, 30),
        st.none() | st.lists(st.integers(0, 50), min_size=1),
    ),
)
spans = st.none() | st.sampled_from(["prompt", "generated"]) | st.lists(st.integers(0, 500), min_size=1)
texts = st.text(min_size=1, max_size=12) | st.lists(st.integers(0, 9), min_size=1, max_size=4)
plain_edits = st.one_of(
    st.builds(lambda t, p: sw.ablate(t, p), ones | wholes, spans),
    st.builds(lambda t, v, p: sw.scale(t, v, p), ones | wholes, numbers, spans),
    st.builds(lambda t, v, p, a: sw.clamp(t, v, p, when_active=a), ones, numbers, spans, st.booleans()),
    st.builds(lambda t, v, p, r: sw.steer(t, v, p, relative=r), ones, numbers, spans, st.booleans()),
    st.builds(
        lambda f, v, e, z: sw.clamp(f, v, error=e, latents=z),
        features,
        numbers,
        st.sampled_from(["keep", "drop"]),
        st.sampled_from(["edit", "re-encode"]),
    ),
    st.builds(lambda t, m: sw.ablate(t, mean_over=m), ones, st.lists(texts, min_size=1, max_size=3)),
)
edits = plain_edits | st.builds(
    lambda t, s, inner, p: sw.patch(t, s, p, source_positions=p, source_edits=inner),
    ones | wholes,
    texts,
    st.lists(plain_edits, max_size=2),
    st.none() | st.lists(st.integers(0, 50), min_size=1, unique=True).map(sorted),
)


@given(st.lists(edits, max_size=4))
def test_json_and_code_bring_every_edit_back(given_edits):
    import json

    assert list(from_json(json.loads(json.dumps(to_json(given_edits))))) == given_edits
    assert eval(to_code(given_edits), {"sw": sw}) == given_edits
    assert len({*given_edits, *from_json(to_json(given_edits))}) == len(set(given_edits))
    assert all(edit.words for edit in given_edits)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("resid_post.2/17", FeatureId("resid_post.2", 17)),
        ("resid_post.2", Site("resid_post", 2)),
        ("blocks.2.hook_resid_post", Site("resid_post", 2)),
        ("head.1.3", sw.Head(1, 3)),
        ("pattern.1.3", sw.Pattern(1, 3)),
        ("pattern.1", sw.Pattern(1)),
        (["resid_post.2/4", "resid_post.2/3"], sw.Group(["resid_post.2/4", "resid_post.2/3"])),
    ],
)
def test_targets_are_read_from_text(text, target):
    assert as_target(text) == target


@pytest.mark.parametrize(
    "make_one",
    [
        lambda: sw.steer("head.1.3", 1.0),
        lambda: sw.clamp("resid_post.2", 1.0),
        lambda: sw.ablate("resid_post.2", error="drop"),
        lambda: sw.ablate("head.1.3", latents="re-encode"),
        lambda: sw.ablate("resid_post.2/1", latents="sometimes"),
        lambda: sw.ablate("pattern.1.3", mean_over=["a"]),
        lambda: sw.ablate("resid_post.2/1", mean_over=[]),
        lambda: sw.ablate("resid_post.2/1", mean_over="one text"),
        lambda: sw.ablate("resid_post.2/1", positions="everywhere"),
        lambda: sw.ablate("attn_pattern.1"),
        lambda: sw.ablate("head.1"),
        lambda: sw.ablate([]),
        lambda: sw.ablate(["resid_post.2/1"] * 2),
        lambda: sw.patch("resid_post.2", 3),
        lambda: sw.patch("resid_post.2", "a", positions="generated"),
        lambda: sw.patch("resid_post.2", "a", source_positions=[1]),
        lambda: sw.patch("resid_post.2", "a", positions=[1, 2], source_positions=[3]),
        lambda: sw.patch("resid_post.2", "a", positions=[1, 2], source_positions=[4, 3]),
        lambda: sw.Direction("resid_post.2", [0.0, 0.0]),
        lambda: sw.Direction("resid_post.2", [float("nan")]),
        lambda: sw.Direction("resid_post.2", "f32:!!!"),
        lambda: sw.Direction("resid_post.2", "f32:AAA="),
        lambda: sw.Direction("resid_post.2", torch.ones(2, 2)),
        lambda: sw.Direction("nowhere", [1.0]),
        lambda: sw.Head(-1, 0),
        lambda: sw.Head(True, 0),
        lambda: sw.Pattern(0, 10**9),
        lambda: Edit("resid_post.2/1", "ablate"),
        lambda: Edit(FeatureId("resid_post.2", 1), "scale", 2.0, source=Source(("a",))),
        lambda: Edit(FeatureId("resid_post.2", 1), "patch"),
        lambda: Edit(FeatureId("resid_post.2", 1), "scale", 2.0, relative=True),
        lambda: Edit(FeatureId("resid_post.2", 1), "scale", 2.0, when_active=True),
        lambda: from_json([{"kind": "ablate", "target": {"head": 3}}]),
        lambda: from_json([{"kind": "ablate", "target": 3}]),
        lambda: from_json([{"kind": "patch", "target": "embed", "source": 3}]),
        lambda: from_json([{"kind": "patch", "target": "embed", "source": {"prompts": [[]]}}]),
        lambda: from_json([{"kind": "patch", "target": "embed", "source": {"prompts": ["a"] * 2000}}]),
        lambda: from_json(nested(9)),
    ],
)
def test_nonsense_is_refused(make_one):
    with pytest.raises(SaewidgetsError):
        make_one()


def nested(depth):
    inner = [] if depth == 0 else nested(depth - 1)
    return [{"kind": "patch", "target": "embed", "source": {"prompts": ["a"], "edits": inner}}]


def test_positions_of_a_patch_stay_paired():
    edit = sw.patch("resid_post.2", "a", positions=[5, 2], source_positions=[7, 3])
    assert edit.positions == (2, 5) and edit.source.positions == (3, 7)


@pytest.mark.parametrize(
    "edit",
    [
        sw.ablate("resid_post.2/1"),
        sw.scale("resid_post.2/1", 0),
        sw.clamp("resid_post.2/1", 3),
        sw.patch("embed", "a"),
        sw.steer("resid_post.2/1", 3, error="drop"),
        sw.steer("resid_post.2/1", 3, latents="re-encode"),
        sw.steer(sw.Direction("resid_post.2", [1.0]), 1, relative=True),
    ],
)
def test_what_forgets_has_no_inverse(edit):
    with pytest.raises(EditError, match="no inverse"):
        inverse(edit)


def the_active():
    return [int(i) for i in DICTIONARY.encode(X)[0].sum(0).topk(3).indices]


def test_a_group_is_each_of_its_features():
    first, second, _ = the_active()
    names = [f"resid_post.1/{first}", f"resid_post.1/{second}"]
    ((_, write),) = make_writes([sw.scale(names, 3.0)], {"resid_post.1": DICTIONARY}).items()
    ((_, each),) = make_writes([sw.scale(name, 3.0) for name in names], {"resid_post.1": DICTIONARY}).items()
    f = DICTIONARY.encode(X)
    expected = X + 2 * (f[..., [first, second]] @ DICTIONARY.W_dec[[first, second]])
    torch.testing.assert_close(write(X, {}, 0), expected, atol=1e-5, rtol=1e-5)
    assert torch.equal(write(X, {}, 0), each(X, {}, 0))


@pytest.mark.parametrize("error", ["keep", "drop"])
def test_re_encoding_lets_the_next_latent_in(error):
    index = the_active()[0]
    edit = sw.ablate(f"resid_post.1/{index}", [1, 4], error, latents="re-encode")
    f = DICTIONARY.encode(X)
    kept = X - DICTIONARY.decode(f) if error == "keep" else torch.zeros_like(X)
    edited = f.clone()
    edited[..., index] = 0
    again = DICTIONARY.encode(DICTIONARY.decode(edited) + kept)
    expected = X.clone()
    expected[:, [1, 4]] = (DICTIONARY.decode(again) + kept)[:, [1, 4]]
    torch.testing.assert_close(write_dictionary(DICTIONARY, [edit], X, X, 0), expected, atol=1e-5, rtol=1e-5)
    features = final_features(DICTIONARY, [edit], X, X, 0)
    torch.testing.assert_close(features[:, [1, 4]], again[:, [1, 4]], atol=1e-5, rtol=1e-5)
    assert torch.equal(features[:, [0, 2]], f[:, [0, 2]])
    # Another set of latents than the one that was edited: the point of the choice.
    assert ((again[:, [1, 4]] > 0) != (edited[:, [1, 4]] > 0)).any()


def test_steps_at_one_site_come_in_the_order_of_the_list():
    direction = sw.Direction("resid_post.1", [1.0, 0, 0, 0, 0, 0])
    double, push = sw.scale("resid_post.1", 2.0), sw.steer(direction, 3.0)
    feature, again = sw.steer("resid_post.1/3", 1.0), sw.steer("resid_post.1/4", 1.0)

    def made(*edits):
        ((_, write),) = make_writes(edits, {"resid_post.1": DICTIONARY}).items()
        return write(X, {}, 0)

    d = torch.tensor(direction.vector)
    torch.testing.assert_close(made(double, push), 2 * X + 3 * d)
    torch.testing.assert_close(made(push, double), 2 * (X + 3 * d))
    rows = DICTIONARY.W_dec[3] + DICTIONARY.W_dec[4]
    # Edits on one dictionary are one step, made where the first of them stands.
    torch.testing.assert_close(made(feature, double, again), 2 * (X + rows), atol=1e-5, rtol=1e-5)


def test_edits_on_one_dictionary_agree():
    with pytest.raises(EditError, match="both edit latents and re-encode"):
        group(
            [sw.ablate("resid_post.1/1"), sw.ablate("resid_post.1/2", latents="re-encode")],
            {"resid_post.1": DICTIONARY},
        )


def test_the_conditions_are_said():
    known = {"resid_post.1": DICTIONARY}
    said = describe([sw.ablate("resid_post.1/1")], known, "free")
    assert said.startswith("free propagation · error term kept · latents edited, not re-encoded (")
    dropped = sw.ablate("resid_post.1/1", error="drop", latents="re-encode")
    assert "error term dropped · latents re-encoded after the edit" in describe([dropped], known, "direct")
    relu, *_ = make("relu")
    assert describe([sw.ablate("resid_post.1/1")], {"resid_post.1": relu}, "free").endswith("error term kept")


def test_patching_a_run_is_patching_its_prompt_and_edits(llama):
    source = llama.scope.run_ids(OTHER, edits=[sw.scale("resid_post.0", 2.0)])
    edit = sw.patch("resid_post.1", source)
    assert edit == sw.patch("resid_post.1", OTHER, source_edits=[sw.scale("resid_post.0", 2.0)])
    # The whole residual stream of another run: from there on everything is that run.
    patched = llama.scope.run_ids(IDS, edits=[edit])
    torch.testing.assert_close(patched.logits, source.logits, atol=1e-5, rtol=1e-5)
    with pytest.raises(EditError, match="free"):
        sw.patch("resid_post.1", llama.scope.run_ids(OTHER, propagation="direct"))


def test_a_patch_from_another_place(llama):
    edit = sw.patch("embed", IDS, positions=[3, 6], source_positions=[4, 9])
    moved = [*IDS]
    moved[3], moved[6] = IDS[4], IDS[9]
    torch.testing.assert_close(
        llama.scope.run_ids(IDS, edits=[edit]).logits, llama.scope.run_ids(moved).logits, atol=1e-5, rtol=1e-5
    )


def test_runs_of_different_propagation_are_kept_apart(llama):
    edits = [sw.steer("resid_post.0/3", 5.0)]
    runs = {p: llama.scope.run_ids(IDS, edits=edits, propagation=p) for p in ("free", "frozen_attention", "direct")}
    assert {p: run.propagation for p, run in runs.items()} == {p: p for p in runs}
    assert all(llama.scope.run_ids(IDS, edits=edits, propagation=p) is runs[p] for p in runs)
    assert len({run.logits.sum().item() for run in runs.values()}) == 3


@pytest.mark.parametrize("propagation", ["free", "direct"])
def test_features_of_an_edited_run_are_those_that_were_written(llama, propagation):
    edits = [sw.scale("resid_post.1", 1.5), sw.clamp(["resid_post.1/3", "resid_post.1/4"], 2.0, [2, 5])]
    dictionary = llama.scope.dictionaries["resid_post.1"]
    run = llama.scope.run_ids(IDS, edits=edits, propagation=propagation)
    x = llama.scope.model.trace(IDS, ["resid_post.1"]).values[Site("resid_post", 1)][0] * 1.5
    f = dictionary.encode(x)
    f[[[2], [5]], [3, 4]] = 2.0
    torch.testing.assert_close(run.features["resid_post.1"].to_dense(), f, atol=1e-4, rtol=1e-4)


def counts_of(run):
    return {key: active_tokens(sparse) for key, sparse in run.features.items()}


def test_controls_of_what_is_no_feature(llama):
    base = llama.scope.run_ids(IDS)
    direction = sw.Direction("resid_post.1", torch.arange(16.0))
    given_edits = [sw.ablate(["resid_post.1/3", "resid_post.0/4"]), sw.steer(direction, 2.0), sw.ablate("head.1.0")]
    like = like_edits(given_edits, counts_of(base), torch.Generator().manual_seed(0), n_heads=2)
    assert not set(like[0].features) & set(given_edits[0].features)
    assert [f.dictionary for f in like[0].features] == ["resid_post.1", "resid_post.0"]
    vector = like[1].target.vector
    assert np.isclose(np.linalg.norm(vector), np.linalg.norm(direction.vector), rtol=1e-5)
    assert abs(np.corrcoef(vector, direction.vector)[0, 1]) < 0.9
    assert like[2].target == sw.Head(1, 1)


def test_a_random_change_of_a_pattern_sees_no_later_token(llama):
    model = llama.scope.model
    writes = make_writes([sw.ablate("pattern.1.0")], {}, model, len(IDS))
    site = Site("attn_pattern", 1)
    changed = model.trace(IDS, [site], {site: RandomDirection(writes[site], 0)})
    moved = changed.values[site] - changed.before[site]
    assert torch.equal(moved, moved.tril())
    was = model.trace(IDS, [site]).values[site]
    torch.testing.assert_close(moved[:, 0].norm(dim=-1), was[:, 0].norm(dim=-1), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("propagation", ["free", "frozen_attention", "direct"])
def test_the_control_travels_as_the_edit_does(llama, propagation):
    given_edits = (sw.clamp("resid_post.1/3", 4.0),)
    base = llama.scope.run_ids(IDS)
    words = torch.tensor([[1, 2]])
    control = control_bands(
        llama.scope, base, given_edits, [13], words, 0, lambda: None, None, n=3, propagation=propagation
    )
    draw, kls = torch.Generator().manual_seed(0), []
    p = base.logits[13].double().log_softmax(-1)
    for _ in range(3):
        like = like_edits(given_edits, counts_of(base), draw, n_heads=2)
        q = llama.scope.run_ids(IDS, edits=like, propagation=propagation).logits[13].double().log_softmax(-1)
        kls.append(float((p.exp() * (p - q)).sum()))
    np.testing.assert_allclose(control.kl_features[0], [min(kls), max(kls)], rtol=1e-3, atol=1e-5)
