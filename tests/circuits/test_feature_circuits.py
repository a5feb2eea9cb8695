"""Sparse feature circuits against their formulas, on a plain model with plain hooks."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from saewidgets.circuits import AttributionGraph, feature_circuit
from saewidgets.circuits.nodes import ERROR, FEATURE, LOGIT, TOKEN
from saewidgets.dictionaries.activation import Activation
from saewidgets.dictionaries.feedforward import FeedForward
from saewidgets.errors import CircuitError, DictionaryError, PromptError
from saewidgets.sites import Site
from tests.circuits import cases
from tests.model import tiny

# The model's norms compute in single precision whatever its weights are: no smaller STEP.
STEP = 3e-3
SITES = (Site("attn_out", 0), Site("mlp_out", 0), Site("resid_post", 0), Site("resid_post", 1), Site("attn_out", 2))
TARGETS = [5, 9]


def autoencoders(activation: Activation) -> list[FeedForward]:
    make = torch.Generator().manual_seed(3)

    def random(*shape: int, size: float) -> torch.Tensor:
        return torch.randn(*shape, generator=make) * size

    return [
        FeedForward(
            W_enc=random(16, 20, size=0.3),
            W_dec=random(20, 16, size=0.3),
            b_enc=random(20, size=0.2),
            b_dec=random(16, size=0.2),
            activation=activation,
            site_in=site,
            site_out=site,
        )
        for site in SITES
    ]


KINDS = {
    "relu": Activation("relu"),
    "topk": Activation("topk", k=4),
    "jumprelu": Activation("jumprelu", threshold=torch.full((20,), 0.3)),
}


class Plain:
    """The model with hooks by hand: `run(changes)` gives the metric, `at` the values."""

    def __init__(self, ids: list[int]) -> None:
        self.module, self.ids = tiny.make("llama").double(), ids
        layers = self.module.model.layers
        self.modules = {
            **{Site("attn_out", n): layers[n].self_attn for n in range(3)},
            **{Site("mlp_out", n): layers[n].mlp for n in range(3)},
            **{Site("resid_post", n): layers[n] for n in range(3)},
            Site("embed"): self.module.model.embed_tokens,
        }
        unembed = self.module.lm_head.weight.detach()
        p = self.module(torch.tensor([ids])).logits[0, -1].detach().softmax(-1)
        self.weights = p[TARGETS]
        self.vectors = unembed[TARGETS] - unembed.mean(0)

    def run(self, change: Any = lambda site, value: value) -> torch.Tensor:
        handles = []
        for site, module in self.modules.items():

            def hook(_m: Any, _a: Any, output: Any, site: Site = site) -> Any:
                value = output[0] if isinstance(output, tuple) else output
                new = change(site, value)
                return (new, *output[1:]) if isinstance(output, tuple) else new

            handles.append(module.register_forward_hook(hook))
        try:
            final = self.module.model(torch.tensor([self.ids])).last_hidden_state[0, -1]
        finally:
            for handle in handles:
                handle.remove()
        return final @ self.vectors.T

    def metric(self, change: Any = lambda site, value: value) -> torch.Tensor:
        return self.run(change) @ self.weights

    def values(self) -> dict[Site, torch.Tensor]:
        kept: dict[Site, torch.Tensor] = {}

        def keep(site: Site, value: torch.Tensor) -> torch.Tensor:
            kept[site] = value[0].detach()
            return value

        self.run(keep)
        return kept


def split(d: FeedForward, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Activations, what each feature writes a unit of, and the error; float64."""
    pre = x @ d.W_enc.double() + d.b_enc.double()
    f = d.activation(pre)
    return f, d.W_dec.double(), x - f @ d.W_dec.double() - d.b_dec.double()


