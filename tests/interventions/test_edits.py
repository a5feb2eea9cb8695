"""Edits as values, and what each does to an activation, against plain formulas."""

import copy
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from saewidgets.dictionaries.norm import Norm
from saewidgets.errors import EditError, FeatureError, SaewidgetsError
from saewidgets.interventions import ablate, clamp, from_json, make_writes, scale, steer, to_code, to_json
from saewidgets.interventions.features import edit_features, write_dictionary
from tests.dictionaries.test_dictionary import make

ID = "resid_post.1/7"
DICTIONARY, *_ = make("topk", seed=5)
X = torch.randn(1, 9, 6, generator=torch.Generator().manual_seed(0))


def the_active_feature() -> int:
    return int(DICTIONARY.encode(X)[0].sum(0).argmax())


def formula(kind, value, f, d, x, relative=False):
    """x' for one token: f a float, d and x vectors."""
    if relative:
        return x + value * x.norm() * d / d.norm()
    target = {"ablate": 0.0, "scale": f * value, "clamp": value, "steer": f + value}[kind]
    return x + (target - f) * d


@pytest.mark.parametrize(
    ("edit", "kind", "value", "relative"),
    [
        (lambda i: ablate(i), "ablate", 0, False),
        (lambda i: scale(i, 2.5), "scale", 2.5, False),
        (lambda i: clamp(i, 3.0), "clamp", 3.0, False),
        (lambda i: steer(i, -1.5), "steer", -1.5, False),
        (lambda i: steer(i, 0.7, relative=True), "steer", 0.7, True),
    ],
)
@pytest.mark.parametrize("positions", [None, [2, 5]])
def test_each_edit_does_what_its_formula_says(edit, kind, value, relative, positions):
    index = the_active_feature()
    made = edit(f"resid_post.1/{index}")
    made = from_json([{**to_json([made])[0], "positions": positions}])[0]
    result = write_dictionary(DICTIONARY, [made], X, X, 0)
    f = DICTIONARY.encode(X)[0, :, index]
    for t in range(9):
        expected = X[0, t]
        if positions is None or t in positions:
            expected = formula(kind, value, f[t], DICTIONARY.W_dec[index], X[0, t], relative)
        torch.testing.assert_close(result[0, t], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["layer_norm", "token_norm"])
def test_relative_steering_counts_in_norms_of_the_activation_whatever_the_dictionary_normalises(kind):
    normalising = replace(DICTIONARY, norm=Norm(kind))
    result = write_dictionary(normalising, [steer(ID, 0.7, relative=True)], X, X, 0)
    for t in range(9):
        torch.testing.assert_close(result[0, t], formula("steer", 0.7, 0, DICTIONARY.W_dec[7], X[0, t], relative=True))


def test_dropping_the_error_writes_the_reconstruction():
    index = the_active_feature()
    edit = ablate(f"resid_post.1/{index}", positions=[1, 4], error="drop")
    result = write_dictionary(DICTIONARY, [edit], X, X, 0)
    f = DICTIONARY.encode(X)
    f[..., index] = 0
    expected = X.clone()
    expected[:, [1, 4]] = DICTIONARY.decode(f)[:, [1, 4]]
    torch.testing.assert_close(result, expected)


def test_positions_are_those_of_the_prompt_when_only_a_suffix_is_computed():
    edit = clamp("resid_post.1/3", 2.0, positions=[2, 6])
    whole = write_dictionary(DICTIONARY, [edit], X, X, 0)
    suffix = write_dictionary(DICTIONARY, [edit], X[:, 4:], X[:, 4:], 4)
    torch.testing.assert_close(suffix, whole[:, 4:])


def test_edits_compose_in_the_order_of_the_list():
    index = the_active_feature()
    name = f"resid_post.1/{index}"
    f = DICTIONARY.encode(X)
    first = edit_features(DICTIONARY, [steer(name, 1.0), scale(name, 3.0)], f, X, X, 0)
    second = edit_features(DICTIONARY, [scale(name, 3.0), steer(name, 1.0)], f, X, X, 0)
    torch.testing.assert_close(first[..., index], (f[..., index] + 1) * 3)
    torch.testing.assert_close(second[..., index], f[..., index] * 3 + 1)
    assert (first != second).any()


def test_an_edit_and_its_inverse_cancel_within_rounding():
    name = "resid_post.1/3"
    result = write_dictionary(DICTIONARY, [steer(name, 2.0), steer(name, -2.0)], X, X, 0)
    torch.testing.assert_close(result, X, atol=1e-6, rtol=1e-6)


