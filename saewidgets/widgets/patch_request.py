"""What a patch map is asked: its values, their checks, and the code that asks again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from saewidgets.errors import PromptError, WidgetError
from saewidgets.payloads.patch_map import CORRUPTIONS, SHOWS
from saewidgets.widgets import checks

PROPAGATIONS = ("free", "frozen_attention", "direct")
LOGITS = "logits"
_MAX_NAME = 300


@dataclass(frozen=True, slots=True)
class PatchRequest:
    """What a patch map should show. Hashable.

    Args:
        clean, corrupt: The prompts, one or more pairs.
        show: `"streams"`, `"heads"` or `"features"`.
        corruption: `"swap"` or `"noise"`.
        propagation: `"free"`, `"frozen_attention"` or `"direct"`.
        error_term: `"kept"` or `"dropped"`, while features are patched.
        cell: The chosen one, "" for none; `None` for the strongest.
        path: Sender and receiver, or nothing.
    """

    clean: tuple[str, ...]
    corrupt: tuple[str, ...]
    show: str = "streams"
    corruption: str = "swap"
    propagation: str = "free"
    error_term: str = "kept"
    cell: str | None = None
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What stays the same while a patch map is used.

    Args:
        target: As in `causes.patch_map`; `None` for the likeliest tokens of the two prompts.
        position: After which token it is predicted.
        dictionary: Whose features.
        top: Cells of features.
        controls: Draws of each control.
        seed: Of the draws.
        regions: Name -> token positions.
        randoms: Random dictionaries.
    """

    target: Any = None
    position: int = -1
    dictionary: str | None = None
    top: int = 20
    controls: int = 8
    seed: int = 0
    regions: Mapping[str, Sequence[int]] = field(default_factory=dict)
    randoms: Any = None


def prompts(name: str, value: Any) -> tuple[str, ...]:
    """One prompt, or a list of them.

    Raises:
        PromptError: It is neither.
    """
    listed = (value,) if isinstance(value, str) else value
    if not isinstance(listed, (list, tuple)) or not 0 < len(listed) <= 1_000:
        raise PromptError(f"The {name} prompt is {checks.brief(value)}.", "Give a string, or a list of strings.")
    return tuple(checks.text(f"{name} prompt", one) for one in listed)


def cell_name(name: str, value: Any) -> str:
    """A cell such as "attn_out.2:14", "" for none.

    Raises:
        WidgetError: It is none.
    """
    if value == "":
        return ""
    if not isinstance(value, str) or len(value) > _MAX_NAME:
        raise WidgetError(f"{name} is {checks.brief(value)}.", "Name a cell: 'attn_out.2:14' is layer 2 at token 14.")
    split_cell(value)
    return value


def split_cell(cell: str) -> tuple[str, int]:
    """Node and position.

    Raises:
        WidgetError: It is no cell.
    """
    node, _, place = cell.rpartition(":")
    if not node or not (place.isascii() and place.isdigit()) or len(place) > 8:
        raise WidgetError(f"The cell is {checks.brief(cell)}.", "Name one: 'attn_out.2:14' is layer 2 at token 14.")
    return node, int(place)


def path_of(name: str, value: Any) -> tuple[str, ...]:
    """Sender and receiver, or nothing.

    Raises:
        WidgetError: It is neither.
    """
    if not isinstance(value, (list, tuple)) or len(value) not in (0, 2):
        raise WidgetError(f"{name} is {checks.brief(value)}.", "Give [] or two cells, the second may be 'logits'.")
    if not value:
        return ()
    sender = cell_name(name, value[0])
    if not sender:
        raise WidgetError("The path starts nowhere.", "Choose a cell first.")
    return sender, LOGITS if value[1] == LOGITS else cell_name(name, value[1]) or LOGITS


CHECKS: dict[str, checks.Check] = {
    "clean": prompts,
    "corrupt": prompts,
    "show": checks.one_of(*SHOWS),
    "corruption": checks.one_of(*CORRUPTIONS),
    "propagation": checks.one_of(*PROPAGATIONS),
    "error_term": checks.one_of("kept", "dropped"),
    "cell": cell_name,
    "path": path_of,
}


def code(request: PatchRequest, asked: Asked) -> str:
    """Python that shows this view again.

    Example:
        >>> print(code(PatchRequest(("a b",), ("a c",), cell="resid_post.1:2"), Asked((" x", " y"))))
        sw.PatchMap(scope, clean='a b', corrupt='a c', target=(' x', ' y'), cell='resid_post.1:2', controls=8, seed=0)
    """
    one = len(request.clean) == 1
    pairs = [(n, v[0] if one else list(v)) for n, v in (("clean", request.clean), ("corrupt", request.corrupt))]
    plain = PatchRequest((), ())
    pairs += [("target", asked.target)] if asked.target is not None else []
    pairs += [(n, getattr(asked, n)) for n in ("position", "dictionary", "top") if getattr(asked, n) != _DEFAULT[n]]
    names = ("show", "corruption", "propagation", "error_term", "cell", "path")
    pairs += [(n, getattr(request, n)) for n in names if getattr(request, n) != getattr(plain, n)]
    written = [f"{name}={_written(value)}" for name, value in pairs]
    if asked.regions:
        written.append(f"regions={ {name: tuple(places) for name, places in asked.regions.items()}!r}")
    if asked.randoms is not None:
        written.append("randoms=randoms")
    written += [f"controls={asked.controls}", f"seed={asked.seed}"]
    return f"sw.PatchMap(scope, {', '.join(written)})"


def _written(value: Any) -> str:
    token = getattr(value, "token", None)
    if token is not None:  # sw.explain.Probability
        return f"sw.explain.Probability({token!r})"
    return str(getattr(value, "__name__", "target")) if callable(value) else repr(value)


_DEFAULT = {name: getattr(Asked(), name) for name in ("position", "dictionary", "top")}
