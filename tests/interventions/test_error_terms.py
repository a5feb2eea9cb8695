"""Edits of error terms: what a dictionary leaves out is taken away or scaled, and nothing else."""

from typing import Any

import pytest
import torch

import saewidgets as sw
from saewidgets.dictionaries import Dictionary
from saewidgets.errors import EditError, FeatureError, SaewidgetsError
from saewidgets.interventions import ErrorTerm, from_json, make_writes, to_code, to_json
from saewidgets.runs.control import like_edits
from saewidgets.scope import Scope
from saewidgets.sites import Site
from tests.circuits import cases
from tests.interventions.conftest import dictionary
from tests.model import tiny

IDS = tiny.prompt(3, 9)


def scope_of(transcoders: bool) -> Scope:
    chosen = cases.transcoders("skip") if transcoders else [dictionary("resid_post.1", 3)]
    return Scope(tiny.make("llama"), chosen, tokenizer=tiny.tokenizer())


def split(d: Dictionary, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Activations and reconstruction by the formulas."""
    f = d.encode(x)
    return f, f @ d.rows(range(d.d_dict)) + d.offset(x)


@pytest.mark.parametrize("factor", [0.0, 0.5, 2.0])
@pytest.mark.parametrize(("name", "key"), [("error.1", "mlp_in.1"), ("mlp_in.1/error", "mlp_in.1"),
                                           ("resid_post.1/error", "resid_post.1")])  # fmt: skip
def test_the_error_is_multiplied_at_its_tokens(name: str, key: str, factor: float) -> None:
    scope = scope_of(key.startswith("mlp"))
    d = scope.dictionaries[key]
    f_index = int(d.encode(scope.model.trace(IDS, [d.site_in]).values[d.site_in][0]).sum(0).argmax())
    feature = f"{key}/{f_index}"
    error = sw.scale(name, factor, [3, 5]) if factor else sw.ablate(name, [3, 5])
    base = scope.model.trace(IDS, [d.site_in, d.site_out]).values
    x_in, x_out = base[d.site_in][0], base[d.site_out][0]
    f, made = split(d, x_in)
    lost = torch.zeros_like(x_out)
    lost[[3, 5]] = (factor - 1) * (x_out - made)[[3, 5]]
    double = f[:, f_index, None] * d.rows([f_index])
    for edits, wanted in (
        ([error], x_out + lost),
        # With an edit of a feature, in either order, the error is that of before.
        ([error, sw.scale(feature, 2.0)], x_out + lost + double),
        ([sw.scale(feature, 2.0), error], x_out + lost + double),
        ([error, error], x_out + (factor**2 - 1) / (factor - 1) * lost),
    ):
        writes = make_writes(edits, scope.dictionaries, scope.model, len(IDS))
        found = scope.model.trace(IDS, [d.site_in, d.site_out], writes).values[d.site_out][0]
        assert torch.allclose(found, wanted, atol=1e-5)


def test_they_go_to_json_and_code_and_back() -> None:
    edits = (sw.ablate("error.2", [1]), sw.scale("resid_post.1@b/error", 0.5))
    assert from_json(to_json(edits)) == edits
    assert to_code(edits) == "[sw.ablate('error.2', positions=[1]), sw.scale('resid_post.1@b/error', 0.5)]"
    assert eval(to_code(edits), {"sw": sw}) == list(edits)
    assert edits[0].features == () and edits[0].feature is None


@pytest.mark.parametrize(
    "make",
    [lambda: sw.steer("error.1", 1.0), lambda: sw.clamp("error.1", 1.0), lambda: sw.ablate("error.1", error="drop"),
     lambda: sw.patch("error.1", "x"), lambda: sw.ablate("error.1", mean_over=["x"]), lambda: ErrorTerm("error"),
     lambda: ErrorTerm("error.99999"), lambda: ErrorTerm("<b>/error")],
)  # fmt: skip
def test_what_cannot_be_done_to_them(make: Any) -> None:
    with pytest.raises(SaewidgetsError):
        make()


def test_errors_that_are_not_there() -> None:
    scope = scope_of(transcoders=False)
    for name in ("error.1", "resid_post.0/error"):
        with pytest.raises(FeatureError, match="no dictionary"):
            scope.run_ids(IDS, edits=[sw.ablate(name)])
    with pytest.raises(EditError, match="keep and drop"):
        scope.run_ids(IDS, edits=[sw.ablate("resid_post.1/error"), sw.ablate("resid_post.1/3", error="drop")])


def test_the_control_is_at_other_tokens() -> None:
    draw = torch.Generator().manual_seed(0)
    edits = [sw.ablate("error.1", [3, 5]), sw.ablate("embed", [4]), sw.ablate("resid_pre.0", [4])]
    seen = set()
    for _ in range(30):
        error, embed, site = like_edits(edits, {}, draw, n_tokens=9)
        assert isinstance(error.positions, tuple) and not {0, 3, 5} & set(error.positions)
        assert len(error.positions) == 2 and embed.positions not in ((0,), (4,)) and site.positions == (4,)
        assert error.target == edits[0].target and embed.target == Site("embed")
        seen.add(error.positions)
    assert len(seen) > 5
