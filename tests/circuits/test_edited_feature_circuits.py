"""Sparse feature circuits of an edited model, against a plain model whose hooks make the same edits."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

import saewidgets as sw
from saewidgets.circuits import feature_circuit
from saewidgets.circuits.nodes import ERROR, FEATURE, LOGIT, TOKEN
from saewidgets.errors import CircuitError, FeatureError
from saewidgets.scope import Scope
from saewidgets.sites import Site
from tests.circuits.test_feature_circuits import KINDS, STEP, TARGETS, Plain, autoencoders, split
from tests.model import tiny

IDS = tiny.prompt(4, 7)
DICTIONARIES = autoencoders(KINDS["relu"])
HOME = {d.site_in: d for d in DICTIONARIES}
FIRST, SCALED, SECOND, THIRD = (Site("attn_out", 0), Site("mlp_out", 0), Site("resid_post", 0), Site("resid_post", 1))
# Sites whose dictionary is edited: what arrives there is encoded, not what the edit makes of it.
OWN = (FIRST, SECOND, THIRD)


def strongest(site: Site, position: int) -> int:
    return int(split(HOME[site], Plain(IDS).values()[site])[0][position].argmax())


DOUBLED, GONE = strongest(FIRST, 4), strongest(SECOND, 3)
EDITS = [
    sw.scale(f"attn_out.0/{DOUBLED}", 2.0), sw.scale("mlp_out.0", 1.5), sw.ablate(f"resid_post.0/{GONE}", [3]),
    sw.ablate("resid_post.1/error", [4]),
]  # fmt: skip


class EditedPlain(Plain):
    """The same with the edits, by their formulas; `arrived` is what came before them."""

    arrived: dict[Site, torch.Tensor]

    def edit(self, site: Site, value: torch.Tensor) -> torch.Tensor:
        self.arrived[site] = value[0].detach()
        if site == SCALED:
            return value * 1.5
        if site not in OWN:
            return value
        f, directions, error = split(HOME[site], value[0])
        away = torch.zeros_like(value[0])
        if site == FIRST:
            away = away - f[:, DOUBLED, None] * directions[DOUBLED]
        elif site == SECOND:
            away[3] = f[3, GONE] * directions[GONE]
        else:
            away[4] = error[4]
        return value - away

    def run(self, change: Any = lambda site, value: value) -> torch.Tensor:
        self.arrived = {}
        return super().run(lambda site, value: change(site, self.edit(site, value)))

    def parts(self, site: Site, values: dict[Site, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Activations as the edits leave them, directions, and the error."""
        f, directions, error = split(HOME[site], self.arrived[site] if site in OWN else values[site])
        if site == FIRST:
            f[:, DOUBLED] *= 2
        if site == SECOND:
            f[3, GONE] = 0
        if site == THIRD:
            error[4] = 0
        return f, directions, error


def scope() -> Scope:
    return Scope(tiny.make("llama"), DICTIONARIES, tokenizer=tiny.tokenizer())


