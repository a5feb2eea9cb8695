"""Every architecture against a plain float64 numpy formula, written without looking at the torch code."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from saewidgets.dictionaries import (
    Activation,
    Crosscoder,
    CrossLayerTranscoder,
    Dictionary,
    FeedForward,
    MatchingPursuit,
    Norm,
    Switch,
    Temporal,
)  # fmt: skip
from saewidgets.dictionaries.gated import fold_gated
from saewidgets.dictionaries.temporal import CodeAttention
from saewidgets.errors import DictionaryError
from saewidgets.sites import Site

SITE, OUT = Site("resid_post", 1), Site("mlp_out", 1)
D, M, N = 6, 20, 9


def draw(seed, **shapes):
    """float32 values as float64 arrays, so that both sides start from the same numbers."""
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape).astype(np.float32).astype(np.float64) for name, shape in shapes.items()}


def t(array):
    return torch.tensor(np.ascontiguousarray(array), dtype=torch.float32)


def close(actual, expected, tolerance=2e-5):
    np.testing.assert_allclose(actual.numpy(), expected, atol=tolerance, rtol=tolerance)


def relu(a):
    return np.maximum(a, 0)


def keep_largest(values, rank, k):
    """`values` where `rank` is among the k largest of its row, 0 elsewhere."""
    result = np.zeros_like(values)
    for row in np.ndindex(values.shape[:-1]):
        best = np.argsort(-rank[row])[:k]
        result[row][best] = values[row][best]
    return result


def act(kind, pre, k, theta):
    if kind == "identity":
        return pre
    if kind == "relu":
        return relu(pre)
    if kind == "topk":
        return relu(keep_largest(pre, pre, k))
    if kind == "topk signed":
        return keep_largest(pre, pre, k)
    if kind == "abstopk":
        return keep_largest(pre, np.abs(pre), k)
    if kind == "batchtopk":
        return relu(keep_largest(pre.reshape(1, -1), pre.reshape(1, -1), k * len(pre)).reshape(pre.shape))
    if kind == "groupmax":
        groups = pre.reshape(len(pre), k, -1)
        best = groups == groups.max(-1, keepdims=True)
        return relu((groups * best).reshape(pre.shape))
    assert kind in ("jumprelu", "prolu")
    return np.where((pre > theta) & (pre > 0), pre, 0)


def activation(kind, k, theta):
    if kind in ("jumprelu", "prolu"):
        return Activation(kind, threshold=t(theta))
    name, _, signed = kind.partition(" ")
    return Activation(name, k=None if name in ("relu", "identity") else k, rectify=not signed)


KINDS = ["identity", "relu", "topk", "topk signed", "abstopk", "batchtopk", "groupmax", "jumprelu", "prolu"]
NORMS = [Norm(), Norm("factor", 2.5), Norm("token_norm"), Norm("layer_norm")]


def normalise(norm, x):
    """`x` as the encoder sees it, and what undoes it: a factor and a shift for each token."""
    one, zero = np.ones((len(x), 1)), np.zeros((len(x), 1))
    if norm.kind == "factor":
        return x * norm.factor, one / norm.factor, zero
    if norm.kind == "token_norm":
        size = np.sqrt((x**2).sum(1, keepdims=True))
        return x * math.sqrt(x.shape[1]) / size, size / math.sqrt(x.shape[1]), zero
    if norm.kind == "layer_norm":
        mean, spread = x.mean(1, keepdims=True), x.std(1, ddof=1, keepdims=True)
        return (x - mean) / (spread + 1e-5), spread, mean
    return x, one, zero


@pytest.mark.parametrize("kind", KINDS)
@given(
    seed=st.integers(0, 10_000), norm=st.sampled_from(NORMS), subtract=st.booleans(), gate=st.booleans(),
    value=st.booleans(), row=st.booleans(), skip=st.booleans(),
)  # fmt: skip
def test_feed_forward_with_every_convention(kind, seed, norm, subtract, gate, value, row, skip):
    w = draw(seed, W_enc=(D, M), W_dec=(M, D), b_enc=M, b_dec=D, b_in=D, W_skip=(D, D), theta=M, x=(N, D))
    w |= {name: np.abs(array) + 0.2 for name, array in draw(seed + 1, gate=M, value=M, row=M).items()}
    w = {name: array.astype(np.float32).astype(np.float64) for name, array in w.items()}
    undo_factor = 1 / norm.factor  # a fixed factor is undone by the rows and the bias
    dictionary = FeedForward(
        t(w["W_enc"]), t(w["W_dec"]), t(w["b_enc"]), t(w["b_dec"] * undo_factor), activation(kind, 4, w["theta"]),
        SITE, SITE, b_in=t(w["b_in"]) if subtract else None, norm=norm,
        gate_scale=t(w["gate"]) if gate else None, value_scale=t(w["value"]) if value else None,
        row_scale=t(w["row"] * undo_factor) if row else torch.tensor(undo_factor),
        W_skip=t(w["W_skip"]) if skip else None,
    )  # fmt: skip
    seen, scale, shift = normalise(norm, w["x"])
    pre = (seen - w["b_in"] * subtract) @ w["W_enc"] + w["b_enc"]
    ranked = pre * w["gate"] if gate else pre
    # Selection looks at the gate, the value stays the pre-activation.
    f = np.where(act(kind, ranked, 4, w["theta"]) != 0, pre, 0) if kind != "identity" else pre
    f = f * w["value"] if value else f
    out = (f @ (w["W_dec"] * (w["row"][:, None] if row else 1)) + w["b_dec"]) * scale + shift
    out = out + w["x"] @ w["W_skip"] * skip
    close(dictionary.encode(t(w["x"])), f, 1e-4)
    close(dictionary.reconstruct(t(w["x"])), out, 1e-3)
    close(dictionary.error(t(w["x"])), w["x"] - out, 1e-3)
    unit = dictionary.unit_norm()
    close(unit.reconstruct(t(w["x"])), out, 1e-3)
    close(unit.rows(range(M)).norm(dim=1), np.ones(M))
    close(unit.directions.norm(dim=1), np.ones(M))
    close(dictionary.rows([3, 1]), dictionary.directions[[3, 1]].numpy())


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 10_000), scaled=st.booleans())
def test_sparse_blocks_equal_the_dense_encoding(kind, seed, scaled):
    w = draw(seed, W_enc=(D, M), W_dec=(M, D), b_enc=M, b_dec=D, theta=M, x=(N, D), gate=M)
    scale = t(np.abs(w["gate"]) + 0.3) if scaled else None
    dictionary = FeedForward(
        t(w["W_enc"]), t(w["W_dec"]), t(w["b_enc"]), t(w["b_dec"]), activation(kind, 4, w["theta"]), SITE, SITE,
        gate_scale=scale, value_scale=scale,
    )  # fmt: skip
    x = t(w["x"])
    from saewidgets.dictionaries import feedforward

    old, feedforward.BLOCK = feedforward.BLOCK, 3 * N  # three columns at a time
    try:
        sparse = dictionary.encode_sparse(x)
    finally:
        feedforward.BLOCK = old
    torch.testing.assert_close(sparse.to_dense(), dictionary.encode(x))
    assert (sparse.value != 0).all()
    for row in range(N):
        inside = sparse.index[sparse.indptr[row] : sparse.indptr[row + 1]]
        assert (inside.diff() > 0).all()


@given(seed=st.integers(0, 10_000))
def test_a_gated_encoder_is_the_jumprelu_it_folds_into(seed):
    w = draw(seed, W=(D, M), b_gate=M, b_mag=M, r_mag=M, x=(N, D))
    gate = w["x"] @ w["W"] + w["b_gate"] > 0
    expected = gate * relu(w["x"] @ (w["W"] * np.exp(w["r_mag"])) + w["b_mag"])
    W, b, jump = fold_gated(t(w["W"]), t(w["b_gate"]), t(w["b_mag"]), t(w["r_mag"]))
    close(jump(t(w["x"]) @ W + b), expected, 1e-4)


@given(seed=st.integers(0, 10_000), heaviside=st.booleans())
def test_switch(seed, heaviside):
    w = draw(seed, W_enc=(D, M), W_dec=(M, D), b_dec=D, W_r=(D, 4), b_r=D, x=(N, D))
    expected = np.zeros((N, M))
    for row, x in enumerate(w["x"]):
        scores = np.exp((x - w["b_r"]) @ w["W_r"])
        p, expert = scores / scores.sum(), int(scores.argmax())
        z = relu((x - w["b_dec"]) @ w["W_enc"])
        best = sorted(range(expert * 5, expert * 5 + 5), key=lambda i: -z[i])[:2]
        expected[row, best] = z[best] * (1 if heaviside else p[expert])
    dictionary = Switch(t(w["W_enc"]), t(w["W_dec"]), t(w["b_dec"]), t(w["W_r"]), t(w["b_r"]), 2, SITE, heaviside)
    close(dictionary.encode(t(w["x"])), expected)
    close(dictionary.reconstruct(t(w["x"])), expected @ w["W_dec"] + w["b_dec"], 1e-4)


@given(seed=st.integers(0, 10_000), threshold=st.sampled_from([0.0, 0.8]), stop=st.booleans(), rectify=st.booleans())
def test_matching_pursuit(seed, threshold, stop, rectify):
    w = draw(seed, W=(M, D), b=D, x=(N, D))
    W = w["W"] / np.linalg.norm(w["W"], axis=1, keepdims=True)
    W = W.astype(np.float32).astype(np.float64)
    expected = np.zeros((N, M))
    for f, x in zip(expected, w["x"], strict=True):
        left = x - w["b"]
        for _ in range(5):
            match = relu(W @ left) if rectify else W @ left
            i = int(match.argmax())
            support = set(np.flatnonzero(f))
            f[i] += match[i]
            left = left - match[i] * W[i]
            if (stop and set(np.flatnonzero(f)) == support) or (threshold and np.linalg.norm(left) < threshold):
                break
    dictionary = MatchingPursuit(t(W), t(w["b"]), 5, SITE, threshold, stop, rectify)
    close(dictionary.encode(t(w["x"])), expected, 1e-4)
    close(dictionary.reconstruct(t(w["x"])), expected @ W + w["b"], 1e-3)


def attention(seed):
    shapes = {"W_q": (M, 8), "b_q": 8, "W_k": (M, 8), "b_k": 8, "W_v": (M, M), "b_v": M, "W_o": (M, M), "b_o": M}
    return draw(seed, **shapes)


def predict(z, a, heads):
    before = np.vstack([np.zeros((1, M)), z[:-1]])
    q, k, v = z @ a["W_q"] + a["b_q"], before @ a["W_k"] + a["b_k"], before @ a["W_v"] + a["b_v"]
    mixed = np.zeros_like(z)
    for h in range(heads):
        narrow, wide = slice(h * 8 // heads, (h + 1) * 8 // heads), slice(h * M // heads, (h + 1) * M // heads)
        for token in range(len(z)):
            score = np.exp(q[token, narrow] @ k[: token + 1, narrow].T / math.sqrt(8 // heads))
            mixed[token, wide] = score / score.sum() @ v[: token + 1, wide]
    return relu(mixed @ a["W_o"] + a["b_o"])


@given(seed=st.integers(0, 10_000), layers=st.integers(0, 2), kind=st.sampled_from(["relu", "topk"]))
def test_temporal(seed, layers, kind):
    w = draw(seed, W=(M, D), b=D, x=(N, D))
    parts = [attention(seed + 1 + n) for n in range(layers)]
    left, predicted, lam = w["x"] * 2.0 - w["b"], np.zeros((N, M)), 1 / (4 * D)
    for a in parts:
        z = predict(relu(left * lam @ w["W"].T), a, 2)
        written = z @ w["W"]
        share = (written * left).sum(1, keepdims=True) / (np.linalg.norm(written, axis=1, keepdims=True) + 1e-6) ** 2
        predicted, left = predicted + z * share, left - share * written
    f = act(kind, left * lam @ w["W"].T, 4, None)
    dictionary = Temporal(
        t(w["W"].T), t(w["W"]), t(w["b"]), t(w["b"]),
        tuple(CodeAttention(**{name: t(v) for name, v in a.items()}, n_heads=2) for a in parts),
        activation(kind, 4, None), SITE, Norm("factor", 2.0),
    )  # fmt: skip
    close(dictionary.encode(t(w["x"])), f, 1e-3)
    close(dictionary.reconstruct(t(w["x"])), ((f + predicted) @ w["W"] + w["b"]) / 2, 1e-3)
    with pytest.raises(DictionaryError, match="context"):
        dictionary.decode(t(f))


@given(seed=st.integers(0, 10_000), factors=st.booleans())
def test_crosscoder(seed, factors):
    w = draw(seed, W_enc=(3, D, M), W_dec=(3, M, D), b_enc=M, b_dec=(3, D), x=(N, 3, D))
    s = np.array([0.5, 1.5, 2.0]) if factors else np.ones(3)
    f = relu(sum(s[m] * w["x"][:, m] @ w["W_enc"][m] for m in range(3)) + w["b_enc"])
    out = np.stack([(f @ w["W_dec"][m] + w["b_dec"][m]) / s[m] for m in range(3)], 1)
    dictionary = Crosscoder(
        t(w["W_enc"]), t(w["W_dec"]), t(w["b_enc"]), t(w["b_dec"]), Activation("relu"), (SITE, SITE, OUT),
        t(s) if factors else None,
    )  # fmt: skip
    close(dictionary.encode(t(w["x"])), f, 1e-4)
    close(dictionary.reconstruct(t(w["x"])), out, 1e-3)
    close(dictionary.unit_norm().reconstruct(t(w["x"])), out, 1e-3)
    norms = np.stack([np.linalg.norm(w["W_dec"][m], axis=1) / s[m] for m in range(3)], 1)
    close(dictionary.relative_norms(), norms / norms.sum(1, keepdims=True))


@given(seed=st.integers(0, 10_000), skip=st.booleans())
def test_cross_layer_transcoder(seed, skip):
    layers = 3
    w = draw(seed, W_enc=(layers, D, M), b_enc=(layers, M), b_dec=(layers, 5), S=(layers, D, 5), x=(layers, N, D))
    W_dec = [draw(seed + n + 1, W=(M, layers - n, 5))["W"] for n in range(layers)]
    f = relu(np.einsum("lnd,ldm->lnm", w["x"], w["W_enc"]) + w["b_enc"][:, None])
    out = np.stack(
        [
            sum(f[s] @ W_dec[s][:, target - s] for s in range(target + 1))
            + w["b_dec"][target]
            + skip * w["x"][target] @ w["S"][target]
            for target in range(layers)
        ]
    )
    dictionary = CrossLayerTranscoder(
        tuple(map(t, w["W_enc"])), tuple(map(t, W_dec)), tuple(map(t, w["b_enc"])), tuple(map(t, w["b_dec"])),
        (Activation("relu"),) * layers, tuple(Site("mlp_in", n) for n in range(layers)),
        tuple(Site("mlp_out", n) for n in range(layers)), tuple(map(t, w["S"])) if skip else (),
    )  # fmt: skip
    close(dictionary.encode(t(w["x"])), f, 1e-4)
    close(dictionary.decode(t(f), t(w["x"])), out, 1e-3)
    close(dictionary.layer_rows(1, [4, 2]), W_dec[1][[4, 2]])
    assert dictionary.directions[1, 4, 0].abs().sum() == 0


def every_architecture() -> list[Dictionary]:
    w = draw(0, W_enc=(D, M), W_dec=(M, D), b=M, c=D, R=(D, 4), X=(2, D, M), Y=(2, M, D), Z=(2, D), theta=M)
    w = {name: t(array) for name, array in w.items()}
    layer = CodeAttention(**{name: t(v) for name, v in attention(3).items()}, n_heads=2)
    plain = FeedForward(
        w["W_enc"], w["W_dec"], w["b"], w["c"], Activation("jumprelu", threshold=w["theta"]), SITE, SITE, b_in=w["c"],
        norm=Norm("layer_norm", eps=1e-3), gate_scale=w["b"].abs(), value_scale=w["b"].abs() + 1, architecture="odd",
    )  # fmt: skip
    half = dataclasses.replace(
        plain, W_enc=w["W_enc"].bfloat16(), W_dec=w["W_dec"].half(), activation=Activation("topk", k=3), site_out=OUT,
        norm=Norm("factor", 1.7), row_scale=torch.tensor(0.3), W_skip=torch.eye(D),
    )  # fmt: skip
    relu, jump, top = Activation("relu"), Activation("jumprelu", threshold=torch.tensor(0.1)), Activation("topk", k=3)
    reads, writes = (Site("mlp_in", 0), Site("mlp_in", 1)), (Site("mlp_out", 0), Site("mlp_out", 1))
    to_both, to_last = w["Y"].transpose(0, 1).contiguous(), w["Y"][:1].transpose(0, 1)
    return [
        plain,
        half,
        Switch(w["W_enc"], w["W_dec"], w["c"], w["R"], w["c"], 2, SITE, True),
        MatchingPursuit(w["W_dec"], w["c"], 4, SITE, 0.5, True, False, Norm("token_norm")),
        Temporal(w["W_dec"].T, w["W_dec"], w["c"], w["c"], (layer, layer), top, SITE, Norm("factor", 2.0)),
        Crosscoder(w["X"], w["Y"], w["b"], w["Z"], relu, (SITE, OUT), torch.tensor([1.0, 2.0]), w["b"].abs() + 1),
        CrossLayerTranscoder(
            tuple(w["X"]), (to_both, to_last), (w["b"],) * 2, tuple(w["Z"]), (relu, jump), reads, writes
        ),
    ]


ALL = every_architecture()


@pytest.mark.parametrize("dictionary", ALL, ids=lambda d: type(d).__name__)
def test_our_own_form_is_lossless(dictionary, tmp_path):
    dictionary.save(tmp_path / "d.safetensors")
    again = Dictionary.load(tmp_path / "d.safetensors")
    assert type(again) is type(dictionary)
    for entry, pair in itertools.product(dataclasses.fields(dictionary), [(dictionary, again)]):
        if entry.name not in ("card", "activation", "activations", "attention"):
            a, b = (getattr(one, entry.name) for one in pair)
            for x, y in zip(*((v if isinstance(v, tuple) else (v,)) for v in (a, b)), strict=True):
                assert torch.equal(x, y) and x.dtype == y.dtype if isinstance(x, torch.Tensor) else x == y, entry.name
    n = getattr(dictionary, "n_layers", 0)
    shape = (n, N, D) if n else (N, getattr(dictionary, "n_sites", 0), D) if hasattr(dictionary, "n_sites") else (N, D)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    # The weights are equal bit for bit; where they lie in memory may change the last bit of a product.
    torch.testing.assert_close(again.encode(x), dictionary.encode(x), atol=1e-6, rtol=1e-6)
    decoded = dictionary.decode(dictionary.encode(x), x)
    torch.testing.assert_close(again.decode(again.encode(x), x), decoded, atol=1e-6, rtol=1e-6)
    assert repr(again) == repr(dictionary)


@pytest.mark.parametrize("dictionary", [d for d in ALL if not isinstance(d, CrossLayerTranscoder | Crosscoder)],
                         ids=lambda d: type(d).__name__)  # fmt: skip
def test_reconstruction_is_linear_in_the_features(dictionary):
    x = torch.randn(N, D, generator=torch.Generator().manual_seed(2))
    f, change = dictionary.encode(x), torch.randn(N, M, generator=torch.Generator().manual_seed(3))
    scale = dictionary.scale(x)
    moved = change @ dictionary.directions * (1.0 if scale is None else scale)
    torch.testing.assert_close(dictionary.decode(f + change, x), dictionary.decode(f, x) + moved, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(dictionary.encode_sparse(x).to_dense(), f)


@pytest.mark.parametrize("size", [1, 7, M])
def test_a_prefix_of_a_matryoshka_is_its_own_dictionary(size):
    plain = dataclasses.replace(ALL[0], gate_scale=None, value_scale=None, norm=Norm())
    x = torch.randn(N, D, generator=torch.Generator().manual_seed(2))
    nested = plain.prefix(size)
    f = plain.encode(x)[:, :size]
    torch.testing.assert_close(nested.encode(x), f)
    torch.testing.assert_close(nested.reconstruct(x), f @ plain.W_dec[:size] + plain.b_dec)
    with pytest.raises(DictionaryError):
        plain.prefix(M + 1)


def broken() -> list[Dictionary]:
    return [d for d in ALL if not isinstance(d, CrossLayerTranscoder)]


@pytest.mark.parametrize("dictionary", broken(), ids=lambda d: type(d).__name__)
def test_weights_that_are_not_finite_are_refused(dictionary):
    bad = dictionary.W_dec.clone()
    bad.view(-1)[5] = math.nan
    with pytest.raises(DictionaryError, match="not finite"):
        dataclasses.replace(dictionary, W_dec=bad)


@pytest.mark.parametrize("dictionary", ALL, ids=lambda d: type(d).__name__)
def test_shapes_that_do_not_fit_are_refused(dictionary):
    wrong = dictionary.W_dec[1:] if isinstance(dictionary.W_dec, tuple) else dictionary.W_dec[..., 1:]
    with pytest.raises(DictionaryError):
        dataclasses.replace(dictionary, W_dec=wrong)


def test_a_feature_of_batchtopk_depends_on_its_company():
    kind = Activation("batchtopk", k=1)
    pre = torch.tensor([[3.0, 2.0], [1.0, 0.5]])
    assert kind(pre).tolist() == [[3.0, 2.0], [0.0, 0.0]]
    assert kind(pre[1:]).tolist() == [[1.0, 0.0]]
    assert dataclasses.replace(ALL[0], activation=kind).reads_context
