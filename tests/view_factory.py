"""Sample payloads of all views but the heatmap, without a model; numbers are invented."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from saewidgets.payloads import (
    Beside,
    ComparePayload,
    Context,
    ContrastBottleneck,
    ContrastConfound,
    ContrastCorrection,
    ContrastFeature,
    ContrastMeasure,
    ContrastPayload,
    ContrastProbe,
    Control,
    Curve,
    DictionaryReportPayload,
    Doses,
    Estimate,
    ExampleGroup,
    ExplorerPanel,
    ExplorerPayload,
    FeatureDashboardPayload,
    FeatureLabel,
    FeaturePairs,
    FeatureTablePayload,
    FormingFeature,
    FrontierPayload,
    FrontierPoint,
    Histogram,
    KeptRun,
    LabelMeter,
    Measure,
    OpenedFeature,
    Passage,
    PatchBlock,
    PatchDetail,
    PatchMapPayload,
    PatchPath,
    PatchRegion,
    Predictions,
    RelatedFeature,
    Statistic,
    SteeringPayload,
    SteeringSlider,
    TableChart,
    TableFilter,
    TablePoints,
    TableRows,
    Tokens,
    TrainingPayload,
    Word,
    WrittenText,
    encode,
    frontier_payload,
)
from saewidgets.payloads.heatmap import SPECIAL
from saewidgets.payloads.reporting import report_payload
from tests.circuit_factory import make_circuit
from tests.payload_factory import make_payload

CONTEXT = Context("demo", "TopK 16, 1 024 features", version="0.1.0", code="sw.Frontier(reports)")
PASSAGES = [
    ([" Tom", " gave", " it", " to", " Mira", " before", " the", " bell"], 3),
    ([" the", " old", " baker", " handed", " a", " warm", " roll", " to", " Ada", "."], 7),
    ([" and", " sent", " the", " postcard", " to", " them"], 4),
]


def passage(text: list[str], peak: int, scale: float = 6.0) -> Passage:
    """A context whose activations fall off before its peak."""
    values = [scale / (1 + 2 * abs(i - peak)) if i in (peak, peak - 2) else 0.0 for i in range(len(text))]
    return Passage(tuple(text), np.array(values), peak)


def make_training(n_points: int = 60, texts: list[str] | None = None, **changes: Any) -> TrainingPayload:
    """A run in progress.

    Args:
        n_points: Points of the curves.
        texts: Token texts instead of the invented ones.
        **changes: Fields to replace.
    """
    random = np.random.default_rng(0)
    steps = np.arange(1, n_points + 1) * 20
    fall = np.exp(-np.arange(n_points) / 15)
    noise = 1 + 0.06 * random.normal(size=n_points)
    curves = (
        Curve("loss", "loss", (40 * fall + 2.4) * noise),
        Curve("error", "loss", (39 * fall + 1.9) * noise),
        Curve("sparsity", "loss", (0.9 * (1 - fall) + 0.05) * noise),
        Curve("aux", "loss", np.where(np.arange(n_points) > 20, 0.03 * noise, 0.0)),
        Curve("L0", "L0", (60 * fall + 18) * noise),
        Curve("FVU", "FVU", np.minimum(1, (0.9 * fall + 0.08) * noise)),
        Curve("dead", "dead", np.clip(0.35 * fall + 0.03, 0, 1)),
    )
    density = np.round(180 * np.exp(-(((np.arange(20) - 9) / 3.5) ** 2))).astype(int)
    contexts = [(texts, len(texts) // 2)] if texts is not None else PASSAGES
    features = tuple(
        FormingFeature(f"resid_post.2/{17 * (i + 1)}", i, 6.0, tuple(passage(words, peak) for words, peak in contexts))
        for i in range(3)
    )
    fields: dict[str, Any] = {
        "name": "relu, 1024 features at resid_post.2",
        "phase": "running",
        "step": int(steps[-1]) if n_points else 0,
        "n_steps": 4000,
        "tokens": 1_228_800,
        "tokens_per_second": 48_213.0,
        "seconds_left": 58.0,
        "learning_rate": 1e-3,
        "sparsity": 5.0,
        "counted": False,
        "steps": steps,
        "curves": curves,
        "changed_at": [600] if n_points > 30 else [],
        "changed_to": [4.0] if n_points > 30 else [],
        "density": Histogram(-5 + 0.25 * np.arange(21), density, 31, log=True),
        "features": features,
        "context": Context("resid_post.2", "relu, 1024 features, batches of 1024 tokens, seed 0", version="0.1.0"),
    }
    return TrainingPayload(**{**fields, **changes})


def estimate(value: float, spread: float = 0.03) -> Estimate:
    """A number with an interval around it."""
    return Estimate(value, value * (1 - spread), value * (1 + spread))


def make_report(
    name: str = "resid_post.2", l0: float = 16.0, fvu: float = 0.12, **changes: Any
) -> DictionaryReportPayload:
    """A report with three baselines.

    Args:
        name: Of the dictionary.
        l0: Its L0.
        fvu: Its FVU.
        **changes: Fields to replace.
    """
    random = np.random.default_rng(1)
    density = np.where(random.random(1024) < 0.03, 0.0, 10 ** random.normal(-2.4, 0.7, 1024).clip(-5, -0.3))
    cosine = random.beta(4, 6, 1024)

    def rows(pca: float, chance: float, frozen: float) -> tuple[Beside, ...]:
        values = {"PCA": pca, "random": chance, "frozen decoder": frozen}
        return tuple(Beside(name, estimate(value)) for name, value in values.items())

    window = {"mask": "all but the first token and specials", "window": "400 000 tokens, 3 200 documents"}
    measures = [
        Measure("FVU", "Fidelity", estimate(fvu), rows(fvu * 3, 0.93, fvu * 2), "", "lower",
                "sum |x - x'|² / sum |x - mean(x)|²", **window),
        Measure("CE recovered (mean)", "Fidelity", estimate(1 - fvu / 4, 0.004), rows(0.71, 0.02, 0.9), "", "higher",
                "(CE_mean - CE_sae) / (CE_mean - CE), mean ablation", **window),
        Measure("KL", "Fidelity", estimate(fvu / 3), rows(0.61, 3.2, 0.12), "nats", "lower",
                "mean KL(p | p_sae)", **window),
        Measure("cosine", "Fidelity", estimate(0.94, 0.004), rows(0.8, 0.31, 0.9), "", "higher",
                "mean cos(x, x')", **window),
        Measure("shrinkage γ", "Fidelity", Estimate(0.97), (), "", "", "E|x'|² / E[x · x']", **window),
        Measure("L0", "Sparsity", estimate(l0), rows(l0, l0, l0), "features", "lower", "mean count of active features"),
        Measure("L1", "Sparsity", estimate(31.0), (), "", "", "mean sum of activations", **window),
        Measure("dead", "Sparsity", Estimate(float((density == 0).mean())), (), "share", "lower",
                "never fired", **window),
    ]  # fmt: skip
    labels = {int(i): "opening quote, speaker next" for i in np.argsort(-density)[:2]}
    card = (
        "format      native\narchitecture topk, k = 16\nsite        resid_post.2 (file name)\n\nno assumption was made"
    )
    payload = report_payload(name, "topk", measures, density, cosine, labels=labels, context=CONTEXT, card=card)
    return replace(payload, **changes)


def make_frontier(n: int = 4, reports: bool = True, **changes: Any) -> FrontierPayload:
    """Three architectures of `n` dictionaries each, and three baselines.

    Args:
        n: Dictionaries of an architecture.
        reports: Whether each opens a report.
        **changes: Fields to replace.
    """
    points = []
    for number, architecture in enumerate(("topk", "jumprelu", "relu")):
        for i in range(n):
            l0, fvu = 6.0 * 2**i * (1 + 0.15 * number), 0.42 / (1 + i) * (1 + 0.25 * number)
            name = f"{architecture}, L0 {l0:.0f}"
            report = make_report(name, l0, fvu, architecture=architecture) if reports else None
            points.append(
                FrontierPoint(name, "dictionary", architecture, 1024, estimate(l0, 0.05), estimate(fvu, 0.06),
                              Estimate(1 - fvu / 4), report)
            )  # fmt: skip
    for kind, start in (("pca", 0.95), ("random", 0.99), ("frozen decoder", 0.7)):
        for i in range(3):
            l0 = 8.0 * 2 ** (i * 1.4)
            value = start / (1 + (0.02 if kind == "random" else 0.35) * i)
            points.append(
                FrontierPoint(
                    f"{kind}, L0 {l0:.0f}", kind, kind, 64, Estimate(l0), Estimate(value), Estimate(1 - value / 2)
                )
            )
    return replace(frontier_payload(points, CONTEXT), **changes)


def make_dashboard(live: bool = True, texts: list[str] | None = None, **changes: Any) -> FeatureDashboardPayload:
    """A feature that fires before a recipient.

    Args:
        live: Whether there is a text in its box, and an edit.
        texts: Token texts instead of the invented ones.
        **changes: Fields to replace.
    """
    contexts = [(texts, len(texts) // 2)] if texts is not None else PASSAGES

    def group(kind: str, scale: float, **fields: Any) -> ExampleGroup:
        passages = tuple(passage(words, peak, scale) for words, peak in contexts)
        return ExampleGroup(kind, passages, np.arange(len(passages)), [p.peak for p in passages], **fields)

    groups = (
        group("interval", 6.0, low=4.0, high=8.0, share=0.3),
        group("interval", 1.5, low=1.0, high=2.0, share=0.7),
        group("top", 6.0),
        group("random", 3.0),
    )
    related = tuple(RelatedFeature(f"resid_post.2/{i}", 0.7 / i, "object of giving" * (i == 1)) for i in (1, 2, 3))
    box = replace(make_payload(edits=True, n_features=1), sites=(), labels=()) if live else None
    fields: dict[str, Any] = {
        "id": "resid_post.2/903",
        "context": CONTEXT,
        "histogram": Histogram(np.arange(-2, 7) / 2 * np.log10(2), [3, 20, 90, 400, 310, 90, 240, 60], log=True),
        "label": "someone is about to receive",
        "label_note": "label by you · evidence: 7 lines",
        "meters": (
            LabelMeter("detection", Estimate(0.93, 0.9, 0.95), 0.52, 40),
            LabelMeter("output", Estimate(0.34, 0.28, 0.41), 0.05, 30),
        ),
        "n_tokens": 2_097_152,
        "n_active": 12_480,
        "maximum": 7.8,
        "groups": groups,
        "fires_on": (Word(" to", 0.61), Word(",", 0.2)),
        "promoted": (Word(" Mira", 1.9), Word(" her", 1.4)),
        "suppressed": (Word(".", -1.6), Word(" and", -1.2)),
        "skew": 2.3,
        "kurtosis": 11.0,
        "near": related,
        "together": related[:2],
        "alike": (RelatedFeature("resid_post.1/77", 0.66),),
        "live": box,
        "source": "demo, contexts of 128 tokens, position 0 left out",
    }
    return FeatureDashboardPayload(**{**fields, **changes})


def make_dead() -> FeatureDashboardPayload:
    """A feature that never fired."""
    empty = Histogram([], np.zeros(0, np.int64), log=True)
    nothing: dict[str, Any] = {"groups": (), "fires_on": (), "together": (), "alike": (), "meters": (), "label": "",
                               "label_note": ""}  # fmt: skip
    nearest = RelatedFeature("resid_post.2/17", 0.5)
    return make_dashboard(False, n_active=0, maximum=0.0, histogram=empty, nearest_live=nearest, **nothing)


def make_rows(n: int = 60, start: int = 0, order: int = 1, texts: list[str] | None = None) -> TableRows:
    """Rows of a table: feature `i` stands at place `i`.

    Args:
        n: How many.
        start: Place of the first.
        order: Number of their order.
        texts: Labels and tokens instead of the invented ones.
    """
    places = np.arange(start, start + n)
    names = texts or ["say a name", "counting upward", "", "German sentence"]
    tokens = texts or [" Mira", " Nora", " four", " und"]
    values = np.stack([0.6 / (1 + places), 12_000.0 / (1 + places), 11.2 - places * 1e-5, (places % 97) / 97,
                       (places * 37 % 89) / 89, np.cos(places), 0.9 * np.sin(places)], axis=1)  # fmt: skip
    known = np.ones(values.shape, np.uint8)
    known[:, 3] = places % 5 != 4
    bars = np.maximum(np.cos((np.arange(16)[None] - places[:, None] % 16) / 4), 0.0)
    return TableRows(
        order, start, places, tuple(names[i % len(names)] for i in places.tolist()),
        tuple(tokens[(i + k) % len(tokens)] for i in places.tolist() for k in range(3)),
        np.where(known == 1, values, 0.0), known.ravel(), bars,
    )  # fmt: skip


def _islands(random: np.random.Generator) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Coordinates of 300 features in twelve groups."""
    angle = np.arange(300) % 12 * (np.pi / 6)
    return tuple(0.8 * f(angle) + random.normal(scale=0.06, size=300) for f in (np.cos, np.sin))  # type: ignore[return-value]


