"""Text that tries to be more than text, and a payload with it in every slot.

The strings are in `tests/hostile.json`, for the front end's tests as well. `FIRING` strings run `fired()` when a
careless page takes them for markup: the positive controls count on it.
"""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from saewidgets.payloads import (
    ChatMessage,
    CircuitGroup,
    CircuitMarks,
    CircuitPayload,
    ComparePayload,
    Context,
    ContrastPayload,
    DictionaryReportPayload,
    ExplorerPanel,
    ExplorerPayload,
    FeatureDashboardPayload,
    FeatureTablePayload,
    FrontierPayload,
    HeatmapPayload,
    NodeName,
    OpenedFeature,
    PatchMapPayload,
    PatchRegion,
    Predictions,
    SteeringPayload,
    TableFilter,
    Tokens,
    TrainingPayload,
    encode,
    frontier_payload,
)
from saewidgets.payloads.heatmap import SPECIAL
from tests.circuit_factory import make_circuit
from tests.payload_factory import make_payload
from tests.view_factory import (
    make_compare,
    make_contrast,
    make_dashboard,
    make_frontier,
    make_patch_map,
    make_report,
    make_steering,
    make_table,
    make_training,
)

_SOURCE = json.loads(Path(__file__).parents[1].joinpath("hostile.json").read_text("ascii"))
FIRING: list[str] = _SOURCE["firing"]
# The long ones are not worth a place in the file.
QUIET: list[str] = [*_SOURCE["quiet"], "a" + "\u0301" * 100_000, "x" * 10_000, "W" * 200]
STRINGS = FIRING + QUIET


