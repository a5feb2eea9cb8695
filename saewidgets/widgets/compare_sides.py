"""The two sides of a `Compare`: what was given for each, the heatmaps they are, what is asked of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from saewidgets.errors import WidgetError
from saewidgets.widgets.heatmap import TokenHeatmap

if TYPE_CHECKING:
    from saewidgets.causes.compare import Side
    from saewidgets.scope import Scope

# What the comparison is of: traits of each heatmap.
OF = ("prompt", "edits", "error_term", "site")


@dataclass(frozen=True, slots=True)
class CompareRequest:
    """What should be compared.

    Args:
        left, right: Values of `OF`.
        pair: Number of the pair of tokens in view, -1 for the last.
        seed: Of the control.
    """

    left: tuple[Any, ...]
    right: tuple[Any, ...]
    pair: int = -1
    seed: int = 0


def of(view: TokenHeatmap) -> tuple[Any, ...]:
    """Values of `OF`."""
    return tuple(getattr(view, name) for name in OF)


def both(value: Any) -> tuple[Any, Any]:
    """A pair as it is; anything else for both sides."""
    return (value[0], value[1]) if isinstance(value, tuple) and len(value) == 2 else (value, value)


def edit_lists(edits: Any) -> tuple[Any, Any]:
    """Two lists of edits as they are; one for both sides."""
    is_pair = isinstance(edits, (list, tuple)) and len(edits) == 2
    return tuple(edits) if is_pair and all(isinstance(e, (list, tuple)) for e in edits) else (edits, edits)


def scopes_of(source: Any) -> tuple[Scope, Scope]:
    """The scope of either side.

    Raises:
        WidgetError: It is none.
    """
    scopes = both(source)
    for scope in scopes:
        if not hasattr(scope, "dictionaries") or not hasattr(scope, "run"):
            raise WidgetError(f"A comparison of a {type(scope).__name__}.", "Give a scope, or two (a, b).")
    return scopes


def open_sides(
    scopes: tuple[Scope, Scope], prompt: Any, features: Sequence[str] | None, site: Any, edits: Any, error_term: Any,
    selection: int | None, **look: Any,
) -> tuple[TokenHeatmap, TokenHeatmap]:  # fmt: skip
    """The two heatmaps. Arguments and errors as of `Compare`."""
    sites = both(site)
    made: list[TokenHeatmap] = []
    try:
        for scope, text, key, done, term in zip(
            scopes, both(prompt), sites, edit_lists(edits), both(error_term), strict=True
        ):
            # The other side looks at the same features, where it is of the same dictionary.
            own = _known(scope, made[0]) if features is None and made and key == sites[0] else features
            made.append(TokenHeatmap(
                scope, text, own, site=key, edits=done, error_term=term, selection=selection if not made else None,
                **look,
            ))  # fmt: skip
    except BaseException:
        for view in made:
            view.close()
        raise
    return made[0], made[1]


def _known(scope: Scope, other: TokenHeatmap) -> list[str] | None:
    """The features of the other side that this scope has; `None` for none, so that it chooses its own."""
    known = []
    for name in filter(None, other.features):
        key, _, index = name.rpartition("/")
        if key in scope.dictionaries and int(index) < scope.dictionaries[key].d_dict:
            known.append(name)
    return known or None


def asked_sides(scopes: tuple[Scope, Scope], request: CompareRequest) -> tuple[Side, Side]:
    """What is to be run on either side."""
    from saewidgets.causes.compare import Side
    from saewidgets.runs.heatmap import with_error_term

    sides = []
    for scope, (prompt, edits, error_term, site) in zip(scopes, (request.left, request.right), strict=True):
        key = scope.key(site) if site else scope.default_site
        sides.append(Side(scope, prompt, with_error_term(edits, error_term), key))
    return sides[0], sides[1]
