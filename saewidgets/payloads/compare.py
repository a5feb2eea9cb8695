"""Payload of `Compare`: two heatmaps side by side, and what is different between them.

Shapes: P pairs of tokens that stand against each other, N of them with predictions, K predicted words.
"""

from dataclasses import dataclass

from saewidgets.errors import PayloadError
from saewidgets.payloads.arrays import F32, U8, U32
from saewidgets.payloads.context import Context
from saewidgets.payloads.heatmap import Control, FeatureLabel, HeatmapPayload, Predictions
from saewidgets.payloads.record import check, same_length

# How features stand against each other: one dictionary, two with directions in one space, two that have nothing common.
MATCHES = ("same", "cosine", "none")


@dataclass(frozen=True, slots=True, eq=False)
class FeaturePairs:
    """Features of A and B at each pair of tokens, CSR by pair, the most different first.

    Args:
        indptr: `[P + 1]` start of each pair's entries.
        left, right: `[n]` feature index in each dictionary; equal ones where it is the same.
        a, b: `[n]` activation at the token of A, of B.
        cosine: `[n]` of the two directions; 1 for the same feature.
    """

    indptr: U32
    left: U32
    right: U32
    a: F32
    b: F32
    cosine: F32

    def __post_init__(self) -> None:
        check(self)
        same_length(self, len(self.left), "right", "a", "b", "cosine")
        steps = self.indptr.astype("int64")
        if len(steps) == 0 or steps[0] != 0 or steps[-1] != len(self.left) or (steps[1:] < steps[:-1]).any():
            raise PayloadError("FeaturePairs.indptr does not divide the entries.", "It must rise from 0.")


@dataclass(frozen=True, slots=True, eq=False)
class ComparePayload:
    """Everything a `Compare` draws.

    Args:
        name_a, name_b: What is on each side, in words.
        left_token, right_token: `[P]` token positions that stand against each other, both rising.
        same: `[P]` 1 where the two tokens have the same text.
        pair: The pair in view.
        site_a, site_b: Keys of the dictionaries that are compared.
        match: One of `MATCHES`.
        features: What differs at each pair.
        context: The foot.
        predictions: Next tokens after pairs, `positions` counting pairs, `before` A, `after` B, `kl` from A to B;
            `None` for two vocabularies.
        kl_back: `[N]` KL divergence from B to A, in nats.
        control: The edits of one side on random features and in random directions, seen from the other side.
        controlled: Whose edits: 0 A's, 1 B's, -1 for no control.
        shared: Keys of the dictionaries that both sides have.
        labels: Labels of the features mentioned.
        note: What cannot be compared, and why.
        left, right: The two heatmaps, encoded; `None` where they are widgets of their own.
    """

    name_a: str
    name_b: str
    left_token: U32
    right_token: U32
    same: U8
    pair: int
    site_a: str
    site_b: str
    match: str
    features: FeaturePairs
    context: Context
    predictions: Predictions | None = None
    kl_back: F32 | None = None
    control: Control | None = None
    controlled: int = -1
    shared: tuple[str, ...] = ()
    labels: tuple[FeatureLabel, ...] = ()
    note: str = ""
    left: U8 | None = None
    right: U8 | None = None

    def __post_init__(self) -> None:
        check(self)
        n = len(self.left_token)
        same_length(self, n, "right_token", "same")
        same_length(self.features, n + 1, "indptr")
        for tokens in (self.left_token.astype("int64"), self.right_token.astype("int64")):
            if (tokens[1:] <= tokens[:-1]).any():
                raise PayloadError("The pairs of tokens cross.", "Both positions must rise.")
        if not 0 <= self.pair < max(n, 1):
            raise PayloadError(f"Pair {self.pair} is in view.", f"There are {n}.")
        if self.match not in MATCHES:
            raise PayloadError(f"The features match by {self.match}.", f"Use one of {', '.join(MATCHES)}.")
        if self.controlled not in (-1, 0, 1) or (self.control is None) != (self.controlled < 0):
            raise PayloadError(f"The control is of side {self.controlled}.", "0 is A, 1 is B, -1 is none.")
        shown = self.predictions
        if shown is None:
            if self.kl_back is not None or self.control is not None:
                raise PayloadError("There is a KL or a control without predictions.", "Give the predictions.")
            return
        if shown.after is None or shown.kl is None or self.kl_back is None:
            raise PayloadError("The predictions lack a side.", "Give after, kl and kl_back.")
        if len(shown.positions) and int(shown.positions.max()) >= n:
            raise PayloadError("A prediction follows a pair that is not there.", f"There are {n} pairs.")
        same_length(self, len(shown.positions), "kl_back")
        if self.control is not None and self.control.low.shape != shown.token.shape:
            raise PayloadError("The control covers other predictions.", f"Shape {shown.token.shape}.")

    @property
    def sides(self) -> tuple[HeatmapPayload, HeatmapPayload] | None:
        """The two heatmaps, `None` where they are not in here.

        Raises:
            PayloadError: They are damaged.
        """
        from saewidgets.payloads.codec import decode  # late: it knows every payload, this one too

        if self.left is None or self.right is None:
            return None
        one, other = decode(self.left.tobytes()), decode(self.right.tobytes())
        if not isinstance(one, HeatmapPayload) or not isinstance(other, HeatmapPayload):
            raise PayloadError("A side of the comparison is no heatmap.", "Save it again.")
        return one, other
