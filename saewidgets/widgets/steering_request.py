"""What a steering view is asked: its values, their checks, the edits they stand for, the code that asks again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeAlias

from saewidgets.errors import EditError, PromptError, WidgetError
from saewidgets.payloads.steering import MAX_SLIDERS, MODES, PLACES
from saewidgets.widgets import checks

if TYPE_CHECKING:
    from saewidgets.interventions import Edit
    from saewidgets.interventions.targets import Target

_KINDS = {"additive": "steer", "clamp": "clamp", "scale": "scale"}
_POSITIONS = {"prompt": "prompt", "new": "generated", "both": None}
MAX_NEW, MAX_WORDS, MAX_MESSAGES = 2_000, 200, 200
PROPAGATIONS = ("free", "frozen_attention", "direct")

Prompt: TypeAlias = "str | tuple[tuple[str, str], ...]"
"""A text, or messages: (role, content)."""


@dataclass(frozen=True, slots=True)
class SteeringRequest:
    """What a view should show. Hashable.

    Args:
        prompt: What texts go on from: a text, or the (role, content) of each message of a conversation.
        edits: One a slider, in order of their letters.
        mode: What a slider does: `"additive"`, `"clamp"`, `"scale"`.
        place: Where: on the `"prompt"`, on `"new"` tokens, on `"both"`.
        seed, temperature, max_new_tokens: Of the draws.
        frozen: Whether to write one more text under frozen attention.
        target: Words that count as the effect; empty for those the first slider promotes.
        propagation: How edits travel in the curves.
    """

    prompt: Prompt
    edits: tuple[Edit, ...] = ()
    mode: str = "additive"
    place: str = "both"
    seed: int = 0
    temperature: float = 1.0
    max_new_tokens: int = 40
    frozen: bool = False
    target: tuple[str | int, ...] = ()
    propagation: str = "free"

    @property
    def neutral(self) -> float:
        """Where a slider changes nothing; a clamp always does."""
        return 1.0 if self.mode == "scale" else 0.0

    @property
    def acting(self) -> tuple[Edit, ...]:
        """The edits that change something."""
        return tuple(e for e in self.edits if self.mode == "clamp" or e.value != self.neutral)

    @property
    def first(self) -> int:
        """The slider that strengths are counted on: the first that is moved, else the first."""
        moved = [i for i, edit in enumerate(self.edits) if edit.value != self.neutral]
        return moved[0] if moved else 0

    def at(self, strength: float) -> tuple[Edit, ...]:
        """The edits with the first moved slider at a strength and the others in proportion."""
        middle, now = self.neutral, self.edits[self.first].value
        share = (strength - middle) / (now - middle) if now != middle else 0.0
        moved = tuple(replace(e, value=middle + share * (e.value - middle)) for e in self.edits)
        if now == middle:
            moved = tuple(replace(e, value=strength) if i == self.first else e for i, e in enumerate(self.edits))
        return replace(self, edits=moved).acting


def number(low: float, high: float) -> checks.Check:
    """A number from `low` to `high`."""

    def check(name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, Real) or not low <= float(value) <= high:
            raise WidgetError(f"{name} is {checks.brief(value)}.", f"It must be a number from {low:g} to {high:g}.")
        return float(value)

    return check


def truth(name: str, value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise WidgetError(f"{name} is {checks.brief(value)}.", "It must be true or false.")
    return value


def target_words(name: str, value: Any) -> tuple[str | int, ...]:
    """Words that count: a list of texts or token ids, or one text with commas."""
    if isinstance(value, str):
        value = [word.strip() for word in checks.text(name, value).split(",")]
        value = [word for word in value if word]
    if not isinstance(value, (list, tuple)) or len(value) > MAX_WORDS:
        raise WidgetError(f"{name} is {checks.brief(value)}.", f"Give at most {MAX_WORDS} words.")
    for word in value:
        if isinstance(word, bool) or not isinstance(word, (str, int)) or len(str(word)) > 200:
            raise WidgetError(f"{name} holds {checks.brief(word)}.", "Words are texts or token ids.")
    return tuple(value)


def prompt_or_chat(name: str, value: Any) -> Prompt:
    """A text, or a list of messages with role and content.

    Raises:
        PromptError: It is neither.
    """
    if not isinstance(value, (list, tuple)):
        return checks.text(name, value)
    if not 0 < len(value) <= MAX_MESSAGES:
        raise PromptError(f"A conversation of {len(value)} messages.", f"Give 1 to {MAX_MESSAGES}.")
    return tuple(_message(one) for one in value)


def _message(one: Any) -> tuple[str, str]:
    fields = (one.get("role"), one.get("content")) if isinstance(one, Mapping) else one
    if not isinstance(fields, tuple) or len(fields) != 2 or not all(isinstance(field, str) for field in fields):
        raise PromptError(f"A message is {checks.brief(one)}.", "Give {'role': 'user', 'content': '...'}.")
    role, content = fields
    if not role or len(role) > 100:
        raise PromptError(f"The role is {checks.brief(role)}.", "Write 'system', 'user' or 'assistant'.")
    return role, checks.text("content of a message", content)


def as_asked(prompt: Prompt) -> str | list[dict[str, str]]:
    """A prompt as `scope.generate` takes it."""
    return prompt if isinstance(prompt, str) else [{"role": role, "content": content} for role, content in prompt]


def as_text(prompt: Prompt) -> str:
    """A prompt as people read it."""
    return prompt if isinstance(prompt, str) else "\n".join(f"{role}: {content}" for role, content in prompt)


CHECKS: dict[str, checks.Check] = {
    "prompt": prompt_or_chat,
    "mode": checks.one_of(*MODES),
    "place": checks.one_of(*PLACES),
    "seed": checks.whole(0, 2**31),
    "temperature": number(0.0, 100.0),
    "max_new_tokens": checks.whole(1, MAX_NEW),
    "frozen": truth,
    "target": target_words,
    "propagation": checks.one_of(*PROPAGATIONS),
}


def slider_ids(edits: Sequence[Edit]) -> tuple[str, ...]:
    """What each slider is called, each once."""
    names: list[str] = []
    for edit in edits:
        name = str(edit.target)
        while name in names:
            name += "′"
        names.append(name)
    return tuple(names)


def of_edits(edits: Any) -> tuple[tuple[Edit, ...], str, str]:
    """Edits as sliders: the edits, their mode, their place.

    Raises:
        EditError: They are of several kinds or places, or no slider can show them.
    """
    chosen = checks.edit_list("edits", edits)
    # At 0 a factor ablates.
    chosen = tuple(replace(e, kind="scale", value=0.0) if e.kind == "ablate" and e.source is None else e
                   for e in chosen)  # fmt: skip
    kinds, places = {e.kind for e in chosen} or {"steer"}, {e.positions for e in chosen} or {None}
    mode = next((mode for mode, kind in _KINDS.items() if kinds == {kind}), None)
    place = next((place for place, positions in _POSITIONS.items() if places == {positions}), None)
    if mode is None or place is None or len(chosen) > MAX_SLIDERS:
        raise EditError(
            f"{len(chosen)} edits that are {', '.join(sorted(kinds))} at {len(places)} places.",
            "Sliders steer, clamp or scale, all alike, on the prompt, on generated tokens, or on both.",
        )
    return chosen, mode, place


def with_state(before: SteeringRequest, state: Mapping[str, Any], known: Mapping[str, Target]) -> SteeringRequest:
    """The request with what a state changes, checked.

    Args:
        before: The newest wanted one.
        state: Values by name, as in `CHECKS`; `sliders` is a list of `{"id", "value"}`.
        known: What is not a feature, by the name of its slider.
    """
    changed = {name: CHECKS[name](name, state[name]) for name in CHECKS if state.get(name) is not None}
    request = replace(before, **changed)
    edits = before.edits
    if state.get("sliders") is not None:
        edits = _sliders(state["sliders"], before, known)
    elif request.mode != before.mode and "scale" in (request.mode, before.mode):
        # A factor is no activation: sliders that were moved stay so, the others stay at their notch.
        moved = 2.0 if request.mode == "scale" else 4.0
        edits = tuple(replace(e, value=request.neutral if e.value == before.neutral else moved) for e in edits)
    return replace(request, edits=tuple(_as(e, request) for e in edits))


def _as(edit: Edit, request: SteeringRequest) -> Edit:
    kind = _KINDS[request.mode]
    fields: dict[str, Any] = {"kind": kind, "positions": _POSITIONS[request.place]}
    if kind != "steer":
        fields["relative"] = False
    if kind != "clamp":
        fields["when_active"] = False
    return replace(edit, **fields)


def _sliders(value: Any, before: SteeringRequest, known: Mapping[str, Target]) -> tuple[Edit, ...]:
    from saewidgets.interventions import Edit
    from saewidgets.sites import FeatureId

    if not isinstance(value, (list, tuple)) or len(value) > MAX_SLIDERS:
        raise WidgetError(f"sliders is {checks.brief(value)}.", f"Give a list of at most {MAX_SLIDERS}.")
    old = dict(zip(slider_ids(before.edits), before.edits, strict=True))
    found: dict[str, Edit] = {}
    for item in value:
        if not isinstance(item, Mapping):
            raise WidgetError(f"A slider is {checks.brief(item)}.", "It needs an id and a value.")
        name = checks.word("id", item.get("id"))
        strength = number(-1e6, 1e6)("value", item.get("value"))
        if name in found:
            raise WidgetError(f"Two sliders of {checks.brief(name)}.", "Name each once.")
        target = known.get(name)
        edit = old.get(name) or Edit(FeatureId.parse(name) if target is None else target, "steer")
        found[name] = replace(edit, value=strength)
    return tuple(found.values())


def code(request: SteeringRequest, options: Mapping[str, Any]) -> str:
    """Python that shows this view again.

    Args:
        request: What is shown.
        options: Further arguments that differ from their defaults, by name.

    Example:
        >>> print(code(SteeringRequest("A boat", seed=3), {"n_controls": 2}))
        sw.Steering(scope, 'A boat', seed=3, n_controls=2)
    """
    default = SteeringRequest("")
    arguments = ["scope", repr(as_asked(request.prompt))]
    if request.edits:
        arguments.append(f"[{', '.join(map(repr, request.edits))}]")
    elif (request.mode, request.place) != (default.mode, default.place):
        arguments.append(f"mode={request.mode!r}, place={request.place!r}")
    for name in ("seed", "temperature", "max_new_tokens", "frozen", "propagation"):
        if getattr(request, name) != getattr(default, name):
            arguments.append(f"{name}={getattr(request, name)!r}")
    if request.target:
        arguments.append(f"target={list(request.target)!r}")
    return f"sw.Steering({', '.join([*arguments, *(f'{k}={v!r}' for k, v in options.items())])})"
