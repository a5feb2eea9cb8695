"""What is measured for a circuit graph: next tokens, effects beside predictions, worth of the pinned part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from saewidgets.circuits.curves import faithfulness
from saewidgets.circuits.experiment import Experiment
from saewidgets.circuits.node_effects import measure
from saewidgets.circuits.nodes import ERROR, FEATURE, TOKEN
from saewidgets.circuits.proposals import propose_groups
from saewidgets.interventions.error_term import ErrorTerm
from saewidgets.interventions.references import keys_of
from saewidgets.payloads.circuit import CircuitEffect, CircuitMode, CircuitWords, CircuitWorth
from saewidgets.runs.control import control_bands
from saewidgets.runs.tokens import token_strings
from saewidgets.sites import Site

if TYPE_CHECKING:
    from saewidgets.circuits.graph import AttributionGraph
    from saewidgets.dictionaries import Dictionary
    from saewidgets.interventions import Edit
    from saewidgets.scope import Scope

WORDS = 8
# Rows of the plot: what is pinned, or else what is changed most.
ROWS = 10
CONTROLS = 20
MODES = {"direct": "direct", "frozen_attention": "frozen attention", "free": "free"}


def words_of(scope: Scope, prompt: str, edits: Sequence[Edit], seed: int, check: Callable[[], None]) -> CircuitWords:
    """The likeliest next tokens; under edits, with those of the control."""
    keys = {key for edit in edits for key in keys_of(edit, scope.dictionaries)}
    base = scope.run(prompt, sites=sorted(keys))
    p = base.logits[-1].float().softmax(-1)
    if not edits:
        best = p.topk(min(WORDS, len(p))).indices
        return CircuitWords(tuple(token_strings(scope.model.tokenizer, best.tolist())), p[best].numpy())
    check()
    after = scope.run(prompt, edits, sites=()).logits[-1].float().softmax(-1)
    best = p.maximum(after).topk(min(WORDS, len(p))).indices
    band = control_bands(scope, base, edits, [base.n_tokens - 1], best[None], seed, check, None)
    words = tuple(token_strings(scope.model.tokenizer, best.tolist()))
    return CircuitWords(words, p[best].numpy(), after[best].numpy(), band.low[0], band.high[0])


def effect_of(
    scope: Scope,
    graph: AttributionGraph,
    edits: Sequence[Edit],
    targets: Sequence[Any],
    seed: int,
    pinned: Sequence[str],
    names: dict[str, str],
    check: Callable[[], None],
) -> CircuitEffect | None:
    """What the edits do to the pinned nodes and the targets, predicted and measured in all modes.

    Args:
        scope: The model.
        graph: Of the prompt without edits.
        edits: What is done.
        targets: Those of the graph, where it has others than tokens.
        seed: Of the controls.
        pinned: Ids of nodes to look at.
        names: Label of the group of a node.
        check: Called between measurements.

    Returns:
        `None` for edits that are no scaling of nodes of the graph by one factor.
    """
    found = _nodes(graph, edits, scope.dictionaries)
    if found is None:
        return None
    nodes, factor = found
    experiment = Experiment(scope, graph, targets=list(targets) or None)
    on = [name for name in pinned if name in graph.columns.place and name not in nodes]
    first = min(int(graph.columns.layer[graph.columns.place[name]]) for name in nodes)
    on = [name for name in on if _behind(graph, name, first)]
    if not on:
        predicted = graph.predict(list(nodes), factor)
        features = predicted[
            (predicted["kind"] == "feature") & ~predicted["id"].isin(nodes) & (predicted["total"] != 0)
        ]
        on = features.reindex(features["total"].abs().sort_values(ascending=False).index)["id"].head(6).tolist()
    modes, table = [], None
    for propagation, mode in MODES.items():
        check()
        effects = measure(
            experiment, list(nodes), factor, propagation=propagation, on=on[:ROWS], controls=CONTROLS, seed=seed
        )
        table = effects.table
        columns = ("predicted", "measured", "low", "high", "direction_low", "direction_high")
        modes.append(CircuitMode(mode, *(table[column].to_numpy("float32") for column in columns)))
    assert table is not None
    labels = {names[node] for node in nodes if node in names}
    one = table["label"].where(table["label"] != "", table["id"])
    said = labels.pop() if len(labels) == 1 else _called(graph, nodes)
    verb = "" if factor == 0 else f" x {factor:g}"
    errors = {"edited" for edit in edits if isinstance(edit.target, ErrorTerm)}
    errors |= {"dropped" for edit in edits if edit.error == "drop"}
    kinds = graph.columns.kind[[graph.columns.place[name] for name in nodes]]
    where = ", errors and tokens at other places" if (kinds != FEATURE).any() else ""
    return CircuitEffect(
        label=f"{said}{verb}",
        nodes=tuple(nodes),
        rows=tuple(table["id"]),
        names=tuple(one),
        modes=tuple(modes),
        n=CONTROLS,
        seed=seed,
        error=" and ".join(sorted(errors)) or "kept",
        control=f"{CONTROLS} random circuits of like layer, token and size{where}; "
        f"lines: {CONTROLS} directions as long",
    )


def _behind(graph: AttributionGraph, name: str, layer: int) -> bool:
    """Whether a node is a feature that something in this layer can reach."""
    columns, n = graph.columns, graph.columns.place[name]
    return columns.kind[n] == FEATURE and int(columns.layer[n]) > layer


def _called(graph: AttributionGraph, nodes: Sequence[str]) -> str:
    columns = graph.columns
    n = columns.place[nodes[0]]
    first = columns.labels[n] or nodes[0].rpartition("@")[0]
    if columns.kind[n] == TOKEN:
        first = f"token {graph.tokens[columns.position[n]].strip()}"
    elif columns.kind[n] == ERROR:
        first = f"error, layer {columns.layer[n]}"
    return first if len(nodes) == 1 else f"{first} and {len(nodes) - 1} more"


def _nodes(
    graph: AttributionGraph, edits: Sequence[Edit], dictionaries: Mapping[str, Dictionary]
) -> tuple[list[str], float] | None:
    """Nodes that the edits scale, and by what."""
    factors, nodes = set[float](), []
    for edit in edits:
        aims = _aims(edit, dictionaries)
        if edit.kind not in ("ablate", "scale") or not aims or edit.source is not None:
            return None
        factors.add(0.0 if edit.kind == "ablate" else float(edit.value or 0.0))
        wanted = None if edit.positions is None else set(edit.positions if isinstance(edit.positions, tuple) else ())
        nodes += [
            name
            for name, n in graph.columns.place.items()
            if name.rpartition("@")[0] in aims and (wanted is None or int(graph.columns.position[n]) in wanted)
        ]
    return (list(dict.fromkeys(nodes)), factors.pop()) if nodes and len(factors) == 1 else None


def _aims(edit: Edit, dictionaries: Mapping[str, Dictionary]) -> set[str]:
    """What the nodes that an edit changes are called, without their position."""
    if edit.target == Site("embed"):
        return {"token"}
    if isinstance(edit.target, ErrorTerm):
        key = edit.target.key(dictionaries)
        return {f"{key}/error", f"error.{dictionaries[key].site_out.layer}"}
    return set(map(str, edit.features))


def worth_of(
    scope: Scope, graph: AttributionGraph, features: Sequence[str], targets: Sequence[Any], seed: int
) -> CircuitWorth:
    """Faithfulness and completeness of some features, beside random circuits of like size."""
    nodes = [name for name in features if name in graph.columns.place]
    experiment = Experiment(scope, graph, targets=list(targets) or None)
    curve = faithfulness(experiment, nodes, [len(nodes)], controls=CONTROLS, seed=seed)
    row = curve.table.iloc[0]
    numbers = {name: float(row[f"faithfulness_{name}"]) for name in ("low", "high")}
    return CircuitWorth(
        pinned=tuple(nodes),
        faithfulness=float(row["faithfulness"]),
        completeness=float(row["completeness"]),
        control=float(row["faithfulness_mean"]),
        n=CONTROLS,
        seed=seed,
        **numbers,
    )


def proposals(graph: AttributionGraph, nodes: Sequence[str]) -> list[dict[str, Any]]:
    """Groups that could be made of some nodes, each with its agreement between halves of the evidence."""
    columns = graph.columns
    features = [name for name in nodes if name in columns.place and columns.kind[columns.place[name]] == FEATURE]
    if len(features) < 2:
        return []
    found = propose_groups(graph, nodes=features, similarity=0.4)
    return [
        {"label": label, "nodes": list(members), "stability": float(agreement)}
        for (label, members), agreement in zip(found.groups, found.agreement, strict=True)
    ]
