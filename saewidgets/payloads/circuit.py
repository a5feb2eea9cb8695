"""Payload of the `CircuitGraph`: nodes in places, edges, two graphs to compare, what is pinned, what was measured.

Shapes: N nodes, E edges, T tokens, R rows of an effect, K predicted words. What was before an edit is `None` where
there is none; nodes and edges are those of both graphs, with 0 where one has none such.
"""

import math
from dataclasses import dataclass

import numpy as np

from saewidgets.errors import PayloadError, shorten
from saewidgets.payloads.arrays import F32, U8, U32
from saewidgets.payloads.context import Context
from saewidgets.payloads.record import check, same_length

FEATURE, ERROR, TOKEN, LOGIT = range(4)
SAME, CHANGED, NEW, GONE = range(4)
SIDES = ("now", "before", "both")
MODES = ("direct", "frozen attention", "free")
MAX_NODES, MAX_EDGES, MAX_MARKS = 20_000, 200_000, 2_000


@dataclass(frozen=True, slots=True, eq=False)
class CircuitNodes:
    """Where nodes stand and what they are called.

    Args:
        id: N ids, unique, e.g. `"mlp_in.2/17@5"`.
        kind: `[N]` `FEATURE`, `ERROR`, `TOKEN` or `LOGIT`.
        row: `[N]` index into the rows: 0 for tokens, the last for targets.
        position: `[N]` token.
        slot: `[N]` place in the column of the token.
        label: N names, "" where there is none.
        density: `[N]` share of the prompt's tokens at which the same feature is active; 0 for other kinds.
        status: `[N]` `SAME`, `CHANGED` (influence by more than a tenth), `NEW` or `GONE`.
    """

    id: tuple[str, ...]
    kind: U8
    row: U32
    position: U32
    slot: U32
    label: tuple[str, ...]
    density: F32
    status: U8

    def __post_init__(self) -> None:
        check(self)
        same_length(self, len(self.id), "kind", "row", "position", "slot", "label", "density", "status")
        if len(self.id) > MAX_NODES:
            raise PayloadError(f"{len(self.id)} nodes.", f"Show at most {MAX_NODES}.")
        if len(set(self.id)) < len(self.id):
            raise PayloadError("Two nodes have one id.", "Give each its own.")
        if len(self.id) and (int(self.kind.max()) > LOGIT or int(self.status.max()) > GONE):
            raise PayloadError("A node has no such kind or status.", "They are 0 to 3.")

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True, slots=True, eq=False)
class CircuitSide:
    """The numbers of one graph.

    Args:
        influence: `[N]` how much of the targets passes through each node.
        cumulative: `[N]` share of all influence held by the node and those above it; 1 for what is not there.
        activation: `[N]`.
        inputs: `[N]` sum of the absolute weights of all edges into the node, of those not shown too.
        weight: `[N]` share of each target.
        probability: `[N]` of the tokens of targets.
        edge: `[E]` weights.
    """

    influence: F32
    cumulative: F32
    activation: F32
    inputs: F32
    weight: F32
    probability: F32
    edge: F32

    def __post_init__(self) -> None:
        check(self)
        names = ("cumulative", "activation", "inputs", "weight", "probability")
        same_length(self, len(self.influence), *names)


