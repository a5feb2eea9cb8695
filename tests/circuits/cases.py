"""Tiny random models with random transcoders of every kind, for us and for the reference."""

from functools import cache
from typing import Any

import torch

from saewidgets.dictionaries import CrossLayerTranscoder
from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.scope import Scope
from saewidgets.sites import Site
from tests.model import tiny

FEATURES, K = 30, 5
KINDS = ("relu", "jumprelu", "topk", "skip", "cross", "cross-skip", "some-layers")


def activation(kind: str) -> Activation:
    if kind in ("jumprelu", "some-layers"):
        return Activation("jumprelu", threshold=torch.full((FEATURES,), 0.4))
    if kind in ("topk", "cross-skip"):
        return Activation("topk", k=K)
    return Activation("relu")


def transcoders(kind: str, d: int = 16, layers: int = tiny.LAYERS, features: int = FEATURES) -> Any:
    """Dictionaries of one kind: a list of per-layer ones, or one cross-layer transcoder."""
    make = torch.Generator().manual_seed(7)

    def random(*shape: int, size: float) -> torch.Tensor:
        return torch.randn(*shape, generator=make) * size

    acts = activation(kind)
    read = [Site("mlp_in", n) for n in range(layers)]
    write = [Site("mlp_out", n) for n in range(layers)]
    if kind.startswith("cross"):
        return CrossLayerTranscoder(
            W_enc=tuple(random(d, features, size=0.3) for _ in range(layers)),
            W_dec=tuple(random(features, layers - n, d, size=0.2) for n in range(layers)),
            b_enc=tuple(random(features, size=0.5) - 0.5 for _ in range(layers)),
            b_dec=tuple(random(d, size=0.2) for _ in range(layers)),
            activations=(acts,) * layers,
            sites_in=tuple(read),
            sites_out=tuple(write),
            W_skip=tuple(random(d, d, size=0.2) for _ in range(layers)) if kind == "cross-skip" else (),
        )
    chosen = range(layers) if kind != "some-layers" else range(1, layers)
    return [
        FeedForward(
            W_enc=random(d, features, size=0.3),
            W_dec=random(features, d, size=0.2),
            b_enc=random(features, size=0.5) - 0.5,
            b_dec=random(d, size=0.2),
            activation=acts,
            site_in=read[n],
            site_out=write[n],
            W_skip=random(d, d, size=0.2) if kind == "skip" else None,
        )
        for n in chosen
    ]


def as_formulas(dictionaries: Any) -> dict[int, dict[str, Any]]:
    """The same weights for the reference, float64."""
    found = {}
    if isinstance(dictionaries, CrossLayerTranscoder):
        d = dictionaries
        for n in range(d.n_layers):
            found[n] = {
                "W_enc": d.W_enc[n].double(), "b_enc": d.b_enc[n].double(), "b_dec": d.b_dec[n].double(),
                "W_dec": {n + j: d.W_dec[n][:, j].double() for j in range(d.n_layers - n)},
                "W_skip": d.W_skip[n].double() if d.W_skip else None,
            } | _kind(d.activations[n])  # fmt: skip
        return found
    for d in dictionaries:
        found[d.site_in.layer] = {
            "W_enc": d.W_enc.double(), "b_enc": d.b_enc.double(), "b_dec": d.b_dec.double(),
            "W_dec": {d.site_in.layer: d.W_dec.double()},
            "W_skip": None if d.W_skip is None else d.W_skip.double(),
        } | _kind(d.activation)  # fmt: skip
    return found


def _kind(acts: Activation) -> dict[str, Any]:
    threshold = None if acts.threshold is None else acts.threshold.double()
    return {"kind": acts.kind, "k": acts.k, "threshold": threshold}


@cache
def scope(family: str) -> Scope:
    return Scope(tiny.make(family), tokenizer=tiny.tokenizer(), name=family)
