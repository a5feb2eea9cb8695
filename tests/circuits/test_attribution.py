"""Attribution against the formulas, on every kind of transcoder; additivity; order, limits, cancelling."""

from typing import Any

import numpy as np
import pytest
import torch

from saewidgets.circuits import Attribution, AttributionGraph, Target
from saewidgets.circuits.nodes import ERROR, FEATURE, LOGIT, TOKEN
from saewidgets.errors import Cancelled, CircuitError, DictionaryError, ModelError, PromptError
from saewidgets.sites import Site
from tests.circuits import cases, reference
from tests.model import tiny

FAMILIES = ("llama", "gpt2", "gemma2")


def both(family: str, kind: str) -> tuple[AttributionGraph, reference.Reference]:
    dictionaries, ids = cases.transcoders(kind), tiny.prompt(3, 9)
    graph = cases.scope(family).attribute(ids, dictionaries=dictionaries)
    return graph, reference.attribute(tiny.make(family).double(), ids, cases.as_formulas(dictionaries))


@pytest.mark.parametrize("kind", cases.KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_graph_is_that_of_the_formulas(family: str, kind: str) -> None:
    graph, true = both(family, kind)
    c = graph.columns
    features = c.kind == FEATURE
    found = list(zip(c.layer[features], c.position[features], c.index[features], strict=True))
    assert found == true.features and len(found) > 20
    assert c.index[c.kind == LOGIT].tolist() == true.token_ids
    assert np.allclose(c.activation[features], true.activations, atol=1e-5)
    assert np.allclose(c.value[features], true.pre, atol=1e-5)
    assert np.allclose(c.weight, true.weights, atol=1e-6)
    adjacency = graph.adjacency.toarray()
    assert np.abs(adjacency - true.adjacency).max() <= 1e-5 * np.abs(true.adjacency).max()
    assert np.array_equal(adjacency != 0, np.abs(true.adjacency) > 0)
    # Rows add up: this is what `bias` and `value` say, and what was checked on the way.
    total = adjacency.sum(1)[c.value != 0] + c.bias[c.value != 0]
    assert np.abs(total - c.value[c.value != 0]).max() < 1e-4 * np.abs(c.value).max()
    assert graph.complete and graph.covered == 1 and graph.residual < 1e-5

    n_features, n = int(features.sum()), len(c)
    layers, tokens = tiny.LAYERS, len(graph.tokens)
    errors = slice(n_features, n_features + layers * tokens)
    replacement, completeness = reference.scores(
        true.adjacency, true.weights, errors, slice(errors.stop, errors.stop + tokens)
    )
    scores = graph.scores()
    assert scores.replacement == pytest.approx(replacement, abs=1e-5)
    assert scores.completeness == pytest.approx(completeness, abs=1e-5)
    assert np.allclose(graph.influence, reference.influence(true.adjacency, true.weights), atol=1e-5)
    fixed = n - errors.stop
    for share, through in ((0.8, 0.98), (0.5, 0.7), (1.0, 1.0)):
        keep, edge = reference.prune(adjacency.astype(float), true.weights, fixed, n_features, share, through)
        pruned = graph.prune(share, through)
        assert pruned.columns.ids == tuple(name for name, kept in zip(c.ids, keep, strict=True) if kept)
        assert np.array_equal(pruned.adjacency.toarray() != 0, edge[keep][:, keep])
        assert pruned.scores() == scores


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_every_family_is_additive(family: str) -> None:
    scope = cases.scope(family)
    graph = scope.attribute(tiny.prompt(1, 14), dictionaries=cases.transcoders("topk"))
    assert graph.complete and graph.residual < 1e-5 and graph.adjacency.nnz > 1000


@pytest.mark.parametrize("kind", ["topk", "skip", "cross", "cross-skip"])
@pytest.mark.parametrize("family", FAMILIES)
def test_doubling_a_feature_changes_every_value_by_its_column(family: str, kind: str) -> None:
    """Measured in the model itself: patterns, scales and MLP outputs held, one feature's contribution added."""
    scope, dictionaries, ids = cases.scope(family), cases.transcoders(kind), tiny.prompt(3, 9)
    graph = scope.attribute(ids, dictionaries=dictionaries)
    c, adjacency, model = graph.columns, graph.adjacency.toarray(), scope.model
    weights = cases.as_formulas(dictionaries)
    reads = [Site("mlp_in", n) for n in range(tiny.LAYERS)]
    outs = [Site("mlp_out", n) for n in range(tiny.LAYERS)]
    base = model.trace(ids, [*reads, *outs, *model.patterns(), Site("final")], scales=True)
    rng = np.random.default_rng(0)
    for s in rng.choice(np.flatnonzero((c.kind == FEATURE) & (c.layer < 2)), 4, replace=False):
        added = {
            to: float(c.activation[s]) * rows[int(c.index[s])].float()
            for to, rows in weights[c.layer[s]]["W_dec"].items()
        }

        def hold(site: Site, added: Any = added, s: int = int(s)) -> Any:
            def write(value: Any, values: Any, offset: int) -> Any:
                result = base.values[site].clone()
                one = weights.get(site.layer or 0)
                if one and one["W_skip"] is not None and site.stream == "mlp_out":
                    read = Site("mlp_in", site.layer)
                    result = result + (values[read] - base.values[read]) @ one["W_skip"].float()
                if site.stream == "mlp_out" and site.layer in added:
                    result[0, c.position[s]] += added[site.layer]
                return result

            return write

        writes = {site: hold(site) for site in (*outs, *model.patterns())}
        new = model.trace(ids, [*reads, *outs, Site("final")], writes, scales=base.scales)
        change = np.zeros(len(c))
        for t in np.flatnonzero(c.kind == FEATURE):
            site = Site("mlp_in", int(c.layer[t]))
            moved = (new.values[site] - base.values[site])[0, c.position[t]].double()
            change[t] = float(moved @ weights[c.layer[t]]["W_enc"][:, c.index[t]])
        unembed = model.module.get_output_embeddings().weight.detach().double()
        moved = (new.values[Site("final")] - base.values[Site("final")])[0, -1].double()
        for t in np.flatnonzero(c.kind == LOGIT):
            change[t] = float(moved @ (unembed[c.index[t]] - unembed.mean(0)))
        assert np.abs(change - adjacency[:, s]).max() <= 2e-5 * np.abs(adjacency).max()
        assert np.abs(change).max() > 1e-3


# --------------------------------------------------------------------------------------- targets


def test_targets() -> None:
    scope, ids = cases.scope("llama"), tiny.prompt(2, 8)
    dictionaries = cases.transcoders("relu")
    vector = torch.randn(16, generator=torch.Generator().manual_seed(0))
    targets = [
        Target(5, position=-2),
        Target(5, minus=7, position=3),
        Target(vector=vector, weight=2.0, label="mine"),
        9,
    ]
    graph = scope.attribute(ids, targets, dictionaries=dictionaries)
    c = graph.columns
    last = c.kind == LOGIT
    assert c.position[last].tolist() == [6, 3, 7, 7] and c.index[last].tolist() == [5, 5, -1, 9]
    trace = scope.model.trace(ids, ["final"])
    p, final = trace.logits[0].softmax(-1), trace.values[Site("final")][0]
    assert c.weight[last] == pytest.approx([float(p[6, 5]), 1, 2, float(p[7, 9])])
    unembed = scope.model.module.get_output_embeddings().weight.detach()
    true = [final[6] @ (unembed[5] - unembed.mean(0)), final[3] @ (unembed[5] - unembed[7]), final[7] @ vector,
            final[7] @ (unembed[9] - unembed.mean(0))]  # fmt: skip
    assert c.value[last] == pytest.approx([float(v) for v in true], abs=1e-5)
    rows = graph.adjacency.toarray()[last]
    assert rows.sum(1) + c.bias[last] == pytest.approx(c.value[last], abs=1e-4)
    for row, position in zip(rows, c.position[last], strict=True):
        assert not row[c.position > position].any(), "a target is moved by a later token"
    several = scope.attribute(ids, dictionaries=dictionaries, positions=[2, -1])
    assert set(several.columns.position[several.columns.kind == LOGIT].tolist()) == {2, 7}


@pytest.mark.parametrize(
    "targets", [10_000, "two tokens", Target(1, position=99), Target(vector=[1.0]), [], 1.5, [Target(1, weight=-1.0)]]
)
def test_what_is_no_target(targets: object) -> None:
    with pytest.raises(PromptError):
        cases.scope("llama").attribute(tiny.prompt(2, 8), targets, dictionaries=cases.transcoders("relu"))


def test_a_target_is_one_thing() -> None:
    with pytest.raises(PromptError):
        Target()
    with pytest.raises(PromptError):
        Target(1, vector=[1.0])


# ------------------------------------------------------------------------- order, limits, cancelling


def test_the_most_influential_rows_come_first() -> None:
    scope, ids = cases.scope("llama"), tiny.prompt(5, 16)
    whole = scope.attribute(ids, dictionaries=cases.transcoders("relu"))
    part = scope.attribute(ids, dictionaries=cases.transcoders("relu"), max_features=64)
    assert not part.complete and int((part.columns.kind == FEATURE).sum()) == 64
    kept = whole.columns.numbers([name for name in part.columns.ids if "/" in name])
    features = whole.columns.kind == FEATURE
    held = whole.influence[kept].sum() / whole.influence[features].sum()
    best = np.sort(whole.influence[features])[::-1][:64].sum() / whole.influence[features].sum()
    assert held > 0.9 * best
    assert 0.8 * held < part.covered < min(1, 1.2 * held)
    # What is there is the same as in the whole.
    ids_of = part.columns.ids
    numbers = whole.columns.numbers(ids_of)
    assert np.allclose(part.adjacency.toarray(), whole.adjacency.toarray()[numbers][:, numbers], atol=1e-5)


def test_rows_that_are_asked_for_come_before_all_others() -> None:
    scope, ids = cases.scope("llama"), tiny.prompt(5, 16)
    dictionaries = cases.transcoders("relu")
    whole = scope.attribute(ids, dictionaries=dictionaries)
    features = [name for name in whole.columns.ids if "/" in name]
    weak = sorted(features, key=lambda name: whole.influence[whole.columns.place[name]])[:5]
    wanted = [*weak, "mlp_in.0/1@99999999999999999999", "token@1", "mlp_in.9/1@1"]

    def arrivals(**options: Any) -> list[set[str]]:
        steps = Attribution(scope, ids, dictionaries=dictionaries, **options)
        return [{name for name in step.graph().columns.ids if "/" in name} for step in steps]

    there = arrivals(first=wanted)
    assert there[0] == set() and there[1] == set(weak), "after the targets, before anything else"
    assert not set(weak) & arrivals()[1], "by influence they would not be first"
    assert there[-1] == set(features)
    assert arrivals(first=wanted, max_features=3)[-1] < set(weak), "the limit holds for them as well"


def test_rows_arrive_and_stopping_keeps_them() -> None:
    scope, ids = cases.scope("llama"), tiny.prompt(5, 16)
    seen: list[tuple[int, int]] = []

    def report(step: Attribution) -> None:
        seen.append((step.done, int((step.graph().columns.kind == FEATURE).sum())))
        if step.done > 80:
            raise Cancelled("Enough.")

    graph = scope.attribute(ids, dictionaries=cases.transcoders("relu"), report=report, batch=16)
    targets = int((graph.columns.kind == LOGIT).sum())
    assert len(seen) > 3 and all(done == features + targets for done, features in seen)
    assert seen[-1][0] == int((graph.columns.kind == FEATURE).sum()) + targets
    assert not graph.complete and 0 < graph.covered < 1


def test_an_error_in_report_is_raised() -> None:
    def report(step: Attribution) -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        cases.scope("llama").attribute(tiny.prompt(), dictionaries=cases.transcoders("relu"), report=report)


def test_memory_is_estimated_and_kept_to() -> None:
    scope, ids = cases.scope("llama"), tiny.prompt(5, 16)
    dictionaries = cases.transcoders("relu")
    making = Attribution(scope, ids, dictionaries=dictionaries)
    need = making.estimate.nbytes
    assert need == making.estimate.nbytes_whole and making.estimate.rows > 100
    small = Attribution(scope, ids, dictionaries=dictionaries, memory=need // 2)
    assert small.estimate.nbytes <= need // 2 and small.estimate.nbytes_whole == need
    graph = small.run()
    assert not graph.complete and 0 < graph.covered < 1 and small.finished
    with pytest.raises(CircuitError, match="hold no row"):
        Attribution(scope, ids, dictionaries=dictionaries, memory=1000)
    for wrong in ({"max_features": 0}, {"batch": -1}, {"memory": 1.5}):
        with pytest.raises(CircuitError):
            Attribution(scope, ids, dictionaries=dictionaries, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_the_batch_does_not_matter(batch: int) -> None:
    scope, ids, dictionaries = cases.scope("gemma2"), tiny.prompt(5, 10), cases.transcoders("cross-skip")
    one = scope.attribute(ids, dictionaries=dictionaries, batch=batch)
    other = scope.attribute(ids, dictionaries=dictionaries)
    assert one.columns.ids == other.columns.ids
    assert np.abs((one.adjacency - other.adjacency).toarray()).max() < 1e-5


# ------------------------------------------------------------------------- refusals


def test_what_is_not_additive_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Controls: a frozen part that does something else is found, and the message says where."""
    scope, ids, dictionaries = cases.scope("llama"), tiny.prompt(5, 10), cases.transcoders("relu")
    from saewidgets.model import freeze as room
    from saewidgets.model import frozen_parts as frozen

    true = room._values
    monkeypatch.setattr(room, "_values", lambda *a: (true(*a)[0] * 1.02, true(*a)[1]))
    with pytest.raises(ModelError, match=r"attn_out\.0"):
        scope.attribute(ids, dictionaries=dictionaries)
    monkeypatch.undo()
    pull = frozen.FrozenAttention.pull
    monkeypatch.setattr(frozen.FrozenAttention, "pull", lambda self, g: pull(self, g) * 1.02)
    with pytest.raises(CircuitError, match=r"not additive"):
        scope.attribute(ids, dictionaries=dictionaries)


def test_a_model_that_does_more_than_its_family_is_refused() -> None:
    module = tiny.make("llama")
    inner = module.model.layers[1].self_attn.o_proj.forward
    module.model.layers[1].self_attn.o_proj.forward = lambda x: torch.tanh(inner(x))
    from saewidgets.scope import Scope

    with pytest.raises(ModelError, match=r"attn_out\.1"):
        Scope(module, tokenizer=tiny.tokenizer()).attribute(tiny.prompt(), dictionaries=cases.transcoders("relu"))


def test_what_is_no_transcoder_is_refused() -> None:
    scope = cases.scope("llama")
    with pytest.raises(DictionaryError, match="no transcoder"):
        scope.attribute(tiny.prompt(), dictionaries=[])
    two = cases.transcoders("relu")
    with pytest.raises(DictionaryError, match="both stand"):
        scope.attribute(tiny.prompt(), dictionaries={"mlp_in.0": two[0], "mlp_in.0@second": two[0]})


def test_a_prompt_of_one_token_has_nothing_but_constants() -> None:
    graph = cases.scope("llama").attribute([3], dictionaries=cases.transcoders("relu"))
    assert not (graph.columns.kind == FEATURE).any() and graph.complete and graph.covered == 1
    assert (graph.columns.kind == ERROR).sum() == tiny.LAYERS and (graph.columns.kind == TOKEN).sum() == 1


def test_unit_norm_changes_the_scale_and_not_the_effects() -> None:
    scope, ids = cases.scope("llama"), tiny.prompt(5, 10)
    for kind in ("relu", "cross"):
        plain = cases.transcoders(kind)
        unit = plain.unit_norm() if kind == "cross" else [d.unit_norm() for d in plain]
        one, other = (scope.attribute(ids, dictionaries=d) for d in (plain, unit))
        assert one.columns.ids == other.columns.ids
        features = one.columns.kind == FEATURE
        ratio = other.columns.activation[features] / one.columns.activation[features]
        scale = np.ones(len(one.columns))
        scale[features] = ratio
        assert np.abs(one.adjacency.toarray() * scale[:, None] - other.adjacency.toarray()).max() < 1e-4
        assert other.residual < 1e-5
