"""Writes what the docs show live, by our own export: called by `conf.py` at the start of every build."""

from pathlib import Path

import saewidgets as sw
from saewidgets.demo.load import tour
from saewidgets.disk import write_bytes
from saewidgets.export.page import to_page
from saewidgets.figures.heatmap import to_svg
from saewidgets.payloads import HeatmapPayload
from saewidgets.runs.heatmap import HeatmapRequest, default_features, heatmap_payload


def payload() -> HeatmapPayload:
    """The first stop of the tour, its feature ablated, with the control."""
    scope, stop = sw.demo(), tour()[0]
    feature = stop["feature"]
    site = feature.rpartition("/")[0]
    features = tuple(dict.fromkeys((feature, *default_features(scope, stop["prompt"], site))))[:4]
    return heatmap_payload(
        scope, HeatmapRequest(stop["prompt"], features, (sw.ablate(feature),), site=site), control=True
    )


def write_live(static: Path) -> None:
    """Write the live page and the figure of the README.

    Args:
        static: The `_static` folder of the docs.
    """
    shown = payload()
    live = static / "live"
    live.mkdir(parents=True, exist_ok=True)
    write_bytes(live / "heatmap.html", to_page(shown).encode())
    write_bytes(live / "heatmap.svg", to_svg(shown).encode())