@dataclass(frozen=True, slots=True, eq=False)
class CircuitGroup:
    """A supernode: nodes with one name."""

    label: str
    nodes: tuple[str, ...]

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, eq=False)
class CircuitPlace:
    """Where a box of the pinned part was put, in its units: one column wide, one row high."""

    id: str
    x: float
    y: float

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, eq=False)
class NodeName:
    """A name that a person gave to a node."""

    id: str
    label: str

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, eq=False)
class CircuitMarks:
    """What a person did to the graph; ids may be of nodes that are not there now.

    Args:
        pinned: Node ids, in the order of their letters.
        groups: Supernodes of pinned nodes.
        places: Where boxes were put, by group or node.
        names: Names of nodes.
    """

    pinned: tuple[str, ...] = ()
    groups: tuple[CircuitGroup, ...] = ()
    places: tuple[CircuitPlace, ...] = ()
    names: tuple[NodeName, ...] = ()

    def __post_init__(self) -> None:
        check(self)
        members = [node for group in self.groups for node in group.nodes]
        if max(len(self.pinned), len(members), len(self.places), len(self.names)) > MAX_MARKS:
            raise PayloadError("There are too many marks.", f"Give at most {MAX_MARKS} of a kind.")
        if len(set(self.pinned)) < len(self.pinned) or len(set(members)) < len(members):
            raise PayloadError("A node is pinned or grouped twice.", "A node stands once, in one group.")


@dataclass(frozen=True, slots=True, eq=False)
class CircuitMode:
    """What an intervention does when its effect spreads in one way.

    Args:
        mode: One of `MODES`.
        predicted: `[R]` change that the graph predicts.
        measured: `[R]` change in the model.
        low, high: `[R]` smallest and greatest change over random circuits of like size.
        direction_low, direction_high: `[R]` the same over random directions of equal norm.
    """

    mode: str
    predicted: F32
    measured: F32
    low: F32
    high: F32
    direction_low: F32
    direction_high: F32

    def __post_init__(self) -> None:
        check(self)
        same_length(self, len(self.predicted), "measured", "low", "high", "direction_low", "direction_high")
        if self.mode not in MODES:
            raise PayloadError(f"A mode is {shorten(self.mode)}.", f"Known: {', '.join(MODES)}.")


@dataclass(frozen=True, slots=True, eq=False)
class CircuitEffect:
    """What was done to nodes, and what it did to others.

    Args:
        label: In words.
        nodes: Ids of the nodes it was done to.
        rows: R ids of the nodes that were looked at.
        names: R names of these nodes.
        modes: Numbers, by how the effect spreads.
        n: Draws of the control.
        seed: Of the draws.
        error: `"kept"` or `"dropped"`.
        control: What the control is, in words.
    """

    label: str
    nodes: tuple[str, ...]
    rows: tuple[str, ...]
    names: tuple[str, ...]
    modes: tuple[CircuitMode, ...]
    n: int
    seed: int
    error: str = "kept"
    control: str = ""

    def __post_init__(self) -> None:
        check(self)
        same_length(self, len(self.rows), "names")
        for mode in self.modes:
            same_length(mode, len(self.rows), "predicted")


@dataclass(frozen=True, slots=True, eq=False)
class CircuitWorth:
    """How much of the behaviour the pinned part carries, by ablation.

    Args:
        pinned: Ids that were pinned when it was measured.
        faithfulness: With all other features ablated, 1 is the whole model and 0 is everything ablated.
        completeness: The same for what is left out: lower is better.
        control: Faithfulness of random circuits of like size, their mean.
        low, high: Its smallest and greatest value.
        n: How many random circuits.
        seed: Of the draws.
    """

    pinned: tuple[str, ...]
    faithfulness: float
    completeness: float
    control: float
    low: float
    high: float
    n: int
    seed: int = 0

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, eq=False)
class CircuitWords:
    """Next tokens, K of them.

    Args:
        word: Texts, by falling greater probability.
        before: `[K]` probabilities without edits.
        after: `[K]` under the edits.
        low, high: `[K]` smallest and greatest probability over the control's draws.
    """

    word: tuple[str, ...]
    before: F32
    after: F32 | None = None
    low: F32 | None = None
    high: F32 | None = None

    def __post_init__(self) -> None:
        check(self)
        same_length(self, len(self.word), "before", "after", "low", "high")


