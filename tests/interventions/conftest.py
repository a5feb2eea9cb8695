"""A scope on every family: two dictionaries and a transcoder on a tiny random model, and a plain copy."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch

from saewidgets.dictionaries import Activation, FeedForward
from saewidgets.scope import Scope
from saewidgets.sites import Site
from tests.model import tiny
from tests.model.conftest import pair_of

WIDTH = 16


def dictionary(site: str, seed: int, out: str | None = None, kind: str = "topk") -> FeedForward:
    draw = torch.Generator().manual_seed(seed)
    return FeedForward(
        torch.randn(WIDTH, 40, generator=draw),
        torch.randn(40, WIDTH, generator=draw) * 0.4,
        torch.randn(40, generator=draw) * 0.1,
        torch.randn(WIDTH, generator=draw) * 0.1,
        Activation(kind, k=5),
        Site.parse(site),
        Site.parse(out or site),
    )


@dataclass(frozen=True)
class World:
    scope: Scope
    plain: Any
    eager: Any


_made: dict[str, World] = {}


def world_of(family: str) -> World:
    if family not in _made:
        pair = pair_of(family)
        dictionaries = [
            dictionary("resid_post.0", 1, kind="relu"),
            dictionary("resid_post.1", 2),
            dictionary("mlp_in.2", 3, out="mlp_out.2", kind="relu"),
        ]
        eager = tiny.make(family)
        eager.set_attn_implementation("eager")
        _made[family] = World(Scope(pair.traced, dictionaries), pair.plain, eager)
    return _made[family]


@pytest.fixture(params=tiny.FAMILIES)
def world(request: pytest.FixtureRequest) -> World:
    """Every family in turn."""
    made = world_of(request.param)
    made.scope.model.prefixes.clear()
    made.scope.recent = type(made.scope.recent)()
    return made


@pytest.fixture
def llama() -> World:
    made = world_of("llama")
    made.scope.recent = type(made.scope.recent)()
    return made
