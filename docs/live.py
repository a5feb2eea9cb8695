"""Writes what the docs show live, by our own export: called by `conf.py` at the start of every build."""

from itertools import islice
from pathlib import Path

import saewidgets as sw
from saewidgets.demo.grammar import documents
from saewidgets.demo.load import tour
from saewidgets.disk import write_bytes
from saewidgets.export.page import to_page
from saewidgets.figures.heatmap import to_svg
from saewidgets.payloads import HeatmapPayload
from saewidgets.runs.heatmap import HeatmapRequest, heatmap_payload


def payload() -> HeatmapPayload:
    """The first stop of the tour, its feature ablated, beside labelled features of its words, with the control."""
    scope, stop = sw.demo(), tour()[0]
    feature = stop["feature"]
    run = scope.run(stop["prompt"])
    firing = {name: float(run.activation(name)[1:].max()) for name in scope.labels}
    words = sorted((name for name in firing if name.startswith("resid_post.0/")), key=lambda name: -firing[name])
    request = HeatmapRequest(
        stop["prompt"], (feature, *words[:3]), (sw.ablate(feature),), site=feature.rpartition("/")[0]
    )
    return heatmap_payload(scope, request, control=True)


def dictionary_payloads() -> dict[str, object]:
    """A short run, and dictionaries of the embedded model beside each other and one by one."""
    scope = sw.demo()
    texts = [document.text for document in islice(documents("docs"), 4000)]
    trainer = sw.make_trainer(scope.model, "resid_post.1", texts[:3000], "relu", d_dict=256, sparsity=3.0, steps=800)
    with sw.TrainingMonitor(trainer) as monitor:
        monitor.wait()
    keys = ["resid_post.1@small", "resid_post.1", "resid_post.2@small", "resid_post.2"]
    report = sw.evaluate(scope, texts[3000:], keys, contexts=96, draws=200)
    with sw.Frontier(report) as frontier, sw.DictionaryReport(report, "resid_post.1") as shown:
        return {"training": monitor.payload, "frontier": frontier.payload, "dictionary-report": shown.payload}


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
    for name, made in dictionary_payloads().items():
        write_bytes(live / f"{name}.html", to_page(made).encode())
