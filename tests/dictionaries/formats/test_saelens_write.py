"""SAELens folders, written: what they hold reads back to the bit, or to the rounding of what was folded."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor

from saewidgets.dictionaries import (
    Activation,
    Crosscoder,
    Dictionary,
    FeedForward,
    MatchingPursuit,
    Norm,
    Switch,
    Temporal,
    load_dictionary,
)
from saewidgets.dictionaries.formats import saelens_write
from saewidgets.dictionaries.gated import fold_gated
from saewidgets.dictionaries.temporal import CodeAttention
from saewidgets.disk import DiskError
from saewidgets.errors import DictionaryError
from saewidgets.sites import BLOCK_STREAMS, Site
from tests.dictionaries.formats.hand import FIXTURES

D, M, N = 6, 20, 9
SITE, OUT = Site("resid_post", 1), Site("mlp_out", 1)
# Files are synced to the disk, which a machine does a few hundred times a second.
IN_TMP = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])


def draw(seed: int, dtype: torch.dtype = torch.float32, **shapes: Any) -> dict[str, Tensor]:
    rng = np.random.default_rng(seed)
    return {name: torch.tensor(rng.normal(size=shape)).to(dtype) for name, shape in shapes.items()}


def feed_forward(kind: str, seed: int = 0, d_out: int | None = None, **changes: Any) -> FeedForward:
    """A dictionary without scales; a transcoder if it has an output of its own."""
    dtype = changes.pop("dtype", torch.float32)
    w = draw(seed, dtype, W_enc=(D, M), W_dec=(M, d_out or D), b_enc=M, b_dec=d_out or D, theta=M)
    activation = Activation(kind, 4 if kind in ("topk", "abstopk") else None, w.pop("theta").abs())  # type: ignore[arg-type]
    dictionary = FeedForward(**w, activation=activation, site_in=SITE, site_out=OUT if d_out else SITE)
    return dataclasses.replace(dictionary, **changes)


def counted(kind: str = "topk", seed: int = 0, value: float = 1.0, gate: float = 1.0) -> FeedForward:
    """One that ranks and measures activations by the norms of its rows, or nearly so."""
    made = feed_forward(kind, seed)
    norms = made.W_dec.norm(dim=1)
    return dataclasses.replace(made, gate_scale=norms * gate, value_scale=norms * value, row_scale=1 / norms)


def layers(seed: int, n: int, heads: int = 2, width: int = 4) -> tuple[CodeAttention, ...]:
    shapes = {"W_q": (M, width), "b_q": width, "W_k": (M, width), "b_k": width, "W_v": (M, M), "b_v": M,
              "W_o": (M, M), "b_o": M}  # fmt: skip
    return tuple(CodeAttention(**draw(seed + i, **shapes), n_heads=heads) for i in range(n))


def same(one: Any, other: Any, but: tuple[str, ...] = ()) -> None:
    """Every field to the bit; a bias of zeros and a threshold for all features as the vectors they are."""
    assert type(one) is type(other)
    for entry in dataclasses.fields(one):
        a, b = getattr(one, entry.name), getattr(other, entry.name)
        if entry.name in ("card", "architecture", *but):
            continue
        for x, y in zip(*((v if isinstance(v, tuple) else (v,)) for v in (a, b)), strict=True):
            if isinstance(x, Tensor):
                assert isinstance(y, Tensor) and torch.equal(x.expand(y.shape), y) and x.dtype == y.dtype, entry.name
            elif isinstance(x, Activation):
                assert (x.k, x.kind, x.rectify) == (y.k, y.kind, y.rectify)
                assert x.threshold is None or x.kind != "jumprelu" or torch.equal(x.threshold.expand(M), y.threshold)
            elif dataclasses.is_dataclass(x) and isinstance(x, CodeAttention):
                same(x, y)
            else:
                assert x == y, entry.name


def again(dictionary: Dictionary, folder: Path) -> Dictionary:
    """Written and read back; a second time gives the same bytes."""
    dictionary.save(folder / "one", format="saelens")
    read = load_dictionary(folder / "one")
    read.save(folder / "two", format="saelens")
    for name in ("cfg.json", "sae_weights.safetensors"):
        assert (folder / "one" / name).read_bytes() == (folder / "two" / name).read_bytes()
    assert read.card.format == "saelens" and not read.card.warnings
    return read


def numbers(dictionary: Dictionary) -> tuple[Tensor, Tensor]:
    x = draw(99, x=(N, D))["x"]
    return dictionary.encode(x), dictionary.reconstruct(x)


BITS = torch.float32, torch.bfloat16, torch.float16, torch.float64
NORMS = [Norm(), Norm("token_norm"), Norm("layer_norm")]


@given(
    seed=st.integers(0, 10_000), kind=st.sampled_from(["relu", "topk", "abstopk", "jumprelu"]),
    norm=st.sampled_from(NORMS), subtract=st.booleans(), dtype=st.sampled_from(BITS),
)  # fmt: skip
@IN_TMP
def test_autoencoders_come_back_to_the_bit(
    tmp_path: Path, seed: int, kind: str, norm: Norm, subtract: bool, dtype: torch.dtype
) -> None:
    made = feed_forward(kind, seed, norm=norm, dtype=dtype)
    made = dataclasses.replace(made, b_in=made.b_dec if subtract else None)
    read = again(made, tmp_path)
    same(made, read)
    if dtype != torch.float64:
        torch.testing.assert_close(numbers(made), numbers(read))
    config = json.loads((tmp_path / "one" / "cfg.json").read_text())
    assert config["dtype"] == str(dtype).removeprefix("torch.")


@given(seed=st.integers(0, 10_000), kind=st.sampled_from(["relu", "jumprelu"]), d_out=st.sampled_from([D, 4]),
       skip=st.booleans())  # fmt: skip
@IN_TMP
def test_transcoders_come_back_to_the_bit(tmp_path: Path, seed: int, kind: str, d_out: int, skip: bool) -> None:
    made = feed_forward(kind, seed, d_out, W_skip=draw(seed, s=(D, d_out))["s"] if skip else None)
    read = again(made, tmp_path)
    same(made, read)
    assert read.architecture == f"{'jumprelu_' * (kind != 'relu')}{'skip_' * skip}transcoder"
    torch.testing.assert_close(numbers(made), numbers(read))


@given(seed=st.integers(0, 10_000), kind=st.sampled_from(["topk", "abstopk"]))
@IN_TMP
def test_a_topk_that_counts_its_rows_as_unit_norm_comes_back_to_the_bit(tmp_path: Path, seed: int, kind: str) -> None:
    made = counted(kind, seed)
    same(made, again(made, tmp_path))
    assert json.loads((tmp_path / "one" / "cfg.json").read_text())["rescale_acts_by_decoder_norm"] is True


@given(
    seed=st.integers(0, 10_000), norm=st.sampled_from(NORMS), stop=st.booleans(), threshold=st.sampled_from([0.0, 0.7])
)
@IN_TMP
def test_matching_pursuit_comes_back_to_the_bit(
    tmp_path: Path, seed: int, norm: Norm, stop: bool, threshold: float
) -> None:
    w = draw(seed, W=(M, D), b=D)
    made = MatchingPursuit(w["W"] / w["W"].norm(dim=1, keepdim=True), w["b"], 4, SITE, threshold, stop, norm=norm)
    read = again(made, tmp_path)
    same(made, read)
    torch.testing.assert_close(numbers(made), numbers(read))


@given(
    seed=st.integers(0, 10_000), n=st.integers(1, 2), tied=st.booleans(), bias=st.sampled_from(["both", "out", "none"]),
    kind=st.sampled_from(["relu", "topk"]), norm=st.sampled_from([*NORMS, Norm("factor", 2.5)]),
)  # fmt: skip
@IN_TMP
def test_temporal_comes_back_to_the_bit(
    tmp_path: Path, seed: int, n: int, tied: bool, bias: str, kind: str, norm: Norm
) -> None:
    w = draw(seed, W_dec=(M, D), W_enc=(D, M), b=D)
    none = torch.zeros(D)
    made = Temporal(
        w["W_dec"].T if tied else w["W_enc"], w["W_dec"], w["b"] if bias == "both" else none,
        none if bias == "none" else w["b"], layers(seed, n), Activation(kind, 3 if kind == "topk" else None),  # type: ignore[arg-type]
        SITE, norm,
    )  # fmt: skip
    read = again(made, tmp_path)
    same(made, read)
    torch.testing.assert_close(numbers(made), numbers(read))


@given(
    seed=st.integers(0, 10_000), value=st.booleans(), gate=st.booleans(), row=st.booleans(), bias=st.booleans(),
    factor=st.booleans(), kind=st.sampled_from(["relu", "jumprelu", "topk", "abstopk", "prolu", "identity"]),
)  # fmt: skip
@IN_TMP
def test_scales_are_folded(
    tmp_path: Path, seed: int, value: bool, gate: bool, row: bool, bias: bool, factor: bool, kind: str
) -> None:
    """The same numbers, activations included, whatever the conventions of the dictionary were."""
    w = {name: scale.abs() + 0.2 for name, scale in draw(seed + 1, value=M, gate=M, row=M).items()}
    if kind in ("topk", "abstopk"):
        value, w["value"] = gate, w["gate"]  # ranked is what is returned
    changes = {f"{name}_scale": w[name] for name, on in {"value": value, "gate": gate, "row": row}.items() if on}
    made = feed_forward(kind, seed, **changes, norm=Norm("factor", 2.5) if factor else Norm())
    made = dataclasses.replace(made, b_in=draw(seed + 2, b=D)["b"] if bias else None)
    f, output = numbers(made)
    found, read = numbers(again(made, tmp_path))
    torch.testing.assert_close(found, f, atol=2e-5, rtol=1e-5)
    torch.testing.assert_close(read, output, atol=2e-4, rtol=1e-4)


def test_gated_and_its_unit_norm(tmp_path: Path) -> None:
    w = draw(0, W=(D, M), b_gate=M, b_mag=M, r_mag=M)
    W_enc, b_enc, activation = fold_gated(w["W"], w["b_gate"], w["b_mag"], w["r_mag"])
    made = dataclasses.replace(feed_forward("relu"), W_enc=W_enc, b_enc=b_enc, activation=activation)
    read = again(made, tmp_path / "gated")
    same(made, read)
    assert read.architecture == "jumprelu"
    torch.testing.assert_close(numbers(again(made.unit_norm(), tmp_path / "unit")), numbers(made.unit_norm()))


def test_one_threshold_for_all_and_a_bias_of_zeros(tmp_path: Path) -> None:
    made = feed_forward("relu", b_in=torch.zeros(D), activation=Activation("jumprelu", threshold=torch.tensor(0.3)))
    read = again(made, tmp_path)
    same(made, read, but=("b_in",))
    assert load_file(tmp_path / "one" / "sae_weights.safetensors")["threshold"].shape == (M,)


@pytest.mark.parametrize("stream", [*BLOCK_STREAMS, "embed", "final"])
def test_every_site_has_a_name_that_reads_back(tmp_path: Path, stream: str) -> None:
    site = Site(stream, None if stream in ("embed", "final") else 7)
    read = again(feed_forward("relu", site_in=site, site_out=site), tmp_path)
    assert read.site_in == read.site_out == site
    reshape = json.loads((tmp_path / "one" / "cfg.json").read_text())["reshape_activations"]
    assert reshape == ("hook_z" if stream == "attn_z" else "none")


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="the fixtures of other libraries lie beside the clone")
@pytest.mark.parametrize("fixture", sorted(path.name for path in FIXTURES.glob("saelens_*")))
def test_what_sae_lens_wrote_goes_back(tmp_path: Path, fixture: str) -> None:
    """Tensors to the bit where nothing was folded on reading; the numbers always."""
    options: dict[str, Any] = {"threshold": 0.55} if "training_ckpt" in fixture else {}
    options |= {"site_out": OUT} if "transcoder" in fixture else {}
    options |= {"norm_factor": 1.0} if "unfolded" in fixture else {}
    made = load_dictionary(FIXTURES / fixture, **options)
    read = again(made, tmp_path)
    x = torch.tensor(np.load(FIXTURES / fixture / "expected.npz")["x"])
    torch.testing.assert_close(read.encode(x), made.encode(x), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(read.reconstruct(x), made.reconstruct(x), atol=1e-5, rtol=1e-5)
    if "gated" not in fixture and "training_ckpt" not in fixture:
        theirs, ours = (load_file(p / "sae_weights.safetensors") for p in (FIXTURES / fixture, tmp_path / "one"))
        assert theirs.keys() == ours.keys() and all(torch.equal(theirs[name], ours[name]) for name in ours)
        known = {
            name: json.loads((p / "cfg.json").read_text())
            for name, p in {"theirs": FIXTURES / fixture, "ours": tmp_path / "one"}.items()
        }
        if "legacy" not in fixture and "unfolded" not in fixture:
            assert {k: v for k, v in known["theirs"].items() if k not in ("metadata",)}.items() <= known["ours"].items()


def test_densities_become_the_logarithms_that_sae_lens_keeps(tmp_path: Path) -> None:
    saelens_write.write(feed_forward("relu"), tmp_path, density=torch.tensor([0.1] + [0.0] * (M - 1)))
    sparsity = load_file(tmp_path / "sparsity.safetensors")["sparsity"]
    torch.testing.assert_close(sparsity, torch.tensor([-1.0] + [-10.0] * (M - 1)))
    assert load_dictionary(tmp_path).d_dict == M


W = draw(3, W_enc=(D, M), W_dec=(M, D), b=D, R=(D, 4), X=(2, D, M), Y=(2, M, D), b_enc=M, Z=(2, D))
PURSUIT = MatchingPursuit(W["W_dec"], W["b"], 4, SITE)
SEQUENCE = Temporal(W["W_enc"], W["W_dec"], W["b"], W["b"], layers(0, 1), Activation("relu"), SITE)
REFUSED: dict[str, tuple[Dictionary, str]] = {
    "switch": (Switch(W["W_enc"], W["W_dec"], W["b"], W["R"], W["b"], 2, SITE), "Switch"),
    "crosscoder": (Crosscoder(W["X"], W["Y"], W["b_enc"], W["Z"], Activation("relu"), (SITE, OUT)), "Crosscoder"),
    "batchtopk": (feed_forward("relu", activation=Activation("batchtopk", k=2)), "load it with threshold="),
    "groupmax": (feed_forward("relu", activation=Activation("groupmax", k=2)), "GroupMax"),
    "signed topk": (feed_forward("relu", activation=Activation("topk", k=2, rectify=False)), "negative activations"),
    "topk transcoder": (feed_forward("topk", d_out=D), "a transcoder with TopK"),
    "normed transcoder": (feed_forward("relu", d_out=D, norm=Norm("layer_norm")), "undoes its layer norm"),
    "another eps": (feed_forward("relu", norm=Norm("layer_norm", eps=1e-3)), "eps 0.001"),
    "ranked on another scale": (feed_forward("topk").unit_norm(), "another scale"),
    "ranked by its rows, measured otherwise": (counted(value=2.0), "another scale"),
    "measured by its rows, ranked otherwise": (counted(gate=2.0), "another scale"),
    "a negative scale": (feed_forward("relu", value_scale=-torch.ones(M)), "not above 0"),
    "signed pursuit": (dataclasses.replace(PURSUIT, rectify=False), "negative activations"),
    "scaled pursuit": (dataclasses.replace(PURSUIT, norm=Norm("factor", 2.0)), "norm factor 2"),
    "unit pursuit": (PURSUIT.unit_norm(), "another scale"),
    "two biases": (dataclasses.replace(SEQUENCE, b_in=W["b"] + 1), "subtracts another bias"),
    "signed sequence": (dataclasses.replace(SEQUENCE, activation=Activation("abstopk", k=2)), "AbsTopK"),
    "unlike layers": (
        dataclasses.replace(SEQUENCE, attention=(*layers(0, 1), *layers(1, 1, heads=1, width=2))), "attention layers"
    ),
    "odd width": (dataclasses.replace(SEQUENCE, attention=layers(0, 1, width=6)), "attention layers"),
    "no layers": (dataclasses.replace(SEQUENCE, attention=()), "attention layers"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_sae_lens_has_no_place_for_is_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    dictionary, words = REFUSED[name]
    with pytest.raises(DictionaryError, match=words):
        dictionary.save(tmp_path / "new", format="saelens")
    assert not (tmp_path / "new").exists()


def test_formats_and_folders_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(DictionaryError, match="Use 'saewidgets' or 'saelens'"):
        feed_forward("relu").save(tmp_path / "d", format="npz")
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError):
        feed_forward("relu").save(tmp_path / "file", format="saelens")
