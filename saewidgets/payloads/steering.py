"""Payload of `Steering`: what a model writes as it is, steered, and under the controls; what each strength buys.

Shapes: S sliders, T tokens of a text, K strengths, C controls.
"""

from dataclasses import dataclass

import numpy as np

from saewidgets.errors import PayloadError, shorten
from saewidgets.payloads.arrays import F32, U8, F32x2
from saewidgets.payloads.context import Context
from saewidgets.payloads.heatmap import SPECIAL, FeatureLabel, Tokens
from saewidgets.payloads.record import check, same_length

MODES = ("additive", "clamp", "scale")
PLACES = ("prompt", "new", "both")
ROLES = ("base", "steered", "frozen", "direction", "feature")
CONTROLS = ("direction", "feature")
PHASES = ("writing", "measuring", "finished", "stopped")
MAX_SLIDERS, MAX_KEPT = 32, 200


@dataclass(frozen=True, slots=True, eq=False)
class SteeringSlider:
    """What is steered with.

    Args:
        id: Of a feature, or a name of a vector or a group.
        label: Its label or name.
        slot: Which letter and colour it has.
        value: Where it stands.
        middle, half: Of the slider: its notch, and how far it goes to either side.
        share: What 1 of strength is in norms of the activation at its site; 0 where there is no such thing.
        maximum: Its greatest activation in these texts: a full fill. 0 for what has none.
    """

    id: str
    label: str
    slot: int
    value: float
    middle: float = 0.0
    half: float = 1.0
    share: float = 0.0
    maximum: float = 0.0

    def __post_init__(self) -> None:
        check(self)
        if not 0 <= self.slot < 1_000 or not 0 < self.half:
            raise PayloadError(f"A slider of slot {self.slot} and half {self.half}.", "Slots 0 to 999, half above 0.")


@dataclass(frozen=True, slots=True, eq=False)
class WrittenText:
    """One column.

    Args:
        role: One of `ROLES`.
        note: What was done, in words.
        tokens: Prompt and text.
        n_prompt: How many of the tokens are the prompt.
        differs: `[T]` 1 where a new token is not in the base text, both aligned.
        values: `[S, T]` activations in a run of the text without edits, 0 until it is read.
        effect, kl, perplexity: Means over the new tokens of this text, `None` until they are measured.
        finished: `"length"`, `"stop"`, `"cancelled"`, "" while it is written.
    """

    role: str
    note: str
    tokens: Tokens
    n_prompt: int
    differs: U8
    values: F32x2
    effect: float | None = None
    kl: float | None = None
    perplexity: float | None = None
    finished: str = ""

    def __post_init__(self) -> None:
        check(self)
        same_length(self, len(self.tokens), "differs")
        if self.role not in ROLES:
            raise PayloadError(f"A text that is {shorten(self.role)}.", f"Use one of {ROLES}.")
        if self.values.shape[1] != len(self.tokens) or not 0 <= self.n_prompt <= len(self.tokens):
            raise PayloadError("A text's values or prompt do not fit its tokens.", "Give one column a token.")

    @property
    def text(self) -> str:
        """The new tokens as one text, without special ones."""
        new = range(self.n_prompt, len(self.tokens))
        return "".join(self.tokens.text[i] for i in new if self.tokens.kind[i] != SPECIAL)


@dataclass(frozen=True, slots=True, eq=False)
class Doses:
    """What each strength does: row 0 the edit, then random directions, then random features.

    Args:
        strengths: `[K]` of the first slider that is moved; the others stay in proportion.
        effect, kl, perplexity: `[1 + C, K]`
        base_effect, base_perplexity: Without edits.
        n_directions: How many controls are random directions of the same norm; the rest are random features.
        n_prompts, n_texts, n_planned: Prompts and texts so far, and texts there will be.
        n_tokens: New tokens a text, at most.
    """

    strengths: F32
    effect: F32x2
    kl: F32x2
    perplexity: F32x2
    base_effect: float
    base_perplexity: float
    n_directions: int
    n_prompts: int
    n_texts: int
    n_planned: int
    n_tokens: int

    def __post_init__(self) -> None:
        check(self)
        shape = (len(self.effect), len(self.strengths))
        if not len(self.effect) or any(a.shape != shape for a in (self.effect, self.kl, self.perplexity)):
            raise PayloadError("Doses disagree about strengths or controls.", "Give a row each, a column a strength.")
        if (np.diff(self.strengths) <= 0).any():
            raise PayloadError("Doses.strengths do not rise.", "Sort them and drop repeats.")
        if not 0 <= self.n_directions < len(self.effect):
            raise PayloadError(f"{self.n_directions} of {len(self.effect) - 1} controls.", "Count them again.")

    @property
    def n_controls(self) -> int:
        """Random directions and random features together."""
        return len(self.effect) - 1


