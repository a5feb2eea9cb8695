"""Payload of the `TokenHeatmap`: one prompt, chosen features on it, predictions, before and after the edits.

Shapes: T tokens, P positions with predictions, K predictions a position.
`after` fields are `None` when there are no edits.
"""

from dataclasses import dataclass

from saewidgets.errors import PayloadError
from saewidgets.payloads.arrays import F32, U8, U32, F32x2, U32x2
from saewidgets.payloads.context import Context
from saewidgets.payloads.record import check, same_length

PLAIN, SPECIAL, SPLIT, CONTINUATION = range(4)


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """The tokens of the prompt, ready to draw.

    Args:
        text: What each token stands for; a `SPLIT` token holds the whole character, a `CONTINUATION` is empty.
        ids: `[T]` token ids.
        kind: `[T]` `PLAIN`, `SPECIAL` (bos and the like), `SPLIT` (first token of a character cut into bytes),
            `CONTINUATION` (its further tokens).
        pieces: Bytes in hex ("F0 9F") of the `SPLIT` and `CONTINUATION` tokens, in order.
    """

    text: tuple[str, ...]
    ids: U32
    kind: U8
    pieces: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check(self)
        same_length(self, len(self.text), "ids", "kind")
        if (self.kind > CONTINUATION).any():
            raise PayloadError(f"Tokens.kind holds {int(self.kind.max())}.", "It must be 0 to 3.")
        if len(self.pieces) != int((self.kind >= SPLIT).sum()):
            raise PayloadError(f"Tokens.pieces has {len(self.pieces)} rows.", "One for each token cut into bytes.")

    def __len__(self) -> int:
        return len(self.text)


@dataclass(frozen=True, slots=True, eq=False)
class Sparse:
    """Values of few features at each token, CSR by token, strongest first.

    Args:
        indptr: `[T + 1]` start of each token's entries.
        index: `[n]` feature index in its dictionary.
        value: `[n]` activation.
    """

    indptr: U32
    index: U32
    value: F32

    def __post_init__(self) -> None:
        check(self)
        same_length(self, len(self.index), "value")
        steps = self.indptr.astype("int64")
        if len(steps) == 0 or steps[0] != 0 or steps[-1] != len(self.index) or (steps[1:] < steps[:-1]).any():
            raise PayloadError("Sparse.indptr does not divide the entries.", "It must rise from 0 to their number.")


@dataclass(frozen=True, slots=True, eq=False)
class SiteView:
    """One dictionary on this prompt.

    Args:
        key: Key of the dictionary in the scope, e.g. `"resid_post.2"`.
        architecture: e.g. `"topk"`.
        width: Number of features.
        strongest: The strongest features of each token; for long prompts it may hold no entries.
        active: `[T]` number of active features.
        error: `[T]` norm of the SAE's error / norm of the activation (0 to about 1).
        strongest_after, active_after, error_after: The same under the edits.
    """

    key: str
    architecture: str
    width: int
    strongest: Sparse
    active: U32
    error: F32
    strongest_after: Sparse | None = None
    active_after: U32 | None = None
    error_after: F32 | None = None

    def __post_init__(self) -> None:
        check(self)
        same_length(self, len(self.active), "error", "active_after", "error_after")
        for sparse in (self.strongest, self.strongest_after):
            if sparse is not None:
                same_length(sparse, len(self.active) + 1, "indptr")
                if len(sparse.index) and int(sparse.index.max()) >= self.width:
                    raise PayloadError(f"A feature index reaches {int(sparse.index.max())}.", f"Width: {self.width}.")


@dataclass(frozen=True, slots=True, eq=False)
class ChosenFeature:
    """A feature the user looks at: a lane, a chip, a slider.

    Args:
        id: `"resid_post.2/417"`.
        label: Its name, "" when it has none.
        slot: 0 is letter a and its colour, 1 is b, ...
        maximum: Greatest activation known (of this prompt, or of the atlas): the full height of a lane.
        values: `[T]` activations without edits.
        after: `[T]` activations under the edits.
        edit: What is done to it, in words: "", "ablate", "x 1.5", "clamp 8.0", "steer +4.0 at 2 tokens".
        scale: Position of the slider: 1 without an edit, 0 ablated, `None` when the edit is no multiple.
    """

    id: str
    label: str
    slot: int
    maximum: float
    values: F32
    after: F32 | None = None
    edit: str = ""
    scale: float | None = 1.0

    def __post_init__(self) -> None:
        check(self)
        same_length(self, len(self.values), "after")