def make_table(n: int = 1_024, texts: list[str] | None = None, **changes: Any) -> FeatureTablePayload:
    """A table of features with scores, two filters and two chosen features, of which one has its dashboard inside.

    Args:
        n: Features that fit.
        texts: Labels and tokens instead of the invented ones.
        **changes: Fields to replace.
    """
    random = np.random.default_rng(3)
    site = "resid_post.2"
    counts = np.round(90 * np.exp(-(((np.arange(32) - 14) / 7) ** 2))).astype(int)
    fit = np.where((np.arange(32) > 8) & (np.arange(32) < 20), counts, 0)
    statistics = (
        Statistic("density", "density", "share", 1e-6, 0.6, 1_021),
        Statistic("n_active", "tokens", "count", 0, 12_000, n),
        Statistic("maximum", "max", "", 0.2, 11.2, 1_021), Statistic("input", "input", "score", 0, 1, 819),
        Statistic("output", "output", "score", 0, 1, n), Statistic("map_x", "map x", "place", -1, 1, 1_021),
        Statistic("map_y", "map y", "place", -0.9, 1, 1_021),
    )  # fmt: skip
    x, y = random.random(300), random.random(300) ** 2
    names = tuple((texts or ["", "say a name", "German sentence"])[i % len(texts or "123")] for i in range(300))
    inside = make_dashboard(False, id=f"{site}/3", texts=texts, live_note="A page has no model.")
    fields: dict[str, Any] = {
        "site": site,
        "sites": ("resid_post.1", site),
        "n_features": max(n, 1_024),
        "n_fit": n,
        "statistics": statistics,
        "columns": ("density", "maximum", "input", "output"),
        "sort": "density",
        "rows": make_rows(min(n, 60), texts=texts),
        "context": CONTEXT,
        "filters": (TableFilter("density", 0.0001, 0.006), TableFilter("input", 0.5)),
        "charts": (TableChart("density", Histogram(np.arange(-48, -15) / 8, counts, 3, log=True), fit),),
        "points": (
            TablePoints("input", "output", np.arange(300), x, y, (x > 0.5).astype(int), 819),
            TablePoints("map_x", "map_y", np.arange(300), *_islands(random), (x > 0.5).astype(int), 1_021, names),
        ),
        "words": "promotes",
        "selection": (f"{site}/3", "", f"{site}/9"),
        "dashboards": (OpenedFeature(f"{site}/3", np.frombuffer(encode(inside), np.uint8)),),
        "source": "2 097 152 tokens, contexts of 128",
    }
    return FeatureTablePayload(**{**fields, **changes})