@dataclass(frozen=True, slots=True, eq=False)
class KeptRun:
    """A steered text that was kept, with what makes it again.

    Args:
        note: What was done: "a +4.0".
        prompt: Before the text.
        mode, place: How.
        sliders: Ids.
        values: `[sliders]`
        seed, temperature: Of the draws.
        text: What was written.
        effect, kl, perplexity: Of this text.
        n_tokens: New tokens.
    """

    note: str
    prompt: str
    mode: str
    place: str
    sliders: tuple[str, ...]
    values: F32
    seed: int
    temperature: float
    text: str
    effect: float | None = None
    kl: float | None = None
    perplexity: float | None = None
    n_tokens: int = 0

    def __post_init__(self) -> None:
        check(self)
        same_length(self, len(self.sliders), "values")
        if self.mode not in MODES or self.place not in PLACES:
            raise PayloadError(f"A run {shorten(self.mode)}, {shorten(self.place)}.", f"Use {MODES} and {PLACES}.")


@dataclass(frozen=True, slots=True, eq=False)
class ChatMessage:
    """What someone says in a conversation: `"system"`, `"user"` or `"assistant"`, and the words."""

    role: str
    content: str

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, eq=False)
class SteeringPayload:
    """Everything a `Steering` view draws.

    Args:
        prompt: What all texts go on from.
        context: The foot.
        mode, place: How sliders act, and where: on the prompt, on new tokens, on both.
        seed, temperature, max_new_tokens: Of the draws.
        sliders: At most 32.
        texts: Columns that have begun, base first.
        target: Words that count as the effect.
        target_name: The same, short.
        doses: `None` until the first is measured.
        now: Strength that the sliders stand at.
        verdict: Whether the controls do as much, in words; "" before it is known.
        kept: Runs that were kept, oldest first.
        offers: Features that are strong in the prompt, to begin with.
        control: Which control is in view.
        frozen: Whether a text under frozen attention is asked for.
        phase: One of `PHASES`.
        tokens_per_second: Of the texts in view, 0 before they are written.
        propagation: How edits travel in the curves.
        messages: The prompt where it is a conversation.
    """

    prompt: str
    context: Context
    mode: str = "additive"
    place: str = "both"
    seed: int = 0
    temperature: float = 1.0
    max_new_tokens: int = 40
    sliders: tuple[SteeringSlider, ...] = ()
    texts: tuple[WrittenText, ...] = ()
    target: tuple[str, ...] = ()
    target_name: str = ""
    doses: Doses | None = None
    now: float = 0.0
    verdict: str = ""
    kept: tuple[KeptRun, ...] = ()
    offers: tuple[FeatureLabel, ...] = ()
    control: str = "direction"
    frozen: bool = False
    phase: str = "finished"
    tokens_per_second: float = 0.0
    propagation: str = "free"
    messages: tuple[ChatMessage, ...] = ()

    def __post_init__(self) -> None:
        check(self)
        for name, known in (("mode", MODES), ("place", PLACES), ("control", CONTROLS), ("phase", PHASES)):
            if getattr(self, name) not in known:
                raise PayloadError(f"{name} is {shorten(getattr(self, name))}.", f"Use one of {known}.")
        if len(self.sliders) > MAX_SLIDERS or len(self.kept) > MAX_KEPT:
            raise PayloadError("Too many sliders or kept runs.", f"At most {MAX_SLIDERS} and {MAX_KEPT}.")
        for text in self.texts:
            if len(text.values) != len(self.sliders):
                raise PayloadError("A text has no values of some slider.", "Give a row for each slider.")

    @property
    def moved(self) -> SteeringSlider | None:
        """The slider that strengths are counted on: the first that is moved, else the first; `None` without any."""
        return next((s for s in self.sliders if s.value != s.middle), self.sliders[0] if self.sliders else None)

    def column(self, role: str) -> WrittenText | None:
        """The text of a role, if it has begun."""
        return next((text for text in self.texts if text.role == role), None)
