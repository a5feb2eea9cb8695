import pytest

from tests.widgets.fakes import fake_scope, fakes

__all__ = ["_always", "fake_scope", "fakes"]


@pytest.fixture(autouse=True)
def _always(fakes: None) -> None:
    """Every test here plays with fakes."""