_WRITTEN = {
    "base": [" saw", " the", " garden", ".", " The", " cat", " was", " asleep", " on", " the", " step"],
    "steered": [" saw", " the", " harbour", ".", " The", " boats", " were", " asleep", " on", " the", " water"],
    "direction": [" saw", " the", " garden", ".", " The", " cat", " was", " asleep", " on", " the", " bench"],
    "feature": [" saw", " a", " bell"],
    "frozen": [" saw", " the", " harbour", "."],
}


def written(role: str, texts: list[str] | None = None, sliders: int = 2, measured: bool = True) -> WrittenText:
    """One column of a steering view."""
    prompt = ["<s>", "Lena", " opened", " the", " door", " and"]
    new = texts or _WRITTEN[role]
    kind = np.zeros(len(prompt) + len(new), np.uint8)
    kind[0] = SPECIAL
    at = np.arange(len(kind))
    values = np.stack([np.where(at % (3 + s) == 2, 8.0 - s - at % 5, 0.0) for s in range(sliders)] or [[]])
    numbers = {"effect": 0.42, "kl": 0.0 if role == "base" else 0.61, "perplexity": 9.8} if measured else {}
    base = np.array([*prompt, *_WRITTEN["base"]], object)
    differs = [int(i >= len(base) or t != base[i]) if i >= 6 else 0 for i, t in enumerate([*prompt, *new])]
    note = {"base": "no edit", "direction": "random direction, same norm"}.get(role, "a +4.0, b −1.0")
    return WrittenText(
        role, note, Tokens((*prompt, *new), at, kind), 6, np.array(differs), values.reshape(sliders, len(kind)),
        finished="length" if measured else "", **numbers,
    )  # fmt: skip


