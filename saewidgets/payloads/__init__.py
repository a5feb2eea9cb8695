"""The waist of the hourglass: what a view needs, and nothing else. numpy only.

Everything scientific ends in a payload and everything visual starts from one: the live widget, the figure and the
offline page draw the same object. `codec` turns it into bytes and back; `js/src/payloads.ts` is generated from the
dataclasses by `python -m saewidgets.payloads.typescript`.
"""

from saewidgets.payloads.circuit import (
    CircuitEffect,
    CircuitGroup,
    CircuitMarks,
    CircuitMode,
    CircuitNodes,
    CircuitPayload,
    CircuitPlace,
    CircuitSide,
    CircuitWords,
    CircuitWorth,
    NodeName,
)
from saewidgets.payloads.codec import decode, encode
from saewidgets.payloads.compare import ComparePayload, FeaturePairs
from saewidgets.payloads.context import Context
from saewidgets.payloads.contrast import (
    ContrastBottleneck,
    ContrastConfound,
    ContrastCorrection,
    ContrastFeature,
    ContrastMeasure,
    ContrastPayload,
    ContrastProbe,
)
from saewidgets.payloads.dictionary_report import Beside, DictionaryReportPayload, Estimate, ListedFeature, Measure
from saewidgets.payloads.explorer import ExplorerPanel, ExplorerPayload
from saewidgets.payloads.feature_dashboard import (
    ExampleGroup,
    FeatureDashboardPayload,
    LabelMeter,
    RelatedFeature,
    Word,
)
from saewidgets.payloads.feature_table import (
    FeatureTablePayload,
    OpenedFeature,
    Statistic,
    TableChart,
    TableFilter,
    TablePoints,
    TableRows,
)
from saewidgets.payloads.frontier import FrontierPayload, FrontierPoint, frontier_payload
from saewidgets.payloads.heatmap import (
    ChosenFeature,
    Control,
    FeatureLabel,
    HeatmapPayload,
    Predictions,
    SiteView,
    Sparse,
    Tokens,
)
from saewidgets.payloads.histogram import Histogram, cosine_histogram, density_histogram
from saewidgets.payloads.patch_map import PatchBlock, PatchDetail, PatchMapPayload, PatchPath, PatchRegion
from saewidgets.payloads.steering import ChatMessage, Doses, KeptRun, SteeringPayload, SteeringSlider, WrittenText
from saewidgets.payloads.training import Curve, FormingFeature, Passage, TrainingPayload

__all__ = [
    "Beside",
    "CircuitEffect",
    "CircuitGroup",
    "CircuitMarks",
    "CircuitMode",
    "CircuitNodes",
    "CircuitPayload",
    "CircuitPlace",
    "CircuitSide",
    "CircuitWords",
    "CircuitWorth",
    "ChatMessage",
    "ChosenFeature",
    "Context",
    "ContrastBottleneck",
    "ContrastConfound",
    "ContrastCorrection",
    "ContrastFeature",
    "ContrastMeasure",
    "ContrastPayload",
    "ContrastProbe",
    "Control",
    "Curve",
    "ComparePayload",
    "DictionaryReportPayload",
    "Doses",
    "Estimate",
    "ExampleGroup",
    "ExplorerPanel",
    "ExplorerPayload",
    "FeatureDashboardPayload",
    "FeatureLabel",
    "FeaturePairs",
    "FeatureTablePayload",
    "FormingFeature",
    "FrontierPayload",
    "FrontierPoint",
    "HeatmapPayload",
    "Histogram",
    "KeptRun",
    "LabelMeter",
    "ListedFeature",
    "Measure",
    "NodeName",
    "OpenedFeature",
    "Passage",
    "PatchBlock",
    "PatchDetail",
    "PatchMapPayload",
    "PatchPath",
    "PatchRegion",
    "Predictions",
    "RelatedFeature",
    "SiteView",
    "Sparse",
    "Statistic",
    "SteeringPayload",
    "SteeringSlider",
    "TableChart",
    "TableFilter",
    "TablePoints",
    "TableRows",
    "Tokens",
    "TrainingPayload",
    "Word",
    "WrittenText",
    "cosine_histogram",
    "decode",
    "density_histogram",
    "encode",
    "frontier_payload",
]