@pytest.mark.parametrize("patched", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["sae-gradient", "sae-ig", "sae-exact"])
def test_node_effects(method: str, kind: str, patched: bool) -> None:
    ids, dictionaries = tiny.prompt(4, 7), autoencoders(KINDS[kind])
    patch = tiny.prompt(5, 7) if patched else None
    graph = feature_circuit(
        cases.scope("llama"),
        ids,
        TARGETS,
        method=method,
        patch=patch,
        dictionaries=dictionaries,
        max_features=10_000,
        steps=4,
    )
    plain = Plain(ids)
    clean, other = plain.values(), Plain(patch).values() if patch else None
    c = graph.columns
    for n, d in enumerate(dictionaries):
        x = clean[d.site_in]
        f, directions, error = split(d, x)
        g_f, _, g_error = split(d, other[d.site_in]) if other else (torch.zeros_like(f), None, torch.zeros_like(error))
        change, lost = f - g_f, error - g_error
        change[0], lost[0] = 0, 0  # the first token is left out
        away = change @ directions + lost
        gradient = torch.zeros_like(x)
        alphas = [0.0] if method == "sae-gradient" else [k / 4 for k in range(4)]
        for alpha in alphas:
            leaf = (x - alpha * away).requires_grad_()
            metric = plain.metric(lambda s, v, leaf=leaf, d=d: leaf[None] if s == d.site_in else v)
            gradient += torch.autograd.grad(metric, leaf)[0] / len(alphas)
        mine = np.flatnonzero((c.kind == FEATURE) & (c.dictionary == n))
        assert len(mine) == int((change != 0).sum()) > 5
        for node in mine[:: max(1, len(mine) // 8)]:
            position, index = int(c.position[node]), int(c.index[node])
            vector = change[position, index] * directions[index]
            expected = float(gradient[position] @ vector)
            if method == "sae-exact":
                without = x.clone()
                without[position] -= vector
                base = plain.metric()
                moved = plain.metric(lambda s, v, w=without, d=d: w[None] if s == d.site_in else v)
                expected = float((base - moved).detach())
            assert c.value[node] == pytest.approx(expected, abs=1e-5)
            assert c.activation[node] == pytest.approx(float(f[position, index]), abs=1e-5)
        errors = c.value[(c.kind == ERROR) & (c.dictionary == n)]
        if method != "sae-exact":
            assert errors == pytest.approx((gradient * lost).sum(-1).numpy(), abs=1e-5)
        assert abs(errors[0]) < 1e-7


def hold(clean: Any, sites: Any, reached: Any, source: Site, p: int, more: Any, sign: int, at: Site, value: Any) -> Any:
    """A hook: every site is what it was, the source a little more; what would have come is added up in `reached`."""
    if at not in sites and at != Site("embed"):
        return value
    reached[at] = reached.get(at, 0) + sign * value[0].detach()
    fixed = clean[at].clone()
    if at == source:
        fixed[p] += more
    return fixed[None]


@pytest.mark.parametrize("kind", KINDS)
def test_edges_are_direct(kind: str) -> None:
    """Every other site is cut: the derivative with all sites as leaves, by finite differences of the plain model."""
    ids, dictionaries = tiny.prompt(4, 7), autoencoders(KINDS[kind])
    graph = feature_circuit(cases.scope("llama"), ids, TARGETS, dictionaries=dictionaries, max_features=10_000)
    plain, c = Plain(ids), graph.columns
    clean, adjacency = plain.values(), graph.adjacency.toarray()
    by_site = {d.site_in: d for d in dictionaries}
    rng = np.random.default_rng(0)
    checked = 0
    sources = [*rng.choice(np.flatnonzero(c.kind == FEATURE), 6, replace=False), *np.flatnonzero(c.kind == TOKEN)[1:3]]
    sources += [int(np.flatnonzero((c.kind == ERROR) & (c.position > 2))[0])]
    for s in sources:
        site = Site("embed") if c.kind[s] == TOKEN else dictionaries[c.dictionary[s]].site_in
        position = int(c.position[s])
        if c.kind[s] == TOKEN:
            vector = clean[site][position]
        else:
            f, directions, error = split(by_site[site], clean[site])
            vector = f[position, c.index[s]] * directions[c.index[s]] if c.kind[s] == FEATURE else error[position]
        reached: dict[Site, torch.Tensor] = {}

        with torch.no_grad():
            moved = sum(
                sign * plain.run(partial(hold, clean, by_site, reached, site, position, sign * STEP * vector, sign))
                for sign in (1, -1)
            )
        for t in rng.choice(np.flatnonzero(c.kind == FEATURE), 40):
            d = dictionaries[c.dictionary[t]]
            # What arrives at the place before it is held; the feature is active, so its encoder row tells the rest.
            change = float(reached[d.site_in][c.position[t]] @ d.W_enc.double()[:, c.index[t]])
            assert adjacency[t, s] == pytest.approx(change / (2 * STEP), abs=3e-4)
            checked += adjacency[t, s] != 0
        rows = adjacency[c.kind == LOGIT, s]
        assert rows == pytest.approx((moved / (2 * STEP)).numpy(), abs=3e-4)
        checked += int((rows != 0).sum())
    assert checked > 10


def test_the_strongest_are_kept() -> None:
    ids, dictionaries = tiny.prompt(4, 7), autoencoders(KINDS["topk"])
    scope = cases.scope("llama")
    whole = feature_circuit(scope, ids, TARGETS, dictionaries=dictionaries, max_features=10_000)
    part = scope.attribute(ids, TARGETS, method="sae-gradient", dictionaries=dictionaries)
    assert part.columns.ids == whole.columns.ids and whole.complete
    few = feature_circuit(scope, ids, TARGETS, dictionaries=dictionaries, max_features=9)
    strength = np.abs(whole.columns.value) * (whole.columns.kind == FEATURE)
    best = {whole.columns.ids[n] for n in np.argsort(-strength)[:9]}
    assert {name for name, kind in zip(few.columns.ids, few.columns.kind, strict=True) if kind == FEATURE} == best
    assert not few.complete and 0 < few.covered < 1
    back = AttributionGraph.from_json(whole.to_json())
    assert back.columns.ids == whole.columns.ids and (back.adjacency != whole.adjacency).nnz == 0


def test_what_cannot_be() -> None:
    scope, ids, dictionaries = cases.scope("llama"), tiny.prompt(4, 7), autoencoders(KINDS["topk"])
    with pytest.raises(CircuitError, match="Unknown method"):
        scope.attribute(ids, method="sae-magic", dictionaries=dictionaries)
    with pytest.raises(PromptError, match="patch"):
        feature_circuit(scope, ids, patch=ids[:-1], dictionaries=dictionaries)
    with pytest.raises(DictionaryError, match="no autoencoder"):
        scope.attribute(ids, method="sae-gradient", dictionaries=cases.transcoders("relu"))
    with pytest.raises(CircuitError, match="steps"):
        feature_circuit(scope, ids, method="sae-ig", steps=0, dictionaries=dictionaries)