def make_doses(n_controls: int = 3, n: int = 9, **changes: Any) -> Doses:
    """Curves of a feature that does something, beside controls that do little."""
    strengths = np.linspace(-8, 8, n)
    rows = 1 + 2 * n_controls
    by = np.array([1.0, *(0.02 * (i + 1) for i in range(rows - 1))])[:, None]
    effect = 0.02 + by * 0.5 / (1 + np.exp(-(strengths[None] - 3)))
    kl = (0.6 + 0.1 * np.arange(rows))[:, None] * (strengths[None] / 4) ** 2
    fields: dict[str, Any] = {
        "strengths": strengths, "effect": effect, "kl": kl, "perplexity": 6.9 * np.exp(kl / 2), "base_effect": 0.04,
        "base_perplexity": 6.9, "n_directions": n_controls, "n_prompts": 16, "n_texts": 16, "n_planned": 16,
        "n_tokens": 40,
    }  # fmt: skip
    return Doses(**{**fields, **changes})


def make_steering(words: list[str] | None = None, roles: tuple[str, ...] = tuple(_WRITTEN), **changes: Any) -> Any:
    """Two features, five texts, curves and two kept runs.

    Args:
        words: Token texts instead of the invented ones.
        roles: Columns.
        **changes: Fields to replace.
    """
    both, values = ("resid_post.2/640", "boats"), np.array([4.0, -1.0])
    run = KeptRun("a +4.0", "Lena opened the door and", "additive", "both", both, values, 1, 0.8,
                  "".join(words or _WRITTEN["steered"]), 0.39, 0.58, 9.1, 11)  # fmt: skip
    fields: dict[str, Any] = {
        "prompt": "Lena opened the door and",
        "context": CONTEXT,
        "temperature": 0.8,
        "sliders": (
            SteeringSlider("resid_post.2/640", "by the sea", 6, 4.0, 0.0, 8.0, 0.115, 8.0),
            SteeringSlider("boats", "", 1, -1.0, 0.0, 8.0, 0.1, 6.0),
        ),
        "texts": tuple(written(role, words) for role in roles),
        "target": (" harbour", " boats"),
        "target_name": "harbour, boats",
        "doses": make_doses(),
        "now": 4.0,
        "verdict": "More than every control: +0.381, the controls up to 0.020.",
        "kept": (run, replace(run, note="a +6.0", effect=None, kl=None, perplexity=None)),
        "offers": (FeatureLabel("resid_post.2/17", "doors"), FeatureLabel("resid_post.2/18", "")),
        "tokens_per_second": 58.0,
    }
    return SteeringPayload(**{**fields, **changes})


