"""The nodes of an attribution graph: what they are, in columns, and their ids."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from saewidgets.errors import CircuitError, shorten
from saewidgets.payloads.arrays import Array

# Of a node, in a graph and in its picture.
from saewidgets.payloads.circuit import ERROR as ERROR
from saewidgets.payloads.circuit import FEATURE as FEATURE
from saewidgets.payloads.circuit import LOGIT as LOGIT
from saewidgets.payloads.circuit import TOKEN as TOKEN

KINDS = ("feature", "error", "token", "logit")
_KEY = re.compile(r"[a-z_]+(?:\.\d{1,4})?(?:@[A-Za-z0-9_-]{1,40})?")


@dataclass(frozen=True, eq=False)
class Nodes:
    """N nodes in columns: features by layer, position and index; errors by layer and position; tokens; logits.

    Args:
        kind: `[N]` uint8: place in `KINDS`.
        layer: `[N]` int32; -1 for tokens, the number of layers for logits.
        position: `[N]` int32.
        index: `[N]` int64: feature in its dictionary, vocabulary id of tokens and logits (-1 for another target).
        dictionary: `[N]` int32: place in `dictionaries`, -1 where there is none.
        activation: `[N]` float32 of features.
        value: `[N]` float32: pre-activation of features, value of targets.
        bias: `[N]` float32: the part of `value` that no node accounts for.
        weight: `[N]` float64: share of each target; 0 elsewhere.
        probability: `[N]` float32 of the tokens of targets.
        cumulative: `[N]` float32: share of all influence held by this node and those above it; small is important.
        dictionaries: Keys.
        labels: N texts; "" where there is none.
    """

    kind: Array
    layer: Array
    position: Array
    index: Array
    dictionary: Array
    activation: Array
    value: Array
    bias: Array
    weight: Array
    probability: Array
    cumulative: Array
    dictionaries: tuple[str, ...]
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        for name, dtype in COLUMNS.items():
            column = getattr(self, name)
            if column.dtype != np.dtype(dtype) or column.shape != (len(self.labels),):
                raise CircuitError(
                    f"Column {name} of the nodes is {column.dtype} {column.shape}.",
                    f"It must be {dtype} ({len(self.labels)},).",
                )
        for name in ("activation", "value", "bias", "weight", "probability", "cumulative"):
            if not np.isfinite(getattr(self, name)).all():
                raise CircuitError(f"Column {name} of the nodes holds values that are not finite.", "Compute it again.")
        if len(self) and (self.kind.max() > LOGIT or (self.position < 0).any() or (self.layer < -1).any()):
            raise CircuitError("A node has no such kind, position or layer.", "Compute the graph again.")
        if len(self) and not (-1 <= self.dictionary.min() and self.dictionary.max() < len(self.dictionaries)):
            raise CircuitError("A node names a dictionary that is not listed.", "Compute the graph again.")
        feature = self.kind == FEATURE
        if (self.dictionary[feature] < 0).any() or (self.index[feature] < 0).any():
            raise CircuitError("A feature has no dictionary or index.", "Compute the graph again.")
        if (self.weight < 0).any() or self.weight[self.kind != LOGIT].any():
            raise CircuitError("A node that is no target has a weight, or a weight is negative.", "Weights are shares.")
        for key in self.dictionaries:
            if not isinstance(key, str) or not _KEY.fullmatch(key):
                raise CircuitError(f"{shorten(key)} is no key of a dictionary.", "Keys read like 'mlp_in.2'.")
        if len(set(self.ids)) != len(self):
            raise CircuitError("Two nodes are the same.", "A node stands once in a graph.")

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """`mlp_in.2/17@5`, `error.2@5` (`resid_post.2/error@5`), `token@5`, `logit.0@5`: no two nodes share one."""
        return tuple(self._id(n) for n in range(len(self)))

    @cached_property
    def place(self) -> dict[str, int]:
        """Id -> number of the node."""
        return {name: n for n, name in enumerate(self.ids)}

    @cached_property
    def _first_logit(self) -> int:
        return int(np.argmax(self.kind == LOGIT)) if (self.kind == LOGIT).any() else len(self)

    def _id(self, n: int) -> str:
        position = int(self.position[n])
        if self.kind[n] == FEATURE:
            return f"{self.dictionaries[self.dictionary[n]]}/{int(self.index[n])}@{position}"
        if self.kind[n] == ERROR:
            place = int(self.dictionary[n])
            # Several autoencoders may stand in one layer; transcoders stand for its only MLP.
            return (
                f"{self.dictionaries[place]}/error@{position}"
                if place >= 0
                else f"error.{int(self.layer[n])}@{position}"
            )
        return f"token@{position}" if self.kind[n] == TOKEN else f"logit.{n - self._first_logit}@{position}"

    def numbers(self, ids: str | Sequence[str]) -> Array:
        """Numbers of some nodes.

        Args:
            ids: Ids; a feature without a position means all its nodes.

        Raises:
            CircuitError: No such node.
        """
        found: list[int] = []
        for name in [ids] if isinstance(ids, str) else ids:
            if name in self.place:
                found.append(self.place[name])
                continue
            same = [n for n, one in enumerate(self.ids) if one.rpartition("@")[0] == name]
            if not same:
                raise CircuitError(
                    f"No node {shorten(name)} in this graph.", "Ids look like 'mlp_in.2/17@5'; see graph.nodes."
                )
            found += same
        return np.array(found, dtype=np.int64)

    def take(self, chosen: Array) -> Nodes:
        """Some nodes, by number or mask."""
        numbers = np.arange(len(self))[chosen]
        columns = {name: getattr(self, name)[numbers] for name in COLUMNS}
        return Nodes(**columns, dictionaries=self.dictionaries, labels=tuple(self.labels[n] for n in numbers))


COLUMNS = {
    "kind": "uint8",
    "layer": "int32",
    "position": "int32",
    "index": "int64",
    "dictionary": "int32",
    "activation": "float32",
    "value": "float32",
    "bias": "float32",
    "weight": "float64",
    "probability": "float32",
    "cumulative": "float32",
}
assert set(COLUMNS) == {field.name for field in fields(Nodes)} - {"dictionaries", "labels"}
