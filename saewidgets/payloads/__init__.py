"""The waist of the hourglass: what a view needs, and nothing else. numpy only.

Everything scientific ends in a payload and everything visual starts from one: the live widget, the figure and the
offline page draw the same object. `codec` turns it into bytes and back; `js/src/payloads.ts` is generated from the
dataclasses by `python -m saewidgets.payloads.typescript`.
"""

from saewidgets.payloads.codec import decode, encode
from saewidgets.payloads.heatmap import (
    ChosenFeature,
    Context,
    Control,
    FeatureLabel,
    HeatmapPayload,
    Predictions,
    SiteView,
    Sparse,
    Tokens,
)

__all__ = [
    "ChosenFeature",
    "Context",
    "Control",
    "FeatureLabel",
    "HeatmapPayload",
    "Predictions",
    "SiteView",
    "Sparse",
    "Tokens",
    "decode",
    "encode",
]