PAIR = ["When", " Mira", " and", " Tom", " met", ",", " Tom", " gave", " it", " to"]
CHANGED = 6


def make_patch_map(done: bool = True, texts: list[str] | None = None, **changes: Any) -> PatchMapPayload:
    """A name that is said twice: early at its place, late at the last token.

    Args:
        done: Whether the controls are there.
        texts: Token texts instead of the invented ones.
        **changes: Fields to replace.
    """
    clean = texts or PAIR
    n, at = len(clean), min(CHANGED, len(clean) - 1)
    ids = np.arange(n)
    other = [*clean[:at], " Mira" if texts is None else f"{clean[at]}!", *clean[at + 1 :]]
    tokens = Tokens(tuple(clean), ids, np.zeros(n, np.uint8))
    corrupt = Tokens(tuple(other), np.where(ids == at, 999, ids), np.zeros(n, np.uint8))

    def block(name: str, kind: str, stream: str, cells: dict[tuple[int, int], float]) -> PatchBlock:
        values = np.zeros((n, 4), np.float32)
        for (place, layer), value in cells.items():
            values[place, layer] = value
        measured = np.ones((n, 4), np.uint8)
        spread = np.where(values != 0, 0.03, 0.0) if done else np.zeros((n, 4))
        nodes = tuple(f"{stream}.{layer}" for layer in range(4))
        return PatchBlock(name, kind, ("0", "1", "2", "3"), nodes, values, measured, -spread, spread,
                          0.04 if done else None)  # fmt: skip

    last = n - 1
    blocks = (
        block(
            "residual stream",
            "resid",
            "resid_post",
            {(at, 0): 0.96, (at, 1): 0.9, (last, 1): 0.2, (last, 2): 0.5, (last, 3): 0.94},
        ),
        block("attention", "attention", "attn_out", {(at, 1): -0.12, (last, 2): 0.55, (last, 3): 0.02}),
        block("MLP", "mlp", "mlp_out", {(at, 0): 0.34, (last, 3): -0.21}),
    )
    detail = PatchDetail(
        "attn_out.2", last, 0.55, -0.03, 0.03, (" Mira", " Tom", " the", " her"), [0.06, 0.64, 0.11, 0.05],
        [0.41, 0.31, 0.11, 0.06], [0.05, 0.6, 0.1, 0.04], [0.08, 0.66, 0.12, 0.07],
        tuple(f"head.2.{h}" for h in range(4)), [0.02, 0.47, 0.07, -0.03], 0.05,
    )  # fmt: skip
    fields: dict[str, Any] = {
        "clean": "".join(clean), "corrupt": "".join(other), "tokens": tokens, "corrupt_tokens": corrupt,
        "blocks": blocks, "target": "Mira − Tom", "low": -2.9, "high": 3.4, "context": CONTEXT, "n_patches": 12 * n,
        "controls": 8, "verdict": "9 of 120 cells do more than every control." if done else "",
        "cell": f"attn_out.2:{last}", "details": (detail,) if done else (),
        "paths": (PatchPath("attn_out.2", last, "logits", -1, 0.31, -0.02, 0.04, "direct to the receiver"),),
        "regions": (PatchRegion("names", np.arange(at + 1)), PatchRegion("question", np.arange(at + 1, n))),
    }  # fmt: skip
    return PatchMapPayload(**{**fields, **changes})


