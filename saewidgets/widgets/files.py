"""Open a saved view without its model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from saewidgets.errors import PayloadError, shorten
from saewidgets.payloads import (
    CircuitPayload,
    ComparePayload,
    ContrastPayload,
    DictionaryReportPayload,
    ExplorerPayload,
    FeatureDashboardPayload,
    FeatureTablePayload,
    FrontierPayload,
    HeatmapPayload,
    PatchMapPayload,
    SteeringPayload,
    TrainingPayload,
    decode,
)
from saewidgets.widgets.base import BaseWidget
from saewidgets.widgets.circuit import CircuitGraph
from saewidgets.widgets.compare import Compare
from saewidgets.widgets.contrast import Contrast
from saewidgets.widgets.dictionary_report import DictionaryReport
from saewidgets.widgets.explorer import Explorer
from saewidgets.widgets.feature_dashboard import FeatureDashboard
from saewidgets.widgets.feature_table import FeatureTable
from saewidgets.widgets.frontier import Frontier
from saewidgets.widgets.heatmap import TokenHeatmap
from saewidgets.widgets.patch_map import PatchMap
from saewidgets.widgets.steering import Steering
from saewidgets.widgets.training import TrainingMonitor

# No view needs more; a file that claims to is refused unread.
MAX_BYTES = 512 * 2**20

_WIDGETS: dict[type, type[BaseWidget]] = {
    HeatmapPayload: TokenHeatmap,
    TrainingPayload: TrainingMonitor,
    FrontierPayload: Frontier,
    DictionaryReportPayload: DictionaryReport,
    FeatureDashboardPayload: FeatureDashboard,
    FeatureTablePayload: FeatureTable,
    CircuitPayload: CircuitGraph,
    SteeringPayload: Steering,
    ExplorerPayload: Explorer,
    PatchMapPayload: PatchMap,
    ContrastPayload: Contrast,
    ComparePayload: Compare,
}


def open(path: str | Path, **options: Any) -> Any:
    """A widget from a file that `widget.save("….sae")` wrote. It holds data only: nothing in it is run.

    Args:
        path: The file.
        **options: Arguments of the widget's look: `theme`, `height`, `text_face`, `lanes`.

    Returns:
        The widget; editing needs a model and is off.

    Raises:
        PayloadError: Missing, too large, damaged, of a newer version, or not ours.

    Example:
        >>> import tempfile, saewidgets as sw
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with sw.TokenHeatmap(sw.demo(), "Mira saw a red boat.") as view:
        ...         path = view.save(f"{folder}/boat.sae")
        ...     sw.open(path).payload.prompt
        'Mira saw a red boat.'
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise PayloadError(f"{shorten(path.name)} has {size} bytes.", f"A payload has at most {MAX_BYTES}.")
        raw = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PayloadError(f"Cannot read {shorten(path.name)}: {reason}.", "Check the path.") from None
    payload = decode(raw)
    if type(payload) not in _WIDGETS:
        raise PayloadError(f"{shorten(path.name)} holds no whole view.", "Open a file that `widget.save` wrote.")
    return _WIDGETS[type(payload)](payload, **options)
