"""What Colab needs of the Python side: its manager of third-party widgets, named beside every live view."""

import sys
import types
from typing import Any

import anywidget._util
import pytest

from saewidgets.widgets import TokenHeatmap
from tests.widgets.fakes import FakeScope

MANAGER = "https://example.invalid/manager.min.js"
VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A stand-in for Colab and its shell: what was published, and how often the manager was switched on."""
    found = types.SimpleNamespace(published=[], enabled=0)

    def enable() -> None:
        found.enabled += 1

    def publish(data: Any, metadata: Any, **_: Any) -> None:
        found.published.append((data, metadata))

    found.display_pub = types.SimpleNamespace(publish=publish)
    widgets = types.SimpleNamespace(_installed_url=MANAGER)
    colab = types.SimpleNamespace(enable_custom_widget_manager=enable, _widgets=widgets)
    monkeypatch.setitem(sys.modules, "google.colab.output", colab)
    ipython = types.SimpleNamespace(get_ipython=lambda: found, version_info=(9, 0))  # matplotlib asks for its version
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    anywidget._util.enable_custom_widget_manager_once.cache_clear()
    yield found
    anywidget._util.enable_custom_widget_manager_once.cache_clear()


def test_the_manager_is_switched_on_once_and_named_beside_each_view(shell: Any, fake_scope: FakeScope) -> None:
    for _ in range(2):
        with TokenHeatmap(fake_scope, "a b c") as view:
            view._ipython_display_()
    assert shell.enabled == 1
    for data, metadata in shell.published:
        assert {VIEW, "text/html", "image/png"} <= data.keys()  # the picture is what stays when the kernel is gone
        assert metadata[VIEW]["colab"]["custom_widget_manager"]["url"] == MANAGER
    assert len(shell.published) == 2


def test_elsewhere_nothing_is_named(shell: Any, fake_scope: FakeScope, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "google.colab.output")
    with TokenHeatmap(fake_scope, "a b c") as view:
        view._ipython_display_()
    assert [metadata for _, metadata in shell.published] == [{}]
