"""Payload of the `Contrast`: what tells two sets of prompts apart, what else does, and what was made of it.

Shapes: N prompts (the positive ones first), K concepts, C numbers of corrected concepts, W next tokens.
"""

from dataclasses import dataclass

from saewidgets.errors import PayloadError, shorten
from saewidgets.payloads.arrays import F32, U8, U32, F32x2
from saewidgets.payloads.context import Context
from saewidgets.payloads.record import check, same_length

TOOLS = ("", "edit", "probe", "bottleneck")
EDIT_KINDS = ("clamp", "ablate")
MAX_PROMPTS, MAX_LISTED, MAX_CHOSEN = 2_000, 200, 64


@dataclass(frozen=True, slots=True, eq=False)
class ContrastFeature:
    """One feature, in both sets.

    Args:
        id, label: Of the feature.
        auroc: Chance that a positive prompt activates it more than a negative one.
        low, high: Its 95 % interval.
        frequency_positive, frequency_negative: Share of the prompts where it is active.
        mean_positive, mean_negative: Means of its pooled activations.
        confound: What simpler thing explains it: "token count, position"; "" for nothing known.
        beyond: Whether it does more than every control.
    """

    id: str
    label: str
    auroc: float
    low: float
    high: float
    frequency_positive: float
    frequency_negative: float
    mean_positive: float
    mean_negative: float
    confound: str = ""
    beyond: bool = False

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, eq=False)
class ContrastConfound:
    """Something simpler that may tell the sets apart.

    Args:
        name: "token count", "frequency".
        positive, negative: Its means.
        auroc, low, high: How well it alone tells the sets apart, with the 95 % interval.
        flagged: Whether 0.5 lies outside the interval.
    """

    name: str
    positive: float
    negative: float
    auroc: float
    low: float
    high: float
    flagged: bool = False

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, eq=False)
class ContrastProbe:
    """A probe on held-out prompts.

    Args:
        inputs: What it reads: "chosen features", "random features".
        k: How many of them.
        accuracy: Share that is right; of several draws the mean.
        low, high: Least and greatest of the draws; both `accuracy` where there is one only.
        control: Whether it is a control.
    """

    inputs: str
    k: int
    accuracy: float
    low: float
    high: float
    control: bool = False

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, eq=False)
class ContrastMeasure:
    """An accuracy of the bottleneck on held-out prompts; `low` and `high` are its 95 % interval, if it has one."""

    name: str
    accuracy: float
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, eq=False)
class ContrastCorrection:
    """A prompt whose concepts were set while the model ran.

    Args:
        prompt: Its number.
        values: `K` what the concepts were set to, -1 for one that was left alone.
        scores: `K` what they read as under the edits.
        answer: The bottleneck's answer then.
        words: `W` next tokens.
        before, after: `[W]` their probabilities.
        low, high: `[W]` least and greatest probability under the same edits of random features of like density.
        kl: KL(before || after) of the next token, in nats.
        kl_control: Greatest KL under random features of like density and random directions of the same norm.
        code: The edits.
    """

    prompt: int
    values: F32
    scores: F32
    answer: str
    words: tuple[str, ...]
    before: F32
    after: F32
    low: F32
    high: F32
    kl: float
    kl_control: float
    code: str

    def __post_init__(self) -> None:
        check(self)
        same_length(self, len(self.words), "before", "after", "low", "high")
        same_length(self, len(self.values), "scores")