def make_nothing() -> PatchMapPayload:
    """A map in which nothing lies beyond the controls."""
    base = make_patch_map(cell="", details=(), paths=(), regions=())
    blocks = tuple(replace(block, band=1.5) for block in base.blocks)
    verdict = "Nothing beats the control: none of 120 cells does more than the controls do."
    return replace(base, blocks=blocks, verdict=verdict)


def make_contrast(beyond: bool = True, tool: str = "bottleneck", **changes: Any) -> ContrastPayload:
    """Cats against boats: one feature that holds, one that follows the length, one of no account.

    Args:
        beyond: Whether any feature does more than the controls.
        tool: What was made of the selection.
        **changes: Fields to replace.
    """
    positive = tuple(f"{name} saw a black cat by the old mill." for name in ("Mira", "Tom", "Ida", "Leo"))
    negative = tuple(f"{name} saw a red boat." for name in ("Mira", "Tom", "Ida", "Leo"))
    rows = [
        ("resid_post.1/40", "cats", 0.97, 0.81, 0.99, 1.0, 0.1, 3.2, 0.08, "", True),
        ("resid_post.1/41", "", 0.94, 0.78, 0.98, 1.0, 0.6, 2.4, 0.9, "token count, position", True),
        ("resid_post.1/42", "boats", 0.22, 0.08, 0.43, 0.1, 0.9, 0.2, 2.1, "", False),
        *((f"resid_post.1/{i}", "", 0.55, 0.3, 0.78, 0.4, 0.4, 0.5, 0.4, "", False) for i in range(50, 64)),
    ]
    features = tuple(ContrastFeature(*row[:-1], row[-1] and beyond) for row in rows)
    correction = ContrastCorrection(
        5, [0.9, -1.0], [0.88, 0.4], "positive", (" It", " She", " The"), [0.31, 0.22, 0.1], [0.48, 0.1, 0.12],
        [0.28, 0.18, 0.08], [0.33, 0.25, 0.13], 0.31, 0.04, "[sw.steer('resid_post.1/40', 3.1)]",
    )  # fmt: skip
    scores = np.linspace(0.95, 0.05, 16).reshape(8, 2)
    bottleneck = ContrastBottleneck(
        ("cat", "black"), ("+2.10 resid_post.1/40", "+0.80 resid_post.1/41"), scores,
        ("positive",) * 4 + ("negative",) * 4, [1, 0, 0, 0, 0, 1, 0, 1],
        (ContrastMeasure("concept cat", 0.97, 0.8, 1.0), ContrastMeasure("dense probe", 1.0)), [0, 1, 2],
        [0.7, 0.9, 1.0], [0.5, 0.7, 0.9], [0.9, 1.0, 1.0], [0.7, 0.6, 0.5], correction,
    )  # fmt: skip
    probes = (
        ContrastProbe("chosen features", 2, 0.97, 0.97, 0.97),
        ContrastProbe("shuffled labels", 2, 0.5, 0.25, 0.75, True),
        ContrastProbe("random features", 2, 0.6, 0.4, 0.8, True),
    )
    verdict = "2 of 17 features do more than every control." if beyond else (
        "Nothing beats the control: none of 17 features does more than the controls do."
    )  # fmt: skip
    fields: dict[str, Any] = {
        "positive": positive, "negative": negative, "features": features, "n_features": 17,
        "n_beyond": 2 if beyond else 0, "n_moved": 1, "shuffled": 0.31, "random": 0.36, "n_shuffles": 100,
        "n_random": 8, "verdict": f"{verdict} The sets also differ in token count: 1 feature does not follow it.",
        "confounds": (ContrastConfound("token count", 10.0, 6.0, 1.0, 0.75, 1.0, True),
                      ContrastConfound("frequency", 1.9, 2.0, 0.45, 0.25, 0.7)),
        "context": CONTEXT, "chosen": ("resid_post.1/40", "resid_post.1/41"), "feature": "resid_post.1/40",
        "tool": tool, "edit": "[sw.clamp('resid_post.1/40', 3.2)]" if tool == "edit" else "",
        "probes": probes if tool == "probe" else (), "bottleneck": bottleneck if tool == "bottleneck" else None,
        "example": 5,
    }  # fmt: skip
    return ContrastPayload(**{**fields, **changes})


