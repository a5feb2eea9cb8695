"""Writes what the docs show live, by our own export: called by `conf.py` at the start of every build."""

from html import escape
from itertools import islice
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import saewidgets as sw
from saewidgets.demo.grammar import documents
from saewidgets.demo.load import tour
from saewidgets.disk import write_bytes
from saewidgets.export.page import to_page
from saewidgets.figures.views import view_of
from saewidgets.payloads import (
    CircuitPayload,
    ComparePayload,
    ContrastPayload,
    ExplorerPayload,
    FeatureDashboardPayload,
    FeatureTablePayload,
    HeatmapPayload,
    PatchMapPayload,
    SteeringPayload,
)
from saewidgets.runs.heatmap import HeatmapRequest, heatmap_payload

# File -> what the gallery calls it, and the page that explains it.
GALLERY = {
    "explorer": ("Explorer", "explorer.html"),
    "heatmap": ("Token heatmap", "heatmap.html"),
    "feature-dashboard": ("Feature dashboard", "dashboard.html"),
    "feature-table": ("Feature table", "table.html"),
    "steering": ("Steering", "steering.html"),
    "patch-map": ("Patch map", "causes.html"),
    "contrast": ("Contrast", "causes.html"),
    "compare": ("Compare", "compare.html"),
    "circuit": ("Circuit graph", "circuits.html"),
    "training": ("Training monitor", "judging.html"),
    "frontier": ("Frontier", "judging.html"),
    "dictionary-report": ("Dictionary report", "judging.html"),
}
_STYLE = """
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)); gap: 1.5rem; }
.gallery figure { margin: 0; }
.gallery figure > a { display: block; height: 15rem; overflow: hidden; background: #fff; border-radius: 4px; }
.gallery figure > a { border: 1px solid color-mix(in srgb, currentColor 25%, transparent); }
.gallery img { display: block; width: 100%; height: auto; }
"""


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


def contrast_payload() -> ContrastPayload:
    """A month against a weekday among other sentences; the best features as a bottleneck, one prompt moved."""
    draw, names = Random(0), ("Mira", "Tom", "Ida", "Leo", "Nora", "Max", "Otto", "Ruth")

    def other() -> str:
        thing, place = draw.choice("boat key lantern apple hat book".split()), draw.choice("pond mill garden".split())
        return draw.choice([f"{draw.choice(names)} saw a {thing} near the {place}.", f"The old {thing} was there."])

    def texts(before: str, words: str) -> list[str]:
        said = ["They met", "It was cold", "Leo came"]
        return [f"{other()} {draw.choice(said)} {before} {draw.choice(words.split())}. {other()}" for _ in range(24)]

    months = texts("in", "January February March April May June July")
    days = texts("on", "Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
    options: dict[str, Any] = {"tool": "bottleneck", "example": 0, "corrected": {"positive": 0.0}}
    with sw.Contrast(sw.demo(), months, days, dictionary="resid_post.2@small", **options) as view:
        return view.payload


def table() -> tuple[FeatureTablePayload, str]:
    """The features of a small dictionary with their scores; in its page three of them with their dashboards inside."""
    scope, site = sw.demo(), "resid_post.1@small"
    texts = [document.text for document in islice(documents("docs"), 1500)]
    lines = [line for text in texts[:200] for line in text.split(". ") if 3 < len(line.split()) < 30]
    scores = sw.explain.scores(scope, site, lines[:200], ["Then Tom", "From there"])
    scores = [scores, sw.explain.decoder_map(scope, site)]
    chosen = [f"{site}/{index}" for index in (131, 17, 40)]
    with TemporaryDirectory() as folder:
        atlas = scope.sweep(texts, [site], folder, length=96, progress=False)
        with sw.FeatureTable(scope, site, atlas=atlas, scores=scores, sort="output", selection=chosen) as view:
            return view.payload, str(view.to_html())


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


def explorer_payload() -> ExplorerPayload:
    """The same sentence in all panels, its strongest feature ablated, with what the features fire on."""
    scope, prompt = sw.demo(), "When Mira and Tom came to the pond, Tom gave the lantern to"
    texts = [document.text for document in islice(documents("docs"), 600)]
    with TemporaryDirectory() as folder:
        atlas = scope.sweep(texts, [scope.default_site], folder, length=96, progress=False)
        with sw.Explorer(scope, prompt, atlas=atlas) as view:
            view.edit(sw.ablate(view.features[0]))
            view.wait()
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


def gallery(shown: dict[str, object]) -> str:
    """Every view as a picture that opens its page, the page of the docs beside it.

    Args:
        shown: File name of the live page -> payload.
    """
    cards = []
    for name, payload in shown.items():
        title, page = GALLERY[name]
        words = escape(view_of(payload).alt_text(payload))
        cards.append(
            f'<figure><a href="_static/live/{name}.html"><img src="_static/live/{name}.svg" alt="{words}"></a>'
            f'<figcaption><a href="{page}">{title}</a></figcaption></figure>'
        )
    return f'<style>{_STYLE}</style>\n<div class="gallery">\n' + "\n".join(cards) + "\n</div>\n"


def write_live(static: Path) -> None:
    """Write the live pages, their pictures and the gallery of both.

    Args:
        static: The `_static` folder of the docs.
    """
    live = static / "live"
    live.mkdir(parents=True, exist_ok=True)
    features, its_page = table()
    shown = {
        "heatmap": payload(),
        "feature-dashboard": dashboard_payload(),
        "feature-table": features,
        "contrast": contrast_payload(),
        "compare": compare_payload(),
        "steering": steering_payload(),
        "patch-map": patch_map_payload(),
        "circuit": circuit_payload(),
        "explorer": explorer_payload(),
        **dictionary_payloads(),
    }
    pages = {name: to_page(made) for name, made in shown.items()}
    pages |= {"feature-table": its_page, "live-page": live_page()}
    for name, page in pages.items():
        write_bytes(live / f"{name}.html", page.encode())
    for name, made in shown.items():
        view = view_of(made)
        write_bytes(live / f"{name}.svg", view.figures.to_svg(made).encode())
    write_bytes(live / "gallery.html", gallery(shown).encode())
