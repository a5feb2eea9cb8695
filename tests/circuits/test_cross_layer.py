"""Cross-layer transcoders in a scope: attribution, interventions and groups find them; a run is as it was."""

import numpy as np
import pytest

from saewidgets.circuits import Experiment, faithfulness, head_edges, propose_groups
from saewidgets.dictionaries import CrossLayerTranscoder
from saewidgets.errors import DictionaryError
from saewidgets.scope import Scope
from tests.circuits import cases
from tests.model import tiny

IDS = tiny.prompt(3, 9)


@pytest.mark.parametrize("kind", ["cross", "cross-skip"])
def test_a_scope_takes_one(kind: str) -> None:
    transcoder = cases.transcoders(kind)
    scope = Scope(tiny.make("llama"), transcoder, tokenizer=tiny.tokenizer())
    assert isinstance(scope.cross_layer["mlp_in.0"], CrossLayerTranscoder) and not scope.dictionaries
    graph = scope.attribute(IDS)
    given = cases.scope("llama").attribute(IDS, dictionaries=transcoder)
    assert graph.columns.ids == given.columns.ids
    assert np.array_equal(graph.adjacency.toarray(), given.adjacency.toarray())
    nodes = list(graph.columns.ids[:3])
    found = scope.intervene_on(graph, nodes, propagation="direct", controls=2)
    assert np.abs(found.table["predicted"] - found.table["measured"]).max() < 1e-4
    assert found.table["measured"].abs().max() > 1e-2
    assert faithfulness(Experiment(scope, graph), controls=2).table["faithfulness"].iloc[-1] == pytest.approx(
        1, abs=1e-5
    )
    parts = head_edges(scope, graph, graph.columns.ids[-1])
    assert parts["weight"].sum() == pytest.approx(float(graph.adjacency.toarray()[-1].sum()), abs=1e-3)
    assert propose_groups(graph, "decoder", scope=scope, similarity=0.99).groups
    run = scope.run_ids(IDS)
    assert not run.features and np.allclose(run.logits, cases.scope("llama").run_ids(IDS).logits)


def test_a_cross_layer_edit_reaches_every_layer_it_writes() -> None:
    """Free propagation: one feature off, against the same written by hand into each MLP output."""
    transcoder = cases.transcoders("cross")
    scope = Scope(tiny.make("llama"), transcoder, tokenizer=tiny.tokenizer())
    graph = scope.attribute(IDS, 5)
    c = graph.columns
    n = next(i for i in range(len(c)) if c.layer[i] == 0)
    found = scope.intervene_on(graph, c.ids[n], propagation="free", controls=2)
    rows = transcoder.layer_rows(0, [int(c.index[n])])[0] * float(c.activation[n])

    def write(layer: int):  # type: ignore[no-untyped-def]
        def put(value, values, offset):  # type: ignore[no-untyped-def]
            new = value.clone()
            new[:, int(c.position[n])] -= rows[layer]
            return new

        return put

    model = scope.model
    trace = model.trace(IDS, ["final"], {model.site(f"mlp_out.{k}"): write(k) for k in range(tiny.LAYERS)})
    after = float(trace.logits[0, -1].softmax(-1)[5])
    assert found.targets["probability_after"][0] == pytest.approx(after, abs=1e-5)


def test_what_a_scope_does_not_take() -> None:
    module, cross = tiny.make("llama"), cases.transcoders("cross")
    with pytest.raises(DictionaryError, match="Two dictionaries"):
        Scope(module, [cross, *cases.transcoders("relu")], tokenizer=tiny.tokenizer())
    both = Scope(
        module,
        {"mlp_in.0@cross": cross, **{str(d.site_in): d for d in cases.transcoders("relu")}},
        tokenizer=tiny.tokenizer(),
    )
    with pytest.raises(DictionaryError, match="both stand for"):
        both.attribute(IDS)
    assert both.attribute(IDS, dictionaries=both.cross_layer).columns.dictionaries[0] == "mlp_in.0@cross"
    wide = cases.transcoders("cross", d=8)
    with pytest.raises(DictionaryError, match="8 wide"):
        Scope(module, wide, tokenizer=tiny.tokenizer())
    deep = cases.transcoders("cross", layers=5)
    with pytest.raises(Exception, match=r"mlp_in\.3"):
        Scope(module, deep, tokenizer=tiny.tokenizer())
