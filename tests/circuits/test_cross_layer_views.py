"""Features of a cross-layer transcoder in the views: the graph shows them, and what cannot says so."""

from collections.abc import Callable
from typing import Any

import pytest

import saewidgets as sw
from saewidgets.errors import SaewidgetsError
from saewidgets.scope import Scope
from tests.circuits import cases
from tests.model import tiny


def scope() -> Scope:
    return Scope(tiny.make("llama"), [cases.transcoders("cross")], tokenizer=tiny.tokenizer())


@pytest.mark.parametrize(
    "make",
    [
        lambda s: sw.TokenHeatmap(s, "abc"),
        lambda s: sw.FeatureDashboard(s, "mlp_in.1/3"),
        lambda s: sw.CircuitGraph(s, "abc", edits=[sw.ablate("mlp_in.1/3")]),
        lambda s: s.key("mlp_in.1"),
    ],
)
def test_what_cannot_says_so(make: Callable[[Scope], Any]) -> None:
    with pytest.raises(SaewidgetsError, match=r"cross-layer transcoder mlp_in\.0 .*CircuitGraph show its features"):
        make(scope())


def test_the_graph_shows_them() -> None:
    demo = sw.demo().model
    dictionary = cases.transcoders("cross", d=demo.d_model, layers=demo.n_layers)
    with sw.CircuitGraph(Scope(demo, [dictionary]), "Mira saw a red boat.", max_features=40) as view:
        assert view.wait(60)
        frame = view.to_frame()
        features = frame[frame.kind == "feature"].id.tolist()
        assert features and all(name.startswith("mlp_in.") for name in features)
        assert {name.partition("/")[0] for name in features} <= {f"mlp_in.{n}" for n in range(demo.n_layers)}
        error = frame[frame.kind == "error"].id.iloc[0].rpartition("@")[0]
        with pytest.raises(SaewidgetsError, match="intervene_on"):
            view.edits = [sw.ablate(error, [2])]
