from tests.widgets.fakes import fake_scope, fakes

__all__ = ["fake_scope", "fakes"]
