"""Edits made from edits: taken back, made stronger or weaker, and at explicit places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from saewidgets.errors import EditError
from saewidgets.interventions.edits import Edit
from saewidgets.interventions.targets import Direction


def inverse(edits: Edit | Sequence[Edit]) -> tuple[Edit, ...]:
    """Edits that take back other edits, when appended to them in one list.

    Steering is taken back by the opposite strength, scaling by one over the factor. The others forget the value they
    replace; to undo them, run without them.

    Args:
        edits: One, or a list.

    Returns:
        Their inverses, last first.

    Raises:
        EditError: One has no inverse.

    Example:
        >>> from saewidgets.interventions import scale, steer
        >>> inverse([steer("resid_post.2/17", 4), scale("resid_post.2/17", 2)])
        (sw.scale('resid_post.2/17', 0.5), sw.steer('resid_post.2/17', -4))
    """
    return tuple(_inverse(edit) for edit in reversed([edits] if isinstance(edits, Edit) else edits))


def _inverse(edit: Edit) -> Edit:
    whole = edit.error == "keep" and edit.latents == "edit"
    if edit.kind == "steer" and whole and not (edit.relative and isinstance(edit.target, Direction)):
        return replace(edit, value=-edit.value)
    if edit.kind == "scale" and whole and edit.value and abs(1 / edit.value) < 1e30:
        return replace(edit, value=1 / edit.value)
    raise EditError(f"{edit!r} has no inverse.", "It forgets the value it replaces: run without it instead.")


def at_strength(edits: Sequence[Edit], strength: float) -> tuple[Edit, ...]:
    """The same edits with every steering strength multiplied.

    Args:
        edits: Some of them steer.
        strength: 0 for no steering.

    Returns:
        The edits; what does not steer stays as it is.

    Raises:
        EditError: None of them steers, or a strength is out of range.

    Example:
        >>> from saewidgets.interventions import steer
        >>> at_strength([steer("resid_post.2/17", 4)], 0.5)
        (sw.steer('resid_post.2/17', 2),)
    """
    if not any(edit.kind == "steer" for edit in edits):
        raise EditError("None of these edits has a strength.", "Strengths multiply the edits made by sw.steer.")
    return tuple(replace(e, value=e.value * strength) if e.kind == "steer" else e for e in edits)


def at_places(edits: Sequence[Edit], prompt: int, length: int) -> tuple[Edit, ...]:
    """Edits made while a text was generated, for a run of that text.

    Args:
        edits: At all, chosen, prompt or generated positions.
        prompt: Tokens of the prompt.
        length: Tokens of prompt and generated text.

    Returns:
        The edits at explicit positions; those that touch none of the tokens are left out.
    """
    spans = {"prompt": tuple(range(prompt)), "generated": tuple(range(prompt, length))}
    placed = []
    for edit in edits:
        positions = edit.positions
        if isinstance(positions, str) or (positions is None and edit.kind == "patch"):
            positions = spans[positions or "prompt"]
        if positions is None or positions:
            placed.append(replace(edit, positions=positions))
    return tuple(placed)
