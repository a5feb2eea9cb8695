"""Payload of the `FeatureDashboard`: where one feature fires, what it writes, what is near it, and a text of one's own.

Shapes: E examples of a group, B half octaves of activation.
"""

from dataclasses import dataclass

from saewidgets.errors import PayloadError, shorten
from saewidgets.payloads.arrays import U32
from saewidgets.payloads.context import Context
from saewidgets.payloads.dictionary_report import Estimate
from saewidgets.payloads.heatmap import HeatmapPayload
from saewidgets.payloads.histogram import Histogram
from saewidgets.payloads.record import check, same_length
from saewidgets.payloads.training import Passage

GROUPS = ("interval", "top", "random")
MAX_EXAMPLES, MAX_RELATED = 2_000, 100


@dataclass(frozen=True, slots=True, eq=False)
class LabelMeter:
    """One number of the truth meter of a label.

    Args:
        name: `"detection"`, `"fuzzing"`, `"sensitivity"` or `"output"`.
        score: With its 95 % interval.
        random: The same label on a random feature, where that was measured.
        n: Items judged.
    """

    name: str
    score: Estimate
    random: float | None = None
    n: int = 0

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, eq=False)
class Word:
    """A token with a number.

    Args:
        text: The token.
        value: Its logit, or its share of the tokens a feature fires on.
    """

    text: str
    value: float

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, eq=False)
class RelatedFeature:
    """Another feature.

    Args:
        id: `"resid_post.2/417"`.
        value: Cosine of the decoder rows, or Jaccard index of the tokens both fire on.
        label: Its name, "" when it has none.
    """

    id: str
    value: float
    label: str = ""

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, eq=False)
class ExampleGroup:
    """Tokens at which a feature fires, each in its context.

    Args:
        kind: `"top"`, `"random"`, or `"interval"`: drawn uniformly from an octave of |activation|.
        passages: `E` contexts, cut around the token; `peak` is the token.
        contexts, positions: `[E]` where the tokens stand in the atlas.
        low, high: Bounds of the octave; 0 for other kinds.
        share: Of the tokens at which the feature fires, those in the octave.
        negative: Whether activations are below 0 there.
    """

    kind: str
    passages: tuple[Passage, ...]
    contexts: U32
    positions: U32
    low: float = 0.0
    high: float = 0.0
    share: float = 1.0
    negative: bool = False

    def __post_init__(self) -> None:
        check(self)
        same_length(self, len(self.passages), "contexts", "positions")
        if self.kind not in GROUPS:
            raise PayloadError(f"Examples of the kind {shorten(self.kind)}.", f"Use one of {GROUPS}.")


@dataclass(frozen=True, slots=True, eq=False)
class FeatureDashboardPayload:
    """Everything a `FeatureDashboard` draws.

    Args:
        id: `"resid_post.2/903"`.
        label: What it means, "" when nobody said.
        label_note: Who said so, and on what evidence.
        slot: Its letter and colour.
        meters: How far the label holds; none where nobody measured.
        n_tokens: Tokens that were counted; 0 without an atlas.
        n_active: Those at which it fires.
        maximum: Greatest |activation| known.
        histogram: `[B]` tokens by |activation| in half octaves, edges as logarithms to base 10.
        groups: Examples.
        shown: Kind of the examples in view.
        fires_on: Tokens it fires on most often, with their shares.
        promoted, suppressed: Ends of its decoder row through the unembedding, the strongest first.
        skew, kurtosis: Of all those logits.
        near: Features of this dictionary by the cosine of their decoder rows.
        together: Features of this dictionary by the Jaccard index of the tokens they fire on.
        alike: The best of each other dictionary by the same.
        nearest_live: Of a feature that never fires, the nearest one in the decoder that does.
        live: A text of one's own, with the feature before and after the slider.
        position: Token of that text whose prediction is in view.
        live_note: Why no text can be typed, "" when it can.
        written_note: Why there are no promoted tokens and no neighbours, "" when there are.
        source: What the counts are of: the atlas.
        context: The foot.
    """

    id: str
    context: Context
    histogram: Histogram
    label: str = ""
    label_note: str = ""
    slot: int = 0
    meters: tuple[LabelMeter, ...] = ()
    n_tokens: int = 0
    n_active: int = 0
    maximum: float = 0.0
    groups: tuple[ExampleGroup, ...] = ()
    shown: str = "interval"
    fires_on: tuple[Word, ...] = ()
    promoted: tuple[Word, ...] = ()
    suppressed: tuple[Word, ...] = ()
    skew: float | None = None
    kurtosis: float | None = None
    near: tuple[RelatedFeature, ...] = ()
    together: tuple[RelatedFeature, ...] = ()
    alike: tuple[RelatedFeature, ...] = ()
    nearest_live: RelatedFeature | None = None
    live: HeatmapPayload | None = None
    position: int = -1
    live_note: str = ""
    written_note: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        check(self)
        if self.shown not in GROUPS:
            raise PayloadError(f"The examples in view are {shorten(self.shown)}.", f"Use one of {GROUPS}.")
        if self.label_note and not self.label:
            raise PayloadError(f"{shorten(self.label_note)} is said of no label.", "Give the label too.")
        if not 0 <= self.n_active <= self.n_tokens:
            raise PayloadError(f"It fires at {self.n_active} of {self.n_tokens} tokens.", "Count them again.")
        if not 0 <= self.slot < 1_000:
            raise PayloadError(f"The slot is {self.slot}.", "It must be 0 to 999.")
        if sum(len(group.passages) for group in self.groups) > MAX_EXAMPLES:
            raise PayloadError("There are too many examples.", f"Give at most {MAX_EXAMPLES}.")
        for name in ("fires_on", "promoted", "suppressed", "near", "together", "alike"):
            if len(getattr(self, name)) > MAX_RELATED:
                raise PayloadError(f"FeatureDashboardPayload.{name} is too long.", f"Give at most {MAX_RELATED}.")

    @property
    def density(self) -> float:
        """Share of the tokens at which it fires."""
        return self.n_active / self.n_tokens if self.n_tokens else 0.0

    @property
    def dead(self) -> bool:
        """Whether it was looked for and never fired."""
        return self.n_tokens > 0 and self.n_active == 0

    def in_view(self) -> tuple[ExampleGroup, ...]:
        """The groups of examples that are shown, the strongest interval first."""
        return tuple(group for group in self.groups if group.kind == self.shown)