@dataclass(frozen=True, slots=True, eq=False)
class FeatureLabel:
    """The label of a feature that this payload mentions."""

    id: str
    label: str

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Next-token predictions.

    Args:
        positions: `[P]` token positions they follow, rising.
        vocabulary: Distinct strings of the tokens below.
        token: `[P, K]` index into `vocabulary`, by descending max(before, after).
        before, after: `[P, K]` probabilities without and with the edits.
        kl: `[P]` KL divergence in nats of the whole distribution, base from edited: sum p log(p / q).
    """

    positions: U32
    vocabulary: tuple[str, ...]
    token: U32x2
    before: F32x2
    after: F32x2 | None = None
    kl: F32 | None = None

    def __post_init__(self) -> None:
        check(self)
        same_length(self, len(self.positions), "token", "before", "after", "kl")
        for name in ("before", "after"):
            value = getattr(self, name)
            if value is not None and value.shape != self.token.shape:
                raise PayloadError(f"Predictions.{name} has shape {value.shape}.", f"It must be {self.token.shape}.")
        if self.token.size and int(self.token.max()) >= len(self.vocabulary):
            raise PayloadError(f"Predictions.token names word {int(self.token.max())}.", "The vocabulary is shorter.")


@dataclass(frozen=True, slots=True, eq=False)
class Control:
    """What the same edit does with random features, and with random directions of the same norm.

    Args:
        n: Number of random features, and of random directions.
        seed: Of the draw.
        low, high: `[P, K]` smallest and greatest probability of each predicted token over the random features.
        kl_features: `[P, 2]` smallest and greatest KL over the random features.
        kl_directions: `[P, 2]` the same over the random directions.
    """

    n: int
    seed: int
    low: F32x2
    high: F32x2
    kl_features: F32x2
    kl_directions: F32x2

    def __post_init__(self) -> None:
        check(self)
        same_length(self, len(self.low), "high", "kl_features", "kl_directions")
        if self.high.shape != self.low.shape or self.kl_features.shape[1] != 2 or self.kl_directions.shape[1] != 2:
            raise PayloadError("Control has fields of unequal shape.", "low and high [P, K], kl_* [P, 2].")


@dataclass(frozen=True, slots=True, eq=False)
class HeatmapPayload:
    """Everything a `TokenHeatmap` draws.

    Args:
        prompt: The text the tokens come from.
        tokens: `T` tokens.
        sites: The dictionaries, in order of the forward pass.
        site: Key of the one in view.
        features: Chosen features, in order of their slots.
        fill: What fills the tokens: a chosen feature's id, `"error"` or `"surprise"`.
        selection: Selected token position.
        surprise: `[T]` -log p of each token given the ones before it, nats; 0 at position 0.
        surprise_after: The same under the edits.
        predictions: Next-token predictions, at every position of a short prompt.
        control: Bands of the control, `None` until it is computed or without edits.
        n_edits: Number of edits applied.
        labels: Labels of the features mentioned.
        context: The foot.
    """

    prompt: str
    tokens: Tokens
    sites: tuple[SiteView, ...]
    site: str
    features: tuple[ChosenFeature, ...]
    fill: str
    selection: int
    surprise: F32
    predictions: Predictions
    context: Context
    surprise_after: F32 | None = None
    control: Control | None = None
    n_edits: int = 0
    labels: tuple[FeatureLabel, ...] = ()

    def __post_init__(self) -> None:
        check(self)
        length = len(self.tokens)
        same_length(self, length, "surprise", "surprise_after")
        for site in self.sites:
            same_length(site, length, "active")
        for feature in self.features:
            same_length(feature, length, "values")
        if not 0 <= self.selection < max(length, 1):
            raise PayloadError(f"Token {self.selection} is selected.", f"There are {length}.")
        if len(self.predictions.positions) and int(self.predictions.positions.max()) >= length:
            raise PayloadError("A prediction follows a token that is not there.", f"There are {length} tokens.")
        if self.control is not None and self.control.low.shape != self.predictions.token.shape:
            raise PayloadError("The control covers other predictions.", f"Shape {self.predictions.token.shape}.")
