"""Writes what the docs show live, by our own export: called by `conf.py` at the start of every build."""

from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import saewidgets as sw
from saewidgets.demo.grammar import documents
from saewidgets.demo.load import tour
from saewidgets.disk import write_bytes
from saewidgets.export.page import to_page
from saewidgets.figures.heatmap import to_svg
from saewidgets.payloads import (
    CircuitPayload,
    ComparePayload,
    FeatureDashboardPayload,
    HeatmapPayload,
    PatchMapPayload,
    SteeringPayload,
)
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


def dashboard_payload() -> FeatureDashboardPayload:
    """A feature for months with its label measured, ablated in a text."""
    scope, feature = sw.demo(), "resid_post.1@small/131"
    texts = [document.text for document in islice(documents("docs"), 1500)]
    lines = [line for text in texts for line in text.split(". ") if 3 < len(line.split()) < 30]
    label = sw.explain.Label(feature, "months", evidence=lines[:3])
    with TemporaryDirectory() as folder:
        atlas = scope.sweep(texts, ["resid_post.1@small", "resid_post.2@small"], folder, length=96, progress=False)
        level = float(atlas.stats("resid_post.1@small")["maximum"][131]) / 2
        meter = sw.explain.truth_meter(scope, label, lines[:600], _months, n=40, threshold=level)
        text = "They met in May, and again in the winter."
        with sw.FeatureDashboard(
            scope, feature, atlas=atlas, text=text, scale=0.0, position=3, labels=[label], scores=meter
        ) as view:
            return view.payload


def _months(_label: str, text: str) -> bool:
    """The judge: whether a month stands in the text, between the marks if there are any."""
    months = "January February March April May June July August September October November December"
    return sw.explain.word_judge(f'"{months}"', text)


def steering_payload() -> SteeringPayload:
    """A feature for months at a strength where it is seen, one run kept."""
    edits = [sw.steer("resid_post.2/131", 8)]
    with sw.Steering(sw.demo(), "They met in", edits, target=["May", "June", "July"], seed=2, n_seeds=2) as view:
        view.wait()
        view.keep()
        return view.payload


def patch_map_payload() -> PatchMapPayload:
    """Who gave and who takes: the strongest cells patched, and a path from one of them."""
    clean = "When Mira and Tom came to the pond, Tom gave the lantern to"
    corrupt = "When Mira and Tom came to the pond, Mira gave the lantern to"
    with sw.PatchMap(sw.demo(), clean, corrupt) as view:
        for cell in ("resid_post.0:10", "mlp_out.0:10", "resid_post.2:14", "attn_out.3:14", "attn_out.2:14"):
            view.cell = cell
            view.wait()
        view.path = ("mlp_out.0:10", "attn_out.2:14")
        view.wait()
        return view.payload


def table_page() -> str:
    """The features of a small dictionary with their scores; three of them with their dashboards inside."""
    scope, site = sw.demo(), "resid_post.1@small"
    texts = [document.text for document in islice(documents("docs"), 1500)]
    lines = [line for text in texts[:200] for line in text.split(". ") if 3 < len(line.split()) < 30]
    scores = sw.explain.scores(scope, site, lines[:200], ["Then Tom", "From there"])
    scores = [scores, sw.explain.decoder_map(scope, site)]
    chosen = [f"{site}/{index}" for index in (131, 17, 40)]
    with TemporaryDirectory() as folder:
        atlas = scope.sweep(texts, [site], folder, length=96, progress=False)
        with sw.FeatureTable(scope, site, atlas=atlas, scores=scores, sort="output", selection=chosen) as view:
            return str(view.to_html())


def circuit_payload() -> CircuitPayload:
    """A sentence with an indirect object: the strongest nodes pinned, those before the answer ablated."""
    scope, prompt = sw.demo(), "When Mira and Tom came to the pond, Tom gave the lantern to"
    graph = scope.attribute(prompt, " Mira")
    found = graph.nodes[graph.nodes["kind"] == "feature"].nlargest(6, "influence")
    late = found[found["layer"] == found["layer"].max()]["id"].tolist()
    edits = [sw.ablate(name.rpartition("@")[0], positions=[int(name.rpartition("@")[2])]) for name in late]
    groups = {"before the answer": late}
    with sw.CircuitGraph(
        scope, prompt, " Mira", edits=edits, pinned=found["id"].tolist(), groups=groups, side="both"
    ) as view:
        view.wait()
        return view.payload


def compare_payload() -> ComparePayload:
    """The first stop of the tour beside itself with its feature ablated."""
    scope, stop = sw.demo(), tour()[0]
    feature = stop["feature"]
    options = {"features": [feature], "site": feature.rpartition("/")[0], "edits": ([], [sw.ablate(feature)])}
    with sw.Compare(scope, stop["prompt"], **options) as view:
        return view.payload


def live_page() -> str:
    """The first stop of the tour with its model inside."""
    scope, stop = sw.demo(), tour()[0]
    feature = stop["feature"]
    words = [name for name in scope.labels if name.startswith("resid_post.0/")]
    run = scope.run(stop["prompt"])
    words.sort(key=lambda name: -float(run.activation(name)[1:].max()))
    with sw.TokenHeatmap(scope, stop["prompt"], (feature, *words[:2]), site=feature.rpartition("/")[0]) as view:
        return str(view.to_html(live=True))


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
    shown_too = {
        "feature-dashboard": dashboard_payload(),
        "circuit": circuit_payload(),
        "patch-map": patch_map_payload(),
        "compare": compare_payload(),
        "steering": steering_payload(),
    }
    for name, made in {**dictionary_payloads(), **shown_too}.items():
        write_bytes(live / f"{name}.html", to_page(made).encode())
    write_bytes(live / "feature-table.html", table_page().encode())
    write_bytes(live / "live-page.html", live_page().encode())