@dataclass(frozen=True, slots=True, eq=False)
class CircuitPayload:
    """Everything a `CircuitGraph` draws.

    Args:
        prompt: The text.
        tokens: T tokens as strings.
        tokens_before: Those of the text before, each where the token stands that answers to it.
        rows: Names of the rows, from the tokens up to the targets.
        columns: `[T]` slots of the column of each token.
        widths: `[T]` what its width is in proportion to.
        nodes: N nodes, by row, position and slot.
        source, target: `[E]` nodes of each edge, the one that carries most first.
        now: Numbers of the graph.
        before: Numbers of the one before the edit, or of the text before.
        side: Which is in view, one of `SIDES`.
        keep_nodes, keep_edges: Shares of the influence that are shown, 0 to 1.
        most_nodes: The greatest share of the influence on nodes that this payload holds.
        n_edges: Edges among the nodes, of which the E strongest are here.
        selection: Id of the node in hand, "" for none.
        marks: What a person did.
        replacement, completeness: Scores of the whole graph.
        residual: How far rows are from adding up, relative to the largest value.
        covered: Share of the influence that the graph's nodes hold.
        method: How it was computed.
        words: Next tokens.
        effect: What the edits do, measured.
        worth: What the pinned part carries.
        edits: What was done, in words; "" for nothing.
        note: What stands in the way of editing, or a hint.
        context: The foot.
    """

    prompt: str
    tokens: tuple[str, ...]
    rows: tuple[str, ...]
    columns: U32
    widths: U32
    nodes: CircuitNodes
    source: U32
    target: U32
    now: CircuitSide
    context: Context
    tokens_before: tuple[str, ...] = ()
    before: CircuitSide | None = None
    side: str = "now"
    keep_nodes: float = 0.8
    keep_edges: float = 0.98
    most_nodes: float = 1.0
    n_edges: int = 0
    selection: str = ""
    marks: CircuitMarks = CircuitMarks()
    replacement: float = 0.0
    completeness: float = 0.0
    residual: float = 0.0
    covered: float = 1.0
    method: str = ""
    words: CircuitWords = CircuitWords((), np.zeros(0, np.float32))
    effect: CircuitEffect | None = None
    worth: CircuitWorth | None = None
    edits: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        check(self)
        n, e, t = len(self.nodes), len(self.source), len(self.columns)
        same_length(self, e, "target")
        same_length(self, t, "widths")
        for side in (self.now, self.before):
            if side is not None:
                same_length(side, n, "influence")
                same_length(side, e, "edge")
        if e > MAX_EDGES:
            raise PayloadError(f"{e} edges.", f"Show at most {MAX_EDGES}.")
        if e and max(int(self.source.max()), int(self.target.max())) >= n:
            raise PayloadError("An edge names a node that is not there.", f"There are {n}.")
        nodes = self.nodes
        if e and (nodes.row[self.source] >= nodes.row[self.target]).any():
            raise PayloadError("An edge goes to its own layer or down.", "Edges go from earlier to later layers only.")
        if len(self.tokens) > t or len(self.tokens_before) > t:
            raise PayloadError(f"There are {t} columns.", "Each token has one.")
        if n and (int(nodes.row.max()) >= len(self.rows) or int(nodes.position.max()) >= t):
            raise PayloadError("A node stands outside the rows and columns.", "Lay the graph out again.")
        if n and (nodes.slot >= self.columns[nodes.position]).any():
            raise PayloadError("A node stands beside its column.", "Lay the graph out again.")
        if t and max(int(self.columns.max()), int(self.widths.max())) > MAX_NODES:
            raise PayloadError("A column is wider than there are nodes.", "Lay the graph out again.")
        for name in ("keep_nodes", "keep_edges", "most_nodes"):
            value = getattr(self, name)
            if not (math.isfinite(value) and 0 < value <= 1):
                raise PayloadError(f"{name} is {shorten(value)}.", "A share above 0 and up to 1.")
        if self.side not in SIDES:
            raise PayloadError(f"The side is {shorten(self.side)}.", f"Use one of {', '.join(SIDES)}.")
