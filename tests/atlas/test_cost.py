"""What a sweep is said to cost, against what it leaves and what a bar shows."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import saewidgets as sw
from saewidgets.atlas import cost
from saewidgets.atlas.store import Store
from saewidgets.corpus import Corpus
from saewidgets.dictionaries import Activation, FeedForward
from saewidgets.sites import Site

# A factor within which an estimate lies of what is found.
WITHIN = 2.0


def scope_of(width: int, k: int) -> Any:
    """The embedded model with a TopK dictionary of random weights."""
    demo = sw.demo()
    directions = torch.randn(width, demo.model.d_model, generator=torch.Generator().manual_seed(0))
    directions /= directions.norm(dim=1, keepdim=True)
    zeros, site, topk = torch.zeros(width), Site.parse("resid_post.1"), Activation("topk", k=k)
    b_dec = torch.zeros(demo.model.d_model)
    return sw.Scope(demo.model, FeedForward(directions.T.contiguous(), directions, zeros, b_dec, topk, site, site))


@pytest.mark.parametrize(("width", "k", "contexts"), [(256, 8, 60), (256, 8, 400), (4096, 32, 100), (64, 16, 300)])
def test_bytes_on_disk_are_near_those_said(tmp_path: Path, width: int, k: int, contexts: int) -> None:
    scope = scope_of(width, k)
    ids = np.random.default_rng(0).integers(0, scope.model.vocab_size, (contexts, 64))
    scope.sweep(ids, store=tmp_path / "atlas", progress=False)
    manifest = Store(tmp_path / "atlas").manifest
    said = cost.estimate(scope.model, list(scope.dictionaries.values()), manifest, contexts)
    found = sum(p.stat().st_size for p in (tmp_path / "atlas").rglob("*") if p.is_file())
    found -= (tmp_path / "atlas" / "vocabulary.parquet").stat().st_size
    print(f"{width} features, {contexts} contexts: said {said.disk / 1e6:.2f} MB, found {found / 1e6:.2f} MB")
    assert said.disk / WITHIN < found < said.disk * WITHIN


def test_a_forward_is_two_operations_a_weight() -> None:
    scope = scope_of(64, 4)
    d, module = scope.model.d_model, scope.model.module
    weights = sum(p.numel() for name, p in module.named_parameters() if "layers" in name and p.ndim > 1)
    share = 2 / scope.model.n_layers
    expected = 2 * weights * share + 4 * 64 * d * 2
    assert cost.forward_flops(scope.model, list(scope.dictionaries.values()), 64) == pytest.approx(expected)


def test_more_of_anything_costs_more() -> None:
    small, wide = scope_of(256, 8), scope_of(4096, 32)
    manifest = _manifest(small)

    def said(scope: Any, contexts: int | None = 100) -> cost.Cost:
        return cost.estimate(scope.model, list(scope.dictionaries.values()), manifest, contexts)

    assert said(wide).disk > said(small).disk and said(wide).statistics > said(small).statistics
    assert said(wide).memory > said(small).memory
    assert said(small, 1000).disk > said(small).disk
    assert said(small).memory == said(small, 1000).memory
    unknown = said(small, None)
    assert unknown.n_tokens is None and "first 65,536" in str(unknown)
    assert said(small).n_tokens == 6300 and "6,300 tokens in" in str(said(small))


def _manifest(scope: Any) -> Any:
    from saewidgets.atlas.sweep import _manifest

    ids = np.zeros((1, 64), np.int64)
    return _manifest(scope.model, scope.dictionaries, Corpus(ids), None, None, "", "")


def test_it_is_said_in_words() -> None:
    words = str(cost.Cost(3_000_000, 1e-5, 8e-5, 1e-5, 2.5e9, 7e6))
    assert words == (
        "About 3,000,000 tokens in 5 min, 10,000 tokens a second (forward 10%, encoders 80%, statistics 10%), "
        "2.5 GB of memory, 7 MB on disk."
    )
    day = dataclasses.replace(cost.Cost(10**9, 1e-5, 8e-5, 1e-5, 2.5e9, 7e12))
    assert "1.2 days" in str(day) and "7 TB" in str(day)


def test_a_bar_shows_the_cost_and_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scope = scope_of(64, 4)
    ids = np.random.default_rng(0).integers(0, scope.model.vocab_size, (100, 64))
    scope.sweep(ids[:64], store=tmp_path / "atlas", progress=False)
    assert capsys.readouterr() == ("", "")
    scope.sweep(ids, store=tmp_path / "atlas")
    shown = capsys.readouterr()
    assert "About 2,268 tokens" in shown.out
    assert "100%" in shown.err and "2.27k/2.27k" in shown.err


def test_contexts_are_told_before_they_are_read() -> None:
    tokenizer = sw.demo().model.tokenizer
    texts = ["Mira saw a red boat.", "Tom took the lantern to the pond."] * 300
    for given in (texts[:1], texts[:7], texts):
        corpus = Corpus(given, tokenizer, 32)
        assert corpus.n_contexts() == sum(len(batch) for batch in corpus.batches(50))
    assert Corpus(np.zeros((5, 8), np.int64)).n_contexts() == 5
    assert Corpus(iter(texts), tokenizer, 32).n_contexts() is None
