"""Payload <-> front end: one class a widget, one base, one job runner. torch only through a widget's scope."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from saewidgets.widgets.base import BaseWidget
    from saewidgets.widgets.circuit import CircuitGraph
    from saewidgets.widgets.compare import Compare
    from saewidgets.widgets.contrast import Contrast
    from saewidgets.widgets.dictionary_report import DictionaryReport
    from saewidgets.widgets.explorer import Explorer
    from saewidgets.widgets.feature_dashboard import FeatureDashboard
    from saewidgets.widgets.feature_table import FeatureTable
    from saewidgets.widgets.files import open
    from saewidgets.widgets.frontier import Frontier
    from saewidgets.widgets.heatmap import TokenHeatmap
    from saewidgets.widgets.patch_map import PatchMap
    from saewidgets.widgets.steering import Steering
    from saewidgets.widgets.training import TrainingMonitor

_HOMES = {
    "BaseWidget": "base",
    "CircuitGraph": "circuit",
    "Compare": "compare",
    "Contrast": "contrast",
    "DictionaryReport": "dictionary_report",
    "Explorer": "explorer",
    "FeatureDashboard": "feature_dashboard",
    "FeatureTable": "feature_table",
    "Frontier": "frontier",
    "PatchMap": "patch_map",
    "Steering": "steering",
    "TokenHeatmap": "heatmap",
    "TrainingMonitor": "training",
    "open": "files",
}

__all__ = [
    "BaseWidget", "CircuitGraph", "Compare", "Contrast", "DictionaryReport", "Explorer", "FeatureDashboard",
    "FeatureTable", "Frontier",
    "PatchMap", "Steering", "TokenHeatmap", "TrainingMonitor", "open",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a widget on first use: ipywidgets alone takes a quarter of a second."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
