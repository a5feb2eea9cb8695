"""One wrapped model and one never-wrapped copy of every family, for the whole session."""

from dataclasses import dataclass
from typing import Any

import pytest

from saewidgets.model import TracedModel
from tests.model import tiny


@dataclass(frozen=True)
class Pair:
    traced: TracedModel
    plain: Any


_made: dict[str, Pair] = {}


def pair_of(family: str) -> Pair:
    if family not in _made:
        _made[family] = Pair(TracedModel.wrap(tiny.make(family), tiny.tokenizer()), tiny.make(family))
    return _made[family]


@pytest.fixture(params=tiny.FAMILIES)
def pair(request: pytest.FixtureRequest) -> Pair:
    """Every family in turn."""
    made = pair_of(request.param)
    made.traced.prefixes.clear()
    return made


@pytest.fixture
def llama() -> Pair:
    made = pair_of("llama")
    made.traced.prefixes.clear()
    return made