@dataclass(frozen=True, slots=True, eq=False)
class ContrastBottleneck:
    """Concepts read from the chosen features, and the answer read from the concepts.

    Args:
        concepts: `K` names.
        readers: `K` the features each is read from, in words.
        scores: `[N, K]` of every prompt, 0 to 1.
        answers: `N` the answer of the bottleneck.
        held: `[N]` 1 where the prompt was held out of the fit.
        measures: Accuracies.
        corrected: `[C]` how many concepts are set to what they truly are.
        accuracy, low, high: `[C]` of the answer, with the 95 % interval.
        control: `[C]` with as many concepts taken from another prompt.
        correction: A prompt whose concepts were set.
    """

    concepts: tuple[str, ...]
    readers: tuple[str, ...]
    scores: F32x2
    answers: tuple[str, ...]
    held: U8
    measures: tuple[ContrastMeasure, ...]
    corrected: U32
    accuracy: F32
    low: F32
    high: F32
    control: F32
    correction: ContrastCorrection | None = None

    def __post_init__(self) -> None:
        check(self)
        same_length(self, len(self.concepts), "readers")
        same_length(self, len(self.answers), "scores", "held")
        same_length(self, len(self.corrected), "accuracy", "low", "high", "control")
        if self.scores.shape != (len(self.answers), len(self.concepts)):
            raise PayloadError("The scores have another number of concepts.", f"There are {len(self.concepts)}.")
        one = self.correction
        if one and (len(one.values) != len(self.concepts) or not 0 <= one.prompt < len(self.answers)):
            raise PayloadError("The correction fits no prompt or no concept.", "Name one that is there.")


@dataclass(frozen=True, slots=True, eq=False)
class ContrastPayload:
    """Everything a `Contrast` draws.

    Args:
        positive, negative: The prompts.
        features: Those that tell the sets apart best, the best first.
        n_features: How many are active on any prompt.
        n_beyond: How many of them do more than every control.
        n_moved: How many of them fire at other positions in the two sets.
        shuffled: Greatest `|AUROC - 0.5|` of any feature under shuffled labels.
        random: Greatest of any feature of random dictionaries.
        n_shuffles, n_random: How many of each.
        confounds: What else may tell the sets apart.
        verdict: One sentence.
        pool: Over the tokens of a prompt: `"max"`, `"mean"`, `"last"`.
        chosen: Features that were selected, listed or not.
        feature: The one that is looked at.
        tool: What is made of the selection: `""`, `"edit"`, `"probe"`, `"bottleneck"`.
        kind: What the edit does: `"clamp"` or `"ablate"`.
        edit: The edit as code.
        probes: Probes and their controls.
        bottleneck: The concept bottleneck.
        example: Number of the prompt whose concepts can be set, -1 for none.
        context: The foot.
    """

    positive: tuple[str, ...]
    negative: tuple[str, ...]
    features: tuple[ContrastFeature, ...]
    n_features: int
    n_beyond: int
    n_moved: int
    shuffled: float
    random: float
    n_shuffles: int
    n_random: int
    confounds: tuple[ContrastConfound, ...]
    verdict: str
    context: Context
    pool: str = "max"
    chosen: tuple[str, ...] = ()
    feature: str = ""
    tool: str = ""
    kind: str = "clamp"
    edit: str = ""
    probes: tuple[ContrastProbe, ...] = ()
    bottleneck: ContrastBottleneck | None = None
    example: int = -1

    def __post_init__(self) -> None:
        check(self)
        if len(self.prompts) > MAX_PROMPTS or len(self.features) > MAX_LISTED or len(self.chosen) > MAX_CHOSEN:
            raise PayloadError("Too many prompts or features.", f"At most {MAX_PROMPTS}, {MAX_LISTED}, {MAX_CHOSEN}.")
        for name, known in (("tool", TOOLS), ("kind", EDIT_KINDS)):
            if getattr(self, name) not in known:
                raise PayloadError(f"{name} is {shorten(getattr(self, name))}.", f"Use one of {known}.")
        if self.bottleneck is not None and len(self.bottleneck.answers) != len(self.prompts):
            raise PayloadError("The bottleneck has other prompts.", f"There are {len(self.prompts)}.")

    @property
    def prompts(self) -> tuple[str, ...]:
        """Of both sets, the positive ones first."""
        return (*self.positive, *self.negative)

    @property
    def control(self) -> float:
        """What `|AUROC - 0.5|` must exceed."""
        return max(self.shuffled, self.random)

    @property
    def flagged(self) -> list[str]:
        """Names of the confounds that tell the sets apart."""
        return [one.name for one in self.confounds if one.flagged]
