"""What a circuit graph can be asked, and the marks a person makes on it: checks, and the Python for it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from saewidgets.errors import PayloadError, WidgetError
from saewidgets.payloads.circuit import MAX_MARKS, SIDES, CircuitGroup, CircuitMarks, CircuitPlace, NodeName
from saewidgets.widgets import checks

if TYPE_CHECKING:
    from saewidgets.interventions import Edit

MAX_TARGETS = 64
# Boxes lie at most so far from where they belong, in their own units.
_FAR = 10_000


@dataclass(frozen=True, slots=True)
class CircuitRequest:
    """One picture of a circuit graph.

    Args:
        prompt: The text.
        targets: What is explained: tokens, ids or `saewidgets.circuits.Target`s; none for the likeliest tokens.
        edits: What is done to features.
        base: The text to compare with, "" for none; under edits and without it, the same text without them.
        measure: Ids of the nodes whose worth is measured by ablation.
        method: How it is computed.
        max_features: Most features in the graph; `None` for all.
        seed: Of the controls.
    """

    prompt: str
    targets: tuple[Any, ...] = ()
    edits: tuple[Any, ...] = ()
    base: str = ""
    measure: tuple[str, ...] = ()
    method: str = "transcoder"
    max_features: int | None = None
    seed: int = 0


def targets(name: str, value: Any) -> tuple[Any, ...]:
    """Targets: `None` for the likeliest tokens, or one or several.

    Raises:
        WidgetError: Something else, or too many.
    """
    if value is None:
        return ()
    several = isinstance(value, (list, tuple))
    found = tuple(value) if several else (value,)
    if len(found) > MAX_TARGETS:
        raise WidgetError(f"{name} is {checks.brief(value)}.", f"Give at most {MAX_TARGETS}.")
    for one in found:
        plain = (isinstance(one, int) and not isinstance(one, bool)) or (isinstance(one, str) and len(one) <= 200)
        if not plain and not (hasattr(one, "token") and hasattr(one, "vector")):
            raise WidgetError(f"A target is {checks.brief(one)}.", "Give tokens, or sw.circuits.Target.")
    return found


def text_or_none(name: str, value: Any) -> str:
    """A text, "" for none."""
    return "" if value == "" else checks.text(name, value)


def node_ids(name: str, value: Any) -> tuple[str, ...]:
    """Ids of nodes, each once.

    Raises:
        WidgetError: Something else.
    """
    if not isinstance(value, (list, tuple)) or len(value) > MAX_MARKS:
        raise WidgetError(f"{name} is {checks.brief(value)}.", "Give a list of node ids such as 'mlp_in.2/17@5'.")
    ids = tuple(checks.word(name, one) for one in value)
    if len(set(ids)) < len(ids):
        raise WidgetError(f"{name} names a node twice.", "Name each node once.")
    return ids


def share(name: str, value: Any) -> float:
    """A share above 0 and up to 1.

    Raises:
        WidgetError: Something else.
    """
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not plain or not 0 < value <= 1:
        raise WidgetError(f"{name} is {checks.brief(value)}.", "Give a share above 0 and up to 1.")
    return float(value)


def marks(name: str, value: Any) -> dict[str, Any]:
    """Marks as the plain JSON that the front end writes: pinned, groups, places, names.

    Raises:
        WidgetError: Something else.
    """
    if isinstance(value, CircuitMarks):
        return marks_json(value)
    if not isinstance(value, Mapping) or len(value) > 4:
        raise WidgetError(f"{name} is {checks.brief(value)}.", "Marks have pinned, groups, places and names.")
    groups = value.get("groups") or []
    places, names = value.get("places") or {}, value.get("names") or {}
    if not isinstance(groups, (list, tuple)) or len(groups) > MAX_MARKS:
        raise WidgetError(f"The groups are {checks.brief(groups)}.", "Give a list of label and nodes.")
    if not isinstance(places, Mapping) or not isinstance(names, Mapping) or max(len(places), len(names)) > MAX_MARKS:
        raise WidgetError("Places or names are no mapping by node.", "Write {'mlp_in.2/17@5': ...}.")
    found = {
        "pinned": list(node_ids("pinned", value.get("pinned") or [])),
        "groups": [_group(group) for group in groups],
        "places": {checks.word("places", key): _place(place) for key, place in places.items()},
        "names": {checks.word("names", key): checks.word("names", text) for key, text in names.items()},
    }
    try:
        marks_of(found)
    except PayloadError as error:
        raise WidgetError(error.what, error.todo) from None
    return found


def _group(group: Any) -> dict[str, Any]:
    if not isinstance(group, Mapping):
        raise WidgetError(f"A group is {checks.brief(group)}.", "Write {'label': ..., 'nodes': [...]}.")
    nodes = node_ids("nodes", group.get("nodes"))
    return {"label": checks.word("label", group.get("label")), "nodes": list(nodes)}


def _place(place: Any) -> list[float]:
    if not isinstance(place, (list, tuple)) or len(place) != 2:
        raise WidgetError(f"A place is {checks.brief(place)}.", "Give x and y.")
    for one in place:
        if isinstance(one, bool) or not isinstance(one, (int, float)) or not math.isfinite(one) or abs(one) > _FAR:
            raise WidgetError(f"A place is {checks.brief(one)}.", f"Give numbers up to {_FAR}.")
    return [float(one) for one in place]


def marks_of(value: Mapping[str, Any]) -> CircuitMarks:
    """Marks as a payload holds them, from checked JSON."""
    return CircuitMarks(
        tuple(value["pinned"]),
        tuple(CircuitGroup(group["label"], tuple(group["nodes"])) for group in value["groups"]),
        tuple(CircuitPlace(key, *place) for key, place in value["places"].items()),
        tuple(NodeName(key, text) for key, text in value["names"].items()),
    )


def marks_json(value: CircuitMarks) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "pinned": list(value.pinned),
        "groups": [{"label": group.label, "nodes": list(group.nodes)} for group in value.groups],
        "places": {place.id: [place.x, place.y] for place in value.places},
        "names": {name.id: name.label for name in value.names},
    }


CHECKS: dict[str, checks.Check] = {
    "prompt": checks.text,
    "targets": targets,
    "edits": checks.edit_list,
    "base": text_or_none,
    "measure": node_ids,
}
VIEW: dict[str, checks.Check] = {
    "keep_nodes": share,
    "keep_edges": share,
    "side": checks.one_of(*SIDES),
    "selection": checks.word,
    "marks": marks,
}


def code(request: CircuitRequest, view: Mapping[str, Any]) -> str:
    """Python that shows this view again.

    Args:
        request: What was asked.
        view: Values of the view's traits that are not the first ones.

    Example:
        >>> print(code(CircuitRequest("A boat.", (" to",)), {"keep_nodes": 0.7}))
        sw.CircuitGraph(scope, 'A boat.', targets=' to', keep_nodes=0.7)
    """
    arguments = ["scope", repr(request.prompt)]
    if request.targets:
        shown = request.targets[0] if len(request.targets) == 1 else list(request.targets)
        arguments.append(f"targets={shown!r}")
    if request.edits:
        from saewidgets.interventions import to_code

        arguments.append(f"edits={to_code(request.edits)}")
    for name, default in (("base", ""), ("method", "transcoder"), ("max_features", None), ("seed", 0)):
        if getattr(request, name) != default:
            arguments.append(f"{name}={getattr(request, name)!r}")
    if request.measure:
        arguments.append(f"measure={list(request.measure)!r}")
    arguments += [f"{name}={value!r}" for name, value in view.items()]
    return f"sw.CircuitGraph({', '.join(arguments)})"


def same_marks(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether marks say the same."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def node_at(node: str, places: Mapping[int, int]) -> str | None:
    """The id of the same node where its token is in another text; `None` when the token is gone."""
    name, _, position = node.rpartition("@")
    if not position.isdigit():
        return node
    now = places.get(int(position))
    return None if now is None else f"{name}@{now}"


def marks_at(value: Mapping[str, Any], places: Mapping[int, int]) -> dict[str, Any]:
    """Marks in another text."""

    def moved(nodes: Sequence[str]) -> list[str]:
        return [now for node in nodes if (now := node_at(node, places)) is not None]

    groups = [{"label": group["label"], "nodes": moved(group["nodes"])} for group in value["groups"]]
    kept = {
        name: {now: one for key, one in value[name].items() if (now := node_at(key, places)) is not None}
        for name in ("places", "names")
    }
    return {"pinned": moved(value["pinned"]), "groups": [group for group in groups if group["nodes"]], **kept}


def edits_at(edits: Sequence[Edit], places: Mapping[int, int]) -> tuple[Edit, ...]:
    """Edits in another text; those of which every token is gone are gone."""
    found = []
    for edit in edits:
        if not isinstance(edit.positions, tuple):
            found.append(edit)
        elif now := tuple(places[p] for p in edit.positions if p in places):
            found.append(replace(edit, positions=now))
    return tuple(found)