@pytest.mark.parametrize("method", ["sae-gradient", "sae-ig", "sae-exact"])
def test_node_effects(method: str) -> None:
    graph = feature_circuit(scope(), IDS, TARGETS, method=method, max_features=10_000, steps=4, edits=EDITS)
    plain, c = EditedPlain(IDS), graph.columns
    values = plain.values()
    kept = {site: plain.parts(site, values) for site in HOME}
    # Targets keep the weights of the edited model.
    plain.weights = torch.from_numpy(c.weight[c.kind == LOGIT])
    for n, key in enumerate(c.dictionaries):
        site = Site.parse(key)
        f, directions, error = kept[site]
        f, lost = f.clone(), error.clone()
        f[0], lost[0] = 0, 0
        away = f @ directions + lost
        gradient = torch.zeros_like(error)
        alphas = [0.0] if method == "sae-gradient" else [k / 4 for k in range(4)]
        for alpha in alphas:
            leaf = (values[site] - alpha * away).requires_grad_()
            metric = plain.metric(lambda s, v, leaf=leaf, site=site: leaf[None] if s == site else v)
            gradient += torch.autograd.grad(metric, leaf)[0] / len(alphas)
        mine = np.flatnonzero((c.kind == FEATURE) & (c.dictionary == n))
        assert len(mine) == int((f != 0).sum()) > 5
        base = float(plain.metric().detach())
        for node in mine[:: max(1, len(mine) // 8)]:
            position, index = int(c.position[node]), int(c.index[node])
            vector = f[position, index] * directions[index]
            expected = float(gradient[position] @ vector)
            if method == "sae-exact":
                without = values[site].clone()
                without[position] -= vector
                moved = plain.metric(lambda s, v, w=without, site=site: w[None] if s == site else v)
                expected = base - float(moved.detach())
            assert c.value[node] == pytest.approx(expected, abs=1e-5)
            assert c.activation[node] == pytest.approx(float(f[position, index]), abs=1e-5)
        if method != "sae-exact":
            found = c.value[(c.kind == ERROR) & (c.dictionary == n)]
            assert found == pytest.approx((gradient * lost).sum(-1).numpy(), abs=1e-5)
    names = set(c.ids)
    assert f"resid_post.0/{GONE}@3" not in names
    assert abs(c.value[c.place["resid_post.1/error@4"]]) < 1e-6


def hold(
    plain: EditedPlain, clean: Any, reached: Any, source: Site, p: int, more: Any, sign: int, at: Site, value: Any
) -> Any:
    """A hook: every site is what it was, the source a little more; what would have come is added up in `reached`."""
    if at not in HOME and at != Site("embed"):
        return value
    there = plain.arrived[at] if at in OWN else value[0].detach()
    reached[at] = reached.get(at, 0) + sign * there
    fixed = clean[at].clone()
    if at == source:
        fixed[p] += sign * more
    return fixed[None]


def test_edges_are_direct() -> None:
    graph = feature_circuit(scope(), IDS, TARGETS, max_features=10_000, edits=EDITS)
    plain, c, adjacency = EditedPlain(IDS), graph.columns, graph.adjacency.toarray()
    clean = plain.values()
    kept = {site: plain.parts(site, clean) for site in HOME}
    rng = np.random.default_rng(0)
    checked = doubled = 0
    for s in rng.choice(np.flatnonzero((c.kind == FEATURE) & (c.position > 1)), 8, replace=False):
        site, position = Site.parse(c.dictionaries[c.dictionary[s]]), int(c.position[s])
        more = STEP * kept[site][0][position, c.index[s]] * kept[site][1][c.index[s]]
        reached: dict[Site, torch.Tensor] = {}
        with torch.no_grad():
            up = plain.run(partial(hold, plain, clean, reached, site, position, more, 1))
            moved = up - plain.run(partial(hold, plain, clean, reached, site, position, more, -1))
        for t in np.flatnonzero(c.kind == FEATURE):
            at, index = Site.parse(c.dictionaries[c.dictionary[t]]), int(c.index[t])
            change = float(reached[at][c.position[t]] @ HOME[at].W_enc.double()[:, index]) / (2 * STEP)
            twice = at == FIRST and index == DOUBLED
            assert adjacency[t, s] == pytest.approx((1 + twice) * change, abs=3e-4)
            checked += abs(adjacency[t, s]) > 1e-3
        assert adjacency[c.kind == LOGIT, s] == pytest.approx((moved / (2 * STEP)).numpy(), abs=3e-4)
    # Embeddings reach the feature that is doubled; without the edit by half as much.
    whole = feature_circuit(scope(), IDS, TARGETS, max_features=10_000)
    for name in (name for name in c.ids if name.startswith(f"attn_out.0/{DOUBLED}@")):
        row, other = (g.adjacency[[g.columns.place[name]]].toarray()[0] for g in (graph, whole))
        after, before = (r[g.columns.kind == TOKEN] for r, g in ((row, graph), (other, whole)))
        assert after == pytest.approx(2 * before, rel=1e-3, abs=1e-9)
        doubled += np.abs(after).max() > 1e-6
    assert checked > 20 and doubled > 0


def test_what_an_edit_sets_is_moved_by_nothing() -> None:
    index = strongest(SECOND, 4)
    graph = feature_circuit(scope(), IDS, TARGETS, max_features=10_000, edits=[sw.clamp(f"resid_post.0/{index}", 3.0)])
    rows = graph.adjacency.toarray()
    nodes = [n for n, name in enumerate(graph.columns.ids) if name.startswith(f"resid_post.0/{index}@")]
    assert len(nodes) == len(IDS) - 1
    assert np.allclose(graph.columns.activation[nodes], 3) and not np.abs(rows[nodes]).max() > 1e-12
    assert np.abs(rows[:, nodes]).max() > 1e-3


def test_an_experiment_on_an_edited_graph() -> None:
    model = scope()
    graph = model.attribute(IDS, TARGETS, method="sae-gradient", edits=EDITS)
    name = next(name for name in graph.columns.ids if name.startswith("resid_post.0/") and "error" not in name)
    found = model.intervene_on(graph, name, propagation="free", controls=2)
    feature, _, position = name.partition("@")
    run = model.run_ids(IDS, edits=[*EDITS, sw.ablate(feature, [int(position)])])
    after = run.log_probabilities([-1])[0].exp()[graph.columns.index[graph.columns.kind == LOGIT]]
    assert found.targets["probability_after"].to_numpy() == pytest.approx(after.numpy(), abs=1e-5)


def test_what_cannot_be() -> None:
    for edits, error in (([sw.scale("mlp_in.1", 2.0)], CircuitError), ([sw.ablate("mlp_in.1/3")], FeatureError)):
        with pytest.raises(error):
            scope().attribute(IDS, method="sae-gradient", edits=edits)