def hostile_payload(strings: list[str], edits: bool = True) -> HeatmapPayload:
    """A payload that holds the strings as tokens, and the first of them in every other slot."""
    first = strings[0]
    base = make_payload(texts=strings, edits=edits)
    kind = np.zeros(len(strings), np.uint8)
    kind[len(strings) // 2] = SPECIAL if len(strings) > 2 else 0
    shown = base.predictions
    vocabulary = tuple((strings * 5)[:5])
    return replace(
        base,
        prompt=first,
        tokens=Tokens(tuple(strings), base.tokens.ids, kind),
        sites=tuple(replace(site, key=first, architecture=first) for site in base.sites),
        site=first,
        fill=first,
        features=tuple(replace(f, id=first, label=(strings * 4)[n], edit=first) for n, f in enumerate(base.features)),
        predictions=Predictions(shown.positions, vocabulary, shown.token, shown.before, shown.after, shown.kl),
        labels=tuple(replace(label, id=first, label=first) for label in base.labels),
        context=replace(
            base.context, model=first, dictionaries=first, error=first, propagation=first, version=first, code=first
        ),
    )


@cache  # 50 ms, for some thousand askers
def hostile_views(
    text: str,
) -> tuple[
    TrainingPayload, FrontierPayload, DictionaryReportPayload, FeatureDashboardPayload, FeatureTablePayload,
    SteeringPayload,
    PatchMapPayload,
    CircuitPayload,
    ContrastPayload,
    ExplorerPayload,
    ComparePayload,
]:  # fmt: skip
    """A payload of every view but the heatmap, with the string in every slot that takes any text."""
    # It stands in some thousand places.
    text = text[:2_000]
    training = make_training(texts=[text, f" {text}", "a", text])
    context = replace(
        training.context, model=text, dictionaries=text, error=text, propagation=text, version=text, code=text
    )
    curves = tuple(replace(curve, name=f"{text}{i}", chart=text) for i, curve in enumerate(training.curves))
    passages = tuple(
        replace(
            feature, id=f"{text}{i}", passages=tuple(replace(p, text=(text,) * len(p.text)) for p in feature.passages)
        )
        for i, feature in enumerate(training.features)
    )
    training = replace(training, name=text, curves=curves, features=passages, context=context)
    report = make_report()
    names = {name: f"{text}{name}" for name in report.baselines}
    measures = tuple(
        replace(
            m, name=f"{text}{m.name}", group=text, definition=text, mask=text, window=text,
            baselines=tuple(replace(b, baseline=names[b.baseline]) for b in m.baselines),
        )
        for m in report.measures
    )  # fmt: skip
    dead, dense = (
        tuple(replace(f, id=f"{text}{i}", label=text, note=text) for i, f in enumerate(found[:20]))
        for found in (report.dead, report.dense)
    )
    report = replace(
        report, name=text, architecture=text, measures=measures, baselines=tuple(names.values()), dead=dead,
        dense=dense, card=f"{text}\n{text}", scale=text, feature=f"{text}0", context=context,
    )  # fmt: skip
    points = [
        replace(point, name=f"{text}{i}", architecture=f"{text}{point.architecture}", report=point.report and report)
        for i, point in enumerate(make_frontier(2).points)
    ]
    frontier = frontier_payload(points, context, selected=f"{text}0", ce_name=text)
    dashboard = _hostile_dashboard(text, context)
    table, patches = _hostile_table(text, dashboard), _hostile_patch_map(text, context)
    steering, circuit = _hostile_steering(text, context), _hostile_circuit(text, context)
    inside = {"heatmap": hostile_payload([text]), "circuit": circuit, "text": steering}
    explorer = ExplorerPayload(
        text, tuple(ExplorerPanel(kind, np.frombuffer(encode(one), np.uint8), text) for kind, one in inside.items()),
        context, f"{text}/3", dashboards=table.dashboards, diary=(text, text),
    )  # fmt: skip
    return (
        training,
        frontier,
        report,
        dashboard,
        table,
        steering,
        patches,
        circuit,
        _hostile_contrast(text, context),
        explorer,
        _hostile_compare(text, context),
    )


def _hostile_compare(text: str, context: Context) -> ComparePayload:
    side = hostile_payload([text])
    shown = make_compare(sides=(side, side))
    assert shown.predictions is not None
    return replace(
        shown, name_a=text, name_b=f"{text}!", site_a=f"{text}0", site_b=f"{text}1", note=text, context=context,
        predictions=replace(shown.predictions, vocabulary=tuple(f"{text}{i}" for i in range(6))),
        shared=(text,), labels=tuple(replace(one, id=f"{text}0/7", label=text) for one in shown.labels),
    )  # fmt: skip


def _hostile_steering(text: str, context: Context) -> SteeringPayload:
    steering = make_steering(words=[text, f" {text}", "a", text])
    tokens = (text,) * len(steering.texts[0].tokens)
    return replace(
        steering, prompt=text, context=context, target=(text,), target_name=text, verdict=text,
        sliders=tuple(replace(s, id=f"{text}{i}", label=text) for i, s in enumerate(steering.sliders)),
        texts=tuple(replace(t, note=text, tokens=replace(t.tokens, text=tokens)) for t in steering.texts),
        propagation=text, messages=(ChatMessage(text, text),),
        kept=tuple(replace(k, note=text, prompt=text, sliders=(text,) * 2, text=text) for k in steering.kept),
        offers=tuple(replace(o, id=f"{text}{i}", label=text) for i, o in enumerate(steering.offers)),
    )  # fmt: skip


def _hostile_contrast(text: str, context: Context) -> ContrastPayload:
    base = make_contrast()
    made = base.bottleneck
    assert made is not None and made.correction is not None
    one = replace(made.correction, answer=text, words=(text,) * len(made.correction.words), code=text)
    return replace(
        base, positive=(text,) * 4, negative=(text,) * 4, verdict=text, pool=text, context=context, edit=text,
        chosen=(f"{text}0",), feature=f"{text}0",
        features=tuple(replace(f, id=f"{text}{i}", label=text, confound=text) for i, f in enumerate(base.features)),
        confounds=tuple(replace(c, name=f"{text}{i}") for i, c in enumerate(base.confounds)),
        probes=tuple(replace(p, inputs=f"{text}{i}") for i, p in enumerate(make_contrast(tool="probe").probes)),
        bottleneck=replace(
            made, concepts=(text, f"{text}!"), readers=(text, text), answers=(text,) * 8, correction=one,
            measures=tuple(replace(m, name=f"{text}{i}") for i, m in enumerate(made.measures)),
        ),
    )  # fmt: skip


def _hostile_patch_map(text: str, context: Context) -> PatchMapPayload:
    base = make_patch_map(texts=[text, f" {text}", "a" + text, text])
    blocks = tuple(
        replace(
            block, name=f"{text}{i}", columns=tuple(f"{text}{c}" for c in block.columns), labels=(text,) * 4,
            nodes=tuple(f"{text}{node}" for node in block.nodes), kind=("features", "heads", "resid")[i],
        )
        for i, block in enumerate(base.blocks)
    )  # fmt: skip
    node = blocks[0].nodes[2]
    detail = replace(
        base.details[0], node=node, words=tuple(f"{text}{w}" for w in base.details[0].words),
        parts=tuple(f"{text}{part}" for part in base.details[0].parts),
    )  # fmt: skip
    path = replace(base.paths[0], sender=node, receiver=f"{text}!", propagation=text)
    return replace(
        base, clean=text, corrupt=f"{text}!", blocks=blocks, target=text, verdict=text,
        cell=f"{node}:{detail.position}", details=(detail,),
        paths=(path,), regions=(PatchRegion(f"{text}?", np.arange(2)),), context=context,
    )  # fmt: skip


def _hostile_dashboard(text: str, context: Context) -> FeatureDashboardPayload:
    dashboard = make_dashboard(texts=[text, f" {text}", "a", text])
    groups = tuple(
        replace(g, passages=tuple(replace(p, text=(text,) * len(p.text)) for p in g.passages)) for g in dashboard.groups
    )
    words = {
        name: tuple(replace(word, text=f"{text}{i}") for i, word in enumerate(getattr(dashboard, name)))
        for name in ("fires_on", "promoted", "suppressed")
    }
    related = {
        name: tuple(replace(f, id=f"{text}{i}", label=text) for i, f in enumerate(getattr(dashboard, name)))
        for name in ("near", "together", "alike")
    }
    meters = tuple(replace(meter, name=f"{text}{i}") for i, meter in enumerate(dashboard.meters))
    live = hostile_payload([text])
    return replace(
        dashboard, id=text, label=text, label_note=text, meters=meters, groups=groups, source=text, context=context,
        live=live, **words, **related,
    )  # fmt: skip


def _hostile_table(text: str, dashboard: FeatureDashboardPayload) -> FeatureTablePayload:
    table = make_table(texts=[text, f" {text}"])
    names = {s.name: f"{text}{s.name}" for s in table.statistics}
    return replace(
        table, site=text, sites=(text, f"{text}1"), sort=names["density"], query=text, here=text, there=text, note=text,
        source=text, words=text, selection=(f"{text}/3", "", f"{text}/9"), context=dashboard.context,
        statistics=tuple(replace(s, name=names[s.name], title=f"{text}{s.title}") for s in table.statistics),
        columns=tuple(names[name] for name in table.columns), feature="",
        filters=tuple(TableFilter(names[f.name], f.low, f.high) for f in table.filters),
        charts=tuple(replace(chart, name=names[chart.name]) for chart in table.charts),
        points=tuple(
            replace(dots, name_x=names[dots.name_x], name_y=names[dots.name_y], label=(text,) * len(dots.index))
            for dots in table.points
        ),
        dashboards=(OpenedFeature(f"{text}/3", np.frombuffer(encode(replace(dashboard, id=f"{text}/3")), np.uint8)),),
    )  # fmt: skip


def _hostile_circuit(text: str, context: Context) -> CircuitPayload:
    tokens = (text, f" {text}", f"a{text}", text)
    circuit = make_circuit(24, 90, tokens=tokens, label=text)
    names = {name: f"{text}{name}" for name in circuit.nodes.id}
    nodes = replace(circuit.nodes, id=tuple(names.values()), label=(text,) * len(names))
    marks = CircuitMarks(
        tuple(names[one] for one in circuit.marks.pinned),
        tuple(CircuitGroup(f"{text}{i}", tuple(names[n] for n in g.nodes)) for i, g in enumerate(circuit.marks.groups)),
        tuple(replace(place, id=names[place.id]) for place in circuit.marks.places),
        tuple(NodeName(names[one.id], text) for one in circuit.marks.names),
    )
    assert circuit.effect is not None
    assert circuit.worth is not None
    effect = replace(
        circuit.effect, label=text, nodes=tuple(names[n] for n in circuit.effect.nodes), error=text, control=text,
        rows=tuple(names[n] for n in circuit.effect.rows), names=(text,) * len(circuit.effect.rows),
    )  # fmt: skip
    return replace(
        circuit, prompt=text, tokens_before=tokens, rows=(text,) * len(circuit.rows), nodes=nodes, marks=marks,
        selection=marks.pinned[0], method=text, words=replace(circuit.words, word=(text,) * 3), effect=effect,
        worth=replace(circuit.worth, pinned=marks.pinned), edits=text, note=text, context=context, side="both",
    )  # fmt: skip