def test_a_transcoder_writes_where_it_writes():
    transcoder, *_ = make("relu", seed=2, d_out=5)
    y = torch.randn(1, 9, 5)
    f = transcoder.encode(X)
    index = int(f[0].sum(0).argmax())
    result = write_dictionary(transcoder, [ablate(f"mlp_in.1/{index}")], X, y, 0)
    torch.testing.assert_close(result, y - f[..., index : index + 1] * transcoder.W_dec[index], atol=1e-5, rtol=1e-5)


def test_two_dictionaries_at_one_site_are_written_one_after_the_other():
    other, *_ = make("relu", seed=9)
    both = {"resid_post.1": DICTIONARY, "resid_post.1@other": other}
    edits = [clamp("resid_post.1/3", 2.0), ablate("resid_post.1@other/1"), clamp("resid_post.1/4", 1.0)]
    ((site, write),) = make_writes(edits, both).items()
    first = write_dictionary(DICTIONARY, [edits[0], edits[2]], X, X, 0)
    assert site == DICTIONARY.site_out
    torch.testing.assert_close(write(X, {}, 0), write_dictionary(other, [edits[1]], first, first, 0))


def test_edits_are_values():
    edit = steer(ID, 0.5, positions=[3, 1, 3], relative=True)
    assert edit.positions == (1, 3)
    assert len({edit, copy.copy(edit), steer(ID, 0.5, positions=(1, 3), relative=True)}) == 1
    with pytest.raises(AttributeError):
        edit.value = 3


@given(
    st.lists(
        st.builds(
            lambda f, kind, value, positions, error: from_json(
                [{"kind": kind, "feature": f"resid_post.2/{f}", "value": value, "positions": positions, "error": error}]
            )[0],
            st.integers(0, 999),
            st.sampled_from(["ablate", "scale", "clamp", "steer"]),
            st.floats(-1e6, 1e6),
            st.none() | st.lists(st.integers(0, 500), min_size=1),
            st.sampled_from(["keep", "drop"]),
        ),
        max_size=5,
    )
)
def test_json_and_code_bring_edits_back(edits):
    import saewidgets as sw

    assert list(from_json(to_json(edits))) == edits
    assert eval(to_code(edits), {"sw": sw}) == edits


@pytest.mark.parametrize(
    "make_one",
    [
        lambda: scale(ID, float("nan")),
        lambda: clamp(ID, float("inf")),
        lambda: steer(ID, 1e300),
        lambda: scale(ID, "2"),
        lambda: scale(ID, True),
        lambda: ablate(ID, positions=[-1]),
        lambda: ablate(ID, positions=[]),
        lambda: ablate(ID, positions="all"),
        lambda: ablate(ID, positions=[1.5]),
        lambda: ablate(ID, positions=[10**12]),
        lambda: ablate(ID, error="maybe"),
        lambda: from_json("ablate"),
        lambda: from_json([3]),
        lambda: from_json([{"kind": "ablate"}]),
        lambda: from_json([{"kind": "explode", "feature": ID}]),
        lambda: from_json([{"kind": "ablate", "feature": ID}] * 1001),
    ],
)
def test_nonsense_is_an_edit_error(make_one):
    with pytest.raises(EditError):
        make_one()


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x",
        "resid_post.2/-1",
        "resid_post.2/1e9",
        "/3",
        3,
        None,
        "a b/1",
        "resid_post.2/" + "9" * 30,
        "blocks.1.hook_x/2",
    ],
)
def test_malformed_features(name):
    with pytest.raises(SaewidgetsError):
        ablate(name)


def test_features_and_dictionaries_that_are_not_there():
    with pytest.raises(FeatureError, match="Loaded"):
        make_writes([ablate("resid_post.3/1")], {"resid_post.1": DICTIONARY})
    with pytest.raises(FeatureError, match="20 features"):
        make_writes([ablate("resid_post.1/20")], {"resid_post.1": DICTIONARY})
    with pytest.raises(EditError, match="both keep and drop"):
        make_writes([ablate(ID), ablate("resid_post.1/3", error="drop")], {"resid_post.1": DICTIONARY})


@pytest.mark.parametrize("kind", ["relu", "jumprelu", "topk", "identity"])
def test_some_columns_are_those_of_all(kind: str) -> None:
    """`encoder_of` gives the columns of `encode`, gates and scales included."""
    from dataclasses import replace

    from saewidgets.dictionaries import Activation

    threshold = torch.linspace(0, 1, DICTIONARY.d_dict) if kind == "jumprelu" else None
    activation = Activation(kind, k=3 if kind == "topk" else None, threshold=threshold)
    scale = torch.linspace(0.5, 2, DICTIONARY.d_dict)
    made = replace(DICTIONARY, activation=activation, gate_scale=scale, value_scale=scale.flip(0))
    columns = [7, 0, 3]
    torch.testing.assert_close(made.encoder_of(columns)(X), made.encode(X)[..., columns])
