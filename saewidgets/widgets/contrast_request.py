"""What a contrast is asked: its values, their checks, and the code that asks again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from numbers import Real
from typing import Any

from saewidgets.errors import PromptError, WidgetError
from saewidgets.payloads.contrast import EDIT_KINDS, MAX_CHOSEN, MAX_PROMPTS, TOOLS
from saewidgets.widgets import checks


@dataclass(frozen=True, slots=True)
class ContrastRequest:
    """What a contrast should show. Hashable.

    Args:
        positive, negative: The prompts.
        chosen: The selected features; none stands for the best ones.
        tool: What is made of them: `""`, `"edit"`, `"probe"`, `"bottleneck"`.
        kind: What the edit does.
        example: Number of the prompt whose concepts are set, -1 for none.
        corrected: Concepts and the scores they are set to.
    """

    positive: tuple[str, ...]
    negative: tuple[str, ...]
    chosen: tuple[str, ...] = ()
    tool: str = ""
    kind: str = "clamp"
    example: int = -1
    corrected: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What stays the same while a contrast is used.

    Args:
        dictionary: Whose features.
        pool: Over the tokens of a prompt.
        concepts: Name -> whether each prompt has it, the positive prompts first; `None` for one concept, the set.
        listed: Features in view.
        controls: Draws of each control.
        seed: Of the draws.
        randoms: Random dictionaries.
    """

    dictionary: str | None = None
    pool: str = "max"
    concepts: Mapping[str, Sequence[bool]] | None = field(default=None, hash=False)
    listed: int = 40
    controls: int = 8
    seed: int = 0
    randoms: Any = None


def prompts(name: str, value: Any) -> tuple[str, ...]:
    """A list of prompts.

    Raises:
        PromptError: It is none, or one of them is empty.
    """
    if not isinstance(value, (list, tuple)) or not 0 < len(value) <= MAX_PROMPTS // 2:
        todo = f"Give a list of at most {MAX_PROMPTS // 2} strings, two or more."
        raise PromptError(f"The {name} prompts are {checks.brief(value)}.", todo)
    found = tuple(checks.text(f"{name} prompt", one) for one in value)
    if not all(one.strip() for one in found):
        raise PromptError(f"One of the {name} prompts is empty.", "Leave it out.")
    return found


def features(name: str, value: Any) -> tuple[str, ...]:
    """Ids of features, each once.

    Raises:
        WidgetError: It is no list of them, or there are too many.
    """
    found = tuple(one for one in checks.feature_ids(name, value) if one)
    if len(found) > MAX_CHOSEN:
        raise WidgetError(f"{name} has {len(found)} features.", f"At most {MAX_CHOSEN}.")
    return found


def corrections(name: str, value: Any) -> tuple[tuple[str, float], ...]:
    """Concepts and scores from 0 to 1, as a mapping or as pairs.

    Raises:
        WidgetError: It is neither, or a score lies outside.
    """
    if not isinstance(value, (Mapping, list, tuple)) or len(value) > MAX_CHOSEN:
        raise WidgetError(f"{name} is {checks.brief(value)}.", 'Give {"concept": score, …}.')
    pairs = list(value.items()) if isinstance(value, Mapping) else list(value)
    if not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs):
        raise WidgetError(f"{name} is {checks.brief(value)}.", 'Give {"concept": score, …}.')
    for _, score in pairs:
        if isinstance(score, bool) or not isinstance(score, Real) or not 0 <= float(score) <= 1:
            raise WidgetError(f"A concept is set to {checks.brief(score)}.", "Its score lies between 0 and 1.")
    return tuple((checks.word("concept", concept), float(score)) for concept, score in pairs)


CHECKS: dict[str, checks.Check] = {
    "positive": prompts,
    "negative": prompts,
    "chosen": features,
    "tool": checks.one_of(*TOOLS),
    "kind": checks.one_of(*EDIT_KINDS),
    "example": checks.whole(-1, MAX_PROMPTS),
    "corrected": corrections,
}


def code(request: ContrastRequest, asked: Asked) -> str:
    """Python that shows this view again.

    Example:
        >>> print(code(ContrastRequest(("a", "b"), ("c", "d"), tool="probe"), Asked()))
        sw.Contrast(scope, ['a', 'b'], ['c', 'd'], tool='probe', controls=8, seed=0)
    """
    written = [repr(list(request.positive)), repr(list(request.negative))]
    plain, usual = ContrastRequest((), ()), Asked()
    for name in ("chosen", "tool", "kind", "example", "corrected"):
        value = getattr(request, name)
        if value != getattr(plain, name):
            shown = dict(value) if name == "corrected" else list(value) if name == "chosen" else value
            written.append(f"{name}={shown!r}")
    for name in (f.name for f in fields(Asked) if f.name not in ("controls", "seed", "randoms")):
        value = getattr(asked, name)
        if value != getattr(usual, name):
            listed = {n: [bool(v) for v in truth] for n, truth in value.items()} if name == "concepts" else value
            written.append(f"{name}={listed!r}")
    if asked.randoms is not None:
        written.append("randoms=randoms")
    return f"sw.Contrast(scope, {', '.join([*written, f'controls={asked.controls}', f'seed={asked.seed}'])})"
