"""What a heatmap can be asked and show: checks of each value, the first request, the view on a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from saewidgets.errors import PromptError, WidgetError
from saewidgets.payloads import Context, HeatmapPayload
from saewidgets.widgets import checks

if TYPE_CHECKING:
    from saewidgets.interventions import Edit
    from saewidgets.runs.heatmap import HeatmapRequest
    from saewidgets.scope import Scope

CHECKS: dict[str, checks.Check] = {
    "prompt": checks.text,
    "features": checks.feature_ids,
    "edits": checks.edit_list,
    "error_term": checks.one_of("kept", "dropped"),
    "site": checks.word,
    "fill": checks.word,
    "selection": checks.whole(0, checks.MAX_POSITION),
    "positions": checks.position_list,
}


def dragged(edit: Edit) -> tuple[Any, ...]:
    """What stays while a slider moves: all but the number; at 0 a slider ablates."""
    return edit.target, edit.positions, edit.relative, "scale" if edit.kind == "ablate" else edit.kind


def comment(text: str) -> str:
    """Text on one line, so that it cannot leave its comment."""
    return " ".join(text.split())


def code_of(context: Context, randoms: object) -> str:
    """Python that makes the view of an analysis again.

    Args:
        context: Of its payload.
        randoms: The random dictionaries it was given, `None` for its own.
    """
    lines = [f"import saewidgets as sw  # {context.version}", f"# scope: {comment(context.model)}"]
    if randoms is not None:
        written = getattr(randoms, "source", "")
        lines.append(f"randoms = {written}" if written else "# randoms: dictionaries of your own")
    return "\n".join([*lines, context.code])


def slots(payload: HeatmapPayload) -> tuple[str, ...]:
    """Feature ids by slot, `""` where a slot is free."""
    slots = [""] * (max((f.slot for f in payload.features), default=-1) + 1)
    for feature in payload.features:
        slots[feature.slot] = feature.id
    return tuple(slots)


def with_view(payload: HeatmapPayload, name: str, value: Any) -> HeatmapPayload:
    """The payload with another site, fill or selection.

    Raises:
        WidgetError: It has none such.
    """
    if name == "selection":
        known: Sequence[Any] = range(len(payload.tokens))
        todo = f"There are {len(payload.tokens)} tokens."
    else:
        known = [s.key for s in payload.sites] if name == "site" else ["error", "surprise"]
        known = [*known, *(f.id for f in payload.features)] if name == "fill" else known
        todo = f"This picture has {', '.join(known) or 'none'}."
    if value not in known:
        raise WidgetError(f"{name} is {checks.brief(value)}.", todo)
    return payload if getattr(payload, name) == value else replace(payload, **{name: value})


def refuse_other(source: Any) -> None:
    """Raise for a source that is no scope.

    Raises:
        WidgetError: It is none.
    """
    if not hasattr(source, "dictionaries") or not hasattr(source, "run"):
        raise WidgetError(
            f"A heatmap of a {type(source).__name__}.", "Give a scope (sw.Scope, sw.demo()) or a HeatmapPayload."
        )


def first_request(
    scope: Scope,
    prompt: str | None,
    features: Sequence[str] | None,
    view: dict[str, Any],
    edits: Sequence[Edit],
    error_term: str,
) -> HeatmapRequest:
    """The request that a new widget's arguments make.

    Raises:
        SaewidgetsError: A value is of the wrong type or out of range.
    """
    from saewidgets.runs.heatmap import HeatmapRequest, default_features

    if prompt is None:
        raise PromptError("A live heatmap needs a prompt.", "Write sw.TokenHeatmap(scope, 'Some text.').")
    given = {"prompt": prompt, "features": features, "edits": edits, "error_term": error_term, **view}
    checked = {name: CHECKS[name](name, value) for name, value in given.items() if value is not None}
    if features is None:
        checked["features"] = default_features(scope, checked["prompt"], checked.get("site", ""))
    return HeatmapRequest(**checked)
