"""The nodes of a graph file from strangers: every field checked before it is used."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from saewidgets.circuits.nodes import ERROR, FEATURE, LOGIT, TOKEN
from saewidgets.circuits.write import TYPES
from saewidgets.errors import CircuitError, shorten

MANY = 1 << 31
TODO = "Get the file again, or say which program wrote it."
_ID = re.compile(r"(\d{1,6})_(\d{1,12})_(\d{1,7})")
_OUTPUT = re.compile(r'Output "(.*)" \(p=([0-9.eE+-]{1,24})\)', re.DOTALL)
_KINDS = {name: kind for kind, name in enumerate(TYPES)} | {"lorsa": FEATURE}


def entry_of(node: dict[str, Any], number: int, tokens: int) -> dict[str, Any]:
    """What one node says, checked."""
    where = f"Node {number}"
    name = as_text(node.get("node_id"), f"{where}'s node_id")
    if not 0 < len(name) <= 200:
        raise CircuitError(f"{where}'s node_id has {len(name)} characters.", TODO)
    kind = _KINDS.get(as_text(node.get("feature_type"), f"{where}'s feature_type"))
    if kind is None:
        raise CircuitError(f"{where} is a {shorten(node['feature_type'])}.", f"Known: {', '.join(_KINDS)}.")
    position = as_whole(node.get("ctx_idx"), f"{where}'s ctx_idx", max(tokens, 1) - 1)
    layer = -1 if kind == TOKEN else _layer(node.get("layer"), where)
    parts = _ID.fullmatch(name)
    index = -1
    if kind == FEATURE:
        index = _feature(node.get("feature"), parts, layer, where)
    elif kind == TOKEN:
        found = re.fullmatch(r"E_(\d{1,9})_\d{1,7}(?:_\d+)?", name)
        index = int(found[1]) if found else -1
    elif kind == LOGIT:
        feature = node.get("feature")
        index = -1 if feature is None else as_whole(feature, f"{where}'s feature", MANY)
        layer = max(layer - 1, 0)
    label = as_text(node.get("clerp", ""), f"{where}'s clerp")
    probability = as_number(node.get("token_prob") or 0.0, f"{where}'s token_prob")
    output = _OUTPUT.fullmatch(label) if kind == LOGIT else None
    if output:
        label = output[1]
        probability = probability or _probability(output[2])
    if kind == LOGIT and isinstance(node.get("label"), str):
        label = node["label"]
    stream = "attn_out" if node["feature_type"] == "lorsa" else "mlp_in"
    return {
        "node_id": name,
        "kind": kind,
        "layer": layer,
        "position": position,
        "index": index,
        "key": _key(node.get("dictionary"), kind, f"{stream}.{layer}"),
        "label": label,
        "probability": probability,
        "weight": as_number(node.get("weight", probability), f"{where}'s weight") if kind == LOGIT else 0.0,
        "activation": as_number(node.get("activation") or 0.0, f"{where}'s activation"),
        "influence": node.get("influence"),
        "value": as_number(node.get("value", 0.0), f"{where}'s value"),
        "bias": as_number(node.get("bias", 0.0), f"{where}'s bias"),
        "jsNodeId": node.get("jsNodeId") if isinstance(node.get("jsNodeId"), str) else "",
        "raw": node,
    }


def _key(given: Any, kind: int, default: str) -> str:
    """Key of the dictionary of a feature, or of the error of an autoencoder; "" for what has none."""
    if isinstance(given, str) and kind in (FEATURE, ERROR):
        return given
    return default if kind == FEATURE else ""


def order_of(entry: dict[str, Any], number: int, places: Mapping[str, int]) -> tuple[int, ...]:
    """Ours: by dictionary or else layer, position, index; targets as they come."""
    if entry["kind"] == LOGIT:
        return (LOGIT, 0, 0, 0, number)
    return (entry["kind"], places.get(entry["key"], len(places)), entry["layer"], entry["position"], entry["index"])


def _feature(feature: Any, parts: re.Match[str] | None, layer: int, where: str) -> int:
    """Index of a feature: the id says it plainly; else `feature` holds layer and index in one number."""
    if parts and int(parts[1]) == layer:
        return int(parts[2])
    number = as_whole(feature, f"{where}'s feature", 1 << 53)
    diagonal = (math.isqrt(8 * number + 1) - 1) // 2
    index = number - diagonal * (diagonal + 1) // 2
    return index if diagonal - index == layer else number


def _probability(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0 <= value <= 1 else 0.0


def _layer(value: Any, where: str) -> int:
    if isinstance(value, str) and re.fullmatch(r"\d{1,4}", value):
        return int(value)
    return as_whole(value, f"{where}'s layer", 9999)


def as_object(value: Any, what: str) -> dict[str, Any]:
    """A mapping with texts for keys, as a dict of its own."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise CircuitError(f"{what} is {shorten(value)}.", "It must be an object.")
    return dict(value)


def as_texts(value: Any, what: str) -> list[str]:
    """A list of texts; none for what is not there."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise CircuitError(f"{what} is {shorten(value)}.", "It is a list of texts.")
    return list(value)


def as_text(value: Any, what: str) -> str:
    """A text."""
    if not isinstance(value, str):
        raise CircuitError(f"{what} is {shorten(value)}.", "It must be a text.")
    return value


def as_whole(value: Any, what: str, most: int) -> int:
    """A whole number from 0 to `most`."""
    if type(value) is not int or not 0 <= value <= most:
        raise CircuitError(f"{what} is {shorten(value)}.", f"It is a whole number from 0 to {most}.")
    return value


def as_number(value: Any, what: str) -> float:
    """A finite number that fits single precision."""
    if type(value) not in (int, float) or not abs(value) <= 1e30:
        raise CircuitError(f"{what} is {shorten(value)}.", "It must be a finite number.")
    return float(value)