def make_explorer(**changes: Any) -> ExplorerPayload:
    """Every panel, two dashboards, three steps.

    Args:
        **changes: Fields to replace.
    """
    strip = make_payload()
    first, second = (feature.id for feature in strip.features[:2])
    pictures: dict[str, Any] = {"heatmap": strip, "circuit": make_circuit(), "text": make_steering()}
    if changes.get("preset") == "compare":
        pictures["compare"] = make_compare()
    inside = {name: make_dashboard(id=name, live_note="A page has no model.") for name in (first, second)}
    fields: dict[str, Any] = {
        "prompt": strip.prompt,
        "panels": tuple(ExplorerPanel(kind, _bytes(picture)) for kind, picture in pictures.items()),
        "context": CONTEXT,
        "feature": first,
        "dashboards": tuple(OpenedFeature(name, _bytes(picture)) for name, picture in inside.items()),
        "diary": ("ex.select(token=2)", f"ex.add({first!r})", f"ex.edit(sw.ablate({first!r}))"),
    }
    return ExplorerPayload(**{**fields, **changes})


def _bytes(payload: Any) -> Any:
    return np.frombuffer(encode(payload), np.uint8)


def make_compare(controlled: int = 1, inside: bool = True, sides: Any = None, **changes: Any) -> ComparePayload:
    """Two heatmaps of one sentence, the second edited.

    Args:
        controlled: Whose edits have a control, -1 for nobody's.
        inside: Whether the two heatmaps are in the payload.
        sides: Other heatmaps.
        **changes: Fields to replace.
    """
    left, right = sides or (make_payload(edits=False), make_payload())
    n = min(len(left.tokens), len(right.tokens))
    random = np.random.default_rng(5)
    raw = random.dirichlet(np.ones(6), (2, n)) * 0.9
    counts = np.arange(n) % 4
    rows = int(counts.sum())
    values = random.random((2, rows)) * 6
    same = np.ones(n, np.uint8)
    same[n // 2] = 0
    shape = (n, 6)
    control = Control(8, 0, raw[0] * 0.9, np.minimum(1, raw[0] * 1.1), np.tile([0, 0.04], (n, 1)),
                      np.tile([0.01, 0.07], (n, 1)))  # fmt: skip
    fields: dict[str, Any] = {
        "name_a": "no edits", "name_b": "ablate resid_post.1/417", "left_token": np.arange(n),
        "right_token": np.arange(n), "same": same, "pair": max(0, n - 1), "site_a": "resid_post.2",
        "site_b": "resid_post.2", "match": "same",
        "features": FeaturePairs(np.cumsum([0, *counts]), np.arange(rows) * 7 % 1_000, np.arange(rows) * 7 % 1_000,
                                 values[0], values[1], np.ones(rows)),
        "context": CONTEXT,
        "predictions": Predictions(np.arange(n), (" Mira", " Tom", " the", " her", " him", " a"),
                                   np.tile(np.arange(6), shape[:1]).reshape(shape), raw[0], raw[1], np.full(n, 0.34)),
        "kl_back": np.full(n, 0.29), "control": control if controlled >= 0 else None, "controlled": controlled,
        "shared": ("resid_post.1", "resid_post.2"), "labels": (FeatureLabel("resid_post.2/7", "female name"),),
        "left": np.frombuffer(encode(left), np.uint8) if inside else None,
        "right": np.frombuffer(encode(right), np.uint8) if inside else None,
    }  # fmt: skip
    return ComparePayload(**{**fields, **changes})
